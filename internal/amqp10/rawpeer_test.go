package amqp10

import (
	"context"
	"io"
	"net"
	"testing"
	"time"
)

// rawPeer sends frames no library would send.
type rawPeer struct {
	t      testing.TB
	conn   net.Conn
	frames *FrameReader
}

// rawDial opens a connection without SASL, as some clients do, and begins a session on channel 0.
func rawDial(t testing.TB, serve serveFunc) *rawPeer {
	t.Helper()
	p := &rawPeer{t: t, conn: start(t, Config{}, serve)}
	_ = p.conn.SetDeadline(time.Now().Add(10 * time.Second))
	p.frames = NewFrameReader(p.conn, MaxFrameSize)
	p.open()
	p.send(0, &Begin{IncomingWindow: 100, OutgoingWindow: 100})
	want[*Begin](p)
	return p
}

func (p *rawPeer) open() {
	p.t.Helper()
	go func() { _, _ = io.WriteString(p.conn, headerAMQP) }()
	if header, err := p.frames.header(); err != nil || string(header[:]) != headerAMQP {
		p.t.Fatalf("header %q (%v)", header, err)
	}
	p.send(0, &Open{ContainerID: "raw"})
	if got := want[*Open](p); got.ContainerID != "test" || got.MaxFrameSize.Value != MaxFrameSize || got.ChannelMax.Value != ChannelMax {
		p.t.Errorf("open %+v", got)
	}
}

func (p *rawPeer) send(channel uint16, perf Performative, payload ...byte) {
	p.t.Helper()
	if _, err := p.conn.Write(AppendFrame(nil, FrameAMQP, channel, perf, payload)); err != nil {
		p.t.Fatal(err)
	}
}

// want reads the next frame, which must hold a T.
func want[T Performative](p *rawPeer) T {
	p.t.Helper()
	frame, err := p.frames.Next()
	if err != nil {
		p.t.Fatalf("read frame: %v", err)
	}
	perf, _, err := DecodePerformative(frame.Body)
	if err != nil {
		p.t.Fatal(err)
	}
	got, ok := perf.(T)
	if !ok {
		p.t.Fatalf("got %T %+v, want %T", perf, perf, got)
	}
	return got
}

func (p *rawPeer) attach(handle uint32, role Role) *Attach {
	p.t.Helper()
	a := &Attach{Name: "l", Handle: handle, Role: role, SenderSettleMode: SenderMixed, Source: &Source{Address: "s"}, Target: &Target{Address: "t"}}
	if role == RoleSender {
		a.InitialDeliveryCount = Some[uint32](0)
	}
	p.send(0, a)
	return want[*Attach](p)
}

// idle accepts a link and waits for its end.
func idle(ctx context.Context, l *Link) error {
	if err := l.Accept(Terms{Credit: 2}); err != nil {
		return err
	}
	<-ctx.Done()
	return nil
}

func TestAFlowBehindTheDetachOfItsLinkIsForgiven(t *testing.T) {
	p := rawDial(t, idle)
	for range 2 { // the handle serves again afterwards
		p.attach(1, RoleReceiver)
		p.send(0, &Detach{Handle: 1, Closed: true})
		p.send(0, &Flow{Handle: Some[uint32](1), LinkCredit: Some[uint32](1)})
		p.send(0, &Detach{Handle: 1, Closed: true})
		if d := want[*Detach](p); d.Error != nil {
			t.Errorf("detached with %v", d.Error)
		}
	}
	p.send(0, &Flow{Echo: true})
	want[*Flow](p) // the session lives
}

