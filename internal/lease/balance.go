package lease

import (
	"cmp"
	"maps"
	"math/rand/v2"
	"slices"
	"time"

	"azx/internal/delivery"
)

// view is what a connector knows when it decides: everything but chance.
type view struct {
	me         string
	partitions []string                      // all of the hub
	records    map[string]delivery.Ownership // by partition
	wanted     map[string]bool               // partitions for which a reader waits here
	now        time.Time                     // by the clock of the store, as the times of the records are
	expiry     time.Duration
	patient    bool // no record counts as expired: the others may not have been able to renew
	steal      bool // a partition may be taken from its owner
}

// decision is what to claim: one after the other until so many have succeeded.
type decision struct {
	claims []delivery.Ownership
	want   int
}

// plan decides what to claim. A connector takes free partitions up to its share, at random so that several that start
// together seldom meet, and first one, then as many as it has: those who start together see each other before all is
// taken. If none is free it takes one from the connector that has most, where that has two more or better: afterwards it
// has not fewer, so nobody takes it back.
func (v view) plan(random *rand.Rand) decision {
	counts := v.counts()
	var ours, free []delivery.Ownership
	unowned, overdue := 0, 0
	for _, id := range v.partitions {
		r, recorded := v.records[id]
		claim := delivery.Ownership{Partition: id, Owner: v.me, Version: r.Version}
		switch {
		case recorded && r.Owner == v.me:
			if v.wanted[id] {
				ours = append(ours, claim)
			}
			continue
		case !v.free(r):
			continue
		}
		unowned++
		if v.overdue(r) {
			overdue++
		}
		if v.wanted[id] {
			free = append(free, claim)
		}
	}
	if len(ours) > 0 {
		return decision{ours, len(ours)} // and then what is free, with the next round
	}
	if unowned > 0 {
		shuffle(random, free)
		return decision{free, min(max(v.share(counts, unowned), overdue), max(1, counts[v.me]))}
	}
	if !v.steal {
		return decision{}
	}
	return v.take(victim(counts, v.me), random)
}

// counts returns how many partitions each connector has, with this one, which may have none. Those that have none are
// not known to others.
func (v view) counts() map[string]int {
	counts := map[string]int{v.me: 0}
	for _, id := range v.partitions {
		if r := v.records[id]; r.Owner == v.me || !v.free(r) {
			counts[r.Owner]++
		}
	}
	return counts
}

// free reports whether nobody has the partition of a record, which may be the empty one.
func (v view) free(r delivery.Ownership) bool {
	if r.Owner == "" {
		return true
	}
	age := v.now.Sub(r.Renewed)
	return !v.patient && (age >= v.expiry || age < -v.expiry) // the latter after the clock of the store was put back
}

// overdue reports whether a partition has been free for so long that those whose share it is do not want it: they are
// about to stop, perhaps.
func (v view) overdue(r delivery.Ownership) bool {
	since := v.now.Sub(r.Renewed)
	if r.Owner != "" {
		since -= v.expiry
	}
	return r.Version != "" && since >= v.expiry/2
}

// share returns how many of the unowned partitions this connector may add to its own: up to the fair share rounded
// down, and one more if enough is left for those below theirs.
func (v view) share(counts map[string]int, unowned int) int {
	least := len(v.partitions) / len(counts)
	most := (len(v.partitions) + len(counts) - 1) / len(counts)
	others := 0 // what they lack
	for owner, n := range counts {
		if owner != v.me {
			others += max(0, least-n)
		}
	}
	mine := counts[v.me]
	return max(0, min(most-mine, max(least-mine, unowned-others)))
}

// victim returns from whom one partition goes to me, or "". All who see the same records find the same order, in which
// partitions go from the richest to the poorest until they differ by one at most; so only as many are taken as have to be.
func victim(counts map[string]int, me string) string {
	counts = maps.Clone(counts)
	owners := slices.Sorted(maps.Keys(counts))
	fewer := func(a, b string) int { return cmp.Compare(counts[a], counts[b]) }
	for {
		poor, rich := slices.MinFunc(owners, fewer), slices.MaxFunc(owners, fewer)
		switch {
		case counts[rich]-counts[poor] < 2:
			return ""
		case poor == me:
			return rich
		}
		counts[poor]++
		counts[rich]--
	}
}

// take chooses one of the owner's partitions.
func (v view) take(owner string, random *rand.Rand) decision {
	var all []delivery.Ownership
	for _, id := range v.partitions {
		if r := v.records[id]; owner != "" && r.Owner == owner && v.wanted[id] {
			all = append(all, delivery.Ownership{Partition: id, Owner: v.me, Version: r.Version})
		}
	}
	if len(all) == 0 {
		return decision{}
	}
	return decision{[]delivery.Ownership{all[random.IntN(len(all))]}, 1}
}

func shuffle(random *rand.Rand, list []delivery.Ownership) {
	random.Shuffle(len(list), func(i, j int) { list[i], list[j] = list[j], list[i] })
}
