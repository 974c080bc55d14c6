package app

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"azx/alwayson/infotable"
	"azx/internal/checkpoint"
	"azx/internal/config"
	"azx/internal/devices/presence"
	"azx/internal/hub"
	"azx/internal/mapping"
	"azx/internal/message"
	"azx/internal/supervise"
)

// presentThings notes what Things are told. While err is set the platform is away.
type presentThings struct {
	mu      sync.Mutex
	err     error
	gateway string
	silence time.Duration
	stuck   string // a Thing that does not answer
	writes  int64
	told    []string
}

// accepted grows unless the platform is away: telemetry of others is written all the time.
func (p *presentThings) accepted() int64 {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.err == nil {
		p.writes++
	}
	return p.writes
}

func (p *presentThings) Silence(context.Context, string) (time.Duration, error) {
	return p.silence, nil
}

func (p *presentThings) Gateway(context.Context, string) (string, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.gateway, p.err
}

func (p *presentThings) Property(context.Context, string, string) (mapping.Property, bool, error) {
	return mapping.Property{}, true, nil
}

func (p *presentThings) Push(ctx context.Context, thing string, writes []message.Write) error {
	p.mu.Lock()
	stuck := p.stuck == thing
	p.mu.Unlock()
	if stuck {
		<-ctx.Done()
		return ctx.Err()
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.told = append(p.told, fmt.Sprintf("%s %s=%s", thing, writes[0].Property, writes[0].Value))
	return nil
}

func (p *presentThings) Fire(_ context.Context, thing, event string, _ *infotable.Table) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.told = append(p.told, thing+" "+event)
	return nil
}

func (p *presentThings) all() []string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return slices.Clone(p.told)
}

func (p *presentThings) away(err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.err = err
}

type noPresenceMeter struct{}

func (noPresenceMeter) Presence(string, string, string) {}
func (noPresenceMeter) SnapshotFailed(string, string)   {}
func (noPresenceMeter) Pinged(string, string)           {}

// watching is a watch of one connector, with what a hub would tell of its only partition.
type watching struct {
	*watch
	t    *testing.T
	last int64
	p    *followed
	end  func()
}

func startWatch(t *testing.T, store snapshots, things presenceThings, behind int64) *watching {
	t.Helper()
	s := config.Presence{Timeout: 30 * time.Second}
	timeouts := presence.Timeouts{Late: s.LateAfter(), Offline: s.Timeout}
	table, err := presence.NewTable(timeouts)
	if err != nil {
		t.Fatal(err)
	}
	w := &watching{t: t, last: behind, watch: &watch{hub: "Hub", every: watchEvery(s), table: table, store: store, things: things,
		meter: noPresenceMeter{}, log: slog.New(slog.DiscardHandler), taken: map[string]*followed{},
		works: things.(*presentThings).accepted, owed: make(chan owed, mostOwed), timeouts: timeouts, late: make(chan message.Target, mostToAsk), plain: map[string]bool{}}}
	group := supervise.New(t.Context())
	w.p = w.Take(t.Context(), "0", behind).(*followed)
	group.Go("presence", w.run)
	group.Go("presence pings", w.ask)
	group.Go("presence owed", w.settle)
	w.end = func() {
		group.Stop()
		if err := group.Wait(); err != nil {
			t.Error(err)
		}
	}
	return w
}

// says has a device send, now.
func (w *watching) says(device, module string) {
	w.last++
	w.p.Saw(&message.Message{Hub: "Hub", Partition: "0", Sequence: w.last, DeviceID: device, ModuleID: module,
		Source: message.SourceTelemetry, Enqueued: time.Now()})
}

// pass lets time pass while the hub tells that there is nothing more.
func (w *watching) pass(d time.Duration) {
	for end := time.Now().Add(d); time.Now().Before(end); {
		<-time.After(time.Second)
		w.heads(time.Now(), []hub.Partition{{ID: "0", Last: w.last, Empty: w.last < 0}})
		synctest.Wait()
	}
}

func expectTold(t *testing.T, things *presentThings, want ...string) {
	t.Helper()
	if got := things.all(); !slices.Equal(got, want) {
		t.Errorf("told:\n%q\nwant:\n%q", got, want)
	}
}

var goneForGood = []string{"d presence=online", "d " + eventPresent, "d presence=late", "d presence=offline", "d " + eventAbsent}

func TestADeviceThatFallsSilentIsOnlineLateAndOfflineInThatOrderAndEachIsToldOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		things := &presentThings{gateway: "Hub"}
		w := startWatch(t, checkpoint.NewMemory(), things, -1)
		w.says("d", "")
		w.pass(90 * time.Second)
		w.end()
		expectTold(t, things, goneForGood...)
	})
}

