package lease

import (
	"context"
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"pgregory.net/rapid"

	"azx/internal/delivery"
)

// model is some connectors whose rounds a test makes one by one, and one store.
type model struct {
	*rapid.T
	store      *fakeStore
	partitions int
	nodes      map[string]*modelled
	made       int
}

// modelled is a connector, its readers, and how its calls to the store fail.
type modelled struct {
	*node
	leave   context.CancelFunc
	readers sync.WaitGroup
	fails   string // "", "list", "claim", or "answer": written, but the answer is lost
}

func (m *model) join() {
	m.made++
	id := fmt.Sprint("node", m.made)
	n := &modelled{node: newNode(m, m.store, id, rapid.Uint64().Draw(m.T, "seed"), m.partitions)}
	ctx, leave := context.WithCancel(context.Background())
	n.leave = leave
	for _, p := range parts(m.partitions) {
		n.readers.Go(func() {
			for {
				reading, err := n.Acquire(ctx, p)
				if err != nil {
					return
				}
				<-reading.Done()
			}
		})
	}
	m.nodes[id] = n
	synctest.Wait()
}

func (m *model) any() *modelled {
	var ids []string
	for i := range m.made + 1 {
		if id := fmt.Sprint("node", i); m.nodes[id] != nil {
			ids = append(ids, id)
		}
	}
	if len(ids) == 0 {
		m.join()
		return m.any()
	}
	return m.nodes[rapid.SampledFrom(ids).Draw(m.T, "node")]
}

// fail is the store's: as the node's calls are to fail now.
func (m *model) fail(me, op string) (error, bool) {
	n := m.nodes[me]
	if n == nil || n.fails == "" || n.fails == "list" && op == "claim" || n.fails != "list" && op == "list" {
		return nil, false
	}
	return errStore, n.fails == "answer"
}

// taking checks a change of owner: a lease is taken when it has expired, and then its old owner knows; or from who has
// at least two more.
func (m *model) taking(old, new delivery.Ownership, now time.Time) {
	if old.Owner == "" || new.Owner == "" {
		return
	}
	if now.Sub(old.Renewed) >= expiry {
		if owner := m.nodes[old.Owner]; owner != nil && owner.Held(old.Partition) == nil {
			m.Fatalf("partition %s went from %s to %s, and the old owner may still write checkpoints", old.Partition, old.Owner, new.Owner)
		}
		return
	}
	count := map[string]int{}
	for _, r := range m.store.records {
		count[r.Owner]++
	}
	if count[old.Owner]-count[new.Owner] < 2 {
		m.Fatalf("%s, which has %d, took a fresh lease from %s, which has %d", new.Owner, count[new.Owner], old.Owner, count[old.Owner])
	}
}

func (m *model) crash(n *modelled) {
	delete(m.nodes, n.id)
	n.leave()
	n.readers.Wait()
}

func (m *model) stop(n *modelled) {
	n.leave()
	n.readers.Wait()
	for _, p := range n.holding() {
		ctx, cancel := context.WithTimeout(context.Background(), time.Second)
		if err := n.Release(ctx, p); err != nil && n.fails == "" {
			m.Fatalf("release: %v", err)
		}
		cancel()
	}
	delete(m.nodes, n.id)
}

// settle has every node make rounds for a while.
func (m *model) settle(rounds int) {
	for range rounds {
		elapse(interval)
		for i := range m.made + 1 {
			if n := m.nodes[fmt.Sprint("node", i)]; n != nil {
				n.round(context.Background())
			}
		}
	}
}

