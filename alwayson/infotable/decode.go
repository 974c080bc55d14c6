package infotable

import (
	"encoding/binary"
	"errors"
	"fmt"
)

// Errors of the decoder, to be matched with errors.Is.
var (
	// ErrTruncated: the bytes end before the value does.
	ErrTruncated = errors.New("cut short")
	// ErrUnsupportedType: a type code without a known layout; nothing after it can be read.
	ErrUnsupportedType = errors.New("unsupported base type")
	// ErrMalformed: bytes that no encoder writes.
	ErrMalformed = errors.New("malformed")
	// ErrLimit: larger than the Limits allow.
	ErrLimit = errors.New("over the limit")
)

// Limits bounds what one decode may take in. A zero field means its default.
type Limits struct {
	Bytes  int // bytes read, nested tables included; default 1 MiB
	Fields int // fields of one table; default 1,024
	Rows   int // rows of all tables together; default 65,536
	Cells  int // cells and aspects of all tables together; default 262,144
	Depth  int // tables and variants inside each other; default 8, at most 255
}

func (l Limits) withDefaults() Limits {
	for _, field := range []struct {
		value    *int
		fallback int
	}{{&l.Bytes, 1 << 20}, {&l.Fields, 1024}, {&l.Rows, 1 << 16}, {&l.Cells, 1 << 18}, {&l.Depth, 8}} {
		if *field.value <= 0 {
			*field.value = field.fallback
		}
	}
	l.Depth = min(l.Depth, 255)
	return l
}

// DecodeValue reads one typed primitive from the front of src and returns what follows it. The value
// keeps no reference to src; its texts may share one copy of at most 4 KiB. Errors name the offset and wrap one of the decoder's errors.
func DecodeValue(src []byte, limits Limits) (v Value, rest []byte, err error) {
	d := newDecoder(src, limits)
	if v, err = d.value(0); err != nil {
		return Value{}, nil, d.located(err)
	}
	return v, src[d.at:], nil
}

// DecodeTable reads a table, without a type code before it, from the front of src. See [DecodeValue].
func DecodeTable(src []byte, limits Limits) (t *Table, rest []byte, err error) {
	d := newDecoder(src, limits)
	if t, err = d.table(0); err != nil {
		return nil, nil, d.located(err)
	}
	return t, src[d.at:], nil
}

// DecodeString reads a string from the front of src. The result is part of src, not a copy.
func DecodeString(src []byte) (text, rest []byte, err error) {
	if len(src) == 0 {
		return nil, nil, ErrTruncated
	}
	size, head := uint64(src[0]), 1
	if size >= 0x80 {
		if len(src) < 4 {
			return nil, nil, ErrTruncated
		}
		size, head = uint64(binary.BigEndian.Uint32(src)&0x7FFFFFFF), 4
	}
	if uint64(len(src)-head) < size {
		return nil, nil, ErrTruncated
	}
	end := head + int(size)
	return src[head:end:end], src[end:], nil
}

// decoder walks src once; every count is checked against the bytes left and the limits before memory is taken.
type decoder struct {
	src    []byte
	at     int
	limits Limits
	rows   int
	booked int  // cells and aspects so far
	capped bool // src was cut at Limits.Bytes

	text  string  // src as a string, if it is short: all texts are parts of it
	cells []Value // room for the cells of rows to come
	block int     // cells in the last block of room
}

const (
	// sharedText is the largest source whose texts share one string. One copy instead of many is what makes small
	// tables cheap to read; the bound is what a text that is kept for long may hold on to besides itself.
	sharedText = 4096

	firstBlock = 8   // cells
	lastBlock  = 512 // cells
)

func newDecoder(src []byte, limits Limits) *decoder {
	limits = limits.withDefaults()
	d := &decoder{src: src, limits: limits}
	if len(src) > limits.Bytes {
		d.src, d.capped = src[:limits.Bytes], true
	}
	return d
}

func (d *decoder) located(err error) error {
	if d.capped && errors.Is(err, ErrTruncated) {
		err = fmt.Errorf("more than %d bytes: %w", d.limits.Bytes, ErrLimit)
	}
	return fmt.Errorf("decode infotable value at byte %d: %w", d.at, err)
}

// take returns the next n bytes, which stay part of src.
func (d *decoder) take(n int) ([]byte, error) {
	if len(d.src)-d.at < n {
		return nil, ErrTruncated
	}
	b := d.src[d.at : d.at+n]
	d.at += n
	return b, nil
}

func (d *decoder) byte() (byte, error) {
	b, err := d.take(1)
	if err != nil {
		return 0, err
	}
	return b[0], nil
}

// count reads a count of cells or aspects and books it, or as many as least if that is more.
func (d *decoder) count(least int) (int, error) {
	b, err := d.take(2)
	if err != nil {
		return 0, err
	}
	n := int(binary.BigEndian.Uint16(b))
	if n > len(d.src)-d.at {
		return 0, ErrTruncated
	}
	if d.booked += max(n, least); d.booked > d.limits.Cells {
		return 0, fmt.Errorf("more than %d cells: %w", d.limits.Cells, ErrLimit)
	}
	return n, nil
}

func (d *decoder) string() (string, error) {
	text, rest, err := DecodeString(d.src[d.at:])
	if err != nil {
		return "", err
	}
	end := len(d.src) - len(rest)
	start := end - len(text)
	d.at = end
	return d.copied(start, end), nil
}