func TestFramesThatBreakTheRulesGetTheirError(t *testing.T) {
	one := Some[uint32](1)
	for _, v := range []struct {
		name string
		do   func(p *rawPeer) *Error
		want Symbol
	}{
		{"a flow for an unknown handle ends the session", func(p *rawPeer) *Error {
			p.send(0, &Flow{Handle: one})
			return want[*End](p).Error
		}, CondUnattachedHandle},
		{"a transfer behind the detach of its link ends the session", func(p *rawPeer) *Error {
			p.attach(7, RoleReceiver)
			p.send(0, &Detach{Handle: 7, Closed: true})
			want[*Detach](p)
			p.send(0, &Transfer{Handle: 7, DeliveryID: one}, body("x")...)
			return want[*End](p).Error
		}, CondUnattachedHandle},
		{"a transfer for an unknown handle ends the session", func(p *rawPeer) *Error {
			p.send(0, &Transfer{Handle: 7, DeliveryID: one}, body("x")...)
			return want[*End](p).Error
		}, CondUnattachedHandle},
		{"a handle in use ends the session", func(p *rawPeer) *Error {
			p.attach(0, RoleReceiver)
			p.send(0, &Attach{Name: "m", Source: &Source{}})
			return want[*End](p).Error
		}, CondHandleInUse},
		{"a transfer to a link that sends ends the session", func(p *rawPeer) *Error {
			p.attach(0, RoleReceiver)
			p.send(0, &Transfer{DeliveryID: one}, body("x")...)
			return want[*End](p).Error
		}, CondNotAllowed},
		{"a third message for a credit of two ends the link", func(p *rawPeer) *Error {
			p.attach(0, RoleSender)
			if got := want[*Flow](p).LinkCredit.Value; got != 2 {
				p.t.Errorf("credit %d, want 2", got)
			}
			for id := range uint32(3) {
				p.send(0, &Transfer{DeliveryID: Some(id)}, body("x")...)
			}
			return want[*Detach](p).Error
		}, CondTransferLimit},
		{"a message over a megabyte ends the link", func(p *rawPeer) *Error {
			p.attach(0, RoleSender)
			want[*Flow](p)
			for range MaxMessageSize/60000 + 1 {
				p.send(0, &Transfer{DeliveryID: one, More: true}, make([]byte, 60000)...)
			}
			return want[*Detach](p).Error
		}, CondMessageSize},
		{"a handle over handle-max closes the connection", func(p *rawPeer) *Error {
			p.send(0, &Attach{Name: "l", Handle: HandleMax + 1})
			return want[*Close](p).Error
		}, CondFramingError},
		{"a channel over channel-max closes the connection", func(p *rawPeer) *Error {
			p.send(ChannelMax+1, &Begin{})
			return want[*Close](p).Error
		}, CondFramingError},
		{"an attach on a channel that never had a session closes the connection", func(p *rawPeer) *Error {
			p.send(9, &Attach{Name: "l"})
			return want[*Close](p).Error
		}, CondNotAllowed},
		{"a second open closes the connection", func(p *rawPeer) *Error {
			p.send(0, &Open{ContainerID: "again"})
			return want[*Close](p).Error
		}, CondNotAllowed},
		{"bytes that are no AMQP close the connection", func(p *rawPeer) *Error {
			_, _ = p.conn.Write([]byte{0, 0, 0, 10, 2, 0, 0, 0, 0xDE, 0xAD})
			return want[*Close](p).Error
		}, CondDecodeError},
		{"a frame over the agreed size closes the connection", func(p *rawPeer) *Error {
			_, _ = p.conn.Write([]byte{0, 2, 0, 0, 2, 0, 0, 0})
			return want[*Close](p).Error
		}, CondFramingError},
	} {
		t.Run(v.name, func(t *testing.T) {
			p := rawDial(t, idle)
			if got := v.do(p); got == nil || got.Condition != v.want {
				t.Errorf("error %v, want %s", got, v.want)
			}
		})
	}
}

func TestADetachThatComesAfterTheEndIsForgiven(t *testing.T) {
	p := rawDial(t, idle)
	p.attach(0, RoleReceiver)
	p.send(0, &End{})
	want[*End](p)
	p.send(0, &Detach{Closed: true})
	p.send(0, &Begin{})
	if got := want[*Begin](p); got.RemoteChannel.Value != 0 {
		t.Errorf("begin %+v", got)
	}
}

func TestAfterItsCloseTheServerReadsOnUntilThePeerHangsUp(t *testing.T) {
	p := rawDial(t, idle)
	p.send(0, &Close{})
	want[*Close](p)
	for range 10 {
		p.send(0, &Begin{}) // would fail, had the server hung up
	}
	if err := p.conn.(*net.TCPConn).CloseWrite(); err != nil {
		t.Fatal(err)
	}
	if _, err := p.frames.Next(); err != io.EOF {
		t.Errorf("after the close: %v, want the end", err)
	}
}

