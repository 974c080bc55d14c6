package config

import (
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"azx/internal/secret"
)

func TestAPrintedConfigurationIsWhatIsUsed(t *testing.T) {
	ownersOnly(t)
	t.Setenv("AZX_TEST_EVENTS_KEY", "canary")
	cfg, _, err := Load("testdata/full.good.yaml")
	if err != nil {
		t.Fatal(err)
	}
	same(t, "testdata/full.print", cfg.Print(false))
	same(t, "testdata/full.origin", cfg.Print(true))
}

// What is printed can be read again, but for the credentials and with what is relative written out.
func TestAPrintedConfigurationIsOne(t *testing.T) {
	t.Setenv("AZX_TEST_EVENTS_KEY", "key")
	for _, good := range glob(t, "testdata/*.good.yaml") {
		whole, err := filepath.Abs(good)
		if err != nil {
			t.Fatal(err)
		}
		cfg, _, err := Load(whole)
		if err != nil {
			t.Fatal(err)
		}
		isCredential := func(path string) bool {
			v := values(cfg)[path]
			return v.IsValid() && v.Type() == reflect.TypeFor[secret.Source]()
		}
		for name, text := range map[string]string{"plain": cfg.Print(false), "with origins": cfg.Print(true)} {
			second, _, problems := parse([]file{{"/azx.yaml", []byte(text)}})
			for _, p := range problems {
				if !isCredential(p.Path) {
					t.Errorf("%s, %s: %s", good, name, p)
				}
			}
			for _, c := range Diff(cfg, second) {
				if !isCredential(c.Path) {
					t.Errorf("%s, %s: %s", good, name, c)
				}
			}
		}
	}
}

func TestThePrintedConfigurationNamesTheHubThing(t *testing.T) {
	path := folder(t, "azx.yaml", mainFile+"    units: 2\n    methods: {services: {reboot: {connectTimeout: 1s}}}\n")
	cfg, _, err := Load(path)
	if err != nil {
		t.Fatal(err)
	}
	found, err := cfg.Hubs[0].WithThing(rows("connectionString", thingService, "writeVia", "desired", "methods.responseTimeout", "9s", "units", "3"))
	if err != nil {
		t.Fatal(err)
	}
	text := cfg.WithHub(found.Hub).Print(true)
	for key, want := range map[string]string{
		`connectionString: "***"`: "hub Thing Plant1Hub", "writeVia: desired": "hub Thing Plant1Hub", "units: 2": path + ":6:12",
		"consumerGroup: azx": "default", "lanes: 32": "default", "connectTimeout: 1s": path + ":7:51", "responseTimeout: 9s": "hub Thing Plant1Hub",
	} {
		if got := lineOf(text, key); !strings.HasSuffix(got, "# "+want) {
			t.Errorf("%s: got %q, want it from %s", key, got, want)
		}
	}
	if lineOf(text, "# timeField: none") == "" || strings.Contains(text, "Y2FuYXJ5") {
		t.Errorf("got\n%s", text)
	}
	if strings.Contains(cfg.Print(true), "# hub Thing") {
		t.Error("the configuration of the file has changed")
	}
}

func lineOf(text, part string) string {
	for line := range strings.Lines(text) {
		if strings.Contains(line, part) {
			return strings.TrimSpace(line)
		}
	}
	return ""
}

