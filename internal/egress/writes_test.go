package egress

import (
	"context"
	"errors"
	"fmt"
	"math"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"pgregory.net/rapid"

	"azx/alwayson/infotable"
	"azx/internal/fault"
	"azx/internal/message"
)

func TestWritesWithinTheWindowTravelTogether(t *testing.T) {
	inBubble(t, nil, func(r *rig) {
		a := r.start(r.t.Context(), writing("dev1", "temp", infotable.Number(21.5)))
		elapse(19 * time.Millisecond)
		b := r.start(r.t.Context(), writing("dev1", "on", infotable.Boolean(true)))
		other := r.start(r.t.Context(), writing("dev2", "temp", infotable.Number(1)))
		first, second := <-a, <-b
		<-other
		if got := r.bodies(); got != `dev1 {"temp":21.5,"on":true}; dev2 {"temp":1}` {
			t.Errorf("got %s", got)
		}
		m := r.hub.sent[0]
		if first.value.String() != m.ID || second.value.String() != m.ID || m.ID == "" || first.took != 20*time.Millisecond {
			t.Errorf("got %s after %s and %s, want the message's id %s", first, first.took, second, m.ID)
		}
		if m.ContentType != "application/json" || m.ContentEncoding != "utf-8" || m.Ack != "none" || !m.Expires.IsZero() ||
			m.Properties[message.PropertyCreationTime] != "2000-01-01T00:00:00.020Z" {
			t.Errorf("got %+v", m)
		}
		if got := r.meter.String(); got != "c2d 1: 1, c2d 2: 1, write property ok: 3" {
			t.Errorf("counted %s", got)
		}
	})
}

func TestWhatDoesNotFitLeavesWithTheNextMessage(t *testing.T) {
	inBubble(t, nil, func(r *rig) {
		long := infotable.String(strings.Repeat("x", maxBody/2))
		var answers []<-chan answer
		for _, w := range []message.Request{
			writing("d", "a", infotable.Integer(1)), writing("d", "b", infotable.Integer(2)), writing("d", "a", infotable.Integer(3)),
			writing("d", "c", long), writing("d", "e", long), writing("d", "f", infotable.Integer(4)),
		} {
			answers = append(answers, r.start(r.t.Context(), w))
			synctest.Wait()
		}
		for _, a := range answers {
			if got := <-a; got.err != nil || got.took != 20*time.Millisecond {
				t.Errorf("got %s after %s", got, got.took)
			}
		}
		got := strings.NewReplacer(strings.Repeat("x", maxBody/2), "x").Replace(r.bodies())
		if got != `d {"a":1,"b":2}; d {"a":3,"c":"x"}; d {"e":"x","f":4}` {
			t.Errorf("got %s", got)
		}
	})
}

func TestAWriteWaitsForTheOutcomeOfTheOneBefore(t *testing.T) {
	inBubble(t, nil, func(r *rig) {
		r.hub.onSend = func(ctx context.Context, _ Message) error { pass(time.Second); return nil }
		a := r.start(r.t.Context(), writing("d", "a", infotable.Integer(1)))
		elapse(30 * time.Millisecond)
		b := r.start(r.t.Context(), writing("d", "b", infotable.Integer(2)))
		c := r.start(r.t.Context(), writing("d", "c", infotable.Integer(3)))
		elapse(980 * time.Millisecond)
		if got := r.bodies(); got != `d {"a":1}` {
			t.Errorf("sent too early: %s", got)
		}
		<-a
		if first, second := <-b, <-c; first.value.String() != second.value.String() || first.took != 1990*time.Millisecond {
			t.Errorf("got %s after %s, %s", first, first.took, second)
		}
	})
}

func TestTheHubsRefusalIsHeardByAllItConcerns(t *testing.T) {
	inBubble(t, nil, func(r *rig) {
		full := fault.Reject("send to d", "purge the queue", "the device's queue is full")
		r.hub.onSend = func(context.Context, Message) error { return full }
		a := r.start(r.t.Context(), writing("d", "a", infotable.Integer(1)))
		b := r.do(writing("d", "b", infotable.Integer(2)))
		for _, got := range []answer{<-a, b} {
			if r.want(got, fault.Rejected, "queue is full"); fault.HintOf(got.err) != "purge the queue" || !got.value.IsNothing() {
				t.Errorf("got %s with the hint %q", got, fault.HintOf(got.err))
			}
		}
	})
}

