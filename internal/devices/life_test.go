package devices

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"azx/internal/fault"
	"azx/internal/mapping"
	"azx/internal/message"
)

// registry has devices by id.
type registry map[string]Device

func (r registry) Look(_ context.Context, id string) (Device, bool, error) {
	d, here := r[id]
	return d, here, d.Bad
}

// site is a platform with the Things of two hubs.
type site struct {
	owner    map[string]string // of Things that are enabled
	disabled map[string]string // of those that are not
	done     []string          // what was changed and told
	away     int               // so many calls fail
	cut      bool              // the next Thing is left half made
	refuses  error             // what it says to declarations
}

func (s *site) call(line string) error {
	if s.away > 0 {
		s.away--
		return errAway
	}
	if line != "" {
		s.done = append(s.done, line)
	}
	return nil
}

func (s *site) Owner(_ context.Context, name string) (string, bool, error) {
	owner, there := s.owner[name]
	return owner, there, s.call("")
}

func (s *site) Make(_ context.Context, t Thing, again bool) error {
	_, there := s.owner[t.Name]
	if _, disabled := s.disabled[t.Name]; there || disabled && !again {
		return fault.Reject("make", "", "it is there")
	}
	if s.cut {
		s.cut, s.disabled[t.Name] = false, t.Hub
		return errAway
	}
	delete(s.disabled, t.Name)
	err := s.call(fmt.Sprintf("make %s of %s", t.Name, t.Template))
	if err == nil {
		s.owner[t.Name] = t.Hub
	}
	return err
}

func (s *site) Enable(_ context.Context, name string) (bool, error) {
	owner, there := s.disabled[name]
	if !there {
		return false, s.call("")
	}
	delete(s.disabled, name)
	s.owner[name] = owner
	return true, s.call("enable " + name)
}

func (s *site) Disable(_ context.Context, name string) error {
	s.disabled[name] = s.owner[name]
	delete(s.owner, name)
	return s.call("disable " + name)
}

func (s *site) Adopt(_ context.Context, name, hub string) error {
	s.owner[name] = hub
	return s.call("adopt " + name + " by " + hub)
}

func (s *site) Declare(_ context.Context, t Thing, properties []mapping.Property, _ bool) ([]mapping.Property, error) {
	if err := s.refuses; err != nil {
		if fault.ClassOf(err) == fault.Transient {
			s.refuses = nil
		}
		return nil, err
	}
	return properties, s.call("declare " + Declared(properties).String())
}

func (s *site) Tell(_ context.Context, e LifeEvent) error {
	return s.call("tell " + e.Status + " of " + e.Device)
}

func (s *site) Lived(_, result string) { s.done = append(s.done, "= "+result) }

// lives are those of the hubs A and B, with all that may be chosen.
func lives(s *site, a, b registry) (*Life, *Life) {
	both := map[string]*Life{}
	of := func(hub string, r registry) *Life {
		l := &Life{Hub: hub, Registry: r, Things: s, Rules: Rules{{Template: "Gateway", Edge: true}}, Create: true, Disable: true, Adopt: true,
			Name: func(device string) (string, error) { return message.ThingName(device), nil }, Changed: func(string) {}, Meter: s,
			Log: slog.New(slog.DiscardHandler), Others: func() map[string]*Life {
				others := map[string]*Life{}
				for name, l := range both {
					if name != hub {
						others[name] = l
					}
				}
				return others
			}}
		both[hub] = l
		return l
	}
	return of("A", a), of("B", b)
}

func event(operation, device string) *message.Message {
	return &message.Message{DeviceID: device, Properties: map[string]string{"opType": operation}, Body: []byte(`{}`)}
}

