package ingress

import (
	"context"
	"errors"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"azx/internal/message"
)

// fakeWatch knows devices of which nobody else does while the disk is full.
type fakeWatch struct{ full atomic.Bool }

func (w *fakeWatch) Take(context.Context, string, int64) Watched { return w }
func (w *fakeWatch) Saw(*message.Message)                        {}
func (w *fakeWatch) Release(context.Context, bool)               {}

func (w *fakeWatch) Save(context.Context) error {
	if w.full.Load() {
		return errors.New("the disk is full")
	}
	return nil
}

func TestACheckpointWaitsUntilWhatIsKnownOfDevicesIsSaved(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(KeepUnknown, accept, msg(0, "a", `{"x":1}`))
		watch := &fakeWatch{}
		watch.full.Store(true)
		r.flow.Watch = watch
		stop := r.start(t)
		elapse(3500 * time.Millisecond)
		if r.store.last() >= 0 {
			t.Errorf("checkpoint at %d", r.store.last())
		}
		watch.full.Store(false)
		elapse(time.Second)
		if r.store.last() != 0 {
			t.Errorf("checkpoint at %d, want 0", r.store.last())
		}
		stop()
	})
}
