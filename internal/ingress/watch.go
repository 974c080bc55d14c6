package ingress

import "context"

// Watch follows which devices are alive, from the messages of the partitions that this connector reads.
type Watch interface {
	// Take begins with a partition that is read behind a sequence number; -1 if it has no checkpoint.
	Take(ctx context.Context, partition string, behind int64) Watched
}

// Watched is one partition as long as it is held.
type Watched interface {
	Presence
	// Save stores what a checkpoint must not pass: devices of which nobody else knows. It is called before each checkpoint,
	// which waits for the next time after an error.
	Save(ctx context.Context) error
	// Release ends. Unless the partition is lost, what is known of its devices is saved for the next reader.
	Release(ctx context.Context, lost bool)
}

// watch begins to follow a partition whose begin is known.
func (f *Flow) watch(ctx context.Context, h *hold) {
	if f.Watch == nil {
		return
	}
	behind := int64(-1)
	if h.start.After != nil {
		behind = h.start.After.Sequence
	}
	h.watched = f.Watch.Take(ctx, h.ID, behind)
	h.pump.Presence = h.watched
}

// unwatch ends that, while the partition may still be written.
func (f *Flow) unwatch(ctx context.Context, h *hold, lost bool) {
	if h.watched == nil {
		return
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), lastCalls)
	defer cancel()
	h.watched.Release(ctx, lost)
}