func TestThingsFollowTheirDevices(t *testing.T) {
	pump, gateway := registry{"pump": {ID: "pump"}}, registry{"pump": {ID: "pump", Edge: true}}
	for name, c := range map[string]struct {
		a, b            registry
		owner, disabled map[string]string
		operation       string // at A
		change          func(a, b *Life)
		want            string
	}{
		"a device that was made gets a Thing":               {a: pump, operation: opCreate, want: "make pump of AzureIotThing, = made"},
		"its template is that of the rules":                 {a: gateway, operation: opCreate, want: "make pump of Gateway, = made"},
		"twice changes nothing":                             {a: pump, owner: map[string]string{"pump": "A"}, operation: opCreate, want: "= there"},
		"one that is gone by now gets none":                 {operation: opCreate, want: "= old"},
		"one that was deleted and made anew is enabled":     {a: pump, disabled: map[string]string{"pump": "A"}, operation: opCreate, want: "enable pump, = enabled"},
		"by choice nothing is made":                         {a: pump, operation: opCreate, change: func(a, _ *Life) { a.Create = false }, want: "= told"},
		"one that was deleted has its Thing disabled":       {owner: map[string]string{"pump": "A"}, operation: opDelete, want: "disable pump, = disabled"},
		"a deletion that comes late undoes nothing":         {a: pump, owner: map[string]string{"pump": "A"}, operation: opDelete, want: "= old"},
		"a deletion twice":                                  {disabled: map[string]string{"pump": "A"}, operation: opDelete, want: "= told"},
		"by choice nothing is disabled":                     {owner: map[string]string{"pump": "A"}, operation: opDelete, change: func(a, _ *Life) { a.Disable = false }, want: "= told"},
		"another hub's Thing is not disabled":               {owner: map[string]string{"pump": "B"}, operation: opDelete, want: "= told"},
		"a device that is at the other hub now is adopted":  {b: pump, owner: map[string]string{"pump": "A"}, operation: opDelete, want: "adopt pump by B, = adopted"},
		"or refused, and not disabled":                      {b: pump, owner: map[string]string{"pump": "A"}, operation: opDelete, change: func(_, b *Life) { b.Adopt = false }, want: "= moved"},
		"a hub that cannot be asked may have it":            {owner: map[string]string{"pump": "A"}, operation: opDelete, change: func(a, _ *Life) { a.Others = func() map[string]*Life { return map[string]*Life{"B": nil} } }, want: "= told"},
		"a device that was made here and deleted elsewhere": {a: pump, owner: map[string]string{"pump": "B"}, operation: opCreate, want: "adopt pump by A, = adopted"},
		"the deletion elsewhere was seen first":             {a: pump, disabled: map[string]string{"pump": "B"}, operation: opCreate, want: "enable pump, adopt pump by A, = adopted"},
		"a device at both hubs stays where it is":           {a: pump, b: pump, owner: map[string]string{"pump": "B"}, operation: opCreate, want: "= moved"},
		"a module has no Thing":                             {a: pump, operation: "createModuleIdentity", want: "= told"},
	} {
		t.Run(name, func(t *testing.T) {
			s := &site{owner: map[string]string{}, disabled: map[string]string{}}
			for thing, hub := range c.owner {
				s.owner[thing] = hub
			}
			for thing, hub := range c.disabled {
				s.disabled[thing] = hub
			}
			a, b := lives(s, c.a, c.b)
			if c.change != nil {
				c.change(a, b)
			}
			a.Carry(t.Context(), event(c.operation, "pump"))
			if got := strings.Join(s.done, ", "); got != c.want+", tell "+c.operation+" of pump" {
				t.Errorf("done: %s\nwant: %s", got, c.want)
			}
		})
	}
}

func TestALifeCycleEventIsTriedUntilThePlatformIsBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &site{owner: map[string]string{}, disabled: map[string]string{}, away: 40}
		a, _ := lives(s, registry{"pump": {ID: "pump"}}, nil)
		began := time.Now()
		a.Carry(t.Context(), event(opCreate, "pump"))
		if want := []string{"make pump of AzureIotThing", "= made", "tell createDeviceIdentity of pump"}; !slices.Equal(s.done, want) {
			t.Errorf("done: %q", s.done)
		}
		if took := time.Since(began); took < time.Minute {
			t.Errorf("it took %v", took)
		}
	})
}

func TestADeviceThatSpeaksGetsItsThing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &site{owner: map[string]string{}, disabled: map[string]string{"off": "A"}, away: 3}
		a, _ := lives(s, registry{"pump": {ID: "pump"}, "off": {ID: "off"}}, nil)
		if err := a.Missing(t.Context(), &message.Message{DeviceID: "pump"}); err != nil || s.owner["pump"] != "A" {
			t.Errorf("got %v, %v", err, s.owner)
		}
		if err := a.Missing(t.Context(), &message.Message{DeviceID: "off"}); fault.ClassOf(err) != fault.Rejected || s.disabled["off"] == "" {
			t.Errorf("a Thing that somebody disabled: %v", err)
		}
		if err := a.Missing(t.Context(), &message.Message{DeviceID: "gone"}); fault.ClassOf(err) != fault.Rejected {
			t.Errorf("a device that was deleted: %v", err)
		}
		delete(s.owner, "pump")
		s.cut = true
		if err := a.Missing(t.Context(), &message.Message{DeviceID: "pump"}); err != nil || s.owner["pump"] != "A" || s.disabled["pump"] != "" {
			t.Errorf("one that was left half made: %v, %v", err, s)
		}
		s.away = 1000
		if err := a.Missing(t.Context(), &message.Message{DeviceID: "pump"}); err == nil {
			t.Error("it did not give up")
		}
	})
}

