package hub

import (
	"errors"
	"slices"
	"testing"
	"time"

	"azx/internal/amqp10"
)

func TestAPartitionIsReadFromItsProperties(t *testing.T) {
	whole := amqp10.Map{
		{Key: "begin_sequence_number", Value: int64(3)}, {Key: "last_enqueued_sequence_number", Value: int32(7)},
		{Key: "last_enqueued_offset", Value: "4711"}, {Key: "last_enqueued_time_utc", Value: amqp10.Timestamp(1500)},
		{Key: "is_partition_empty", Value: false},
	}
	answer := func(value any) *amqp10.Message { return &amqp10.Message{Value: amqp10.Some(value)} }
	got, err := partitionOf("2", answer(whole))
	if want := (Partition{ID: "2", First: 3, Last: 7, LastOffset: "4711", LastTime: time.UnixMilli(1500).UTC()}); err != nil || got != want {
		t.Errorf("got %+v, %v", got, err)
	}
	for _, missing := range []string{"begin_sequence_number", "last_enqueued_sequence_number", "last_enqueued_time_utc", "is_partition_empty"} {
		rest := slices.DeleteFunc(slices.Clone(whole), func(p amqp10.Pair) bool { return p.Key == missing })
		if _, err := partitionOf("2", answer(rest)); !errors.Is(err, errNoProperties) {
			t.Errorf("without %s: %v", missing, err)
		}
	}
	for _, other := range []any{nil, "text", amqp10.Map{{Key: "is_partition_empty", Value: "no"}}} {
		if _, err := partitionOf("2", answer(other)); !errors.Is(err, errNoProperties) {
			t.Errorf("of %v: %v", other, err)
		}
	}
}
