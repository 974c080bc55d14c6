// Package tail lets a few people watch messages of a device pass, without holding them up.
package tail

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
)

// Stage is where on its way a message is seen.
type Stage string

// The stages.
const (
	Received Stage = "received" // as it came from the hub
	Decoded  Stage = "decoded"  // its readings
	Written  Stage = "written"  // what the platform has acknowledged, or why it was not written
)

// ParseStage reads a stage's name.
func ParseStage(text string) (Stage, error) {
	if s := Stage(text); slices.Contains([]Stage{Received, Decoded, Written}, s) {
		return s, nil
	}
	return "", fmt.Errorf("%q is not received, decoded or written", text)
}

// Bounds of what watching may cost.
const (
	mostViews = 4
	mostLines = 256 // of a view that is not taken away; more are dropped, and counted
)

// ErrBusy says that enough people watch already.
var ErrBusy = errors.New("four views are open already")

// Tail hands lines to whoever watches. The zero value is ready; its methods may be called from any goroutine.
type Tail struct {
	open  atomic.Int32 // views; zero costs nothing
	mu    sync.Mutex
	views []*View
}

// Watched reports whether anybody watches anything.
func (t *Tail) Watched() bool { return t.open.Load() > 0 }

// Wants reports whether anybody watches a stage of a device, so that a line is worth making.
func (t *Tail) Wants(s Stage, device string) bool {
	if !t.Watched() {
		return false
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	return slices.ContainsFunc(t.views, func(v *View) bool { return v.wants(s, device) })
}

// Offer hands a line to those who watch, and returns at once.
func (t *Tail) Offer(s Stage, device string, line []byte) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, v := range t.views {
		if !v.wants(s, device) {
			continue
		}
		select {
		case v.lines <- line:
		default:
			v.dropped.Add(1)
		}
	}
}

// View is one person's. Close it.
type View struct {
	tail    *Tail
	stage   Stage
	device  string
	lines   chan []byte
	dropped atomic.Int64
}

func (v *View) wants(s Stage, device string) bool {
	return v.stage == s && (v.device == "" || v.device == device)
}

// View begins to watch a stage of a device, "" for all. The error is ErrBusy.
func (t *Tail) View(s Stage, device string) (*View, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if len(t.views) == mostViews {
		return nil, ErrBusy
	}
	v := &View{tail: t, stage: s, device: device, lines: make(chan []byte, mostLines)}
	t.views = append(t.views, v)
	t.open.Store(int32(len(t.views)))
	return v, nil
}

// Next waits for a line. dropped is how many were lost before it because nobody took them. The error is ctx's.
func (v *View) Next(ctx context.Context) (line []byte, dropped int64, err error) {
	select {
	case line = <-v.lines:
		return line, v.dropped.Swap(0), nil
	case <-ctx.Done():
		return nil, 0, ctx.Err()
	}
}

// Close ends the view.
func (v *View) Close() {
	v.tail.mu.Lock()
	defer v.tail.mu.Unlock()
	v.tail.views = slices.DeleteFunc(v.tail.views, func(other *View) bool { return other == v })
	v.tail.open.Store(int32(len(v.tail.views)))
}
