package app

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"

	"azx/alwayson"
	"azx/alwayson/infotable"
)

// change alters the hub Thing's settings and has the connector told, as the hub Thing's subscription does.
func (s *site) change(pairs ...string) {
	s.t.Helper()
	s.platform.with(func() {
		for i := 0; i < len(pairs); i += 2 {
			if pairs[i+1] == "" {
				delete(s.platform.settings, pairs[i])
			} else {
				s.platform.settings[pairs[i]] = pairs[i+1]
			}
		}
	})
	resp := s.platform.invoke("azx-1", "ConfigurationChanged", infotable.Cell{Name: "hubThingName", Value: infotable.String("Plant1Hub")})
	if err := resp.Err(); err != nil {
		s.t.Fatal(err)
	}
}

// write writes a property of a Thing as a script does, and returns what the platform hears.
func (s *site) write(thing, property string, v infotable.Value) alwayson.Response {
	return s.platform.route(s.t.Context(), alwayson.WriteProperty(thing, property, v))
}

// desired returns the desired properties of a device's twin at the hub.
func (s *site) desired(thing string) string {
	resp := s.platform.route(s.t.Context(), alwayson.ReadProperty(thing, "twinDesired"))
	text, _ := resp.Content.First("twinDesired").Text()
	var members map[string]any
	_ = json.Unmarshal([]byte(text), &members)
	delete(members, "$metadata")
	delete(members, "$version")
	return fmt.Sprint(members, resp.Reason)
}

func TestWhatChangesOnTheHubThingIsTakenAtOnce(t *testing.T) {
	s := newSite(t)
	p := s.run(s.config("twinMaxAge: 100ms"))
	s.untilReady(p)
	s.send("pump-1", `{"temp":1}`, "temp:NUMBER", "target:NUMBER")
	s.untilWritten("pump-1", "temp=1")

	s.change("writeVia", "desired", "writeWindow", "1ms", "twinMaxAge", "1h") // the last one is the file's
	s.log.until(t, "event=settings-changed", `settings="writeVia, writeWindow"`)
	if resp := s.write("pump-1", "target", infotable.Number(5)); resp.Code != alwayson.Success {
		t.Fatal(resp.Err())
	}
	if got := s.desired("pump-1"); got != "map[target:5]" {
		t.Errorf("the write went elsewhere: desired is %s", got)
	}
	s.change("writeVia", "")
	s.log.until(t, "event=settings-changed", `settings=writeVia`)

	s.platform.with(func() { s.platform.group = infotable.String("plant") })
	s.change()
	s.log.until(t, "event=routing-group-changed", "to=plant")
	eventually(t, "the new group is bound", func() error {
		if s.platform.count("bind plant") == 0 {
			return errors.New("not yet")
		}
		return nil
	})
}

func TestAWrongSettingChangesNothingAndIsToldOnce(t *testing.T) {
	s := newSite(t)
	p := s.run(s.config())
	s.untilReady(p)
	for range 3 {
		before := s.platform.count("GetConfiguration Plant1Hub")
		s.change("writeVia", "mail", "writeWindow", "50ms")
		s.log.until(t, "event=settings-refused", "writeVia: not one of the allowed values")
		eventually(t, "it was asked again", func() error {
			if s.platform.count("GetConfiguration Plant1Hub") <= before {
				return errors.New("not yet")
			}
			return nil
		})
	}
	s.untilFired("UserError", "Plant1Hub", "settings are not taken: ")
	s.change("writeVia", "", "writeWindow", "60ms")
	s.log.until(t, "event=settings-changed", "settings=writeWindow")
	if told := s.platform.fired("UserError"); len(told) != 1 {
		t.Errorf("people were told %q", told)
	}
	if n := len(s.log.lines("event=settings-refused")); n != 1 {
		t.Errorf("it was told %d times", n)
	}
	if n := len(s.log.lines("event=settings-changed")); n != 1 {
		t.Errorf("settings were taken %d times", n)
	}
}

func TestASettingThatNeedsARestartIsNamedOnce(t *testing.T) {
	s := newSite(t)
	p := s.run(s.config())
	s.untilReady(p)
	other := strings.Replace(s.hub.Info.ServiceConnectionString, "plant1.", "plant2.", 1)
	s.change("consumerGroup", "other", "connectionString", other, "methods.connectTimeout", "1s")
	s.log.until(t, "event=settings-restart", `settings="connectionString, consumerGroup"`)
	s.log.until(t, "event=settings-changed", "settings=methods.connectTimeout")
	s.change("twinMaxAge", "3s")
	s.log.until(t, "event=settings-changed", "settings=twinMaxAge")
	if n := len(s.log.lines("event=settings-restart")); n != 1 {
		t.Errorf("it was told %d times", n)
	}
	s.keepsSecrets()
}

