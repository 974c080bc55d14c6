package alwayson

import (
	"context"
	"fmt"
	"net"
	"sync"
	"sync/atomic"
	"testing"

	"azx/alwayson/infotable"

	"github.com/gobwas/ws"
)

func pushValues(n int) []PropertyValue {
	values := make([]PropertyValue, n)
	for i := range values {
		values[i] = PropertyValue{Name: fmt.Sprintf("property%d", i), Value: infotable.Number(21.5), TimeMs: 1577934245678}
	}
	return values
}

func TestEncodingAPushDoesNotAllocate(t *testing.T) {
	values := pushValues(8)
	buf := AppendPropertyPush(nil, values)
	if n := testing.AllocsPerRun(100, func() { buf = AppendPropertyPush(buf[:0], values) }); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

func BenchmarkAppendPropertyPush(b *testing.B) {
	values := pushValues(8)
	var buf []byte
	b.ReportAllocs()
	for b.Loop() {
		buf = AppendPropertyPush(buf[:0], values)
	}
}

// BenchmarkCalls measures pushes of 8 properties, each answered, between a Conn and a Server over loopback TCP.
func BenchmarkCalls(b *testing.B) {
	for _, outstanding := range []int{1, 16, 256, 512} {
		b.Run(fmt.Sprintf("outstanding=%d", outstanding), func(b *testing.B) {
			conn := dialLoopback(b, func(context.Context, *Session, Request) Response { return Done() })
			push := PropertyPush("Pump-1", AppendPropertyPush(nil, pushValues(8)))
			var next atomic.Int64
			var callers sync.WaitGroup
			b.ReportAllocs()
			b.ResetTimer()
			for range outstanding {
				callers.Go(func() {
					for next.Add(1) <= int64(b.N) {
						if r, err := conn.Call(context.Background(), push); err != nil || r.Code != Success {
							b.Errorf("call: %v, %v", r, err)
							return
						}
					}
				})
			}
			callers.Wait()
			b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "calls/s")
		})
	}
}

func dialLoopback(tb testing.TB, serve func(context.Context, *Session, Request) Response) *Conn {
	tb.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		tb.Fatal(err)
	}
	serveOn(tb, ServerConfig{Request: serve}, l)
	return dialTest(tb, DialConfig{
		URL:    "ws://" + l.Addr().String(),
		AppKey: func(context.Context) (string, error) { return testKey, nil },
	})
}

// BenchmarkClientAlone is BenchmarkCalls against a peer that does next to nothing: it answers each message with a
// canned success. So it shows what the client's side costs.
func BenchmarkClientAlone(b *testing.B) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		b.Fatal(err)
	}
	var peer sync.WaitGroup
	peer.Go(func() {
		conn, err := l.Accept()
		if err != nil {
			b.Error(err)
			return
		}
		defer func() { _ = conn.Close() }()
		if _, err = ws.Upgrade(conn); err != nil {
			b.Error(err)
			return
		}
		answerAll(conn)
	})
	defer peer.Wait()
	defer func() { _ = l.Close() }()
	conn, err := Dial(b.Context(), DialConfig{
		URL:    "ws://" + l.Addr().String(),
		AppKey: func(context.Context) (string, error) { return testKey, nil },
	})
	if err != nil {
		b.Fatal(err)
	}
	defer func() { _ = conn.Close() }()
	push := PropertyPush("Pump-1", AppendPropertyPush(nil, pushValues(8)))
	b.Run("Call", func(b *testing.B) { callMany(b, conn, push) })
	b.Run("Send", func(b *testing.B) { sendMany(b, conn, push) })
}

// callMany calls from 256 goroutines.
func callMany(b *testing.B, conn *Conn, push Request) {
	var next atomic.Int64
	var callers sync.WaitGroup
	b.ReportAllocs()
	b.ResetTimer()
	for range 256 {
		callers.Go(func() {
			for next.Add(1) <= int64(b.N) {
				if _, err := conn.Call(context.Background(), push); err != nil {
					b.Errorf("call: %v", err)
					return
				}
			}
		})
	}
	callers.Wait()
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "calls/s")
}

// sendMany keeps 256 requests outstanding, the next sent when one is answered.
func sendMany(b *testing.B, conn *Conn, push Request) {
	var sent, answered atomic.Int64
	finished := make(chan struct{})
	var done func(Response, error)
	send := func() {
		if sent.Add(1) <= int64(b.N) {
			if err := conn.Send(push, done); err != nil {
				b.Errorf("send: %v", err)
			}
		}
	}
	done = func(_ Response, err error) {
		if err != nil {
			b.Errorf("answer: %v", err)
		}
		if answered.Add(1) == int64(b.N) {
			close(finished)
			return
		}
		send()
	}
	b.ReportAllocs()
	b.ResetTimer()
	for range 256 {
		send()
	}
	<-finished
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "calls/s")
}

// answerAll answers every message on conn with success until it ends.
func answerAll(conn net.Conn) {
	buf, out := make([]byte, 64<<10), []byte(nil)
	start, end := 0, 0
	for {
		n, err := conn.Read(buf[end:])
		if err != nil {
			return
		}
		end, out = end+n, out[:0]
		for {
			h, ok, err := parseFrameHead(buf[start:end], len(buf))
			if err != nil || !ok || end-start < h.size+h.length {
				break
			}
			if f := h.body(buf[start:]); f.op == ws.OpBinary {
				asked, _, _ := DecodeHeader(f.payload)
				at := len(out)
				out = AppendHeader(beginFrame(out, false), Header{Code: Success, Request: asked.Request, Session: 7})
				out = endFrame(append(out, 0, 0xFF), at, ws.OpBinary, false)
			}
			start += h.size + h.length
		}
		end = copy(buf, buf[start:end])
		start = 0
		if _, err := conn.Write(out); err != nil {
			return
		}
	}
}
