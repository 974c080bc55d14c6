package dial

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"sync"
	"time"

	"github.com/gobwas/ws"
)

const (
	// protocolAMQP is the subprotocol that hubs take (read: azure-iothub's and @azure/event-hubs' sources).
	protocolAMQP = "AMQPWSB10"
	// goodbyeWithin is how long writing the last frame may take.
	goodbyeWithin = time.Second
	// keptBuffer is the largest buffer for writing that is kept, in bytes.
	keptBuffer = 128 << 10
)

// upgrade makes a WebSocket of a connection to the target's HTTPS port.
func upgrade(ctx context.Context, conn net.Conn, to Target) (net.Conn, error) {
	var in *bufio.Reader
	err := bounded(ctx, conn, func() (err error) {
		d := ws.Dialer{Protocols: []string{protocolAMQP}}
		head := struct {
			io.Reader
			io.Writer
		}{io.LimitReader(conn, maxAnswer), conn}
		in, _, err = d.Upgrade(head, &url.URL{Scheme: "wss", Host: to.Host, Path: to.Path})
		return err
	})
	if err == nil {
		return newWebSocket(conn, in)
	}
	if ctx.Err() == context.Canceled {
		return nil, ctx.Err()
	}
	var status ws.StatusError
	if errors.As(err, &status) {
		err = fmt.Errorf("it answers %d %s", int(status), http.StatusText(int(status)))
	}
	return nil, problem("open a WebSocket at "+to.Host+to.Path, blocked{err},
		"is it the hub that answers there, and does what is in between, such as a proxy that looks into TLS, let WebSockets through? see endpoints.https")
}

// webSocket carries a stream of bytes in binary frames; where frames begin and end means nothing to AMQP. It is a net.Conn:
// one goroutine may read while another writes. An error is for good.
type webSocket struct {
	net.Conn // for deadlines and addresses
	in       *bufio.Reader

	// Of the one who reads.
	left       int64 // bytes of the frame that are not read yet
	fragmented bool  // the message goes on in another frame
	failed     error

	writing sync.Mutex // guards what follows
	out     []byte
	ended   bool // the last frame is written, or a part of one
}

// newWebSocket takes over what was read too far; early may be nil.
func newWebSocket(conn net.Conn, early *bufio.Reader) (*webSocket, error) {
	w := &webSocket{Conn: conn}
	var in io.Reader = conn
	if early != nil {
		rest, err := early.Peek(early.Buffered())
		if err != nil {
			return nil, err
		}
		in = io.MultiReader(&once{text: string(rest)}, conn)
		ws.PutReader(early)
	}
	w.in = bufio.NewReader(in)
	return w, nil
}

// once gives a text, and in one piece what fits.
type once struct{ text string }

func (o *once) Read(p []byte) (int, error) {
	if o.text == "" {
		return 0, io.EOF
	}
	n := copy(p, o.text)
	o.text = o.text[n:]
	return n, nil
}

// Read gives the bytes of the server's binary frames. io.EOF means that the server said goodbye, or hung up between frames.
func (w *webSocket) Read(p []byte) (int, error) {
	if len(p) == 0 {
		return 0, nil
	}
	for w.left == 0 && w.failed == nil {
		w.failed = w.nextFrame()
	}
	if w.failed != nil {
		return 0, w.failed
	}
	n, err := w.in.Read(p[:min(int64(len(p)), w.left)])
	w.left -= int64(n)
	if errors.Is(err, io.EOF) {
		err = io.ErrUnexpectedEOF
	}
	w.failed = err
	return n, err
}

// nextFrame reads the header of a data frame, whose bytes are never held here, or a whole control frame.
func (w *webSocket) nextFrame() error {
	h, err := ws.ReadHeader(w.in)
	if err != nil {
		return err
	}
	state := ws.StateClientSide
	if w.fragmented {
		state = state.Set(ws.StateFragmented)
	}
	switch err := ws.CheckHeader(h, state); {
	case err != nil:
		return w.refuse(ws.StatusProtocolError, err.Error())
	case h.OpCode.IsControl():
		return w.control(h)
	case h.OpCode == ws.OpText:
		return w.refuse(ws.StatusUnsupportedData, "a text frame")
	}
	w.left, w.fragmented = h.Length, !h.Fin
	return nil
}

// control answers a ping or a goodbye; its payload has at most 125 bytes.
func (w *webSocket) control(h ws.Header) error {
	payload := make([]byte, h.Length)
	if _, err := io.ReadFull(w.in, payload); err != nil {
		return io.ErrUnexpectedEOF
	}
	switch h.OpCode {
	case ws.OpPing:
		// Who reads must not wait for who writes, who may wait for the server to read. Then there is no need to: what is
		// being written shows as well as a pong that somebody is here.
		if w.writing.TryLock() {
			defer w.writing.Unlock()
			return w.write(ws.OpPong, payload)
		}
	case ws.OpClose:
		w.last(payload[:min(2, len(payload))]) // the server's own code
		if code, reason := ws.ParseCloseFrameData(payload); len(payload) > 0 && code != ws.StatusNormalClosure && code != ws.StatusGoingAway {
			return fmt.Errorf("the server ended the WebSocket with %d: %q", code, reason)
		}
		return io.EOF
	}
	return nil
}

// refuse tells the server why the connection ends.
func (w *webSocket) refuse(code ws.StatusCode, why string) error {
	w.last(ws.NewCloseFrameBody(code, why))
	return errors.New("the server's WebSocket is not understood: " + why)
}

// Write sends p as one message.
func (w *webSocket) Write(p []byte) (int, error) {
	if len(p) == 0 {
		return 0, nil
	}
	w.writing.Lock()
	defer w.writing.Unlock()
	if err := w.write(ws.OpBinary, p); err != nil {
		return 0, err
	}
	return len(p), nil
}

// write sends a frame in one piece. The caller holds writing.
func (w *webSocket) write(code ws.OpCode, payload []byte) error {
	if w.ended {
		return net.ErrClosed
	}
	frame := frame{buffer: w.out[:0]}
	h := ws.Header{Fin: true, OpCode: code, Masked: true, Mask: ws.NewMask(), Length: int64(len(payload))}
	err := ws.WriteHeader(&frame, h)
	if err == nil {
		head := len(frame.buffer)
		frame.buffer = append(frame.buffer, payload...)
		ws.Cipher(frame.buffer[head:], h.Mask, 0)
		_, err = w.Conn.Write(frame.buffer)
	}
	w.ended = err != nil || code == ws.OpClose
	w.out = frame.buffer
	if cap(w.out) > keptBuffer {
		w.out = nil
	}
	return err
}

// frame gathers the bytes of one.
type frame struct{ buffer []byte }

func (f *frame) Write(p []byte) (int, error) {
	f.buffer = append(f.buffer, p...)
	return len(p), nil
}

// last sends a goodbye, if nobody is in the middle of a frame.
func (w *webSocket) last(payload []byte) {
	if w.writing.TryLock() { // who writes may wait for the server, and is not waited for
		_ = w.Conn.SetWriteDeadline(time.Now().Add(goodbyeWithin))
		_ = w.write(ws.OpClose, payload) // the server may be gone
		w.writing.Unlock()
	}
}

// Close says goodbye and ends the connection.
func (w *webSocket) Close() error {
	w.last(ws.NewCloseFrameBody(ws.StatusNormalClosure, ""))
	return w.Conn.Close()
}
