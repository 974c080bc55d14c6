package egress

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"pgregory.net/rapid"

	"azx/alwayson/infotable"
	"azx/internal/fault"
	"azx/internal/message"
)

var dev = message.Target{Device: "d"}

func TestATwinIsReadAgainWhenItIsTooOld(t *testing.T) {
	inBubble(t, nil, func(r *rig) {
		r.hub.twin(dev).patch(nil, []byte(`{"fw":"1"}`), nil)
		r.wantValue(r.do(reading("d", "twinReported")), text(`{"fw":"1"}`))
		r.wantValue(r.do(reading("d", "twinTags")), text(`{}`))
		r.wantValue(r.do(reading("d", "twinUpdated")), infotable.DateTime(time.Now().UnixMilli()))
		r.hub.set(func() { r.hub.twin(dev).patch(nil, []byte(`{"fw":"2"}`), nil) })
		elapse(time.Second)
		r.wantValue(r.do(reading("d", "twinReported")), text(`{"fw":"1"}`))
		if r.hub.reads != 1 {
			t.Errorf("read %d times within a second", r.hub.reads)
		}
		elapse(time.Millisecond)
		r.wantValue(r.do(reading("d", "twinReported")), text(`{"fw":"2"}`))
		module := message.Target{Device: "d", Module: "m"}
		r.hub.twin(module).patch([]byte(`{"on":true}`), nil, nil)
		r.wantValue(r.do(reading("d", "m::twinDesired")), text(`{"on":true}`))
	})
}

func TestOfManyReadersOneAsksTheHub(t *testing.T) {
	inBubble(t, nil, func(r *rig) {
		r.hub.onTwin = func(context.Context) error { pass(100 * time.Millisecond); return nil }
		ctx, cancel := context.WithCancel(r.t.Context())
		var all []<-chan answer
		first := r.start(ctx, reading("d", "twinDesired"))
		for range 10 {
			synctest.Wait()
			all = append(all, r.start(r.t.Context(), reading("d", "twinDesired")))
		}
		synctest.Wait()
		cancel() // the one who asks is gone: another one asks
		if got := <-first; got.err == nil {
			t.Errorf("got %s for a reader that is gone", got)
		}
		for _, a := range all {
			r.wantValue(<-a, text(`{}`))
		}
		if r.hub.reads != 2 {
			t.Errorf("read %d times, want 2", r.hub.reads)
		}
	})
}

func TestAThrottledTwinIsShownAsItIsKnown(t *testing.T) {
	throttled := &fault.Problem{Op: "read the twin of d", Class: fault.Transient, Cause: fmt.Errorf("%w: 429001", ErrThrottled), Hint: "more units raise it"}
	inBubble(t, nil, func(r *rig) {
		r.hub.onTwin = func(context.Context) error { return throttled }
		r.want(r.do(reading("d", "twinDesired")), fault.Transient, ErrThrottled.Error())
		r.hub.onTwin = nil
		read := time.Now()
		r.wantValue(r.do(reading("d", "twinDesired")), text(`{}`))
		elapse(time.Hour)
		r.hub.onTwin = func(context.Context) error { return throttled }
		r.wantValue(r.do(reading("d", "twinDesired")), text(`{}`))
		r.wantValue(r.do(reading("d", "twinUpdated")), infotable.DateTime(read.UnixMilli()))
		if got := r.meter.String(); got != "read twin ok: 1, read twin stale: 2, read twin transient: 1" {
			t.Errorf("counted %s", got)
		}
		r.hub.onTwin = func(context.Context) error { return errors.New("reset") }
		r.want(r.do(reading("d", "twinDesired")), fault.Transient, "read twinDesired of d: reset")
	})
}

func TestAReaderDoesNotShareAnAnswerThatIsTooOldForIt(t *testing.T) {
	inBubble(t, nil, func(r *rig) {
		r.hub.onAnswer = func(context.Context) error { pass(3 * time.Second); return nil }
		first := r.start(r.t.Context(), reading("d", "twinReported"))
		elapse(500 * time.Millisecond)
		r.hub.set(func() { r.hub.twin(dev).patch(nil, []byte(`{"a":1}`), nil) })
		second := r.start(r.t.Context(), reading("d", "twinReported"))
		elapse(1500 * time.Millisecond)
		third := r.start(r.t.Context(), reading("d", "twinReported"))
		r.wantValue(<-first, text(`{}`))
		r.wantValue(<-second, text(`{}`))
		r.wantValue(<-third, text(`{"a":1}`))
	})
}

