package history

import (
	"cmp"
	"math"
	"slices"
	"sort"
)

// index knows where in the log the entries of each property are.
type index struct {
	things  map[string]map[string]*series // by Thing and property
	numbers map[uint64]*series
}

// series are the places of a property's entries, by time.
type series struct {
	number uint64
	places []place
}

// place is where an entry is.
type place struct {
	time    int64
	arrival uint64
}

func newIndex() *index {
	return &index{things: map[string]map[string]*series{}, numbers: map[uint64]*series{}}
}

// name gives a number to a property.
func (x *index) name(thing, property string, number uint64) {
	properties := x.things[thing]
	if properties == nil {
		properties = map[string]*series{}
		x.things[thing] = properties
	}
	s := &series{number: number}
	properties[property], x.numbers[number] = s, s
}

// numberOf tells the number of a property; 0 if it has none.
func (x *index) numberOf(thing, property string) uint64 {
	if s := x.things[thing][property]; s != nil {
		return s.number
	}
	return 0
}

// arrivalOf tells where an entry is; 0 if it is nowhere.
func (x *index) arrivalOf(at spot) uint64 {
	s := x.numbers[at.number]
	if s == nil {
		return 0
	}
	if i := s.from(at.time); i < len(s.places) && s.places[i].time == at.time {
		return s.places[i].arrival
	}
	return 0
}

func (x *index) add(at spot, arrival uint64) {
	s := x.numbers[at.number]
	s.places = slices.Insert(s.places, s.from(at.time), place{at.time, arrival})
}

// remove forgets where an entry is. It is the first of its series, unless values came late.
func (x *index) remove(at spot) {
	s := x.numbers[at.number]
	if s == nil {
		return
	}
	switch i := s.from(at.time); i {
	case len(s.places): // it is not there
	case 0:
		s.places = s.places[1:]
	default:
		s.places = slices.Delete(s.places, i, i+1)
	}
}

// forget drops a Thing, and returns where its entries are.
func (x *index) forget(thing string) (arrivals []uint64) {
	for _, s := range x.things[thing] {
		for _, p := range s.places {
			arrivals = append(arrivals, p.arrival)
		}
		delete(x.numbers, s.number)
	}
	delete(x.things, thing)
	slices.Sort(arrivals)
	return arrivals
}

// sort puts places in order that were added to the ends of their series.
func (x *index) sort() {
	for _, s := range x.numbers {
		slices.SortFunc(s.places, func(a, b place) int { return cmp.Compare(a.time, b.time) })
	}
}

// from is the index of the first place of a time or later. Most are asked for the end.
func (s *series) from(time int64) int {
	if n := len(s.places); n == 0 || s.places[n-1].time < time {
		return n
	}
	return sort.Search(len(s.places), func(i int) bool { return s.places[i].time >= time })
}

// pick is a place that a query asks for.
type pick struct {
	place
	property string
}

// find gives the places that a query asks for, in its order.
func (x *index) find(q Query) []pick {
	var streams []stream[pick]
	for property, s := range x.things[q.Thing] {
		if !q.wants(property) {
			continue
		}
		from, to := q.bounds()
		end := len(s.places)
		if to < math.MaxInt64 {
			end = s.from(to + 1)
		}
		streams = append(streams, &placeRun{property, run[place]{s.places[min(s.from(from), end):end], !q.Oldest}})
	}
	return merge(streams, q)
}

// placeRun is the part of a series that a query asks for.
type placeRun struct {
	property string
	run[place]
}

func (r *placeRun) head() (property string, time int64, ok bool) {
	p, ok := r.peek()
	return r.property, p.time, ok
}

func (r *placeRun) take() pick { return pick{r.pop(), r.property} }
