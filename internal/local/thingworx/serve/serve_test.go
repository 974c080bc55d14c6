package serve

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"io/fs"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	wire "azx/alwayson"
	"azx/alwayson/infotable"
	"azx/internal/local/thingworx"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const anyPort = "127.0.0.1:0"

func start(t *testing.T, o Options) *Running {
	t.Helper()
	if o.Listen == "" {
		o.Listen = anyPort
	}
	r, err := Start(context.Background(), o)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func stop(t *testing.T, r *Running) {
	t.Helper()
	r.Stop()
	if err := r.Wait(); err != nil {
		t.Error(err)
	}
}

func property(t *testing.T, text string) thingworx.Definition {
	t.Helper()
	d, err := ParseProperty(text)
	if err != nil {
		t.Fatal(err)
	}
	return d
}

func TestAThingAddedByTheCommandTakesAPushAndSurvivesARestart(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "tw")
	r := start(t, Options{Dir: dir})
	first, err := ReadInfo(dir)
	if err != nil || first != r.Info {
		t.Fatalf("platform.json has %+v (%v)", first, err)
	}
	client, err := Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	properties := []thingworx.Definition{property(t, "temperature:NUMBER:temp"), property(t, "m::x:string")}
	if err := client.AddThing(t.Context(), "Pump 1", properties); err != nil {
		t.Fatal(err)
	}
	conn, err := wire.Dial(t.Context(), wire.DialConfig{URL: r.Info.WS, AppKey: func(context.Context) (string, error) { return r.Info.AppKey, nil }})
	if err != nil {
		t.Fatal(err)
	}
	answer, err := conn.Call(t.Context(), wire.PropertyPush("Pump 1", wire.AppendPropertyPush(nil, []wire.PropertyValue{
		{Name: "temp", Value: infotable.Number(21.5), TimeMs: 1000}, {Name: "m::x", Value: infotable.String("on"), TimeMs: 1000}})))
	if err != nil || answer.Err() != nil {
		t.Fatal(err, answer.Err())
	}
	stop(t, r) // with the connection open
	if err := conn.Close(); err != nil {
		t.Log(err) // the platform ended it first
	}

	r = start(t, Options{Dir: dir})
	defer stop(t, r)
	if r.Info.AppKey != first.AppKey {
		t.Error("the application key is another after a restart")
	}
	view, err := r.Platform.Read(t.Context(), "Pump 1", "temperature")
	if err != nil || !view.Value.Equal(infotable.Number(21.5)) || view.Time != 1000 || view.Remote == nil || view.Remote.PushType != "ALWAYS" {
		t.Errorf("got %+v, %v", view, err)
	}
	for _, name := range []string{infoFile, keyFile, stateFile, historyFile} {
		info, err := os.Stat(filepath.Join(dir, name))
		if err != nil || info.Mode() != 0o600 {
			t.Errorf("%s: %v, %v", name, info, err)
		}
	}
	things, err := client.Things(t.Context())
	if err == nil {
		t.Errorf("the old address still answers: %v", things)
	}
}

func TestAThingWhosePropertyIsRefusedIsNotLeftBehind(t *testing.T) {
	r := start(t, Options{})
	defer stop(t, r)
	client := NewClient(r.Info)
	err := client.AddThing(t.Context(), "Pump-1", []thingworx.Definition{property(t, "a:NUMBER"), property(t, "a:STRING")})
	if err == nil || !strings.Contains(err.Error(), "property a exists already, as NUMBER") {
		t.Errorf("got %v", err)
	}
	if things, err := client.Things(t.Context()); err != nil || slices.ContainsFunc(things, func(row ThingRow) bool { return row.Name == "Pump-1" }) {
		t.Errorf("got %v, %v", things, err)
	}
	if err := client.AddThing(t.Context(), "a/b", nil); err == nil || !strings.Contains(err.Error(), `name "a/b" contains '/'`) {
		t.Errorf("got %v", err)
	}
}

func TestABusyPortIsNamedWithItsFlagOrTheNextIsTaken(t *testing.T) {
	busy, err := net.Listen("tcp", anyPort)
	if err != nil {
		t.Fatal(err)
	}
	defer busy.Close()
	at := busy.Addr().String()
	port := busy.Addr().(*net.TCPAddr).Port
	_, err = Start(t.Context(), Options{Listen: at})
	if err == nil || !strings.Contains(err.Error(), fmt.Sprintf("port %d cannot be used", port)) || !strings.Contains(err.Error(), "--listen 127.0.0.1:PORT") {
		t.Errorf("got %v", err)
	}
	notice := ""
	r := start(t, Options{Listen: at, NextFreePort: true, Notice: func(text string) { notice = text }})
	defer stop(t, r)
	if !strings.HasPrefix(notice, fmt.Sprintf("port %d cannot be used, the platform is at ", port)) {
		t.Errorf("noticed %q", notice)
	}
}