func TestAWriteDoesNotTrustAnAnswerFromBeforeItsConflict(t *testing.T) {
	inBubble(t, nil, func(r *rig) {
		r.do(reading("d", "twinDesired"))
		elapse(2 * time.Second)
		r.hub.onAnswer = func(context.Context) error { pass(time.Second); return nil }
		old := r.start(r.t.Context(), reading("d", "twinDesired"))
		synctest.Wait()
		r.hub.set(func() { r.hub.twin(dev).patch([]byte(`{"a":1}`), nil, nil) }) // the answer on its way does not have it
		r.wantValue(r.do(writing("d", "twinDesired", text(`{"b":1}`))), infotable.Nothing())
		r.wantValue(<-old, text(`{}`))
		r.wantValue(r.do(reading("d", "twinDesired")), text(`{"a":1,"b":1}`))
	})
}

func TestAnAnswerThatWasOvertakenIsNotKept(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var tw twins
		tw.init(nil)
		first := tw.look()
		pass(time.Second)
		second := tw.look()
		pass(time.Second)
		tw.keep(dev, Twin{Version: 5}, first) // it was on its way when the other was asked
		if k := tw.keep(dev, Twin{Version: 4}, second); k.Version != 5 || !k.asOf.Equal(second.at) || k.asked != second.count {
			t.Errorf("got version %d as of %s, want 5 as of %s", k.Version, k.asOf, second.at)
		}
		if k := tw.keep(dev, Twin{Version: 1}, tw.look()); k.Version != 1 {
			t.Errorf("got version %d of a device that was made anew", k.Version)
		}
	})
}

func TestAnEventIsAsOldAsTheHubSays(t *testing.T) {
	inBubble(t, nil, func(r *rig) {
		r.things.properties["d twinReported"] = true
		for name, ahead := range map[string]time.Duration{"an event that is late": -5 * time.Second, "a hub whose clock is ahead": time.Hour} {
			r.do(reading("d", "twinReported"))
			elapse(2 * time.Second)
			m := change("d", r.hub.twin(dev).patch(nil, []byte(`{"a":1}`), nil))
			m.Enqueued = m.Enqueued.Add(ahead)
			r.Changed(m)
			synctest.Wait()
			if ahead > 0 {
				elapse(2 * time.Second)
			}
			r.hub.twin(dev).patch(nil, []byte(`{"a":2}`), nil)
			if a := r.do(reading("d", "twinReported")); a.value.String() != `{"a":2}` {
				t.Errorf("%s: got %s", name, a)
			}
		}
	})
}

func TestATwinIsWrittenWithItsETag(t *testing.T) {
	inBubble(t, nil, func(r *rig) {
		r.wantValue(r.do(writing("d", "twinDesired", text(`{"a":{"b":1},"c":2,"$version":7,"$metadata":{}}`))), infotable.Nothing())
		r.wantValue(r.do(writing("d", "twinDesired", text(`{"a":{"b":null,"d":3}}`))), infotable.Nothing())
		r.wantValue(r.do(reading("d", "twinDesired")), text(`{"a":{"d":3},"c":2}`))
		r.wantValue(r.do(writing("d", "twinTags", infotable.FromTable(infotable.Single("site", infotable.String("x"))))), infotable.Nothing())
		r.wantValue(r.do(reading("d", "twinTags")), text(`{"site":"x"}`))
		if got := strings.Join(r.hub.patches, " "); got != "e0 e1 e2" || r.hub.reads != 1 {
			t.Errorf("etags %s, %d reads", got, r.hub.reads)
		}
		r.hub.set(func() { r.hub.twin(dev).patch([]byte(`{"x":1}`), nil, nil) }) // somebody else
		r.wantValue(r.do(writing("d", "twinDesired", text(`{"y":1}`))), infotable.Nothing())
		if got := strings.Join(r.hub.patches, " "); got != "e0 e1 e2 e3 e4" || r.hub.reads != 2 {
			t.Errorf("after a change by another: etags %s, %d reads", got, r.hub.reads)
		}
		r.wantValue(r.do(reading("d", "twinDesired")), text(`{"a":{"d":3},"c":2,"x":1,"y":1}`))
	})
}

