package mapping

import (
	"errors"
	"strconv"
	"strings"
	"time"
)

var errNotISO = errors.New("no ISO 8601 time")

// parseISO reads a date with an optional time, as the reference product does (read: joda's
// date-optional-time): calendar (2026-11-22), ordinal (2026-326) and week dates (2026-W47-7), each cut
// short at will; then T, a time cut short at will with a fraction after '.' or ',', and an offset; or a
// time alone, on 1970-01-01. Without an offset it is UTC. The result is in ms since 1970-01-01 UTC.
func parseISO(s string) (int64, error) {
	datePart, timePart, hasTime := strings.Cut(s, "T")
	day := time.Unix(0, 0).UTC()
	if datePart != "" || !hasTime {
		var err error
		if day, err = parseDate(datePart); err != nil {
			return 0, err
		}
	}
	var since time.Duration
	if hasTime && timePart != "" {
		var err error
		if since, err = parseTime(timePart); err != nil {
			return 0, err
		}
	}
	return day.Add(since).UnixMilli(), nil
}

func parseDate(s string) (time.Time, error) {
	year, rest, _ := strings.Cut(s, "-")
	y, ok := digits(year, 4)
	switch {
	case !ok:
		return time.Time{}, errNotISO
	case strings.HasPrefix(rest, "W"):
		return weekDate(y, rest[1:])
	case len(rest) == 3:
		n, ok := digits(rest, 3)
		day := time.Date(y, 1, n, 0, 0, 0, 0, time.UTC)
		if !ok || n < 1 || day.Year() != y {
			return time.Time{}, errNotISO
		}
		return day, nil
	}
	for _, layout := range []string{"2006-01-02", "2006-01", "2006"} {
		if day, err := time.Parse(layout, s); err == nil {
			return day, nil
		}
	}
	return time.Time{}, errNotISO
}

// weekDate returns a day of an ISO week year; week 1 is the one that holds 4 January.
func weekDate(year int, s string) (time.Time, error) {
	weekText, dayText, hasDay := strings.Cut(s, "-")
	week, ok := digits(weekText, 2)
	weekday := 1
	if hasDay {
		var dayOK bool
		weekday, dayOK = digits(dayText, 1)
		ok = ok && dayOK
	}
	if !ok || week < 1 || weekday < 1 || weekday > 7 {
		return time.Time{}, errNotISO
	}
	fourth := time.Date(year, 1, 4, 0, 0, 0, 0, time.UTC)
	monday := fourth.AddDate(0, 0, -(int(fourth.Weekday())+6)%7)
	day := monday.AddDate(0, 0, (week-1)*7+weekday-1)
	if y, w := day.ISOWeek(); y != year || w != week {
		return time.Time{}, errNotISO
	}
	return day, nil
}

// parseTime returns the time since midnight UTC.
func parseTime(s string) (time.Duration, error) {
	clock, offset, err := cutOffset(s)
	if err != nil {
		return 0, err
	}
	whole, fraction, hasFraction := strings.Cut(strings.Replace(clock, ",", ".", 1), ".")
	parts := strings.Split(whole, ":")
	if len(parts) > 3 || whole == "" && !hasFraction {
		return 0, errNotISO
	}
	units := []time.Duration{time.Hour, time.Minute, time.Second}
	most := []int{23, 59, 59}
	var total time.Duration
	for i, part := range parts {
		n, ok := digits(part, 2)
		if !ok || n > most[i] {
			return 0, errNotISO
		}
		total += time.Duration(n) * units[i]
	}
	if hasFraction {
		f, err := strconv.ParseFloat("0."+fraction, 64)
		if err != nil || strings.ContainsAny(fraction, "eE+-_xX") || fraction == "" {
			return 0, errNotISO
		}
		total += time.Duration(f * float64(units[len(parts)-1]))
	}
	return total - offset, nil
}

// cutOffset splits "12:30+02:00" into the clock time and how far it is ahead of UTC.
func cutOffset(s string) (clock string, ahead time.Duration, err error) {
	if rest, ok := strings.CutSuffix(s, "Z"); ok {
		return rest, 0, nil
	}
	at := strings.LastIndexAny(s, "+-")
	if at < 0 {
		return s, 0, nil
	}
	for _, layout := range []string{"-07:00:00", "-07:00", "-0700", "-07"} {
		if t, err := time.Parse(layout, s[at:]); err == nil {
			_, seconds := t.Zone()
			return s[:at], time.Duration(seconds) * time.Second, nil
		}
	}
	return "", 0, errNotISO
}

func digits(s string, count int) (int, bool) {
	if len(s) != count {
		return 0, false
	}
	n := 0
	for _, c := range []byte(s) {
		if c < '0' || c > '9' {
			return 0, false
		}
		n = n*10 + int(c-'0')
	}
	return n, true
}
