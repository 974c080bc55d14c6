package script

import (
	"context"
	"fmt"
	"runtime/metrics"
	"sync"
	"time"

	"github.com/dop251/goja"
)

// lookEvery is how often a script that runs for long is looked at. Short ones end before the first look.
const lookEvery = 25 * time.Millisecond

// watch interrupts one run time: when its context ends, and when the process keeps too much more memory than at its
// start. Memory is that of the whole process after its last collection, since nothing tells what one script holds.
type watch struct {
	rt    *goja.Runtime
	most  uint64 // bytes
	begin uint64
	stop  func() bool

	mu    sync.Mutex
	timer *time.Timer // nil without a bound, and at the end
}

// newWatch starts to watch; end must be called. most is in bytes; without a bound it is not positive.
func newWatch(ctx context.Context, rt *goja.Runtime, most int64) *watch {
	w := &watch{rt: rt}
	w.stop = context.AfterFunc(ctx, func() { rt.Interrupt(ended(ctx)) })
	if most > 0 {
		w.most, w.begin = uint64(most), liveHeap()
		w.mu.Lock()
		defer w.mu.Unlock()
		w.timer = time.AfterFunc(lookEvery, w.look)
	}
	return w
}

func (w *watch) look() {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.timer == nil {
		return
	}
	if now := liveHeap(); now > w.begin && now-w.begin > w.most {
		w.rt.Interrupt(fmt.Errorf("%w (over %d MiB)", ErrMemory, w.most>>20))
		return
	}
	w.timer.Reset(lookEvery)
}

// end stops watching. An interrupt that comes too late hits a run time that nobody uses any more.
func (w *watch) end() {
	w.stop()
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.timer != nil {
		w.timer.Stop()
		w.timer = nil
	}
}

// ended says why a context is over.
func ended(ctx context.Context) error {
	cause := context.Cause(ctx)
	if cause == nil {
		cause = context.Canceled
	}
	return cause
}

// liveHeap is the memory in use after the last collection, in bytes.
func liveHeap() uint64 {
	sample := []metrics.Sample{{Name: "/gc/heap/live:bytes"}}
	metrics.Read(sample)
	return sample[0].Value.Uint64()
}
