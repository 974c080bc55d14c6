package websocket

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"net"
	"sync"
	"time"

	"github.com/gobwas/ws"
)

const (
	// maxFrame is the longest data frame taken. A client sends a packet or frame of its protocol in one, which the
	// fronts bound to less; the bytes are never held here.
	maxFrame = 4 << 20
	// goodbyeTime is how long writing the last frame may take.
	goodbyeTime = time.Second
	// keptBuffer is the largest buffer for writing that is kept.
	keptBuffer = 64 << 10
)

// conn carries a stream of bytes in binary frames. Where frames and messages begin and end means nothing to MQTT (MQTT
// 3.1.1, 6.0) nor to the AMQP fronts. It is a net.Conn; an error of reading, also one of time, is for good.
type conn struct {
	net.Conn // for deadlines and the peer's address
	in       *bufio.Reader

	// Of the one who reads.
	left       int64 // bytes of the frame that are not read yet
	mask       [4]byte
	masked     int  // bytes of the mask that are used up
	fragmented bool // the message goes on in another frame
	failed     error

	writing sync.Mutex // guards what follows
	out     bytes.Buffer
	ended   bool // the last frame is written, or a part of one
}

// address is what a conn has for its own end: it has no port to which another connection could be made.
type address struct{}

// Network is "websocket".
func (address) Network() string { return "websocket" }

// String is "websocket".
func (address) String() string { return "websocket" }

func newConn(nc net.Conn, in *bufio.Reader) *conn { return &conn{Conn: nc, in: in} }

// LocalAddr is of the network "websocket".
func (*conn) LocalAddr() net.Addr { return address{} }

// Read gives the bytes of the client's binary frames. io.EOF means that the client said goodbye, or hung up between
// frames.
func (c *conn) Read(p []byte) (int, error) {
	if len(p) == 0 {
		return 0, nil
	}
	for c.left == 0 && c.failed == nil {
		c.failed = c.nextFrame()
	}
	if c.failed != nil {
		return 0, c.failed
	}
	n, err := c.in.Read(p[:min(int64(len(p)), c.left)])
	ws.Cipher(p[:n], c.mask, c.masked)
	c.masked = (c.masked + n) % len(c.mask)
	c.left -= int64(n)
	if errors.Is(err, io.EOF) {
		err = io.ErrUnexpectedEOF
	}
	c.failed = err
	return n, err
}

// nextFrame reads the header of a data frame, or a whole control frame.
func (c *conn) nextFrame() error {
	h, err := ws.ReadHeader(c.in)
	switch {
	case errors.Is(err, ws.ErrHeaderLengthMSB), errors.Is(err, ws.ErrHeaderLengthUnexpected):
		return c.refuse(ws.StatusProtocolError, err.Error())
	case err != nil:
		return err
	}
	state := ws.StateServerSide
	if c.fragmented {
		state = state.Set(ws.StateFragmented)
	}
	if err := ws.CheckHeader(h, state); err != nil {
		return c.refuse(ws.StatusProtocolError, err.Error())
	}
	switch {
	case h.OpCode.IsControl():
		return c.control(h)
	case h.OpCode == ws.OpText:
		return c.refuse(ws.StatusUnsupportedData, "text frame: the subprotocol has binary ones only")
	case h.Length > maxFrame:
		return c.refuse(ws.StatusMessageTooBig, fmt.Sprintf("frame of %d bytes: at most %d", h.Length, maxFrame))
	}
	c.left, c.mask, c.masked, c.fragmented = h.Length, h.Mask, 0, !h.Fin
	return nil
}

// control answers a ping or a close; its payload has at most 125 bytes.
func (c *conn) control(h ws.Header) error {
	payload := make([]byte, h.Length)
	if _, err := io.ReadFull(c.in, payload); err != nil {
		return io.ErrUnexpectedEOF
	}
	ws.Cipher(payload, h.Mask, 0)
	switch h.OpCode {
	case ws.OpPing:
		return c.send(ws.NewPongFrame(payload))
	case ws.OpClose:
		return c.closed(payload)
	}
	return nil
}

// closed answers the client's goodbye with its own code.
func (c *conn) closed(payload []byte) error {
	if len(payload) > 0 {
		code, reason := ws.ParseCloseFrameData(payload)
		if err := ws.CheckCloseFrameData(code, reason); err != nil {
			return c.refuse(ws.StatusProtocolError, "close: "+err.Error())
		}
		payload = payload[:2]
	}
	_ = c.send(ws.NewCloseFrame(payload)) // a client that does not wait for it has said enough
	return io.EOF
}

// refuse tells the client why the connection ends.
func (c *conn) refuse(code ws.StatusCode, why string) error {
	_ = c.send(ws.NewCloseFrame(ws.NewCloseFrameBody(code, why))) // the error below is the one that counts
	return fmt.Errorf("websocket: %s", why)
}

// Write sends p as one message.
func (c *conn) Write(p []byte) (int, error) {
	if len(p) == 0 {
		return 0, nil
	}
	if err := c.send(ws.NewBinaryFrame(p)); err != nil {
		return 0, err
	}
	return len(p), nil
}

func (c *conn) send(f ws.Frame) error {
	c.writing.Lock()
	defer c.writing.Unlock()
	return c.write(f)
}

// write sends a frame in one piece. The caller holds writing.
func (c *conn) write(f ws.Frame) error {
	if c.ended {
		return net.ErrClosed
	}
	c.out.Reset()
	err := ws.WriteFrame(&c.out, f)
	if err == nil {
		_, err = c.Conn.Write(c.out.Bytes())
	}
	c.ended = err != nil || f.Header.OpCode == ws.OpClose
	if c.out.Cap() > keptBuffer {
		c.out = bytes.Buffer{}
	}
	return err
}

// Close says goodbye, if nobody is in the middle of a frame, and ends the connection.
func (c *conn) Close() error {
	if c.writing.TryLock() { // who writes may wait for the client, and is not waited for
		_ = c.SetWriteDeadline(time.Now().Add(goodbyeTime))
		_ = c.write(ws.NewCloseFrame(ws.NewCloseFrameBody(ws.StatusNormalClosure, ""))) // the client may be gone
		c.writing.Unlock()
	}
	return c.Conn.Close()
}
