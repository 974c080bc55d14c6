package history

import (
	"errors"
	"math"
	"slices"
	"sort"
	"sync"
)

// memory is a History without a file.
type memory struct {
	options Options

	mu       sync.Mutex
	things   map[string]map[string]*values // by Thing and property
	arrivals []*kept                       // in their order
	size     Size
	closed   bool
}

// values are the entries of a property, by time.
type values struct{ items []*kept }

type kept struct {
	Entry
	size int64
}

var errClosed = errors.New("the history is closed")

// Memory returns a history that is kept until the process ends, or Close.
func Memory(o Options) History {
	return &memory{options: o.orDefault(100_000, 64<<20), things: map[string]map[string]*values{}}
}

func (m *memory) Append(entries []Entry) error {
	all, err := m.options.encode(entries)
	if err != nil {
		return err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.closed {
		return errClosed
	}
	for i := range all {
		m.add(&all[i])
	}
	for m.options.exceeded(m.size) {
		m.drop(m.arrivals[0])
		m.arrivals[0] = nil
		m.arrivals = m.arrivals[1:]
	}
	return nil
}

func (m *memory) add(e *encoded) {
	properties := m.things[e.Thing]
	if properties == nil {
		properties = map[string]*values{}
		m.things[e.Thing] = properties
	}
	s := properties[e.Property]
	if s == nil {
		s = &values{}
		properties[e.Property] = s
	}
	m.size.Bytes += e.size()
	i := s.from(e.Time)
	if i < len(s.items) && s.items[i].Time == e.Time {
		m.size.Bytes -= s.items[i].size
		s.items[i].Entry, s.items[i].size = e.Entry, e.size()
		return
	}
	k := &kept{e.Entry, e.size()}
	s.items = slices.Insert(s.items, i, k)
	m.arrivals = append(m.arrivals, k)
	m.size.Entries++
}

// drop takes an entry out of its property's. That is the first one, unless values came late.
func (m *memory) drop(k *kept) {
	properties := m.things[k.Thing]
	s := properties[k.Property]
	if i := s.from(k.Time); i == 0 {
		s.items[0] = nil
		s.items = s.items[1:]
	} else {
		s.items = slices.Delete(s.items, i, i+1)
	}
	m.size.Entries--
	m.size.Bytes -= k.size
	if len(s.items) > 0 {
		return
	}
	delete(properties, k.Property)
	if len(properties) == 0 {
		delete(m.things, k.Thing)
	}
}

// from is the index of the first item of a time or later.
func (s *values) from(time int64) int {
	return sort.Search(len(s.items), func(i int) bool { return s.items[i].Time >= time })
}

func (m *memory) Query(q Query) ([]Entry, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.closed {
		return nil, errClosed
	}
	var streams []stream[Entry]
	for property, s := range m.things[q.Thing] {
		if !q.wants(property) {
			continue
		}
		from, to := q.bounds()
		end := len(s.items)
		if to < math.MaxInt64 {
			end = s.from(to + 1)
		}
		streams = append(streams, &valueRun{run[*kept]{s.items[min(s.from(from), end):end], !q.Oldest}})
	}
	return merge(streams, q), nil
}

// valueRun is the part of a property's values that a query asks for.
type valueRun struct{ run[*kept] }

func (r *valueRun) head() (property string, time int64, ok bool) {
	k, ok := r.peek()
	if !ok {
		return "", 0, false
	}
	return k.Property, k.Time, true
}

func (r *valueRun) take() Entry { return r.pop().Entry }

func (m *memory) Purge(thing string) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.closed {
		return errClosed
	}
	m.arrivals = slices.DeleteFunc(m.arrivals, func(k *kept) bool {
		if k.Thing != thing {
			return false
		}
		m.size.Entries--
		m.size.Bytes -= k.size
		return true
	})
	delete(m.things, thing)
	return nil
}

func (m *memory) Size() (Size, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.closed {
		return Size{}, errClosed
	}
	return m.size, nil
}

func (m *memory) Close() error {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.closed, m.things, m.arrivals = true, nil, nil
	return nil
}
