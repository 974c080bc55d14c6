package platform

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"azx/alwayson"
	"azx/alwayson/infotable"
	"azx/internal/fault"
	"azx/internal/message"
)

func params(cells ...infotable.Cell) *infotable.Table { return infotable.OneRow(cells...) }

func TestWhatThePlatformAsksBecomesARequest(t *testing.T) {
	delay := params(infotable.Cell{Name: "delay", Value: infotable.Integer(5)})
	two := params(infotable.Cell{Name: "a", Value: infotable.Integer(1)}, infotable.Cell{Name: "b", Value: infotable.Integer(2)})
	get := alwayson.ReadProperty
	for _, tc := range []struct {
		name string
		ask  alwayson.Request
		want message.Request
		code alwayson.Code // of the refusal, 0 for none
	}{
		{"a read", get("Pump", "temp"), message.Request{Thing: "Pump", Verb: message.VerbRead, Name: "temp"}, 0},
		{"a read of a module", get("Pump", "m::temp"), message.Request{Thing: "Pump", Verb: message.VerbRead, Name: "m::temp"}, 0},
		{"a read of everything", get("Pump", ""), message.Request{}, alwayson.NotFound},
		{"a write", alwayson.WriteProperty("Pump", "temp", infotable.Number(2)),
			message.Request{Thing: "Pump", Verb: message.VerbWrite, Name: "temp", Value: infotable.Number(2)}, 0},
		{"a write inside a VARIANT", alwayson.WriteProperty("Pump", "temp", infotable.Variant(infotable.Number(2))),
			message.Request{Thing: "Pump", Verb: message.VerbWrite, Name: "temp", Value: infotable.Number(2)}, 0},
		{"a write of null", alwayson.WriteProperty("Pump", "temp", infotable.Nothing()),
			message.Request{Thing: "Pump", Verb: message.VerbWrite, Name: "temp"}, 0},
		{"a write whose column has the property's other name",
			alwayson.Request{Code: alwayson.Put, Entity: alwayson.Thing, Name: "Pump", Kind: alwayson.Property, Target: "temp",
				Params: infotable.Single("boilerTemp", infotable.Number(2))},
			message.Request{Thing: "Pump", Verb: message.VerbWrite, Name: "temp", Value: infotable.Number(2)}, 0},
		{"a write without a value", alwayson.Request{Code: alwayson.Put, Entity: alwayson.Thing, Name: "Pump", Kind: alwayson.Property, Target: "temp"},
			message.Request{}, alwayson.BadRequest},
		{"a write of other columns", alwayson.Request{Code: alwayson.Put, Entity: alwayson.Thing, Name: "Pump", Kind: alwayson.Property,
			Target: "temp", Params: two}, message.Request{}, alwayson.BadRequest},
		{"a write of several", alwayson.Request{Code: alwayson.Put, Entity: alwayson.Thing, Name: "Pump", Kind: alwayson.Property,
			Target: "*", Params: two}, message.Request{}, alwayson.NotFound},
		{"a call", alwayson.CallService("Pump", "reboot", delay),
			message.Request{Thing: "Pump", Verb: message.VerbCall, Name: "reboot", Params: delay}, 0},
		{"a call without parameters", alwayson.CallService("Pump", "Ping", nil),
			message.Request{Thing: "Pump", Verb: message.VerbCall, Name: "Ping"}, 0},
		{"the platform's own question", alwayson.CallService("Pump", "SynchronizeModelState", nil), message.Request{}, alwayson.NotFound},
		{"an event", alwayson.FireEvent("Pump", "Alarm", nil), message.Request{}, alwayson.NotFound},
		{"a resource", alwayson.Request{Code: alwayson.Post, Entity: alwayson.Resource, Name: "R", Kind: alwayson.Service, Target: "S"},
			message.Request{}, alwayson.NotFound},
		{"a deletion", alwayson.Request{Code: alwayson.Delete, Entity: alwayson.Thing, Name: "Pump", Kind: alwayson.Property, Target: "temp"},
			message.Request{}, alwayson.NotFound},
	} {
		t.Run(tc.name, func(t *testing.T) {
			got, err := requestOf(&tc.ask)
			if tc.code != 0 {
				if err == nil || refusal(err).Code != tc.code {
					t.Errorf("got %v, want %s", err, tc.code)
				}
				return
			}
			if err != nil || got.Thing != tc.want.Thing || got.Verb != tc.want.Verb || got.Name != tc.want.Name ||
				!got.Value.Equal(tc.want.Value) || !got.Params.Equal(tc.want.Params) {
				t.Errorf("got %+v, %v", got, err)
			}
		})
	}
}

