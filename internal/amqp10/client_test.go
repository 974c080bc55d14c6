package amqp10

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"testing"
	"time"
)

func soon(t testing.TB) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	t.Cleanup(cancel)
	return ctx
}

// connect opens a client's end to a server that serves every link alike.
func connect(t testing.TB, cfg Config, serve serveFunc) *Client {
	t.Helper()
	c, err := Connect(soon(t), start(t, cfg, serve), ClientConfig{ContainerID: "client", Hostname: "host"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close(soon(t)) })
	return c
}

func receive(t testing.TB, c *Client, cfg ReceiverConfig) *Receiver {
	t.Helper()
	if cfg.Source == nil {
		cfg.Source = &Source{Address: "out"}
	}
	r, err := c.Receive(soon(t), cfg)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// sends is a server that sends the same messages over every link, and then keeps it.
func sends(messages ...[]byte) serveFunc {
	return func(ctx context.Context, l *Link) error {
		if err := l.Accept(Terms{}); err != nil {
			return err
		}
		for _, m := range messages {
			if err := l.Send(ctx, m); err != nil {
				return err
			}
		}
		<-ctx.Done()
		return nil
	}
}

// sized are messages of these sizes, each of bytes of its own.
func sized(sizes ...int) (all [][]byte) {
	for i, n := range sizes {
		all = append(all, bytes.Repeat([]byte{byte(i)}, n))
	}
	return all
}

// takes receives messages until it has them all, and returns copies of the payloads made when the last has come: nothing
// must have been written over any of them.
func takes(t testing.TB, r *Receiver, n int) (all [][]byte) {
	t.Helper()
	for ctx := soon(t); len(all) < n; {
		batch, err := r.Receive(ctx)
		if err != nil {
			t.Fatalf("after %d of %d messages: %v", len(all), n, err)
		}
		for _, m := range batch {
			all = append(all, m.Payload)
		}
	}
	return all
}

func TestAClientReceivesMessagesOfAnySizeInOrder(t *testing.T) {
	sizes := []int{0, 1, 255, 256, 1023, 1024, 1025, 4096, 65_000, 65_536, 200_000, 7, 900_000, MaxMessageSize}
	for range 3000 {
		sizes = append(sizes, 700)
	}
	want := sized(sizes...)
	for _, settled := range []bool{true, false} {
		for _, bounds := range []struct{ credit, bytes int }{{1, 1}, {3, 1 << 20}, {1000, 100_000}, {5000, 64 << 20}} {
			t.Run(fmt.Sprintf("settled %v, credit %d, %d bytes", settled, bounds.credit, bounds.bytes), func(t *testing.T) {
				c := connect(t, Config{}, sends(want...))
				r := receive(t, c, ReceiverConfig{Settled: settled, Credit: bounds.credit, Bytes: bounds.bytes})
				for i, got := range takes(t, r, len(want)) {
					if !bytes.Equal(got, want[i]) {
						t.Fatalf("message %d of %d bytes came as %d others", i, len(want[i]), len(got))
					}
				}
				if err := r.Close(soon(t)); err != nil {
					t.Error(err)
				}
			})
		}
	}
}

func TestLinksOfOneConnectionDoNotMix(t *testing.T) {
	const links, each = 40, 500
	c := connect(t, Config{}, func(ctx context.Context, l *Link) error {
		if err := l.Accept(Terms{}); err != nil {
			return err
		}
		for n := range each {
			if err := l.Send(ctx, fmt.Appendf(nil, "%s %d", l.Address(), n)); err != nil {
				return err
			}
		}
		<-ctx.Done()
		return nil
	})
	done := make(chan error, links)
	for n := range links {
		address := fmt.Sprint("link", n)
		r := receive(t, c, ReceiverConfig{Source: &Source{Address: address}, Settled: n%2 == 0, Credit: 20, Bytes: 1 << 20})
		go func() {
			done <- func() error {
				for next := 0; next < each; {
					batch, err := r.Receive(soon(t))
					if err != nil {
						return err
					}
					for _, m := range batch {
						if want := fmt.Sprintf("%s %d", address, next); string(m.Payload) != want {
							return fmt.Errorf("got %q, want %q", m.Payload, want)
						}
						next++
					}
				}
				return nil
			}()
		}()
	}
	for range links {
		if err := <-done; err != nil {
			t.Error(err)
		}
	}
}

func TestUnsettledMessagesAreAcceptedOnceTheCallerHasHadThem(t *testing.T) {
	verdicts := make(chan Outcome, 10)
	c := connect(t, Config{}, func(ctx context.Context, l *Link) error {
		if err := l.Accept(Terms{}); err != nil {
			return err
		}
		for n := range 10 {
			d, err := l.Deliver(ctx, body(fmt.Sprint(n)))
			if err != nil {
				return err
			}
			defer func() {
				state, _ := d.Outcome(ctx)
				verdicts <- state.Outcome
			}()
		}
		return nil
	})
	r := receive(t, c, ReceiverConfig{Credit: 10, Bytes: 1 << 20})
	takes(t, r, 10)
	select {
	case v := <-verdicts:
		t.Errorf("%v before the caller was back", v)
	default:
	}
	if err := r.Close(soon(t)); err != nil {
		t.Fatal(err)
	}
	for range 10 {
		if v := <-verdicts; v != OutcomeAccepted {
			t.Errorf("got %#x", v)
		}
	}
}

func TestALinkEndsWithTheReasonOfThePeer(t *testing.T) {
	stolen := Errorf(CondLinkStolen, "another reader took over")
	for name, serve := range map[string]serveFunc{
		"when it is refused":      func(context.Context, *Link) error { return stolen },
		"right behind its attach": func(_ context.Context, l *Link) error { return errors.Join(l.Accept(Terms{}), stolen) },
		"behind the messages that came": func(ctx context.Context, l *Link) error {
			return errors.Join(l.Accept(Terms{}), l.Send(ctx, body("x")), stolen)
		},
		"with the whole connection": func(_ context.Context, l *Link) error {
			l.Conn().Close(stolen)
			return nil
		},
	} {
		t.Run(name, func(t *testing.T) {
			c := connect(t, Config{}, serve)
			r, err := c.Receive(soon(t), ReceiverConfig{Source: &Source{Address: "out"}, Settled: true, Credit: 5, Bytes: 1 << 20})
			for err == nil {
				_, err = r.Receive(soon(t))
			}
			var told *Error
			if !errors.As(err, &told) || told.Condition != CondLinkStolen {
				t.Errorf("got %v", err)
			}
			if r != nil {
				if err := r.Close(soon(t)); err != nil {
					t.Error(err)
				}
			}
		})
	}
}

func TestAReceiverIsDrained(t *testing.T) {
	want := sized(1, 2, 3)
	c := connect(t, Config{}, sends(want...))
	r := receive(t, c, ReceiverConfig{Settled: true, Credit: 100, Bytes: 1 << 20})
	takes(t, r, 1)
	if err := r.Drain(soon(t)); err != nil {
		t.Fatal(err)
	}
	for {
		_, err := r.Receive(soon(t))
		if errors.Is(err, ErrDrained) {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
	}
}

func TestALinkMayBeOpenedAgainAndAgain(t *testing.T) {
	c := connect(t, Config{}, sends(sized(10)...))
	for range 3 * ChannelMax {
		r := receive(t, c, ReceiverConfig{Settled: true, Credit: 1, Bytes: 1})
		takes(t, r, 1)
		if err := r.Close(soon(t)); err != nil {
			t.Fatal(err)
		}
	}
}

func TestANodeIsAsked(t *testing.T) {
	requests := make(chan *Message, 1)
	c := connect(t, Config{}, func(ctx context.Context, l *Link) error {
		if err := l.Accept(Terms{}); err != nil {
			return err
		}
		for {
			if !l.Sends() {
				in, err := l.Receive(ctx)
				if err != nil {
					return err
				}
				in.Accept()
				m, err := DecodeMessage(in.Payload)
				if err != nil {
					return err
				}
				requests <- m
				continue
			}
			select {
			case m := <-requests:
				late := AppendMessage(nil, &Message{Properties: &Properties{CorrelationID: "another"}})
				code, _ := m.ApplicationProperties.Get("want").(int32)
				answer := AppendMessage(nil, &Message{
					Properties:            &Properties{CorrelationID: m.Properties.MessageID},
					ApplicationProperties: Map{{Key: "status-code", Value: code}, {Key: "status-description", Value: "so it is"}},
				})
				if err := errors.Join(l.Send(ctx, late), l.Send(ctx, answer)); err != nil {
					return err
				}
			case <-ctx.Done():
				return nil
			}
		}
	})
	q, err := c.Requester(soon(t), "$node")
	if err != nil {
		t.Fatal(err)
	}
	for _, code := range []int32{200, 202, 401, 404, 0} {
		_, err := q.Ask(soon(t), &Message{ApplicationProperties: Map{{Key: "want", Value: code}}, Value: Some[any]("x")})
		var refused *StatusError
		if ok := code/100 == 2; ok != (err == nil) || !ok && (!errors.As(err, &refused) || refused.Code != int(code)) {
			t.Errorf("status %d: %v", code, err)
		}
	}
	var many []*Message
	for range 3*askedAhead + 1 {
		many = append(many, &Message{ApplicationProperties: Map{{Key: "want", Value: int32(200)}}, Value: Some[any](nil)})
	}
	answers, err := q.AskAll(soon(t), many...)
	if err != nil {
		t.Fatal(err)
	}
	for i, m := range answers {
		if m.Properties.CorrelationID != many[i].Properties.MessageID {
			t.Errorf("answer %d is that to %v", i, m.Properties.CorrelationID)
		}
	}
	many[2].ApplicationProperties[0].Value = int32(404)
	var refused *StatusError
	if _, err := q.AskAll(soon(t), many...); !errors.As(err, &refused) || refused.Code != 404 {
		t.Errorf("of one that is refused: %v", err)
	}
	if err := q.Close(soon(t)); err != nil {
		t.Error(err)
	}
}

func TestAClientIsRefusedWithWrongCredentials(t *testing.T) {
	cfg := Config{Plain: func(_ context.Context, user, password string) error {
		if user != "user" || password != "right" {
			return errors.New("no")
		}
		return nil
	}}
	for password, ok := range map[string]bool{"right": true, "wrong": false} {
		c, err := Connect(soon(t), start(t, cfg, idle), ClientConfig{ContainerID: "c", User: "user", Password: password})
		var told *Error
		switch {
		case ok && err != nil:
			t.Error(err)
		case ok:
			_ = c.Close(soon(t))
		case !errors.As(err, &told) || told.Condition != CondUnauthorized:
			t.Errorf("got %v", err)
		}
	}
}
