package tail

import (
	"context"
	"errors"
	"fmt"
	"testing"
)

func TestAViewSeesItsStageOfItsDevice(t *testing.T) {
	var all Tail
	if all.Wants(Received, "pump-1") {
		t.Error("nobody watches")
	}
	v, err := all.View(Decoded, "pump-1")
	if err != nil {
		t.Fatal(err)
	}
	everyone, err := all.View(Decoded, "")
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		stage  Stage
		device string
		wanted bool
	}{{Decoded, "pump-1", true}, {Decoded, "pump-2", true}, {Received, "pump-1", false}} {
		if got := all.Wants(c.stage, c.device); got != c.wanted {
			t.Errorf("%v: got %v", c, got)
		}
		all.Offer(c.stage, c.device, []byte(string(c.stage)+c.device))
	}
	expect := func(v *View, want string) {
		t.Helper()
		if line, dropped, err := v.Next(t.Context()); string(line) != want || dropped != 0 || err != nil {
			t.Errorf("got %s, %d, %v", line, dropped, err)
		}
	}
	expect(v, "decodedpump-1")
	expect(everyone, "decodedpump-1")
	expect(everyone, "decodedpump-2")
	v.Close()
	everyone.Close()
	if all.Wants(Decoded, "pump-1") {
		t.Error("nobody watches any more")
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, _, err := v.Next(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
}

func TestWhoIsSlowLosesLinesAndHoldsNobodyUp(t *testing.T) {
	var all Tail
	v, err := all.View(Received, "")
	if err != nil {
		t.Fatal(err)
	}
	for i := range mostLines + 10 {
		all.Offer(Received, "d", fmt.Append(nil, i))
	}
	if line, dropped, err := v.Next(t.Context()); string(line) != "0" || dropped != 10 || err != nil {
		t.Errorf("got %s, %d, %v", line, dropped, err)
	}
}

func TestOnlyAFewWatch(t *testing.T) {
	var all Tail
	for range mostViews {
		if _, err := all.View(Written, ""); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := all.View(Written, ""); !errors.Is(err, ErrBusy) {
		t.Errorf("got %v", err)
	}
	if _, err := ParseStage("mapped"); err == nil {
		t.Error("an unknown stage passes")
	}
}
