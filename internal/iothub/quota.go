package iothub

import (
	"fmt"
	"time"
)

// Kind is a kind of operation with a quota of its own; metrics are counted by it.
type Kind string

// The kinds of operations.
const (
	KindRegistry   Kind = "registry"
	KindTwinRead   Kind = "twin_read"
	KindTwinUpdate Kind = "twin_update"
	KindMethod     Kind = "method"
	KindQuery      Kind = "query"
	KindJob        Kind = "job"
	KindC2D        Kind = "c2d"
	KindFeedback   Kind = "feedback" // has no quota
)

// Tier is the edition of a hub: F1, B1 to B3, S1 to S3. "" is S1.
type Tier string

// Quota says what a hub's owner pays for.
type Quota struct {
	Tier  Tier
	Units int // 0 is 1
}

const (
	// methodChunk is the unit in which the throughput of direct methods is throttled, in bytes.
	methodChunk = 4 << 10
	// A free hub bills in smaller pieces (read: iot-hub-devguide-pricing.md).
	billedChunk, freeChunk = 4 << 10, 512
)

// allowance is what a hub lets pass in a window.
type allowance struct {
	perUnit, least float64
	window         time.Duration
}

// sizes are the throttles by the size of a hub's units: F1, B1 and S1; B2 and S2; B3 and S3 (read: quotas page,
// 2023-02-09).
var sizes = map[byte]map[Kind]allowance{
	'1': {
		KindRegistry: {100, 0, time.Minute}, KindC2D: {100, 0, time.Minute}, KindQuery: {20, 0, time.Minute},
		KindJob: {100, 0, time.Minute}, KindMethod: {40, 0, time.Second}, KindTwinRead: {0, 100, time.Second}, KindTwinUpdate: {0, 50, time.Second},
	},
	'2': {
		KindRegistry: {100, 0, time.Minute}, KindC2D: {100, 0, time.Minute}, KindQuery: {20, 0, time.Minute},
		KindJob: {100, 0, time.Minute}, KindMethod: {120, 0, time.Second}, KindTwinRead: {10, 100, time.Second}, KindTwinUpdate: {5, 50, time.Second},
	},
	'3': {
		KindRegistry: {5000, 0, time.Minute}, KindC2D: {5000, 0, time.Minute}, KindQuery: {1000, 0, time.Minute},
		KindJob: {5000, 0, time.Minute}, KindMethod: {6000, 0, time.Second}, KindTwinRead: {500, 0, time.Second}, KindTwinUpdate: {250, 0, time.Second},
	},
}

func (q Quota) tier() Tier {
	if q.Tier == "" {
		return "S1"
	}
	return q.Tier
}

// Daily is how many messages a day the hub takes and sends in all (read: quotas page).
func (q Quota) Daily() int64 {
	units := int64(max(q.Units, 1))
	switch q.tier() {
	case "F1":
		return 8_000
	case "B2", "S2":
		return units * 6_000_000
	case "B3", "S3":
		return units * 300_000_000
	}
	return units * 400_000
}

// basic reports whether the tier has no way to devices.
func (q Quota) basic() bool { return q.tier()[0] == 'B' }

// buckets has a full bucket for every kind with a quota.
func (q Quota) buckets() (map[Kind]*bucket, error) {
	if err := q.check(); err != nil {
		return nil, err
	}
	all := map[Kind]*bucket{}
	for kind := range sizes[q.tier()[1]] {
		amount, window := q.amount(kind)
		all[kind] = newBucket(amount, window)
	}
	return all, nil
}

func (q Quota) check() error {
	switch tier := q.tier(); tier {
	case "F1", "B1", "B2", "B3", "S1", "S2", "S3":
	default:
		return fmt.Errorf("there is no tier %q", tier)
	}
	if units := q.units(); units < 1 || units > 200 {
		return fmt.Errorf("%d units are not within 1 and 200", units)
	}
	return nil
}

func (q Quota) units() int {
	if q.Units == 0 {
		return 1
	}
	return q.Units
}

// amount is what a kind of operation may do in a window.
func (q Quota) amount(kind Kind) (amount float64, window time.Duration) {
	a := sizes[q.tier()[1]][kind]
	return max(a.least, a.perUnit*float64(q.units())), a.window
}

// Takes is how long n operations of a kind take at least when nobody else uses the hub: what goes beyond the first quarter
// of a window passes at the rate of the quota. 0 for a kind without a quota.
func (q Quota) Takes(kind Kind, n int) time.Duration {
	amount, window := q.amount(kind)
	if amount == 0 {
		return 0
	}
	b := newBucket(amount, window)
	return time.Duration(max(0, float64(n)-b.burst) / b.rate * float64(time.Second))
}

func (q Quota) chunk() int {
	if q.tier() == "F1" {
		return freeChunk
	}
	return billedChunk
}

// pieces is the number of chunks that a number of bytes takes: one at least, since nothing at all counts as one.
func pieces(bytes, chunk int) int { return max(1, (bytes+chunk-1)/chunk) }