func TestAfterAChangeTheETagIsAskedFor(t *testing.T) {
	inBubble(t, nil, func(r *rig) {
		r.things.properties["d twinDesired"] = true
		r.do(reading("d", "twinDesired"))
		r.Changed(change("d", r.hub.twin(dev).patch([]byte(`{"a":1}`), nil, nil)))
		synctest.Wait()
		r.wantValue(r.do(writing("d", "twinDesired", text(`{"b":1}`))), infotable.Nothing())
		if got := strings.Join(r.hub.patches, " "); got != "e1" || r.hub.reads != 2 {
			t.Errorf("etags %s, %d reads", got, r.hub.reads)
		}
	})
}

func TestATwinThatChangesAllTheTimeIsTriedTwice(t *testing.T) {
	inBubble(t, nil, func(r *rig) {
		r.hub.onAnswer = func(context.Context) error {
			r.hub.set(func() { r.hub.twin(dev).patch([]byte(`{"x":1}`), nil, nil) })
			return nil
		}
		r.want(r.do(writing("d", "twinDesired", text(`{"y":1}`))), fault.Transient, ErrChanged.Error())
		if len(r.hub.patches) != 2 {
			t.Errorf("tried %d times", len(r.hub.patches))
		}
	})
}

func TestWhatIsNoChangeOfATwinIsRefused(t *testing.T) {
	inBubble(t, nil, func(r *rig) {
		for want, request := range map[string]message.Request{
			"twinReported is read-only":              writing("d", "twinReported", text(`{}`)),
			"write m::twinUpdated of d: twinUpdated": writing("d", "m::twinUpdated", text(`{}`)),
			"it is a JSON array, not an object":      writing("d", "twinTags", text(`[]`)),
			"invalid JSON":                           writing("d", "twinTags", text(`{`)),
			"it is no object":                        writing("d", "twinTags", infotable.Number(1)),
		} {
			a := r.do(request)
			if r.want(a, fault.Rejected, want); fault.HintOf(a.err) == "" {
				t.Errorf("no hint: %s", a)
			}
		}
		if len(r.hub.patches) != 0 {
			t.Errorf("patched %v", r.hub.patches)
		}
	})
}

func TestTheTwinsKnownAreBoundedInBytes(t *testing.T) {
	var tw twins
	tw.init(nil)
	for i := range 200 {
		of := message.Target{Device: fmt.Sprint(i)}
		tw.keep(of, Twin{Desired: make([]byte, 100<<10)}, tw.look())
		tw.last(message.Target{Device: "0"})
	}
	sum := 0
	for _, e := range tw.known {
		sum += e.Value.(*known).size()
	}
	if _, used := tw.last(message.Target{Device: "0"}); !used || tw.bytes > maxTwins || tw.bytes != sum || len(tw.known) != tw.recent.Len() || len(tw.known) < 100 {
		t.Errorf("%d bytes (%d) in %d twins, the used one is known: %t", tw.bytes, sum, len(tw.known), used)
	}
}

// TestATwinIsNeverOlderThanAllowed reads and changes a twin at random, with a slow hub whose events are late, lost, and
// come again.
func TestATwinIsNeverOlderThanAllowed(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		maxAge := time.Duration(rapid.IntRange(1, 3000).Draw(rt, "age in ms")) * time.Millisecond
		delays := rapid.SliceOfN(rapid.IntRange(0, 500), 1, 20).Draw(rt, "ms to the hub and back")
		steps := rapid.SliceOfN(rapid.Custom(someStep), 1, 60).Draw(rt, "steps")
		var err error
		synctest.Test(t, func(t *testing.T) {
			r := newRig(t, func(c *Config) { c.TwinMaxAge = maxAge })
			defer r.stop()
			m := twinModel{rig: r, maxAge: maxAge, delays: delays}
			r.hub.onTwin, r.hub.onAnswer = m.delay, m.delay
			r.things.properties["d twinReported"], r.things.properties["d twinDesired"] = true, true
			r.hub.set(func() { m.changed(nil) })
			for _, s := range steps {
				if err = m.step(s); err != nil {
					return
				}
			}
			err = m.check()
		})
		if err != nil {
			rt.Fatal(err)
		}
	})
}

