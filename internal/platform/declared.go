package platform

import (
	"context"
	"sync"
	"time"
)

// declared keeps what the platform declares of Things: of a bounded number, the least recently used leaves. Of many
// who want the same at a time, one asks.
type declared[T any] struct {
	most  int
	again time.Duration // least time between two questions about a Thing whose answer was not enough

	mu      sync.Mutex
	entries map[string]*node[declaration[T]]
	recent  byUse[declaration[T]]
}

// declaration is what is known of one Thing.
type declaration[T any] struct {
	thing  string
	value  T
	asked  time.Time     // when value came; zero if none did
	until  time.Time     // when it has to be asked for again
	asking chan struct{} // closed at the end of the question under way; nil if there is none
	forgot bool          // the answer to the question under way may be out of date
}

func newDeclared[T any](most int, again time.Duration) *declared[T] {
	return &declared[T]{most: most, again: again, entries: map[string]*node[declaration[T]]{}}
}

// get returns what is declared of a Thing. It asks if nothing is known, or if that is not enough and the question was
// not put just now. ask also says how long its answer may be kept.
func (d *declared[T]) get(ctx context.Context, thing string, enough func(T) bool,
	ask func(ctx context.Context, thing string) (T, time.Duration, error)) (T, error) {
	for {
		e, asking := d.enter(thing, enough)
		switch {
		case e == nil: // somebody else asks
			select {
			case <-asking:
			case <-ctx.Done():
				var none T
				return none, ctx.Err()
			}
		case asking == nil:
			return e.value, nil
		default:
			value, keep, err := ask(ctx, thing)
			d.leave(e, value, keep, err)
			return value, err
		}
	}
}

// enter returns a copy of what is known; or the entry itself and a channel, for the caller to ask and leave; or nil
// and the channel of whoever asks already.
func (d *declared[T]) enter(thing string, enough func(T) bool) (*declaration[T], chan struct{}) {
	d.mu.Lock()
	defer d.mu.Unlock()
	e := d.entry(thing)
	now := time.Now()
	switch {
	case !e.asked.IsZero() && now.Before(e.until) && (enough(e.value) || now.Sub(e.asked) < d.again):
		known := *e
		return &known, nil
	case e.asking != nil:
		return nil, e.asking
	}
	e.asking, e.forgot = make(chan struct{}), false
	return e, e.asking
}

func (d *declared[T]) entry(thing string) *declaration[T] {
	if at, ok := d.entries[thing]; ok {
		d.recent.used(at)
		return &at.of
	}
	added := d.recent.add(declaration[T]{thing: thing})
	d.entries[thing] = added
	if len(d.entries) > d.most {
		oldest := d.recent.last
		d.recent.remove(oldest)
		delete(d.entries, oldest.of.thing)
	}
	return &added.of
}

func (d *declared[T]) leave(e *declaration[T], value T, keep time.Duration, err error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	close(e.asking)
	e.asking = nil
	if err != nil {
		return
	}
	e.value, e.asked, e.until = value, time.Now(), time.Now().Add(keep)
	if e.forgot {
		e.until = time.Time{}
	}
}

// forget makes what is declared of a Thing out of date.
func (d *declared[T]) forget(thing string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if at, ok := d.entries[thing]; ok {
		at.of.until, at.of.forgot = time.Time{}, true
	}
}

// forgetAll does the same for all Things.
func (d *declared[T]) forgetAll() {
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, at := range d.entries {
		at.of.until, at.of.forgot = time.Time{}, true
	}
}