func TestAValueWithoutJSONTextIsRefused(t *testing.T) {
	inBubble(t, nil, func(r *rig) {
		r.want(r.do(writing("d", "a", infotable.Number(math.NaN()))), fault.Rejected, "write a of d: NaN is no number")
		r.want(r.do(writing("d", "a", infotable.String(strings.Repeat("x", maxBody)))), fault.Rejected, "64518 bytes, more than 64512")
		if len(r.hub.sent) != 0 {
			t.Errorf("sent %s", r.bodies())
		}
	})
}

func TestAThingSaysHowItsWritesTravel(t *testing.T) {
	inBubble(t, nil, func(r *rig) {
		r.things.via = map[string]string{"d1": "desired", "d2": "method:set", "d3": "pigeon"}
		for _, thing := range []string{"d1", "d2"} {
			r.wantValue(r.do(writing(thing, "a", infotable.Integer(1))), infotable.Nothing())
		}
		r.wantValue(r.do(writing("d1", "mod::a", infotable.Integer(2))), infotable.Nothing())
		r.wantValue(r.do(writing("d2", "mod::a", infotable.Nothing())), infotable.Nothing()) // no method for a module
		r.want(r.do(writing("d3", "a", infotable.Integer(1))), fault.Rejected, `writes cannot travel by "pigeon"`)
		if got := string(r.hub.twins[message.Target{Device: "d1"}].wire().Desired); got != `{"a":1}` {
			t.Errorf("desired of d1: %s", got)
		}
		if got := string(r.hub.twins[message.Target{Device: "d1", Module: "mod"}].wire().Desired); got != `{"a":2}` {
			t.Errorf("desired of d1/mod: %s", got)
		}
		if c := r.hub.called; len(c) != 1 || c[0].to.Device != "d2" || c[0].Name != "set" || string(c[0].Payload) != `{"a":1}` {
			t.Errorf("called %v", c)
		}
		r.hub.onCall = func(context.Context, Method) (Answer, error) {
			return Answer{Status: 409, Payload: []byte(`"locked"`)}, nil
		}
		r.want(r.do(writing("d2", "a", infotable.Integer(1))), fault.Rejected, `call set of d2: the device answered with status 409: "locked"`)
		if got := r.meter.String(); !strings.Contains(got, "desired 1: 3, method 1: 1") || len(r.hub.sent) != 0 {
			t.Errorf("counted %s, sent %s", got, r.bodies())
		}
	})
}

func TestAWriteThatIsNotTakenInTimeSaysWhetherItWasSent(t *testing.T) {
	inBubble(t, nil, func(r *rig) {
		r.hub.onSend = func(ctx context.Context, _ Message) error { <-ctx.Done(); return ctx.Err() }
		a := r.start(r.t.Context(), writing("d", "a", infotable.Integer(1)))
		elapse(time.Second)
		b := r.start(r.t.Context(), writing("d", "b", infotable.Integer(2)))
		for hint, c := range map[string]<-chan answer{hintMaybe: a, "": b} { // the second one's time ends after it was sent
			got := <-c
			r.want(got, fault.Transient, "not answered in time")
			if !errors.Is(got.err, context.DeadlineExceeded) || got.took != 29*time.Second || hint != "" && fault.HintOf(got.err) != hint {
				t.Errorf("got %s after %s with the hint %q", got, got.took, fault.HintOf(got.err))
			}
		}
	})
}

func TestAWriteThatNobodyWaitsForAnyMoreIsNotSent(t *testing.T) {
	inBubble(t, nil, func(r *rig) {
		ctx, cancel := context.WithCancel(r.t.Context())
		a := r.start(ctx, writing("d", "a", infotable.Integer(1)))
		b := r.start(r.t.Context(), writing("d", "b", infotable.Integer(2)))
		elapse(10 * time.Millisecond)
		cancel()
		if got := <-a; fault.HintOf(got.err) != hintNotSent {
			t.Errorf("got %s with the hint %q", got, fault.HintOf(got.err))
		}
		<-b
		synctest.Wait()
		if r.bodies() != `d {"b":2}` || r.writes.bytes != 0 {
			t.Errorf("sent %s, %d bytes wait", r.bodies(), r.writes.bytes)
		}
	})
}

func TestTooManyWritesForOneDeviceAreRefused(t *testing.T) {
	inBubble(t, func(c *Config) { c.MaxRequests = 1 << 20 }, func(r *rig) {
		r.hub.onSend = func(context.Context, Message) error { pass(time.Second); return nil }
		var wait sync.WaitGroup
		var mu sync.Mutex
		refused := 0
		for i := range maxWaitingEach + 10 {
			wait.Go(func() {
				_, err := r.Handle(r.t.Context(), writing("d", fmt.Sprint(i), infotable.Integer(1)))
				mu.Lock()
				defer mu.Unlock()
				if errors.Is(err, ErrBusy) {
					refused++
				}
			})
		}
		if wait.Wait(); refused != 10 {
			t.Errorf("%d were refused, want 10", refused)
		}
		synctest.Wait()
		r.writes.mu.Lock()
		defer r.writes.mu.Unlock()
		if r.writes.bytes != 0 || len(r.writes.lines) != 0 {
			t.Errorf("%d bytes in %d lines are left", r.writes.bytes, len(r.writes.lines))
		}
	})
}