// twinStep is something that happens to a twin.
type twinStep struct {
	What  string // "change", "event", "read", "write" or "pause"
	Part  string
	Patch string
	Event int // which one, counted back from the last
	Pause time.Duration
}

func someStep(t *rapid.T) twinStep {
	key := rapid.IntRange(0, 2).Draw(t, "key")
	value := rapid.SampledFrom([]string{"null", "1", "2", `{"in":1}`, `{"in":null,"of":2}`}).Draw(t, "value")
	return twinStep{
		What:  rapid.SampledFrom([]string{"change", "change", "event", "event", "read", "read", "write", "pause"}).Draw(t, "what"),
		Part:  rapid.SampledFrom([]string{twinDesired, twinReported}).Draw(t, "part"),
		Patch: fmt.Sprintf(`{"k%d":%s}`, key, value),
		Event: rapid.IntRange(0, 3).Draw(t, "event"),
		Pause: time.Duration(rapid.IntRange(0, 2000).Draw(t, "ms")) * time.Millisecond,
	}
}

// twinModel is the history of a twin, and what readers saw.
type twinModel struct {
	*rig
	maxAge  time.Duration
	delays  []int
	delayed atomic.Int64
	history []twinThen
	events  []*message.Message
	reads   []twinRead
}

type twinThen struct {
	from    time.Time
	content string
}

type twinRead struct {
	began time.Time
	part  string
	out   <-chan answer
}

func (m *twinModel) delay(context.Context) error {
	pass(time.Duration(m.delays[int(m.delayed.Add(1))%len(m.delays)]) * time.Millisecond)
	return nil
}

func (m *twinModel) step(s twinStep) error {
	switch s.What {
	case "change":
		m.hub.set(func() {
			if s.Part == twinReported {
				m.changed(m.hub.twin(dev).patch(nil, []byte(s.Patch), nil))
			} else {
				m.changed(m.hub.twin(dev).patch([]byte(s.Patch), nil, nil))
			}
		})
	case "event":
		if at := len(m.events) - 1 - s.Event; at >= 0 {
			m.Changed(m.events[at])
		}
	case "read":
		m.reads = append(m.reads, twinRead{time.Now(), s.Part, m.start(context.Background(), reading("d", s.Part))})
	case "write":
		if a := m.do(writing("d", twinDesired, text(s.Patch))); a.err != nil {
			return a.err
		}
		m.hub.set(func() { m.changed(nil) })
	case "pause":
		pass(s.Pause)
	}
	synctest.Wait()
	return nil
}

func (m *twinModel) content() string {
	twin := m.hub.twin(dev).wire()
	return fmt.Sprintf("twinDesired %s\ntwinReported %s\n", twin.Desired, twin.Reported)
}

// changed notes what the hub has now, under its lock.
func (m *twinModel) changed(event []byte) {
	m.history = append(m.history, twinThen{time.Now(), m.content()})
	if event != nil {
		m.events = append(m.events, change("d", event))
	}
}

// check finds for each reader a moment, no earlier than allowed, at which the twin was what it saw.
func (m *twinModel) check() error {
	for n, read := range m.reads {
		a := <-read.out
		if a.err != nil {
			return a.err
		}
		line := fmt.Sprintf("%s %s\n", read.part, a)
		good := false
		for i, then := range m.history {
			over := i+1 < len(m.history) && m.history[i+1].from.Before(read.began.Add(-m.maxAge))
			good = good || !over && strings.Contains(then.content, line)
		}
		if !good {
			return fmt.Errorf("reader %d at %s saw %s; history %v", n, read.began, line, m.history)
		}
	}
	return nil
}

