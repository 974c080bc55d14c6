package config

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"azx/internal/fault"
)

// local makes the folders of a local hub and a local platform and returns the folder above them.
func local(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	for _, name := range []string{"hub", "platform"} {
		if err := os.Mkdir(filepath.Join(dir, name), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	ca, err := os.ReadFile("testdata/ca.pem")
	if err != nil {
		t.Fatal(err)
	}
	put(t, filepath.Join(dir, "hub", "ca.pem"), string(ca))
	put(t, filepath.Join(dir, "hub", "hub.json"), `{"hostName": "localhub.azure-devices.net", "ca": "ca.pem",
		"ports": {"mqtt": 8883, "amqps": 5671, "amqp": 5672, "https": 8443},
		"serviceConnectionString": "HostName=localhub.azure-devices.net;SharedAccessKeyName=service;SharedAccessKey=c2VjcmV0LWNhbmFyeQ==",
		"eventHubsConnectionString": "", "control": "http://127.0.0.1:1"}`)
	put(t, filepath.Join(dir, "platform", "platform.json"), `{"url": "http://127.0.0.1:8080/Thingworx",
		"ws": "ws://127.0.0.1:8080/Thingworx/WS", "appKey": "canary-key", "page": "http://127.0.0.1:8080/"}`)
	return dir
}

func initIn(dir string, overwrite bool) ([]string, error) {
	return Init(Ends{HubDir: filepath.Join(dir, "hub"), PlatformDir: filepath.Join(dir, "platform")}, filepath.Join(dir, "azx.yaml"), overwrite)
}

func TestInitWritesAFileThatLoadsWithoutAWarning(t *testing.T) {
	dir := local(t)
	written, err := initIn(dir, false)
	if err != nil {
		t.Fatal(err)
	}
	if len(written) != 4 {
		t.Errorf("wrote %v", written)
	}
	cfg, warnings, err := Load(filepath.Join(dir, "azx.yaml"))
	if err != nil || len(warnings) > 0 {
		t.Fatalf("%v, %v", err, warnings)
	}
	key, err := cfg.Platform.AppKey.Value()
	if err != nil || key != "canary-key" {
		t.Errorf("application key: %v", err)
	}
	hub := cfg.Hubs[0]
	if hub.Thing != "LocalHub" || hub.Endpoints.AMQPS != "127.0.0.1:5671" || hub.Endpoints.HTTPS != "127.0.0.1:8443" ||
		hub.Extensions != ExtensionsNone || !hub.Allows("any") || hub.CAFile != filepath.Join(dir, "hub", "ca.pem") {
		t.Errorf("hub: %+v", hub)
	}
}

func TestInitPutsNoCredentialIntoTheFile(t *testing.T) {
	dir := local(t)
	if _, err := initIn(dir, false); err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(filepath.Join(dir, "azx.yaml"))
	if err != nil || strings.Contains(string(text), "canary") || strings.Contains(string(text), "c2Vjc") {
		t.Errorf("%v:\n%s", err, text)
	}
	for _, name := range []string{"app-key", "hub-connection-string"} {
		info, err := os.Stat(filepath.Join(dir, name))
		if err != nil || info.Mode().Perm() != 0o600 {
			t.Errorf("%s: %v, %v", name, info, err)
		}
	}
	same(t, "testdata/init.golden.yaml", string(text))
}

func TestInitRefersToTheCredentialFilesThatAreThere(t *testing.T) {
	dir := local(t)
	put(t, filepath.Join(dir, "platform", "app-key"), "from the platform")
	put(t, filepath.Join(dir, "hub", "connection-string"), "HostName=h;SharedAccessKeyName=service;SharedAccessKey=YQ==")
	written, err := initIn(dir, false)
	if err != nil || len(written) != 2 {
		t.Fatalf("%v, %v", written, err)
	}
	cfg, _, err := Load(filepath.Join(dir, "azx.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	if key, err := cfg.Platform.AppKey.Value(); err != nil || key != "from the platform" {
		t.Errorf("%q, %v", key, err)
	}
}

func TestInitOverwritesOnlyWhenTold(t *testing.T) {
	dir := local(t)
	if _, err := initIn(dir, false); err != nil {
		t.Fatal(err)
	}
	if _, err := initIn(dir, false); err == nil || !strings.Contains(fault.HintOf(err), "--force") {
		t.Errorf("got %v with hint %q", err, fault.HintOf(err))
	}
	if _, err := initIn(dir, true); err != nil {
		t.Error(err)
	}
}

func TestInitSaysWhatToStartWhenAnInfoIsMissing(t *testing.T) {
	dir := local(t)
	if err := os.Remove(filepath.Join(dir, "platform", "platform.json")); err != nil {
		t.Fatal(err)
	}
	_, err := initIn(dir, false)
	if err == nil || !strings.Contains(fault.HintOf(err), "azx platform --dir") {
		t.Errorf("got %v with hint %q", err, fault.HintOf(err))
	}
}

func TestInitRefusesInfosWithoutCredentials(t *testing.T) {
	dir := local(t)
	put(t, filepath.Join(dir, "platform", "platform.json"), `{"ws": "ws://127.0.0.1:8080/Thingworx/WS"}`)
	if _, err := initIn(dir, false); err == nil || !strings.Contains(err.Error(), "the value is missing") {
		t.Errorf("got %v", err)
	}
}

func TestInitQuotesWhatYAMLWouldReadOtherwise(t *testing.T) {
	for text, want := range map[string]string{
		"127.0.0.1:5671": `"127.0.0.1:5671"`, "${file:app-key}": "${file:app-key}", "/a b/c": `"/a b/c"`,
		"C:\\azx": `"C:\\azx"`, "ws://127.0.0.1:8080/Thingworx/WS": "ws://127.0.0.1:8080/Thingworx/WS", "": `""`, "a #b": `"a #b"`,
	} {
		if got := quote(text); got != want {
			t.Errorf("%q: got %s, want %s", text, got, want)
		}
	}
}

func TestInitForAHubThingLetsThePlatformReachDevices(t *testing.T) {
	for _, name := range []string{"LocalHub", "Plant 1", "true", "Null"} {
		dir := local(t)
		file := filepath.Join(dir, "azx.yaml")
		_, err := Init(Ends{HubDir: filepath.Join(dir, "hub"), PlatformDir: filepath.Join(dir, "platform"), HubThing: name}, file, false)
		if err != nil {
			t.Fatal(err)
		}
		cfg, warnings, err := Load(file)
		if err != nil || len(warnings) > 0 {
			t.Fatalf("%s: %v, %v", name, err, warnings)
		}
		hub := cfg.Hubs[0]
		if hub.Thing != name || hub.Extensions != ExtensionsAzx || len(hub.AllowThings) > 0 || hub.Endpoints.HTTPS != "127.0.0.1:8443" {
			t.Errorf("%s: hub %+v", name, hub)
		}
	}
}

func TestInitForEndsElsewhereNamesTheirFilesAndLeavesTheRestToTheHubThing(t *testing.T) {
	dir := t.TempDir()
	put(t, filepath.Join(dir, "key"), "canary-key")
	put(t, filepath.Join(dir, "connection"), "HostName=plant1.azure-devices.net;SharedAccessKeyName=service;SharedAccessKey=YQ==")
	ends := Ends{URL: "wss://thingworx.example.com/Thingworx/WS", AppKey: filepath.Join(dir, "key"), HubThing: "Plant1Hub"}
	for _, c := range []struct {
		name, connection, shown string
	}{
		{"the hub Thing has the connection string", "", ""},
		{"the file has it", filepath.Join(dir, "connection"), "${file:" + filepath.Join(dir, "connection") + "}"},
	} {
		t.Run(c.name, func(t *testing.T) {
			file := filepath.Join(dir, "azx.yaml")
			ends.Connection = c.connection
			if _, err := Init(ends, file, true); err != nil {
				t.Fatal(err)
			}
			cfg, warnings, err := Load(file)
			if err != nil || len(warnings) > 0 {
				t.Fatalf("%v, %v", err, warnings)
			}
			hub := cfg.Hubs[0]
			if hub.Thing != "Plant1Hub" || hub.Extensions != ExtensionsAzx || hub.Endpoints != (Endpoints{}) || hub.Origin("tier") != OriginDefault {
				t.Errorf("hub: %+v", hub)
			}
			if hub.Text("connectionString") != c.shown || cfg.Platform.URLs[0] != ends.URL {
				t.Errorf("connection string %q, platform %v", hub.Text("connectionString"), cfg.Platform.URLs)
			}
		})
	}
}

func TestInitSaysThatAFileOfACredentialIsNotThere(t *testing.T) {
	ends := Ends{URL: "wss://thingworx.example.com/Thingworx/WS", AppKey: filepath.Join(t.TempDir(), "key"), HubThing: "Plant1Hub"}
	if _, err := Init(ends, filepath.Join(t.TempDir(), "azx.yaml"), false); err == nil || !strings.Contains(err.Error(), "platform.appKey") {
		t.Errorf("got %v", err)
	}
}
