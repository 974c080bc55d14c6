package amqp10

import (
	"bytes"
	"net"
	"testing"
	"time"
)

// replay is a connection over which the same bytes come again and again.
type replay struct {
	net.Conn
	all, left []byte
}

func (c *replay) Read(b []byte) (int, error) {
	if len(c.left) == 0 {
		c.left = c.all
	}
	n := copy(b, c.left)
	c.left = c.left[n:]
	return n, nil
}

func (c *replay) SetReadDeadline(time.Time) error  { return nil }
func (c *replay) SetWriteDeadline(time.Time) error { return nil }

// BenchmarkReceive takes settled messages of 600 bytes out of frames as a connection brings them, up to who receives them.
func BenchmarkReceive(b *testing.B) {
	var frames []byte
	for id := range uint32(90) {
		t := Transfer{DeliveryID: Some(1000 + id), DeliveryTag: []byte{1, 2, 3, byte(id)}, MessageFormat: Some[uint32](0), Settled: Some(true)}
		frames = AppendFrame(frames, FrameAMQP, 0, &t, bytes.Repeat([]byte{'x'}, 600))
	}
	c := new(Client)
	c.line.init(&replay{all: frames}, time.Hour, func() {})
	s := &clientSession{conn: c, begun: true, windowEnd: clientWindow}
	r := &Receiver{conn: c, s: s, cfg: ReceiverConfig{Credit: 1000, Bytes: 1 << 30, MaxMessageSize: MaxMessageSize}, attached: true, limit: 1 << 20,
		wake: make(chan struct{}, 1), room: make(chan struct{}, 1)}
	s.receiver, s.loop.handles[0], c.incoming[0] = r, true, s
	b.ReportAllocs()
	b.SetBytes(600)
	for n := 0; n < b.N; n++ {
		frame, err := c.frames.Next()
		if err == nil {
			err = c.handle(frame)
		}
		if err != nil || r.err != nil {
			b.Fatal(err, r.err)
		}
		if c.frames.ready() {
			continue
		}
		c.publish()
		r.limit = r.count + 1<<20
		r.takeBatch()
		r.returnBatch()
	}
}
