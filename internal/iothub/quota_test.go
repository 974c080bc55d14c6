package iothub

import (
	"context"
	"errors"
	"fmt"
	"math"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"pgregory.net/rapid"

	"azx/internal/fault"
)

func TestTheQuotasAreThoseOfTheTier(t *testing.T) {
	for _, test := range []struct {
		quota Quota
		kind  Kind
		rate  float64 // a second
		burst float64
	}{
		{Quota{}, KindRegistry, 100. / 60, 25},
		{Quota{}, KindQuery, 20. / 60, 5},
		{Quota{}, KindC2D, 100. / 60, 25},
		{Quota{}, KindMethod, 40, 10},
		{Quota{}, KindTwinRead, 100, 25},
		{Quota{}, KindTwinUpdate, 50, 12.5},
		{Quota{Units: 3}, KindRegistry, 5, 75},
		{Quota{Units: 3}, KindTwinRead, 100, 25}, // not by unit
		{Quota{Tier: "F1"}, KindMethod, 40, 10},
		{Quota{Tier: "S2", Units: 2}, KindTwinRead, 100, 25},
		{Quota{Tier: "S2", Units: 20}, KindTwinRead, 200, 50},
		{Quota{Tier: "B2", Units: 2}, KindMethod, 240, 60},
		{Quota{Tier: "S3", Units: 2}, KindQuery, 2000. / 60, 500},
		{Quota{Tier: "S3"}, KindTwinUpdate, 250, 62.5},
	} {
		t.Run(fmt.Sprint(test.quota, test.kind), func(t *testing.T) {
			all, err := test.quota.buckets()
			if err != nil {
				t.Fatal(err)
			}
			b := all[test.kind]
			if math.Abs(b.rate-test.rate) > 1e-9 || b.burst != test.burst {
				t.Errorf("rate %f, burst %f; want %f, %f", b.rate, b.burst, test.rate, test.burst)
			}
		})
	}
}

func TestABucketNeverLetsMoreThroughThanItHoldsAndFills(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		pauses := rapid.SliceOfN(rapid.IntRange(0, 5000), 1, 50).Draw(rt, "pauses")
		sizes := rapid.SliceOfN(rapid.IntRange(1, 30), len(pauses), len(pauses)).Draw(rt, "sizes")
		synctest.Test(t, func(t *testing.T) {
			b := newBucket(100, time.Minute)
			start, total := time.Now(), 0
			for i, p := range pauses {
				<-time.After(time.Duration(p) * time.Millisecond)
				if _, err := b.wait(t.Context(), float64(sizes[i])); err != nil {
					t.Fatal(err)
				}
				total += sizes[i]
				if most := 25 + time.Since(start).Seconds()*100/60; float64(total) > most+1e-3 {
					t.Fatalf("%d after %s, %f is the most", total, time.Since(start), most)
				}
			}
		})
	})
}

