package alwayson

import (
	"errors"
	"fmt"
	"io"
	"runtime"
	"time"

	"github.com/gobwas/ws"
)

const readBufferSize = 32 << 10

// readLoop reads frames until the socket ends. Payloads stay in the buffer until they are dealt with.
func (l *link) readLoop(early []byte) error {
	buf := make([]byte, max(readBufferSize, len(early)))
	start, end := 0, copy(buf, early)
	for {
		used, need, err := l.frames(buf[start:end])
		if err != nil {
			return err
		}
		start += used
		if start > 0 {
			end = copy(buf, buf[start:end])
			start = 0
		}
		switch {
		case need > len(buf):
			grown := make([]byte, need)
			copy(grown, buf[:end])
			buf = grown
		case end == 0 && len(buf) > readBufferSize:
			buf = make([]byte, readBufferSize)
		}
		n, err := l.conn.Read(buf[end:])
		end += n
		if n > 0 {
			l.sign(!l.pings)
		} else if err != nil {
			return readError(err)
		}
	}
}

// sign notes a sign of life, if what came is one. For a side that pings only an answer is: a peer that sends of its own
// accord may get nothing of what is sent to it.
func (l *link) sign(isOne bool) {
	if isOne {
		l.heard.Store(true)
	}
}

func readError(err error) error {
	if errors.Is(err, io.EOF) {
		return fmt.Errorf("%w by the peer, without a farewell", ErrClosed)
	}
	return fmt.Errorf("read from the peer: %w", err)
}

// frames deals with all whole frames at the front of b. It returns how many bytes they took, and how many the next
// one needs in all, 0 if unknown.
func (l *link) frames(b []byte) (used, need int, err error) {
	for {
		h, ok, err := parseFrameHead(b[used:], l.limits.MaxMessageSize+headerSize+chunkExtra)
		if err == nil && ok && h.masked != l.server {
			err = fmt.Errorf("%w: frame masked on the wrong side", ErrProtocol)
		}
		if err != nil {
			l.farewell(closeCode(err), err)
			return used, 0, err
		}
		if !ok {
			return used, 0, nil
		}
		if total := h.size + h.length; len(b)-used < total {
			return used, total, nil
		}
		if err := l.frame(h.body(b[used:])); err != nil {
			return used, 0, err
		}
		used += h.size + h.length
	}
}

// frame deals with one frame.
func (l *link) frame(f frame) error {
	switch f.op {
	case ws.OpPing:
		if err := l.out.control(ws.OpPong, f.payload); errors.Is(err, ErrSlowPeer) {
			return err
		}
		return nil
	case ws.OpPong:
		l.sign(true)
		return nil
	case ws.OpClose:
		code, text := ws.ParseCloseFrameData(f.payload)
		err := fmt.Errorf("%w by the peer: WebSocket code %d %q", ErrClosed, code, text)
		l.farewell(closeCode(err), err)
		return err
	case ws.OpText:
		err := fmt.Errorf("%w: text frame", ErrProtocol)
		l.farewell(closeCode(err), err)
		return err
	default:
		message, err := l.in.defragment(f, l.limits.MaxMessageSize)
		if err == nil && len(message) > 0 {
			err = l.message(message)
		}
		if err != nil {
			l.farewell(closeCode(err), err)
		}
		return err
	}
}

// closeCode returns the WebSocket code that tells the peer of err.
func closeCode(err error) ws.StatusCode {
	switch {
	case errors.Is(err, ErrTooLarge):
		return ws.StatusMessageTooBig
	case errors.Is(err, ErrProtocol):
		return ws.StatusProtocolError
	default:
		return ws.StatusNormalClosure
	}
}

// writeLoop writes what waits in the outbox, as much as there is in one write, until a close frame was written.
func (l *link) writeLoop() error {
	for range l.out.wake {
		for {
			// Whoever is ready to send runs first, so that its frames join this write. Without others this
			// returns at once.
			runtime.Gosched()
			frames, last := l.out.take()
			if len(frames) > 0 {
				if err := l.write(frames); err != nil {
					return err
				}
			}
			if last {
				return nil
			}
			if len(frames) == 0 {
				break
			}
		}
	}
	return nil
}

func (l *link) write(frames []byte) error {
	if err := l.conn.SetWriteDeadline(time.Now().Add(l.limits.WriteTimeout)); err != nil {
		return fmt.Errorf("write to the peer: %w", err)
	}
	if _, err := l.conn.Write(frames); err != nil {
		if isTimeout(err) {
			return fmt.Errorf("write to the peer for %v: %w", l.limits.WriteTimeout, ErrSlowPeer)
		}
		return fmt.Errorf("write to the peer: %w", err)
	}
	return nil
}

func isTimeout(err error) bool {
	var t interface{ Timeout() bool }
	return errors.As(err, &t) && t.Timeout()
}

// keepLoop pings, notices a silent peer, and gives up messages that stay unfinished.
func (l *link) keepLoop() {
	ticker := time.NewTicker(l.tick)
	defer ticker.Stop()
	silent, asked := 0, false
	for {
		select {
		case <-l.done:
			return
		case now := <-ticker.C:
			l.expire(now)
			switch {
			case l.heard.Swap(false):
				silent = 0
			case asked || !l.pings:
				silent++
			}
			if silent >= l.maxSilent {
				l.leave(ws.StatusNormalClosure, fmt.Errorf("%w: %w for %v", ErrClosed, ErrSilentPeer, time.Duration(silent)*l.tick))
				return
			}
			if l.pings {
				asked = true
				if err := l.out.control(ws.OpPing, []byte("azx")); errors.Is(err, ErrSlowPeer) {
					l.fail(err)
				}
			}
		}
	}
}
