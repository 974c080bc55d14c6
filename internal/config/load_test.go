package config

import (
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"strings"
	"testing"
	"time"

	"azx/internal/dial"
	"azx/internal/fault"
	"azx/internal/secret"
)

var update = flag.Bool("update", false, "write the expected messages anew")

// Every bad file has its expected messages beside it, in a .txt; -update writes them anew.
func TestEveryBadFileGetsItsMessages(t *testing.T) {
	files := glob(t, "testdata/*.bad.yaml")
	if len(files) < 20 {
		t.Fatalf("only %d bad files", len(files))
	}
	for _, file := range files {
		t.Run(filepath.Base(file), func(t *testing.T) {
			_, _, err := Load(file)
			var problems Problems
			if !errors.As(err, &problems) {
				t.Fatalf("want problems, got %v", err)
			}
			if fault.ClassOf(err) != fault.Fatal {
				t.Errorf("class %v, want fatal", fault.ClassOf(err))
			}
			if strings.Contains(err.Error(), "canary") {
				t.Errorf("a message shows a credential: %v", err)
			}
			same(t, strings.TrimSuffix(file, "yaml")+"txt", problems.String()+"\n")
		})
	}
}

func TestEveryGoodFileLoads(t *testing.T) {
	t.Setenv("AZX_TEST_EVENTS_KEY", "key")
	for _, file := range glob(t, "testdata/*.good.yaml") {
		if _, _, err := Load(file); err != nil {
			t.Errorf("%s: %v", file, err)
		}
	}
}

func TestTheFullFileIsReadWhole(t *testing.T) {
	ownersOnly(t)
	t.Setenv("AZX_TEST_EVENTS_KEY", "key")
	cfg, warnings, err := Load("testdata/full.good.yaml")
	if err != nil {
		t.Fatal(err)
	}
	if len(warnings) > 0 {
		t.Errorf("warnings: %v", warnings)
	}
	events, err := cfg.Hubs[0].EventHubsConnectionString.Value()
	if err != nil || !strings.Contains(events, "SharedAccessKey=key;EntityPath=plant1") {
		t.Errorf("events connection string: %v", err)
	}
	key, err := cfg.Platform.AppKey.Value()
	if err != nil || key != "an-application-key" {
		t.Errorf("application key: %v", err)
	}
	want := &Config{
		Name: "azx-1", AvailabilityGroup: "hall 3",
		Platform: Platform{
			URLs:   []string{"wss://thingworx.example.com/Thingworx/WS"},
			AppKey: cfg.Platform.AppKey, CAFile: filepath.Join("testdata", "ca.pem"),
			AppKeyName: "azx-key", CertFile: filepath.Join("testdata", "client.pem"), KeyFile: filepath.Join("testdata", "client-key.pem"),
		},
		Identity: Identity{
			Kind: IdentityCertificate, Tenant: "11111111-2222-3333-4444-555555555555", ClientID: "aaaaaaaa-2222-3333-4444-555555555555",
			CertFile: filepath.Join("testdata", "client.pem"), KeyFile: filepath.Join("testdata", "client-key.pem"),
			Authority: "https://login.microsoftonline.us", CAFile: filepath.Join("testdata", "ca.pem"),
		},
		Hubs: []Hub{{
			Thing: "Plant1Hub", ConnectionString: cfg.Hubs[0].ConnectionString, HostName: "plant1.azure-devices.net",
			EventHubsConnectionString: cfg.Hubs[0].EventHubsConnectionString,
			ConsumerGroup:             "line-1", RoutingGroup: "Plant1",
			Start:  Start{At: time.Date(2026, 1, 31, 11, 0, 0, 0, time.UTC)},
			CAFile: filepath.Join("testdata", "ca.pem"), Transport: dial.TransportWebSocket, Endpoints: Endpoints{AMQPS: "127.0.0.1:5671", HTTPS: "[::1]:443"},
			Extensions: ExtensionsNone, AllowThings: []string{"pump-*", "line[1-4]-*"},
			Receiver: ReceiverSDK, OnUnknownThing: UnknownQuarantine,
			Lifecycle: Lifecycle{OnCreate: CreatedTell, OnDelete: DeletedTell, OnMoved: MovedRefuse, OnNoDevice: NoDeviceRefuse, Rules: []string{"edge=GatewayThing", "tags.kind:pump=PumpThing"}},
			TimeField: "ts", Retention: 72 * time.Hour,
			Bind: BindGroup, Tier: "S2", Units: 3, Feedback: true, WriteVia: "method:write", WriteWindow: 50 * time.Millisecond,
			Methods: Methods{ConnectTimeout: 2 * time.Second, ResponseTimeout: 20 * time.Second, Services: map[string]MethodTimeout{
				"reboot":     {5 * time.Second, 20 * time.Second},
				"mod1::scan": {2 * time.Second, 10 * time.Second},
			}},
			MessageTTL: time.Minute, TwinMaxAge: 5 * time.Second,
		}},
		Checkpoint: Checkpoint{
			Blob:   Blob{URL: cfg.Checkpoint.Blob.URL, Container: "azx-checkpoints", CAFile: filepath.Join("testdata", "ca.pem")},
			Leases: Leases{Interval: 5 * time.Second, Expiry: 20 * time.Second},
		},
		Quarantine: Quarantine{Dir: "/var/lib/azx/quarantine", Limit: 2 << 30, LimitPerReason: 256 << 20, MaxAge: 2160 * time.Hour, PauseAfter: 500},
		Admin:      Admin{Listen: "localhost:0", Pprof: true},
		Tracing:    Tracing{OTLP: "http://127.0.0.1:4318"},
		Proxy:      cfg.Proxy, NoProxy: ".example.com,10.0.0.0/8",
		Log:    Log{Level: "warn"},
		Memory: 128 << 20, Lanes: 8, Gather: 50 * time.Millisecond, RequestTimeout: 10 * time.Second,
	}
	want.Hubs[0].origins, want.places = cfg.Hubs[0].origins, cfg.places
	if !reflect.DeepEqual(cfg, want) {
		t.Errorf("got  %+v\nwant %+v", cfg, want)
	}
}