func TestABucketSaysHowLongItWouldTake(t *testing.T) {
	scripted(t, []step{{body: "[]"}}, nil, func(t *testing.T, c *Client, s *script) {
		for range 5 {
			if _, err := c.Page(t.Context(), Query{}); err != nil {
				t.Fatal(err)
			}
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		start := time.Now()
		_, err := c.Page(ctx, Query{})
		checkProblem(t, err, ErrThrottled, fault.Transient)
		if !strings.Contains(err.Error(), "room for it in 3s") || time.Since(start) != 0 || fault.HintOf(err) == "" {
			t.Errorf("after %s: %v", time.Since(start), err)
		}
		if n := len(s.requests()); n != 5 {
			t.Errorf("%d requests", n)
		}
		if _, err := c.Page(t.Context(), Query{}); err != nil || time.Since(start).Round(time.Millisecond) != 3*time.Second {
			t.Errorf("the refused one took its share: %v after %s", err, time.Since(start))
		}
	})
}

func TestAWaitIsMeteredAndOneThatIsGivenUpCostsNothing(t *testing.T) {
	meter := &used{}
	scripted(t, []step{{body: "[]"}}, func(o *Options) { o.Meter = meter }, func(t *testing.T, c *Client, s *script) {
		for range 5 {
			if _, err := c.Page(t.Context(), Query{}); err != nil {
				t.Fatal(err)
			}
		}
		ctx, cancel := context.WithCancel(t.Context())
		time.AfterFunc(time.Second, cancel)
		_, err := c.Page(ctx, Query{})
		checkProblem(t, err, context.Canceled, fault.Transient)
		if u := meter.last(t); u.Result != "stopped" || u.Waited != time.Second {
			t.Errorf("metered %+v", u)
		}
		if _, err := c.Page(t.Context(), Query{}); err != nil {
			t.Fatal(err)
		}
		if u := meter.last(t); u.Waited.Round(time.Millisecond) != 2*time.Second || u.Took < u.Waited {
			t.Errorf("metered %+v, want what was left of 3 s", u)
		}
	})
}

func TestALargePayloadTakesMoreOfTheThroughput(t *testing.T) {
	scripted(t, ok, nil, func(t *testing.T, c *Client, _ *script) {
		payload := []byte(`"` + strings.Repeat("x", 40<<10-2) + `"`) // 10 of 40 pieces a second: the burst
		start := time.Now()
		for range 5 {
			if _, err := c.Call(t.Context(), dev1, Method{Name: "m", Payload: payload}); err != nil {
				t.Fatal(err)
			}
		}
		if took := time.Since(start).Round(time.Millisecond); took != time.Second {
			t.Errorf("took %s", took)
		}
	})
}

const (
	basicBody = `{"Message":"{\"errorCode\":403010,\"message\":\"not in this tier\"}"}`
	quotaBody = `{"Message":"{\"errorCode\":403002,\"message\":\"used up\"}"}`
)

func TestABasicHubIsNotAskedForWhatItDoesNotOffer(t *testing.T) {
	scripted(t, []step{{status: 403, body: basicBody}, ok[0]}, nil, func(t *testing.T, c *Client, s *script) {
		call := func() error { _, err := c.Call(t.Context(), dev1, Method{Name: "m"}); return err }
		for range 3 {
			err := call()
			checkProblem(t, err, ErrBasicTier, fault.Rejected)
			if !strings.HasPrefix(err.Error(), "call m of dev-1: ") || strings.Count(err.Error(), "call m") != 1 {
				t.Errorf("got %q", err)
			}
		}
		if n := len(s.requests()); n != 1 || !c.State().BasicTier {
			t.Fatalf("%d requests, %+v", n, c.State())
		}
		if _, err := c.Get(t.Context(), dev1); err != nil {
			t.Errorf("the registry is refused too: %v", err)
		}
		<-time.After(probeEvery)
		if err := call(); err != nil || c.State().BasicTier {
			t.Errorf("after ten minutes and an upgrade: %v, %+v", err, c.State())
		}
	})
}

func TestADayWithoutMessagesLeftIsRemembered(t *testing.T) {
	scripted(t, []step{{status: 403, body: quotaBody}}, nil, func(t *testing.T, c *Client, s *script) {
		<-time.After(23*time.Hour + 45*time.Minute) // 15 minutes before midnight
		twin := func() error { _, err := c.Twin(t.Context(), dev1); return err }
		checkProblem(t, twin(), ErrDailyQuota, fault.Transient)
		_, err := c.Call(t.Context(), dev1, Method{Name: "m"})
		checkProblem(t, err, ErrDailyQuota, fault.Transient)
		if n := len(s.requests()); n != 1 || !c.State().DailyQuota {
			t.Fatalf("%d requests, %+v", n, c.State())
		}
		<-time.After(probeEvery)
		checkProblem(t, twin(), ErrDailyQuota, fault.Transient)
		checkProblem(t, twin(), ErrDailyQuota, fault.Transient)
		if n := len(s.requests()); n != 2 {
			t.Errorf("%d requests after ten minutes", n)
		}
		<-time.After(5 * time.Minute)
		s.mu.Lock()
		s.steps = ok
		s.mu.Unlock()
		if err := twin(); err != nil || c.State().DailyQuota {
			t.Errorf("after midnight: %v, %+v", err, c.State())
		}
	})
}

func TestOneCallAsksWhetherAStateHasEnded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var r refusals
		r.learn(KindMethod, &fault.Problem{Op: "x", Cause: ErrBasicTier})
		<-time.After(probeEvery)
		passed := 0
		for range 10 {
			if err := r.check("y", KindMethod); err == nil {
				passed++
			} else if !errors.Is(err, ErrBasicTier) {
				t.Error(err)
			}
		}
		if passed != 1 {
			t.Errorf("%d calls passed", passed)
		}
	})
}
