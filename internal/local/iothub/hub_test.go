package iothub

import (
	"errors"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) {
	if dir := os.Getenv(childDir); dir != "" {
		panic(messageChild(dir))
	}
	goleak.VerifyTestMain(m)
}

func TestIDs(t *testing.T) {
	for id, good := range map[string]bool{
		"d1":                       true,
		"A-Z.a_z:0+9%#*?!(),=@;$'": true,
		strings.Repeat("x", 128):   true,
		"":                         false,
		strings.Repeat("x", 129):   false,
		"a b":                      false,
		"a/b":                      false,
		"a\x00b":                   false,
		"müller":                   false,
		`a"b`:                      false,
		"a\xffb":                   false,
	} {
		err := ID{Device: id}.Check()
		if good != (err == nil) || err != nil && !errors.Is(err, ErrBadID) {
			t.Errorf("%q: got %v, want good=%v", id, err, good)
		}
	}
	if err := (ID{Device: "d", Module: "a/b"}).Check(); !errors.Is(err, ErrBadID) {
		t.Errorf("bad module id: got %v", err)
	}
}

func TestNames(t *testing.T) {
	cloud, err := NewNames("Plant1.azure-devices.net")
	if err != nil {
		t.Fatal(err)
	}
	if cloud.Host != "plant1.azure-devices.net" || !strings.HasPrefix(cloud.EventHub, "iothub-ehub-plant1-") ||
		!strings.HasPrefix(cloud.Namespace, "iothub-ns-plant1-") || !strings.HasSuffix(cloud.Namespace, ".servicebus.windows.net") {
		t.Errorf("got %+v", cloud)
	}
	if again, _ := NewNames("plant1.azure-devices.net"); again != cloud {
		t.Errorf("names differ from one start to the next: %+v, %+v", cloud, again)
	}
	local, err := NewNames("localhost")
	if err != nil || local.Namespace != "localhost" || !local.IsHost("LOCALHOST:8883") || local.IsHost("other") {
		t.Errorf("got %+v, %v", local, err)
	}
	for _, bad := range []string{"", "a b", "host:1", "-a", "a..b", strings.Repeat("x", 64), "h/a"} {
		if _, err := NewNames(bad); err == nil {
			t.Errorf("host %q is accepted", bad)
		}
	}
}

func TestRegistry(t *testing.T) {
	h := newHub(t, Config{})
	r := h.Registry()
	d := mustAdd(t, h, ID{Device: "d1"})
	if d.PrimaryKey == d.SecondaryKey || d.GenerationID == "" || d.ETag == "" {
		t.Fatalf("incomplete identity %+v", d)
	}
	if _, err := r.Add(Spec{ID: ID{Device: "d1"}}); !errors.Is(err, ErrExists) {
		t.Errorf("second device of that id: got %v", err)
	}
	if _, err := r.Add(Spec{ID: ID{Device: "no", Module: "m"}}); !errors.Is(err, ErrNotFound) {
		t.Errorf("module without its device: got %v", err)
	}
	if _, err := r.Add(Spec{ID: ID{Device: "d2"}}, Spec{ID: ID{Device: "d1"}}); !errors.Is(err, ErrExists) {
		t.Errorf("two devices, one taken: got %v", err)
	}
	if _, err := r.Get(ID{Device: "d2"}); !errors.Is(err, ErrNotFound) {
		t.Errorf("a refused call added a device: %v", err)
	}
	if _, err := r.Add(Spec{ID: ID{Device: "edge"}, Edge: true}); err != nil {
		t.Fatal(err)
	}
	if got := idsOf(r.List()); got != "d1 edge edge/$edgeAgent edge/$edgeHub" {
		t.Errorf("list is %q", got)
	}
	if err := r.Remove(ID{Device: "edge"}); err != nil {
		t.Fatal(err)
	}
	if got := idsOf(r.List()); got != "d1" {
		t.Errorf("after removal the list is %q", got)
	}
}

func idsOf(list []Identity) string {
	var ids []string
	for _, identity := range list {
		ids = append(ids, identity.ID.String())
	}
	return strings.Join(ids, " ")
}

func TestAcceptStampsAndCounts(t *testing.T) {
	h := newHub(t, Config{})
	d := mustAdd(t, h, ID{Device: "d1"})
	p := principalOf(d)
	e, err := h.Accept(p, Message{Body: []byte("x"), ContentType: "application/json", Properties: map[string]string{"k": "v"}})
	if err != nil {
		t.Fatal(err)
	}
	if e.From != d.ID || e.GenerationID != d.GenerationID || e.Source != "Telemetry" || !e.HubTime.Equal(noon) || !e.EnqueuedTime.Equal(noon) {
		t.Errorf("got %+v", e)
	}
	if want := `{"scope":"device","type":"sas","issuer":"iothub","acceptingIpFilterRule":null}`; e.AuthMethod != want {
		t.Errorf("auth method %s, want %s", e.AuthMethod, want)
	}
	if n := h.Accepted()[d.ID]; n != 1 {
		t.Errorf("counted %d", n)
	}
}

