package alwayson

import (
	"context"
	"fmt"
	"net"
	"sync"
	"sync/atomic"
	"testing"

	"azx/alwayson/infotable"
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
