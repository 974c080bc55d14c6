package diagnose

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"azx/internal/fault"
)

func TestEachCheckTellsWhatItFound(t *testing.T) {
	down := &fault.Problem{Op: "reach the hub", Cause: errors.New("refused\nby it"), Hint: "open port 5671"}
	ends := func(good string, err error) func(context.Context) (string, error) {
		return func(context.Context) (string, error) { return good, err }
	}
	var told []Finding
	got := Run(t.Context(), []Check{
		{"good", nil, ends("all\nright", nil)},
		{"doubtful", []string{"good"}, ends("", fmt.Errorf("seen: %w", Warning("renew it", "ends in %d days", 3)))},
		{"on the doubtful", []string{"doubtful"}, ends("fine", nil)},
		{"bad", []string{"good"}, ends("", down)},
		{"on the bad", []string{"good", "bad"}, ends("never", nil)},
		{"on what hangs on the bad", []string{"on the bad"}, ends("never", nil)},
		{"not tried", nil, ends("", Skipped("nobody asked"))},
		{"on what was not tried", []string{"not tried"}, ends("never", nil)},
	}, time.Minute, func(f Finding) { told = append(told, f) })
	want := []Finding{
		{"good", OK, "all right", "", nil},
		{"doubtful", Warn, "ends in 3 days", "renew it", nil},
		{"on the doubtful", OK, "fine", "", nil},
		{"bad", Fail, "reach the hub: refused by it", "open port 5671", down},
		{"on the bad", Skip, "needs bad", "", nil},
		{"on what hangs on the bad", Skip, "needs on the bad", "", nil},
		{"not tried", Skip, "nobody asked", "", nil},
		{"on what was not tried", Skip, "needs not tried", "", nil},
	}
	if !slices.Equal(got, want) || !slices.Equal(told, want) {
		t.Errorf("got  %v\ntold %v\nwant %v", got, told, want)
	}
	if Count(got, OK) != 2 || Count(got, Fail) != 1 || Count(got, Skip) != 4 {
		t.Error("the findings are counted wrongly")
	}
}

func TestACheckThatHangsEndsAndTheNextOnesRun(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		hangs := func(ctx context.Context) (string, error) { <-ctx.Done(); return "", ctx.Err() }
		ok := func(context.Context) (string, error) { return "", nil }
		got := Run(t.Context(), []Check{{"hangs", nil, hangs}, {"next", nil, ok}}, time.Second, func(Finding) {})
		if len(got) != 2 || got[0].Status != Fail || !errors.Is(got[0].Err, context.DeadlineExceeded) || got[1].Status != OK {
			t.Errorf("got %v", got)
		}
	})
}

func TestNothingRunsAfterTheEnd(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	ends := func(context.Context) (string, error) { cancel(); return "", nil }
	if got := Run(ctx, []Check{{"ends", nil, ends}, {"next", nil, ends}}, time.Second, func(Finding) {}); len(got) != 1 {
		t.Errorf("got %v", got)
	}
}
