package app

import (
	"fmt"
	"path"
	"strings"
	"testing"

	"azx/alwayson"
	"azx/alwayson/infotable"
	"azx/internal/fault"
)

func TestAConnectorStartsFromWhatThePlatformHas(t *testing.T) {
	s := newSite(t)
	s.platform.settings["consumerGroup"] = "azx"
	s.platform.settings["methods.responseTimeout"] = "10s"
	s.platform.settings["eventProcessorHostBlobThing"] = "Blob1"
	s.platform.storage = []string{"Blob1"}
	s.platform.remaining = 3 // it is starting
	p := s.run(s.config("twinMaxAge: 2s"))
	s.untilReady(p)
	s.send("pump-1", `{"temp":1}`, "temp:NUMBER")
	s.untilWritten("pump-1", "temp=1")
	for _, line := range [][]string{
		{"event=platform-not-ready", "starting"},
		{"event=uses", "package=azx-azure-iot", "version=0.1.0"},
		{"event=uses", "setting=connectionString", `value="plant1.azure-devices.net, policy service"`, `from="hub Thing"`},
		{"event=uses", "setting=consumerGroup", "value=azx", `from="hub Thing"`},
		{"event=uses", "setting=methods.responseTimeout", "value=10s", `from="hub Thing"`},
		{"event=uses", "setting=checkpoint.file", "from=file"},
		{"event=uses", "setting=routingGroup", "value=Plant1Hub", `from="hub Thing"`},
		{"event=storage-unused", "setting=eventProcessorHostBlobThing", "thing=Blob1", "checkpoints stay in "},
		{"event=connector-thing-bound", "thing=azx-1"},
	} {
		if n := len(s.log.lines(line...)); n != 1 {
			t.Errorf("%d lines with %q", n, line)
		}
	}
	s.keepsSecrets()
	eventually(t, "the health is told", func() error {
		s.platform.mu.Lock()
		defer s.platform.mu.Unlock()
		if r := s.platform.reported["azx-1"]; r["instanceId"] == "" || r["hubThings"] != `["Plant1Hub"]` || r["version"] == "" {
			return fmt.Errorf("told is %v", r)
		}
		return nil
	})
	p.stop()
	s.platform.mu.Lock()
	defer s.platform.mu.Unlock()
	if got := s.platform.reported["azx-1"]["healthState"]; got != "stopping" || p.err != nil {
		t.Errorf("at the end the health is %q, %v", got, p.err)
	}
}

func TestWhatIsMissingOrWrongOnThePlatformEndsTheStartAndIsNamed(t *testing.T) {
	throws := alwayson.Refuse(alwayson.InternalServerError, "TypeError: x is undefined")
	for name, c := range map[string]struct {
		change func(p *fakePlatform)
		lines  []string
		want   string
		hint   string
	}{
		"a package is missing": {func(p *fakePlatform) { delete(p.packages, "azx-azure-iot") }, nil,
			"check the extension packages of the platform: azx-azure-iot is missing", "import both packages"},
		"both are missing": {func(p *fakePlatform) { p.packages = nil }, nil, "azx-connection-services is missing; azx-azure-iot is missing", "extensions: none"},
		"a package is too new": {func(p *fakePlatform) { p.packages["azx-azure-iot"] = "0.2.0" }, nil,
			`azx-azure-iot has version "0.2.0", and this connector needs 0.1.0`, "import both packages"},
		"the packages may not be listed": {func(p *fakePlatform) {
			p.refuse["PlatformSubsystem/GetExtensionPackageList"] = alwayson.Refuse(alwayson.Forbidden, "not allowed")
		}, nil, "read the list of extension packages: refused with forbidden", "invoke its service GetExtensionPackageList"},
		"there is no hub Thing": {func(p *fakePlatform) { p.noHub = true }, nil,
			"read the settings of hub Thing Plant1Hub: there is no such Thing", "AzureIotHubTemplate"},
		"a script of the hub Thing throws": {func(p *fakePlatform) { p.refuse["Plant1Hub/GetConfiguration"] = throws }, nil,
			"TypeError: x is undefined", "script log"},
		"a setting is wrong": {func(p *fakePlatform) { p.settings["writeVia"] = "mail" }, nil,
			"hub Thing Plant1Hub: writeVia: not one of the allowed values", "Composer"},
		"there is no connection string": {func(p *fakePlatform) { delete(p.settings, "connectionString") }, nil,
			"open hub Plant1Hub: it has no connection string", "set connectionString on the hub Thing Plant1Hub"},
		"a storage Thing is missing": {func(p *fakePlatform) { p.settings["fileRepositoryBlobThing"] = "Blob2" }, nil,
			"read the storage Thing Blob2 of fileRepositoryBlobThing", "fileRepositoryBlobThing of the hub Thing"},
		"another connector has the name": {func(p *fakePlatform) { p.others["azx-1"] = "plant-2-77-abc" }, nil,
			`take the connector Thing azx-1: the connector "plant-2-77-abc" has it, and answers; this one is "`, "the key name"},
		"the routing group is blank": {func(p *fakePlatform) { p.group = infotable.String(" ") }, nil, "the routing group is blank", "${hub-thing-name}"},
		"without the packages the file has to have the connection string": {func(*fakePlatform) {}, []string{"extensions: other"},
			"open hub Plant1Hub: it has no connection string", "hubs[0].connectionString"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newSite(t)
			c.change(s.platform)
			p := s.run(s.config(c.lines...))
			select {
			case <-p.ended:
			case <-p.ready:
				t.Fatal("it runs")
			}
			class := fault.ClassOf(p.err)
			if p.err == nil || !strings.Contains(p.err.Error(), c.want) || !strings.Contains(fault.HintOf(p.err), c.hint) ||
				class != fault.Fatal && class != fault.Rejected {
				t.Errorf("it ended with %v (%s), hint %q", p.err, class, fault.HintOf(p.err))
			}
			s.keepsSecrets()
		})
	}
}

