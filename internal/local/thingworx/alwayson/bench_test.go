package alwayson

import (
	"context"
	"net"
	"net/http"
	"sync"
	"testing"

	wire "azx/alwayson"
	"azx/alwayson/infotable"
	"azx/internal/local/thingworx"
)

// BenchmarkPushes is how fast one connection with 64 requests outstanding writes one value each.
func BenchmarkPushes(b *testing.B) {
	p, err := thingworx.New(thingworx.Options{LedgerEntries: 100_000})
	if err != nil {
		b.Fatal(err)
	}
	p.AddKey(key, "Administrator")
	front, err := New(b.Context(), p, nil)
	if err != nil {
		b.Fatal(err)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		b.Fatal(err)
	}
	server := &http.Server{Handler: front}
	var wait sync.WaitGroup
	wait.Go(func() { _ = server.Serve(l) })
	defer wait.Wait()
	defer func() { _ = front.Close() }()
	defer func() { _ = server.Close() }()
	err = p.CreateThing(b.Context(), thingworx.ThingSpec{Name: "T", Template: thingworx.TemplateRemote, Enabled: true, Properties: []thingworx.Definition{
		{Name: "n", Type: infotable.TypeNumber, Remote: &thingworx.Binding{}}}})
	if err != nil {
		b.Fatal(err)
	}
	conn, err := wire.Dial(b.Context(), wire.DialConfig{URL: "ws://" + l.Addr().String() + wire.Path,
		AppKey: func(context.Context) (string, error) { return key, nil }})
	if err != nil {
		b.Fatal(err)
	}
	defer func() { _ = conn.Close() }()
	b.ReportAllocs()
	b.SetParallelism(32)
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			answer, err := conn.Call(b.Context(), push("T", "n", infotable.Number(1), 1))
			if err != nil || answer.Code != wire.Success {
				b.Error(answer, err)
				return
			}
		}
	})
}
