package amqp10

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"testing"
	"time"
)

// rawServer speaks frame by frame, and says what no server would say.
type rawServer struct {
	rawPeer
}

// against connects a client to a raw server that has opened the connection.
func against(t testing.TB, cfg ClientConfig) (*Client, *rawServer) {
	t.Helper()
	near, far := net.Pipe()
	s := &rawServer{rawPeer{t: t, conn: far, frames: NewFrameReader(far, MaxFrameSize)}}
	opened := make(chan error, 1)
	go func() { opened <- s.greet(&Open{ContainerID: "raw", IdleTimeout: 60_000}) }()
	cfg.ContainerID = "client"
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	c, err := Connect(ctx, near, cfg)
	if err = errors.Join(err, <-opened); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = far.Close()
		_ = c.Close(context.Background())
	})
	return c, s
}

// greet does the server's part of SASL and of the open.
func (s *rawServer) greet(open *Open) error {
	if _, err := s.frames.header(); err != nil {
		return err
	}
	offer := AppendFrame([]byte(headerSASL), FrameSASL, 0, &SASLMechanisms{Mechanisms: []Symbol{mechAnonymous}}, nil)
	if _, err := s.conn.Write(offer); err != nil {
		return err
	}
	if _, err := s.frames.Next(); err != nil {
		return err
	}
	if _, err := s.conn.Write(AppendFrame(nil, FrameSASL, 0, &SASLOutcome{}, nil)); err != nil {
		return err
	}
	if _, err := s.frames.header(); err != nil {
		return err
	}
	if _, err := io.WriteString(s.conn, headerAMQP); err != nil {
		return err
	}
	if _, err := s.frames.Next(); err != nil {
		return err
	}
	_, err := s.conn.Write(AppendFrame(nil, FrameAMQP, 0, open, nil))
	return err
}

// attachReceiver answers a client that attaches, and returns the flow with its first credit.
func (s *rawServer) attachReceiver(c *Client, cfg ReceiverConfig) (*Receiver, chan []Received, chan error) {
	s.t.Helper()
	receivers, batches, failed := make(chan *Receiver, 1), make(chan []Received, 100), make(chan error, 1)
	cfg.Source = &Source{Address: "out"}
	go func() {
		r, err := c.Receive(context.Background(), cfg)
		receivers <- r
		for err == nil {
			var batch []Received
			if batch, err = r.Receive(context.Background()); err == nil {
				batches <- append([]Received(nil), batch...)
			}
		}
		failed <- err
	}()
	want[*Begin](&s.rawPeer)
	s.send(0, &Begin{RemoteChannel: Some[uint16](0), IncomingWindow: 100, OutgoingWindow: 100})
	a := want[*Attach](&s.rawPeer)
	s.send(0, &Attach{Name: a.Name, Handle: 5, Role: RoleSender, Source: a.Source, Target: a.Target, InitialDeliveryCount: Some[uint32](7)})
	return <-receivers, batches, failed
}

func transfer(id uint32, more bool) *Transfer {
	return &Transfer{Handle: 5, DeliveryID: Some(id), DeliveryTag: []byte{1}, Settled: Some(true), More: more}
}

