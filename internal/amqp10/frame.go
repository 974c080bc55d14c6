package amqp10

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
)

// Types of frames (§2.3.1).
const (
	FrameAMQP byte = 0
	FrameSASL byte = 1
)

// ErrFrameTooLarge is in the error about a frame over the size agreed.
var ErrFrameTooLarge = errors.New("frame over the agreed size")

// Frame is a frame as it came. Its body is empty in a heartbeat.
type Frame struct {
	Type    byte
	Channel uint16 // of an AMQP frame
	Body    []byte
}

// BeginFrame opens a frame. Append its body, then give mark to EndFrame.
func BeginFrame(dst []byte, kind byte, channel uint16) (opened []byte, mark int) {
	mark = len(dst)
	return append(dst, 0, 0, 0, 0, 2, kind, byte(channel>>8), byte(channel)), mark
}

// EndFrame closes the frame opened at mark.
func EndFrame(dst []byte, mark int) []byte {
	binary.BigEndian.PutUint32(dst[mark:], uint32(len(dst)-mark))
	return dst
}

// AppendFrame appends a whole frame: a performative (nil: a heartbeat) and a transfer's payload.
func AppendFrame(dst []byte, kind byte, channel uint16, p Performative, payload []byte) []byte {
	dst, mark := BeginFrame(dst, kind, channel)
	if p != nil {
		dst = p.Append(dst)
	}
	return EndFrame(append(dst, payload...), mark)
}

// FrameReader cuts frames out of a stream through one buffer of its own.
type FrameReader struct {
	src io.Reader
	max int
	buf []byte // bytes read and not consumed are buf[at:end]
	at  int
	end int
}

// NewFrameReader reads frames of at most max bytes, header included, from src.
func NewFrameReader(src io.Reader, max int) *FrameReader {
	return &FrameReader{src: src, max: max, buf: make([]byte, max)}
}

// Next returns the next frame. Its body is valid until the call after this one.
// The end of the stream between two frames is io.EOF, within one io.ErrUnexpectedEOF.
func (f *FrameReader) Next() (Frame, error) {
	head, err := f.peek(frameHeaderLen)
	if err != nil {
		return Frame{}, err
	}
	size, doff := binary.BigEndian.Uint32(head), int(head[4])*4
	if size > uint32(f.max) {
		return Frame{}, fmt.Errorf("%w: %d bytes, %d allowed", ErrFrameTooLarge, size, f.max)
	}
	if size < frameHeaderLen || doff < frameHeaderLen || doff > int(size) {
		return Frame{}, malformed("frame of %d bytes with its body at %d", size, doff)
	}
	whole, err := f.peek(int(size))
	if err != nil {
		return Frame{}, err
	}
	f.at += int(size)
	return Frame{Type: whole[5], Channel: binary.BigEndian.Uint16(whole[6:]), Body: whole[doff:]}, nil
}

// ready reports whether a whole frame has been read already.
func (f *FrameReader) ready() bool {
	n := f.end - f.at
	return n >= frameHeaderLen && uint32(n) >= binary.BigEndian.Uint32(f.buf[f.at:])
}

// header consumes the eight bytes of a protocol header (§2.2).
func (f *FrameReader) header() ([8]byte, error) {
	b, err := f.peek(8)
	if err != nil {
		return [8]byte{}, err
	}
	f.at += 8
	return [8]byte(b), nil
}

// peek returns the next n bytes, which stay in the buffer. n is at most the size of the buffer.
func (f *FrameReader) peek(n int) ([]byte, error) {
	if f.end-f.at < n && f.at > 0 {
		f.end = copy(f.buf, f.buf[f.at:f.end])
		f.at = 0
	}
	for f.end-f.at < n {
		got, err := f.src.Read(f.buf[f.end:])
		f.end += got
		if err != nil && f.end-f.at < n {
			if err == io.EOF && f.end > f.at {
				err = io.ErrUnexpectedEOF
			}
			return nil, err
		}
	}
	return f.buf[f.at : f.at+n : f.at+n], nil
}
