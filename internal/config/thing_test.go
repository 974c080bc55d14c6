package config

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"azx/internal/fault"
)

const (
	thingService = "HostName=plant1.azure-devices.net;SharedAccessKeyName=service;SharedAccessKey=Y2FuYXJ5"
	thingEvents  = "Endpoint=sb://ns.servicebus.windows.net/;SharedAccessKeyName=service;SharedAccessKey=Y2FuYXJ5;EntityPath=plant1"
)

// hubOf loads a file whose hub section has these lines.
func hubOf(t *testing.T, lines ...string) *Hub {
	t.Helper()
	dir := t.TempDir()
	file := filepath.Join(dir, "azx.yaml")
	text := "platform: {urls: [ws://127.0.0.1:8080/Thingworx/WS], appKey: k}\ncheckpoint: {file: c}\nquarantine: {dir: q}\nhubs:\n  - thing: Plant1Hub\n"
	for _, line := range lines {
		text += "    " + line + "\n"
	}
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	cfg, _, err := Load(file)
	if err != nil {
		t.Fatal(err)
	}
	return &cfg.Hubs[0]
}

// changed are the keys that differ between two hubs, sorted.
func changed(a, b *Hub) []string {
	var keys []string
	for _, c := range Diff(&Config{Hubs: []Hub{*a}}, &Config{Hubs: []Hub{*b}}) {
		keys = append(keys, strings.TrimPrefix(c.Path, "hubs[0]."))
	}
	slices.Sort(keys)
	return keys
}

func rows(pairs ...string) []Setting {
	var all []Setting
	for i := 0; i < len(pairs); i += 2 {
		all = append(all, Setting{pairs[i], pairs[i+1]})
	}
	return all
}

func TestTheFileWinsOverTheHubThingWhichWinsOverTheDefault(t *testing.T) {
	h := hubOf(t, "consumerGroup: of-file", "methods: {connectTimeout: 3s, services: {reboot: {connectTimeout: 1s}}}")
	got, err := h.WithThing(rows(
		"connectionString", thingService, "eventHubsConnectionString", thingEvents, "consumerGroup", "of-thing",
		"methods.connectTimeout", "9s", "methods.responseTimeout", "10s", "methods.services.reboot.connectTimeout", "7s",
		"methods.services.mod::v1.scan.responseTimeout", "6s", "units", "3", "feedback", "on", "allowThings", `["pump-*"]`,
		"start", "2026-01-31T12:00:00Z", "tier", "S2", "writeVia", "", "routingGroup", "${hub-thing-name}", "presence.timeout", "60s",
		KeyCheckpointThing, "Blob1", KeyFileThing, "Blob2"))
	if err != nil || len(got.Warnings) > 0 {
		t.Fatalf("%v, warnings %v", err, got.Warnings)
	}
	m := got.Hub
	if m.ConsumerGroup != "of-file" || m.Units != 3 || !bool(m.Feedback) || m.Tier != "S2" || m.WriteVia != "c2d" || m.RoutingGroup != "" ||
		m.Presence.Timeout != time.Minute || !slices.Equal(m.AllowThings, []string{"pump-*"}) || !m.Start.At.Equal(time.Date(2026, 1, 31, 12, 0, 0, 0, time.UTC)) {
		t.Errorf("got %+v", m)
	}
	want := Methods{ConnectTimeout: 3 * time.Second, ResponseTimeout: 10 * time.Second, Services: map[string]MethodTimeout{
		"reboot": {time.Second, 10 * time.Second}, "mod::v1.scan": {3 * time.Second, 6 * time.Second},
	}}
	if !reflect.DeepEqual(m.Methods, want) {
		t.Errorf("methods are %+v, want %+v", m.Methods, want)
	}
	if text, err := m.ConnectionString.Value(); text != thingService || err != nil {
		t.Errorf("the connection string is another: %v", err)
	}
	if got.CheckpointThing != "Blob1" || got.FileThing != "Blob2" {
		t.Errorf("storage Things are %q and %q", got.CheckpointThing, got.FileThing)
	}
	for key, origin := range map[string]Origin{
		"consumerGroup": OriginFile, "methods.connectTimeout": OriginFile, "methods.responseTimeout": OriginThing,
		"connectionString": OriginThing, "writeVia": OriginDefault, "routingGroup": OriginDefault,
	} {
		if from := m.Origin(key); from != origin {
			t.Errorf("%s is from the %s, want the %s", key, from, origin)
		}
	}
	if h.Units != 1 || h.Methods.Services["reboot"].ResponseTimeout != 25*time.Second || h.Origin("units") != OriginDefault {
		t.Errorf("the hub of the file has changed: %+v", h)
	}
	if m.Text("connectionString") != "***" || m.Text("methods.responseTimeout") != "10s" || m.Text("timeField") != "" {
		t.Errorf("texts are %q, %q, %q", m.Text("connectionString"), m.Text("methods.responseTimeout"), m.Text("timeField"))
	}
}

