package e2e

import (
	"strings"
	"testing"
	"time"

	"azx/test/process"
)

// TestAStartThatCannotGoWellNamesTheSettingAndWhatToDo starts a connector on a platform on which one thing is missing or wrong.
// A platform is shared by the cases; each makes its own fault and takes it back.
func TestAStartThatCannotGoWellNamesTheSettingAndWhatToDo(t *testing.T) {
	t.Parallel()
	stack := newPlant(t)
	platform := stack.Platform
	column := func(table, name, value string) func() {
		return func() { setTable(platform, hubThing, table, map[string]any{name: value}) }
	}
	connection := func(value string) func() { return column("ConnectionSettings", "connectionString", value) }
	setting := func(name, value string) func() {
		return func() {
			setTable(platform, hubThing, "ConnectorSettings", map[string]any{"name": name, "value": value})
		}
	}
	hub := func(thing string) func(map[string]any) {
		return func(config map[string]any) { config["hubs"].([]any)[0].(map[string]any)["thing"] = thing }
	}
	called := func(name string) func(map[string]any) { return func(config map[string]any) { config["name"] = name } }
	nothing := func() {}
	for _, c := range []struct {
		name       string
		fault, end func()
		file       func(config map[string]any)
		want, hint string
	}{
		{"no hub Thing", nothing, nothing, hub("Plant9"), "hub Thing Plant9: there is no such Thing", "hubs[0].thing"},
		{"a hub Thing of another template", func() { newThing(platform, "Pump", "RemoteThing") }, nothing, hub("Pump"),
			"has no service GetConfiguration", "AzureIotHubTemplate"},
		{"no connection string", connection(""), connection(stack.Hub.ServiceConnectionString), nil,
			"it has no connection string", "connectionString on the hub Thing Plant"},
		{"a connection string of a device", connection("HostName=x;DeviceId=y;SharedAccessKeyName=z;SharedAccessKey=eA=="),
			connection(stack.Hub.ServiceConnectionString), nil, "connectionString: is the connection string of a device", "Composer"},
		{"a storage Thing that is not there", column("StorageSettings", "eventProcessorHostBlobThing", "Blob9"),
			column("StorageSettings", "eventProcessorHostBlobThing", ""), nil,
			"storage Thing Blob9 of eventProcessorHostBlobThing", "AzureBlobStorageTemplate"},
		{"a wrong row in ConnectorSettings", setting("writeVia", "mail"), func() { deleteSetting(platform, "writeVia") }, nil,
			"hub Thing Plant: writeVia: not one of the allowed values", "Composer"},
		{"a setting in two tables", setting("connectionString", "x"), func() { deleteSetting(platform, "connectionString") }, nil,
			"connectionString of Plant is set twice: in ConnectionSettings and in ConnectorSettings", "script log"},
		{"a routing group of null", func() { setGroup(platform, nil) }, func() { setGroup(platform, hubThing) }, nil,
			"the routing group is", "routing group"},
		{"a name that another connector has", func() { stack.ConfigureFor(hubThing, "azx-1", fromPlatform); stack.ConnectAs("azx-1") }, nothing,
			called("azx-1"), "take the connector Thing azx-1: the connector", "the key name in the file"},
		{"a name that something else has", nothing, nothing, called("Pump"), "the name Pump is that of a Thing that is no connector", "script log"},
	} {
		t.Run(c.name, func(t *testing.T) {
			c.fault()
			defer c.end()
			refuses(t, stack, c.file, c.want, c.hint)
		})
	}
}

func TestAPlatformWithoutThePackagesIsRefused(t *testing.T) {
	stack := process.NewStack(t, azx, process.Flags{Platform: []string{"--bare"}})
	refuses(t, stack, nil, "azx-connection-services is missing; azx-azure-iot is missing", "azx extension build")
}

func TestAPackageOfAnotherVersionIsRefused(t *testing.T) {
	stack := process.NewStack(t, azx, process.Flags{Platform: []string{"--bare"}})
	zips := builds(t, stack, "dist")
	newer := unpacked(t, zips[azurePackage])
	newer["metadata.xml"] = strings.Replace(newer["metadata.xml"], `packageVersion="0.1.0"`, `packageVersion="0.2.0"`, 1)
	for _, file := range [][]byte{zips[servicesPackage], archive(t, newer)} {
		if answer := upload(t, stack.Platform, "", file); answer.status != 200 {
			t.Fatalf("%d: %s", answer.status, answer.said(t))
		}
	}
	refuses(t, stack, nil, `azx-azure-iot has version "0.2.0", and this connector needs 0.1.0`, "azx extension build")
}

// refuses starts a connector, which must end with exit code 3, one message and a hint.
func refuses(t *testing.T, stack *process.Stack, file func(map[string]any), want, hint string) {
	t.Helper()
	stack.ConfigureFor(hubThing, "refused", fromPlatform, func(config map[string]any) {
		if file != nil {
			file(config)
		}
	})
	connector := stack.Start("run", "-c", "refused.yaml")
	code := connector.Wait(time.Minute)
	said := connector.Stderr()
	if at := strings.Index(said, "Error: "); at >= 0 {
		said = said[at:]
	}
	_, tried, _ := strings.Cut(said, "\nTry: ")
	if code != 3 || !strings.HasPrefix(said, "Error: ") || !strings.Contains(said, want) || !strings.Contains(tried, hint) || strings.Contains(said, "SharedAccessKey=") {
		t.Errorf("exit code %d, want 3 with %q and the hint %q: %s", code, want, hint, said)
	}
	if connector.Stdout() != "" {
		t.Errorf("it was ready: %s", connector.Stdout())
	}
}

func deleteSetting(platform *process.Platform, name string) {
	platform.Call("Things/"+hubThing, "DeleteConfigurationTableRows", map[string]any{
		"tableName": "ConnectorSettings", "persistent": true, "values": rowsOf(map[string]any{"name": name}),
	})
}
