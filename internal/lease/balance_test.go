package lease

import (
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"azx/internal/delivery"
)

// Greedy processors all choose the first ones there are.
func TestThoseWhoStartTogetherChooseAtRandom(t *testing.T) {
	chosen := map[string]int{}
	for seed := range uint64(1000) {
		wanted := map[string]bool{}
		for _, id := range parts(8) {
			wanted[id] = true
		}
		v := view{me: "a", partitions: parts(8), wanted: wanted, now: time.Now(), expiry: expiry}
		d := v.plan(rand.New(rand.NewPCG(seed, 0)))
		if d.want != 1 || len(d.claims) != 8 {
			t.Fatalf("seed %d: wants %d of %d", seed, d.want, len(d.claims))
		}
		chosen[d.claims[0].Partition]++
	}
	for _, id := range parts(8) {
		if chosen[id] < 90 || chosen[id] > 160 { // 125 expected
			t.Errorf("of 1000 seeds partition %s was chosen by %d", id, chosen[id])
		}
	}
}

func TestAPlanIsFair(t *testing.T) {
	now := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	// Each letter is a partition: the one who has it, "." without a record, "-" given up just now, "=" long ago, in upper
	// case if expired, "+" if its time is ahead.
	tests := []struct {
		name, records string
		patient       bool
		want          int
		from          string // whose partitions are claimed
	}{
		{"alone, it begins with one", "....", false, 1, "."},
		{"then as many as it has", "mm......", false, 2, "."},
		{"not more than there are", "mmm.", false, 1, "."},
		{"what was given up is free at once", "m-oo", false, 1, "-"},
		{"what has expired is free", "mOOO", false, 1, "O"},
		{"but not while the others may not have been able to renew", "mOOO", true, 1, "O"}, // one is stolen: it had three
		{"the other's share is left to it", "mm.o", false, 0, ""},
		{"unless it does not want it", "mm=o", false, 1, "="},
		{"one above the share rounded down, if enough is left", "mo.", false, 1, "."},
		{"nobody is robbed of one more", "mmooo", false, 0, ""},
		{"what another lacks is left to it", "mm.oppp", false, 0, ""},
		{"a time ahead by hours was told before the clock of the store was put back", "m+", false, 1, "+"},
		{"two more are too many", "mooo", false, 1, "o"},
		{"the richest is robbed", "moopppp", false, 1, "p"},
		{"another poor one comes first, and then it is fair", "mmaooo", false, 0, ""},
		{"a newcomer takes one", "oooo", false, 1, "o"},
		{"with more connectors than partitions one has none", "op", false, 0, ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			v := view{me: "m", now: now, expiry: expiry, patient: tt.patient, steal: true,
				records: map[string]delivery.Ownership{}, wanted: map[string]bool{}}
			kind := map[string]string{}
			for i, c := range tt.records {
				id := fmt.Sprint(i)
				kind[id] = string(c)
				v.partitions = append(v.partitions, id)
				v.wanted[id] = c != 'm'
				r := delivery.Ownership{Partition: id, Version: "v", Renewed: now, Owner: string(c)}
				switch {
				case c == '.':
					continue
				case c == '-':
					r.Owner = ""
				case c == '=':
					r.Owner, r.Renewed = "", now.Add(-expiry)
				case c == '+':
					r.Renewed = now.Add(2 * time.Hour)
				case c < 'a':
					r.Renewed = now.Add(-expiry)
				}
				v.records[id] = r
			}
			d := v.plan(rand.New(rand.NewPCG(1, 1)))
			if d.want != tt.want && !(d.want == 0 && tt.want == 0) {
				t.Errorf("wants %d, should want %d", d.want, tt.want)
			}
			for _, c := range d.claims {
				if d.want > 0 && kind[c.Partition] != tt.from || c.Owner != "m" || c.Version != v.records[c.Partition].Version {
					t.Errorf("claims %+v of %q", c, kind[c.Partition])
				}
			}
		})
	}
}