func TestAChangeReachesTheThing(t *testing.T) {
	inBubble(t, nil, func(r *rig) {
		for _, name := range []string{"twinReported", "twinDesired", "twinUpdated", "m::twinReported"} {
			r.things.properties["d "+name] = true
		}
		event := func(desired, reported, tags string) *message.Message {
			raw := func(s string) json.RawMessage {
				if s == "" {
					return nil
				}
				return json.RawMessage(s)
			}
			var m *message.Message
			r.hub.set(func() { m = change("d", r.hub.twin(dev).patch(raw(desired), raw(reported), raw(tags))) })
			return m
		}
		wantPush := func(name, want string, reads int) {
			t.Helper()
			synctest.Wait()
			got := strings.Join(r.things.pushes, "; ")
			if r.things.pushes = nil; got != want || r.hub.reads != reads {
				t.Errorf("%s: pushed %s after %d reads, want %s after %d", name, got, r.hub.reads, want, reads)
			}
			r.hub.reads = 0
		}
		at := func() string { return infotable.DateTime(time.Now().UnixMilli()).String() }

		first := event("", `{"fw":"1"}`, "")
		r.Changed(first)
		wantPush("a twin not known yet", `d twinDesired={} twinReported={"fw":"1"} twinUpdated=`+at(), 1)
		elapse(time.Second)
		second := event("", `{"fw":null,"x":{"y":2}}`, "")
		r.Changed(second)
		wantPush("the next version", `d twinReported={"x":{"y":2}} twinUpdated=`+at(), 0)
		r.Changed(second)
		r.Changed(first)
		wantPush("again", "", 0)
		event(`{"lost":1}`, "", "")
		r.Changed(event("", `{"x":{"z":3}}`, ""))
		wantPush("a gap", `d twinDesired={"lost":1} twinReported={"x":{"y":2,"z":3}} twinUpdated=`+at(), 1)
		r.Changed(event("", "", `{"a":1}`))
		wantPush("a part that the Thing does not have", `d twinUpdated=`+at(), 0)
		replaced := event(`{"b":1}`, "", "")
		replaced.Properties["opType"] = "replaceTwin"
		r.Changed(replaced)
		wantPush("a replaced twin", `d twinDesired={"b":1,"lost":1} twinReported={"x":{"y":2,"z":3}} twinUpdated=`+at(), 1)
		r.Changed(&message.Message{Properties: map[string]string{"deviceId": "d", "moduleId": "m"}, Body: []byte(`{"version":1}`)})
		wantPush("a module", `d m::twinReported={}`, 1)
		r.Changed(&message.Message{DeviceID: "e", Body: []byte(`{"version":1}`)})
		wantPush("a Thing without twin properties", "", 0)
		r.Changed(&message.Message{DeviceID: "d", Body: []byte(`{`)})
		wantPush("an event that cannot be read", "", 0)
		r.do(reading("d", "twinDesired"))
		wantPush("a read", "", 1)
		r.things.set(func() { r.things.err = errors.New("no connection") })
		missed := event(`{"c":1}`, "", "")
		r.Changed(missed)
		wantPush("a platform that is away", "", 0)
		r.things.set(func() { r.things.err = nil })
		r.wantValue(r.do(reading("d", "twinDesired")), text(`{"b":1,"c":1,"lost":1}`))
		r.hub.reads = 0
		r.hub.onTwin = func(context.Context) error { panic("boom") }
		event(`{"d":1}`, "", "")
		r.Changed(event(`{"e":1}`, "", ""))
		wantPush("a panic", "", 1)
		if got := r.meter.String(); got != "event failed: 2, event old: 2, event pushed: 6, event undecodable: 1, event unwanted: 1, read twin ok: 2" {
			t.Errorf("counted %s", got)
		}
	})
}

