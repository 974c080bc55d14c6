package history

import (
	"bytes"
	"fmt"

	bolt "go.etcd.io/bbolt"
)

// removeAtOnce is how many entries a commit removes that has nothing else to do.
const removeAtOnce = 10_000

// writer changes the file in one transaction, and remembers what that means for the index.
type writer struct {
	index      *index // as it was before
	names, log *bolt.Bucket
	totals     totals

	named   []named
	numbers map[string]uint64 // of named, by their key
	added   []spot            // in the order of arrivals, which end with totals.lastArrival
	places  map[spot]uint64   // of added
	removed []spot
}

// named is a property that got a number.
type named struct {
	thing, property string
	number          uint64
}

// update runs a change in a transaction and in the index. The caller has the turn.
func (d *DB) update(change func(w *writer) error) error {
	w := &writer{index: d.index, numbers: map[string]uint64{}, places: map[spot]uint64{}}
	err := d.file.Update(func(tx *bolt.Tx) (err error) {
		w.names, w.log = tx.Bucket([]byte(bucketNames)), tx.Bucket([]byte(bucketLog))
		w.log.FillPercent = 1 // entries come in the order of their keys
		if w.totals, err = totalsIn(tx); err != nil {
			return err
		}
		if err = change(w); err != nil {
			return err
		}
		return tx.Bucket([]byte(bucketTotals)).Put([]byte(keyTotals), w.totals.record())
	})
	if err != nil {
		d.doubt = true
		return err
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, n := range w.named {
		d.index.name(n.thing, n.property, n.number)
	}
	for i, at := range w.added {
		d.index.add(at, w.totals.lastArrival-uint64(len(w.added)-1-i))
	}
	for _, at := range w.removed {
		d.index.remove(at)
	}
	return nil
}

// write adds the entries of several callers. The caller has the turn.
func (d *DB) write(batch [][]encoded) error {
	if d.doubt {
		if err := d.load(); err != nil {
			return err
		}
	}
	return d.update(func(w *writer) error {
		for _, entries := range batch {
			for i := range entries {
				if err := w.add(&entries[i]); err != nil {
					return err
				}
			}
		}
		return w.removeOldest(d.options, int(w.totals.Entries))
	})
}

func (w *writer) add(e *encoded) error {
	number, err := w.number(e.Thing, e.Property)
	if err != nil {
		return err
	}
	at := spot{number, e.Time}
	arrival := w.index.arrivalOf(at)
	if arrival == 0 {
		arrival = w.places[at]
	}
	if arrival != 0 {
		return w.replace(arrival, number, e)
	}
	w.totals.lastArrival++
	w.totals.Entries++
	w.totals.Bytes += e.size()
	w.added = append(w.added, at)
	w.places[at] = w.totals.lastArrival
	key := appendNumber(nil, w.totals.lastArrival)
	return w.log.Put(key, logRecord(key, number, e))
}

// replace writes an entry over that of the same property and time, unless they are the same.
func (w *writer) replace(arrival, number uint64, e *encoded) error {
	key := appendNumber(nil, arrival)
	old, record := w.log.Get(key), logRecord(key, number, e)
	if bytes.Equal(old, record) {
		return nil
	}
	_, size, err := readHead(key, old)
	if err != nil {
		return err
	}
	w.totals.Bytes += e.size() - size
	return w.log.Put(key, record)
}

// number gives the number of a property, a new one if it has none.
func (w *writer) number(thing, property string) (uint64, error) {
	if n := w.index.numberOf(thing, property); n != 0 {
		return n, nil
	}
	key := nameKey(thing, property)
	if n := w.numbers[string(key)]; n != 0 {
		return n, nil
	}
	w.totals.lastNumber++
	n := w.totals.lastNumber
	w.numbers[string(key)] = n
	w.named = append(w.named, named{thing, property, n})
	return n, w.names.Put(key, sealed(key, appendNumber(nil, n)))
}

// removeOldest removes entries while a bound is exceeded, but not more than most.
func (w *writer) removeOldest(o Options, most int) error {
	var oldest [][]byte
	c := w.log.Cursor()
	for key, record := c.First(); key != nil && o.exceeded(w.totals.Size) && len(oldest) < most; key, record = c.Next() {
		oldest = append(oldest, bytes.Clone(key))
		if err := w.uncount(key, record); err != nil {
			return err
		}
	}
	return w.delete(oldest)
}

// uncount takes an entry out of the totals and, later, out of the index.
func (w *writer) uncount(key, record []byte) error {
	at, size, err := readHead(key, record)
	w.totals.Entries--
	w.totals.Bytes -= size
	w.removed = append(w.removed, at)
	return err
}

func (w *writer) delete(keys [][]byte) error {
	for _, key := range keys {
		if err := w.log.Delete(key); err != nil {
			return err
		}
	}
	return nil
}

// trim removes what is over the bounds, little by little. The caller has the turn.
func (d *DB) trim() error {
	for {
		size, err := d.Size()
		if err != nil || !d.options.exceeded(size) {
			return err
		}
		if err := d.update(func(w *writer) error { return w.removeOldest(d.options, removeAtOnce) }); err != nil {
			return err
		}
	}
}

// Purge is documented at History. The Thing's properties lose their numbers at once and for good; what has the numbers goes
// little by little, and an append in between need not wait for all of it.
func (d *DB) Purge(thing string) error {
	var left []uint64
	err := d.commits.Alone(func() (err error) {
		left, err = d.forget(thing)
		return err
	})
	for err == nil && len(left) > 0 {
		err = d.commits.Alone(func() (err error) {
			left, err = d.removeSome(left)
			return err
		})
	}
	if err != nil {
		return fmt.Errorf("purge history of %s: %w", thing, err)
	}
	return nil
}

// forget takes the names of a Thing's properties away, and returns where their entries are. The caller has the turn.
func (d *DB) forget(thing string) ([]uint64, error) {
	if d.doubt {
		if err := d.load(); err != nil {
			return nil, err
		}
	}
	err := d.update(func(w *writer) error {
		for property := range d.index.things[thing] {
			if err := w.names.Delete(nameKey(thing, property)); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.index.forget(thing), nil
}

// removeSome removes the first of the entries that nobody knows any more, and returns the rest. The caller has the turn.
func (d *DB) removeSome(arrivals []uint64) (left []uint64, err error) {
	some := arrivals[:min(len(arrivals), removeAtOnce)]
	return arrivals[len(some):], d.update(func(w *writer) error {
		var keys [][]byte
		for _, arrival := range some {
			key := appendNumber(nil, arrival)
			record := w.log.Get(key)
			if record == nil {
				continue // it was the oldest meanwhile
			}
			keys = append(keys, key)
			if err := w.uncount(key, record); err != nil {
				return err
			}
		}
		return w.delete(keys)
	})
}
