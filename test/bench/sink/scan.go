package sink

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"time"

	"azx/alwayson/infotable"
	"azx/test/bench/source"
)

var errNoPush = errors.New("the push has another form than this scan knows")

// push counts the values of a push. It reads rows of name, value (a VARIANT), time and quality where they are.
func (c *conn) push(thing, b []byte) error {
	index, err := c.sink.index(thing)
	if err != nil {
		return err
	}
	b, ok := bytes.CutPrefix(b, pushHead)
	if !ok {
		return errNoPush
	}
	c.sink.pushes.Add(1)
	values := int64(0)
	for len(b) > 0 && b[0] == 1 {
		if len(b) < 5 || b[2] != 4 || b[3] != byte(infotable.TypeString) {
			return errNoPush
		}
		name, rest, err := infotable.DecodeString(b[4:])
		if err != nil || len(rest) < 2 || rest[0] != byte(infotable.TypeVariant) {
			return errNoPush
		}
		v, rest, err := value(rest[1:])
		if err != nil {
			return err
		}
		switch string(name) {
		case source.SequenceKey:
			c.sink.message(index, int64(v))
		case source.SentKey:
			c.sink.latency(c.now.Sub(time.UnixMicro(int64(v))))
		}
		if len(rest) < 10 || rest[0] != byte(infotable.TypeDateTime) || rest[9] != byte(infotable.TypeString) {
			return errNoPush
		}
		if _, b, err = infotable.DecodeString(rest[10:]); err != nil {
			return err
		}
		values++
	}
	if !bytes.Equal(b, []byte{0, 0}) {
		return errNoPush
	}
	c.sink.values.Add(values)
	return nil
}

// value reads a typed primitive; v is its number, if it is one.
func value(b []byte) (v float64, rest []byte, err error) {
	size := 0
	switch t := infotable.BaseType(b[0]); t {
	case infotable.TypeNumber, infotable.TypeLong:
		size = 8
	case infotable.TypeInteger:
		size = 4
	case infotable.TypeBoolean:
		size = 1
	case infotable.TypeString:
		_, rest, err = infotable.DecodeString(b[1:])
		return 0, rest, err
	default:
		return 0, nil, fmt.Errorf("a value of type %s: %w", t, errNoPush)
	}
	if len(b) < 1+size {
		return 0, nil, infotable.ErrTruncated
	}
	switch infotable.BaseType(b[0]) {
	case infotable.TypeNumber:
		v = math.Float64frombits(binary.BigEndian.Uint64(b[1:]))
	case infotable.TypeLong:
		v = float64(binary.BigEndian.Uint64(b[1:]))
	}
	return v, b[1+size:], nil
}

// index is the number at the end of a Thing's name.
func (s *Sink) index(name []byte) (int, error) {
	n := 0
	digits, ok := bytes.CutPrefix(name, []byte("bench-"))
	for _, c := range digits {
		if c < '0' || c > '9' {
			ok = false
			break
		}
		n = 10*n + int(c-'0')
	}
	if !ok || len(digits) != 6 || n >= len(s.last) {
		return 0, fmt.Errorf("there is no Thing %q", name)
	}
	return n, nil
}
