package app

import (
	"bytes"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"azx/internal/config"
	"azx/internal/secret"
)

// inFile is a credential in a file, and what puts another text there; none takes the file away.
func inFile(t *testing.T, text string) (of secret.Source, put func(text string)) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "key")
	put = func(text string) {
		t.Helper()
		err := os.Remove(path)
		if text != "" {
			err = os.WriteFile(path, []byte(text), 0o600)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	of, err := secret.Parse("${file:"+path+"}", "")
	if err != nil {
		t.Fatal(err)
	}
	return of, put
}

// fileReloader looks at the files of a connector that carries nothing: its application key and a connection string.
type fileReloader struct {
	*reloader
	t                *testing.T
	platform         *fakePlatform
	log              *bytes.Buffer
	putKey, putHub   func(string)
	appKeyIs, hostIs func(want string)
}

func newFileReloader(t *testing.T) *fileReloader {
	f := &fileReloader{t: t, platform: newFakePlatform(t), log: &bytes.Buffer{}}
	cfg := &config.Config{Name: "azx-1", Hubs: []config.Hub{{Thing: "Plant1Hub", Extensions: config.ExtensionsNone}}}
	cfg.Platform.URLs = []string{f.platform.url}
	cfg.Platform.AppKey, f.putKey = inFile(t, testKey)
	cfg.Hubs[0].ConnectionString, f.putHub = inFile(t, connectionTo("plant1"))
	c := newConnector(Options{Config: cfg, Log: slog.New(slog.NewTextHandler(f.log, nil))})
	var err error
	if c.outside.dialer, err = openDialer(cfg); err != nil {
		t.Fatal(err)
	}
	if err := c.openLink(); err != nil {
		t.Fatal(err)
	}
	f.reloader = newReloader(c)
	f.appKeyIs = func(want string) {
		t.Helper()
		if got, err := c.appKey.Load().Value(); got != want || err != nil {
			t.Errorf("the key is %q, %v; want %q", got, err, want)
		}
	}
	f.hostIs = func(want string) {
		t.Helper()
		if s, _, err := c.hubs[0].keys.service(); s.Host != want+".azure-devices.net" || err != nil {
			t.Errorf("the host is %q, %v; want %q", s.Host, err, want)
		}
	}
	return f
}

func connectionTo(hub string) string {
	return "HostName=" + hub + ".azure-devices.net;SharedAccessKeyName=service;SharedAccessKey=a2V5"
}

// told counts the lines of an event, and fails if it is not so many.
func (f *fileReloader) told(event string, want int) {
	f.t.Helper()
	if n := strings.Count(f.log.String(), "event="+event); n != want {
		f.t.Errorf("%s is told %d times, want %d: %s", event, n, want, f.log)
	}
}

func TestTheKeyInUseStaysUntilItsFileHasOneThatIsAccepted(t *testing.T) {
	f := newFileReloader(t)
	f.lookAtFiles(t.Context())
	f.putKey("a-wrong-key")
	f.appKeyIs(testKey)
	for range 3 {
		f.lookAtFiles(t.Context())
	}
	f.appKeyIs(testKey)
	f.told("settings-refused", 1)

	f.platform.with(func() { f.platform.keys = append(f.platform.keys, "a-second-key", "a-wrong-key") })
	f.lookAtFiles(t.Context())
	f.appKeyIs(testKey) // the same text is not tried again so soon
	f.files.again = time.Now()
	f.lookAtFiles(t.Context())
	f.appKeyIs("a-wrong-key")
	f.putKey("a-second-key")
	f.lookAtFiles(t.Context())
	f.lookAtFiles(t.Context())
	f.appKeyIs("a-second-key")
	f.told("settings-changed", 2)
	for _, secret := range []string{"a-wrong-key", "a-second-key"} {
		if strings.Contains(f.log.String(), secret) {
			t.Errorf("the log shows %s", secret)
		}
	}
}

func TestACredentialFileThatIsGoneChangesNothing(t *testing.T) {
	f := newFileReloader(t)
	f.putKey("")
	f.putHub("half a connection string")
	f.lookAtFiles(t.Context())
	f.lookAtFiles(t.Context())
	f.appKeyIs(testKey)
	f.hostIs("plant1")
	f.told("settings-refused", 2)
	f.told("settings-restart", 0)
}

func TestAWrongCredentialFileKeepsNoGoodOneOut(t *testing.T) {
	f := newFileReloader(t)
	f.platform.with(func() { f.platform.keys = append(f.platform.keys, "a-second-key") })
	f.putKey("a-second-key")
	f.putHub("half a connection string")
	f.lookAtFiles(t.Context())
	f.appKeyIs("a-second-key")
	f.hostIs("plant1")
}

func TestAKeyOfTheHubIsReplacedInItsFile(t *testing.T) {
	s := newSite(t)
	policy, _ := s.hub.Hub.Policy("service")
	first := s.hub.Info.ServiceConnectionString
	put := func(key string) {
		t.Helper()
		text := strings.Replace(first, policy.PrimaryKey, key, 1)
		if err := os.WriteFile(filepath.Join(s.dir, "hub-key"), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	put(policy.PrimaryKey)
	p := s.run(s.config("connectionString: ${file:hub-key}"))
	s.untilReady(p)
	s.send("pump-1", `{"temp":1}`, "temp:NUMBER")
	s.untilWritten("pump-1", "temp=1")

	put("d3Jvbmcga2V5IG9mIGEgdGVzdA==")
	s.log.until(t, "event=settings-refused", `from="credential file"`, "try the new connection strings")
	s.untilFired("AuthenticationError", "Plant1Hub", "try the new connection strings")
	put(policy.SecondaryKey)
	if r := s.reload(); r.paths() != "[hubs[0].connectionString] []" || !strings.HasSuffix(r.Live[0].To, "(another text)") {
		t.Errorf("got %+v", r)
	}
	put(policy.PrimaryKey)
	s.log.until(t, "event=settings-changed", `from="credential file"`, "settings=connectionString")
	s.send("pump-1", `{"temp":2}`)
	s.untilWritten("pump-1", "temp=1", "temp=2")
	first = strings.Replace(first, "plant1.", "plant2.", 1)
	put(policy.PrimaryKey)
	s.log.until(t, "event=settings-restart", `from="credential file"`, "settings=connectionString")
	s.send("pump-1", `{"temp":3}`)
	s.untilWritten("pump-1", "temp=1", "temp=2", "temp=3")
	for _, gap := range []string{"event=partition-lost", "event=hub-unreachable"} {
		if found := s.log.lines(gap); len(found) > 0 {
			t.Errorf("there was a gap: %s", found)
		}
	}
	s.keepsSecrets()
}
