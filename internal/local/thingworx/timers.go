package thingworx

import (
	"context"
	"time"

	"azx/alwayson/infotable"
)

// tableSettings is the configuration table of Timers (read).
const tableSettings = "Settings"

// Bounds of timers.
const (
	leastRate = 100 * time.Millisecond
	idle      = time.Hour // how long to sleep when there is nothing to wait for
)

// timer is when a Timer Thing fires next.
type timer struct {
	rate  time.Duration
	user  string
	next  time.Time
	thing *thing
}

func (p *Platform) wakeTimers() {
	select {
	case p.retime <- struct{}{}:
	default:
	}
}

// runTimers fires the event Timer of Timer Things until ctx ends.
func (p *Platform) runTimers(ctx context.Context) error {
	timers := p.timers(nil)
	clock := time.NewTimer(0)
	defer clock.Stop()
	for {
		clock.Reset(p.fireDue(ctx, timers))
		select {
		case <-ctx.Done():
			return nil
		case <-p.retime:
			timers = p.timers(timers)
		case <-clock.C:
		}
	}
}

// timers finds what is to be fired; those that are known already keep their pace.
func (p *Platform) timers(known map[string]*timer) map[string]*timer {
	now, out := p.now(), map[string]*timer{}
	for _, t := range p.snapshot() {
		found := p.timer(t)
		if found == nil {
			continue
		}
		found.next = now.Add(found.rate)
		if old := known[t.name]; old != nil && old.thing == t && old.rate == found.rate {
			found.next = old.next
		}
		out[t.name] = found
	}
	return out
}

// timer reads the settings of a Timer Thing; nil if it does not run.
func (p *Platform) timer(t *thing) *timer {
	t.mu.Lock()
	runs := t.class.bases[TemplateTimer] && t.usable() == nil
	t.mu.Unlock()
	if !runs {
		return nil
	}
	settings, _, err := p.configured(t, tableSettings)
	if err != nil {
		return nil
	}
	enabled, _ := settings.First("enabled").Boolean()
	rate, _ := settings.First("updateRate").Number()
	user, _ := settings.First("runAsUser").Text()
	if !enabled || rate <= 0 {
		return nil
	}
	if user == "" { // as the real one, which says nothing (read)
		p.log(context.Background(), "warn", t.name, "this Timer runs no subscriptions: the column runAsUser of its table Settings is empty")
		return nil
	}
	if has, enabled := p.model.Load().book.Has(user); !has || !enabled {
		p.log(context.Background(), "warn", t.name, "this Timer runs no subscriptions: its runAsUser "+shorten(user)+" is not there or disabled")
		return nil
	}
	return &timer{rate: max(time.Duration(rate)*time.Millisecond, leastRate), user: user, thing: t}
}

// fireDue fires what is due and returns how long nothing else will be.
func (p *Platform) fireDue(ctx context.Context, timers map[string]*timer) time.Duration {
	now, wait := p.now(), idle
	for _, t := range timers {
		if !t.next.After(now) {
			as := WithCaller(ctx, Caller{User: t.user, Via: "timer"})
			p.emit(as, occurrence{t.thing, eventTimer, "", now.UnixMilli(), infotable.Single("timestamp", infotable.DateTime(now.UnixMilli()))})
			if t.next = t.next.Add(t.rate); !t.next.After(now) { // it was asleep: what was missed is not made up for
				t.next = now.Add(t.rate)
			}
		}
		wait = min(wait, t.next.Sub(now))
	}
	return wait
}

// timerServices are those of the template Timer (read).
func timerServices() []*service {
	return []*service{
		native("EnableTimer", "Let the timer fire", nil, tNothing, setTimer(true)),
		native("DisableTimer", "Let the timer not fire", nil, tNothing, setTimer(false)),
	}
}

func setTimer(enabled bool) func(*Platform, *call) (infotable.Value, error) {
	return func(p *Platform, c *call) (infotable.Value, error) {
		return nothing(), p.configure(c, tableSettings, infotable.Single("enabled", infotable.Boolean(enabled)), (*configTable).merged)
	}
}