func TestADeviceThatNeverSpeaksAgainIsOfflineAlsoIfEveryConnectorWasRestartedAndOnceIfItWasBefore(t *testing.T) {
	for _, silence := range []time.Duration{12 * time.Second, 60 * time.Second} {
		synctest.Test(t, func(t *testing.T) {
			things, store := &presentThings{gateway: "Hub"}, checkpoint.NewMemory()
			w := startWatch(t, store, things, -1)
			w.says("d", "")
			w.pass(silence)
			w.end()
			w.p.Release(t.Context(), false)
			again := startWatch(t, store, things, w.last)
			again.pass(60 * time.Second)
			again.end()
			expectTold(t, things, goneForGood...)
		})
	}
}

func TestWhoIsKilledLeavesItsDevicesToWhoeverReadsNext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		things, store := &presentThings{gateway: "Hub"}, checkpoint.NewMemory()
		w := startWatch(t, store, things, -1)
		w.says("d", "")
		w.pass(12 * time.Second)
		w.end() // nothing is released, and nothing saved any more
		again := startWatch(t, store, things, w.last)
		again.pass(60 * time.Second)
		again.end()
		expectTold(t, things, goneForGood...)
	})
}

func TestAConnectorThatWasAwayCallsNoDeviceOfflineThatKeptSending(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		things, store := &presentThings{gateway: "Hub"}, checkpoint.NewMemory()
		w := startWatch(t, store, things, -1)
		w.says("d", "")
		w.pass(5 * time.Second)
		w.end()
		w.p.Release(t.Context(), false)
		away := time.Now()
		<-time.After(300 * time.Second)
		again := startWatch(t, store, things, w.last)
		again.heads(time.Now(), []hub.Partition{{ID: "0", Last: w.last + 60}})
		<-time.After(2 * time.Second)
		for i := range int64(60) {
			again.last++
			again.p.Saw(&message.Message{Hub: "Hub", Partition: "0", Sequence: again.last, DeviceID: "d", Source: message.SourceTelemetry,
				Enqueued: away.Add(time.Duration(i*5) * time.Second)})
		}
		again.says("d", "")
		again.pass(5 * time.Second)
		again.end()
		if got := things.all(); slices.Contains(got, "d presence=offline") || got[len(got)-2] != "d presence=online" {
			t.Errorf("told %q", got)
		}
	})
}

func TestWhatCouldNotBeToldIsNotSavedAsToldAndIsToldByTheNext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		things, store := &presentThings{gateway: "Hub"}, checkpoint.NewMemory()
		w := startWatch(t, store, things, -1)
		w.says("d", "")
		w.pass(5 * time.Second)
		things.away(errors.New("the platform is away"))
		w.pass(60 * time.Second)
		w.end()
		w.p.Release(t.Context(), false)
		things.away(nil)
		again := startWatch(t, store, things, w.last)
		again.heads(time.Now(), []hub.Partition{{ID: "0", Last: w.last}})
		again.pass(60 * time.Second)
		again.end()
		expectTold(t, things, "d presence=online", "d "+eventPresent, "d presence=offline", "d "+eventAbsent)
	})
}

func TestAThingThatDoesNotAnswerKeepsNobodyElseWaitingAndHearsOfItLater(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		things := &presentThings{gateway: "Hub", stuck: "s"}
		w := startWatch(t, checkpoint.NewMemory(), things, -1)
		w.says("d", "")
		minute := func() { // in which s keeps sending
			for range 60 {
				w.says("s", "")
				w.pass(time.Second)
			}
		}
		minute()
		expectTold(t, things, goneForGood...)
		things.mu.Lock()
		things.stuck = ""
		things.mu.Unlock()
		minute()
		w.end()
		expectTold(t, things, slices.Concat(goneForGood, []string{"s presence=online", "s " + eventPresent})...)
	})
}

func TestNothingIsWrittenToAThingOfAnotherHub(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		things := &presentThings{gateway: "OtherHub"}
		w := startWatch(t, checkpoint.NewMemory(), things, -1)
		w.says("d", "")
		w.pass(60 * time.Second)
		w.end()
		expectTold(t, things)
	})
}

func TestAModuleIsToldOnTheThingOfItsDeviceWithoutAnEvent(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		things := &presentThings{gateway: "Hub"}
		w := startWatch(t, checkpoint.NewMemory(), things, -1)
		w.says("d", "m")
		w.pass(5 * time.Second)
		w.end()
		got := things.all()
		slices.Sort(got)
		if want := []string{"d " + eventPresent, "d m::presence=online", "d presence=online"}; !slices.Equal(got, want) {
			t.Errorf("told %q, want %q", got, want)
		}
	})
}
