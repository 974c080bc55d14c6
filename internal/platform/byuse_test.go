package platform

import (
	"slices"
	"testing"

	"pgregory.net/rapid"
)

// What is used or put in comes first, whatever happened before.
func TestItemsAreInTheOrderOfTheirLastUse(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var b byUse[int]
		var nodes []*node[int] // as they should be
		t.Repeat(map[string]func(*rapid.T){
			"add": func(t *rapid.T) { nodes = slices.Insert(nodes, 0, b.add(rapid.Int().Draw(t, "item"))) },
			"use": func(t *rapid.T) {
				if len(nodes) == 0 {
					return
				}
				at := rapid.IntRange(0, len(nodes)-1).Draw(t, "which")
				n := nodes[at]
				b.used(n)
				nodes = slices.Insert(slices.Delete(nodes, at, at+1), 0, n)
			},
			"remove": func(t *rapid.T) {
				if len(nodes) == 0 {
					return
				}
				at := rapid.IntRange(0, len(nodes)-1).Draw(t, "which")
				b.remove(nodes[at])
				nodes = slices.Delete(nodes, at, at+1)
			},
			"": func(t *rapid.T) {
				if b.count != len(nodes) {
					t.Fatalf("%d items, want %d", b.count, len(nodes))
				}
				forward, n := b.first, (*node[int])(nil)
				for _, want := range nodes {
					if forward != want || forward.before != n {
						t.Fatal("the order is not that of the last use")
					}
					n, forward = forward, forward.behind
				}
				if forward != nil || b.last != n {
					t.Fatal("the end is not where it should be")
				}
			},
		})
	})
}
