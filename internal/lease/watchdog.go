package lease

import "time"

// Watchdog tells a partition that is silent although the hub has messages for it from one that has nothing to say. It is
// no goroutine: whoever asks the hub how far its partitions reach calls Look with each answer.
type Watchdog struct {
	Patience time.Duration // how long messages may wait at the hub while none comes

	received int64     // when Look was last called
	since    time.Time // when messages were first seen to wait; zero if none do
}

// Look reports whether the partition has to be opened again. Received is the sequence of the last message that came; of
// the position where reading began if none has; head that of the last one the hub has, -1 if it has none. Waiting says that
// the reader waits for messages: one that is held up by a slow platform is not silent. After true it is silent for another
// Patience.
func (w *Watchdog) Look(now time.Time, received, head int64, waiting bool) (reopen bool) {
	silent := waiting && head > received && received == w.received
	w.received = received
	switch {
	case !silent:
		w.since = time.Time{}
	case w.since.IsZero():
		w.since = now
	case now.Sub(w.since) >= w.Patience:
		w.since = now
		return true
	}
	return false
}
