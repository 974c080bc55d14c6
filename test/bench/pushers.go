package main

import (
	"context"
	"encoding/binary"
	"fmt"
	"io"
	"net"
	"time"

	"github.com/gobwas/ws"

	"azx/alwayson"
	"azx/alwayson/infotable"
	"azx/internal/supervise"
	"azx/test/bench/source"
)

// window is how many pushes may be without an answer.
const window = 1024

// pushed encodes one message's values as a push, sequence in front.
func pushed(dst []byte, n int64) []byte {
	return alwayson.AppendPropertyPush(dst, []alwayson.PropertyValue{
		{Name: source.SequenceKey, Value: infotable.Long(source.FirstSequence + n), TimeMs: n},
		{Name: source.SentKey, Value: infotable.Number(float64(n)), TimeMs: n},
		{Name: "temperature", Value: infotable.Number(21.437), TimeMs: n},
		{Name: "humidity", Value: infotable.Number(48.25), TimeMs: n},
		{Name: "pressure", Value: infotable.Number(1013.25), TimeMs: n},
		{Name: "vibration", Value: infotable.Number(0.0125), TimeMs: n},
		{Name: "alarm", Value: infotable.Boolean(false), TimeMs: n},
		{Name: "status", Value: infotable.String("running"), TimeMs: n},
		{Name: "line", Value: infotable.String("xxxxxxxxx"), TimeMs: n},
	})
}

// thingNames are the Things of partition 0.
func thingNames() []string {
	names := make([]string, source.Things/partitions)
	for i := range names {
		names[i] = source.Name(source.Device(source.Things, 0, partitions, int64(i)))
	}
	return names
}

// push writes pushes through the connector's own library: one message in each, frames that meet share a write.
func (p *peer) push(ctx context.Context) error {
	conn, err := alwayson.Dial(ctx, alwayson.DialConfig{URL: p.sink, AppKey: func(context.Context) (string, error) { return "bench", nil }})
	if err != nil {
		return err
	}
	defer conn.Close()
	room := make(chan struct{}, window)
	done := func(alwayson.Response, error) { <-room }
	things := thingNames()
	var body []byte
	for n := int64(0); ; n++ {
		select {
		case room <- struct{}{}:
		case <-conn.Done():
			return conn.Err()
		case <-ctx.Done():
			return ctx.Err()
		}
		body = pushed(body[:0], n)
		if err := conn.Send(alwayson.PropertyPush(things[n%int64(len(things))], body), done); err != nil {
			return err
		}
	}
}

// pushFlush writes the same requests with as many outstanding, but each in a write of its own, as most WebSocket
// libraries do; and it reads answers without decoding them.
func (p *peer) pushFlush(ctx context.Context) error {
	nc, buffered, _, err := ws.Dial(ctx, p.sink)
	if err != nil {
		return err
	}
	defer nc.Close()
	if buffered != nil {
		return fmt.Errorf("the sink spoke first")
	}
	defer context.AfterFunc(ctx, func() { _ = nc.Close() })()
	hello := alwayson.AppendAuth(alwayson.AppendHeader(nil, alwayson.Header{Code: alwayson.Auth, Session: 1<<32 - 1}), nil)
	if err := ws.WriteFrame(nc, ws.MaskFrameInPlace(ws.NewBinaryFrame(hello))); err != nil {
		return err
	}
	room := make(chan struct{}, window)
	room <- struct{}{} // the answer to AUTH
	group := supervise.New(ctx)
	group.Go("answers", func(context.Context) error { return countAnswers(nc, room) })
	group.Go("pushes", func(ctx context.Context) error { return flushEach(ctx, nc, room) })
	return group.Wait()
}

func flushEach(ctx context.Context, nc net.Conn, room chan<- struct{}) error {
	things := thingNames()
	var body, message, frame []byte
	for n := int64(0); ; n++ {
		select {
		case room <- struct{}{}:
		case <-ctx.Done():
			return ctx.Err()
		}
		body = pushed(body[:0], n)
		request := alwayson.PropertyPush(things[n%int64(len(things))], body)
		message = alwayson.AppendHeader(message[:0], alwayson.Header{Code: alwayson.Post, Request: uint32(n), Session: 1})
		message = alwayson.AppendRequest(message, &request)
		frame = binary.BigEndian.AppendUint16(append(frame[:0], 0x82, 0x80|126), uint16(len(message)))
		frame = append(append(frame, 0, 0, 0, 0), message...)
		if _, err := nc.Write(frame); err != nil {
			return err
		}
	}
}

// countAnswers takes answers: short frames without a mask.
func countAnswers(nc net.Conn, room <-chan struct{}) error {
	buf := make([]byte, 64<<10)
	for held := 0; ; {
		n, err := nc.Read(buf[held:])
		if err != nil {
			return err
		}
		held += n
		at := 0
		for held-at >= 2 && held-at >= 2+int(buf[at+1]) {
			if buf[at+1] > 125 {
				return io.ErrUnexpectedEOF
			}
			at += 2 + int(buf[at+1])
			<-room
		}
		held = copy(buf, buf[at:held])
	}
}

// pause waits, or returns false when ctx has ended.
func pause(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}
