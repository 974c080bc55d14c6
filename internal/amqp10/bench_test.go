package amqp10

import (
	"bytes"
	"context"
	"io"
	"testing"
)

// BenchmarkSend sends settled messages of 600 bytes to a peer that reads and discards.
func BenchmarkSend(b *testing.B) {
	message := bytes.Repeat([]byte{'x'}, 600)
	done := make(chan struct{})
	p := rawDial(b, func(ctx context.Context, l *Link) error {
		defer close(done)
		if err := l.Accept(Terms{}); err != nil {
			return err
		}
		b.ReportAllocs()
		b.SetBytes(int64(len(message)))
		b.ResetTimer()
		for range b.N {
			if err := l.Send(ctx, message); err != nil {
				b.Error(err)
				return err
			}
		}
		b.StopTimer()
		return nil
	})
	p.attach(0, RoleReceiver)
	p.send(0, &Flow{IncomingWindow: 1 << 30, Handle: Some[uint32](0), LinkCredit: Some[uint32](1 << 30)})
	go func() {
		<-done
		_ = p.conn.Close()
	}()
	_, _ = io.Copy(io.Discard, p.conn)
}

// BenchmarkDecodeTransfer decodes a frame as it comes for each event, message and all.
func BenchmarkDecodeTransfer(b *testing.B) {
	frame := (&Transfer{DeliveryID: Some[uint32](1), DeliveryTag: []byte{1}, MessageFormat: Some[uint32](0), Settled: Some(true)}).Append(nil)
	frame = AppendMessage(frame, &Message{Annotations: Map{{Symbol("x-opt-offset"), "1"}}, Data: [][]byte{make([]byte, 200)}})
	b.ReportAllocs()
	for b.Loop() {
		_, payload, err := DecodePerformative(frame)
		if err != nil {
			b.Fatal(err)
		}
		if _, err := DecodeMessage(payload); err != nil {
			b.Fatal(err)
		}
	}
}
