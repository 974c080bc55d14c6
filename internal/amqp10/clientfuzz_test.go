package amqp10

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"reflect"
	"testing"
	"time"
)

// FuzzTransfer compares the scanner of transfers with the decoder of all performatives.
func FuzzTransfer(f *testing.F) {
	for _, v := range performatives {
		f.Add(append(v.want.Append(nil), "payload"...))
	}
	f.Add((&Transfer{Handle: 5, DeliveryID: Some[uint32](9), DeliveryTag: []byte{1}, Settled: Some(true), State: State{Outcome: OutcomeRejected}}).Append(nil))
	f.Fuzz(func(t *testing.T, body []byte) {
		p, rest, wanted := DecodePerformative(body)
		var got Transfer
		payload, is, err := got.scan(body)
		want, isTransfer := p.(*Transfer)
		switch {
		case err != nil && wanted == nil, is && wanted != nil, wanted == nil && is != isTransfer:
			t.Fatalf("scanned %+v (%v, %v), decoded %T (%v)", got, is, err, p, wanted)
		case is && (!reflect.DeepEqual(&got, want) || !bytes.Equal(payload, rest)):
			t.Fatalf("scanned %+v, decoded %+v", got, want)
		}
	})
}

// FuzzClient plays arbitrary frames to a client with a receiver, cut into pieces of any size. Whatever they are, the client must
// not panic, must hand over no more than it may keep, and must be gone when the server is.
func FuzzClient(f *testing.F) {
	for _, v := range performatives {
		f.Add(AppendFrame(nil, FrameAMQP, 0, v.want, []byte("rest")), uint8(3))
	}
	var frames []byte
	add := func(p Performative, payload string) { frames = AppendFrame(frames, FrameAMQP, 0, p, []byte(payload)) }
	add(transfer(0, false), "a")
	add(transfer(1, true), "b")
	add(&Transfer{Handle: 5}, "c")
	add(&Transfer{Handle: 5, DeliveryID: Some[uint32](2), More: true}, "d")
	add(&Transfer{Handle: 5, Aborted: true}, "")
	add(&Flow{Handle: Some[uint32](5), Echo: true, DeliveryCount: Some[uint32](9), LinkCredit: Some[uint32](0), Drain: true}, "")
	add(&Detach{Handle: 5, Error: Errorf(CondLinkStolen, "x")}, "")
	add(&End{}, "")
	add(&Close{}, "")
	f.Add(frames, uint8(1))
	f.Fuzz(func(t *testing.T, frames []byte, pieces uint8) {
		near, far := net.Pipe()
		s := &rawServer{rawPeer{t: t, conn: far, frames: NewFrameReader(far, MaxFrameSize)}}
		go s.play(frames, int(pieces)+1)
		ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
		defer cancel()
		c, err := Connect(ctx, near, ClientConfig{ContainerID: "c"})
		if err != nil {
			t.Fatal(err)
		}
		const bytesAhead = 1 << 10
		r, err := c.Receive(ctx, ReceiverConfig{Source: &Source{}, Credit: 5, Bytes: bytesAhead, MaxMessageSize: 4 << 10})
		for err == nil {
			var batch []Received
			batch, err = r.Receive(ctx)
			for _, m := range batch {
				if len(m.Payload) > 4<<10 {
					t.Errorf("a message of %d bytes", len(m.Payload))
				}
			}
		}
		if ctx.Err() != nil {
			t.Fatalf("it does not end: %v", err)
		}
		_ = far.Close()
		_ = c.Close(ctx)
		if errors.As(err, new(crash)) || errors.As(c.Err(), new(crash)) {
			t.Fatal(err, c.Err())
		}
	})
}

// play opens the connection, attaches the receiver, sends frames in pieces, and hangs up.
func (s *rawServer) play(frames []byte, piece int) {
	defer s.conn.Close()
	if s.greet(&Open{ContainerID: "fuzz"}) != nil {
		return
	}
	var attach *Attach
	for attach == nil {
		frame, err := s.frames.Next()
		if err != nil {
			return
		}
		p, _, _ := DecodePerformative(frame.Body)
		switch p := p.(type) {
		case *Begin:
			_, err = s.conn.Write(AppendFrame(nil, FrameAMQP, 0, &Begin{RemoteChannel: Some[uint16](0), IncomingWindow: 9}, nil))
		case *Attach:
			attach = p
		}
		if err != nil {
			return
		}
	}
	answer := &Attach{Name: attach.Name, Handle: 5, Role: RoleSender, Source: attach.Source, Target: attach.Target}
	if _, err := s.conn.Write(AppendFrame(nil, FrameAMQP, 0, answer, nil)); err != nil {
		return
	}
	go func() { _, _ = io.Copy(io.Discard, s.conn) }()
	for len(frames) > 0 {
		n := min(piece*16, len(frames))
		if _, err := s.conn.Write(frames[:n]); err != nil {
			return
		}
		frames = frames[n:]
	}
}