func TestDeliveriesAndFramesAreCountedApart(t *testing.T) {
	p := rawDial(t, func(ctx context.Context, l *Link) error {
		if err := l.Accept(Terms{}); err != nil {
			return err
		}
		for _, n := range []int{100_000, 10} { // two frames, then one
			if err := l.Send(ctx, make([]byte, n)); err != nil {
				return err
			}
		}
		<-ctx.Done()
		return nil
	})
	if got := p.attach(0, RoleReceiver).InitialDeliveryCount; !got.Set {
		t.Error("a sender's attach has an initial-delivery-count")
	}
	p.send(0, &Flow{IncomingWindow: 3, Handle: Some[uint32](0), LinkCredit: Some[uint32](5)})
	first, second, third := want[*Transfer](p), want[*Transfer](p), want[*Transfer](p)
	if !first.More || second.More || first.DeliveryID != Some[uint32](0) || third.DeliveryID != Some[uint32](1) {
		t.Errorf("transfers %+v\n%+v\n%+v", first, second, third)
	}
	p.send(0, &Flow{NextIncomingID: Some[uint32](3), IncomingWindow: 0, Echo: true, Handle: Some[uint32](0), DeliveryCount: Some[uint32](2), LinkCredit: Some[uint32](3)})
	got := want[*Flow](p)
	if got.NextOutgoingID != 3 || got.DeliveryCount.Value != 2 || got.LinkCredit.Value != 3 {
		t.Errorf("flow %+v, want 3 frames and 2 deliveries", got)
	}
}

func TestTheSessionWindowHoldsFramesBack(t *testing.T) {
	p := rawDial(t, func(ctx context.Context, l *Link) error {
		if err := l.Accept(Terms{}); err != nil {
			return err
		}
		for range 3 {
			if err := l.Send(ctx, body("x")); err != nil {
				return err
			}
		}
		<-ctx.Done()
		return nil
	})
	p.attach(0, RoleReceiver)
	p.send(0, &Flow{IncomingWindow: 2, Handle: Some[uint32](0), LinkCredit: Some[uint32](10)})
	want[*Transfer](p)
	want[*Transfer](p)
	p.send(0, &Flow{NextIncomingID: Some[uint32](2), IncomingWindow: 0, Echo: true})
	want[*Flow](p) // and no transfer before it
	p.send(0, &Flow{NextIncomingID: Some[uint32](2), IncomingWindow: 1})
	want[*Transfer](p)
}

func TestOneDispositionSettlesARange(t *testing.T) {
	p := rawDial(t, func(ctx context.Context, l *Link) error {
		if err := l.Accept(Terms{}); err != nil {
			return err
		}
		var sent []*Delivery
		for range 4 {
			d, err := l.Deliver(ctx, body("x"))
			if err != nil {
				return err
			}
			sent = append(sent, d)
		}
		for _, d := range sent {
			if state, err := d.Outcome(ctx); err != nil || state.Outcome != OutcomeAccepted {
				return Errorf(CondInternalError, "outcome %+v (%v)", state, err)
			}
		}
		return nil
	})
	p.attach(0, RoleReceiver)
	p.send(0, &Flow{IncomingWindow: 100, Handle: Some[uint32](0), LinkCredit: Some[uint32](10)})
	for range 4 {
		want[*Transfer](p)
	}
	accepted := State{Outcome: OutcomeAccepted}
	p.send(0, &Disposition{Role: RoleReceiver, First: 0, Last: Some[uint32](1), Settled: true, State: accepted})
	p.send(0, &Disposition{Role: RoleReceiver, First: 2, Last: Some[uint32](4_000_000_000), State: accepted})
	for range 2 { // not settled by us, so the server settles and says so
		if got := want[*Disposition](p); got.Role != RoleSender || !got.Settled {
			t.Errorf("disposition %+v", got)
		}
	}
	if got := want[*Detach](p); got.Error != nil || !got.Closed {
		t.Errorf("detach %+v, want one in good order", got)
	}
}

func TestAnAbortedMessageIsForgottenAndItsCreditGivenBack(t *testing.T) {
	received := make(chan string, 1)
	p := rawDial(t, func(ctx context.Context, l *Link) error {
		if err := l.Accept(Terms{Credit: 1}); err != nil {
			return err
		}
		in, err := l.Receive(ctx)
		if err != nil {
			return err
		}
		received <- string(in.Payload)
		return nil
	})
	p.attach(0, RoleSender)
	want[*Flow](p)
	p.send(0, &Transfer{DeliveryID: Some[uint32](0), More: true}, []byte("half")...)
	p.send(0, &Transfer{Aborted: true})
	if got := want[*Flow](p); got.LinkCredit.Value != 1 || got.DeliveryCount.Value != 1 {
		t.Errorf("flow %+v, want a new credit", got)
	}
	p.send(0, &Transfer{DeliveryID: Some[uint32](1)}, []byte("whole")...)
	if got := <-received; got != "whole" {
		t.Errorf("received %q", got)
	}
}
