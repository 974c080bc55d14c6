package ingress

import (
	"sync"
	"time"

	"azx/internal/fault"
)

// noticeEvery is the least time between two lines of the log about messages put aside for the same reason: one
// broken device must not fill the disk. The metrics count every message.
const noticeEvery = time.Minute

// notices remembers what was told. Reasons are a fixed few, so it stays small.
type notices struct {
	mu   sync.Mutex
	told map[string]notice // by reason
}

type notice struct {
	at   time.Time
	more int // messages since then
}

// due reports whether the reason may be told now, and how many messages were passed over since it was.
func (n *notices) due(reason string, now time.Time) (more int, ok bool) {
	n.mu.Lock()
	defer n.mu.Unlock()
	last, before := n.told[reason]
	if before && now.Sub(last.at) < noticeEvery {
		last.more++
		n.told[reason] = last
		return 0, false
	}
	if n.told == nil {
		n.told = map[string]notice{}
	}
	n.told[reason] = notice{at: now}
	return last.more, true
}

// tell logs that a message was put aside, and why.
func (a *Aside) tell(t task) {
	if t.do == forget {
		return
	}
	if t.do == quarantine && a.Told != nil {
		a.Told(t.dead)
	}
	more, ok := a.notices.due(t.dead.Reason, time.Now())
	if !ok {
		return
	}
	if t.do == keep {
		a.warn("kept", "a message of a device without a Thing is kept", t.dead, more)
	} else {
		a.warn("quarantined", "a message was put into quarantine", t.dead, more)
	}
}

func (a *Aside) warn(event, what string, d Dead, more int) {
	a.Log.Warn(what, "event", event, "hub", d.Hub, "device", d.DeviceID, "partition", d.Partition, "sequence", d.Sequence,
		"reason", d.Reason, "error", d.Err, "hint", fault.HintOf(d.Err), "since_last_line", more)
}
