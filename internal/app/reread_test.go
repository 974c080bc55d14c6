package app

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"azx/alwayson"
	"azx/alwayson/infotable"
	"azx/internal/config"
	"azx/internal/fault"
)

// reload has the connector read its file again and returns what it answers.
func (s *site) reload() Reloaded {
	s.t.Helper()
	answer, err := Reload(s.t.Context(), s.admin)
	if err != nil {
		s.t.Fatal(err)
	}
	return answer
}

// paths are the keys of an answer: in effect, waiting for a restart.
func (r Reloaded) paths() string {
	var live, restart []string
	for _, c := range r.Live {
		live = append(live, c.Path)
	}
	for _, c := range r.Restart {
		restart = append(restart, c.Path)
	}
	return fmt.Sprint(live, restart)
}

// text is the file as it is.
func (s *site) text() string {
	s.t.Helper()
	text, err := os.ReadFile(s.file())
	if err != nil {
		s.t.Fatal(err)
	}
	return string(text)
}

// edit puts one text of the file in the place of another.
func (s *site) edit(from, to string) {
	s.t.Helper()
	if !strings.Contains(s.text(), from) {
		s.t.Fatalf("%q is not in the file", from)
	}
	s.rewrite(strings.Replace(s.text(), from, to, 1))
}

func TestWhatChangesInTheFileIsTakenWithoutARestart(t *testing.T) {
	s := newSite(t)
	p := s.run(s.config("twinMaxAge: 100ms"))
	s.untilReady(p)
	s.send("pump-1", `{"temp":1}`, "temp:NUMBER", "target:NUMBER")
	s.untilWritten("pump-1", "temp=1")
	s.change("writeVia", "c2d", "writeWindow", "2ms")
	s.log.until(t, "event=settings-changed", `from="hub Thing"`, "settings=writeWindow")

	if r := s.reload(); r.paths() != "[] []" || r.Connector != "azx-1" {
		t.Errorf("nothing has changed, and it answers %+v", r)
	}
	s.config("twinMaxAge: 200ms", "writeVia: desired", "methods: {services: {reboot: {responseTimeout: 6s}}}")
	s.rewrite(s.text() + "log: {level: warn}\n")
	r := s.reload()
	if r.paths() != "[log.level hubs[0].writeVia hubs[0].methods.services hubs[0].twinMaxAge] []" &&
		r.paths() != "[hubs[0].writeVia hubs[0].methods.services hubs[0].twinMaxAge log.level] []" {
		t.Errorf("got %s %s", r.paths(), r.Refused)
	}
	if resp := s.write("pump-1", "target", infotable.Number(5)); resp.Code != alwayson.Success {
		t.Fatal(resp.Err())
	}
	if got := s.desired("pump-1"); got != "map[target:5]" {
		t.Errorf("the write went elsewhere: desired is %s", got)
	}
	if level, _ := s.platform.invoke("azx-1", "GetLogLevel").Content.First("result").Text(); level != "WARN" {
		t.Errorf("the log's level is %s", level)
	}

	// What the file no longer has is the hub Thing's again.
	s.config("twinMaxAge: 200ms")
	s.hangup <- syscall.SIGHUP
	s.log.until(t, "event=settings-changed", "from=file", `settings="writeVia, methods.services, log.level"`)
	s.change("writeWindow", "3ms")
	s.log.until(t, "event=settings-changed", `from="hub Thing"`, "settings=writeWindow")
	s.send("pump-1", `{"temp":2}`)
	s.untilWritten("pump-1", "temp=1", "temp=2")
	s.keepsSecrets()
}

func TestAFileWithProblemsChangesNothing(t *testing.T) {
	s := newSite(t)
	s.platform.settings["methods.responseTimeout"] = "28s"
	p := s.run(s.config())
	s.untilReady(p)
	good := s.text()
	s.send("pump-1", `{"temp":1}`, "temp:NUMBER")
	s.untilWritten("pump-1", "temp=1")
	for name, c := range map[string]struct{ from, to, says string }{
		"unknown key and a wrong value": {"lanes: 2", "lanes: two\nlans: 2\nplatfrom: canary", "3 problems"},
		"no YAML":                       {"lanes: 2", "lanes: [", "not valid YAML"},
		"a blank routing group":         {"caFile: ca.pem", "caFile: ca.pem\n    writeVia: desired\n    routingGroup: \"\"", "routingGroup: is blank"},
		"one that does not go with the hub Thing": {"caFile: ca.pem", "caFile: ca.pem\n    methods: {connectTimeout: 3s}",
			"connectTimeout and responseTimeout are 31s together"},
		"no file for a credential": {"appKey: " + testKey, `appKey: "${file:canary}"`, "no such file"},
	} {
		s.rewrite(good)
		s.edit(c.from, c.to)
		r := s.reload()
		if r.paths() != "[] []" || !strings.Contains(r.Refused, c.says) || r.Unreachable {
			t.Errorf("%s: got %+v", name, r)
		}
		s.log.until(t, "event=settings-refused", "from=file", strings.ReplaceAll(c.says, `"`, `\"`))
	}
	s.change("twinMaxAge", "3s")
	s.log.until(t, "event=settings-changed", "settings=twinMaxAge")
	s.send("pump-1", `{"temp":2}`)
	s.untilWritten("pump-1", "temp=1", "temp=2")
	s.rewrite(good)
	if r := s.reload(); r.paths() != "[] []" || r.Refused != "" {
		t.Errorf("the good file again: %+v", r)
	}
	s.keepsSecrets()
}