func TestAcceptRefuses(t *testing.T) {
	h := newHub(t, Config{})
	d := mustAdd(t, h, ID{Device: "d1"})
	p := principalOf(d)
	if _, err := h.Accept(p, Message{Body: make([]byte, MaxMessageSize)}); err != nil {
		t.Errorf("a message of exactly the limit: %v", err)
	}
	if _, err := h.Accept(p, Message{Body: make([]byte, MaxMessageSize-1), Properties: map[string]string{"k": "v"}}); !errors.Is(err, ErrTooLarge) {
		t.Errorf("one byte over the limit: got %v", err)
	}
	old := p
	old.GenerationID = "1"
	if _, err := h.Accept(old, Message{}); !errors.Is(err, ErrNotFound) {
		t.Errorf("another generation: got %v", err)
	}
	if err := h.Registry().SetDisabled(d.ID, true); err != nil {
		t.Fatal(err)
	}
	if _, err := h.Accept(p, Message{}); !errors.Is(err, ErrDisabled) {
		t.Errorf("disabled device: got %v", err)
	}
	if n := h.Accepted()[d.ID]; n != 1 {
		t.Errorf("counted %d, want only the accepted one", n)
	}
}

func TestConsumerGroups(t *testing.T) {
	h := newHub(t, Config{})
	if got := h.ConsumerGroups(); !reflect.DeepEqual(got, []string{"$Default", "azx"}) {
		t.Fatalf("a new hub has the groups %q", got)
	}
	if err := h.AddConsumerGroup("mine"); err != nil || !h.HasConsumerGroup("MINE") || h.HasConsumerGroup("other") {
		t.Fatalf("after adding one: %v, %q", err, h.ConsumerGroups())
	}
	if err := h.AddConsumerGroup("Azx"); !errors.Is(err, ErrExists) {
		t.Errorf("same name in another case: got %v", err)
	}
	for _, bad := range []string{"", "a b", "$x", strings.Repeat("x", 51)} {
		if err := h.AddConsumerGroup(bad); !errors.Is(err, ErrBadID) {
			t.Errorf("group %q: got %v", bad, err)
		}
	}
	for range maxConsumerGroups {
		_ = h.AddConsumerGroup("g" + strings.Repeat("x", len(h.ConsumerGroups())))
	}
	if n := len(h.ConsumerGroups()); n != maxConsumerGroups {
		t.Errorf("the hub has %d groups, want the limit %d", n, maxConsumerGroups)
	}
}

func TestAnOpenedHubIsTheOldOne(t *testing.T) {
	cfg := Config{Dir: t.TempDir(), Host: "plant1.azure-devices.net"}
	h := newHub(t, cfg)
	mustAdd(t, h, ID{Device: "d1"})
	if err := h.AddConsumerGroup("mine"); err != nil {
		t.Fatal(err)
	}
	mustClose(t, h)
	cfg.Host = "" // taken from the folder
	again := newHub(t, cfg)
	if !reflect.DeepEqual(again.Registry().List(), h.Registry().List()) || !again.HasConsumerGroup("mine") ||
		again.Names() != h.Names() || again.ServiceConnectionString() != h.ServiceConnectionString() {
		t.Fatal("the opened hub differs from the one that was saved")
	}
	stat, err := os.Stat(filepath.Join(cfg.Dir, stateFile))
	if err != nil || stat.Mode().Perm() != 0o600 {
		t.Fatalf("the state file: %v, %v; want mode 0600", stat.Mode(), err)
	}
}

func TestADamagedStateFileIsNamed(t *testing.T) {
	dir := t.TempDir()
	for _, text := range []string{"{", "{}"} {
		if err := os.WriteFile(filepath.Join(dir, stateFile), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := Open(Config{Dir: dir}); err == nil || !strings.Contains(err.Error(), stateFile) {
			t.Errorf("content %q: got %v", text, err)
		}
	}
}

func TestConnectionStrings(t *testing.T) {
	h := newHub(t, Config{})
	d := mustAdd(t, h, ID{Device: "d1"})
	mustAdd(t, h, ID{Device: "d1", Module: "m1"})
	text := h.DeviceConnectionString(d, 18883)
	c, err := ParseCredentials(text)
	want := Credentials{Host: "localhost", Port: 18883, ID: d.ID, Key: d.PrimaryKey}
	if err != nil || c != want {
		t.Fatalf("%s parsed as %+v, %v", text, c, err)
	}
	if !strings.HasPrefix(h.EventHubsConnectionString(), "Endpoint=sb://localhost/;SharedAccessKeyName=service;SharedAccessKey=") {
		t.Error(h.EventHubsConnectionString())
	}
	for _, bad := range []string{"", "HostName=a", "HostName=a:b;DeviceId=d;SharedAccessKey=k"} {
		if _, err := ParseCredentials(bad); err == nil {
			t.Errorf("%q is accepted", bad)
		}
	}
}

func TestWhatCannotBeSavedDoesNotHappen(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "hub")
	h := newHub(t, Config{Dir: dir})
	mustClose(t, h) // which only the events need open
	if err := os.RemoveAll(dir); err != nil {
		t.Fatal(err)
	}
	if err := h.AddConsumerGroup("mine"); err == nil || h.HasConsumerGroup("mine") {
		t.Errorf("consumer group: %v", err)
	}
	if _, err := h.Registry().Add(Spec{ID: ID{Device: "d1"}}); err == nil || len(h.Registry().List()) != 0 {
		t.Errorf("device: %v", err)
	}
}
