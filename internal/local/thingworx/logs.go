package thingworx

import (
	"context"
	"strings"
	"sync"
	"time"
)

// Bounds of the application log.
const (
	keptLogs   = 2000
	maxLogText = 4 << 10 // bytes of one entry
)

// Logged is an entry of the application log: what scripts say, and why subscriptions failed.
type Logged struct {
	Index  uint64 // from 1
	Time   time.Time
	Level  string // trace, debug, info, warn or error
	Logger string // which script, such as Pump-1.Restart
	User   string
	Text   string
}

type applicationLog struct {
	mu      sync.Mutex
	entries []Logged // oldest first
	last    uint64
}

// log adds to the application log; the oldest entries make room.
func (p *Platform) log(ctx context.Context, level, logger, text string) {
	if len(text) > maxLogText {
		text = strings.ToValidUTF8(text[:maxLogText], "") + "..."
	}
	l := &p.logs
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.entries) >= keptLogs {
		l.entries = append(l.entries[:0], l.entries[keptLogs/10:]...)
	}
	l.last++
	l.entries = append(l.entries, Logged{l.last, p.now(), strings.ToLower(level), logger, userOf(ctx), text})
	p.opts.Log.Debug("script", "level", level, "logger", logger, "text", text)
}

// Logs returns the entries of the application log after an index, the newest first, at most limit (0: all).
func (p *Platform) Logs(after uint64, limit int) []Logged {
	l := &p.logs
	l.mu.Lock()
	defer l.mu.Unlock()
	var out []Logged
	for i := len(l.entries) - 1; i >= 0 && l.entries[i].Index > after && (limit <= 0 || len(out) < limit); i-- {
		out = append(out, l.entries[i])
	}
	return out
}