func TestADeviceThatIsMadeAnewIsFollowed(t *testing.T) {
	inBubble(t, nil, func(r *rig) {
		r.things.properties["d twinReported"] = true
		for range 5 {
			r.hub.twin(dev).patch(nil, []byte(`{"old":1}`), nil)
		}
		r.Changed(change("d", r.hub.twin(dev).patch(nil, []byte(`{"old":2}`), nil)))
		elapse(time.Second)
		delete(r.hub.twins, dev)
		r.Changed(change("d", r.hub.twin(dev).patch(nil, []byte(`{"new":1}`), nil)))
		synctest.Wait()
		r.Changed(change("d", r.hub.twin(dev).patch(nil, []byte(`{"new":2}`), nil)))
		synctest.Wait()
		if got := strings.Join(r.things.pushes, "; "); got != `d twinReported={"old":2}; d twinReported={"new":1}; d twinReported={"new":2}` {
			t.Errorf("pushed %s", got)
		}
	})
}

func TestChangesBeyondTheQueueMakeTheTwinBeReadAgain(t *testing.T) {
	inBubble(t, func(c *Config) { c.TwinMaxAge = time.Hour }, func(r *rig) {
		r.wantValue(r.do(reading("d", "twinReported")), text(`{}`))
		r.things.mu.Lock() // nothing goes on
		big := r.hub.twin(dev).patch(nil, []byte(`{"x":"`+strings.Repeat("x", 60_000)+`"}`), nil)
		for range 200 {
			r.Changed(change("d", big))
		}
		if got := r.changes.bytes.Load(); got > maxChanges {
			t.Errorf("%d bytes wait", got)
		}
		r.hub.twin(dev).patch(nil, []byte(`{"x":"y"}`), nil)
		r.things.mu.Unlock()
		r.wantValue(r.do(reading("d", "twinReported")), text(`{"x":"y"}`))
		synctest.Wait()
		if got := r.changes.bytes.Load(); got != 0 || !strings.Contains(r.meter.String(), "event overflow: 77") {
			t.Errorf("%d bytes are left; counted %s", got, r.meter)
		}
	})
}

func TestAPartIsMergedWithItsMetadata(t *testing.T) {
	part := `{"a":1,"b":{"c":2,"d":3},"$metadata":{"$lastUpdated":"1","a":{"$lastUpdated":"1"},"b":{"$lastUpdated":"1","c":{"$lastUpdated":"1"},"d":{}}},"$version":4}`
	patch := `{"a":null,"b":{"c":null,"d":5},"$metadata":{"$lastUpdated":"2","b":{"$lastUpdated":"2","d":{"$lastUpdated":"2"}}},"$version":5}`
	want := `{"$metadata":{"$lastUpdated":"2","b":{"$lastUpdated":"2","d":{"$lastUpdated":"2"}}},"$version":5,"b":{"d":5}}`
	if got, err := mergePart(json.RawMessage(part), json.RawMessage(patch)); err != nil || string(got) != want {
		t.Errorf("got %s, %v, want %s", got, err, want)
	}
}

func FuzzMergePart(f *testing.F) {
	f.Add([]byte(`{"a":{"b":1},"$metadata":{"a":{"b":{}}}}`), []byte(`{"a":{"b":null},"$metadata":{"a":{}}}`))
	f.Add([]byte(``), []byte(`{"a":[null,{"b":null}]}`))
	f.Fuzz(func(t *testing.T, part, patch []byte) {
		if len(part) > 0 && !json.Valid(part) || !json.Valid(patch) {
			return
		}
		merged, err := mergePart(part, patch)
		if err != nil {
			return
		}
		if !json.Valid(merged) {
			t.Fatalf("%s and %s give %s", part, patch, merged)
		}
		var into, change map[string]any
		if json.Unmarshal(part, &into) != nil || json.Unmarshal(patch, &change) != nil || into == nil || change == nil || into["$metadata"] != nil || change["$metadata"] != nil {
			return
		}
		mergeInto(into, change)
		if want, got := string(jsonOf(into)), string(jsonOf(mustMap(t, merged))); got != want {
			t.Fatalf("%s and %s give %s, want %s", part, patch, got, want)
		}
	})
}

func mustMap(t *testing.T, raw []byte) map[string]any {
	var m map[string]any
	if err := json.Unmarshal(raw, &m); err != nil {
		t.Fatal(err)
	}
	return m
}
