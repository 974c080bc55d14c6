package platform

import (
	"container/list"
	"runtime"
	"sync"
	"time"
	"weak"

	"azx/internal/delivery"
	"azx/internal/mapping"
)

// knowledge is what the platform said about a Thing.
type knowledge struct {
	table *mapping.Table // nil: nothing can be written, for the reason in outcome
	// outcome is that of the Thing's messages while there is no table.
	outcome delivery.Outcome
	asked   time.Time     // when the answer came
	until   time.Time     // when it has to be asked for again
	parked  bool          // the Thing did not answer; whatever is sent to it is a probe
	pause   time.Duration // between probes
	stays   bool          // Missing or Moved could do nothing about it
}

// tables keeps what is known of a lane's Things: a bounded number of them, the least recently used leaves.
type tables struct {
	most   int
	shared *interner

	mu      sync.Mutex
	entries map[string]*list.Element // of *entry
	recent  list.List                // most recently used first
	forgets int                      // counts forget: an answer that was under way by then is not kept
	parked  int                      // entries that are
}

type entry struct {
	thing string
	knowledge
}

func newTables(most int, shared *interner) *tables {
	return &tables{most: most, shared: shared, entries: map[string]*list.Element{}}
}

// get returns what is known of a Thing, also if it is out of date.
func (t *tables) get(thing string) (knowledge, bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	at, ok := t.entries[thing]
	if !ok {
		return knowledge{}, false
	}
	t.recent.MoveToFront(at)
	return at.Value.(*entry).knowledge, true
}

// needsQuestion reports whether a turn of the Thing starts with asking for it.
func (t *tables) needsQuestion(thing string) bool {
	k, ok := t.get(thing)
	return !ok || !time.Now().Before(k.until)
}

// put keeps k unless forget was called since mark.
func (t *tables) put(thing string, k knowledge, mark int) knowledge {
	if k.table != nil {
		k.table = t.shared.share(k.table)
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.forgets != mark {
		return k
	}
	if at, ok := t.entries[thing]; ok {
		t.change(at.Value.(*entry), k)
		t.recent.MoveToFront(at)
		return k
	}
	e := &entry{thing: thing}
	t.change(e, k)
	t.entries[thing] = t.recent.PushFront(e)
	if len(t.entries) > t.most {
		oldest := t.recent.Remove(t.recent.Back()).(*entry)
		t.change(oldest, knowledge{})
		delete(t.entries, oldest.thing)
	}
	return k
}

// change replaces what an entry says, and keeps count.
func (t *tables) change(e *entry, k knowledge) {
	if e.parked {
		t.parked--
	}
	if k.parked {
		t.parked++
	}
	e.knowledge = k
}

// unpark notes that a Thing answers again.
func (t *tables) unpark(thing string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if at, ok := t.entries[thing]; ok {
		e := at.Value.(*entry)
		k := e.knowledge
		k.parked, k.pause = false, 0
		t.change(e, k)
	}
}

func (t *tables) parkedThings() int {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.parked
}

func (t *tables) mark() int {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.forgets
}

// forget makes what is known of a Thing out of date. Whether it existed is remembered.
func (t *tables) forget(thing string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.forgets++
	if at, ok := t.entries[thing]; ok {
		at.Value.(*entry).until = time.Time{}
	}
}

// forgetAll does the same for all Things.
func (t *tables) forgetAll() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.forgets++
	for _, at := range t.entries {
		at.Value.(*entry).until = time.Time{}
	}
}

// interner lets Things with equal properties share one table. It keeps no table alive.
type interner struct {
	mu     sync.Mutex
	tables map[string]weak.Pointer[mapping.Table] // by fingerprint
}

func newInterner() *interner { return &interner{tables: map[string]weak.Pointer[mapping.Table]{}} }

func (i *interner) share(t *mapping.Table) *mapping.Table {
	print := t.Fingerprint()
	i.mu.Lock()
	defer i.mu.Unlock()
	if known := i.tables[print].Value(); known != nil {
		return known
	}
	i.tables[print] = weak.Make(t)
	runtime.AddCleanup(t, i.drop, print)
	return t
}

// drop forgets a table that was collected, unless an equal one took its place.
func (i *interner) drop(print string) {
	i.mu.Lock()
	defer i.mu.Unlock()
	if p, ok := i.tables[print]; ok && p.Value() == nil {
		delete(i.tables, print)
	}
}