func TestWhatOfTheFileNeedsARestartIsNamedAndTheRestTaken(t *testing.T) {
	s := newSite(t)
	p := s.run(s.config())
	s.untilReady(p)
	s.config("consumerGroup: other", "writeVia: desired")
	s.edit("lanes: 2", "lanes: 3")
	for range 2 { // it is told again to whoever asks again
		r := s.reload()
		if want := "[] [hubs[0].consumerGroup lanes]"; !strings.HasSuffix(r.paths(), want[2:]) {
			t.Errorf("got %s, want %s", r.paths(), want)
		}
	}
	s.log.until(t, "event=settings-changed", "from=file", "settings=writeVia")
	if n := len(s.log.lines("event=settings-restart", `settings="consumerGroup, lanes"`)); n != 2 {
		t.Errorf("it was logged %d times", n)
	}

	// Another hub Thing is another hub: nothing of it is taken, and the settings of the first stay.
	s.config("writeVia: c2d")
	s.edit("thing: Plant1Hub", "thing: Plant2Hub")
	if r := s.reload(); len(r.Live) != 0 || !strings.Contains(r.paths(), "hubs[0].thing") || !strings.Contains(r.paths(), "hubs[0].writeVia") {
		t.Errorf("got %s", r.paths())
	}
	s.change("twinMaxAge", "3s")
	s.log.until(t, "event=settings-changed", `from="hub Thing"`, "settings=twinMaxAge")
}

func TestNewCredentialsOfTheFileAreTriedBeforeTheyAreTaken(t *testing.T) {
	const nextKey = "a-canary-of-an-application-key"
	s := newSite(t)
	p := s.run(s.config("connectionString: " + s.hub.Info.ServiceConnectionString))
	s.untilReady(p)
	s.send("pump-1", `{"temp":1}`, "temp:NUMBER")
	s.untilWritten("pump-1", "temp=1")
	policy, _ := s.hub.Hub.Policy("service")
	good := s.text()

	s.edit("appKey: "+testKey, "appKey: "+nextKey)
	r := s.reload()
	if !r.Unreachable || !strings.Contains(r.Refused, "try the new application key") || r.Hint == "" || r.paths() != "[] []" {
		t.Errorf("a key that the platform does not know: %+v", r)
	}
	s.platform.with(func() { s.platform.keys = append(s.platform.keys, nextKey) })
	if r := s.reload(); r.paths() != "[platform.appKey] []" {
		t.Errorf("one that it knows: %+v", r)
	}
	s.platform.with(func() { s.platform.keys = []string{nextKey} })
	s.platform.cut()
	s.send("pump-1", `{"temp":2}`)
	s.untilWritten("pump-1", "temp=1", "temp=2")

	good = strings.Replace(good, testKey, nextKey, 1)
	s.rewrite(strings.Replace(good, policy.PrimaryKey, "d3Jvbmcga2V5IG9mIGEgdGVzdA==", 1))
	if r := s.reload(); !r.Unreachable || !strings.Contains(r.Refused, "try the new connection strings") || r.paths() != "[] []" {
		t.Errorf("a key that the hub does not know: %+v", r)
	}
	s.rewrite(strings.Replace(good, policy.PrimaryKey, policy.SecondaryKey, 1))
	if r := s.reload(); r.paths() != "[hubs[0].connectionString] []" {
		t.Errorf("one that it knows: %+v", r)
	}
	s.send("pump-1", `{"temp":3}`)
	s.untilWritten("pump-1", "temp=1", "temp=2", "temp=3")
	if text := s.log.String(); strings.Contains(text, nextKey) || strings.Contains(text, "d3Jvbmcga2V5") {
		t.Error("a credential is in the log")
	}
	s.keepsSecrets()
}

func TestAConnectorWithoutPackagesReadsItsFileAgain(t *testing.T) {
	s := newSite(t)
	lines := []string{"connectionString: " + s.hub.Info.ServiceConnectionString, "extensions: none", `allowThings: ["*"]`, "bind: devices"}
	p := s.run(s.config(lines...))
	s.untilReady(p)
	s.config(append(lines, "writeVia: desired")...)
	if r := s.reload(); r.paths() != "[hubs[0].writeVia] []" {
		t.Errorf("got %+v", r)
	}
}