func TestASecondLookAtTheHubThingGoesByTheFileAgain(t *testing.T) {
	h := hubOf(t, "connectionString: "+thingService)
	first, err := h.WithThing(rows("writeVia", "desired", "twinMaxAge", "2s"))
	if err != nil {
		t.Fatal(err)
	}
	second, err := h.WithThing(rows("twinMaxAge", "3s", "units", "2", "methods.services.a.responseTimeout", "5s"))
	if err != nil {
		t.Fatal(err)
	}
	want := []string{"methods.services", "twinMaxAge", "units", "writeVia"}
	if got := changed(first.Hub, second.Hub); !slices.Equal(got, want) || second.Hub.WriteVia != "c2d" {
		t.Errorf("changed are %q, want %q", got, want)
	}
	other, err := hubOf(t).WithThing(rows("connectionString", strings.Replace(thingService, "Y2Fu", "Y2Fz", 1)))
	if err != nil {
		t.Fatal(err)
	}
	if got := changed(first.Hub, other.Hub); !slices.Equal(got, []string{"connectionString", "twinMaxAge", "writeVia"}) {
		t.Errorf("changed are %q", got)
	}
}

func TestASettingOfTheHubThingIsCheckedAsOneOfTheFile(t *testing.T) {
	for _, tc := range []struct{ name, key, value, want string }{
		{"no duration", "writeWindow", "soon", `hub Thing Plant1Hub: writeWindow: "soon" is not valid here; want a duration such as 30s`},
		{"a duration out of range", "twinMaxAge", "1ms", "hub Thing Plant1Hub: twinMaxAge: out of range; want 100ms to 1h"},
		{"no number", "units", "many", "hub Thing Plant1Hub: units: "},
		{"no way to write", "writeVia", "mail", "hub Thing Plant1Hub: writeVia: not one of the allowed values"},
		{"time-outs that are too long together", "methods.connectTimeout", "20s", "hub Thing Plant1Hub: methods: connectTimeout and responseTimeout are 45s together"},
		{"a time-out of one service", "methods.services.reboot.responseTimeout", "1s", "hub Thing Plant1Hub: methods.services.reboot.responseTimeout: out of range"},
		{"no connection string", "connectionString", "canary", "hub Thing Plant1Hub: connectionString: not a connection string"},
		{"that of a device", "connectionString", "HostName=h;DeviceId=d;SharedAccessKeyName=x;SharedAccessKey=Y2FuYXJ5", "is the connection string of a device"},
		{"a reference to a file", "connectionString", "${file:/etc/canary}", "hub Thing Plant1Hub: connectionString: a reference does not work on a hub Thing"},
		{"no list", "allowThings", "pump", "hub Thing Plant1Hub: allowThings: want a list, got text"},
		{"a section as a whole", "methods", "5s", "hub Thing Plant1Hub: methods: want keys and values, got text"},
		{"its own name", "thing", "Other", "hub Thing Plant1Hub: thing: cannot come from the hub Thing; the file names the hub Thing"},
		{"what is installed", "extensions", "none", "hub Thing Plant1Hub: extensions: cannot come from the hub Thing"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			_, err := hubOf(t).WithThing(rows("tier", "S1", tc.key, tc.value))
			var problems Problems
			if !errors.As(err, &problems) || len(problems) != 1 || !strings.Contains(err.Error(), tc.want) || fault.ClassOf(err) != fault.Fatal || fault.HintOf(err) == "" {
				t.Errorf("got %v\nwant %s", err, tc.want)
			}
			if err != nil && (strings.Contains(err.Error(), "canary") || strings.Contains(err.Error(), "Y2FuYXJ5")) {
				t.Errorf("a credential is in %v", err)
			}
		})
	}
}

