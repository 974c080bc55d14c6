package iothub

import (
	"errors"
	"time"

	"azx/internal/fault"
)

// Usage is one use of the hub.
type Usage struct {
	Kind     Kind
	Result   string        // "ok", or one of few words for what went wrong: see resultOf
	Messages int           // that the hub bills (inferred from read: iot-hub-devguide-pricing.md); 0 for what is free
	Took     time.Duration // all of it, with waits and repetitions
	Waited   time.Duration // for the quota
}

// Meter counts what the hub is used for.
type Meter interface {
	// Used hears of a finished use; it must not block.
	Used(u Usage)
}

type noMeter struct{}

func (noMeter) Used(Usage) {}

// resultOf is a word for an error, one of few.
func resultOf(err error) string {
	if err == nil {
		return "ok"
	}
	for _, known := range results {
		if errors.Is(err, known.err) {
			return known.word
		}
	}
	return fault.ClassOf(err).String()
}