// A canary in every credential of the file and of the hub Thing: no answer and no line has one.
func TestNoAnswerOfAReloadHasACredential(t *testing.T) {
	s := newSite(t)
	p := s.run(s.config())
	s.untilReady(p)
	var all strings.Builder
	for _, lines := range [][]string{
		{"connectionString: canary0"}, {"connectionString: HostName=h;SharedAccessKeyName=p;SharedAccessKey=canary00"},
		{"eventHubsConnectionString: canary0"}, {"connectionString: ${file:canary0}canary1"}, {"connectionString: *canary0"},
		{"eventHubsConnectionString: Endpoint=sb://x/;SharedAccessKeyName=p;SharedAccessKey=canary00;EntityPath=e"},
		{"routingGroup: ''", "connectionString: canary0"},
	} {
		for _, key := range []string{testKey, "canary2", "${file:nowhere}canary3", "&canary4"} {
			s.rewrite("x: y\n")
			text := fmt.Sprintf("name: azx-1\nplatform: {urls: [%s], appKey: '%s'}\nproxy: http://user:canary5@127.0.0.1:1\ncheckpoint: {file: c}\nquarantine: {dir: q}\nhubs:\n  - thing: Plant1Hub\n    %s\n",
				s.platform.url, key, strings.Join(lines, "\n    "))
			s.rewrite(text)
			fmt.Fprintf(&all, "%+v\n", s.reload())
			if cfg, _, err := config.Load(s.file()); err == nil {
				all.WriteString(cfg.Print(true))
			}
		}
	}
	out := strings.ReplaceAll(all.String()+s.log.String(), filepath.Join(s.dir, "canary0"), "")
	if strings.Contains(out, "canary") {
		t.Errorf("a credential is in what it says: %s", lineWith(out, "canary"))
	}
	s.keepsSecrets()
}

func lineWith(text, part string) string {
	for line := range strings.Lines(text) {
		if strings.Contains(line, part) {
			return line
		}
	}
	return ""
}

func TestAConnectorThatIsStillStartingDoesNotReload(t *testing.T) {
	c := newTeller(nil).connector
	c.Reread = func() (*config.Config, config.Problems, error) { return nil, nil, errors.New("read") }
	if _, err := c.reload(t.Context()); !errors.Is(err, errNoReload) {
		t.Errorf("got %v", err)
	}
	c.Reread = nil
	c.health.setStart(nil)
	if _, err := c.reload(t.Context()); !errors.Is(err, errNoReload) {
		t.Errorf("without a file: %v", err)
	}
}

func TestWhatIsNoConnectorIsToldFromOneThatIsAway(t *testing.T) {
	other := serveText(t, http.StatusOK, "hello")
	starting := serveText(t, http.StatusServiceUnavailable, errNoReload.Error())
	for address, says := range map[string]string{other: "it answers 200 OK: hello", starting: "still starting", "127.0.0.1:1": "connection refused"} {
		_, err := Reload(t.Context(), address)
		if err == nil || !strings.Contains(err.Error(), says) || fault.ClassOf(err) != fault.Transient || fault.HintOf(err) == "" {
			t.Errorf("%s: got %v", address, err)
		}
	}
}

func TestTheHubThingIsAskedForItsSettings(t *testing.T) {
	s := newSite(t)
	s.platform.with(func() { s.platform.settings["writeVia"], s.platform.settings["later"] = "desired", "1" })
	cfg := s.config("units: 2")
	with, warnings, err := WithHubThings(t.Context(), cfg)
	if err != nil || len(warnings) != 1 {
		t.Fatalf("%v, %v", warnings, err)
	}
	h := with.Hubs[0]
	if h.WriteVia != "desired" || h.Units != 2 || h.Origin("writeVia") != config.OriginThing || cfg.Hubs[0].WriteVia != "c2d" {
		t.Errorf("got %+v", h)
	}
	s.platform.with(func() { s.platform.keys = nil })
	if _, _, err = WithHubThings(t.Context(), cfg); fault.ClassOf(err) != fault.Credential {
		t.Errorf("a refused key: %v", err)
	}
	cfg.Hubs[0].Extensions = config.ExtensionsNone
	if _, _, err = WithHubThings(t.Context(), cfg); fault.ClassOf(err) != fault.Fatal || fault.HintOf(err) == "" {
		t.Errorf("without packages: %v", err)
	}
}

// serveText answers every request in the same way, and returns host and port.
func serveText(t *testing.T, code int, text string) string {
	t.Helper()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(code)
		_, _ = io.WriteString(w, text)
	}))
	t.Cleanup(server.Close)
	return strings.TrimPrefix(server.URL, "http://")
}