func TestASettingThatTheHubThingHasTwiceIsRefused(t *testing.T) {
	_, err := hubOf(t).WithThing(rows("units", "2", "units", "3"))
	if err == nil || !strings.Contains(err.Error(), "units: the key is there twice") {
		t.Errorf("got %v", err)
	}
}

func TestAnUnknownSettingOfTheHubThingIsOnlyAWarning(t *testing.T) {
	got, err := hubOf(t).WithThing(rows("writeVai", "desired", "methods.conectTimeout", "1s", "x.y", "z", "consumerGroup", "g"))
	if err != nil || got.Hub.ConsumerGroup != "g" {
		t.Fatalf("%+v, %v", got.Hub, err)
	}
	text := got.Warnings.String()
	for _, want := range []string{"hub Thing Plant1Hub: writeVai: unknown key; did you mean writeVia?", "conectTimeout: unknown key; did you mean connectTimeout?", "unknown key"} {
		if len(got.Warnings) != 3 || !strings.Contains(text, want) {
			t.Errorf("warnings are\n%s\nwant %s", text, want)
		}
	}
}

func TestAFileOfTheConnectorsFileIsNotResolvedAgain(t *testing.T) {
	h := hubOf(t)
	ca, err := os.ReadFile("testdata/ca.pem")
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(h.origins.dir, "ca.pem"), ca, 0o600); err != nil {
		t.Fatal(err)
	}
	t.Chdir(filepath.Dir(h.origins.dir))
	h.CAFile = filepath.Join(filepath.Base(h.origins.dir), "ca.pem") // as Load leaves a relative one
	h.origins.dir, h.origins.keys["caFile"] = filepath.Base(h.origins.dir), OriginFile
	got, err := h.WithThing(rows("units", "2"))
	if err != nil || got.Hub.CAFile != h.CAFile {
		t.Errorf("got %v", err)
	}
}

func TestEveryKeyOfAHubHasAnOriginAndAText(t *testing.T) {
	keys := HubKeys()
	for _, want := range []string{"connectionString", "endpoints.amqps", "methods.connectTimeout", "methods.services", "twinMaxAge"} {
		if !slices.Contains(keys, want) {
			t.Errorf("%s is not among %q", want, keys)
		}
	}
	h := hubOf(t)
	for _, key := range keys {
		if from := h.Origin(key); (from == OriginFile) != (key == "thing") {
			t.Errorf("%s is from the %s", key, from)
		}
	}
}

func FuzzASettingOfAHubThing(f *testing.F) {
	f.Add("methods.services.a.b.responseTimeout", "5s", "allowThings", "[x]")
	f.Add("methods..", "", "a.b.c", "&x [*x]")
	f.Add("connectionString", thingService, "allowThings", "{a: b}")
	f.Fuzz(func(t *testing.T, a, b, c, d string) {
		h := &Hub{}
		h.setDefaults()
		h.Thing = "H"
		if _, err := h.WithThing(rows(a, b, c, d)); err != nil && strings.Contains(err.Error(), "Y2FuYXJ5") {
			t.Error(err)
		}
	})
}

func TestAHubThatIsNewOrGoneIsOneChange(t *testing.T) {
	one, two := &Config{Hubs: []Hub{{Thing: "Plant1Hub", WriteVia: "c2d"}}}, &Config{Hubs: []Hub{{Thing: "Plant1Hub", WriteVia: "desired"}, {Thing: "Plant2Hub"}}}
	for _, c := range []struct {
		from, to *Config
		want     string
	}{
		{one, two, "[hubs[0].writeVia: c2d -> desired hubs[1]: (not set) -> Plant2Hub]"},
		{two, one, "[hubs[0].writeVia: desired -> c2d hubs[1]: Plant2Hub -> (not set)]"},
	} {
		changes := Diff(c.from, c.to)
		if got := fmt.Sprint(changes); got != c.want || changes[0].Hub() != 0 || !changes[0].Live || changes[1].Live {
			t.Errorf("got %s, want %s", got, c.want)
		}
		if with := Take(c.from, c.to, changes); len(with.Hubs) != len(c.from.Hubs) || with.Hubs[0].WriteVia != c.to.Hubs[0].WriteVia {
			t.Errorf("taken is %+v", with.Hubs)
		}
	}
}
