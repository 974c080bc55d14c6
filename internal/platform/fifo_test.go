package platform

import (
	"slices"
	"testing"

	"pgregory.net/rapid"
)

func TestAFifoIsASliceThatIsShiftedAtTheFront(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var q fifo[int]
		var model []int
		next := 0
		take := func(n int) []int {
			from := next
			next += n
			vs := make([]int, n)
			for i := range vs {
				vs[i] = from + i
			}
			return vs
		}
		t.Repeat(map[string]func(*rapid.T){
			"push": func(t *rapid.T) {
				for _, v := range take(rapid.IntRange(1, 100).Draw(t, "count")) {
					q.push(v)
					model = append(model, v)
				}
			},
			"pop": func(t *rapid.T) {
				for range min(rapid.IntRange(1, 100).Draw(t, "count"), len(model)) {
					if first := q.first(); first != model[0] {
						t.Fatalf("first is %d, want %d", first, model[0])
					}
					if got := q.pop(); got != model[0] {
						t.Fatalf("popped %d, want %d", got, model[0])
					}
					model = model[1:]
				}
			},
			"prepend": func(t *rapid.T) {
				vs := take(rapid.IntRange(0, 5).Draw(t, "count"))
				q.prepend(vs)
				model = slices.Concat(vs, model)
			},
			"": func(t *rapid.T) {
				if q.len() != len(model) {
					t.Fatalf("length %d, want %d", q.len(), len(model))
				}
			},
		})
	})
}
