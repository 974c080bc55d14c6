package badinput

import (
	"context"
	"crypto/x509"
	"fmt"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"azx/alwayson/infotable"
	"azx/internal/config"
	"azx/internal/local/iothub"
	hubserve "azx/internal/local/iothub/serve"
	"azx/internal/local/thingworx"
	platformserve "azx/internal/local/thingworx/serve"
)

// patience bounds every wait, on a busy machine; what is waited for takes milliseconds.
const patience = 20 * time.Second

// site is a hub and a platform in this process, with one log for both and for the connector between them.
// The hub has one partition, so that every message stands in line with every other.
type site struct {
	t        testing.TB
	dir      string
	log      *book
	hub      *hubserve.Running
	platform *platformserve.Running
}

func newSite(t testing.TB) *site {
	t.Helper()
	s := &site{t: t, dir: t.TempDir(), log: newBook(t)}
	s.startHub(hubserve.Ports{})
	s.startPlatform("127.0.0.1:0")
	return s
}

func (s *site) hubDir() string      { return filepath.Join(s.dir, "hub") }
func (s *site) platformDir() string { return filepath.Join(s.dir, "platform") }

func (s *site) startHub(ports hubserve.Ports) {
	s.t.Helper()
	var err error
	s.hub, err = hubserve.Start(context.Background(), hubserve.Options{
		Dir: s.hubDir(), Host: "plant1.azure-devices.net", Partitions: 1, Ports: ports, Log: s.log.Logger,
	})
	if err != nil {
		s.t.Fatal(err)
	}
	hub := s.hub
	s.t.Cleanup(func() { s.ended(hub) })
	for _, name := range []string{"iothubowner", "service", "device"} {
		if p, ok := hub.Hub.Policy(name); ok {
			s.log.hide("a key of the policy "+name, p.PrimaryKey)
			s.log.hide("the other key of the policy "+name, p.SecondaryKey)
		}
	}
}

func (s *site) startPlatform(address string) {
	s.t.Helper()
	var err error
	s.platform, err = platformserve.Start(context.Background(), platformserve.Options{
		Dir: s.platformDir(), Listen: address, Log: s.log.Logger,
	})
	if err != nil {
		s.t.Fatal(err)
	}
	platform := s.platform
	s.t.Cleanup(func() { s.ended(platform) })
	s.log.hide("the application key", platform.Info.AppKey)
}

// part is a hub or a platform.
type part interface {
	Stop()
	Wait() error
}

func (s *site) ended(p part) {
	p.Stop()
	if err := p.Wait(); err != nil {
		s.t.Errorf("it ended with %v", err)
	}
}

// config is the file that `azx config init` makes for this site, as read, with the changes a test needs.
func (s *site) config(t testing.TB) *config.Config {
	t.Helper()
	return s.configIn(t, s.dir)
}

// configIn is the same for a connector with a folder of its own.
func (s *site) configIn(t testing.TB, dir string) *config.Config {
	t.Helper()
	file := filepath.Join(dir, "azx.yaml")
	if _, err := config.Init(config.Ends{HubDir: s.hubDir(), PlatformDir: s.platformDir()}, file, true); err != nil {
		t.Fatal(err)
	}
	cfg, _, err := config.Load(file)
	if err != nil {
		t.Fatal(err)
	}
	cfg.Admin.Listen = freeAddress(t)
	cfg.Lanes = 1 // what stands still stands in everybody's way
	return cfg
}

// addDevice registers a device and returns its identity.
func (s *site) addDevice(id string) iothub.Identity {
	s.t.Helper()
	added, err := s.hub.Hub.Registry().Add(iothub.Spec{ID: iothub.ID{Device: id}})
	if err != nil {
		s.t.Fatal(err)
	}
	s.log.hide("a key of the device "+id, added[0].PrimaryKey)
	s.log.hide("the other key of the device "+id, added[0].SecondaryKey)
	return added[0]
}

// addThing makes a remote Thing with remote properties, each name:TYPE or name:TYPE:edgeName.
func (s *site) addThing(name string, properties ...string) {
	s.t.Helper()
	spec := thingworx.ThingSpec{Name: name, Template: thingworx.TemplateRemote, Enabled: true}
	for _, p := range properties {
		spec.Properties = append(spec.Properties, property(s.t, p))
	}
	if err := s.platform.Platform.CreateThing(s.t.Context(), spec); err != nil {
		s.t.Fatal(err)
	}
}

func property(t testing.TB, text string) thingworx.Definition {
	t.Helper()
	d, err := platformserve.ParseProperty(text)
	if err != nil {
		t.Fatal(err)
	}
	return d
}

// written returns the values the platform acknowledged for a Thing, as "property=value", oldest first.
func (s *site) written(thing string) []string {
	var all []string
	for _, e := range s.platform.Platform.Ledger().Read(thingworx.Query{Thing: thing}) {
		all = append(all, e.Property+"="+short(valueText(e.Value)))
	}
	return all
}

func valueText(v infotable.Value) string {
	if text, ok := v.Text(); ok {
		return text
	}
	return v.String()
}

// short keeps long values readable.
func short(text string) string {
	if len(text) <= 60 {
		return text
	}
	return fmt.Sprintf("%s...(%d)", text[:20], len(text))
}

// roots are the authorities that a client of the hub has to trust.
func (s *site) roots() *x509.CertPool {
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(s.hub.CA) {
		s.t.Fatal("the hub's authority is no certificate")
	}
	return pool
}

// hubAddress is one of the hub's ports.
func (s *site) hubAddress(port int) string { return fmt.Sprintf("%s:%d", s.hub.Info.Listen, port) }

// platformAddress is the platform's port.
func (s *site) platformAddress() string {
	return strings.TrimPrefix(strings.TrimSuffix(s.platform.Info.URL, "/Thingworx"), "http://")
}
