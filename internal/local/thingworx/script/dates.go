package script

import (
	"errors"
	"fmt"
	"time"

	"github.com/dop251/goja"

	"azx/alwayson/infotable"
)

// dateMembers are the functions for dates. Days and months are those of the machine's time zone, as for Date.
func dateMembers() members {
	m := members{
		"dateAddYears":  dateAdd(func(t time.Time, n int) time.Time { return addMonths(t, 12*n) }),
		"dateAddMonths": dateAdd(addMonths),
		"dateAddDays":   dateAdd(func(t time.Time, n int) time.Time { return t.AddDate(0, 0, n) }),
		"dateDifference": method(func(r *run, call goja.FunctionCall) goja.Value {
			return r.rt.ToValue(r.time(call, 0).Sub(r.time(call, 1)).Milliseconds())
		}),
		"dateMin": method(func(r *run, call goja.FunctionCall) goja.Value {
			a, b := r.time(call, 0), r.time(call, 1)
			if b.Before(a) {
				a = b
			}
			return r.dateOf(a)
		}),
		"dateMax": method(func(r *run, call goja.FunctionCall) goja.Value {
			a, b := r.time(call, 0), r.time(call, 1)
			if b.After(a) {
				a = b
			}
			return r.dateOf(a)
		}),
		"dateDayOfYear": method(func(r *run, call goja.FunctionCall) goja.Value { return r.rt.ToValue(r.time(call, 0).YearDay()) }),
		"dateDayOfWeek": method(func(r *run, call goja.FunctionCall) goja.Value {
			return r.rt.ToValue((int(r.time(call, 0).Weekday())+6)%7 + 1) // Monday is 1
		}),
		"dateOffset": method(func(r *run, call goja.FunctionCall) goja.Value {
			_, seconds := r.time(call, 0).Zone()
			return r.rt.ToValue(seconds * 1000)
		}),
		"dateFormat":    method(dateFormatCall),
		"dateFormatISO": method(dateFormatISO),
		"parseDate":     method(parseDateCall),
		"parseDateISO":  method(parseDateISO),
	}
	for name, unit := range map[string]time.Duration{
		"dateAddHours": time.Hour, "dateAddMinutes": time.Minute, "dateAddSeconds": time.Second,
		"dateAddMilliseconds": time.Millisecond,
	} {
		m[name] = method(func(r *run, call goja.FunctionCall) goja.Value {
			n := call.Argument(1).ToFloat()
			return r.date(float64(r.time(call, 0).UnixMilli()) + n*float64(unit/time.Millisecond))
		})
	}
	return m
}

func dateAdd(add func(t time.Time, n int) time.Time) member {
	return method(func(r *run, call goja.FunctionCall) goja.Value {
		n := call.Argument(1).ToInteger()
		const most = 1e7 // days; beyond that no Date reaches
		if n > most || n < -most {
			r.throwf("the date is out of range")
		}
		return r.dateOf(add(r.time(call, 0), int(n)))
	})
}

// addMonths keeps to the month: one month after 31 January is the last of February.
func addMonths(t time.Time, n int) time.Time {
	year, month, day := t.Date()
	first := time.Date(year, month+time.Month(n), 1, t.Hour(), t.Minute(), t.Second(), t.Nanosecond(), t.Location())
	last := time.Date(first.Year(), first.Month()+1, 0, 0, 0, 0, 0, time.UTC).Day()
	return first.AddDate(0, 0, min(day, last)-1)
}

// time reads an argument as a date in the machine's time zone.
func (r *run) time(call goja.FunctionCall, at int) time.Time {
	v, err := r.fromJS(call.Argument(at), infotable.Column("date", infotable.TypeDateTime), nil)
	r.check(err)
	ms, ok := v.Millis()
	if !ok {
		r.throwf("the date is missing")
	}
	return time.UnixMilli(ms)
}

func (r *run) dateOf(t time.Time) goja.Value { return r.date(float64(t.UnixMilli())) }

func dateFormatCall(r *run, call goja.FunctionCall) goja.Value {
	text, err := formatDate(r.time(call, 0), call.Argument(1).String())
	r.check(named("dateFormat", err))
	return r.rt.ToValue(text)
}

func dateFormatISO(r *run, call goja.FunctionCall) goja.Value {
	return r.rt.ToValue(r.time(call, 0).Format("2006-01-02T15:04:05.000Z07:00"))
}

func parseDateCall(r *run, call goja.FunctionCall) goja.Value {
	t, err := parseDate(call.Argument(0).String(), call.Argument(1).String())
	r.check(named("parseDate", err))
	return r.dateOf(t)
}

func parseDateISO(r *run, call goja.FunctionCall) goja.Value {
	t, err := parseISO(call.Argument(0).String())
	r.check(named("parseDateISO", err))
	return r.dateOf(t)
}

// isoLayouts are the forms of ISO 8601 that are read; without an offset it is the machine's time zone.
var isoLayouts = [...]string{
	time.RFC3339Nano, "2006-01-02T15:04:05.999999999Z0700", "2006-01-02T15:04Z07:00",
	"2006-01-02T15:04:05.999999999", "2006-01-02T15:04", "2006-01-02",
}

func parseISO(text string) (time.Time, error) {
	for _, layout := range isoLayouts {
		if t, err := time.ParseInLocation(layout, text, time.Local); err == nil {
			return t, nil
		}
	}
	if len(text) > 40 {
		return time.Time{}, errors.New("expected a date in ISO 8601")
	}
	return time.Time{}, fmt.Errorf("expected a date in ISO 8601, got %q", text)
}
