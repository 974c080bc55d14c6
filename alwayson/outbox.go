package alwayson

import (
	"context"
	"fmt"
	"math"
	"sync"

	"github.com/gobwas/ws"
)

// outbox holds the encoded frames that wait to be written. Whoever sends encodes straight into it; the writing
// loop takes all of it at once. So frames that meet share one write, and a lone one is not kept waiting.
type outbox struct {
	masked     bool // the client's side
	chunkSize  int
	maxMessage int
	maxQueued  int
	wake       chan struct{} // holds a token while there is something to write

	mu      sync.Mutex
	buf     []byte
	spare   []byte        // the buffer that was written last
	scratch []byte        // a body that is being cut into chunks
	room    chan struct{} // closed when buf was taken; nil if nobody waits
	err     error         // set once nothing more may be sent
}

func newOutbox(masked bool, chunkSize int, limits Limits) *outbox {
	return &outbox{
		masked:     masked,
		chunkSize:  chunkSize,
		maxMessage: limits.MaxMessageSize,
		maxQueued:  limits.MaxQueued,
		wake:       make(chan struct{}, 1),
	}
}

// send waits until there is room, then adds a message: the header h and the body that encode appends. prefix is
// how many bytes of the body every chunk repeats if it has to be cut.
func (o *outbox) send(ctx context.Context, h Header, prefix int, encode func(dst []byte) []byte) error {
	o.mu.Lock()
	for o.err == nil && len(o.buf) >= o.maxQueued {
		if o.room == nil {
			o.room = make(chan struct{})
		}
		room := o.room
		o.mu.Unlock()
		select {
		case <-room:
		case <-ctx.Done():
			return fmt.Errorf("wait for room to send: %w", context.Cause(ctx))
		}
		o.mu.Lock()
	}
	defer o.mu.Unlock()
	return o.add(h, prefix, encode)
}

// sendNow adds a message without waiting: for answers and callbacks of the reading loop, which must not wait for a
// peer that in turn waits to be read.
func (o *outbox) sendNow(h Header, prefix int, encode func(dst []byte) []byte) error {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.err != nil {
		return o.err
	}
	if err := o.checkSlow(); err != nil {
		return err
	}
	return o.add(h, prefix, encode)
}

// control adds a control frame without waiting. After a close frame nothing more is taken.
func (o *outbox) control(op ws.OpCode, payload []byte) error {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.err != nil {
		return o.err
	}
	if err := o.checkSlow(); err != nil {
		return err
	}
	start := len(o.buf)
	o.buf = append(beginFrame(o.buf, o.masked), payload[:min(len(payload), maxControlPayload)]...)
	o.buf = endFrame(o.buf, start, op, o.masked)
	if op == ws.OpClose {
		o.err = ErrClosed
	}
	o.notify()
	return nil
}

func (o *outbox) checkSlow() error {
	if len(o.buf) > queueFactor*o.maxQueued {
		return fmt.Errorf("%d bytes wait to be written: %w", len(o.buf), ErrSlowPeer)
	}
	return nil
}

func (o *outbox) add(h Header, prefix int, encode func(dst []byte) []byte) error {
	if o.err != nil {
		return o.err
	}
	start := len(o.buf)
	o.buf = AppendHeader(beginFrame(o.buf, o.masked), h)
	bodyAt := len(o.buf)
	o.buf = encode(o.buf)
	size := len(o.buf) - bodyAt
	switch slice := sliceSize(o.chunkSize, prefix); {
	case size+headerSize > o.maxMessage:
		o.buf = o.buf[:start]
		return fmt.Errorf("message of %d bytes, at most %d: %w", size+headerSize, o.maxMessage, ErrTooLarge)
	case size <= slice:
		o.buf = endFrame(o.buf, start, ws.OpBinary, o.masked)
	case slice <= 0 || size > slice*math.MaxUint16:
		o.buf = o.buf[:start]
		return fmt.Errorf("message of %d bytes in chunks of %d: %w", size+headerSize, o.chunkSize, ErrTooLarge)
	default:
		o.scratch = append(o.scratch[:0], o.buf[bodyAt:]...)
		o.buf = o.buf[:start]
		o.addChunks(h, prefix, slice)
	}
	o.notify()
	return nil
}

func (o *outbox) addChunks(h Header, prefix, slice int) {
	h.Chunk.Size = uint16(o.chunkSize)
	splitBody(h, o.scratch, prefix, slice, func(h Header, repeated, data []byte) {
		start := len(o.buf)
		o.buf = AppendHeader(beginFrame(o.buf, o.masked), h)
		o.buf = append(append(o.buf, repeated...), data...)
		o.buf = endFrame(o.buf, start, ws.OpBinary, o.masked)
	})
	o.scratch = o.reusable(o.scratch)
}

func (o *outbox) notify() {
	select {
	case o.wake <- struct{}{}:
	default:
	}
}

// take returns everything that waits, until the next call of take; last says that nothing will follow.
func (o *outbox) take() (frames []byte, last bool) {
	o.mu.Lock()
	defer o.mu.Unlock()
	frames, o.buf, o.spare = o.buf, o.spare[:0], o.reusable(o.buf)
	if o.room != nil {
		close(o.room)
		o.room = nil
	}
	return frames, o.err != nil
}

// close refuses everything from now on and lets go of who waits for room.
func (o *outbox) close(err error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.err = err
	if o.room != nil {
		close(o.room)
		o.room = nil
	}
	o.notify()
}

// reusable returns b for later use, or nil if a burst made it larger than what waits regularly.
func (o *outbox) reusable(b []byte) []byte {
	if cap(b) > 2*o.maxQueued && len(b) < cap(b)/4 {
		return nil
	}
	return b
}