func TestAKeyThatChangesIsTakenWithoutAGap(t *testing.T) {
	s := newSite(t)
	p := s.run(s.config())
	s.untilReady(p)
	s.send("pump-1", `{"temp":1}`, "temp:NUMBER", "target:NUMBER")
	s.untilWritten("pump-1", "temp=1")
	policy, _ := s.hub.Hub.Policy("service")
	wrong := "d3Jvbmcga2V5IG9mIGEgdGVzdA=="

	s.change("connectionString", strings.Replace(s.hub.Info.ServiceConnectionString, policy.PrimaryKey, wrong, 1), "writeVia", "desired")
	s.log.until(t, "event=settings-refused", "try the new connection strings", `the policy \"service\"`)
	s.untilFired("AuthenticationError", "Plant1Hub", "try the new connection strings")
	s.send("pump-1", `{"temp":2}`)
	s.untilWritten("pump-1", "temp=1", "temp=2")
	if len(s.log.lines("event=settings-changed")) > 0 {
		t.Error("something was taken")
	}

	s.change("connectionString", strings.Replace(s.hub.Info.ServiceConnectionString, policy.PrimaryKey, policy.SecondaryKey, 1))
	s.log.until(t, "event=settings-changed", `settings="connectionString, writeVia"`)
	s.send("pump-1", `{"temp":3}`)
	s.untilWritten("pump-1", "temp=1", "temp=2", "temp=3")
	if resp := s.write("pump-1", "target", infotable.Number(5)); resp.Code != alwayson.Success {
		t.Error(resp.Err())
	}
	for _, event := range []string{"event=partition-lost", "event=hub-unreachable", "ended"} {
		if found := s.log.lines(event); len(found) > 0 {
			t.Errorf("there was a gap: %s", found)
		}
	}
	s.keepsSecrets()
	if strings.Contains(s.log.String(), wrong) {
		t.Error("a credential is in the log")
	}
}

func TestTheConnectionIsTestedWithoutChangingAnything(t *testing.T) {
	s := newSite(t)
	p := s.run(s.config())
	s.untilReady(p)
	resp := s.platform.invoke("Plant1Hub", "TestConnection")
	shown := func(table *infotable.Table) string {
		var all []string
		for i := range table.Len() {
			all = append(all, fmt.Sprintf("%s: %s", table.At(i, "name"), table.At(i, "status")))
		}
		return strings.Join(all, ", ")
	}
	if got := shown(resp.Content); got != "registry read: failed, service connect: ok, event endpoint: ok" {
		t.Errorf("got %s: %v", got, resp.Content.At(0, "message")) // the policy service has no right to read the registry
	}
	if text := resp.Content.At(0, "message").String(); !strings.Contains(text, `the policy "service" needs the rights`) {
		t.Errorf("it says %s", text)
	}
}

func TestTheConnectorThingAnswers(t *testing.T) {
	s := newSite(t)
	p := s.run(s.config())
	s.untilReady(p)
	text := func(name, value string) infotable.Cell {
		return infotable.Cell{Name: name, Value: infotable.String(value)}
	}
	for _, c := range []struct {
		service string
		cells   []infotable.Cell
		want    string
	}{
		{"GetInstanceId", nil, "-"},
		{"GetPerformanceMetrics", nil, "azx_platform_connections"},
		{"GetSystemInformation", nil, "hubThings"},
		{"GetSystemStatus", nil, "platform connected"},
		{"GetBoundEntities", nil, "Plant1Hub"},
		{"GetLogEntries", []infotable.Cell{text("searchExpression", "connector-thing-bound")}, "thing=azx-1"},
		{"GetLogLevel", nil, "DEBUG"},
		{"SetLogLevel", []infotable.Cell{text("level", "INFO")}, ""},
		{"ClearCacheEntry", []infotable.Cell{text("cacheName", "things"), text("cacheKey", "pump-1")}, ""},
		{"ClearCacheEntry", []infotable.Cell{text("cacheName", "twins")}, ""},
	} {
		resp := s.platform.invoke("azx-1", c.service, c.cells...)
		var b strings.Builder
		for i := range resp.Content.Len() {
			for _, cell := range resp.Content.Rows[i] {
				b.WriteString(cell.String() + " ")
			}
		}
		if resp.Code != alwayson.Success || !strings.Contains(b.String(), c.want) {
			t.Errorf("%s: %v %s", c.service, resp.Err(), b.String())
		}
	}
	if resp := s.platform.invoke("azx-1", "ClearCacheEntry", text("cacheName", "cookies")); resp.Code != alwayson.BadRequest || !strings.Contains(resp.Reason, "things and twins") {
		t.Errorf("got %v", resp.Err())
	}
	s.send("pump-1", `{"temp":1}`, "temp:NUMBER")
	s.untilWritten("pump-1", "temp=1")
	before := s.platform.count("GetAzureRemoteProperties pump-1")
	s.platform.invoke("azx-1", "ClearCacheEntry")
	s.send("pump-1", `{"temp":2}`)
	s.untilWritten("pump-1", "temp=1", "temp=2")
	if after := s.platform.count("GetAzureRemoteProperties pump-1"); after != before+1 {
		t.Errorf("the Thing was asked for %d times, then %d", before, after)
	}
}

func TestWhatIsBoundIsBoundAnewWhenThePlatformAsksForIt(t *testing.T) {
	s := newSite(t)
	p := s.run(s.config())
	s.untilReady(p)
	binds := func() [2]int { return [2]int{s.platform.count("bind Plant1Hub"), s.platform.count("bind azx-1")} }
	before, asked := binds(), s.platform.count("GetRoutingGroup Plant1Hub")
	s.platform.with(func() { s.platform.group = infotable.String("plant") })
	if resp := s.platform.invoke("azx-1", "ClearExternallyBoundThings"); resp.Code != alwayson.Success {
		t.Fatal(resp.Err())
	}
	if after := binds(); after[0] != before[0]+1 || after[1] != before[1]+1 {
		t.Errorf("the group and the connector Thing were bound %v times, then %v", before, after)
	}
	eventually(t, "the routing group is asked for again, and bound", func() error {
		if s.platform.count("GetRoutingGroup Plant1Hub") == asked || s.platform.count("bind plant") != 1 {
			return errors.New("it is not")
		}
		return nil
	})
}
