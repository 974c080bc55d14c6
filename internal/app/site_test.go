package app

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"azx/internal/config"
	"azx/internal/local/iothub"
	hubserve "azx/internal/local/iothub/serve"
	"azx/internal/platform"
)

// site is a local hub of one partition and a scripted platform.
type site struct {
	t        testing.TB
	dir      string
	hub      *hubserve.Running
	platform *fakePlatform
	log      *diary
	devices  map[string]iothub.Principal
	hangup   chan os.Signal
	admin    string // address of the admin surface, once it is ready
}

// diary is a log that can be read while it is written.
type diary struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (d *diary) Write(p []byte) (int, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.text.Write(p)
}

func (d *diary) String() string {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.text.String()
}

// lines returns those that have all parts.
func (d *diary) lines(parts ...string) []string {
	var found []string
	for line := range strings.Lines(d.String()) {
		all := true
		for _, part := range parts {
			all = all && strings.Contains(line, part)
		}
		if all {
			found = append(found, line)
		}
	}
	return found
}

func (d *diary) until(t testing.TB, parts ...string) {
	t.Helper()
	eventually(t, fmt.Sprintf("the log says %q", parts), func() error {
		if len(d.lines(parts...)) == 0 {
			return errors.New(d.String())
		}
		return nil
	})
}

func newSite(t testing.TB) *site {
	t.Helper()
	s := &site{t: t, dir: t.TempDir(), platform: newFakePlatform(t), log: &diary{}, devices: map[string]iothub.Principal{}, hangup: make(chan os.Signal, 1)}
	var err error
	if s.hub, err = hubserve.Start(context.Background(), hubserve.Options{Host: "plant1.azure-devices.net", Partitions: 1}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		s.hub.Stop()
		if err := s.hub.Wait(); err != nil {
			t.Error(err)
		}
	})
	if err := os.WriteFile(filepath.Join(s.dir, "ca.pem"), s.hub.CA, 0o600); err != nil {
		t.Fatal(err)
	}
	s.platform.settings["connectionString"] = s.hub.Info.ServiceConnectionString
	s.platform.settings["tier"] = "S3"
	return s
}

// config is a file that holds only what it needs to get to the hub Thing; lines are more keys of the hub's section.
func (s *site) config(lines ...string) *config.Config {
	s.t.Helper()
	ports := s.hub.Info.Ports
	text := fmt.Sprintf("name: azx-1\nplatform: {urls: [%s], appKey: %s}\ncheckpoint: {file: c}\nquarantine: {dir: q}\nadmin: {listen: \"127.0.0.1:0\"}\nlanes: 2\n"+
		"hubs:\n  - thing: Plant1Hub\n    caFile: ca.pem\n    endpoints: {amqps: \"127.0.0.1:%d\", https: \"127.0.0.1:%d\"}\n",
		s.platform.url, testKey, ports.AMQPS, ports.HTTPS)
	for _, line := range lines {
		text += "    " + line + "\n"
	}
	s.rewrite(text)
	cfg, _, err := config.Load(s.file())
	if err != nil {
		s.t.Fatal(err)
	}
	return cfg
}

func (s *site) file() string { return filepath.Join(s.dir, "azx.yaml") }

// rewrite makes text the connector's file.
func (s *site) rewrite(text string) {
	s.t.Helper()
	if err := os.WriteFile(s.file(), []byte(text), 0o600); err != nil {
		s.t.Fatal(err)
	}
}

// process is a connector that runs.
type process struct {
	cancel context.CancelFunc
	ready  chan Running
	ended  chan struct{}
	err    error // after ended
}

func (s *site) run(cfg *config.Config) *process {
	s.t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	p := &process{cancel: cancel, ready: make(chan Running, 1), ended: make(chan struct{})}
	go func() {
		defer close(p.ended)
		log := slog.New(slog.NewTextHandler(s.log, &slog.HandlerOptions{Level: slog.LevelDebug}))
		p.err = Run(ctx, Options{
			Config: cfg, Log: log, Ready: func(r Running) { p.ready <- r },
			Reread: func() (*config.Config, config.Problems, error) { return config.Load(s.file()) }, Hangup: s.hangup,
		})
	}()
	s.t.Cleanup(p.stop)
	return p
}

func (p *process) stop() {
	p.cancel()
	<-p.ended
}

// untilReady waits until messages and requests flow, and the connector has its Thing.
func (s *site) untilReady(p *process) {
	s.t.Helper()
	select {
	case r := <-p.ready:
		s.admin = r.Admin
	case <-p.ended:
		s.t.Fatalf("the connector ended with %v; log:\n%s", p.err, s.log)
	}
	if len(s.log.lines("event=no-connector-thing")) == 0 {
		s.log.until(s.t, "event=connector-thing-bound")
	}
}

// send makes a device send, and a Thing for it with these properties, if any.
func (s *site) send(device, body string, properties ...string) {
	s.t.Helper()
	if len(properties) > 0 {
		s.platform.with(func() { s.platform.things[device] = properties })
	}
	who, known := s.devices[device]
	if !known {
		added, err := s.hub.Hub.Registry().Add(iothub.Spec{ID: iothub.ID{Device: device}})
		if err != nil {
			s.t.Fatal(err)
		}
		who = iothub.Principal{ID: added[0].ID, GenerationID: added[0].GenerationID}
		s.devices[device] = who
	}
	if _, err := s.hub.Hub.Accept(who, iothub.Message{Body: []byte(body)}); err != nil {
		s.t.Fatal(err)
	}
}

// untilWritten waits until a Thing has got exactly these values.
func (s *site) untilWritten(thing string, want ...string) {
	s.t.Helper()
	eventually(s.t, fmt.Sprintf("%s has %q", thing, want), func() error {
		s.platform.mu.Lock()
		defer s.platform.mu.Unlock()
		if got := s.platform.values[thing]; fmt.Sprint(got) != fmt.Sprint(want) {
			return fmt.Errorf("it has %q", got)
		}
		return nil
	})
}

// keepsSecrets searches the log for credentials.
func (s *site) keepsSecrets() {
	s.t.Helper()
	text := s.log.String()
	for _, name := range []string{"service", "iothubowner"} {
		policy, _ := s.hub.Hub.Policy(name)
		for _, key := range []string{policy.PrimaryKey, policy.SecondaryKey, testKey} {
			if strings.Contains(text, key) {
				s.t.Errorf("a credential is in the log")
			}
		}
	}
}

// newTeller is as much of a connector as tells what goes wrong.
func newTeller(events *platform.Announcer) *hubSide {
	c := newConnector(Options{Config: &config.Config{Name: "azx-1", Hubs: []config.Hub{{Thing: "Plant1Hub"}}}})
	c.events = events
	return c.hubs[0]
}
