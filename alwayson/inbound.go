package alwayson

import (
	"bytes"
	"errors"
	"fmt"
	"sync"
	"time"

	"azx/alwayson/infotable"

	"github.com/gobwas/ws"
)

// inbound is what is kept between incoming messages.
type inbound struct {
	mu     sync.Mutex // the reading loop holds it per message, the keeping loop per tick
	joiner joiner

	fragments  []byte // of a WebSocket message in several frames
	fragmented bool

	// A message that was cut short, until the next one shows whether the C SDK sent it in two (section 8 of the
	// protocol notes: captured for requests, read for the rest).
	held      []byte
	heldSince time.Time
	last      [headerSize]byte // header of the last whole message that was dealt with
}

// defragment returns the WebSocket message that f completes, nil if more frames have to come.
func (in *inbound) defragment(f frame, maxMessage int) ([]byte, error) {
	if (f.op == ws.OpContinuation) != in.fragmented {
		return nil, fmt.Errorf("%w: continuation frame out of order", ErrProtocol)
	}
	if f.fin && !in.fragmented {
		return f.payload, nil
	}
	if len(in.fragments)+len(f.payload) > maxMessage+headerSize+chunkExtra {
		return nil, fmt.Errorf("fragmented WebSocket message: %w", ErrTooLarge)
	}
	in.fragments = append(in.fragments, f.payload...)
	in.fragmented = !f.fin
	if in.fragmented {
		return nil, nil
	}
	message := in.fragments
	in.fragments = nil
	return message, nil
}

// message deals with one AlwaysOn message or chunk. An error ends the link; what is wrong with a single message
// is answered instead.
func (l *link) message(message []byte) error {
	if len(message) < headerSize {
		return fmt.Errorf("%w: message of %d bytes, shorter than its header", ErrProtocol, len(message))
	}
	l.in.mu.Lock()
	defer l.in.mu.Unlock()
	h, body, err := DecodeHeader(message)
	l.sign(err == nil && h.Code.IsResponse())
	switch {
	case err != nil:
		l.unreadable(h, err)
	case h.Chunk != (Chunk{}):
		l.chunk(h, body)
	default:
		l.whole(h, message, body)
	}
	return nil
}

func (l *link) chunk(h Header, data []byte) {
	l.dropHeld()
	l.in.last = [headerSize]byte{}
	body, err := l.in.joiner.add(h, data, time.Now())
	if err == nil && body != nil {
		err = l.deliver(h, body)
	}
	if err != nil {
		l.unreadable(h, err)
	}
}

// whole deals with a message that claims to be whole.
func (l *link) whole(h Header, message, body []byte) {
	if held := l.in.held; held != nil && bytes.Equal(held[:headerSize], message[:headerSize]) {
		l.in.held = nil
		body = append(held, body...)[headerSize:]
		if err := l.deliver(h, body); err != nil {
			l.unreadable(h, err)
		}
		copy(l.in.last[:], message)
		return
	}
	l.dropHeld()
	if len(body) == 0 && bytes.Equal(l.in.last[:], message) {
		return // the empty second half of a message that was complete without it
	}
	err := l.deliver(h, body)
	switch {
	case err == nil:
		copy(l.in.last[:], message)
	case errors.Is(err, infotable.ErrTruncated):
		l.in.held = bytes.Clone(message)
		l.in.heldSince = time.Now()
	default:
		l.unreadable(h, err)
	}
}

// deliver decodes a whole message and hands it to whom it is for.
func (l *link) deliver(h Header, body []byte) error {
	if !h.Code.IsResponse() {
		return l.accept(h, body)
	}
	response, err := DecodeResponse(h.Code, body, l.limits.Tables)
	if err != nil {
		return err
	}
	l.calls.settle(h.Request, outcome{response: response, header: h})
	return nil
}

// unreadable tells whom a message concerns that it could not be read: the peer of its request, or our own caller.
func (l *link) unreadable(h Header, err error) {
	if h.Code.IsResponse() {
		l.calls.settle(h.Request, outcome{err: fmt.Errorf("read the answer: %w", err)})
		return
	}
	l.answerNow(h, Refuse(codeOf(err), err.Error()))
}

func (l *link) dropHeld() {
	if l.in.held == nil {
		return
	}
	h, _, _ := DecodeHeader(l.in.held) // it was decoded before it was held
	l.in.held = nil
	l.unreadable(h, fmt.Errorf("decode message: %w", infotable.ErrTruncated))
}

// expire gives up what has waited too long for its rest.
func (l *link) expire(now time.Time) {
	l.in.mu.Lock()
	defer l.in.mu.Unlock()
	for _, h := range l.in.joiner.expire(now) {
		l.unreadable(h, fmt.Errorf("join %d chunks: some did not come: %w", h.Chunk.Count, infotable.ErrTruncated))
	}
	if l.in.held != nil && now.Sub(l.in.heldSince) >= heldFor {
		l.dropHeld()
	}
}