func TestOnlyLoopbackIsListenedOn(t *testing.T) {
	for _, listen := range []string{"0.0.0.0:8080", ":8080", "192.0.2.1:1", "localhost", "127.0.0.1:http", "127.0.0.1:70000"} {
		if r, err := Start(t.Context(), Options{Listen: listen}); err == nil {
			stop(t, r)
			t.Errorf("%s was accepted", listen)
		} else if !strings.Contains(err.Error(), "--listen") {
			t.Errorf("%s: %v", listen, err)
		}
	}
}

func TestASecondPlatformInTheSameFolderIsRefused(t *testing.T) {
	dir := t.TempDir()
	r := start(t, Options{Dir: dir})
	_, err := Start(t.Context(), Options{Dir: dir, Listen: anyPort})
	if err == nil || !strings.Contains(err.Error(), "folder "+dir+": in use by azx platform (pid ") {
		t.Errorf("got %v", err)
	}
	stop(t, r)
	if _, err := os.Stat(filepath.Join(dir, infoFile)); err != nil {
		t.Error(err)
	}
	stop(t, start(t, Options{Dir: dir}))
}

func TestAStateThatCannotBeReadIsReportedAndKept(t *testing.T) {
	for file, want := range map[string]string{
		stateFile: stateFile, historyFile: historyFile, oldStateFile: "is of an earlier version, whose Things this one does not read",
	} {
		dir := t.TempDir()
		name := filepath.Join(dir, file)
		if err := os.WriteFile(name, []byte("{"), 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := Start(t.Context(), Options{Dir: dir, Listen: anyPort}); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v", err)
		}
		if raw, err := os.ReadFile(name); err != nil || string(raw) != "{" {
			t.Errorf("the file is now %q, %v", raw, err)
		}
	}
}

func TestADemoKeepsNothingButHowToReachIt(t *testing.T) {
	dir := t.TempDir()
	r := start(t, Options{Dir: dir, Memory: true})
	defer stop(t, r)
	for file, want := range map[string]bool{infoFile: true, keyFile: true, stateFile: false, historyFile: false} {
		if _, err := os.Stat(filepath.Join(dir, file)); (err == nil) != want {
			t.Errorf("%s: %v", file, err)
		}
	}
}

func TestEveryFrontIsAtItsAddress(t *testing.T) {
	r := start(t, Options{})
	defer stop(t, r)
	for url, want := range map[string]string{
		r.Info.URL + "/Things": `"rows":[`,
		r.Info.Ledger:          `"entries":[]`,
		r.Info.Events:          `"events":[]`,
	} {
		if status, body := get(t, url, r.Info.AppKey); status != 200 || !strings.Contains(body, want) {
			t.Errorf("%s: %d %s", url, status, body)
		}
	}
	if status, body := get(t, r.Info.Page, ""); status != 200 || !strings.Contains(body, "<html") {
		t.Errorf("page: %d %.80s", status, body)
	}
	if status, _ := get(t, r.Info.URL+"/Things", ""); status != 401 {
		t.Errorf("REST without a key: %d", status)
	}
	if raw, err := json.Marshal(r.Info); err != nil || strings.Count(string(raw), `"`) != 24 {
		t.Errorf("platform.json would be %s, %v", raw, err)
	}
}

func get(t *testing.T, url, key string) (int, string) {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	r.Close = true
	r.Header.Set("appKey", key)
	answer, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	body, err := io.ReadAll(answer.Body)
	if err != nil {
		t.Fatal(err)
	}
	return answer.StatusCode, string(body)
}

func TestPropertiesOfTheCommandLine(t *testing.T) {
	for text, want := range map[string]string{
		"temperature:NUMBER":      "temperature NUMBER temperature",
		"temperature:number:temp": "temperature NUMBER temp",
		"m::x:JSON":               "m::x JSON m::x",
		"x:STRING:m::x":           "x STRING m::x",
	} {
		d := property(t, text)
		if got := fmt.Sprint(d.Name, " ", d.Type, " ", d.Remote.EdgeName); got != want {
			t.Errorf("%s: got %s, want %s", text, got, want)
		}
	}
	for text, want := range map[string]string{
		"temperature": "want NAME:TYPE", ":NUMBER": "want NAME:TYPE", "a:NUMBER:": "want NAME:TYPE", "a:b:c:d": "want NAME:TYPE",
		"a:FLOAT": `"FLOAT" is no base type`, "1a:NUMBER": `property name "1a"`,
	} {
		if _, err := ParseProperty(text); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: got %v", text, err)
		}
	}
}

func TestAMissingPlatformIsSaidSo(t *testing.T) {
	_, err := Open(t.TempDir())
	if !os.IsNotExist(unwrap(err)) || !strings.Contains(err.Error(), "azx platform --dir") {
		t.Errorf("got %v", err)
	}
}

