package hub_test

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"azx/internal/amqp10"
	"azx/internal/dial"
	"azx/internal/fault"
	"azx/internal/hub"
	"azx/internal/supervise"
	"azx/test/bench/certs"
)

// stage is an event endpoint that does what a test tells it, in place of the local hub.
type stage struct {
	network *dial.Network
	status  atomic.Int32 // of the answers to tokens; 202
	opened  atomic.Int32 // connections
	reads   func(ctx context.Context, l *amqp10.Link, selector string) error

	mu      sync.Mutex
	answers map[answerer]*amqp10.Link
}

// answerer is where a client wants its answers.
type answerer struct {
	conn    *amqp10.Conn
	address string
}

// newStage listens in the place of the site's event endpoint, under the same name.
func newStage(t *testing.T, s *site, reads func(ctx context.Context, l *amqp10.Link, selector string) error) *stage {
	t.Helper()
	st := &stage{reads: reads, answers: map[answerer]*amqp10.Link{}}
	st.status.Store(202)
	authority, err := certs.New(s.Hub.Names().Namespace)
	if err != nil {
		t.Fatal(err)
	}
	l := tls.NewListener(listen(t), &tls.Config{Certificates: []tls.Certificate{authority.Leaf}})
	group := supervise.New(context.Background())
	group.Go("endpoint", func(ctx context.Context) error {
		connections := supervise.New(ctx)
		connections.Accept("connection", l, func(err error) { t.Error(err) }, func(ctx context.Context, nc net.Conn) {
			st.opened.Add(1)
			_ = amqp10.Serve(ctx, nc, amqp10.Config{ContainerID: "stage", NewHandler: func(*amqp10.Conn) amqp10.Handler { return st }})
		})
		connections.Stop()
		return connections.Wait()
	})
	t.Cleanup(func() {
		group.Stop()
		if err := group.Wait(); err != nil {
			t.Error(err)
		}
	})
	st.network = &dial.Network{AMQPS: l.Addr().String(), TLS: func() (*tls.Config, error) { return &tls.Config{RootCAs: authority.Pool}, nil }}
	return st
}

// ServeLink is amqp10.Handler's.
func (st *stage) ServeLink(ctx context.Context, l *amqp10.Link) error {
	switch address := l.Address(); {
	case !strings.HasPrefix(address, "$") && l.Sends():
		selector := ""
		for _, f := range l.Asked().Source.Filter {
			selector, _ = f.Value.(amqp10.Described).Value.(string)
		}
		return st.reads(ctx, l, selector)
	case l.Sends():
		st.mu.Lock()
		st.answers[answerer{l.Conn(), l.ReplyAddress()}] = l
		st.mu.Unlock()
		if err := l.Accept(amqp10.Terms{}); err != nil {
			return err
		}
		<-ctx.Done()
		return nil
	}
	if err := l.Accept(amqp10.Terms{}); err != nil {
		return err
	}
	for {
		in, err := l.Receive(ctx)
		if err != nil {
			return err
		}
		in.Accept()
		if err := st.answer(ctx, l.Conn(), in.Payload); err != nil {
			return err
		}
	}
}

// answer takes tokens, and says of everything else that it is there.
func (st *stage) answer(ctx context.Context, c *amqp10.Conn, request []byte) error {
	m, err := amqp10.DecodeMessage(request)
	if err != nil {
		return err
	}
	st.mu.Lock()
	l := st.answers[answerer{c, m.Properties.ReplyTo}]
	st.mu.Unlock()
	return l.Send(ctx, amqp10.AppendMessage(nil, &amqp10.Message{
		Properties:            &amqp10.Properties{CorrelationID: m.Properties.MessageID},
		ApplicationProperties: amqp10.Map{{Key: "status-code", Value: st.status.Load()}, {Key: "status-description", Value: "so it is"}},
		Value:                 amqp10.Some[any](nil),
	}))
}

// event is a message at a place, as the endpoint sends it.
func event(sequence int64, offset string, body []byte) []byte {
	return amqp10.AppendMessage(nil, &amqp10.Message{
		Annotations: amqp10.Map{
			{Key: amqp10.Symbol("x-opt-sequence-number"), Value: sequence},
			{Key: amqp10.Symbol("x-opt-offset"), Value: offset},
			{Key: amqp10.Symbol("x-opt-enqueued-time"), Value: amqp10.TimestampOf(time.Now())},
		},
		Data: [][]byte{body},
	})
}

func (st *stage) open(t *testing.T, s *site) *hub.Client {
	return s.open(t, func(o *hub.Options) { o.Network = st.network })
}

