package amqp10

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"net"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/Azure/go-amqp"
)

// serveFunc is a Handler that serves every link alike.
type serveFunc func(ctx context.Context, l *Link) error

func (f serveFunc) ServeLink(ctx context.Context, l *Link) error { return f(ctx, l) }

// start serves one connection over loopback TCP with serve, and returns the peer's end. The test waits for the server's end.
func start(t testing.TB, cfg Config, serve serveFunc) net.Conn {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	peer, err := net.Dial("tcp", listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	nc, err := listener.Accept()
	if err != nil {
		t.Fatal(err)
	}
	listener.Close()
	run(t, nc, cfg, serve)
	t.Cleanup(func() { peer.Close() })
	return peer
}

func run(t testing.TB, nc net.Conn, cfg Config, serve serveFunc) {
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	cfg.ContainerID = "test"
	cfg.NewHandler = func(*Conn) Handler { return serve }
	go func() { done <- Serve(ctx, nc, cfg) }()
	t.Cleanup(func() {
		cancel()
		<-done
	})
}

// dial opens a connection and a session of go-amqp.
func dial(t *testing.T, cfg Config, serve serveFunc) (context.Context, *amqp.Conn, *amqp.Session) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	t.Cleanup(cancel)
	conn, err := amqp.NewConn(ctx, start(t, cfg, serve), nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	session, err := conn.NewSession(ctx, nil)
	if err != nil {
		t.Fatal(err)
	}
	return ctx, conn, session
}

func body(text string) []byte { return AppendMessage(nil, &Message{Data: [][]byte{[]byte(text)}}) }

// echo serves one pair of links: what comes in on any link goes out on the link of the same connection that sends.
func echo() serveFunc {
	queue := make(chan []byte, 64)
	return func(ctx context.Context, l *Link) error {
		if err := l.Accept(Terms{Credit: 10}); err != nil {
			return err
		}
		for {
			if l.Sends() {
				select {
				case payload := <-queue:
					if err := l.Send(ctx, payload); err != nil {
						return err
					}
				case <-ctx.Done():
					return nil
				}
				continue
			}
			in, err := l.Receive(ctx)
			if err != nil {
				return err
			}
			queue <- in.Payload
			in.Accept()
		}
	}
}

func TestMessagesOfAnySizePassBothWaysInOrder(t *testing.T) {
	for _, mode := range []struct {
		name string
		mode amqp.SenderSettleMode
	}{{"settled", amqp.SenderSettleModeSettled}, {"unsettled", amqp.SenderSettleModeUnsettled}} {
		t.Run(mode.name, func(t *testing.T) {
			ctx, _, session := dial(t, Config{}, echo())
			receiver, err := session.NewReceiver(ctx, "out", &amqp.ReceiverOptions{Credit: 3, RequestedSenderSettleMode: &mode.mode})
			if err != nil {
				t.Fatal(err)
			}
			sender, err := session.NewSender(ctx, "in", &amqp.SenderOptions{SettlementMode: &mode.mode})
			if err != nil {
				t.Fatal(err)
			}
			sizes := []int{0, 1, 255, 256, 65_000, 65_536, 200_000, 7, 900_000, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1}
			go func() {
				for _, n := range sizes {
					if err := sender.Send(ctx, amqp.NewMessage(bytes.Repeat([]byte{byte(n)}, n)), nil); err != nil {
						t.Errorf("send %d bytes: %v", n, err)
					}
				}
			}()
			for _, n := range sizes {
				m, err := receiver.Receive(ctx, nil)
				if err != nil {
					t.Fatalf("receive %d bytes: %v", n, err)
				}
				if got := m.GetData(); !bytes.Equal(got, bytes.Repeat([]byte{byte(n)}, n)) {
					t.Fatalf("%d bytes came, want %d", len(got), n)
				}
				if err := receiver.AcceptMessage(ctx, m); err != nil {
					t.Fatalf("accept: %v", err)
				}
			}
		})
	}
}

func TestTheSenderHearsTheOutcomeOfAnUnsettledMessage(t *testing.T) {
	for _, v := range []struct {
		name   string
		settle func(ctx context.Context, r *amqp.Receiver, m *amqp.Message) error
		want   Outcome
	}{
		{"accepted", func(ctx context.Context, r *amqp.Receiver, m *amqp.Message) error { return r.AcceptMessage(ctx, m) }, OutcomeAccepted},
		{"rejected", func(ctx context.Context, r *amqp.Receiver, m *amqp.Message) error {
			return r.RejectMessage(ctx, m, &amqp.Error{Condition: "x:y"})
		}, OutcomeRejected},
		{"released", func(ctx context.Context, r *amqp.Receiver, m *amqp.Message) error { return r.ReleaseMessage(ctx, m) }, OutcomeReleased},
		{"modified", func(ctx context.Context, r *amqp.Receiver, m *amqp.Message) error {
			return r.ModifyMessage(ctx, m, &amqp.ModifyMessageOptions{DeliveryFailed: true})
		}, OutcomeModified},
	} {
		for _, mode := range []amqp.ReceiverSettleMode{amqp.ReceiverSettleModeFirst, amqp.ReceiverSettleModeSecond} {
			t.Run(v.name+" in mode "+mode.String(), func(t *testing.T) {
				outcome := make(chan State, 1)
				ctx, _, session := dial(t, Config{}, func(ctx context.Context, l *Link) error {
					if err := l.Accept(Terms{}); err != nil {
						return err
					}
					d, err := l.Deliver(ctx, body("hello"))
					if err != nil {
						return err
					}
					state, err := d.Outcome(ctx)
					if err != nil {
						return err
					}
					outcome <- state
					<-ctx.Done()
					return nil
				})
				receiver, err := session.NewReceiver(ctx, "q", &amqp.ReceiverOptions{SettlementMode: &mode})
				if err != nil {
					t.Fatal(err)
				}
				m, err := receiver.Receive(ctx, nil)
				if err != nil {
					t.Fatal(err)
				}
				if err := v.settle(ctx, receiver, m); err != nil {
					t.Fatal(err)
				}
				if got := <-outcome; got.Outcome != v.want {
					t.Errorf("outcome 0x%x, want 0x%x", got.Outcome, v.want)
				}
			})
		}
	}
}

func TestTheReceiverRejectsAndReleasesMessages(t *testing.T) {
	ctx, _, session := dial(t, Config{}, func(ctx context.Context, l *Link) error {
		if err := l.Accept(Terms{}); err != nil {
			return err
		}
		for {
			in, err := l.Receive(ctx)
			if err != nil {
				return err
			}
			m, err := DecodeMessage(in.Payload)
			switch {
			case err != nil:
				return err
			case string(m.Data[0]) == "bad":
				in.Reject(Errorf("test:bad", "not good"))
			default:
				in.Release()
			}
		}
	})
	sender, err := session.NewSender(ctx, "in", nil)
	if err != nil {
		t.Fatal(err)
	}
	var e *amqp.Error
	if err := sender.Send(ctx, amqp.NewMessage([]byte("bad")), nil); !errors.As(err, &e) || e.Condition != "test:bad" {
		t.Errorf("error %v, want the rejection", err)
	}
	receipt, err := sender.SendWithReceipt(ctx, amqp.NewMessage([]byte("other")), nil)
	if err != nil {
		t.Fatal(err)
	}
	state, err := receipt.Wait(ctx)
	if _, released := state.(*amqp.StateReleased); err != nil || !released {
		t.Errorf("state %T (%v), want released", state, err)
	}
}

func TestADrainTakesTheCreditBack(t *testing.T) {
	more := make(chan struct{})
	ctx, _, session := dial(t, Config{}, func(ctx context.Context, l *Link) error {
		if err := l.Accept(Terms{}); err != nil {
			return err
		}
		<-more
		if err := l.Send(ctx, body("late")); err != nil {
			return err
		}
		<-ctx.Done()
		return nil
	})
	receiver, err := session.NewReceiver(ctx, "q", &amqp.ReceiverOptions{Credit: -1})
	if err != nil {
		t.Fatal(err)
	}
	if err := receiver.IssueCredit(5); err != nil {
		t.Fatal(err)
	}
	if err := receiver.DrainCredit(ctx, nil); err != nil {
		t.Fatal(err)
	}
	close(more)
	if m := receiver.Prefetched(); m != nil {
		t.Fatal("a message came without credit")
	}
	if err := receiver.IssueCredit(1); err != nil {
		t.Fatal(err)
	}
	if m, err := receiver.Receive(ctx, nil); err != nil || string(m.GetData()) != "late" {
		t.Errorf("received %v (%v), want the message with the new credit", m, err)
	}
}

func TestTheServerEndsALinkWithAReasonAtAnyTime(t *testing.T) {
	links := make(chan *Link, 1)
	ctx, _, session := dial(t, Config{}, func(ctx context.Context, l *Link) error {
		if err := l.Accept(Terms{}); err != nil {
			return err
		}
		links <- l
		err := l.Send(ctx, body("never taken"))
		if !errors.Is(err, ErrLinkEnded) || !strings.Contains(err.Error(), "stolen") {
			t.Errorf("send on a detached link: %v", err)
		}
		return err
	})
	receiver, err := session.NewReceiver(ctx, "q", &amqp.ReceiverOptions{Credit: -1})
	if err != nil {
		t.Fatal(err)
	}
	(<-links).Detach(Errorf(CondLinkStolen, "another reader"))
	_, err = receiver.Receive(ctx, nil)
	var e *amqp.LinkError
	if !errors.As(err, &e) || e.RemoteErr == nil || e.RemoteErr.Condition != amqp.ErrCondStolen {
		t.Errorf("error %v, want stolen", err)
	}
}

func TestALinkIsRefusedWithTheHandlersError(t *testing.T) {
	info := Map{{Symbol("hostname"), "elsewhere"}, {Symbol("port"), int32(5671)}}
	for _, v := range []struct {
		name string
		err  error
		want amqp.ErrCond
	}{
		{"redirected, with info", &Error{Condition: CondLinkRedirect, Info: info}, amqp.ErrCondLinkRedirect},
		{"an error that is no AMQP error is an internal one", errors.New("disk"), amqp.ErrCondInternalError},
		{"no error means there is nothing", nil, amqp.ErrCondNotFound},
	} {
		t.Run(v.name, func(t *testing.T) {
			ctx, _, session := dial(t, Config{}, func(context.Context, *Link) error { return v.err })
			for range 2 { // as receiver and again: the session lives on
				_, err := session.NewReceiver(ctx, "q", nil)
				var e *amqp.Error
				if !errors.As(err, &e) || e.Condition != v.want {
					t.Fatalf("error %v, want %s", err, v.want)
				}
				if v.want == amqp.ErrCondLinkRedirect && (e.Info["hostname"] != "elsewhere" || e.Info["port"] != int32(5671)) {
					t.Errorf("info %v", e.Info)
				}
			}
			_, err := session.NewSender(ctx, "q", nil)
			var e *amqp.Error
			if !errors.As(err, &e) || e.Condition != v.want {
				t.Fatalf("error %v for a sender, want %s", err, v.want)
			}
		})
	}
}

func TestAPanicOfAHandlerEndsOnlyItsConnection(t *testing.T) {
	ctx, _, session := dial(t, Config{}, func(context.Context, *Link) error { panic("secret detail") })
	_, err := session.NewReceiver(ctx, "q", nil)
	if err == nil || strings.Contains(err.Error(), "secret") {
		t.Errorf("error %v, want one without the panic's text", err)
	}
}

func TestAnEndedSessionEndsItsLinksAndTheConnectionLivesOn(t *testing.T) {
	ended := make(chan error, 1)
	ctx, conn, session := dial(t, Config{}, func(ctx context.Context, l *Link) error {
		if err := l.Accept(Terms{}); err != nil {
			return err
		}
		for {
			if err := l.Send(ctx, body(strings.Repeat("x", 100_000))); err != nil {
				ended <- err
				return err
			}
		}
	})
	receiver, err := session.NewReceiver(ctx, "q", &amqp.ReceiverOptions{Credit: 2})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := receiver.Receive(ctx, nil); err != nil {
		t.Fatal(err)
	}
	if err := session.Close(ctx); err != nil {
		t.Fatal(err)
	}
	if err := <-ended; !errors.Is(err, ErrLinkEnded) {
		t.Errorf("the sending handler got %v", err)
	}
	session, err = conn.NewSession(ctx, nil)
	if err != nil {
		t.Fatal(err)
	}
	if receiver, err = session.NewReceiver(ctx, "q", nil); err != nil {
		t.Fatal(err)
	}
	if _, err := receiver.Receive(ctx, nil); err != nil {
		t.Error(err)
	}
}

func TestTheLinksMessageLimitIsAnnounced(t *testing.T) {
	ctx, _, session := dial(t, Config{}, func(ctx context.Context, l *Link) error {
		if err := l.Accept(Terms{MaxMessageSize: 1000}); err != nil {
			return err
		}
		_, err := l.Receive(ctx)
		return err
	})
	sender, err := session.NewSender(ctx, "in", nil)
	if err != nil {
		t.Fatal(err)
	}
	if sender.MaxMessageSize() != 1000 {
		t.Errorf("limit %d announced, want 1000", sender.MaxMessageSize())
	}
}

func TestPlainCredentialsAreChecked(t *testing.T) {
	var asked atomic.Int32
	cfg := Config{Plain: func(_ context.Context, user, password string) error {
		asked.Add(1)
		if user != "u" || password != "right" {
			return errors.New("wrong password")
		}
		return nil
	}}
	for _, v := range []struct {
		name, password string
		ok             bool
	}{{"right password", "right", true}, {"wrong password", "wrong", false}} {
		t.Run(v.name, func(t *testing.T) {
			ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
			defer cancel()
			user := make(chan string, 1)
			nc := start(t, cfg, func(_ context.Context, l *Link) error {
				user <- l.Conn().User()
				return nil
			})
			conn, err := amqp.NewConn(ctx, nc, &amqp.ConnOptions{SASLType: amqp.SASLTypePlain("u", v.password), HostName: "h"})
			if (err == nil) != v.ok {
				t.Fatalf("error %v", err)
			}
			if !v.ok {
				return
			}
			defer conn.Close()
			session, err := conn.NewSession(ctx, nil)
			if err != nil {
				t.Fatal(err)
			}
			_, _ = session.NewReceiver(ctx, "q", nil)
			if got := <-user; got != "u" {
				t.Errorf("user %q", got)
			}
		})
	}
	if asked.Load() != 2 {
		t.Errorf("credentials checked %d times, want 2", asked.Load())
	}
}

func TestAnIdleConnectionIsKeptAliveByHeartbeats(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		near, far := net.Pipe()
		run(t, far, Config{IdleTimeout: 10 * time.Second}, echo())
		ctx := t.Context()
		conn, err := amqp.NewConn(ctx, near, &amqp.ConnOptions{IdleTimeout: 20 * time.Second})
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		<-time.After(time.Hour) // on the test's own clock; go-amqp would end the connection after 20 s of silence, the server after 20 s
		if _, err := conn.NewSession(ctx, nil); err != nil {
			t.Errorf("after an idle hour: %v", err)
		}
	})
}

func TestASilentPeerIsGivenUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		near, far := net.Pipe()
		done := make(chan error, 1)
		go func() {
			done <- Serve(context.Background(), far, Config{ContainerID: "test", IdleTimeout: 10 * time.Second, NewHandler: func(*Conn) Handler { return echo() }})
		}()
		p := &rawPeer{t: t, conn: near, frames: NewFrameReader(near, MaxFrameSize)}
		p.open()
		begin := time.Now()
		if err := <-done; err == nil {
			t.Error("no error")
		}
		if took := time.Since(begin); took < 20*time.Second || took > 30*time.Second {
			t.Errorf("given up after %v, want twice the idle time-out", took)
		}
	})
}

func TestFramesAreNeverLargerThanThePeerTakes(t *testing.T) {
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	const limit = 600
	var largest atomic.Int64
	nc := &measuredConn{Conn: start(t, Config{}, func(ctx context.Context, l *Link) error {
		if err := l.Accept(Terms{}); err != nil {
			return err
		}
		return l.Send(ctx, body(strings.Repeat("x", 5000)))
	}), largest: &largest}
	conn, err := amqp.NewConn(ctx, nc, &amqp.ConnOptions{MaxFrameSize: limit})
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	session, err := conn.NewSession(ctx, nil)
	if err != nil {
		t.Fatal(err)
	}
	receiver, err := session.NewReceiver(ctx, "q", nil)
	if err != nil {
		t.Fatal(err)
	}
	m, err := receiver.Receive(ctx, nil)
	if err != nil || len(m.GetData()) != 5000 {
		t.Fatalf("received %v", err)
	}
	if got := largest.Load(); got != limit {
		t.Errorf("the largest frame has %d bytes, want a full %d", got, limit)
	}
}

// measuredConn notes the largest frame that is read through it.
type measuredConn struct {
	net.Conn
	largest *atomic.Int64
	stream  bytes.Buffer
}

func (c *measuredConn) Read(b []byte) (int, error) {
	n, err := c.Conn.Read(b)
	c.stream.Write(b[:n])
	for c.stream.Len() >= frameHeaderLen {
		head := c.stream.Bytes()
		size := frameHeaderLen // of a protocol header
		if string(head[:4]) != headerAMQP[:4] {
			size = int(binary.BigEndian.Uint32(head))
		}
		if c.stream.Len() < size {
			break
		}
		c.largest.Store(max(c.largest.Load(), int64(size)))
		c.stream.Next(size)
	}
	return n, err
}
