package platform

import (
	"bytes"
	"context"
	"encoding/json"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"azx/alwayson"
	"azx/alwayson/infotable"
)

// tally is an EventMeter.
type tally struct {
	noMeter
	mu     sync.Mutex
	counts map[string]int
}

func (c *tally) Event(event, result string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.counts == nil {
		c.counts = map[string]int{}
	}
	c.counts[event+" "+result]++
}

func (c *tally) of(what string) int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.counts[what]
}

// announcing runs a test with an Announcer in synthetic time.
func announcing(t *testing.T, test func(t *testing.T, a *Announcer, p *fakePlatform, c *tally, log *bytes.Buffer)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		p, c, log := newFakePlatform(), &tally{}, &bytes.Buffer{}
		a := NewAnnouncer(p, c, slog.New(slog.NewTextHandler(log, nil)))
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan error)
		go func() { ended <- a.Run(ctx) }()
		test(t, a, p, c, log)
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
}

func TestEachEventHasTheFieldsOfItsShape(t *testing.T) {
	failed := []PropertyFailure{{Name: "temp", Time: 5, Quality: "BAD"}}
	for _, tc := range []struct {
		event Event
		want  string // names of the columns behind id, message and context
	}{
		{Event{Kind: AuthenticationError, Thing: "Hub"}, "ThingName"},
		{Event{Kind: ClearCacheEntry, Cache: "twins", Key: "Pump"}, "cacheName cacheKey"},
		{Event{Kind: EdgeError, Thing: "Pump"}, "ThingName"},
		{Event{Kind: InternalError, Thing: "azx-1"}, "ThingName"},
		{Event{Kind: ProtocolError, Thing: "Pump", Context: json.RawMessage(`{"a":1}`)}, "ThingName"},
		{Event{Kind: UserError, Thing: "Pump"}, "ThingName"},
		{Event{Kind: WritePropertyError, Thing: "Pump", Properties: failed}, "ThingName properties"},
		{Event{Kind: ThingNotFoundError, Thing: "pump"}, "edgeIdentifier"},
		{Event{Kind: FileNotFoundError, Thing: "Pump", Path: "/a", File: "b.txt"}, "fileRepositoryName filePath fileName"},
	} {
		t.Run(string(tc.event.Kind), func(t *testing.T) {
			tc.event.Message = "what SharedAccessKey=c2VjcmV0 happened " + strings.Repeat("x", maxReason)
			r := tc.event.request()
			var names []string
			for _, f := range r.Params.Fields {
				names = append(names, f.Name)
			}
			if got := strings.Join(names, " "); got != "id message context "+tc.want || r.Name != servicesHub || r.Target != string(tc.event.Kind) || r.Kind != alwayson.Event {
				t.Errorf("%s of %s has %q", r.Target, r.Name, got)
			}
			text, _ := r.Params.First("message").Text()
			if len(text) > maxReason || strings.Contains(text, "c2VjcmV0") {
				t.Errorf("the message is %q", text)
			}
			if json, _ := r.Params.First("context").Text(); r.Params.First("context").Type() != infotable.TypeJSON || json == "" {
				t.Errorf("the context is %q", json)
			}
			if rows, ok := r.Params.First("properties").Table(); ok {
				if at, _ := rows.First("timestamp").Millis(); rows.Len() != 1 || at != 5 || rows.First("quality").String() != "BAD" || rows.First("name").String() != "temp" {
					t.Errorf("properties are %v", rows)
				}
			}
		})
	}
}

func TestTooManyEventsOfAKindAreHeldBackAndOthersAreNot(t *testing.T) {
	announcing(t, func(t *testing.T, a *Announcer, p *fakePlatform, c *tally, _ *bytes.Buffer) {
		for range eventBurst + 100 {
			a.Offer(Event{Kind: UserError, Thing: "Pump"})
		}
		a.Offer(Event{Kind: EdgeError, Thing: "Pump"})
		synctest.Wait()
		if sent, held := c.of("UserError sent"), c.of("UserError held back"); sent != eventBurst || held != 100 || c.of("EdgeError sent") != 1 {
			t.Errorf("%d sent, %d held back, %v", sent, held, c.counts)
		}
		pass(time.Second)
		for range 100 {
			a.Offer(Event{Kind: UserError, Thing: "Pump"})
		}
		synctest.Wait()
		if sent := c.of("UserError sent"); sent != eventBurst+eventRate {
			t.Errorf("a second later %d are sent", sent)
		}
		if n := len(p.events); n != eventBurst+eventRate+1 {
			t.Errorf("the platform got %d", n)
		}
	})
}

func TestAKindThatThePlatformDoesNotHaveIsLeftAloneForAWhile(t *testing.T) {
	announcing(t, func(t *testing.T, a *Announcer, p *fakePlatform, c *tally, log *bytes.Buffer) {
		p.hook = func(_ context.Context, r alwayson.Request) (alwayson.Response, bool, error) {
			return alwayson.Refuse(alwayson.NotFound, ""), r.Target == string(UserError), nil
		}
		for range 20 {
			a.Offer(Event{Kind: UserError, Thing: "Pump"})
			a.Offer(Event{Kind: EdgeError, Thing: "Pump"})
			pass(quietTime / 20)
		}
		if c.of("UserError failed") != 1 || c.of("EdgeError sent") != 20 || strings.Count(log.String(), "\n") != 1 {
			t.Errorf("%v; log %s", c.counts, log)
		}
		a.Offer(Event{Kind: UserError, Thing: "Pump"})
		synctest.Wait()
		if c.of("UserError failed") != 2 {
			t.Error("it is not tried again")
		}
	})
}

func TestAnEventThatFailsIsCountedAndNotTriedAgain(t *testing.T) {
	announcing(t, func(t *testing.T, a *Announcer, p *fakePlatform, c *tally, _ *bytes.Buffer) {
		p.hook = func(context.Context, alwayson.Request) (alwayson.Response, bool, error) {
			return alwayson.Refuse(alwayson.ServiceUnavailable, "busy"), true, nil
		}
		a.Offer(Event{Kind: InternalError, Thing: "azx-1"})
		pass(time.Hour)
		if c.of("InternalError failed") != 1 || len(p.calls("InternalError")) != 1 {
			t.Errorf("%v", c.counts)
		}
	})
}

func TestNobodyIsToldWithoutAnAnnouncer(t *testing.T) {
	var a *Announcer
	a.Offer(Event{Kind: UserError})
	inBubble(t, func(c *WriterConfig) { c.Events = nil }, func(b *bench) {
		b.want(b.send("Ghost", `{"n":1}`), "no Thing no-thing")
		b.wantCount(string(ThingNotFoundError), 0)
	})
}