func TestADeviceOfAnotherHubIsAdoptedOnlyIfThatHasItNoMore(t *testing.T) {
	for name, c := range map[string]struct {
		b     registry
		adopt bool
		owner string
		want  string
	}{
		"gone there":         {nil, true, "B", "A"},
		"still there":        {registry{"pump": {ID: "pump"}}, true, "B", "B"},
		"by choice":          {nil, false, "B", "B"},
		"of a hub elsewhere": {nil, true, "C", "C"},
		"it cannot be asked": {registry{"pump": {Bad: fault.Reject("look", "", "no right")}}, true, "B", "B"},
	} {
		t.Run(name, func(t *testing.T) {
			s := &site{owner: map[string]string{"pump": c.owner}}
			a, _ := lives(s, registry{"pump": {ID: "pump"}}, c.b)
			a.Adopt = c.adopt
			err := a.Moved(t.Context(), &message.Message{DeviceID: "pump"}, c.owner)
			if s.owner["pump"] != c.want || (err == nil) != (c.want == "A") || errors.Is(err, context.Canceled) {
				t.Errorf("it is %s's, %v", s.owner["pump"], err)
			}
			if !slices.Contains(s.done, "tell deviceMoved of pump") {
				t.Errorf("done: %q", s.done)
			}
		})
	}
}

func TestAPanicIsTheEndOfOneEventAlone(t *testing.T) {
	s := &site{owner: map[string]string{}}
	a, _ := lives(s, nil, nil)
	a.Name = func(string) (string, error) { panic("a fault") }
	a.Carry(t.Context(), event(opCreate, "pump"))
	if want := []string{"= failed", "tell createDeviceIdentity of pump"}; !slices.Equal(s.done, want) {
		t.Errorf("done: %q", s.done)
	}
}

func TestMessagesDoNotWaitForTheSameTroubleOneAfterTheOther(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &site{owner: map[string]string{}, disabled: map[string]string{}, away: 1000}
		a, _ := lives(s, registry{"pump": {ID: "pump"}}, nil)
		for n, c := range []struct {
			away        int
			least, most time.Duration
			made        bool
		}{
			{1000, time.Minute, time.Minute, false},
			{1000, 0, 0, false},
			{0, 0, 0, true},
			{3, 300 * time.Millisecond, time.Minute, true},
		} {
			s.away = c.away
			delete(s.owner, "pump")
			began := time.Now()
			err := a.Missing(t.Context(), &message.Message{DeviceID: "pump"})
			if took := time.Since(began); took < c.least || took > c.most || (err == nil) != c.made {
				t.Errorf("the %d. time: %v after %v", n+1, err, took)
			}
		}
	})
}

func TestAnEventThatCannotBeFollowedYetIsSaidOnceInALog(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var log bytes.Buffer
		s := &site{owner: map[string]string{}, disabled: map[string]string{}, away: 1 << 30}
		a, _ := lives(s, registry{"pump": {ID: "pump"}}, nil)
		a.Log = slog.New(slog.NewTextHandler(&log, nil))
		ctx, cancel := context.WithTimeout(t.Context(), time.Hour)
		defer cancel()
		a.Carry(ctx, event(opCreate, "pump"))
		synctest.Wait()
		if n := strings.Count(log.String(), "event=life-waits hub=A device=pump operation=createDeviceIdentity"); n != 1 {
			t.Errorf("said %d times: %s", n, &log)
		}
		log.Reset()
		s.away = 3
		a.Carry(t.Context(), event(opCreate, "pump"))
		<-time.After(time.Hour)
		synctest.Wait()
		if strings.Contains(log.String(), "life-waits") {
			t.Errorf("said of one that was followed: %s", &log)
		}
	})
}