// asked is a Link that stands for "Hub" towards a real server.
func asked(t *testing.T, cfg LinkConfig) (*Link, *alwayson.Session) {
	t.Helper()
	s := serve(t, nil)
	cfg.URLs, cfg.AppKey, cfg.Bind = []string{s.url}, key("right"), []string{"Hub"}
	link, _ := start(t, cfg, WriterConfig{})
	if err := link.Wait(t.Context()); err != nil {
		t.Fatal(err)
	}
	<-s.bound
	for _, session := range s.server.Sessions() {
		if session.IsBound("Hub") {
			return link, session
		}
	}
	t.Fatal("no session has bound the hub Thing")
	return nil, nil
}

func TestRequestsOfThePlatformAreAnswered(t *testing.T) {
	var mu sync.Mutex
	var pings, failed []string
	_, session := asked(t, LinkConfig{
		Failed: func(r message.Request, err error) {
			mu.Lock()
			defer mu.Unlock()
			failed = append(failed, fmt.Sprint(r.Name, " ", fault.IsPanic(err), " ", errors.Is(err, ErrNoFile)))
		},
		Pinged: func(thing string) {
			mu.Lock()
			defer mu.Unlock()
			pings = append(pings, thing)
		},
		RequestTimeout: 100 * time.Millisecond,
		Requests: func(ctx context.Context, r message.Request) (infotable.Value, error) {
			switch r.Name {
			case "slow":
				<-ctx.Done()
				return infotable.Value{}, fmt.Errorf("call slow: %w", ctx.Err())
			case "broken":
				panic("unlucky")
			case "offline":
				return infotable.Value{}, &fault.Problem{Op: "call offline", Cause: errors.New("not connected"), Hint: "switch it on"}
			case "table":
				return infotable.FromTable(infotable.Single("n", infotable.Number(1))), nil
			case "nothing", "Ping":
				return infotable.Nothing(), nil
			}
			return infotable.String(r.Verb.String() + " " + r.Thing + " " + r.Value.String()), nil
		},
	})
	for _, tc := range []struct {
		name string
		ask  alwayson.Request
		code alwayson.Code
		want string // reason or content
	}{
		{"a read has a column of the property's name", alwayson.ReadProperty("dev", "temp"), alwayson.Success, "temp=read dev NOTHING"},
		{"a write that was taken", alwayson.WriteProperty("dev", "temp", infotable.Number(2)), alwayson.Success, ""},
		{"a call's result", alwayson.CallService("dev", "reboot", nil), alwayson.Success, "result=call dev NOTHING"},
		{"a call's table is the content", alwayson.CallService("dev", "table", nil), alwayson.Success, "n=1"},
		{"a call without a result", alwayson.CallService("dev", "nothing", nil), alwayson.Success, ""},
		{"a ping", alwayson.CallService("dev", "Ping", nil), alwayson.Success, ""},
		{"a refusal", alwayson.CallService("dev", "offline", nil), alwayson.ServiceUnavailable, "call offline: not connected (switch it on)"},
		{"a deadline", alwayson.CallService("dev", "slow", nil), alwayson.GatewayTimeout, "call slow: context deadline exceeded"},
		{"a panic", alwayson.CallService("dev", "broken", nil), alwayson.InternalServerError,
			"call broken of dev: an error in the connector; its log has more"},
		{"the platform's own question", alwayson.CallService("dev", "GetMetadata", nil), alwayson.NotFound,
			"POST service GetMetadata of dev: this is not served here"},
		{"a question about a file", alwayson.CallService("dev", "GetFileInfo", infotable.Single("path", infotable.String("/a/b.txt"))), alwayson.NotFound,
			"POST service GetFileInfo of dev: the connector has no files in this version"},
		{"a look at a folder", alwayson.CallService("dev", "BrowseFileSystem", infotable.Single("path", infotable.String("/a"))), alwayson.NotFound,
			"POST service BrowseFileSystem of dev: the connector has no files in this version"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			resp, err := session.Call(t.Context(), tc.ask)
			if err != nil {
				t.Fatal(err)
			}
			got := resp.Reason
			if resp.Content.Len() == 1 {
				got = resp.Content.Fields[0].Name + "=" + resp.Content.At(0, resp.Content.Fields[0].Name).String()
			}
			if resp.Code != tc.code || got != tc.want {
				t.Errorf("got %s %s, want %s %s", resp.Code, got, tc.code, tc.want)
			}
		})
	}
	mu.Lock()
	defer mu.Unlock()
	if strings.Join(pings, " ") != "dev" {
		t.Errorf("the pings are %q", pings)
	}
	if got := strings.Join(failed, ", "); got != "offline false false, slow false false, broken true false, GetFileInfo false true, BrowseFileSystem false true" {
		t.Errorf("told as failed are %s", got)
	}
}

