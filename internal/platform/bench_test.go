package platform

import (
	"context"
	"fmt"
	"sync"
	"testing"

	"azx/alwayson"
	"azx/alwayson/infotable"
	"azx/internal/delivery"
	"azx/internal/mapping"
	"azx/internal/message"
)

// BenchmarkWrite carries messages of 9 properties, about 200 bytes each, to a server on loopback that replies.
// The server decodes each request, so its cost and allocations are in the numbers too.
func BenchmarkWrite(b *testing.B) {
	for _, c := range []struct{ things, last int }{{100, 0}, {5000, 0}, {5000, 32 << 20}} {
		b.Run(fmt.Sprintf("%d Things, %d MiB of last values", c.things, c.last>>20), func(b *testing.B) {
			rows := infotable.New(infotable.Column("edgeName", infotable.TypeString),
				infotable.Column("baseType", infotable.TypeString), infotable.Column("gatewayThing", infotable.TypeThingName))
			body := []byte(`{"site":"north-07"`)
			rows.Add(infotable.String("site"), infotable.String("STRING"), infotable.String("Hub"))
			for i := range 8 {
				name := fmt.Sprintf("property%d", i)
				body = fmt.Appendf(body, `,"%s":%d.25`, name, 1000*i)
				rows.Add(infotable.String(name), infotable.String("NUMBER"), infotable.String("Hub"))
			}
			body = append(body, '}')
			s := serve(b, func(_ context.Context, _ *alwayson.Session, r alwayson.Request) alwayson.Response {
				if r.Target == remotePropertiesService {
					return alwayson.Response{Code: alwayson.Success, Content: rows}
				}
				return alwayson.Done()
			})
			link, w := start(b, LinkConfig{URLs: []string{s.url}, AppKey: key("right")}, WriterConfig{AzxExtension: true, LastBytes: c.last})
			if err := link.Wait(b.Context()); err != nil {
				b.Fatal(err)
			}
			carry(b, w, body, c.things)
		})
	}
}

// BenchmarkLanes is the same without a connection: the lanes' own cost.
func BenchmarkLanes(b *testing.B) {
	rows := infotable.New(infotable.Column("edgeName", infotable.TypeString),
		infotable.Column("baseType", infotable.TypeString), infotable.Column("gatewayThing", infotable.TypeThingName)).
		Add(infotable.String("n"), infotable.String("NUMBER"), infotable.String("Hub"))
	w, err := NewWriter(WriterConfig{Sockets: []Socket{instant{rows}}, AzxExtension: true})
	if err != nil {
		b.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- w.Run(ctx) }()
	defer func() { cancel(); <-ended }()
	carry(b, w, []byte(`{"n":21.5}`), 5000)
}

// carry writes b.N messages with at most 4,096 in flight.
func carry(b *testing.B, w *Writer, body []byte, things int) {
	m := &message.Message{Hub: "Hub", Body: body}
	names := make([]string, things)
	for i := range names {
		names[i] = fmt.Sprintf("device-%04d", i)
	}
	room := make(chan struct{}, 4096)
	var once sync.Once
	settle := func(o delivery.Outcome) {
		if o.Kind != delivery.Accepted {
			once.Do(func() { b.Errorf("a message ended as %s: %v", o.Reason, o.Err) })
		}
		<-room
	}
	b.SetBytes(int64(len(body)))
	b.ReportAllocs()
	i := 0
	for b.Loop() {
		room <- struct{}{}
		w.Write(&delivery.Queued{Telemetry: message.Telemetry{Message: m, Thing: names[i%things], Time: int64(i)}, Settle: settle})
		i++
	}
	if err := w.Drain(context.Background()); err != nil {
		b.Fatal(err)
	}
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "msgs/s")
}

// instant is a Socket that accepts everything at once.
type instant struct{ rows *infotable.Table }

func (instant) Wait(context.Context) error { return nil }
func (instant) Drop(error)                 {}
func (instant) Move(error) bool            { return false }
func (s instant) Call(_ context.Context, r alwayson.Request) (alwayson.Response, error) {
	if r.Target == remotePropertiesService {
		return alwayson.Response{Code: alwayson.Success, Content: s.rows}, nil
	}
	return alwayson.Done(), nil
}

func (s instant) Send(r alwayson.Request, done func(alwayson.Response, error)) error {
	done(s.Call(context.Background(), r))
	return nil
}

// BenchmarkRemember is what remembering the 9 values of a message costs on top.
func BenchmarkRemember(b *testing.B) {
	l := newLastValues(32 << 20)
	names := make([]string, 5000)
	for i := range names {
		names[i] = fmt.Sprintf("device-%04d", i)
	}
	var values mapping.Values
	for i := range 9 {
		values.Add(message.Write{Property: fmt.Sprintf("property%d", i), Value: infotable.Number(float64(i))})
	}
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		l.remember(names[i%len(names)], &values, 0, values.Len())
	}
}

// BenchmarkHold is what a turn costs more because its line may have to be held: it is not.
func BenchmarkHold(b *testing.B) {
	w, err := NewWriter(WriterConfig{Sockets: []Socket{instant{}}, Lanes: 1, Moved: func(context.Context, *message.Message, string) error { return nil }})
	if err != nil {
		b.Fatal(err)
	}
	l := w.lanes[0]
	w.Write(&delivery.Queued{Telemetry: message.Telemetry{Message: &message.Message{Hub: "Hub"}, Thing: "device"}})
	ln, k := l.lines["device"], knowledge{table: mapping.NewTable(nil, "Hub")}
	for b.Loop() {
		if l.holdForAct(ln) || l.holdForKeeper(ln, k) {
			b.Fatal("it is held")
		}
	}
}

// BenchmarkAsk is what a request costs beside the connection and the messages in it.
func BenchmarkAsk(b *testing.B) {
	w, err := NewWriter(WriterConfig{Sockets: []Socket{instant{}}, Lanes: 1})
	if err != nil {
		b.Fatal(err)
	}
	h := &hand{lane: w.lanes[0]}
	push := alwayson.PropertyPush("device", []byte{0})
	items := []item{{queued: &delivery.Queued{}}}
	b.ReportAllocs()
	for b.Loop() {
		if _, v, err := h.askWhileWanted(b.Context(), push, false, items, nil); v != accepted {
			b.Fatal(v, err)
		}
	}
}