// check looks whether every partition has one reader, and each node its share.
func (m *model) check() {
	if len(m.nodes) == 0 {
		m.join()
	}
	m.settle(8 + m.partitions) // an expiry, and then one partition a round
	least, most := m.partitions, 0
	owner := map[string]string{}
	for id, n := range m.nodes {
		mine := n.holding()
		least, most = min(least, len(mine)), max(most, len(mine))
		for _, p := range mine {
			if owner[p] != "" || n.Held(p) != nil || m.store.owners()[p] != id {
				m.Errorf("%s reads partition %s, which %q reads; the record says %s; held: %v", id, p, owner[p], m.store.owners()[p], n.Held(p))
			}
			owner[p] = id
		}
	}
	if len(owner) != m.partitions || most-least > 1 {
		m.Errorf("%d of %d partitions are read; between %d and %d by each of %d", len(owner), m.partitions, least, most, len(m.nodes))
	}
	before := m.store.changed()
	m.settle(6)
	if after := m.store.changed(); fmt.Sprint(before) != fmt.Sprint(after) {
		m.Errorf("owners change although it is settled: %v, then %v", before, after)
	}
}

// Whatever comes and goes and fails, with whatever clock: each partition gets one owner, nobody loses a lease that is
// fresh but to even things out, and then it stays.
func TestConnectorsComeToShareThePartitionsWhateverHappens(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		rapid.Check(struct{ testing.TB }{t}, func(t *rapid.T) { // who hides Deadline, which a bubble does not have
			m := &model{T: t, store: newStore(), partitions: rapid.IntRange(1, 9).Draw(t, "partitions"), nodes: map[string]*modelled{}}
			m.store.ahead = time.Duration(rapid.IntRange(-7200, 7200).Draw(t, "clock")) * time.Second
			m.store.fail, m.store.taking = m.fail, m.taking
			defer func() {
				for _, n := range m.nodes {
					m.crash(n)
				}
			}()
			t.Repeat(map[string]func(*rapid.T){
				"join": func(*rapid.T) {
					if len(m.nodes) < 5 {
						m.join()
					}
				},
				"round":  func(*rapid.T) { m.any().round(context.Background()) },
				"rounds": func(*rapid.T) { m.settle(1) },
				"wait":   func(t *rapid.T) { elapse(time.Duration(rapid.IntRange(1, 40).Draw(t, "seconds")) * time.Second) },
				"fail": func(t *rapid.T) {
					m.any().fails = rapid.SampledFrom([]string{"", "", "list", "claim", "answer"}).Draw(t, "how")
				},
				"crash": func(*rapid.T) { m.crash(m.any()) },
				"stop":  func(*rapid.T) { m.stop(m.any()) },
			})
			for _, n := range m.nodes {
				n.fails = ""
			}
			m.check()
		})
	})
}

// F16: for two minutes somebody joins or leaves every five seconds.
func TestWhileConnectorsComeAndGoFewPartitionsChangeHands(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStore()
		stay := start(t, s, "stays", 8)
		elapse(2 * interval)
		before := s.changed()
		var others []*node
		random := rand.New(rand.NewPCG(7, 7))
		for i := range 24 {
			if len(others) > 0 && random.IntN(2) == 0 {
				leaving := others[0]
				others = others[1:]
				if i%4 == 0 {
					leaving.kill()
				} else {
					leaving.stop(0)
				}
			} else {
				others = append(others, start(t, s, fmt.Sprint("comes", i), 8))
			}
			elapse(5 * time.Second)
		}
		most := 0
		for id, n := range s.changed() {
			most = max(most, n-before[id])
		}
		if most > 8 {
			t.Errorf("a partition changed hands %d times in 24 events", most)
		}
		elapse(2 * time.Minute)
		all := append(others, stay)
		got := map[string]bool{}
		for _, n := range all {
			mine := n.holding()
			if least := 8 / len(all); len(mine) < least || len(mine) > least+1 {
				t.Errorf("%s of %d has %v", n.id, len(all), mine)
			}
			for _, id := range mine {
				got[id] = true
			}
		}
		if len(got) != 8 {
			t.Errorf("%v are read", got)
		}
		for _, n := range all {
			n.kill()
		}
	})
}
