package platform

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"pgregory.net/rapid"

	"azx/alwayson"
	"azx/internal/delivery"
)

// What happens to a push in the model.
const (
	pushWorks = iota
	pushLostBefore
	pushLostAfter // carried out, but the answer is lost
	pushUnavailable
	pushServerError
	pushTimesOut
	pushRejected
	pushFates
)

// Whatever happens to requests, whether Things gather what they send or not, and whoever takes partitions over meanwhile, the
// platform sees the values of each Thing in their order: a suffix of what it has may come again, nothing is left out that is still
// wanted, and nothing is settled that it does not have.
func TestTheOrderOfAThingSurvivesRetries(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		fates := rapid.SliceOfN(rapid.IntRange(0, pushFates-1), 0, 60).Draw(rt, "fates")
		steps := rapid.SliceOfN(rapid.SampledFrom([]int{0, 1, 2, 3, 0, 1, 2, 3, someTime, longTime, hurry, takeOver}), 1, 80).Draw(rt, "steps")
		lanes, gather := rapid.IntRange(1, 3).Draw(rt, "lanes"), rapid.Bool().Draw(rt, "gather")
		if complaint := orderUnder(t, fates, steps, lanes, gather); complaint != "" {
			rt.Fatal(complaint)
		}
	})
}

// Steps of the model, beside sending to one of the Things 0 to 3.
const (
	someTime = 4 + iota
	longTime
	hurry
	takeOver // what was sent until then is not wanted any more
)

func orderUnder(t *testing.T, fates, steps []int, lanes int, gather bool) (complaint string) {
	inBubble(t, func(c *WriterConfig) {
		c.Lanes, c.MaxValues = lanes, 3
		if gather {
			c.Gather, c.gatherFrom = 100*time.Millisecond, 1
		}
	}, func(b *bench) {
		platform := &fatefulPlatform{fakePlatform: b.platform, fates: fates}
		b.platform.hook = platform.meet
		sent := map[string]int{}
		var mu sync.Mutex
		settled := map[string]int{}
		for i := range 4 {
			b.platform.add(fmt.Sprint("T", i), "n:NUMBER")
		}
		var taken atomic.Int64 // how often somebody took over
		for _, step := range steps {
			switch step {
			case someTime:
				pass(30 * time.Millisecond)
				continue
			case longTime:
				pass(20 * time.Second)
				continue
			case hurry:
				b.writer.Hurry()
				continue
			case takeOver:
				taken.Add(1)
				continue
			}
			thing := fmt.Sprint("T", step)
			sent[thing]++
			number, reader := float64(sent[thing]), taken.Load()
			b.writer.Write(&delivery.Queued{
				Telemetry: b.telemetry(thing, fmt.Sprintf(`{"n":%d}`, sent[thing])),
				Wanted:    func() bool { return taken.Load() == reader },
				Settle: func(o delivery.Outcome) {
					mu.Lock()
					defer mu.Unlock()
					settled[thing]++
					if o.Kind == delivery.Unwanted {
						platform.with(func() { platform.reject(thing, number) })
					}
					if o.Kind == delivery.Accepted && !slices.Contains(b.platform.valuesOf(thing), number) {
						complaint = "a message was settled as accepted that the platform does not have"
					}
				},
			})
		}
		if err := b.writer.Drain(b.t.Context()); err != nil {
			complaint = err.Error()
		}
		synctest.Wait()
		for thing, n := range sent {
			if settled[thing] != n {
				complaint = fmt.Sprintf("%d of %d messages of %s were settled", settled[thing], n, thing)
			}
			if problem := inOrder(b.platform.valuesOf(thing), n, platform.rejected[thing]); problem != "" {
				complaint = thing + ": " + problem
			}
		}
	})
	return complaint
}

// inOrder checks the values 1..n as the platform has them; those that it rejected may be missing.
func inOrder(values []float64, n int, rejected map[float64]bool) string {
	most := 0.0
	seen := map[float64]bool{}
	for i, v := range values {
		for next := most + 1; next < v; next++ {
			if !rejected[next] {
				return fmt.Sprintf("%v came before %v: %v", v, next, values)
			}
		}
		if i > 0 && v <= values[i-1] && !seen[v] {
			return fmt.Sprintf("%v came late: %v", v, values)
		}
		seen[v], most = true, max(most, v)
	}
	for v := 1.0; v <= float64(n); v++ {
		if !seen[v] && !rejected[v] {
			return fmt.Sprintf("%v is missing: %v", v, values)
		}
	}
	return ""
}

// fatefulPlatform treats each push as the next fate says, and the rest well.
type fatefulPlatform struct {
	*fakePlatform
	fates    []int
	rejected map[string]map[float64]bool // by Thing: values of pushes it rejected
}

func (p *fatefulPlatform) meet(ctx context.Context, r alwayson.Request) (alwayson.Response, bool, error) {
	if r.Target != alwayson.PushService {
		return alwayson.Response{}, false, nil
	}
	switch p.next(r) {
	case pushLostBefore:
		return alwayson.Response{}, true, alwayson.ErrClosed
	case pushLostAfter:
		p.answer(r)
		return alwayson.Response{}, true, fmt.Errorf("read: %w", alwayson.ErrClosed)
	case pushUnavailable:
		return alwayson.Refuse(alwayson.ServiceUnavailable, ""), true, nil
	case pushServerError:
		return alwayson.Refuse(alwayson.InternalServerError, ""), true, nil
	case pushTimesOut:
		p.answer(r)
		<-ctx.Done()
		return alwayson.Response{}, true, ctx.Err()
	case pushRejected:
		return alwayson.Refuse(alwayson.BadRequest, "not today"), true, nil
	}
	return alwayson.Response{}, false, nil
}

// next returns the fate of a push. A server error or time-out may end in a refusal too, so their values count
// as rejected.
func (p *fatefulPlatform) next(r alwayson.Request) int {
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(p.fates) == 0 {
		return pushWorks
	}
	fate := p.fates[0]
	p.fates = p.fates[1:]
	if fate >= pushServerError {
		for _, v := range pushed(r) {
			n, _ := v.Value.Number()
			p.reject(r.Name, n)
		}
	}
	return fate
}

// reject notes that the platform need not have a value. The caller has the lock.
func (p *fatefulPlatform) reject(thing string, n float64) {
	if p.rejected == nil {
		p.rejected = map[string]map[float64]bool{}
	}
	if p.rejected[thing] == nil {
		p.rejected[thing] = map[float64]bool{}
	}
	p.rejected[thing][n] = true
}

func (p *fakePlatform) valuesOf(thing string) []float64 {
	p.mu.Lock()
	defer p.mu.Unlock()
	var values []float64
	for _, v := range p.things[thing].values {
		n, _ := v.Value.Number()
		values = append(values, n)
	}
	return values
}
