package amqp

import (
	"errors"
	"testing"
	"time"

	"azx/internal/amqp10"
	"azx/internal/local/iothub"
)

func TestSelectorsOfTheSDKsAreUnderstood(t *testing.T) {
	at := time.UnixMilli(1700000000123)
	for text, want := range map[string]iothub.Position{
		"amqp.annotation.x-opt-offset > '-1'":                      iothub.Earliest(),
		"amqp.annotation.x-opt-offset > '@latest'":                 iothub.Latest(),
		"amqp.annotation.x-opt-offset > '37344'":                   iothub.AfterOffset("37344"),
		"amqp.annotation.x-opt-offset >= '37344'":                  iothub.AtOffset("37344"),
		"amqp.annotation.x-opt-sequence-number > '5'":              iothub.AfterSequence(5),
		"amqp.annotation.x-opt-sequence-number >= '5'":             iothub.AtSequence(5),
		"amqp.annotation.x-opt-enqueued-time > '1700000000123'":    iothub.AfterEnqueuedTime(at.Add(time.Millisecond - 1)),
		"amqp.annotation.x-opt-enqueued-time >='1700000000123'":    iothub.AfterEnqueuedTime(at.Add(-1)),
		"  amqp.annotation.x-opt-sequence-number   >    '-1'     ": iothub.AfterSequence(-1),
	} {
		t.Run(text, func(t *testing.T) {
			for _, descriptor := range []any{selectorCode, amqp10.Symbol(selectorName)} {
				got, err := startOf(amqp10.Map{{Key: amqp10.Symbol(selectorName), Value: amqp10.Described{Descriptor: descriptor, Value: text}}})
				if err != nil || got != want {
					t.Errorf("position %v (%v), want %v", got, err, want)
				}
			}
		})
	}
}

func TestAReaderWithoutASelectorStartsWithTheOldestEvent(t *testing.T) {
	for name, filter := range map[string]amqp10.Map{
		"no filter":      nil,
		"another filter": {{Key: amqp10.Symbol("x"), Value: amqp10.Described{Descriptor: uint64(1), Value: "y"}}},
		"no description": {{Key: amqp10.Symbol(selectorName), Value: "amqp.annotation.x-opt-offset > '5'"}},
	} {
		t.Run(name, func(t *testing.T) {
			if got, err := startOf(filter); err != nil || got != iothub.Earliest() {
				t.Errorf("position %v (%v), want earliest", got, err)
			}
		})
	}
}

func TestOtherSelectorsAreRefused(t *testing.T) {
	for _, text := range []string{
		"",
		"amqp.annotation.x-opt-offset",
		"amqp.annotation.x-opt-offset > 5",
		"amqp.annotation.x-opt-offset > '5",
		"amqp.annotation.x-opt-offset < '5'",
		"amqp.annotation.x-opt-offset > '5' AND amqp.annotation.x-opt-offset > '6'",
		"amqp.annotation.x-opt-sequence-number > 'five'",
		"amqp.annotation.x-opt-enqueued-time > '2026-01-01'",
		"color > '5'",
	} {
		t.Run(text, func(t *testing.T) {
			got, err := parseSelector(text)
			if e := new(amqp10.Error); !errors.As(err, &e) || e.Condition != condArgument {
				t.Errorf("position %v with error %v", got, err)
			}
		})
	}
}