func TestTheFullFileHasEveryKey(t *testing.T) {
	text, err := os.ReadFile("testdata/full.good.yaml")
	if err != nil {
		t.Fatal(err)
	}
	walk(reflect.TypeFor[Config](), "", func(path string, field reflect.StructField) {
		key := field.Tag.Get("yaml")
		if key == "" {
			t.Errorf("%s has no key", path)
		} else if !regexp.MustCompile(`\b` + key + `:`).Match(text) {
			t.Errorf("%s (%s) is not in the file", path, key)
		}
	})
}

func TestTheLeastFileGetsTheDefaults(t *testing.T) {
	ownersOnly(t)
	cfg, warnings, err := Load("testdata/least.good.yaml")
	if err != nil {
		t.Fatal(err)
	}
	if len(warnings) > 0 {
		t.Errorf("warnings: %v", warnings)
	}
	hub := cfg.Hubs[0]
	got := fmt.Sprintln(strings.HasPrefix(cfg.Name, "azx"), cfg.Admin.Listen, cfg.Memory, cfg.Lanes, cfg.RequestTimeout,
		hub.ConsumerGroup, hub.RoutingGroup == "", hub.Start, hub.Extensions, hub.OnUnknownThing, hub.ConnectionString.IsSet(),
		hub.Transport, cfg.Proxy.IsSet(), hub.Bind, hub.Tier, hub.Units, hub.Feedback, hub.WriteVia, hub.WriteWindow, hub.Methods, hub.MessageTTL, hub.TwinMaxAge)
	want := fmt.Sprintln(true, "127.0.0.1:9464", 10<<20, 32, 30*time.Second, "azx", true, "earliest", "azx", "keep", false,
		"auto", false, "auto", "S1", 1, false, "c2d", 20*time.Millisecond, Methods{ResponseTimeout: 25 * time.Second}, time.Duration(0), time.Second)
	if got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
}

func TestWhatWorksButShouldNotStaySoIsWarnedOf(t *testing.T) {
	cfg, warnings, err := Load("testdata/warned.good.yaml")
	if err != nil {
		t.Fatal(err)
	}
	if !cfg.Hubs[0].Start.Latest {
		t.Error("start is not latest")
	}
	same(t, "testdata/warned.good.txt", warnings.String()+"\n")
}

