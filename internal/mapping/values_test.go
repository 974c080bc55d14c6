package mapping

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"azx/alwayson/infotable"
	"azx/internal/message"
)

// Values behave as a slice of writes does.
func TestValuesComeBackAsTheyWereAdded(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var values Values
		var want []message.Write
		t.Repeat(map[string]func(*rapid.T){
			"add": func(t *rapid.T) {
				n := len(want)
				w := message.Write{Property: fmt.Sprint("p", n), Value: infotable.String(strings.Repeat("x", rapid.IntRange(0, 200).Draw(t, "length"))), Time: int64(n)}
				values.Add(w)
				want = append(want, w)
			},
			"cut": func(t *rapid.T) {
				n := rapid.IntRange(0, len(want)).Draw(t, "n")
				values.Cut(n)
				want = want[:n]
			},
			"keep": func(t *rapid.T) {
				from := rapid.IntRange(0, len(want)).Draw(t, "from")
				kept := rapid.SliceOfN(rapid.Bool(), len(want), len(want)).Draw(t, "kept")
				values.Keep(from, func(i int) bool { return kept[i] })
				i := -1
				want = slices.DeleteFunc(want, func(message.Write) bool { i++; return i >= from && !kept[i] })
			},
			"": func(t *rapid.T) {
				if values.Len() != len(want) {
					t.Fatalf("%d, want %d", values.Len(), len(want))
				}
				for i, w := range want {
					if got := values.Write(i); got.Property != w.Property || got.Time != w.Time || !got.Value.Equal(w.Value) {
						t.Fatalf("%d is %v, want %v", i, got, w)
					}
				}
			},
		})
	})
}

func TestValuesGiveUpMemoryThatAnUnusualMessageTook(t *testing.T) {
	var values Values
	values.Add(message.Write{Property: "p", Value: infotable.String(strings.Repeat("x", 1000))})
	values.Recycle(10, 2000)
	if values.Len() != 0 || cap(values.text) < 1000 {
		t.Errorf("%d values, room for %d bytes", values.Len(), cap(values.text))
	}
	values.Add(message.Write{Property: "p", Value: infotable.Number(1)})
	if values.Recycle(10, 900); values.Len() != 0 || cap(values.text) != 0 {
		t.Errorf("%d values, room for %d bytes", values.Len(), cap(values.text))
	}
}
