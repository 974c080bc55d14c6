package amqp10

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"reflect"
	"runtime"
	"testing"
)

// bounded runs decode and fails when it takes memory out of proportion to its input.
func bounded(t *testing.T, input []byte, decode func()) {
	t.Helper()
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	decode()
	runtime.ReadMemStats(&after)
	if used, limit := after.TotalAlloc-before.TotalAlloc, uint64(1<<20+400*len(input)); used > limit {
		t.Errorf("%d bytes of input took %d bytes of memory", len(input), used)
	}
}

func FuzzValue(f *testing.F) {
	for _, v := range values {
		f.Add(unhex(f, v.wire))
	}
	f.Fuzz(func(t *testing.T, input []byte) {
		var value any
		var err error
		bounded(t, input, func() {
			r := NewReader(input)
			value, err = r.Value(), r.Err()
		})
		if err != nil {
			if !errors.Is(err, ErrMalformed) || value != nil {
				t.Fatalf("value %v with error %v", value, err)
			}
			return
		}
		wire := AppendValue(nil, value)
		r := NewReader(wire)
		again := r.Value()
		if r.Err() != nil || !bytes.Equal(AppendValue(nil, again), wire) {
			t.Fatalf("%#v came back as %#v (%v)", value, again, r.Err())
		}
	})
}

func FuzzFrame(f *testing.F) {
	for _, v := range performatives {
		f.Add(AppendFrame(nil, FrameAMQP, 1, v.want, []byte("rest")))
	}
	f.Fuzz(func(t *testing.T, input []byte) {
		reader := NewFrameReader(bytes.NewReader(input), minFrameSize)
		for {
			frame, err := reader.Next()
			if err != nil {
				return
			}
			bounded(t, frame.Body, func() {
				p, _, err := DecodePerformative(frame.Body)
				if err != nil {
					return
				}
				wire := p.Append(nil)
				again, _, err := DecodePerformative(wire)
				if err != nil || !bytes.Equal(again.Append(nil), wire) || reflect.TypeOf(again) != reflect.TypeOf(p) {
					t.Fatalf("%+v came back as %+v (%v)", p, again, err)
				}
			})
		}
	})
}

func FuzzMessage(f *testing.F) {
	for _, v := range messages {
		f.Add(unhex(f, v.wire))
	}
	f.Fuzz(func(t *testing.T, input []byte) {
		var m *Message
		var err error
		bounded(t, input, func() { m, err = DecodeMessage(input) })
		if err != nil {
			return
		}
		wire := AppendMessage(nil, m)
		again, err := DecodeMessage(wire)
		if err != nil || !bytes.Equal(AppendMessage(nil, again), wire) {
			t.Fatalf("%+v came back as %+v (%v)", m, again, err)
		}
	})
}

// FuzzConn plays arbitrary frames to an open connection with a session. Whatever they are, the server must not panic,
// and must be gone when the peer is.
func FuzzConn(f *testing.F) {
	begin := AppendFrame(nil, FrameAMQP, 0, &Begin{IncomingWindow: 100, OutgoingWindow: 100}, nil)
	for _, v := range performatives {
		f.Add(AppendFrame(bytes.Clone(begin), FrameAMQP, 0, v.want, []byte("rest")))
	}
	dialogue := AppendFrame(bytes.Clone(begin), FrameAMQP, 0, &Attach{Name: "a", Source: &Source{}, Target: &Target{}}, nil)
	dialogue = AppendFrame(dialogue, FrameAMQP, 0, &Attach{Name: "b", Handle: 1, Role: RoleReceiver, Source: &Source{}, Target: &Target{}}, nil)
	dialogue = AppendFrame(dialogue, FrameAMQP, 0, &Flow{IncomingWindow: 100, Handle: Some[uint32](1), LinkCredit: Some[uint32](9), Drain: true}, nil)
	dialogue = AppendFrame(dialogue, FrameAMQP, 0, &Transfer{DeliveryID: Some[uint32](0), More: true}, []byte("x"))
	dialogue = AppendFrame(dialogue, FrameAMQP, 0, &Transfer{}, []byte("y"))
	dialogue = AppendFrame(dialogue, FrameAMQP, 0, &Disposition{Role: RoleReceiver, Last: Some[uint32](5), State: State{Outcome: OutcomeAccepted}}, nil)
	f.Add(AppendFrame(AppendFrame(dialogue, FrameAMQP, 0, &Detach{Handle: 1}, nil), FrameAMQP, 0, &End{}, nil))
	f.Fuzz(func(t *testing.T, frames []byte) {
		near, far := net.Pipe()
		done := make(chan error, 1)
		go func() {
			done <- Serve(context.Background(), far, Config{ContainerID: "test", NewHandler: func(*Conn) Handler { return echo() }})
		}()
		read := make(chan struct{})
		go func() {
			defer close(read)
			_, _ = io.Copy(io.Discard, near)
		}()
		_, _ = near.Write(append(AppendFrame([]byte(headerAMQP), FrameAMQP, 0, &Open{ContainerID: "fuzz"}, nil), frames...))
		_ = near.Close()
		if err := <-done; errors.As(err, new(crash)) {
			t.Error(err)
		}
		<-read
	})
}