func TestTooManyRequestsAreRefusedAtOnceAndThoseInFlightEndBeforeTheStop(t *testing.T) {
	entered, release := make(chan struct{}), make(chan struct{})
	link, session := asked(t, LinkConfig{MaxRequests: 2, Requests: func(ctx context.Context, r message.Request) (infotable.Value, error) {
		entered <- struct{}{}
		<-release
		return infotable.String(r.Name), nil
	}})
	answers := make(chan alwayson.Response, 2)
	for range 2 {
		go func() {
			resp, _ := session.Call(t.Context(), alwayson.CallService("dev", "reboot", nil))
			answers <- resp
		}()
		<-entered
	}
	refuse := func(want string) {
		t.Helper()
		resp, err := session.Call(t.Context(), alwayson.CallService("dev", "reboot", nil))
		if err != nil || resp.Code != alwayson.ServiceUnavailable || !strings.Contains(resp.Reason, want) {
			t.Errorf("got %v %v, want %q", resp, err, want)
		}
	}
	refuse("too many requests at once")
	short, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	if err := link.Drain(short); !errors.Is(err, context.DeadlineExceeded) || !strings.Contains(err.Error(), "2 are in flight") {
		t.Errorf("Drain returned %v", err)
	}
	release <- struct{}{}
	if resp := <-answers; resp.Code != alwayson.Success {
		t.Errorf("got %v", resp)
	}
	eventually(t, "one request is in flight", func() bool { return link.serving() == 1 })
	refuse("the connector is stopping")
	drained := make(chan error, 1)
	go func() { drained <- link.Drain(t.Context()) }()
	close(release)
	if err := <-drained; err != nil {
		t.Error(err)
	}
	if resp := <-answers; resp.Code != alwayson.Success {
		t.Errorf("got %v", resp)
	}
}

func TestWithoutAnybodyToServeThemRequestsAreNotFound(t *testing.T) {
	_, session := asked(t, LinkConfig{})
	resp, err := session.Call(t.Context(), alwayson.CallService("dev", "reboot", nil))
	if err != nil || resp.Code != alwayson.NotFound {
		t.Errorf("got %v, %v", resp, err)
	}
}

func TestTheFirstSocketTellsThatItHasConnected(t *testing.T) {
	var mu sync.Mutex
	connected := 0
	_, session := asked(t, LinkConfig{Reconnected: func() {
		mu.Lock()
		defer mu.Unlock()
		connected++
	}})
	count := func() int {
		mu.Lock()
		defer mu.Unlock()
		return connected
	}
	if count() != 1 {
		t.Errorf("told %d times", count())
	}
	session.Close()
	eventually(t, "it tells the second connection", func() bool { return count() == 2 })
}