func TestANameThatADeadConnectionHoldsDoesNotHoldUpTheMessages(t *testing.T) {
	s := newSite(t)
	s.platform.others["azx-1"] = ""
	p := s.run(s.config())
	<-p.ready
	s.send("pump-1", `{"temp":1}`, "temp:NUMBER")
	s.untilWritten("pump-1", "temp=1")
	s.log.until(t, "event=connector-thing ", "bound already")
}

func TestWithoutThePackagesThereIsNoConnectorThingAndItSaysSo(t *testing.T) {
	for _, extensions := range []string{"other", "none"} {
		t.Run(extensions, func(t *testing.T) {
			t.Parallel()
			s := newSite(t)
			s.platform.with(func() { s.platform.packages = nil })
			p := s.run(s.config("extensions: "+extensions, `allowThings: ["*"]`, "connectionString: "+s.hub.Info.ServiceConnectionString, "bind: group",
				"routingGroup: Plant1Hub"))
			s.untilReady(p)
			if n := len(s.log.lines("event=no-connector-thing", "extensions="+extensions)); n != 1 {
				t.Errorf("%d lines say so", n)
			}
			for _, line := range []string{"GetConfiguration Plant1Hub", "RegisterProtocolAdapter ConnectionServicesHub", "GetExtensionPackageList PlatformSubsystem", "bind azx-1"} {
				if s.platform.count(line) > 0 {
					t.Errorf("the platform saw %s", line)
				}
			}
		})
	}
}

func TestAVersionFitsIfItIsOfTheSameKindAndNotOlder(t *testing.T) {
	for _, c := range []struct {
		version, needed string
		want            bool
	}{
		{"0.1.0", "0.1.0", true}, {"0.1.7", "0.1.2", true}, {"0.1.1", "0.1.2", false}, {"0.2.0", "0.1.0", false}, {"1.0.0", "0.1.0", false},
		{"1.3.0", "1.2.5", true}, {"1.1.9", "1.2.0", false}, {"2.0.0", "1.2.0", false}, {"", "0.1.0", false}, {"0.1", "0.1.0", false}, {"a.b.c", "0.1.0", false},
	} {
		if got := fits(c.version, c.needed); got != c.want {
			t.Errorf("%q for %q: %t", c.version, c.needed, got)
		}
	}
}

func TestNoDeviceWritesToTheConnectorsOwnThing(t *testing.T) {
	for name, matched := range map[string][]string{"azx-1": {"azx-1"}, `a[z]*?\x`: {`a[z]*?\x`}} {
		for _, other := range matched {
			if ok, err := path.Match(literally(name), other); !ok || err != nil {
				t.Errorf("%s does not match %s: %v", name, other, err)
			}
		}
		if ok, _ := path.Match(literally(name), "azx"); ok {
			t.Errorf("%s matches another name", name)
		}
	}
	s := newSite(t)
	p := s.run(s.config(`allowThings: ["*"]`))
	s.untilReady(p)
	s.send("azx-1", `{"healthState":"fine"}`, "healthState:STRING")
	s.log.until(t, "event=quarantined", "reason=not-allowed")
}
