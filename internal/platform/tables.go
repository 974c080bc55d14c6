package platform

import (
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

	began time.Time // what entries count their times from

	mu      sync.Mutex
	entries map[string]*node[entry]
	recent  byUse[entry]
	forgets int // counts forget: an answer that was under way by then is not kept
	parked  int // entries that are
}

// entry is what is kept of a Thing. There is one for each known Thing, so it is small.
type entry struct {
	thing        string
	table        *mapping.Table
	asked, until time.Duration // since tables.began; until is 0 if it is to be asked for again at once
	more         *knowledge    // all that is known, where that is more than the table; nil: it is not
}

// keep makes an entry say k.
func (t *tables) keep(e *entry, k knowledge) {
	e.table, e.asked, e.until, e.more = k.table, k.asked.Sub(t.began), max(k.until.Sub(t.began), 0), nil
	k.asked, k.until = time.Time{}, time.Time{}
	if k != (knowledge{table: k.table}) {
		e.more = &k
	}
}

// said is what an entry was made to say.
func (t *tables) said(e *entry) knowledge {
	k := knowledge{table: e.table}
	if e.more != nil {
		k = *e.more
	}
	k.asked, k.until = t.began.Add(e.asked), t.began.Add(e.until)
	return k
}

func newTables(most int, shared *interner) *tables {
	return &tables{most: most, shared: shared, began: time.Now(), entries: map[string]*node[entry]{}}
}

// get returns what is known of a Thing, also if it is out of date.
func (t *tables) get(thing string) (knowledge, bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	at, ok := t.entries[thing]
	if !ok {
		return knowledge{}, false
	}
	t.recent.used(at)
	return t.said(&at.of), true
}

// needsQuestion reports whether a turn of the Thing starts with asking for it.
func (t *tables) needsQuestion(thing string) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	at, ok := t.entries[thing]
	return !ok || time.Since(t.began) >= at.of.until
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
		t.change(&at.of, k)
		t.recent.used(at)
		return k
	}
	added := t.recent.add(entry{thing: thing})
	t.change(&added.of, k)
	t.entries[thing] = added
	if len(t.entries) > t.most {
		oldest := t.recent.last
		t.recent.remove(oldest)
		t.change(&oldest.of, knowledge{})
		delete(t.entries, oldest.of.thing)
	}
	return k
}

// change replaces what an entry says, and keeps count.
func (t *tables) change(e *entry, k knowledge) {
	if e.more != nil && e.more.parked {
		t.parked--
	}
	if k.parked {
		t.parked++
	}
	t.keep(e, k)
}

// unpark notes that a Thing answers again.
func (t *tables) unpark(thing string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if at, ok := t.entries[thing]; ok {
		k := t.said(&at.of)
		k.parked, k.pause = false, 0
		t.change(&at.of, k)
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
		at.of.until = 0
	}
}

// forgetAll does the same for all Things.
func (t *tables) forgetAll() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.forgets++
	for _, at := range t.entries {
		at.of.until = 0
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