func TestADifferenceSaysWhatItTakes(t *testing.T) {
	base := strings.Replace(mainFile, "appKey: \"${env:AZX_TEST_APP_KEY}\"", "appKey: canary-1", 1)
	connection := func(host, key string) string {
		return "    connectionString: HostName=" + host + ".azure-devices.net;SharedAccessKeyName=service;SharedAccessKey=" + key + "\n"
	}
	for _, c := range []struct {
		name, from, to string
		want           []string // "live" or "restart" before the change
	}{
		{"nothing", base, base, nil},
		{"the same, written otherwise", base + "lanes: 32\n", "# Comment\n" + base + "log: {level: info}\n", nil},
		{"what is live", base, base + "    writeVia: desired\n    methods: {services: {reboot: {responseTimeout: 6s}}}\nlog: {level: debug}\n", []string{
			"live log.level: info -> debug", "live hubs[0].writeVia: c2d -> desired",
			"live hubs[0].methods.services: (not set) -> {reboot: {connectTimeout: 0s, responseTimeout: 6s}}",
		}},
		{"what needs a restart", base, base + "    allowThings: [a]\n    messageTTL: 1m\nlanes: 8\nmemory: 1MiB\n", []string{
			"restart hubs[0].allowThings: (not set) -> [\"a\"]", "live hubs[0].messageTTL: (not set) -> 1m", "restart memory: 10MiB -> 1MiB", "restart lanes: 32 -> 8",
		}},
		{"an application key", base, strings.Replace(base, "canary-1", "canary-2", 1), []string{"live platform.appKey: *** -> ***"}},
		{"a key of the hub", base + connection("plant1", "Y2FuYXJ5"), base + connection("plant1", "Y2FuYXJ6"), []string{"live hubs[0].connectionString: *** -> ***"}},
		{"another hub", base + connection("plant1", "Y2FuYXJ5"), base + connection("plant2", "Y2FuYXJ5"), []string{"restart hubs[0].connectionString: *** -> ***"}},
		{"a hub where there was none", base, base + connection("plant1", "Y2FuYXJ5"), []string{"restart hubs[0].connectionString: (not set) -> ***"}},
		{"another hub Thing", base, strings.Replace(base, "Plant1Hub", "Plant2Hub", 1) + "    writeVia: desired\nlog: {level: warn}\n", []string{
			"live log.level: info -> warn", "restart hubs[0].thing: Plant1Hub -> Plant2Hub", "restart hubs[0].writeVia: c2d -> desired",
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			from, to := loaded(t, c.from), loaded(t, c.to)
			changes := Diff(from, to)
			var got []string
			for _, change := range changes {
				effect := "restart "
				if change.Live {
					effect = "live "
				}
				got = append(got, effect+change.String())
			}
			// The folders are those of the files, and no change of anybody.
			if !equalUnordered(got, c.want) {
				t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(c.want, "\n"))
			}
			taken := Take(from, to, changes)
			for _, left := range Diff(taken, to) {
				if left.Live {
					t.Errorf("%s was not taken", left)
				}
			}
			for _, changed := range Diff(from, taken) {
				if !changed.Live {
					t.Errorf("%s was taken", changed)
				}
			}
		})
	}
}

func loaded(t *testing.T, text string) *Config {
	t.Helper()
	t.Setenv("AZX_TEST_APP_KEY", "an-application-key")
	cfg, _, problems := parse([]file{{"/dir/azx.yaml", []byte(text)}})
	if len(problems) > 0 {
		t.Fatal(problems)
	}
	return cfg
}

func equalUnordered(a, b []string) bool {
	count := map[string]int{}
	for _, x := range a {
		count[x]++
	}
	for _, x := range b {
		count[x]--
	}
	for _, n := range count {
		if n != 0 {
			return false
		}
	}
	return true
}

// A canary in every field that may have a credential is in nothing that is printed.
func TestNoCredentialIsPrinted(t *testing.T) {
	const canary = "canary-5up3r"
	cfg, other := loaded(t, mainFile), loaded(t, mainFile)
	planted := 0
	for path, v := range values(cfg) {
		if _, ok := v.Interface().(secret.Source); ok {
			planted++
			v.Set(reflect.ValueOf(secret.Literal(canary + path)))
			values(other)[path].Set(reflect.ValueOf(secret.Literal("HostName=h;SharedAccessKey=" + canary)))
		}
	}
	schema, err := Schema()
	if err != nil || planted < 3 {
		t.Fatalf("%v, %d fields", err, planted)
	}
	out := cfg.Print(false) + cfg.Print(true) + string(schema)
	for _, c := range Diff(cfg, other) {
		out += c.String() + c.From + c.To
	}
	for _, key := range HubKeys() {
		out += cfg.Hubs[0].Text(key)
	}
	if strings.Contains(out, canary) {
		t.Error("a credential is printed")
	}
	if !strings.Contains(out, "***") {
		t.Error("no credential is even named")
	}
}

func TestInitWritesTheSchemaThatTheFileNames(t *testing.T) {
	dir := local(t)
	if _, err := initIn(dir, false); err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(filepath.Join(dir, "azx.yaml"))
	if err != nil || !strings.HasPrefix(string(text), "# yaml-language-server: $schema="+SchemaFile+"\n") {
		t.Errorf("%v: %s", err, text)
	}
	want, _ := Schema()
	got, err := os.ReadFile(filepath.Join(dir, SchemaFile))
	if err != nil || string(got) != string(want) {
		t.Errorf("the schema beside it is another: %v", err)
	}
}
