package quarantine

import "sync"

// Tally is a number of records and the bytes that they take on disk.
type Tally struct {
	Records    int   `json:"records"`
	Bytes      int64 `json:"bytes"`
	Superseded int   `json:"superseded,omitempty"` // of the records
}

// book is the account of a store's lines: which records are there, what they are settled as, and how much each file holds
// by reason. It takes about a bit for a record, and some bytes for one that is settled until the disk is freed of it.
type book struct {
	mu       sync.Mutex
	present  map[uint64]*[8]uint64 // by id/512, a bit for a record that is on disk
	states   map[uint64]State      // of those that are not open
	segments []*page               // in the order of the files
	settling map[uint64]bool       // records about which a line is being written
}

// page is the account of one file.
type page struct {
	segment *segment
	tallies map[string]Tally // by reason
	dead    int64            // bytes of lines that mean nothing any more
}

// lineAccount is what the account needs of a line.
type lineAccount struct {
	id      uint64
	reason  string // "" if the line is no record
	bytes   int64
	settles *settlement
}

func (l *storeLine) account(bytes int64) lineAccount {
	return lineAccount{l.ID, l.Reason, bytes, l.Settles}
}

func newBook() *book {
	return &book{present: map[uint64]*[8]uint64{}, states: map[uint64]State{}, settling: map[uint64]bool{}}
}

// add takes in a line of a file, which is the last file or a new one.
func (b *book) add(in *segment, l lineAccount) {
	b.mu.Lock()
	defer b.mu.Unlock()
	last := len(b.segments) - 1
	if last < 0 || b.segments[last].segment != in {
		b.segments = append(b.segments, &page{segment: in, tallies: map[string]Tally{}})
		last++
	}
	at := b.segments[last]
	if l.reason != "" {
		b.note(l.id, true)
		at.change(l.reason, 1, l.bytes, 0)
	}
	if s := l.settles; s != nil {
		if !b.settle(s) && l.reason == "" {
			at.dead += l.bytes
		}
	}
}

// settle takes in what a line says about an earlier record; false if that one is not there any more.
func (b *book) settle(s *settlement) bool {
	at := b.pageOf(s.ID)
	if at == nil || !b.has(s.ID) {
		return false
	}
	before := b.states[s.ID]
	b.states[s.ID] = s.As
	switch {
	case before == s.As || before.gone():
	case s.As == Superseded:
		at.change(s.Reason, 0, 0, 1)
	default:
		superseded := 0
		if before == Superseded {
			superseded = -1
		}
		at.change(s.Reason, -1, -s.Bytes, superseded)
		at.dead += s.Bytes
	}
	return true
}

func (p *page) change(reason string, records int, bytes int64, superseded int) {
	t := p.tallies[reason]
	t.Records, t.Bytes, t.Superseded = t.Records+records, t.Bytes+bytes, t.Superseded+superseded
	p.tallies[reason] = t
	if t.Records == 0 {
		delete(p.tallies, reason)
	}
}

// pageOf is the file in which a record is, if it is there; nil if no file can have it.
func (b *book) pageOf(id uint64) *page {
	for i := len(b.segments) - 1; i >= 0; i-- {
		if b.segments[i].segment.first <= id {
			return b.segments[i]
		}
	}
	return nil
}

func (b *book) note(id uint64, present bool) {
	bits := b.present[id/512]
	if bits == nil {
		bits = new([8]uint64)
		b.present[id/512] = bits
	}
	if mask := uint64(1) << (id % 64); present {
		bits[id%512/64] |= mask
	} else {
		bits[id%512/64] &^= mask
	}
	if *bits == [8]uint64{} {
		delete(b.present, id/512)
	}
}

func (b *book) has(id uint64) bool {
	bits := b.present[id/512]
	return bits != nil && bits[id%512/64]&(1<<(id%64)) != 0
}

// begin reports whether a record is there and its state may change to this one. If so nobody else may until end.
func (b *book) begin(id uint64, as State) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	now := b.states[id]
	if b.settling[id] || !b.has(id) || now != Open && (now != Superseded || as != Dropped && as != Expired) {
		return false
	}
	b.settling[id] = true
	return true
}

func (b *book) end(id uint64) {
	b.mu.Lock()
	defer b.mu.Unlock()
	delete(b.settling, id)
}

// keeps reports whether a line still means something: a record that is not history, or what is said about one that is there.
func (b *book) keeps(l lineAccount) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	if l.reason != "" && !b.states[l.id].gone() {
		return true
	}
	return l.settles != nil && b.has(l.settles.ID)
}

// removed takes a record out that is not on disk any more.
func (b *book) removed(id uint64) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.note(id, false)
	delete(b.states, id)
}

// sifted notes that a file has no dead lines any more, or is not there at all.
func (b *book) sifted(in *segment, there bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for i, p := range b.segments {
		if p.segment == in && there {
			p.dead = 0
		} else if p.segment == in {
			b.segments = append(b.segments[:i:i], b.segments[i+1:]...)
			return
		}
	}
}

// taken notes that somebody has taken a file away; next is the first id of the file behind it.
func (b *book) taken(in *segment, next uint64) {
	b.sifted(in, false)
	b.mu.Lock()
	defer b.mu.Unlock()
	for of := range b.present {
		for id := max(of*512, in.first); id < min(of*512+512, next); id++ {
			b.note(id, false)
			delete(b.states, id)
		}
	}
}

func (b *book) dead(in *segment) int64 {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, p := range b.segments {
		if p.segment == in {
			return p.dead
		}
	}
	return 0
}

func (b *book) counts() map[string]Tally {
	b.mu.Lock()
	defer b.mu.Unlock()
	sum := map[string]Tally{}
	for _, p := range b.segments {
		for reason, t := range p.tallies {
			s := sum[reason]
			sum[reason] = Tally{s.Records + t.Records, s.Bytes + t.Bytes, s.Superseded + t.Superseded}
		}
	}
	return sum
}

func (b *book) bytesOf(reason string) (n int64) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, p := range b.segments {
		n += p.tallies[reason].Bytes
	}
	return n
}
