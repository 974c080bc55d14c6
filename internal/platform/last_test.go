package platform

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"azx/alwayson/infotable"
	"azx/internal/mapping"
	"azx/internal/message"
)

func TestTheLastValueOfAPropertyIsRemembered(t *testing.T) {
	l := newLastValues(1 << 20)
	l.rememberAll("A", []message.Write{{Property: "n", Value: infotable.Number(1), Time: 5}, {Property: "s", Value: infotable.String("x"), Time: 5}})
	l.rememberAll("A", []message.Write{{Property: "n", Value: infotable.Number(2), Time: 4}, {Property: "n", Value: infotable.Number(3), Time: 3}})
	if v, at, ok := l.get("A", "n"); !ok || at != 3 || !v.Equal(infotable.Number(3)) {
		t.Errorf("got %v, %d, %v: not the last one acknowledged", v, at, ok)
	}
	if v, at, ok := l.get("A", "s"); !ok || at != 5 || !v.Equal(infotable.String("x")) {
		t.Errorf("got %v, %d, %v", v, at, ok)
	}
	for _, other := range [][2]string{{"A", "x"}, {"B", "n"}} {
		if _, _, ok := l.get(other[0], other[1]); ok {
			t.Errorf("%v is known", other)
		}
	}
}

// rememberAll has writes remembered.
func (l *lastValues) rememberAll(thing string, writes []message.Write) {
	var values mapping.Values
	for _, w := range writes {
		values.Add(w)
	}
	l.remember(thing, &values, 0, values.Len())
}

func TestAValueTooLargeToRememberTakesTheOldOneWithIt(t *testing.T) {
	large := strings.Repeat("x", mostContent+1)
	for name, v := range map[string]infotable.Value{
		"text":  infotable.String(large),
		"bytes": infotable.Blob([]byte(large)),
		"table": infotable.FromTable(infotable.Single("a", infotable.String(large))),
	} {
		l := newLastValues(1 << 20)
		l.rememberAll("A", []message.Write{{Property: "n", Value: infotable.Number(1)}})
		l.rememberAll("A", []message.Write{{Property: "n", Value: v}})
		if got, _, ok := l.get("A", "n"); ok {
			t.Errorf("%s: got %v", name, got.Type())
		}
	}
}

func TestWithoutRoomNothingIsRemembered(t *testing.T) {
	l := newLastValues(0)
	l.rememberAll("A", []message.Write{{Property: "n", Value: infotable.Number(1)}})
	if _, _, ok := l.get("A", "n"); ok || len(l.things) != 0 {
		t.Error("it is remembered")
	}
}

// The memory stays within its bound, the account of it is right, and what was written last is known.
func TestTheMemoryOfLastValuesIsBounded(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		const most = 4096
		l := newLastValues(most)
		for range rapid.IntRange(1, 80).Draw(t, "writes") {
			thing := fmt.Sprint("T", rapid.IntRange(0, 9).Draw(t, "thing"))
			text := strings.Repeat("x", rapid.SampledFrom([]int{0, 10, 300, 900, most, mostContent + 1}).Draw(t, "length"))
			w := message.Write{Property: fmt.Sprint("p", rapid.IntRange(0, 3).Draw(t, "property")), Value: infotable.String(text)}
			l.rememberAll(thing, []message.Write{w})
			v, _, ok := l.get(thing, w.Property)
			if small := len(text) <= 300; small && len(l.things) == 0 || ok && !v.Equal(w.Value) {
				t.Fatalf("%s.%s is %v %v", thing, w.Property, v, ok)
			}
			bytes := 0
			for _, at := range l.things {
				of := &at.of
				sum := lastThing + len(of.thing)
				for _, kept := range of.values {
					sum += kept.bytes()
				}
				if sum != of.bytes {
					t.Fatalf("a Thing takes %d, the account says %d", sum, of.bytes)
				}
				bytes += sum
			}
			if bytes != l.bytes || bytes > most || l.recent.count != len(l.things) {
				t.Fatalf("%d bytes, the account says %d, at most %d", bytes, l.bytes, most)
			}
		}
	})
}

func TestEachOfManyPropertiesIsFoundInAnyOrder(t *testing.T) {
	l := newLastValues(1 << 20)
	var writes []message.Write
	for i := range 2*indexFrom + 1 {
		writes = append(writes, message.Write{Property: fmt.Sprint("p", i), Value: infotable.Integer(int32(i))})
		l.rememberAll("A", writes[i:])
	}
	slices.Reverse(writes)
	l.rememberAll("A", writes)
	for _, w := range writes {
		if v, _, ok := l.get("A", w.Property); !ok || !v.Equal(w.Value) {
			t.Errorf("%s: got %v, %v", w.Property, v, ok)
		}
	}
	if of := l.things["A"].of; len(of.values) != len(writes) {
		t.Errorf("%d values are kept of %d properties", len(of.values), len(writes))
	}
}
