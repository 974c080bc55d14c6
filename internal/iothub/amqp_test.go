package iothub

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/url"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"azx/internal/amqp10"
	"azx/internal/fault"
	"azx/internal/secret"
)

// hello is a small message.
var hello = Message{Device: "dev-1", ID: "m-1", Body: []byte(`{"a":1}`)}

// within is a context that ends after some time, as a request's does.
func within(t *testing.T, d time.Duration) context.Context {
	ctx, cancel := context.WithTimeout(t.Context(), d)
	t.Cleanup(cancel)
	return ctx
}

func TestAMessageIsOnTheWireAsTheHubWantsIt(t *testing.T) {
	p, meter := &peer{}, &used{}
	connected(t, p, func(o *Options) { o.Meter = meter }, func(t *testing.T, c *Client) {
		expires := time.Date(2000, 1, 1, 6, 0, 0, 0, time.UTC)
		err := c.Send(within(t, time.Minute), Message{
			Device: "dev#1", ID: "m-1", CorrelationID: "c-1", ContentType: "application/json", ContentEncoding: "utf-8",
			Ack: AckFull, Expires: expires, Properties: map[string]string{"site": "a"}, Body: bytes.Repeat([]byte("x"), 5<<10),
		})
		if err != nil {
			t.Fatal(err)
		}
		m := p.messages[0]
		w := m.Properties
		if w.To != "/devices/dev%231/messages/devicebound" || w.MessageID != "m-1" || w.CorrelationID != "c-1" ||
			w.ContentType != "application/json" || w.ContentEncoding != "utf-8" || int64(w.AbsoluteExpiryTime) != expires.UnixMilli() {
			t.Errorf("properties %+v", w)
		}
		if a := m.ApplicationProperties; len(a) != 2 || a.Text("iothub-ack") != "full" || a.Text("site") != "a" || len(m.Data) != 1 || len(m.Data[0]) != 5<<10 {
			t.Errorf("application properties %+v, %d sections of data", a, len(m.Data))
		}
		if err := c.Send(within(t, time.Minute), Message{Device: "dev-1"}); err != nil {
			t.Fatal(err)
		}
		if m := p.messages[1]; m.Properties.MessageID != nil || m.Properties.AbsoluteExpiryTime != 0 || len(m.ApplicationProperties) != 0 {
			t.Errorf("an empty message became %+v", m.Properties)
		}
		if u := meter.all; len(u) != 2 || u[0].Messages != 2 || u[1].Messages != 1 || u[0].Kind != KindC2D || u[0].Result != "ok" {
			t.Errorf("metered %+v", u)
		}
		if got := p.tokens[0]; got.audience != testHost || got.kind != "servicebus.windows.net:sastoken" || !strings.HasPrefix(got.token, "SharedAccessSignature sr="+testHost+"&") {
			t.Errorf("signed in with %+v", got)
		}
	})
}