// copied returns a part of src as a string.
func (d *decoder) copied(start, end int) string {
	if start == end {
		return ""
	}
	if len(d.src) > sharedText {
		return string(d.src[start:end])
	}
	if d.text == "" {
		d.text = string(d.src)
	}
	return d.text[start:end]
}

// newRow returns n cells from a block that several rows share.
func (d *decoder) newRow(n int) Row {
	if n > len(d.cells) {
		d.block = max(n, min(max(2*d.block, firstBlock), lastBlock))
		d.cells = make([]Value, d.block)
	}
	row := d.cells[:n:n]
	d.cells = d.cells[n:]
	return row
}

// value reads a type code and its content. depth counts the tables and variants around it.
func (d *decoder) value(depth int) (Value, error) {
	var wrappers int
	code, err := d.byte()
	for ; err == nil && BaseType(code) == TypeVariant; code, err = d.byte() {
		if wrappers++; depth+wrappers > d.limits.Depth {
			return Value{}, fmt.Errorf("more than %d levels: %w", d.limits.Depth, ErrLimit)
		}
	}
	if err != nil {
		return Value{}, err
	}
	v, err := d.content(BaseType(code), depth+wrappers)
	v.variants = uint8(wrappers)
	return v, err
}

func (d *decoder) content(t BaseType, depth int) (v Value, err error) {
	v = valueOf(t)
	switch t.form() {
	case formEmpty:
	case formText:
		v.text, err = d.string()
	case formBytes:
		v.text, err = d.bytes()
	case formBool:
		var b byte
		if b, err = d.byte(); b != 0 {
			v.bits = 1
		}
	case formInt32:
		var b []byte
		if b, err = d.take(4); err == nil {
			v.bits = uint64(int64(int32(binary.BigEndian.Uint32(b))))
		}
	case formInt64, formDouble:
		var b []byte
		if b, err = d.take(8); err == nil {
			v.bits = binary.BigEndian.Uint64(b)
		}
	case formPoint:
		if _, err = d.take(24); err == nil {
			v.text = d.copied(d.at-24, d.at)
		}
	case formTable:
		v.table, err = d.table(depth + 1)
	default:
		err = fmt.Errorf("%w %s", ErrUnsupportedType, t)
	}
	return v, err
}

func (d *decoder) bytes() (string, error) {
	head, err := d.take(4)
	if err != nil {
		return "", err
	}
	size := uint64(binary.BigEndian.Uint32(head))
	if size > uint64(len(d.src)-d.at) {
		return "", ErrTruncated
	}
	start := d.at
	d.at += int(size)
	return d.copied(start, d.at), nil
}

func (d *decoder) table(depth int) (*Table, error) {
	if depth > d.limits.Depth {
		return nil, fmt.Errorf("more than %d levels: %w", d.limits.Depth, ErrLimit)
	}
	t := &Table{Fields: make([]Field, 0, 4)}
	for {
		more, err := d.more()
		if err != nil {
			return nil, err
		}
		if !more {
			break
		}
		if len(t.Fields) >= d.limits.Fields {
			return nil, fmt.Errorf("more than %d fields: %w", d.limits.Fields, ErrLimit)
		}
		field, err := d.field(depth)
		if err != nil {
			return nil, err
		}
		t.Fields = append(t.Fields, field)
	}
	return t, d.tableRows(t, depth)
}

func (d *decoder) tableRows(t *Table, depth int) error {
	for {
		more, err := d.more()
		if err != nil || !more {
			return err
		}
		if d.rows++; d.rows > d.limits.Rows {
			return fmt.Errorf("more than %d rows: %w", d.limits.Rows, ErrLimit)
		}
		row, err := d.row(len(t.Fields), depth)
		if err != nil {
			return err
		}
		if t.Rows == nil {
			t.Rows = make([]Row, 0, 4)
		}
		t.Rows = append(t.Rows, row)
	}
}

// more reads the marker before a field or row: 1 for one more, 0 for the end.
func (d *decoder) more() (bool, error) {
	b, err := d.byte()
	if err == nil && b > 1 {
		err = fmt.Errorf("marker %d before a field or row: %w", b, ErrMalformed)
	}
	return b == 1, err
}

func (d *decoder) field(depth int) (f Field, err error) {
	if f.Name, err = d.string(); err != nil {
		return f, err
	}
	if f.Description, err = d.string(); err != nil {
		return f, err
	}
	code, err := d.byte()
	if err != nil {
		return f, err
	}
	// A field's type alone hinders nobody from reading on, so an unknown one is kept.
	f.Type = BaseType(code)
	n, err := d.count(0)
	if err != nil || n == 0 {
		return f, err
	}
	f.Aspects = make([]Aspect, n)
	for i := range f.Aspects {
		if f.Aspects[i].Name, err = d.string(); err != nil {
			return f, err
		}
		if f.Aspects[i].Value, err = d.value(depth); err != nil {
			return f, err
		}
	}
	return f, nil
}

// row reads one row. A short one is booked as if it were full, since it becomes full when it is written again.
func (d *decoder) row(fields, depth int) (Row, error) {
	n, err := d.count(fields)
	if err != nil {
		return nil, err
	}
	row := d.newRow(n)
	for i := range row {
		if row[i], err = d.value(depth); err != nil {
			return nil, err
		}
	}
	return row, nil
}
