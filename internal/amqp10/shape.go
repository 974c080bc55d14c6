package amqp10

import "encoding/binary"

// Bounds of what is remembered: whatever is larger is read value by value each time.
const (
	shapesKept  = 4
	shapeBytes  = 1 << 10
	shapeValues = 64
	learnEach   = 16 // of those that have no known shape, once as many are known as are kept: it takes as long as to read two
)

// Shapes remembers how the last lists or maps of one kind were encoded, and what was made of each of them. What comes next is
// mostly encoded like one of them, and differs in the contents of some values. If so, which is found out by comparing the
// bytes in between, it is known to be well-formed, and where its values are.
type Shapes[T any] struct {
	known  [shapesKept]Shape[T]
	last   int // the one that was followed or learnt last
	learnt int // how many so far
	missed int // how many had none of them
	row    int // how many of these came one after the other
	from   int // where the last one of these began
}

// Shape is how a list or a map was encoded, the contents of its open values left out.
type Shape[T any] struct {
	Kept T // by whoever had it learnt
	shape
}

type shape struct {
	whole  []byte // as it was learnt
	head   int    // bytes of its constructor and size
	pieces []piece
	values []place
	end    int // of what has followed last
}

// piece is bytes that are the same in all that has a shape. Behind each but the last is the content of an open value, of which
// the constructor is the last byte of the piece.
type piece struct {
	bytes []byte
	width int // of the content
	at    int // where the piece is in what has followed last
}

// counted is the width of a content with a byte in front that tells it.
const counted = -1

// place is that of a value: behind the beginning of a piece.
type place struct{ piece, offset int }

// Follow steps over the next value of r, a Reader up to the end of its buffer, if it has a shape that is known, and returns
// that. Seek finds its values, until the call after this one. nil: it has not, and r stays where it is.
func (s *Shapes[T]) Follow(r *Reader) *Shape[T] {
	s.from = r.pos
	if s.row >= learnEach && s.missed%learnEach != 0 {
		return nil // it is not worth trying, unless one has just been learnt
	}
	if last := &s.known[s.last]; last.follow(r) {
		s.row = 0
		return last
	}
	for i := range s.known {
		if i != s.last && s.known[i].follow(r) {
			s.last, s.row = i, 0
			return &s.known[i]
		}
	}
	return nil
}

// Learn remembers the shape of what Follow has not known, once r has read it without an error, and returns it. nil: it does
// not, since it is too large, or too many come that are encoded like none before.
func (s *Shapes[T]) Learn(r *Reader) *Shape[T] {
	s.row++
	if s.missed++; s.learnt >= shapesKept && s.missed%learnEach != 0 {
		return nil
	}
	to := s.learnt % shapesKept
	if !s.known[to].learn(r.buf[s.from:r.pos]) {
		return nil
	}
	s.last, s.learnt = to, s.learnt+1
	return &s.known[to]
}

func (s *shape) learn(whole []byte) bool {
	if len(whole) > shapeBytes || kindOf(whole[0]) != KindMap && kindOf(whole[0]) != KindList || whole[0] == codeList0 {
		return false
	}
	*s = shape{whole: append(s.whole[:0], whole...), pieces: s.pieces[:0], values: s.values[:0]}
	r, keyed := NewReader(s.whole), kindOf(whole[0]) == KindMap
	items := r.compound(whole[0]&^0x10, whole[0]|0x10, "list or map")
	if items.left > shapeValues {
		return false
	}
	begin := 0
	for n := 0; items.More(); n++ {
		at := items.pos
		s.values = append(s.values, place{piece: len(s.pieces), offset: at - begin})
		width := openWidth(items.buf[at])
		items.Skip()
		if width == 0 || keyed && n%2 == 0 {
			continue
		}
		s.pieces = append(s.pieces, piece{bytes: items.buf[begin : at+1], width: width})
		begin = items.pos
	}
	s.pieces = append(s.pieces, piece{bytes: items.buf[begin:]})
	s.head = len(s.whole) - len(items.buf)
	return true
}

// openWidth is the width of a content that no reader refuses, whatever it is. 0: there is none, or it is another one.
func openWidth(code byte) int {
	switch code {
	case codeString8, codeSymbol8, codeBinary8:
		return counted
	case codeSmallUint, codeSmallInt, codeSmallLong, codeUint, codeInt, codeLong, codeTimestamp, codeUUID:
		return fixedWidth(code)
	}
	return 0
}

func (s *shape) follow(r *Reader) bool {
	b, pos := r.buf, r.pos+s.head
	if s.head == 0 || pos > len(b) || b[r.pos] != s.whole[0] || r.left != -1 || r.err != nil {
		return false
	}
	size := uint32(b[pos-1])
	if s.head > 2 {
		size = binary.BigEndian.Uint32(b[pos-4:])
	}
	if size > uint32(len(b)-pos) {
		return false
	}
	b = b[:pos+int(size)]
	for i := range s.pieces {
		piece := &s.pieces[i]
		piece.at = pos
		end := pos + len(piece.bytes)
		if end > len(b) || string(b[pos:end]) != string(piece.bytes) {
			return false
		}
		pos = end + piece.width
		if piece.width == counted {
			if end == len(b) {
				return false
			}
			pos = end + 1 + int(b[end])
		}
	}
	if pos != len(b) {
		return false
	}
	r.pos, s.end = pos, pos
	return true
}

// Seek takes r, with which the shape was found, to value n: it is the next and the last one of r. Behind the end of a list
// is none, which reads as null. Pass is due when the values are read.
func (s *shape) Seek(r *Reader, n int) {
	r.left = 0
	if n < len(s.values) {
		at := s.values[n]
		r.pos, r.left = s.pieces[at.piece].at+at.offset, 1
	}
}

// Pass takes r behind the list or map again.
func (s *shape) Pass(r *Reader) { r.pos, r.left = s.end, -1 }
