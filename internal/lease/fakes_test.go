package lease

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"math/rand/v2"
	"slices"
	"strconv"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"

	"azx/internal/delivery"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const (
	interval = 10 * time.Second
	expiry   = 30 * time.Second
)

var errStore = errors.New("503")

// fakeStore keeps records in memory, with a clock of its own.
type fakeStore struct {
	mu      sync.Mutex
	records map[string]delivery.Ownership
	version int
	ahead   time.Duration // of the local clock
	latency time.Duration
	writes  map[string]int // by owner
	changes map[string]int // of the owner, by partition; not to ""
	// fail decides over a call: of a process's list ("list"), or its claim ("claim"). Of a claim that fails with lost, the
	// record is written all the same.
	fail func(me, op string) (err error, lost bool)
	// taking hears of a record that changes its owner.
	taking func(old, new delivery.Ownership, now time.Time)
}

func newStore() *fakeStore {
	return &fakeStore{records: map[string]delivery.Ownership{}, writes: map[string]int{}, changes: map[string]int{}}
}

func (s *fakeStore) now() time.Time { return time.Now().Add(s.ahead).Truncate(time.Second) }

func (s *fakeStore) set(change func()) { s.mu.Lock(); defer s.mu.Unlock(); change() }

// changed returns how often each partition got another owner.
func (s *fakeStore) changed() map[string]int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return maps.Clone(s.changes)
}

func (s *fakeStore) written(owner string) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.writes[owner]
}

func (s *fakeStore) owners() map[string]string {
	s.mu.Lock()
	defer s.mu.Unlock()
	all := map[string]string{}
	for id, r := range s.records {
		all[id] = r.Owner
	}
	return all
}

// as is the store as one process reaches it.
type as struct {
	*fakeStore
	me string
}

func (s as) call(ctx context.Context, op string) (error, bool) {
	if s.latency > 0 {
		select {
		case <-time.After(s.latency):
		case <-ctx.Done():
			return ctx.Err(), false
		}
	}
	if ctx.Err() != nil {
		return ctx.Err(), false
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.fail == nil {
		return nil, false
	}
	return s.fail(s.me, op)
}

func (s as) Ownerships(ctx context.Context) ([]delivery.Ownership, time.Time, error) {
	if err, _ := s.call(ctx, "list"); err != nil {
		return nil, time.Time{}, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	var list []delivery.Ownership
	for _, r := range s.records {
		list = append(list, r)
	}
	return list, s.now(), nil
}

func (s as) Claim(ctx context.Context, o delivery.Ownership) (delivery.Ownership, bool, error) {
	err, lost := s.call(ctx, "claim")
	if err != nil && !lost {
		return delivery.Ownership{}, false, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	old := s.records[o.Partition]
	if old.Version != o.Version {
		return delivery.Ownership{}, false, err
	}
	s.version++
	o.Version, o.Renewed = strconv.Itoa(s.version), s.now()
	if s.taking != nil && old.Owner != o.Owner {
		s.taking(old, o, s.now())
	}
	if o.Owner != "" && o.Owner != old.Owner {
		s.changes[o.Partition]++
	}
	s.writes[o.Owner]++
	s.records[o.Partition] = o
	return o, err == nil, err
}

// leaving is a store during whose first claim somebody leaves.
type leaving struct {
	as
	leave func()
}

func (s leaving) Claim(ctx context.Context, o delivery.Ownership) (delivery.Ownership, bool, error) {
	s.leave()
	<-time.After(time.Second)
	return s.as.Claim(ctx, o)
}

// fakeMeter keeps what it hears.
type fakeMeter struct {
	mu     sync.Mutex
	events []string
}

func (m *fakeMeter) add(what string) { m.mu.Lock(); m.events = append(m.events, what); m.mu.Unlock() }

func (m *fakeMeter) LeaseGained(id string, how How) { m.add("gained " + id + " " + string(how)) }
func (m *fakeMeter) LeaseLost(id string, how How)   { m.add("lost " + id + " " + string(how)) }
func (m *fakeMeter) LeaseFailed(id string)          { m.add("failed " + id) }

func (m *fakeMeter) heard(what string) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	return slices.Contains(m.events, what)
}

// node is a process: a Manager and a reader for each partition.
type node struct {
	*Manager
	id    string
	meter *fakeMeter
	// kill ends it without a word to the store, stop as a process stops that drains for a while. Both wait for its end.
	kill func()
	stop func(drain time.Duration)
}

func parts(n int) (list []string) {
	for i := range n {
		list = append(list, strconv.Itoa(i))
	}
	return list
}

func newNode(t interface{ Fatal(...any) }, s *fakeStore, id string, seed uint64, partitions int) *node {
	meter := &fakeMeter{}
	m, err := New(Options{
		Store: as{s, id}, Hub: "Hub", ID: id, Interval: interval, Expiry: expiry, Grace: time.Minute,
		Random: rand.New(rand.NewPCG(seed, 1)), Meter: meter, Log: slog.New(slog.DiscardHandler),
	}, parts(partitions))
	if err != nil {
		t.Fatal(err)
	}
	return &node{Manager: m, id: id, meter: meter}
}

// start makes a node whose Manager runs, with readers that read until they may not.
func start(t *testing.T, s *fakeStore, id string, partitions int) *node {
	n := newNode(t, s, id, uint64(len(id))+uint64(id[len(id)-1]), partitions)
	stopping, stop := context.WithCancel(t.Context())
	running, kill := context.WithCancel(t.Context())
	var drain time.Duration
	var readers, manager sync.WaitGroup
	for _, p := range parts(partitions) {
		readers.Go(func() {
			for {
				reading, err := n.Acquire(stopping, p)
				if err != nil {
					return
				}
				<-reading.Done()
				if stopping.Err() != nil && running.Err() == nil {
					<-time.After(drain)
					if err := n.Release(running, p); err != nil {
						t.Errorf("%s: %v", id, err)
					}
				}
			}
		})
	}
	manager.Go(func() {
		if err := n.Run(stopping); err != nil {
			t.Errorf("%s: %v", id, err)
		}
	})
	n.kill = func() { kill(); n.o.Grace = 0; stop(); readers.Wait(); manager.Wait() }
	n.stop = func(d time.Duration) { drain = d; stop(); readers.Wait(); manager.Wait(); kill() }
	return n
}

func (n *node) holding() (ids []string) {
	for _, id := range parts(64) {
		if n.holds(id) {
			ids = append(ids, id)
		}
	}
	return ids
}

// spread is how many partitions each of the nodes holds, "1 2 2".
func spread(nodes ...*node) string {
	var counts []int
	for _, n := range nodes {
		counts = append(counts, len(n.holding()))
	}
	slices.Sort(counts)
	text := fmt.Sprint(counts)
	return text[1 : len(text)-1]
}

// elapse lets d of a test's fake time pass.
func elapse(d time.Duration) {
	<-time.After(d)
	synctest.Wait()
}