func TestTheHubsRefusalOfAMessageIsHeard(t *testing.T) {
	reject := func(condition amqp10.Symbol, text string) func(int, *amqp10.Incoming, *amqp10.Link) {
		return func(_ int, in *amqp10.Incoming, _ *amqp10.Link) {
			in.Reject(&amqp10.Error{Condition: condition, Description: text})
		}
	}
	detach := func(condition amqp10.Symbol, text string) func(int, *amqp10.Incoming, *amqp10.Link) {
		return func(_ int, _ *amqp10.Incoming, l *amqp10.Link) { l.Detach(amqp10.Errorf(condition, "%s", text)) }
	}
	for name, test := range map[string]struct {
		verdict func(int, *amqp10.Incoming, *amqp10.Link)
		err     error
		class   fault.Class
		result  string
	}{
		"no such device":           {reject("amqp:not-found", `{"errorCode":404001,"message":"DeviceNotFound"}`), ErrNotFound, fault.Rejected, "not_found"},
		"no such device, in short": {reject("amqp:not-found", ""), ErrNotFound, fault.Rejected, "not_found"},
		"the link goes with it":    {detach("amqp:not-found", "no such device"), ErrNotFound, fault.Rejected, "not_found"},
		"a full queue":             {reject("amqp:resource-limit-exceeded", `{"errorCode":403004,"message":"x"}`), ErrQueueFull, fault.Rejected, "queue_full"},
		"a full queue, in short":   {reject("amqp:resource-limit-exceeded", "Cannot enqueue"), ErrQueueFull, fault.Rejected, "queue_full"},
		"a quota under the same":   {reject("amqp:resource-limit-exceeded", `{"errorCode":403002,"message":"x"}`), ErrDailyQuota, fault.Transient, "daily_quota"},
		"the daily quota":          {reject("com.microsoft:quota-exceeded", ""), ErrDailyQuota, fault.Transient, "daily_quota"},
		"a Basic tier":             {reject("amqp:not-allowed", `{"errorCode":403010,"message":"x"}`), ErrBasicTier, fault.Rejected, "basic_tier"},
		"a missing right":          {reject("amqp:unauthorized-access", ""), errRefused, fault.Credential, "credential"},
		"too large":                {reject("amqp:link:message-size-exceeded", ""), ErrTooLarge, fault.Rejected, "too_large"},
		"an argument":              {reject("com.microsoft:argument-error", "x"), errInvalid, fault.Rejected, "rejected"},
		"an internal error":        {reject("amqp:internal-error", ""), errUnavailable, fault.Transient, "transient"},
		"a time-out of its own":    {reject("com.microsoft:timeout", ""), errUnavailable, fault.Transient, "transient"},
		"something new":            {reject("com.microsoft:something-new", "x"), errUnavailable, fault.Transient, "transient"},
		"a rejection without why":  {func(_ int, in *amqp10.Incoming, _ *amqp10.Link) { in.Reject(nil) }, errInvalid, fault.Rejected, "rejected"},
		"given back":               {func(_ int, in *amqp10.Incoming, _ *amqp10.Link) { in.Release() }, errUnavailable, fault.Transient, "transient"},
		"a cut meanwhile":          {func(_ int, _ *amqp10.Incoming, l *amqp10.Link) { l.Conn().Close(nil) }, ErrUncertain, fault.Transient, "transient"},
		"a close meanwhile": {func(_ int, _ *amqp10.Incoming, l *amqp10.Link) {
			l.Conn().Close(amqp10.Errorf("amqp:connection:forced", "x"))
		}, ErrUncertain, fault.Transient, "transient"},
		"an end that is a refusal for some": {func(_ int, _ *amqp10.Incoming, l *amqp10.Link) {
			l.Conn().Close(amqp10.Errorf("amqp:internal-error", "x"))
		}, ErrUncertain, fault.Transient, "transient"},
		"an idle link's end": {detach("amqp:link:detach-forced", "idle"), ErrUncertain, fault.Transient, "transient"},
	} {
		t.Run(name, func(t *testing.T) {
			p, meter := &peer{verdict: test.verdict}, &used{}
			connected(t, p, func(o *Options) { o.Meter = meter }, func(t *testing.T, c *Client) {
				err := c.Send(within(t, time.Minute), hello)
				checkProblem(t, err, test.err, test.class)
				if u := meter.last(t); u.Result != test.result || u.Messages != 0 {
					t.Errorf("metered %+v", u)
				}
				if _, _, n := p.count(); n != 1 || !strings.HasPrefix(err.Error(), "send to dev-1: ") {
					t.Errorf("%d messages, %v", n, err)
				}
			})
		})
	}
}

func TestAThrottledMessageIsSentAgain(t *testing.T) {
	p := &peer{verdict: func(n int, in *amqp10.Incoming, _ *amqp10.Link) {
		if n < 3 {
			in.Reject(amqp10.Errorf("com.microsoft:device-container-throttled", "slow down"))
			return
		}
		in.Accept()
	}}
	connected(t, p, nil, func(t *testing.T, c *Client) {
		if err := c.Send(within(t, time.Minute), hello); err != nil || len(p.messages) != 3 {
			t.Errorf("%v after %d messages", err, len(p.messages))
		}
	})
}

func TestAStateOfTheHubIsRememberedForMessagesToo(t *testing.T) {
	p := &peer{verdict: func(_ int, in *amqp10.Incoming, _ *amqp10.Link) {
		in.Reject(amqp10.Errorf("com.microsoft:quota-exceeded", "used up"))
	}}
	connected(t, p, nil, func(t *testing.T, c *Client) {
		for range 3 {
			checkProblem(t, c.Send(within(t, time.Minute), hello), ErrDailyQuota, fault.Transient)
		}
		if len(p.messages) != 1 || !c.State().DailyQuota {
			t.Errorf("%d messages, %+v", len(p.messages), c.State())
		}
	})
}

