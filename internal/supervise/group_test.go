package supervise

import (
	"context"
	"errors"
	"strings"
	"testing"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestTheFirstFailureStopsTheOthersAndIsNamed(t *testing.T) {
	g := New(context.Background())
	g.Go("waits", func(ctx context.Context) error { <-ctx.Done(); return ctx.Err() })
	g.Go("fails", func(context.Context) error { return errors.New("broken") })
	if err := g.Wait(); err == nil || err.Error() != "fails: broken" {
		t.Fatalf("got %v, want the failure of the goroutine that failed", err)
	}
}

func TestAStopIsNotAFailure(t *testing.T) {
	g := New(context.Background())
	g.Go("waits", func(ctx context.Context) error { <-ctx.Done(); return ctx.Err() })
	g.Stop()
	if err := g.Wait(); err != nil {
		t.Fatalf("got %v, want nil after Stop", err)
	}
}

func TestAPanicIsAnErrorOfItsGoroutine(t *testing.T) {
	g := New(context.Background())
	g.Go("panics", func(context.Context) error { panic("boom") })
	if err := g.Wait(); err == nil || !strings.HasPrefix(err.Error(), "panics: panic: boom") {
		t.Fatalf("got %v, want the panic named", err)
	}
}
