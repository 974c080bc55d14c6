//go:build !connector

package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"azx/alwayson/infotable"
	"azx/internal/local/thingworx"
	"azx/internal/local/thingworx/serve"
	"azx/internal/local/thingworx/tablejson"
)

func TestThingsAreAddedToARunningPlatform(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "tw")
	running, err := serve.Start(t.Context(), serve.Options{Dir: dir, Listen: "127.0.0.1:0"})
	if err != nil {
		t.Fatal(err)
	}
	for _, step := range []struct {
		args []string
		code int
		text string
	}{
		{[]string{"--import-mode", "loud"}, 2, "want explain or silent"},
		{[]string{"--unknown-properties", "loud"}, 2, "want strict or silent-ignore"},
		{[]string{"thing", "add", "pump-1", "--property", "temperature:NUMBER:temp", "--property", "on:BOOLEAN"}, 0, "added Thing pump-1 with 2 remote properties\n"},
		{[]string{"thing", "ls"}, 0, "pump-1\n"},
		{[]string{"thing", "add", "pump-1"}, 1, "a Thing of that name exists"},
		{[]string{"thing", "add", "a/b"}, 1, "contains '/'"},
		{[]string{"thing", "add", "fan", "--property", "x"}, 2, "want NAME:TYPE"},
		{[]string{"thing", "add"}, 2, "--help"},
		{[]string{"thing", "add", "pump-2", "--gateway", "LocalHub"}, 1, "there is no Thing \"LocalHub\""},
		{[]string{"hub", "add", "LocalHub"}, 0, "added hub Thing LocalHub\n"},
		{[]string{"hub", "add", "LocalHub"}, 1, "a Thing of that name exists"},
		{[]string{"hub", "add", "PlantHub", "--routing-group", "plant"}, 0, "added hub Thing PlantHub\n"},
		{[]string{"hub", "add"}, 2, "--help"},
		{[]string{"thing", "add", "pump-2", "--gateway", "LocalHub", "--property", "t:NUMBER"}, 0, "added Thing pump-2 with 1 remote properties\n"},
		{[]string{"thing", "add", "pump-3", "--gateway", "LocalHub", "--write-via", "method:set", "--service", "Restart(delay:INTEGER):JSON:reboot"}, 0,
			"added Thing pump-3 with 0 remote properties and 1 remote services\n"},
		{[]string{"thing", "add", "pump-4", "--service", "Restart"}, 2, "want NAME(PARAMETER:TYPE,...):RESULT"},
		{[]string{"thing", "add", "pump-4", "--service", "Ping():JSON", "--gateway", "LocalHub"}, 1, "service Ping exists already"},
		{[]string{"thing", "add", "pump-4", "--gateway", "LocalHub", "--write-via", "post"}, 2, "want c2d, desired or method:NAME"},
		{[]string{"thing", "add", "pump-4", "--write-via", "c2d"}, 2, "it needs --gateway"},
		{[]string{"hub", "add", "EmptyHub", "--routing-group", ""}, 0, "added hub Thing EmptyHub\n"},
		{[]string{"hub", "set", "LocalHub", "--routing-group", " "}, 0, "routing group of LocalHub is \" \"\n"},
		{[]string{"hub", "set", "LocalHub", "--no-routing-group"}, 0, "routing group of LocalHub is null\n"},
		{[]string{"hub", "set", "LocalHub"}, 2, "give either"},
		{[]string{"hub", "set", "LocalHub", "--routing-group", "a", "--no-routing-group"}, 2, "give either"},
		{[]string{"hub", "set", "pump-1", "--routing-group", "a"}, 1, "Thing pump-1 has no configuration table \"RoutingSettings\""},
	} {
		code, out, problems := runWith(t, append(append([]string{"platform"}, step.args...), "--dir", dir), platformCommand())
		if code != step.code || !strings.Contains(out+problems, step.text) {
			t.Errorf("%v: got %d %s%s", step.args, code, out, problems)
		}
	}
	for hub, want := range map[string]string{"EmptyHub": "{\"routingGroup\":\"\"}", "LocalHub": "{}", "PlantHub": "{\"routingGroup\":\"plant\"}"} {
		table, err := running.Platform.Call(t.Context(), thingworx.EntityThing, hub, "GetConfigurationTable",
			infotable.Single("tableName", infotable.String(thingworx.TableRouting)))
		if err != nil {
			t.Fatal(err)
		}
		if text, err := tablejson.AppendTable(nil, table); err != nil || !strings.Contains(string(text), `"rows":[`+want+`]`) {
			t.Errorf("%s: %s, %v", hub, text, err)
		}
	}
	running.Stop()
	if err := running.Wait(); err != nil {
		t.Error(err)
	}
	code, _, problems := runWith(t, []string{"platform", "thing", "ls", "--dir", dir}, platformCommand())
	if code != 4 || !strings.Contains(problems, "connection refused") {
		t.Errorf("a platform that stopped: got %d %s", code, problems)
	}
	code, _, problems = runWith(t, []string{"platform", "thing", "ls", "--dir", os.DevNull}, platformCommand())
	if code != 4 || !strings.Contains(problems, "azx platform --dir") {
		t.Errorf("no platform: got %d %s", code, problems)
	}
}

func TestAPlatformIsNotForTheNetwork(t *testing.T) {
	code, _, problems := runWith(t, []string{"platform", "--dir", t.TempDir(), "--listen", "0.0.0.0:8080"}, platformCommand())
	if code != 2 || !strings.Contains(problems, "want a loopback address") {
		t.Errorf("got %d %s", code, problems)
	}
}