func TestABasicHubThatRefusesTheLinkIsLeftAlone(t *testing.T) {
	p := &peer{attach: func(node string) error {
		if node == "/messages/devicebound" {
			return amqp10.Errorf("amqp:not-allowed", "%s", `{"errorCode":403010,"message":"x"}`)
		}
		return nil
	}}
	connected(t, p, nil, func(t *testing.T, c *Client) {
		checkProblem(t, c.Send(within(t, time.Minute), hello), ErrBasicTier, fault.Rejected)
		if err := c.Send(within(t, time.Minute), hello); !errors.Is(err, ErrBasicTier) {
			t.Error(err)
		}
		<-time.After(time.Hour)
		if dials, _, _ := p.count(); dials < 6 || dials > 13 {
			t.Errorf("%d connections in an hour; the pauses are 5 to 10 minutes", dials)
		}
	})
}

func TestAHubThatIsKnownToBeBasicIsNotAskedForWhatItHasNot(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := options()
		o.Quota.Tier = "B2"
		o.Network.Dial = func(context.Context, string, string) (net.Conn, error) {
			t.Error("it is asked")
			return nil, errors.New("asked")
		}
		c, err := New(o)
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Hour)
		defer cancel()
		if err := c.Run(ctx); err != nil {
			t.Error(err)
		}
		_, method := c.Call(t.Context(), dev1, Method{Name: "reboot"})
		_, read := c.Twin(t.Context(), dev1)
		_, changed := c.PatchTwin(t.Context(), dev1, TwinChange{}, "")
		for _, err := range []error{method, read, changed, c.Send(t.Context(), hello)} {
			checkProblem(t, err, ErrBasicTier, fault.Rejected)
			if hint := fault.HintOf(err); !strings.Contains(hint, "B2") || !strings.Contains(hint, "Standard") {
				t.Errorf("hint %q", hint)
			}
		}
		if !c.State().BasicTier {
			t.Error("the state does not tell")
		}
	})
}

func TestALostConnectionIsMadeAgain(t *testing.T) {
	for name, lose := range map[string]func(t *testing.T, p *peer){
		"by the hub": func(_ *testing.T, p *peer) { p.drop() },
		"without the hub's link, which nobody hears of until the next message": func(_ *testing.T, p *peer) {
			p.mu.Lock()
			defer p.mu.Unlock()
			p.verdict = nil
		},
	} {
		t.Run(name, func(t *testing.T) {
			var links atomic.Pointer[amqp10.Link]
			p := &peer{verdict: func(_ int, in *amqp10.Incoming, l *amqp10.Link) { links.Store(l); in.Accept() }}
			connected(t, p, nil, func(t *testing.T, c *Client) {
				if err := c.Send(within(t, time.Minute), hello); err != nil {
					t.Fatal(err)
				}
				if lose(t, p); name != "by the hub" {
					links.Load().Detach(nil)
				}
				synctest.Wait()
				if err := c.Send(within(t, time.Minute), hello); err != nil {
					t.Fatal(err)
				}
				if dials, tokens, messages := p.count(); dials != 2 || tokens != 2 || messages != 2 {
					t.Errorf("%d connections, %d tokens, %d messages", dials, tokens, messages)
				}
			})
		})
	}
}

func TestReconnectionsAreSpaced(t *testing.T) {
	p := &peer{dial: func(int) error { return &net.OpError{Op: "dial", Net: "tcp", Err: errors.New("connection refused")} }}
	connected(t, p, nil, func(t *testing.T, c *Client) {
		err := c.Send(within(t, 30*time.Second), hello)
		checkProblem(t, err, context.DeadlineExceeded, fault.Transient)
		if !strings.Contains(err.Error(), "connection refused") || !strings.Contains(fault.HintOf(err), "endpoints.amqps") {
			t.Errorf("it does not say why: %v (%s)", err, fault.HintOf(err))
		}
		<-time.After(30 * time.Minute)
		if dials, _, _ := p.count(); dials < 30 || dials > 75 {
			t.Errorf("%d dials in half an hour", dials)
		}
	})
}

func TestAWrongKeyIsSaidAtOnceAndTriedSlowly(t *testing.T) {
	p := &peer{sign: func(int) (int32, string) { return 401, "the signature is wrong" }}
	connected(t, p, nil, func(t *testing.T, c *Client) {
		start := time.Now()
		err := c.Send(within(t, time.Minute), hello)
		checkProblem(t, err, errRefused, fault.Credential)
		if time.Since(start) > time.Second || !strings.Contains(fault.HintOf(err), `"service"`) {
			t.Errorf("after %s with hint %q", time.Since(start), fault.HintOf(err))
		}
		<-time.After(time.Hour)
		if dials, _, _ := p.count(); dials > 13 {
			t.Errorf("%d connections in an hour", dials)
		}
	})
}

