package fault

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"testing/synctest"
	"time"
)

func TestAnErrorNobodyClassedIsTriedAgain(t *testing.T) {
	if got := ClassOf(errors.New("reset")); got != Transient {
		t.Fatalf("got %s, want transient", got)
	}
}

func TestClassAndHintAreFoundThroughWrapping(t *testing.T) {
	inner := Reject("map \"a\"", "change the type", "got %s", "text")
	err := fmt.Errorf("carry: %w", &Problem{Op: "write", Class: Rejected, Cause: inner})
	if ClassOf(err) != Rejected || HintOf(err) != "change the type" {
		t.Fatalf("class %s, hint %q", ClassOf(err), HintOf(err))
	}
	if got, want := err.Error(), `carry: write: map "a": got text`; got != want {
		t.Fatalf("got %q, want %q", got, want)
	}
}

func TestPausesDoubleUpToTheLimit(t *testing.T) {
	b := Backoff{Min: 100 * time.Millisecond, Max: time.Second}
	for i, upper := range []time.Duration{100, 200, 400, 800, 1000, 1000} {
		upper *= time.Millisecond
		if got := b.Next(); got < upper/2 || got > upper {
			t.Errorf("pause %d is %s, want %s to %s", i, got, upper/2, upper)
		}
	}
	b.Reset()
	if got := b.Next(); got > 100*time.Millisecond {
		t.Errorf("after a reset the pause is %s", got)
	}
}

func TestAPauseEndsWithItsContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		b := Backoff{Min: time.Hour, Max: time.Hour}
		if err := b.Pause(ctx); !errors.Is(err, context.DeadlineExceeded) {
			t.Fatalf("got %v", err)
		}
	})
}

func TestAPanicIsToldFromARejection(t *testing.T) {
	err := error(Panicked("decode", "index out of range", []byte("stack")))
	if !IsPanic(fmt.Errorf("outer: %w", err)) || ClassOf(err) != Rejected || HintOf(err) == "" || err.Error() != "decode: panic: index out of range\nstack" {
		t.Errorf("got %v", err)
	}
	if IsPanic(Reject("decode", "", "no JSON")) || IsPanic(nil) {
		t.Error("a rejection is taken for a panic")
	}
}

func TestTheSameTroubleIsOneThoughItsCauseTellsTheTime(t *testing.T) {
	problem := func(op, cause, hint string) error { return &Problem{Op: op, Cause: errors.New(cause), Hint: hint} }
	over := problem("open", "it is 10:01", "set the clock")
	for _, c := range []struct {
		name string
		a, b error
		same bool
	}{
		{"another time", over, problem("open", "it is 10:02", "set the clock"), true},
		{"wrapped", over, fmt.Errorf("wait: %w", problem("open", "it is 10:02", "set the clock")), true},
		{"another operation", over, problem("close", "it is 10:01", "set the clock"), false},
		{"another hint", over, problem("open", "it is 10:01", "renew it"), false},
		{"another class", over, &Problem{Op: "open", Class: Fatal, Cause: errors.New("it is 10:01"), Hint: "set the clock"}, false},
		{"no hint, the same text", problem("open", "no", ""), problem("open", "no", ""), true},
		{"no hint, another text", problem("open", "no", ""), problem("open", "never", ""), false},
		{"none before", nil, over, false},
		{"none now", over, nil, false},
		{"none at all", nil, nil, true},
	} {
		if Same(c.a, c.b) != c.same {
			t.Errorf("%s: got %v", c.name, !c.same)
		}
	}
}