func TestWhatTheEndpointSaysIsTakenAlike(t *testing.T) {
	for name, test := range map[string]struct {
		condition   amqp10.Symbol
		description string
		class       fault.Class
		is          error
		hint        string
	}{
		"stolen":               {amqp10.CondLinkStolen, "a new receiver", fault.Transient, hub.ErrStolen, "consumer group"},
		"unauthorized":         {amqp10.CondUnauthorized, "", fault.Credential, nil, "ServiceConnect"},
		"busy":                 {"com.microsoft:server-busy", "", fault.Transient, hub.ErrBusy, "throttles"},
		"timeout":              {"com.microsoft:timeout", "", fault.Transient, nil, ""},
		"detach forced":        {amqp10.CondDetachForced, "", fault.Transient, nil, ""},
		"redirect":             {amqp10.CondLinkRedirect, "", fault.Transient, hub.ErrNotFound, ""},
		"too many readers":     {amqp10.CondResourceLimitExceeded, "", fault.Transient, nil, "too many readers"},
		"a geographic offset":  {"com.microsoft:georeplication:invalid-offset", "", fault.Transient, hub.ErrOffset, "time of the checkpoint"},
		"an offset it forgot":  {"com.microsoft:argument-error", "The supplied offset '7' is invalid", fault.Transient, hub.ErrOffset, "time of the checkpoint"},
		"something of its own": {"com.microsoft:surprise", "", fault.Transient, nil, ""},
	} {
		for when, late := range map[string]bool{"at once": false, "after a message": true} {
			t.Run(name+" "+when, func(t *testing.T) {
				each(t, func(t *testing.T, s *site) {
					var attached atomic.Int32 // the library attaches once more before it tells
					st := newStage(t, s, func(ctx context.Context, l *amqp10.Link, _ string) error {
						refusal := amqp10.Errorf(test.condition, "%s", test.description)
						if !late || attached.Add(1) > 1 {
							return refusal
						}
						return errors.Join(l.Accept(amqp10.Terms{}), l.Send(ctx, event(1, "1", nil)), refusal)
					})
					r := s.receiver(t, st.open(t, s), hub.Earliest())
					var err error
					for ctx := within(t); err == nil; {
						_, err = r.Receive(ctx)
					}
					if fault.ClassOf(err) != test.class || test.is != nil && !errors.Is(err, test.is) || !strings.Contains(fault.HintOf(err), test.hint) {
						t.Errorf("got %v, class %v, hint %q", err, fault.ClassOf(err), fault.HintOf(err))
					}
				})
			})
		}
	}
}

func TestARefusedTokenIsTheKeysFault(t *testing.T) {
	each(t, func(t *testing.T, s *site) {
		st := newStage(t, s, func(context.Context, *amqp10.Link, string) error { return errors.New("read without a token") })
		st.status.Store(401)
		r := s.receiver(t, st.open(t, s), hub.Earliest())
		if _, err := r.Receive(within(t)); fault.ClassOf(err) != fault.Credential {
			t.Errorf("got %v, class %v", err, fault.ClassOf(err))
		}
	})
}

// Offsets are texts that only the hub understands.
func TestReadingGoesOnBehindAnOffsetOfAnyForm(t *testing.T) {
	each(t, func(t *testing.T, s *site) {
		const first, second = "3:12884901888:1", "geo/7=="
		selectors := make(chan string, 10)
		st := newStage(t, s, func(ctx context.Context, l *amqp10.Link, selector string) error {
			selectors <- selector
			next := event(1, first, []byte("a"))
			if strings.Contains(selector, first) || strings.Contains(selector, "sequence-number > '1'") { // the library's way
				next = event(2, second, []byte("b"))
			}
			if err := errors.Join(l.Accept(amqp10.Terms{}), l.Send(ctx, next)); err != nil || next[len(next)-1] == 'a' {
				return errors.Join(err, amqp10.Errorf(amqp10.CondDetachForced, "again"))
			}
			<-ctx.Done()
			return nil
		})
		r := s.receiver(t, st.open(t, s), hub.Earliest())
		var got []string
		for ctx := within(t); len(got) < 2 && ctx.Err() == nil; {
			messages, _ := r.Receive(ctx)
			got = append(got, bodies(messages)...)
		}
		if fmt.Sprint(got) != "[a b]" {
			t.Errorf("got %v", got)
		}
		if s.kind == hub.SDK {
			return
		}
		if asked := <-selectors + ", " + <-selectors; asked != "amqp.annotation.x-opt-offset > '-1', amqp.annotation.x-opt-offset > '"+first+"'" {
			t.Errorf("asked for %s", asked)
		}
	})
}

// A peer that settles nothing beforehand is Event Hubs no more, and the fast receiver reads it all the same.
func TestMessagesThatAreNotSettledComeToo(t *testing.T) {
	s := start(t, hub.Fast)
	const many = 5000
	verdicts := make(chan amqp10.Outcome, many)
	st := newStage(t, s, func(ctx context.Context, l *amqp10.Link, _ string) error {
		if err := l.Accept(amqp10.Terms{}); err != nil {
			return err
		}
		for n := range int64(many) {
			tag := fmt.Appendf(nil, "%d", n)
			err := l.Hand(ctx, event(n, fmt.Sprint(n), tag), tag, func(state amqp10.State) amqp10.State {
				verdicts <- state.Outcome
				return state
			})
			if err != nil {
				return err
			}
		}
		<-ctx.Done()
		return nil
	})
	r := s.receiver(t, st.open(t, s), hub.Earliest())
	for n, m := range take(t, r, many) {
		if string(m.Body) != fmt.Sprint(n) {
			t.Fatalf("message %d is %s", n, m.Body)
		}
	}
	if err := r.Close(within(t)); err != nil {
		t.Fatal(err)
	}
	for range many {
		if v := <-verdicts; v != amqp10.OutcomeAccepted {
			t.Fatalf("settled as %#x", v)
		}
	}
}

func TestSomethingThatIsNoEventEndsTheReading(t *testing.T) {
	for name, payload := range map[string][]byte{
		"a message without a place": amqp10.AppendMessage(nil, &amqp10.Message{Data: [][]byte{[]byte("x")}}),
		"bytes that are no message": []byte("junk"),
	} {
		t.Run(name, func(t *testing.T) {
			s := start(t, hub.Fast)
			st := newStage(t, s, func(ctx context.Context, l *amqp10.Link, _ string) error {
				return errors.Join(l.Accept(amqp10.Terms{}), l.Send(ctx, payload))
			})
			r := s.receiver(t, st.open(t, s), hub.Earliest())
			if _, err := r.Receive(within(t)); fault.ClassOf(err) != fault.Fatal || fault.HintOf(err) == "" {
				t.Errorf("got %v", err)
			}
		})
	}
}