func TestTheTokenIsRenewedOnTheSameConnection(t *testing.T) {
	p := &peer{}
	connected(t, p, nil, func(t *testing.T, c *Client) {
		<-time.After(4*time.Hour + time.Minute)
		if dials, tokens, _ := p.count(); dials != 1 || tokens != 6 {
			t.Errorf("%d connections, %d tokens in four hours; one each 48 minutes is 6", dials, tokens)
		}
		for i, one := range p.tokens {
			text, _ := strings.CutPrefix(one.token, "SharedAccessSignature ")
			values, err := url.ParseQuery(text)
			if err != nil || i > 0 && one.at.Sub(p.tokens[i-1].at) > 49*time.Minute {
				t.Errorf("token %d came %s after the one before, %v", i, one.at.Sub(p.tokens[max(0, i-1)].at), err)
			}
			if values.Get("se") != fmt.Sprint(one.at.Add(time.Hour).Unix()) {
				t.Errorf("token %d holds until %s", i, values.Get("se"))
			}
		}
	})
}

func TestABearerTokenSignsInForAllHubs(t *testing.T) {
	p := &peer{}
	change := func(o *Options) { o.Bearer, o.Service.Key = &source{life: time.Hour}, secret.Secret{} }
	connected(t, p, change, func(t *testing.T, c *Client) {
		if err := c.Send(within(t, time.Minute), hello); err != nil {
			t.Fatal(err)
		}
		if got := p.tokens[0]; got.audience != "https://iothubs.azure.net/.default" || got.token != "Bearer bearer-1" {
			t.Errorf("signed in with %+v", got)
		}
	})
}

func TestARefusedRenewalEndsTheConnection(t *testing.T) {
	p := &peer{sign: func(n int) (int32, string) {
		if n == 2 {
			return 500, "try again"
		}
		return 202, "Accepted"
	}}
	connected(t, p, nil, func(t *testing.T, c *Client) {
		<-time.After(50 * time.Minute)
		if err := c.Send(within(t, time.Minute), hello); err != nil {
			t.Fatal(err)
		}
		if dials, tokens, _ := p.count(); dials != 2 || tokens != 3 {
			t.Errorf("%d connections, %d tokens", dials, tokens)
		}
	})
}

func TestMessagesThatCannotWorkAreNotSent(t *testing.T) {
	p := &peer{}
	connected(t, p, nil, func(t *testing.T, c *Client) {
		for name, m := range map[string]Message{
			"without a device":       {},
			"to a path":              {Device: "a/b"},
			"feedback without an id": {Device: "a", Ack: AckPositive},
			"strange feedback":       {Device: "a", ID: "m", Ack: "maybe"},
			"more than 64 KiB":       {Device: "a", Body: make([]byte, 60<<10), Properties: map[string]string{"k": strings.Repeat("x", 5<<10)}},
		} {
			if err := c.Send(within(t, time.Minute), m); err == nil || fault.ClassOf(err) != fault.Rejected {
				t.Errorf("%s: %v", name, err)
			}
		}
		if len(p.messages) != 0 {
			t.Errorf("%d were sent", len(p.messages))
		}
	})
}

func TestFeedbackIsHandedOnAndSettled(t *testing.T) {
	const body = `[{"originalMessageId":"m-1","description":"Success","deviceGenerationId":"6370","deviceId":"dev-1","enqueuedTimeUtc":"2026-05-04T03:02:01.5Z","statusCode":"Success"},
		{"originalMessageId":"m-2","description":"x","deviceId":"dev-2","enqueuedTimeUtc":"2026-05-04T03:02:02","statusCode":"Expired"}]`
	p, batches := &peer{}, make(chan []Feedback, 10)
	var fail atomic.Bool
	handler := func(_ context.Context, batch []Feedback) error {
		if fail.Swap(false) {
			return errors.New("the platform is away")
		}
		batches <- batch
		return nil
	}
	synced := func(o *Options) { o.Feedback = handler }
	connected(t, p, synced, func(t *testing.T, c *Client) {
		p.feedback <- []byte(body)
		synctest.Wait()
		batch := <-batches
		if len(batch) != 2 || batch[0].MessageID != "m-1" || batch[0].Status != "Success" || batch[0].Generation != "6370" ||
			batch[1].DeviceID != "dev-2" || batch[1].Status != "Expired" || batch[1].Time.Second() != 2 {
			t.Errorf("got %+v", batch)
		}
		p.feedback <- []byte("no JSON")
		synctest.Wait()
		fail.Store(true)
		p.feedback <- []byte(body)
		<-time.After(time.Second) // the link is attached again
		p.feedback <- []byte(body)
		synctest.Wait()
		p.mu.Lock()
		defer p.mu.Unlock()
		if got, want := fmt.Sprint(p.outcomes), fmt.Sprint([]amqp10.Outcome{amqp10.OutcomeAccepted, amqp10.OutcomeRejected, amqp10.OutcomeReleased, amqp10.OutcomeAccepted}); got != want {
			t.Errorf("settled %s, want %s", got, want)
		}
		if p.dials != 1 || len(batches) != 1 {
			t.Errorf("%d connections, %d batches", p.dials, len(batches))
		}
	})
}

