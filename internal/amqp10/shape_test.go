package amqp10

import (
	"bytes"
	"fmt"
	"testing"
)

// shaped are lists and maps as they come in messages, and the same with other contents.
func shaped(n int) map[string][]byte {
	id := UUID{byte(n)}
	when, text := Timestamp(1e12+n), fmt.Sprintf("%0*d", n%4, n)
	return map[string][]byte{
		"annotations": AppendValue(nil, Map{{Symbol("x-opt-sequence-number"), int64(1000 + n)}, {Symbol("x-opt-offset"), text},
			{Symbol("x-opt-enqueued-time"), when}, {Symbol("small"), int64(n)}, {Symbol("null"), nil}, {Symbol("same"), uint64(5)},
			{Symbol("list"), []any{true, "x"}}, {Symbol("id"), id}, {Symbol("int"), int32(-1000 - n)}, {Symbol("uint"), uint32(n + 1)}}),
		"properties": (&Properties{MessageID: text + "0", UserID: []byte{byte(n)}, ContentType: "application/json",
			CreationTime: when, GroupSequence: Some(uint32(1000 + n))}).append(nil)[3:],
		"a short list":         AppendValue(nil, []any{text}),
		"a list of no text":    AppendValue(nil, []any{nil, true, uint64(7)}),
		"a map with a long id": AppendValue(nil, Map{{Symbol("k"), string(bytes.Repeat([]byte("l"), 250+n))}, {Symbol("m"), text}}),
	}
}

// readAll reads a list or a map as a whole.
func readAll(r *Reader) (values [][]byte, ok bool) {
	var items Reader
	if r.Peek() == KindMap {
		items = r.Map()
	} else {
		items = r.List()
	}
	for items.More() {
		values = append(values, AppendValue(nil, items.Value()))
	}
	return values, r.Adopt(&items)
}

// learnt are Shapes that know the shape of a value, if it can be known.
func learnt(value []byte) (*Shapes[int], bool) {
	known, r := new(Shapes[int]), NewReader(value)
	if known.Follow(&r) != nil {
		panic("it follows what was never learnt")
	}
	if _, ok := readAll(&r); !ok {
		return known, false
	}
	return known, known.Learn(&r) != nil
}

// sameAsRead follows a value and compares what is found with what is read one by one.
func sameAsRead(t *testing.T, known *Shapes[int], value []byte) (followed bool) {
	t.Helper()
	r, plain := NewReader(value), NewReader(value)
	shape := known.Follow(&r)
	if shape == nil {
		if r.pos != 0 || r.err != nil {
			t.Fatal("what does not follow moves the reader")
		}
		return false
	}
	want, ok := readAll(&plain)
	if !ok || r.pos != plain.pos {
		t.Fatalf("%x follows up to byte %d, and is read up to %d: %v", value, r.pos, plain.pos, plain.err)
	}
	for n := range want {
		shape.Seek(&r, n)
		if got := AppendValue(nil, r.Value()); !bytes.Equal(got, want[n]) || r.More() {
			t.Fatalf("value %d of %x is %x, want %x", n, value, got, want[n])
		}
	}
	shape.Seek(&r, len(want))
	if !r.Null() || r.More() {
		t.Fatal("there is a value behind the last")
	}
	if shape.Pass(&r); r.pos != plain.pos || r.left != -1 || r.err != nil {
		t.Fatalf("it ends at %d: %v", r.pos, r.err)
	}
	return true
}

func TestWhatDiffersInContentsFollows(t *testing.T) {
	for name, first := range shaped(0) {
		t.Run(name, func(t *testing.T) {
			known, ok := learnt(first)
			if !ok {
				t.Fatal("it is not learnt")
			}
			for n := range 5 {
				if next := shaped(n)[name]; !sameAsRead(t, known, append(next, "behind it"...)) {
					t.Errorf("%x does not follow %x", next, first)
				}
			}
		})
	}
}

// Whatever byte is wrong, nothing follows that would be refused.
func TestWhatIsWrongInOneByteDoesNotFollow(t *testing.T) {
	for name, first := range shaped(1) {
		known, ok := learnt(first)
		if !ok {
			t.Fatal(name, "is not learnt")
		}
		followed := 0
		for at := range first {
			for b := range 256 {
				other := bytes.Clone(first)
				other[at] = byte(b)
				if sameAsRead(t, known, other) {
					followed++
				}
			}
			if sameAsRead(t, known, first[:at]) {
				t.Errorf("%s cut at byte %d follows", name, at)
			}
		}
		if all := 256 * len(first); followed < len(first) || followed == all {
			t.Errorf("%s: %d of %d follow", name, followed, all)
		}
	}
}

func TestShapesAreLearntWithinBounds(t *testing.T) {
	for name, value := range map[string][]byte{
		"null":              {codeNull},
		"the empty list":    {codeList0},
		"a text":            AppendString(nil, "x"),
		"too many bytes":    AppendValue(nil, []any{string(make([]byte, shapeBytes))}),
		"too many values":   AppendValue(nil, make([]any, shapeValues+1)),
		"a key with no end": {codeMap8, 4, 2, codeSymbol8, 200, 'x'},
	} {
		if known, ok := learnt(value); ok || sameAsRead(t, known, value) {
			t.Errorf("%s has a shape", name)
		}
	}
}

func TestTheLastShapesAreKept(t *testing.T) {
	known := new(Shapes[int])
	value := func(n int) []byte { return AppendValue(nil, []any{uint64(1000 + n)}) } // each of its own shape
	learn := func(n int) bool {
		r := NewReader(value(n))
		if known.Follow(&r) != nil {
			t.Fatalf("%d is known", n)
		}
		readAll(&r)
		shape := known.Learn(&r)
		if shape != nil {
			shape.Kept = n
		}
		return shape != nil
	}
	for n := range shapesKept {
		if !learn(n) {
			t.Fatalf("%d is not learnt", n)
		}
	}
	for n := range shapesKept {
		r := NewReader(value(n))
		if shape := known.Follow(&r); shape == nil || shape.Kept != n {
			t.Errorf("%d is not known", n)
		}
	}
	others := 0
	for n := 100; n < 100+8*learnEach; n++ {
		if learn(n) {
			others++
		}
	}
	if others != 8 {
		t.Errorf("%d shapes of %d that come once are learnt", others, 8*learnEach)
	}
	if r := NewReader(value(0)); known.Follow(&r) != nil {
		t.Error("the first one is not forgotten")
	}
	read := 0
	for ; ; read++ {
		r := NewReader(value(7))
		if known.Follow(&r) != nil {
			break
		}
		readAll(&r)
		known.Learn(&r)
	}
	if read > learnEach {
		t.Errorf("what comes again and again is known behind %d", read)
	}
}

// FuzzShape has the second value follow the first: if it does, it is well-formed, and all its values are found.
func FuzzShape(f *testing.F) {
	for name, first := range shaped(0) {
		f.Add(first, shaped(1)[name])
		f.Add(first, first[:len(first)-1])
	}
	f.Fuzz(func(t *testing.T, first, second []byte) {
		known, ok := learnt(first)
		if !ok {
			return
		}
		if !sameAsRead(t, known, first) {
			t.Fatalf("%x does not follow itself", first)
		}
		sameAsRead(t, known, second)
	})
}
