package alwayson

import (
	"encoding/binary"
	"fmt"

	"azx/alwayson/infotable"
)

const (
	headerSize = 15 // of every message
	chunkExtra = 6  // further header bytes of a chunk
	version    = 1
	noID       = 0xFFFFFFFF // "none" in any id of a header
	wholeMark  = 0
	chunkMark  = 1
)

// Header starts every message (captured). All integers are big endian on the wire.
type Header struct {
	Code    Code
	Request uint32 // chosen by the requester, echoed in the response
	// Endpoint is opaque: 0 in the C SDK's own requests, echoed in responses.
	Endpoint uint32
	// Session is 0xFFFFFFFF before AUTH, then the value that the header of the AUTH response carried.
	Session uint32
	// Chunk is set in a chunk of a multipart message and zero in a whole message.
	Chunk Chunk
}

// Chunk locates a chunk in its message. The zero Chunk means a whole message.
type Chunk struct {
	Number uint16 // from 1
	Count  uint16
	Size   uint16 // the sender's configured chunk size, header included
}

// AppendHeader appends the 15 bytes of h, or 21 if its Chunk is set.
func AppendHeader(dst []byte, h Header) []byte {
	dst = append(dst, version, byte(h.Code))
	dst = binary.BigEndian.AppendUint32(dst, h.Request)
	dst = binary.BigEndian.AppendUint32(dst, h.Endpoint)
	dst = binary.BigEndian.AppendUint32(dst, h.Session)
	if h.Chunk == (Chunk{}) {
		return append(dst, wholeMark)
	}
	dst = append(dst, chunkMark)
	dst = binary.BigEndian.AppendUint16(dst, h.Chunk.Number)
	dst = binary.BigEndian.AppendUint16(dst, h.Chunk.Count)
	return binary.BigEndian.AppendUint16(dst, h.Chunk.Size)
}

// DecodeHeader reads a header from the front of message; body is what follows it. The version byte is
// not judged, as the C SDK does not (read).
func DecodeHeader(message []byte) (h Header, body []byte, err error) {
	if len(message) < headerSize {
		return h, nil, fmt.Errorf("decode message header: %w", infotable.ErrTruncated)
	}
	h.Code = Code(message[1])
	h.Request = binary.BigEndian.Uint32(message[2:])
	h.Endpoint = binary.BigEndian.Uint32(message[6:])
	h.Session = binary.BigEndian.Uint32(message[10:])
	body = message[headerSize:]
	switch message[14] {
	case wholeMark:
		return h, body, nil
	case chunkMark:
	default:
		return h, nil, fmt.Errorf("decode message header: multipart marker %d: %w", message[14], infotable.ErrMalformed)
	}
	if len(body) < chunkExtra {
		return h, nil, fmt.Errorf("decode chunk header: %w", infotable.ErrTruncated)
	}
	h.Chunk.Number = binary.BigEndian.Uint16(body)
	h.Chunk.Count = binary.BigEndian.Uint16(body[2:])
	h.Chunk.Size = binary.BigEndian.Uint16(body[4:])
	if h.Chunk.Number == 0 || h.Chunk.Number > h.Chunk.Count {
		return h, nil, fmt.Errorf("decode chunk header: chunk %d of %d: %w", h.Chunk.Number, h.Chunk.Count, infotable.ErrMalformed)
	}
	return h, body[chunkExtra:], nil
}
