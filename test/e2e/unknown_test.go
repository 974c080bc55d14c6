package e2e

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"azx/test/process"
)

// TestNoValueIsLostWhateverThePlatformDoesWithUnknownProperties has a device send a known and an unknown property in each
// message, to a platform that refuses pushes with an unknown one and to one that leaves it out without a word. Each value
// of the known one arrives; those of the other do once there is such a property, and it is the connector that left out
// the ones before.
func TestNoValueIsLostWhateverThePlatformDoesWithUnknownProperties(t *testing.T) {
	for _, mode := range []string{"strict", "silent-ignore"} {
		t.Run(mode, func(t *testing.T) {
			t.Parallel()
			stack := process.NewStack(t, azx, process.Flags{Platform: []string{"--unknown-properties", mode}})
			stack.AddThing("late-1", "n:INTEGER")
			d := connectDevice(t, stack, "late-1")
			stack.Configure()
			connector := stack.Connect()
			sent := 0
			send := func(messages int) {
				for range messages {
					if err := d.send(`{"n":%d,"extra":%d}`, sent, sent); err != nil {
						t.Fatal(err)
					}
					sent++
				}
			}
			send(20)
			connector.Until(time.Minute, "the known property has all", func() error { return counts(stack, "n", 20) })
			if err := counts(stack, "extra", 0); err != nil {
				t.Error(err)
			}
			stack.Platform.AddRemoteProperty("late-1", "extra", "extra", "INTEGER")
			connector.Until(takesEffectWithin, "the new property is learned", func() error {
				send(1)
				if len(numbersOf(stack, "extra")) == 0 {
					return errors.New("no value of it yet")
				}
				return nil
			})
			send(20)
			connector.Until(time.Minute, "the known property has all", func() error { return counts(stack, "n", sent) })
			inOrder(t, stack.Platform)
			extra := numbersOf(stack, "extra")
			for i, n := range extra {
				if n != extra[0]+i {
					t.Errorf("of extra there are %v, want all from the first", extra)
				}
			}
			if last := extra[len(extra)-1]; last != sent-1 {
				t.Errorf("the last value of extra is %d, want %d", last, sent-1)
			}
		})
	}
}

// numbersOf returns the values of a property of late-1, in the order in which they came.
func numbersOf(stack *process.Stack, property string) (numbers []int) {
	for _, e := range stack.Platform.Ledger(0) {
		if e.Thing == "late-1" && e.Property == property {
			numbers = append(numbers, number(e.Value))
		}
	}
	return numbers
}

func counts(stack *process.Stack, property string, want int) error {
	if got := len(numbersOf(stack, property)); got != want {
		return fmt.Errorf("%d values of %s, want %d", got, property, want)
	}
	return nil
}
