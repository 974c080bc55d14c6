package alwayson

import (
	"encoding/binary"
	"fmt"

	"github.com/gobwas/ws"
)

const (
	finBit  = 0x80
	rsvBits = 0x70
	opBits  = 0x0F
	maskBit = 0x80

	maxControlPayload = 125
)

// frame is one WebSocket frame, its payload unmasked and part of the read buffer.
type frame struct {
	op      ws.OpCode
	fin     bool
	payload []byte
}

// frameHead is the start of a frame.
type frameHead struct {
	first  byte
	masked bool
	mask   [4]byte
	size   int // of the head
	length int // of the payload
}

// parseFrameHead reads the head of a frame from the front of b; ok is false if b does not hold all of it yet.
// It is done here, on the read buffer, since ws.ReadHeader allocates for each frame.
func parseFrameHead(b []byte, maxPayload int) (h frameHead, ok bool, err error) {
	if len(b) < 2 {
		return h, false, nil
	}
	h.first, h.masked, h.size = b[0], b[1]&maskBit != 0, 2
	length := uint64(b[1] &^ maskBit)
	switch length {
	case 126:
		h.size = 4
	case 127:
		h.size = 10
	}
	maskAt := h.size
	if h.masked {
		h.size += 4
	}
	if len(b) < h.size {
		return h, false, nil
	}
	switch length {
	case 126:
		length = uint64(binary.BigEndian.Uint16(b[2:]))
	case 127:
		length = binary.BigEndian.Uint64(b[2:])
	}
	if h.masked {
		copy(h.mask[:], b[maskAt:])
	}
	if length > uint64(maxPayload) {
		return h, true, fmt.Errorf("frame of %d bytes, at most %d: %w", length, maxPayload, ErrTooLarge)
	}
	h.length = int(length)
	return h, true, h.check()
}

// check refuses what was not agreed or what WebSocket does not allow.
func (h *frameHead) check() error {
	op := ws.OpCode(h.first & opBits)
	switch {
	case h.first&rsvBits != 0:
		return fmt.Errorf("%w: reserved bits set in a frame, although compression was not agreed", ErrProtocol)
	case op.IsReserved():
		return fmt.Errorf("%w: frame with opcode %#x", ErrProtocol, byte(op))
	case op.IsControl() && (h.length > maxControlPayload || h.first&finBit == 0):
		return fmt.Errorf("%w: control frame that is long or in parts", ErrProtocol)
	default:
		return nil
	}
}

// body returns the frame whose head is h and which starts at the front of b; it unmasks in place.
func (h *frameHead) body(b []byte) frame {
	payload := b[h.size : h.size+h.length]
	if h.mask != [4]byte{} {
		ws.Cipher(payload, h.mask, 0)
	}
	return frame{op: ws.OpCode(h.first & opBits), fin: h.first&finBit != 0, payload: payload}
}

// beginFrame appends room for the head of a frame of up to maxFrameSize bytes.
func beginFrame(dst []byte, masked bool) []byte {
	if masked {
		return append(dst, 0, 0, 0, 0, 0, 0, 0, 0)
	}
	return append(dst, 0, 0, 0, 0)
}

// endFrame writes the head of the frame that began at start; what was appended since is its payload, at most
// maxFrameSize bytes. The mask key is zero: see the package comment.
func endFrame(dst []byte, start int, op ws.OpCode, masked bool) []byte {
	room, maskFlag := 4, byte(0)
	if masked {
		room, maskFlag = 8, maskBit
	}
	length := len(dst) - start - room
	dst[start] = finBit | byte(op)
	if length > 125 {
		dst[start+1] = 126 | maskFlag
		binary.BigEndian.PutUint16(dst[start+2:], uint16(length))
		return dst
	}
	dst[start+1] = byte(length) | maskFlag
	// The short form has no room for two length bytes: the mask key, if any, and the payload move up.
	copy(dst[start+room-2:], dst[start+room:])
	return dst[:len(dst)-2]
}
