package alwayson

import (
	"errors"
	"testing"

	"pgregory.net/rapid"
)

// Whatever requests come, end and are taken back in whatever order, also around the largest id: no two that wait have the same
// id, each gets its own answer once, and those that wait when the connection ends get its error.
func TestEachRequestGetsItsOwnOutcomeOnce(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		p := pending{last: rapid.SampledFrom([]uint32{0, 1 << 16, noID - 40}).Draw(t, "last id")}
		waiting := map[uint32]chan outcome{}
		var ids []uint32 // of requests that were ever sent
		one := func(t *rapid.T) uint32 {
			if len(ids) == 0 {
				return rapid.Uint32().Draw(t, "of no request")
			}
			return rapid.SampledFrom(ids).Draw(t, "which")
		}
		t.Repeat(map[string]func(*rapid.T){
			"send": func(t *rapid.T) {
				for range rapid.IntRange(1, 50).Draw(t, "how many") {
					answers := make(chan outcome, 2)
					id, _, err := p.add(func(r Response, err error) { answers <- outcome{response: r, err: err} })
					if err != nil || waiting[id] != nil || id == 0 || id == noID {
						t.Fatalf("id %#x: %v", id, err)
					}
					waiting[id], ids = answers, append(ids, id)
				}
			},
			"answer": func(t *rapid.T) {
				for range rapid.IntRange(1, 50).Draw(t, "how many") {
					id := one(t)
					answers := waiting[id]
					delete(waiting, id)
					p.settle(id, outcome{response: Response{Code: Code(id)}})
					if answers != nil && (len(answers) != 1 || (<-answers).response.Code != Code(id)) {
						t.Fatalf("the answer to %#x went astray", id)
					}
				}
			},
			"withdraw": func(t *rapid.T) {
				id := one(t)
				if p.withdraw(id) != (waiting[id] != nil) {
					t.Fatalf("withdrawing %#x", id)
				}
				delete(waiting, id)
			},
			"": func(t *rapid.T) {
				for id, answers := range waiting {
					if len(answers) != 0 {
						t.Fatalf("%#x has another's answer", id)
					}
				}
			},
		})
		p.fail(ErrClosed)
		for id, answers := range waiting {
			if len(answers) != 1 || !errors.Is((<-answers).err, ErrClosed) {
				t.Fatalf("%#x did not hear of the end", id)
			}
		}
		if _, _, err := p.add(nil); !errors.Is(err, ErrClosed) || p.withdraw(1) {
			t.Fatalf("after the end: %v", err)
		}
	})
}
