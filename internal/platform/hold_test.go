package platform

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"azx/internal/delivery"
	"azx/internal/message"
)

// keeper is Missing and Moved of a test. It waits until it is told to go on.
type keeper struct {
	asked []string
	goOn  chan struct{}
	do    func() error
}

func newKeeper(do func() error) *keeper { return &keeper{goOn: make(chan struct{}), do: do} }

func (k *keeper) missing(ctx context.Context, m *message.Message) error {
	return k.ask(ctx, fmt.Sprintf("missing %s from message %d", m.DeviceID, m.Sequence))
}

func (k *keeper) moved(ctx context.Context, m *message.Message, gateway string) error {
	return k.ask(ctx, fmt.Sprintf("moved %s from %s", m.DeviceID, gateway))
}

func (k *keeper) ask(ctx context.Context, line string) error {
	k.asked = append(k.asked, line)
	select {
	case <-k.goOn:
		return k.do()
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (k *keeper) wants(t *testing.T, want ...string) {
	t.Helper()
	synctest.Wait()
	if !slices.Equal(k.asked, want) {
		t.Errorf("it was asked %q, want %q", k.asked, want)
	}
}

func TestMessagesWaitForTheirThingWhileItIsMadeAndOthersGoOn(t *testing.T) {
	var b *bench
	k := newKeeper(func() error {
		b.platform.add("New", "n:NUMBER")
		return nil
	})
	inBubble(t, func(c *WriterConfig) { c.Missing = k.missing }, func(in *bench) {
		b, k.goOn = in, make(chan struct{})
		b.platform.add("Old", "n:NUMBER")
		var waiting []*result
		for n := range 25 {
			waiting = append(waiting, b.send("New", fmt.Sprintf(`{"n":%d}`, n)))
		}
		b.want(b.send("Old", `{"n":1}`), "accepted")
		k.wants(t, "missing New from message 1")
		for _, r := range waiting {
			b.want(r, "open")
		}
		close(k.goOn)
		for _, r := range waiting {
			b.want(r, "accepted")
		}
		if got := b.platform.things["New"].values; len(got) != 25 || got[0].TimeMs != 1 || got[24].TimeMs != 25 {
			t.Errorf("written: %v", got)
		}
		if n := b.writer.Waiting(); n != 0 {
			t.Errorf("%d messages are not settled", n)
		}
	})
}

func TestAThingThatIsNotMadeEndsItsMessagesForTheReasonAndIsNotTriedAtOnce(t *testing.T) {
	k := newKeeper(func() error { return errors.New("no template") })
	close(k.goOn)
	inBubble(t, func(c *WriterConfig) { c.Missing = k.missing }, func(b *bench) {
		r := b.send("New", `{"n":1}`)
		b.want(r, "no Thing no-thing")
		if r.err().Error() != "no template" {
			t.Errorf("got %v", r.err())
		}
		pass(30 * time.Second)
		b.want(b.send("New", `{"n":1}`), "no Thing no-thing")
		k.wants(t, "missing New from message 1")
		pass(31 * time.Second)
		b.want(b.send("New", `{"n":1}`), "no Thing no-thing")
		k.wants(t, "missing New from message 1", "missing New from message 3")
	})
}

func TestAThingThatIsSaidToBeMadeAndIsNotThereIsNoEndlessLoop(t *testing.T) {
	k := newKeeper(func() error { return nil })
	close(k.goOn)
	inBubble(t, func(c *WriterConfig) { c.Missing = k.missing }, func(b *bench) {
		b.want(b.send("New", `{"n":1}`), "no Thing no-thing")
		k.wants(t, "missing New from message 1")
	})
}

func TestAThingThatIsDeletedWhileMessagesTravelIsMadeAnew(t *testing.T) {
	var b *bench
	k := newKeeper(func() error {
		b.platform.add("Pump", "n:NUMBER")
		return nil
	})
	close(k.goOn)
	inBubble(t, func(c *WriterConfig) { c.Missing = k.missing }, func(in *bench) {
		b = in
		b.platform.add("Pump", "n:NUMBER")
		b.want(b.send("Pump", `{"n":1}`), "accepted")
		b.platform.with(func() { delete(b.platform.things, "Pump") })
		waiting := []*result{b.send("Pump", `{"n":2}`), b.send("Pump", `{"n":3}`)}
		for _, r := range waiting {
			b.want(r, "accepted")
		}
		if n := b.writer.Waiting(); n != 0 {
			t.Errorf("%d messages are not settled", n)
		}
	})
}

func TestAThingOfAnotherHubIsTakenOrItsMessagesAreRefused(t *testing.T) {
	for name, c := range map[string]struct {
		err  error
		want string
	}{"taken": {nil, "accepted"}, "refused": {errors.New("it stays"), "refused not-allowed"}} {
		t.Run(name, func(t *testing.T) {
			var b *bench
			k := newKeeper(func() error {
				if c.err == nil {
					b.platform.with(func() { b.platform.things["Pump"].gateway = "Hub" })
				}
				return c.err
			})
			close(k.goOn)
			inBubble(t, func(cfg *WriterConfig) { cfg.Moved = k.moved }, func(in *bench) {
				b = in
				b.platform.add("Pump", "n:NUMBER").gateway = "Other"
				b.want(b.send("Pump", `{"n":1}`), c.want)
				b.want(b.send("Pump", `{"n":2}`), c.want)
				k.wants(t, "moved Pump from Other")
			})
		})
	}
}

func TestWhatIsDoneTakesItsPlaceAmongTheMessagesOfItsThing(t *testing.T) {
	inBubble(t, nil, func(b *bench) {
		b.platform.add("Pump", "n:NUMBER")
		b.platform.add("Other", "n:NUMBER")
		goOn := make(chan struct{})
		var before, after *result
		act := func(wanted bool) *result {
			r := &result{}
			b.writer.Write(&delivery.Queued{Telemetry: message.Telemetry{Message: &message.Message{DeviceID: "Pump"}, Thing: "Pump"}, Settle: r.settle,
				Wanted: func() bool { return wanted },
				Act: func(context.Context) delivery.Outcome {
					if before.String() != "accepted" || after.String() != "open" {
						t.Errorf("before it is %s, after it %s", before, after)
					}
					<-goOn
					return delivery.Outcome{Kind: delivery.Nothing, Reason: "done"}
				}})
			return r
		}
		b.want(b.send("Pump", `{"n":0}`), "accepted")
		open := b.platform.gate("")
		before = b.send("Pump", `{"n":1}`)
		synctest.Wait() // in flight
		done, unwanted := act(true), act(false)
		after = b.send("Pump", `{"n":2}`)
		open()
		b.want(before, "accepted")
		b.want(b.send("Other", `{"n":1}`), "accepted")
		b.want(done, "open")
		b.want(after, "open")
		close(goOn)
		b.want(done, "nothing done")
		b.want(unwanted, "unwanted")
		b.want(after, "accepted")
		if n := b.writer.Waiting(); n != 0 {
			t.Errorf("%d messages are not settled", n)
		}
	})
}

func TestWhatIsHeldWhenTheWriterEndsStaysUnsettled(t *testing.T) {
	k := newKeeper(func() error { return nil })
	var r *result
	inBubble(t, func(c *WriterConfig) { c.Missing = k.missing }, func(b *bench) {
		k.goOn = make(chan struct{})
		r = b.send("New", `{"n":1}`)
		b.want(r, "open")
	})
	if r.String() != "open" {
		t.Errorf("it is %s", r)
	}
}

func TestManyThingsAreMadeAFewAtATimeAndAllInTheEnd(t *testing.T) {
	const things = 1000
	var b *bench
	var mu sync.Mutex
	now, most := 0, 0
	missing := func(ctx context.Context, m *message.Message) error {
		mu.Lock()
		now++
		most = max(most, now)
		mu.Unlock()
		pass(time.Second)
		b.platform.add(m.DeviceID, "n:NUMBER")
		mu.Lock()
		defer mu.Unlock()
		now--
		return ctx.Err()
	}
	inBubble(t, func(c *WriterConfig) { c.Missing, c.Lanes = missing, 4 }, func(in *bench) {
		b = in
		b.platform.add("Old", "n:NUMBER")
		var waiting []*result
		for n := range things {
			waiting = append(waiting, b.send(fmt.Sprintf("New%d", n), `{"n":1}`))
		}
		synctest.Wait()
		if n := runtime.NumGoroutine(); n > 100 {
			t.Errorf("%d goroutines", n)
		}
		b.want(b.send("Old", `{"n":1}`), "accepted")
		pass(2 * things / mostHeld * time.Second)
		for _, r := range waiting {
			b.want(r, "accepted")
		}
		if most != mostHeld {
			t.Errorf("%d were made at once, want %d", most, mostHeld)
		}
		if b.writer.holds.running != 0 {
			t.Errorf("%d still wait", b.writer.holds.running)
		}
	})
}
