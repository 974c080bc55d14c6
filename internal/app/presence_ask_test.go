package app

import (
	"context"
	"fmt"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"azx/internal/checkpoint"
	"azx/internal/devices/presence"
	"azx/internal/iothub"
)

func TestAThingOrItsTemplateMayLetItsDeviceBeSilentForLonger(t *testing.T) {
	for _, tt := range []struct {
		name          string
		own           time.Duration
		late, offline time.Duration // of the hub: 10 s, 30 s
	}{
		{"none of its own", 0, 10 * time.Second, 30 * time.Second},
		{"longer", 90 * time.Second, 30 * time.Second, 90 * time.Second},
		{"shorter", 15 * time.Second, 5 * time.Second, 15 * time.Second},
		{"shorter than the hub lets a device be late", time.Second, 3333 * time.Millisecond, 10 * time.Second},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				things := &presentThings{gateway: "Hub", silence: tt.own}
				w := startWatch(t, checkpoint.NewMemory(), things, -1)
				w.says("d", "")
				began := time.Now()
				w.pass(tt.late - 2*time.Second)
				expectTold(t, things, goneForGood[:2]...)
				w.pass(4 * time.Second)
				expectTold(t, things, goneForGood[:3]...)
				w.pass(time.Until(began.Add(tt.offline - 2*time.Second)))
				expectTold(t, things, goneForGood[:3]...)
				w.pass(8 * time.Second)
				w.end()
				expectTold(t, things, goneForGood...)
			})
		})
	}
}

// fakeAgents answer as err says, and note who was asked.
type fakeAgents struct {
	err   error
	asked []string
}

func (f *fakeAgents) Call(_ context.Context, t iothub.Target, m iothub.Method) (iothub.Answer, error) {
	f.asked = append(f.asked, t.Device+" "+t.Module+" "+m.Name)
	return iothub.Answer{Status: 200}, f.err
}

func TestALateEdgeDeviceIsAskedWithinTheBudget(t *testing.T) {
	online, late := []string{"d presence=online", "d " + eventPresent}, "d presence=late"
	for _, tt := range []struct {
		name   string
		err    error
		budget int64 // a day
		pass   time.Duration
		asked  int
		told   []string
		twice  bool // it comes again, and falls silent again
	}{
		{"it answers, and is online again, as often as it is asked", nil, 1000, 35 * time.Second, 3, slices.Concat(online,
			[]string{late, "d presence=online", late, "d presence=online", late, "d presence=online"}), false},
		{"it answers, and is asked no more than a day allows", nil, 1, 60 * time.Second, 1, slices.Concat(online,
			[]string{late, "d presence=online", late, "d presence=offline", "d " + eventAbsent}), false},
		{"it is not connected", fmt.Errorf("call: %w", iothub.ErrOffline), 1000, 60 * time.Second, 1, goneForGood, false},
		{"it does not answer in time", fmt.Errorf("call: %w", iothub.ErrNoAnswer), 1000, 60 * time.Second, 1, goneForGood, false},
		{"it is no edge device", fmt.Errorf("call: %w", iothub.ErrNotFound), 1000, 60 * time.Second, 1, slices.Concat(goneForGood, goneForGood), true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				things, agents := &presentThings{gateway: "Hub"}, &fakeAgents{err: tt.err}
				w := startWatch(t, checkpoint.NewMemory(), things, -1)
				w.pings, w.agents = presence.NewBudget(tt.budget, 1), agents
				w.says("d", "")
				w.pass(tt.pass)
				if tt.twice {
					w.says("d", "")
					w.pass(tt.pass)
				}
				w.end()
				if len(agents.asked) != tt.asked || agents.asked[0] != "d $edgeAgent ping" {
					t.Errorf("asked %q", agents.asked)
				}
				expectTold(t, things, tt.told...)
			})
		})
	}
}
