package ingress

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"strings"
	"testing"
	"testing/synctest"

	"azx/internal/delivery"
	"azx/internal/message"
)

// endless gives messages of one shape without end.
type endless struct {
	body string
	made int64
}

func (s *endless) Receive(ctx context.Context) ([]*message.Message, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	s.made++
	m := msg(s.made, "device", s.body)
	m.Body = []byte(s.body)
	m.Properties = map[string]string{}
	system := message.TextMap{"iothub-connection-auth-method": strings.Repeat("a", 90) + fmt.Sprint(s.made)}
	m.System = system
	for i := range 6 {
		m.Properties[fmt.Sprint("property", i, s.made)] = fmt.Sprint("value", i, s.made)
		system[fmt.Sprint("annotation", i, s.made)] = fmt.Sprint("value", i, s.made)
	}
	return []*message.Message{m}, nil
}

func (s *endless) Close() error { return nil }

// A platform that does not answer stops the reading, and what is in flight takes no more memory than it may, whatever shape
// messages have.
func TestAPlatformThatDoesNotAnswerStopsTheReadingWithinTheMemory(t *testing.T) {
	const memory = 16 << 20
	tiny := `{"":1` + strings.Repeat(`,"":1`, message.MaxMembers-1) + `}`
	shapes := map[string]string{
		"usual":                       `{"temperature":21.5,"pressure":1013.25,"state":"running","on":true}`,
		"one member":                  `{"n":1}`,
		"very many tiny members":      tiny,
		"a hundred tiny members":      `{"":1` + strings.Repeat(`,"":1`, 99) + `}`,
		"keys that have to be copied": `{"\n":1` + strings.Repeat(`,"\u000a":1`, 999) + `}`,
		"one long text":               `{"s":"` + strings.Repeat("a", 250_000) + `"}`,
		"a text of colons":            `{"s":"` + strings.Repeat(":", 250_000) + `"}`,
		"too many members":            strings.Replace(tiny, "}", `,"":1}`, 1),
		"nothing":                     `{}`,
	}
	for name, body := range shapes {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r := newRig(KeepUnknown, func(*delivery.Queued) *delivery.Outcome { return nil })
				r.quarantine.err = errors.New("disk full") // what is refused stays in memory, too
				pump := r.flow.Pump
				pump.Tracker, pump.Budget = delivery.NewTracker(), NewBudget(memory)
				source := &endless{body: body}
				ctx, cancel := context.WithCancel(t.Context())
				before := heap()
				ended := make(chan error, 1)
				go func() { ended <- pump.Run(ctx, source) }()
				synctest.Wait() // it waits for room
				held, inFlight := heap()-before, pump.Tracker.Counts().InFlight
				if inFlight < 2 || source.made != inFlight+1 {
					t.Errorf("%d messages in flight, %d were taken", inFlight, source.made)
				}
				if held > memory {
					t.Errorf("%d messages in flight hold %d KiB, more than %d", inFlight, held>>10, memory>>10)
				}
				t.Logf("%d messages hold %d KiB of %d", inFlight, held>>10, memory>>10)
				cancel()
				if err := <-ended; !errors.Is(err, context.Canceled) {
					t.Errorf("ended with %v", err)
				}
				runtime.KeepAlive(r)
			})
		})
	}
}

// heap returns the bytes that are in use.
func heap() int64 {
	runtime.GC()
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}