func TestACredentialFileThatEverybodyMayReadIsWarnedOf(t *testing.T) {
	dir := t.TempDir()
	least, err := os.ReadFile("testdata/least.good.yaml")
	if err != nil {
		t.Fatal(err)
	}
	put(t, filepath.Join(dir, "azx.yaml"), string(least))
	put(t, filepath.Join(dir, "app-key"), "key")
	if err := os.Chmod(filepath.Join(dir, "app-key"), 0o644); err != nil {
		t.Fatal(err)
	}
	_, warnings, err := Load(filepath.Join(dir, "azx.yaml"))
	if err != nil || len(warnings) != 1 || !strings.Contains(warnings[0].What, "everybody on this machine may read") {
		t.Errorf("got %v, %v", warnings, err)
	}
}

func TestAFileThatCannotBeReadSaysWhatToDo(t *testing.T) {
	_, _, err := Load(filepath.Join(t.TempDir(), "absent.yaml"))
	if err == nil || !strings.Contains(fault.HintOf(err), "azx config init") {
		t.Errorf("got %v with hint %q", err, fault.HintOf(err))
	}
	large := filepath.Join(t.TempDir(), "large.yaml")
	put(t, large, strings.Repeat("#\n", maxFile))
	if _, _, err = Load(large); err == nil || !strings.Contains(err.Error(), "larger than 1 MiB") {
		t.Errorf("got %v", err)
	}
}

// A field that may hold a credential must be of a type that never prints.
func TestNoFieldForACredentialIsPlainText(t *testing.T) {
	sensitive, found := regexp.MustCompile(`(?i)key|secret|token|password|connection`), 0
	walk(reflect.TypeFor[Config](), "", func(path string, field reflect.StructField) {
		if !sensitive.MatchString(field.Name) || strings.HasSuffix(field.Name, "File") || strings.HasSuffix(field.Name, "Name") {
			return
		}
		found++
		if field.Type != reflect.TypeFor[secret.Source]() && field.Type != reflect.TypeFor[secret.Secret]() {
			t.Errorf("%s is a %s: make it a secret.Source", path, field.Type)
		}
	})
	if found < 3 {
		t.Errorf("found %d such fields, expected at least 3: does the walk still work?", found)
	}
}

func TestAPrintedConfigShowsNoCredential(t *testing.T) {
	cfg, _, err := Load("testdata/warned.good.yaml")
	if err != nil {
		t.Fatal(err)
	}
	out := fmt.Sprintf("%v %+v %#v", cfg, *cfg, cfg.Hubs)
	if strings.Contains(out, "c2VjcmV0") || strings.Contains(out, "1111") || !strings.Contains(out, "***") {
		t.Errorf("got %s", out)
	}
}

func TestAHubAllowsTheThingsThatItsPatternsMatch(t *testing.T) {
	hub := Hub{AllowThings: []string{"pump-*", "line[1-2]"}}
	for thing, want := range map[string]bool{"pump-1": true, "line2": true, "line3": false, "pump": false, "xpump-1": false} {
		if hub.Allows(thing) != want {
			t.Errorf("%s: want %v", thing, want)
		}
	}
	if (&Hub{}).Allows("any") {
		t.Error("no pattern allows nothing")
	}
}

// walk visits every field of the configuration's structs.
func walk(t reflect.Type, path string, visit func(path string, field reflect.StructField)) {
	for field := range t.Fields() {
		if !field.IsExported() {
			continue
		}
		at := path + "." + field.Name
		visit(at, field)
		inner := field.Type
		for inner.Kind() == reflect.Slice || inner.Kind() == reflect.Pointer || inner.Kind() == reflect.Map {
			inner = inner.Elem()
		}
		if inner.Kind() == reflect.Struct && inner.PkgPath() == t.PkgPath() && inner != reflect.TypeFor[Start]() {
			walk(inner, at, visit)
		}
	}
}

// ownersOnly gives the credential files the mode that a checkout does not keep.
func ownersOnly(t *testing.T) {
	t.Helper()
	for _, file := range []string{"testdata/app-key", "testdata/hub-connection", "testdata/client-key.pem"} {
		if err := os.Chmod(file, 0o600); err != nil {
			t.Fatal(err)
		}
	}
}

func glob(t testing.TB, pattern string) []string {
	t.Helper()
	files, err := filepath.Glob(pattern)
	if err != nil || len(files) == 0 {
		t.Fatalf("%s: %v, %v", pattern, files, err)
	}
	return files
}

func same(t *testing.T, file, got string) {
	t.Helper()
	if *update {
		put(t, file, got)
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if got != string(want) {
		t.Errorf("got\n%swant\n%s", got, want)
	}
}

func put(t *testing.T, file, text string) {
	t.Helper()
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}