func TestFeedbackForSomebodyElseIsLeftToThem(t *testing.T) {
	p, heard := &peer{}, make(chan string, 10)
	handler := func(_ context.Context, batch []Feedback) error {
		heard <- batch[0].MessageID
		if batch[0].MessageID != "mine" {
			return ErrNotMine
		}
		return nil
	}
	connected(t, p, func(o *Options) { o.Feedback = handler }, func(t *testing.T, c *Client) {
		for _, id := range []string{"others", "mine", "others"} {
			p.feedback <- []byte(`[{"originalMessageId":"` + id + `"}]`)
		}
		synctest.Wait()
		p.mu.Lock()
		defer p.mu.Unlock()
		if len(heard) != 3 || len(p.outcomes) != 1 || p.outcomes[0] != amqp10.OutcomeAccepted || p.dials != 1 {
			t.Errorf("%d batches heard, settled %v", len(heard), p.outcomes)
		}
	})
}

func TestWithoutAHandlerTheFeedbackQueueIsLeftAlone(t *testing.T) {
	var asked atomic.Bool
	p := &peer{attach: func(node string) error {
		if strings.Contains(node, "feedback") {
			asked.Store(true)
		}
		return nil
	}}
	connected(t, p, nil, func(t *testing.T, c *Client) {
		if err := c.Send(within(t, time.Minute), hello); err != nil || asked.Load() {
			t.Errorf("%v, feedback asked for: %t", err, asked.Load())
		}
	})
}

func TestMessagesGoOnWhileFeedbackIsRefused(t *testing.T) {
	p := &peer{attach: func(node string) error {
		if strings.Contains(node, "feedback") {
			return amqp10.Errorf(amqp10.CondUnauthorized, "no right")
		}
		return nil
	}}
	change := func(o *Options) { o.Feedback = func(context.Context, []Feedback) error { return nil } }
	connected(t, p, change, func(t *testing.T, c *Client) {
		<-time.After(10 * time.Minute)
		if err := c.Send(within(t, time.Minute), hello); err != nil || p.dials != 1 {
			t.Errorf("%v over %d connections", err, p.dials)
		}
	})
}

func TestTheLogShowsNoCredential(t *testing.T) {
	var log bytes.Buffer
	p := &peer{}
	p.sign = func(n int) (int32, string) {
		p.mu.Lock()
		defer p.mu.Unlock()
		return 401, "refused: " + p.tokens[n-1].token
	}
	change := func(o *Options) {
		o.Log = slog.New(slog.NewTextHandler(&log, &slog.HandlerOptions{Level: slog.LevelDebug}))
	}
	connected(t, p, change, func(t *testing.T, c *Client) {
		err := c.Send(within(t, time.Minute), hello)
		synctest.Wait()
		if text := log.String() + err.Error(); !strings.Contains(text, "401") || strings.Contains(text, "sig=") || strings.Contains(text, testKey) {
			t.Error(text)
		}
	})
}

func TestSendersAreServedTogether(t *testing.T) {
	p := &peer{}
	connected(t, p, func(o *Options) { o.Quota = Quota{Tier: "S3"} }, func(t *testing.T, c *Client) {
		results := make(chan error, 200)
		for i := range cap(results) {
			go func() {
				results <- c.Send(within(t, time.Minute), Message{Device: "dev-1", ID: fmt.Sprint(i)})
			}()
		}
		for range cap(results) {
			if err := <-results; err != nil {
				t.Error(err)
			}
		}
		if dials, _, messages := p.count(); dials != 1 || messages != 200 {
			t.Errorf("%d messages over %d connections", messages, dials)
		}
	})
}

func TestAMessageWhoseAnswerIsLateIsUncertain(t *testing.T) {
	p := &peer{verdict: func(int, *amqp10.Incoming, *amqp10.Link) {}}
	connected(t, p, nil, func(t *testing.T, c *Client) {
		err := c.Send(within(t, 10*time.Second), hello)
		checkProblem(t, err, ErrUncertain, fault.Transient)
		if _, _, n := p.count(); !errors.Is(err, context.DeadlineExceeded) || n != 1 {
			t.Errorf("%v after %d messages", err, n)
		}
	})
}