func TestWritesThatWaitAreBoundedInBytes(t *testing.T) {
	inBubble(t, nil, func(r *rig) {
		const each = 60_000
		var all []<-chan answer
		for i := range maxWaiting/each + 10 {
			all = append(all, r.start(r.t.Context(), writing(fmt.Sprint(i), "a", infotable.String(strings.Repeat("x", each)))))
		}
		sent := 0
		for _, a := range all {
			if got := <-a; got.err == nil {
				sent++
			} else {
				r.want(got, fault.Transient, ErrBusy.Error())
			}
		}
		if most := maxWaiting / each; sent > most || sent < most-1 {
			t.Errorf("%d were sent, want about %d", sent, most)
		}
	})
}

// TestEveryWriteIsInExactlyOneMessage writes at random, to a hub that is slow and refuses at random.
func TestEveryWriteIsInExactlyOneMessage(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		m := writeModel{
			refusals: rapid.SliceOfN(rapid.Bool(), 1, 10).Draw(rt, "refusals"),
			delays:   rapid.SliceOfN(rapid.IntRange(0, 50), 1, 10).Draw(rt, "the hub's time in ms"),
			verdicts: map[string]error{},
		}
		steps := rapid.SliceOfN(rapid.Custom(func(t *rapid.T) writeStep {
			return writeStep{
				rapid.SampledFrom([]string{"d1", "d2"}).Draw(t, "device"), rapid.SampledFrom([]string{"a", "b", "c"}).Draw(t, "name"),
				time.Duration(rapid.IntRange(0, 30).Draw(t, "pause in ms")) * time.Millisecond,
			}
		}), 1, 30).Draw(rt, "writes")
		var err error
		synctest.Test(t, func(t *testing.T) {
			m.rig = newRig(t, nil)
			defer m.stop()
			m.hub.onSend = m.take
			var all []<-chan answer
			for i, s := range steps {
				all = append(all, m.start(context.Background(), writing(s.Device, s.Name, infotable.Integer(int32(i)))))
				synctest.Wait()
				elapse(s.Pause)
			}
			var heard []answer
			for _, a := range all {
				heard = append(heard, <-a)
			}
			next := map[string]int{}
			for i, s := range steps {
				if err = m.check(i, s, heard[i], next); err != nil {
					return
				}
			}
		})
		if err != nil {
			rt.Fatal(err)
		}
	})
}

type writeStep struct {
	Device, Name string
	Pause        time.Duration
}

// writeModel is a hub that remembers what it said to each message.
type writeModel struct {
	*rig
	refusals []bool
	delays   []int
	verdicts map[string]error
}

var errRefused = errors.New("refused")

func (m *writeModel) take(_ context.Context, msg Message) (err error) {
	m.hub.mu.Lock()
	n := len(m.hub.sent)
	if m.refusals[n%len(m.refusals)] {
		err = errRefused
	}
	m.verdicts[msg.ID] = err
	m.hub.mu.Unlock()
	pass(time.Duration(m.delays[n%len(m.delays)]) * time.Millisecond)
	return err
}

// check finds the message of a write: there is one, it is no earlier than that of the write before, and its outcome is
// what the writer heard.
func (m *writeModel) check(i int, s writeStep, heard answer, next map[string]int) error {
	member := fmt.Sprintf(`"%s":%d,`, s.Name, i)
	at, count := -1, 0
	for n, msg := range m.hub.sent {
		if msg.Device == s.Device && strings.Contains(strings.Trim(string(msg.Body), "{}")+",", member) {
			at, count = n, count+1
		}
	}
	switch {
	case count != 1:
		return fmt.Errorf("write %d is in %d messages: %s", i, count, m.bodies())
	case at < next[s.Device]:
		return fmt.Errorf("write %d overtook one before it: %s", i, m.bodies())
	}
	next[s.Device] = at
	id := m.hub.sent[at].ID
	if said := m.verdicts[id]; !errors.Is(heard.err, said) || said == nil && heard.value.String() != id {
		return fmt.Errorf("write %d heard %s, the hub said %v to %s", i, heard, said, id)
	}
	return nil
}