func unwrap(err error) error {
	if u, ok := err.(interface{ Unwrap() error }); ok {
		return u.Unwrap()
	}
	return fs.ErrInvalid
}

func TestAWriteTravelsToTheDeviceBehindItsHubThingAndBack(t *testing.T) {
	plant := "plant"
	for name, group := range map[string]*string{"LocalHub": nil, "OtherHub": &plant} {
		r := start(t, Options{})
		client := NewClient(r.Info)
		if err := client.AddHub(t.Context(), name, group); err != nil {
			t.Fatal(err)
		}
		if err := client.AddDevice(t.Context(), DeviceThing{Name: "dev 1", Gateway: name, WriteVia: "desired",
			Properties: []thingworx.Definition{property(t, "speed:NUMBER:rpm")}}); err != nil {
			t.Fatal(err)
		}
		bound := name
		if group != nil {
			bound = *group
		}
		conn := edgeOf(t, r, bound)
		writeSpeed := func() error {
			return client.do(t.Context(), http.MethodPut, "/Things/dev%201/Properties/speed", map[string]any{"speed": 5}, nil)
		}
		if err := writeSpeed(); err != nil {
			t.Error(err)
		}
		view, err := r.Platform.Read(t.Context(), "dev 1", "speed")
		if err != nil || !view.Value.Equal(infotable.Number(5)) {
			t.Errorf("got %+v, %v", view.VTQ, err)
		}
		if err := conn.Close(); err != nil {
			t.Error(err)
		}
		unbound(t, r, name)
		if err := writeSpeed(); err == nil || !strings.Contains(err.Error(), "HTTP status 503") || !IsRefusal(err) {
			t.Errorf("got %v", err)
		}
		stop(t, r)
	}
}

// unbound waits until the platform has noticed that nobody stands for a Thing any more.
func unbound(t *testing.T, r *Running, thing string) {
	t.Helper()
	deadline, tick := time.After(10*time.Second), time.NewTicker(time.Millisecond)
	defer tick.Stop()
	for r.Platform.IsBound(thing) {
		select {
		case <-tick.C:
		case <-deadline:
			t.Fatalf("%s is still bound", thing)
		}
	}
}

// edgeOf binds a group and echoes each write of rpm before it answers it.
func edgeOf(t *testing.T, r *Running, group string) *wire.Conn {
	t.Helper()
	var conn *wire.Conn
	ready := make(chan struct{})
	conn, err := wire.Dial(t.Context(), wire.DialConfig{
		URL: r.Info.WS, AppKey: func(context.Context) (string, error) { return r.Info.AppKey, nil },
		Handler: func(ctx context.Context, r wire.Request) wire.Response {
			<-ready
			if r.Code != wire.Put {
				return wire.Done()
			}
			values := wire.AppendPropertyPush(nil, []wire.PropertyValue{{Name: r.Target, Value: r.Param(r.Target), TimeMs: 1000}})
			answer, err := conn.Call(ctx, wire.PropertyPush(r.Name, values))
			if err != nil {
				return wire.Refuse(wire.InternalServerError, err.Error())
			}
			return answer
		},
	})
	close(ready)
	if err == nil {
		err = conn.Bind(t.Context(), wire.Binding{Names: []string{group}})
	}
	if err != nil {
		t.Fatal(err)
	}
	return conn
}

func TestADeviceThingNeedsItsHubThingFirst(t *testing.T) {
	r := start(t, Options{NoGroupBind: true})
	defer stop(t, r)
	client := NewClient(r.Info)
	if err := client.AddDevice(t.Context(), DeviceThing{Name: "dev", Gateway: "Nowhere"}); err == nil || !strings.Contains(err.Error(), `gateway: there is no Thing "Nowhere"`) {
		t.Errorf("got %v", err)
	}
	if err := client.AddHub(t.Context(), "a/b", nil); err == nil || !strings.Contains(err.Error(), "add hub Thing: ") {
		t.Errorf("got %v", err)
	}
	if err := client.AddHub(t.Context(), "Hub", nil); err != nil {
		t.Fatal(err)
	}
	if err := client.AddDevice(t.Context(), DeviceThing{Name: "dev", Gateway: "Hub"}); err != nil {
		t.Fatal(err)
	}
	conn := edgeOf(t, r, "Hub")
	defer func() { _ = conn.Close() }()
	dev, err := r.Platform.Thing(t.Context(), "dev")
	hub, herr := r.Platform.Thing(t.Context(), "Hub")
	if err != nil || herr != nil || dev.Connected || !hub.Connected {
		t.Errorf("a platform that ignores group binds: device connected %v, hub %v (%v, %v)", dev.Connected, hub.Connected, err, herr)
	}
}
