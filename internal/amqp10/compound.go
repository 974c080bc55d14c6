package amqp10

import "bytes"

// List reads a list and returns a Reader of its fields; r stands behind the list. A null is an empty list.
func (r *Reader) List() Reader { return r.compound(codeList8, codeList32, "list") }

// Map reads a map and returns a Reader of its keys and values in turn; r stands behind the map. A null is an empty map.
func (r *Reader) Map() Reader {
	items := r.compound(codeMap8, codeMap32, "map")
	if items.left%2 != 0 && items.err == nil {
		r.fail("a map of %d values has a key without a value", items.left)
		return r.broken()
	}
	return items
}

func (r *Reader) compound(narrow, wide byte, what string) (items Reader) {
	code := r.begin()
	switch code {
	case narrow, wide:
	case codeNull:
		return r.broken()
	case codeList0:
		if wide == codeList32 {
			return Reader{depth: r.depth + 1}
		}
		fallthrough
	default:
		r.wrong(code, what)
		return r.broken()
	}
	body := r.take(r.size(code == wide))
	items.buf, items.depth, items.err = body, r.depth+1, r.err
	items.left = items.size(code == wide)
	if items.left > len(items.buf)-items.pos {
		items.fail("%d values in %d bytes", items.left, len(items.buf)-items.pos)
	}
	r.enter(&items)
	return items
}

// Array reads an array (§1.6.24). The elements share one constructor; if it is described, descriptor is its Symbol or uint64.
// A value that is no array counts as an array of itself, as §1.4 has it for fields marked "multiple". A null is an empty one.
func (r *Reader) Array() (items Reader, descriptor any) {
	if k := r.Peek(); k != KindArray && k != KindNull && k != KindNone {
		return r.single(), nil
	}
	if r.Null() {
		return r.broken(), nil
	}
	code := r.constructor()
	if code != codeArray8 && code != codeArray32 {
		r.wrong(code, "array")
		return r.broken(), nil
	}
	wide := code == codeArray32
	items = Reader{buf: r.take(r.size(wide)), depth: r.depth + 1, err: r.err}
	count := items.size(wide)
	items.left = -1
	if items.Peek() == KindDescribed {
		descriptor = items.descriptorValue()
	}
	items.elem = items.constructor()
	items.left = count
	if kindOf(items.elem) == KindNone || items.elem == codeDescribed {
		items.fail("constructor 0x%02x in an array", items.elem)
	}
	items.bound()
	r.enter(&items)
	return items, descriptor
}

// bound refuses an array that announces more elements than its bytes can hold.
func (r *Reader) bound() {
	room, width := len(r.buf)-r.pos, fixedWidth(r.elem)
	if r.elem >= codeBinary8 {
		width = 1
	}
	if width == 0 {
		room, width = maxZeroWidth, 1
	}
	if r.err == nil && r.left > room/width {
		r.fail("an array of %d elements in %d bytes", r.left, len(r.buf)-r.pos)
	}
}

// single turns the next value into a Reader of just that value.
func (r *Reader) single() Reader {
	start := r.pos
	elem := r.elem
	r.Skip()
	return Reader{buf: r.buf[:r.pos], pos: start, left: 1, elem: elem, depth: r.depth + 1, err: r.err}
}

func (r *Reader) enter(items *Reader) {
	if items.err == nil && items.depth > maxDepth {
		items.fail("values nested deeper than %d", maxDepth)
	}
	if r.err == nil {
		r.err = items.err
	}
	if items.err != nil {
		*items = Reader{err: items.err}
	}
}

func (r *Reader) broken() Reader { return Reader{err: r.err, depth: r.depth + 1} }

// Descriptor reads the descriptor of a described value as a number; the value itself is next.
// A descriptor that the standard also gives a symbolic name may come as that name. 0: a name this package does not know.
func (r *Reader) Descriptor() uint64 {
	if b := r.buf[r.pos:]; len(b) > 2 && b[0] == codeDescribed && b[1] == codeSmallUlong && r.left != 0 && r.elem == 0 && r.err == nil {
		r.pos += 3
		return uint64(b[2])
	}
	if r.elem != 0 || r.Peek() != KindDescribed {
		r.fail("no descriptor where one is due")
		return 0
	}
	r.pos++
	if k := r.Peek(); k == KindSymbol {
		before := r.left
		name := r.Bytes()
		r.left = before
		return codeOfName(string(name))
	}
	before := r.left
	code := r.Uint()
	r.left = before
	return code
}

// descriptorValue reads a descriptor as it stands: a uint64 or a Symbol, or what the standard allows besides and
// azure-eventhub 5.11 for Python really sends (tried), binary or string.
func (r *Reader) descriptorValue() any {
	r.pos++
	before := r.left
	defer func() { r.left = before }()
	switch r.Peek() {
	case KindSymbol:
		return Symbol(r.Bytes())
	case KindBinary:
		return bytes.Clone(r.Bytes())
	case KindString:
		return r.Text()
	}
	return r.Uint()
}

// Skip steps over the next value, whatever it is.
func (r *Reader) Skip() {
	if r.Null() {
		return
	}
	for nested := 0; r.Peek() == KindDescribed; nested++ {
		if nested > maxDepth {
			r.fail("values nested deeper than %d", maxDepth)
			return
		}
		r.descriptorValue()
	}
	code := r.constructor()
	switch {
	case r.err != nil:
	case kindOf(code) == KindNone || code == codeDescribed:
		r.fail("constructor 0x%02x is unknown", code)
	case code < codeBinary8:
		r.take(fixedWidth(code))
	default:
		r.take(r.size(code&0x10 != 0)) // 0xB., 0xD. and 0xF. carry four bytes of size
	}
}
