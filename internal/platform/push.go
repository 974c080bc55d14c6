package platform

import (
	"context"
	"errors"
	"fmt"

	"azx/alwayson"
	"azx/internal/fault"
	"azx/internal/mapping"
	"azx/internal/message"
)

// push is what somebody else than a device writes to a Thing. It takes its turn among the Thing's messages, so that
// the Thing has one request in flight.
type push struct {
	ctx    context.Context // of whoever waits
	writes []message.Write
	done   chan error // holds one
}

var errWriterEnded = errors.New("the connector has stopped writing")

// Push writes values to a Thing, whatever properties its table has, and returns once the platform has acknowledged
// them. It is tried once: an error of class Transient leaves open whether they were written.
func (w *Writer) Push(ctx context.Context, thing string, writes []message.Write) error {
	if len(writes) == 0 {
		return nil
	}
	op := "write to Thing " + thing
	p := &push{ctx: ctx, writes: writes, done: make(chan error, 1)}
	w.laneOf(thing).insert(thing, p)
	select {
	case err := <-p.done:
		return err
	case <-ctx.Done():
		return fmt.Errorf("%s: %w", op, ctx.Err())
	case <-w.ended:
		return &fault.Problem{Op: op, Cause: errWriterEnded}
	}
}

func (l *lane) insert(thing string, p *push) {
	l.mu.Lock()
	ln, _ := l.line(thing)
	ln.pushes = append(ln.pushes, p)
	l.stir(ln)
	l.mu.Unlock()
	l.signal()
}

// carryPushes sends the pushes of a Thing one by one, and reports whether its messages have a turn too.
func (h *hand) carryPushes(ctx context.Context, ln *line) (more bool) {
	h.mu.Lock()
	pushes := ln.pushes
	ln.pushes = nil
	more = ln.visit || ln.waiting.len() > 0
	h.mu.Unlock()
	for _, p := range pushes {
		if err := p.ctx.Err(); err != nil {
			p.done <- fmt.Errorf("write to Thing %s: %w", ln.thing, err)
			continue
		}
		p.done <- h.carryPush(ctx, ln.thing, p.writes)
	}
	return more || len(pushes) == 0
}

func (h *hand) carryPush(ctx context.Context, thing string, writes []message.Write) error {
	var values mapping.Values
	for _, w := range writes {
		values.Add(w)
	}
	body := appendRows(alwayson.BeginPropertyPush(nil), &values, 0, values.Len())
	resp, v := h.send(ctx, alwayson.PropertyPush(thing, alwayson.EndPropertyPush(body)))
	if v != accepted {
		return failure("write to Thing "+thing, resp, v)
	}
	h.writer.cfg.Meter.Written(values.Len())
	h.last.remember(thing, &values, 0, values.Len())
	return nil
}
