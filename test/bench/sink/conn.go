package sink

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"time"

	"github.com/gobwas/ws"

	"azx/alwayson"
	"azx/alwayson/infotable"
)

const (
	readBytes  = 256 << 10
	maxMessage = 4 << 20
	chunkLimit = 8 << 10 // the largest frame that goes out, as the real platform's
)

// conn is one socket of the connector.
type conn struct {
	sink    *Sink
	net     net.Conn
	out     []byte
	now     time.Time
	partial map[uint32][]byte // bodies of requests whose chunks are coming
}

var errEnded = errors.New("the peer said farewell")

// serve reads frames until the socket ends.
func (c *conn) serve() error {
	c.partial = map[uint32][]byte{}
	buf := make([]byte, readBytes)
	held := 0
	for {
		n, err := c.net.Read(buf[held:])
		if err != nil {
			return err
		}
		held += n
		c.now = time.Now()
		used, err := c.frames(buf[:held])
		if len(c.out) > 0 {
			if _, err := c.net.Write(c.out); err != nil {
				return err
			}
			c.out = c.out[:0]
		}
		if err != nil {
			return err
		}
		held = copy(buf, buf[used:held])
		if held == len(buf) {
			return fmt.Errorf("a frame of over %d bytes", len(buf))
		}
	}
}

// frames deals with the whole frames at the front of b.
func (c *conn) frames(b []byte) (used int, err error) {
	for {
		op, payload, size := frame(b[used:])
		if size == 0 {
			return used, nil
		}
		used += size
		switch op {
		case ws.OpBinary:
			if err := c.message(payload); err != nil {
				return used, err
			}
		case ws.OpPing:
			c.out = append(appendFrameHead(c.out, ws.OpPong, len(payload)), payload...)
		case ws.OpClose:
			c.out = append(appendFrameHead(c.out, ws.OpClose, len(payload)), payload...)
			return used, errEnded
		}
	}
}

// frame reads a client's frame; size is 0 if it is not all there. Fragments do not occur: AlwaysOn has its own chunks.
func frame(b []byte) (op ws.OpCode, payload []byte, size int) {
	if len(b) < 6 {
		return 0, nil, 0
	}
	length, at := int(b[1]&0x7f), 2
	switch {
	case length == 126:
		length, at = int(binary.BigEndian.Uint16(b[2:])), 4
	case length == 127:
		return 0, nil, 0 // the buffer fills up, and the connection ends
	}
	at += 4 // the mask
	if len(b) < at+length {
		return 0, nil, 0
	}
	payload = b[at : at+length]
	if mask := [4]byte(b[at-4 : at]); mask != [4]byte{} {
		ws.Cipher(payload, mask, 0)
	}
	return ws.OpCode(b[0] & 0x0f), payload, at + length
}

// appendFrameHead appends the head of a frame of the server.
func appendFrameHead(dst []byte, op ws.OpCode, length int) []byte {
	if length > 125 {
		return binary.BigEndian.AppendUint16(append(dst, 0x80|byte(op), 126), uint16(length))
	}
	return append(dst, 0x80|byte(op), byte(length))
}

// message deals with an AlwaysOn message.
func (c *conn) message(b []byte) error {
	h, body, err := alwayson.DecodeHeader(b)
	if err != nil {
		return err
	}
	switch h.Code {
	case alwayson.Auth, alwayson.Bind, alwayson.Unbind:
		c.reply(h, alwayson.Success, nil)
		return nil
	case alwayson.Get: // whether a Thing is there
		c.reply(h, alwayson.NotFound, nil)
		return nil
	case alwayson.Put:
		c.reply(h, alwayson.Success, nil)
		return nil
	case alwayson.Post:
	default:
		return nil // keep-alives
	}
	if h.Chunk.Count > 1 {
		if body, err = c.join(h, body); body == nil {
			return err
		}
	}
	return c.post(h, body)
}

// join collects the chunks of a request, which come in order; body is nil before the last.
func (c *conn) join(h alwayson.Header, chunk []byte) (body []byte, err error) {
	if h.Chunk.Number > 1 { // each repeats the entity
		_, rest, err := infotable.DecodeString(chunk[1:])
		if err != nil {
			return nil, err
		}
		chunk = rest
	}
	whole := append(c.partial[h.Request], chunk...)
	if len(whole) > maxMessage {
		return nil, errors.New("a message that is too large")
	}
	if h.Chunk.Number < h.Chunk.Count {
		c.partial[h.Request] = whole
		return nil, nil
	}
	delete(c.partial, h.Request)
	return whole, nil
}

// post answers a push, or a service that is known.
func (c *conn) post(h alwayson.Header, body []byte) error {
	if len(body) == 0 {
		return infotable.ErrTruncated
	}
	thing, rest, err := infotable.DecodeString(body[1:])
	if err != nil || len(rest) == 0 {
		return infotable.ErrTruncated
	}
	kind := alwayson.Kind(rest[0])
	target, rest, err := infotable.DecodeString(rest[1:])
	if err != nil || len(rest) == 0 {
		return infotable.ErrTruncated
	}
	answer, known := c.sink.services[string(target)]
	switch {
	case kind == alwayson.Service && string(target) == alwayson.PushService:
		if c.sink.empty {
			c.sink.pushes.Add(1)
		} else if err := c.push(thing, rest[1:]); err != nil { // behind the number of headers, which is 0
			return err
		}
		c.reply(h, alwayson.Success, nil)
	case kind == alwayson.Service && known:
		if string(target) == createService {
			c.sink.things.Add(1)
		}
		c.reply(h, alwayson.Success, answer)
	default:
		c.sink.refused.Add(1)
		c.reply(h, alwayson.NotFound, nil)
	}
	return nil
}

// reply appends a response to what the next write takes, in chunks if it is long. A nil body is an empty answer.
func (c *conn) reply(h alwayson.Header, code alwayson.Code, body []byte) {
	const head, chunkHead = 15, 21
	if body == nil {
		body = empty
	}
	h = alwayson.Header{Code: code, Request: h.Request, Endpoint: h.Endpoint, Session: 1}
	if len(body)+head <= chunkLimit {
		c.out = appendFrameHead(c.out, ws.OpBinary, head+len(body))
		c.out = append(alwayson.AppendHeader(c.out, h), body...)
		return
	}
	const slice = chunkLimit - chunkHead
	h.Chunk = alwayson.Chunk{Count: uint16((len(body) + slice - 1) / slice), Size: chunkLimit}
	for len(body) > 0 {
		part := body[:min(slice, len(body))]
		body = body[len(part):]
		h.Chunk.Number++
		c.out = appendFrameHead(c.out, ws.OpBinary, chunkHead+len(part))
		c.out = append(alwayson.AppendHeader(c.out, h), part...)
	}
}

var (
	empty = alwayson.AppendResponse(nil, &alwayson.Response{Code: alwayson.Success})
	// pushHead is what every push's parameter begins with: that of one without values, less the ends of its two tables.
	pushHead = bytes.TrimSuffix(alwayson.AppendPropertyPush(nil, nil), []byte{0, 0})
)
