package amqp10

import (
	"encoding/binary"
	"fmt"
	"math"
)

// Reader walks encoded values in place. It never copies or allocates: the slices it hands out are parts of its buffer.
//
// The first error sticks: every later read gives a zero value, so a caller may read a whole list and look at Err once.
// In a list a null, or a field left out at the end, reads as the zero value; ask Null first where that matters.
type Reader struct {
	buf   []byte
	pos   int
	left  int  // values left in this list, map or array; -1: up to the end of buf
	elem  byte // constructor shared by the elements of an array, else 0
	depth int
	err   error
}

// NewReader reads the values that stand one after the other in b.
func NewReader(b []byte) Reader { return Reader{buf: b, left: -1} }

// Err is the first error met. It wraps ErrMalformed.
func (r *Reader) Err() error { return r.err }

// More reports whether another value follows in this buffer, list, map or array.
func (r *Reader) More() bool {
	if r.err != nil || r.left == 0 {
		return false
	}
	return r.left > 0 || r.pos < len(r.buf)
}

// Rest is what has not been read.
func (r *Reader) Rest() []byte { return r.buf[r.pos:] }

// Peek tells the kind of the next value and leaves it there. KindNone: no value follows, or it is malformed.
func (r *Reader) Peek() Kind {
	if !r.More() {
		return KindNone
	}
	if r.elem != 0 {
		return kindOf(r.elem)
	}
	if r.pos >= len(r.buf) {
		return KindNone
	}
	return kindOf(r.buf[r.pos])
}

// Null consumes a null and reports true, also when a list has ended: fields left out at its end are null (§1.4).
func (r *Reader) Null() bool {
	if r.err != nil || r.left == 0 {
		return true
	}
	code := r.elem
	if code == 0 && r.pos < len(r.buf) {
		code = r.buf[r.pos]
	}
	if code != codeNull {
		return false
	}
	r.begin()
	return true
}

func (r *Reader) fail(format string, args ...any) {
	if r.err == nil {
		r.err = fmt.Errorf("%w at byte %d", malformed(format, args...), r.pos)
	}
}

// begin consumes the next value's constructor. It is that of a null where Null reports one, and after an error.
func (r *Reader) begin() byte {
	if r.err != nil || r.left == 0 {
		return codeNull
	}
	code := r.elem
	if code == 0 {
		if r.pos >= len(r.buf) {
			r.fail("value cut short")
			return codeNull
		}
		code = r.buf[r.pos]
		r.pos++
	}
	if r.left > 0 {
		r.left--
	}
	return code
}

// constructor consumes the next value's constructor. It is 0xFF, which no value has, after an error.
func (r *Reader) constructor() byte {
	const none = 0xFF
	if r.left == 0 {
		r.fail("no value left")
	}
	if code := r.begin(); r.err == nil {
		return code
	}
	return none
}

// take consumes n bytes; nil after an error.
func (r *Reader) take(n int) []byte {
	if r.err != nil {
		return nil
	}
	if n < 0 || n > len(r.buf)-r.pos {
		r.fail("value cut short: %d bytes announced, %d there", n, len(r.buf)-r.pos)
		return nil
	}
	b := r.buf[r.pos : r.pos+n : r.pos+n]
	r.pos += n
	return b
}

// size consumes the size or count field of a variable-width value: one byte, or four.
func (r *Reader) size(wide bool) int {
	if !wide {
		if b := r.take(1); b != nil {
			return int(b[0])
		}
		return 0
	}
	b := r.take(4)
	if b == nil {
		return 0
	}
	n := binary.BigEndian.Uint32(b)
	if n > math.MaxInt32 {
		r.fail("size %d is beyond any buffer", n)
		return 0
	}
	return int(n)
}

// fixed consumes the bytes of a fixed-width value as an unsigned number.
func (r *Reader) fixed(code byte) uint64 {
	n := fixedWidth(code)
	if n <= 8 && len(r.buf)-r.pos >= 8 && r.err == nil {
		v := binary.BigEndian.Uint64(r.buf[r.pos:]) >> (64 - 8*n)
		r.pos += n
		return v
	}
	b := r.take(n)
	switch len(b) {
	case 1:
		return uint64(b[0])
	case 2:
		return uint64(binary.BigEndian.Uint16(b))
	case 4:
		return uint64(binary.BigEndian.Uint32(b))
	case 8:
		return binary.BigEndian.Uint64(b)
	}
	return 0
}

// Bool reads a boolean.
func (r *Reader) Bool() bool {
	switch code := r.begin(); code {
	case codeTrue:
		return true
	case codeFalse, codeNull:
		return false
	case codeBool:
		return r.fixed(code) != 0
	default:
		r.wrong(code, "boolean")
		return false
	}
}

// Uint reads an unsigned integer of any width.
func (r *Reader) Uint() uint64 {
	code := r.begin()
	switch kindOf(code) {
	case KindNull:
		return 0
	case KindUbyte, KindUshort, KindUint, KindUlong:
		return r.fixed(code)
	}
	r.wrong(code, "unsigned integer")
	return 0
}

// Uint32 reads an unsigned integer of at most 32 bits.
func (r *Reader) Uint32() uint32 { return uint32(r.uintUpTo(math.MaxUint32)) }

func (r *Reader) uintUpTo(limit uint64) uint64 {
	v := r.Uint()
	if v > limit {
		r.fail("%d is over %d", v, limit)
		return 0
	}
	return v
}

// Int reads a signed integer of any width, or a timestamp (milliseconds since 1970).
func (r *Reader) Int() int64 {
	code := r.begin()
	switch code {
	case codeNull:
		return 0
	case codeByte, codeSmallInt, codeSmallLong:
		return int64(int8(r.fixed(code)))
	case codeShort:
		return int64(int16(r.fixed(code)))
	case codeInt:
		return int64(int32(r.fixed(code)))
	case codeLong, codeTimestamp:
		return int64(r.fixed(code))
	}
	r.wrong(code, "signed integer")
	return 0
}

// Bytes reads a binary, string or symbol. The result is a part of the buffer.
func (r *Reader) Bytes() []byte {
	if b, ok := r.short(); ok {
		return b
	}
	code := r.begin()
	switch code {
	case codeNull:
		return nil
	case codeBinary8, codeString8, codeSymbol8:
		return r.take(r.size(false))
	case codeBinary32, codeString32, codeSymbol32:
		return r.take(r.size(true))
	}
	r.wrong(code, "binary, string or symbol")
	return nil
}

// short reads a binary, string or symbol of up to 255 bytes, which nearly all are, if that is what stands there in full.
func (r *Reader) short() (b []byte, ok bool) {
	if r.err != nil || r.left == 0 || r.elem != 0 || len(r.buf)-r.pos < 2 {
		return nil, false
	}
	code, begin := r.buf[r.pos], r.pos+2
	end := begin + int(r.buf[r.pos+1])
	if code != codeString8 && code != codeSymbol8 && code != codeBinary8 || end > len(r.buf) {
		return nil, false
	}
	if r.left > 0 {
		r.left--
	}
	r.pos = end
	return r.buf[begin:end:end], true
}

// Text reads a string or symbol into a Go string.
func (r *Reader) Text() string { return string(r.Bytes()) }

func (r *Reader) wrong(code byte, want string) {
	r.fail("constructor 0x%02x where a %s is due", code, want)
}