func TestAServerThatBreaksTheRulesIsToldSo(t *testing.T) {
	big := bytes.Repeat([]byte("x"), 60_000)
	for name, test := range map[string]struct {
		misbehave func(s *rawServer)
		condition Symbol
		whole     bool // the connection ends with the link
	}{
		"more messages than credit": {func(s *rawServer) {
			var frames []byte // at once: there must be no time to give more credit
			for id := range uint32(3) {
				frames = AppendFrame(frames, FrameAMQP, 0, transfer(id, false), []byte{1})
			}
			_, _ = s.conn.Write(frames)
		}, CondTransferLimit, false},
		"a message without a number": {func(s *rawServer) {
			s.send(0, &Transfer{Handle: 5, Settled: Some(true)}, 1)
		}, CondInvalidField, false},
		"a message within another": {func(s *rawServer) {
			s.send(0, transfer(0, true), 1)
			s.send(0, transfer(1, false), 1)
		}, CondInvalidField, false},
		"a message without an end": {func(s *rawServer) {
			for n := 0; n <= 100_000; n += len(big) {
				s.send(0, transfer(0, true), big...)
			}
		}, CondMessageSize, false},
		"a transfer on a handle without a link": {func(s *rawServer) {
			s.send(0, &Transfer{Handle: 6, DeliveryID: Some[uint32](0)}, 1)
		}, CondNotAllowed, true},
		"a transfer on a handle beyond the last": {func(s *rawServer) {
			s.send(0, &Transfer{Handle: 1 << 31, DeliveryID: Some[uint32](0)}, 1)
		}, CondNotAllowed, true},
		"a transfer on a channel without a session": {func(s *rawServer) { s.send(9, transfer(0, false), 1) }, CondNotAllowed, true},
		"a session nobody has begun":                {func(s *rawServer) { s.send(1, &Begin{RemoteChannel: Some[uint16](3)}) }, CondNotAllowed, true},
		"a session of its own":                      {func(s *rawServer) { s.send(1, &Begin{}) }, CondNotAllowed, true},
		"a link nobody has asked for": {func(s *rawServer) {
			s.send(0, &Attach{Name: "other", Role: RoleSender})
		}, CondNotAllowed, true},
		"an open on an open connection": {func(s *rawServer) { s.send(0, &Open{ContainerID: "again"}) }, CondNotAllowed, true},
		"a frame that is none": {func(s *rawServer) {
			_, _ = s.conn.Write([]byte{0, 0, 0, 9, 2, 0, 0, 0, 0xAA})
		}, CondFramingError, true},
		"a frame over the agreed size": {func(s *rawServer) {
			_, _ = s.conn.Write([]byte{0x7F, 0xFF, 0xFF, 0xFF, 2, 0, 0, 0})
		}, CondFramingError, true},
		"a SASL frame on an open connection": {func(s *rawServer) {
			_, _ = s.conn.Write(AppendFrame(nil, FrameSASL, 0, &SASLOutcome{}, nil))
		}, CondFramingError, true},
	} {
		t.Run(name, func(t *testing.T) {
			c, s := against(t, ClientConfig{})
			r, _, failed := s.attachReceiver(c, ReceiverConfig{Settled: true, Credit: 2, Bytes: 2 * firstTypical, MaxMessageSize: 100_000})
			want[*Flow](&s.rawPeer)
			sent := make(chan struct{})
			go func() {
				defer close(sent)
				test.misbehave(s)
			}()
			for told := (*Error)(nil); told == nil; {
				frame, err := s.frames.Next()
				if err != nil {
					t.Fatalf("not told: %v", err)
				}
				p, _, _ := DecodePerformative(frame.Body)
				switch p := p.(type) {
				case *Detach:
					told = p.Error
				case *Close:
					told = p.Error
				}
				if told != nil && told.Condition != test.condition {
					t.Errorf("told %v", told)
				}
			}
			<-sent
			if err := <-failed; err == nil {
				t.Error("the caller is not told")
			}
			if test.whole {
				<-c.Done()
			} else if c.Err() != nil {
				t.Errorf("the connection ended: %v", c.Err())
			}
			_ = s.conn.Close()
			_ = r.Close(soon(t))
		})
	}
}

func TestAMessageThatIsAbortedIsNotReceived(t *testing.T) {
	c, s := against(t, ClientConfig{})
	_, batches, _ := s.attachReceiver(c, ReceiverConfig{Settled: true, Credit: 4, Bytes: 1 << 20})
	want[*Flow](&s.rawPeer)
	s.send(0, transfer(0, true), 'a')
	s.send(0, &Transfer{Handle: 5, Aborted: true})
	s.send(0, transfer(1, true), 'b')
	s.send(0, &Transfer{Handle: 5}, 'c')
	if got := <-batches; len(got) != 1 || string(got[0].Payload) != "bc" || got[0].ID != 1 {
		t.Errorf("got %+v", got)
	}
}

func TestUnsettledMessagesAreAcceptedWithOneDisposition(t *testing.T) {
	c, s := against(t, ClientConfig{})
	_, batches, _ := s.attachReceiver(c, ReceiverConfig{Credit: 100, Bytes: 100 * firstTypical})
	want[*Flow](&s.rawPeer)
	var frames []byte
	for id := range uint32(10) {
		tr := transfer(id+3, false)
		tr.Settled = Some(id == 4)
		frames = AppendFrame(frames, FrameAMQP, 0, tr, []byte{1})
	}
	if _, err := s.conn.Write(frames); err != nil {
		t.Fatal(err)
	}
	for n := 0; n < 10; {
		n += len(<-batches)
	}
	for next := uint32(3); next < 13; {
		frame, err := s.frames.Next()
		if err != nil {
			t.Fatal(err)
		}
		p, _, _ := DecodePerformative(frame.Body)
		if d, ok := p.(*Disposition); ok {
			if d.First != next || !d.Settled || d.State.Outcome != OutcomeAccepted || d.Role != RoleReceiver {
				t.Fatalf("next is %d: %+v", next, d)
			}
			if next = d.Last.Value + 1; next == 7 {
				next = 8 // was settled beforehand
			}
		}
	}
}
