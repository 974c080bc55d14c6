package e2e

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"
	"time"

	"azx/test/process"
)

// TestAKeyWithTheLeastRightsDoesTheWholeMainJob follows docs/install-thingworx.md: without a step a connector is refused with
// the reason, with all of them it does everything, and nothing else.
func TestAKeyWithTheLeastRightsDoesTheWholeMainJob(t *testing.T) {
	t.Parallel()
	stack := newPlant(t)
	admin := stack.Platform
	stack.AddDeviceThing("pump-7", hubThing, "--property", "target:INTEGER", "--service", "Echo(n:INTEGER):JSON:echo")
	key, stranger := userKey(t, admin, "azx"), userKey(t, admin, "stranger")
	stack.WriteFile("key", []byte(key))
	stack.WriteFile("stranger", []byte(stranger))
	as := func(file string) func(map[string]any) {
		return func(config map[string]any) { config["platform"].(map[string]any)["appKey"] = "${file:" + file + "}" }
	}
	const noPackages = "read the list of extension packages: refused with"
	refuses(t, stack, as("key"), noPackages, "GetExtensionPackageList")
	admin.Call("Groups/AzxConnectors", "AddMember", map[string]any{"member": "azx", "type": "User"})
	refuses(t, stack, as("key"), noPackages, "GetExtensionPackageList")
	admin.Call("Things/ConnectionServicesHub", "GrantConnectorPermissions", map[string]any{})
	refuses(t, stack, as("key"), "add the services of Azure IoT Hubs to ConnectionServicesHub: refused with", "AzureServices")
	admin.Call("Things/AzureServices", "GrantAzureConnectorPermissions", map[string]any{})
	refuses(t, stack, as("stranger"), noPackages, "GetExtensionPackageList")

	stack.ConfigureFor(hubThing, "azx-1", fromPlatform, as("key"))
	connector := stack.ConnectAs("azx-1")
	t.Run("it does its job", func(t *testing.T) { mainJob(t, stack, connector) })
	t.Run("it does nothing else", func(t *testing.T) { onlyThat(t, admin, key, stranger) })
	if code := connector.Stop(); code != 0 {
		t.Errorf("the connector ended with exit code %d", code)
	}
	reads(t, admin, "azx-1", "healthState", `"stopping"`)

	stack.ConfigureFor(hubThing, "azx-1", lives(stack, map[string]any{"onCreate": "create", "onDelete": "disable", "declare": "on"}), as("key"))
	stack.AddDevice("mine-1")
	declare := []string{"import", "-c", "azx-1.yaml", "--where", "deviceId = 'mine-1'", "--declare", "twin"}
	look(t, stack, 5, declare, "device mine-1 failed: make Thing mine-1", "may not")
	admin.Call("Things/AzureServices", "GrantAzureConnectorPermissions", map[string]any{"manageThings": true})
	look(t, stack, 0, declare, "1 created, 0 updated, 0 left, 0 failed")
	tellsLives(stack)
	stack.ConnectAs("azx-1")
	t.Run("with manageThings it makes and disables Things", func(t *testing.T) { managesThings(t, stack) })
	t.Run("and does nothing else", func(t *testing.T) {
		onlyManages(t, admin, key)
		onlyThat(t, admin, key, stranger, "make a Thing")
	})
}

// managesThings has a Thing made for a message, with a property for it, and one at the creation of its device, disabled at its deletion.
func managesThings(t *testing.T, stack *process.Stack) {
	stack.Control("DELETE", "/routes?name=lives", nil)
	stack.AddDevice("spoke-1")
	stack.Send("spoke-1", `{"n":7}`)
	reads(t, stack.Platform, "spoke-1", "n", "7")
	tellsLives(stack)
	stack.AddDevice("made-1")
	fired(t, stack.Platform, lifeEvent, `"made-1"`, `"createDeviceIdentity"`)
	isEnabled(t, stack.Platform, "made-1", true)
	deleteDevice(t, stack.Platform, hubThing, "made-1")
	isEnabled(t, stack.Platform, "made-1", false)
}

// onlyManages calls each service that manageThings gives the connector's user, of a Thing that somebody else has made, and what is
// next to them.
func onlyManages(t *testing.T, admin *process.Platform, key string) {
	connector := process.NewRealPlatform(t, admin.URL, key)
	lacks := map[string]any{"properties": rowsOf(map[string]any{"name": "extra", "baseType": "NUMBER"})}
	type call struct {
		entity, service string
		with            map[string]any
	}
	for _, c := range []call{
		{"Resources/EntityServices", "CreateThing", map[string]any{"name": "mine-2", "thingTemplateName": "AzureIotThing"}},
		{"ThingTemplates/AzureIotThing", "GetInstancePropertyDefinitions", map[string]any{}},
		{"Things/pump-7", "DeclareRemoteProperties", lacks},
		{"Things/pump-7", "DisableThing", map[string]any{}},
		{"Things/pump-7", "EnableThing", map[string]any{}},
	} {
		if _, err := connector.TryCall(c.entity, c.service, c.with); err != nil {
			t.Errorf("%s of %s: %v", c.service, c.entity, err)
		}
	}
	if err := connector.WriteProperty("pump-7", "gatewayThing", hubThing); err != nil {
		t.Error(err)
	}
	if _, err := connector.ReadProperty("pump-7", "gatewayThing"); err != nil {
		t.Error(err)
	}
	if remote, err := admin.TryCall("Things/pump-7", "GetAzureRemoteProperties", map[string]any{}); err != nil || !strings.Contains(string(remote), `"name":"extra"`) {
		t.Errorf("the Thing has %s, %v", remote, err)
	}
	for _, c := range []call{
		{"Resources/EntityServices", "DeleteThing", map[string]any{"name": "mine-2"}},
		{"Resources/EntityServices", "CreateThingTemplate", map[string]any{"name": "Mine", "thingTemplateName": "AzureIotThing"}},
		{"Resources/EntityServices", "AddShapeToThing", map[string]any{"name": "pump-7", "thingShapeName": "RoutedEgress"}},
		{"ThingTemplates/AzureIotThing", "AddPropertyDefinition", map[string]any{"name": "more", "type": "NUMBER"}},
		{"Things/pump-7", "AddPropertyDefinition", map[string]any{"name": "more", "type": "NUMBER"}},
		{"Things/pump-7", "RemovePropertyDefinition", map[string]any{"name": "extra"}},
		{"Things/pump-7", "SetRemotePropertyBinding", map[string]any{"propertyName": "target", "sourcePropertyName": "other"}},
		{"Things/pump-7", "RestartThing", map[string]any{}},
		{"Things/pump-7", "AddRunTimePermission", map[string]any{"type": "ServiceInvoke", "principal": "azx", "principalType": "User"}},
		{"Things/" + hubThing, "DisableThing", map[string]any{}},
		{"Things/ConnectionServicesHub", "DisableThing", map[string]any{}},
	} {
		if _, err := connector.TryCall(c.entity, c.service, c.with); err == nil || !strings.Contains(err.Error(), " may not ") && !strings.Contains(err.Error(), ": 404 ") {
			t.Errorf("the connector may call %s of %s: %v", c.service, c.entity, err)
		}
	}
}

// userKey makes a user with an application key.
func userKey(t *testing.T, admin *process.Platform, user string) string {
	t.Helper()
	admin.Call("Resources/EntityServices", "CreateUser", map[string]any{"name": user, "password": "of-no-use-4711"})
	admin.Call("Resources/EntityServices", "CreateApplicationKey", map[string]any{
		"name": user + "-key", "user": user, "expirationDate": time.Now().Add(time.Hour).UnixMilli(),
	})
	raw, err := admin.Result("ApplicationKeys/"+user+"-key", "GetKeyID", map[string]any{})
	var key string
	if err == nil {
		err = json.Unmarshal(raw, &key)
	}
	if err != nil {
		t.Fatal(err)
	}
	return key
}

// mainJob goes both ways: telemetry, a write, a method, a twin, the connector's health and Thing, an event, a change of settings.
func mainJob(t *testing.T, stack *process.Stack, connector *process.Child) {
	platform := stack.Platform
	d := connectDevice(t, stack, "pump-7")
	d.echoes()
	messages, desired := make(chan string, 10), make(chan string, 10)
	d.takes(func(body []byte) { messages <- string(body) })
	d.desires(func(body []byte) { desired <- string(body) })
	sends(t, d, `{"target":7}`)
	reads(t, platform, "pump-7", "target", "7")
	if err := platform.WriteProperty("pump-7", "target", 8); err != nil {
		t.Fatal(err)
	}
	arrives(t, "the write", messages, func(body string) bool { return body == `{"target":8}` })
	if result, err := platform.TryCall("Things/pump-7", "Echo", map[string]any{"n": 5}); err != nil || string(result) != `{"n":5}` {
		t.Errorf("the call gives %s, %v", result, err)
	}
	if err := platform.WriteProperty("pump-7", "twinDesired", map[string]any{"interval": 5}); err != nil {
		t.Fatal(err)
	}
	arrives(t, "the desired property", desired, func(body string) bool { return strings.Contains(body, `"interval":5`) })
	d.reports(`{"mode":"eco"}`)
	process.Eventually(t, time.Minute, "the reported property is read", func() error {
		return is(platform, "twinReported", func(raw string) bool { return strings.Contains(raw, `"mode":"eco"`) })
	})
	reads(t, platform, "azx-1", "healthState", `"healthy"`)
	reads(t, platform, "azx-1", "hubThings", `"[\"Plant\"]"`)
	active(t, platform, 30, "azx-1")
	sends(t, connectDevice(t, stack, "nobody"), `{"target":1}`)
	fired(t, platform, "ThingNotFoundError", `"edgeIdentifier":"nobody"`)
	setTable(platform, hubThing, "ConnectorSettings", map[string]any{"name": "writeWindow", "value": "15ms"})
	connector.Until(takesEffectWithin, "the change is taken", func() error { return logged(connector, "event=settings-changed") })
	platform.Call("Things/ConnectionServicesHub", "ClearCacheEntry", map[string]any{"cacheName": "things", "cacheKey": "pump-7"})
	fired(t, platform, "ClearCacheEntry", `"cacheKey":"pump-7"`)
}

// onlyThat tries what neither key may do, but for what was granted by choice, and what the connector's may and a stranger's may not.
func onlyThat(t *testing.T, admin *process.Platform, key, stranger string, granted ...string) {
	connector, other := process.NewRealPlatform(t, admin.URL, key), process.NewRealPlatform(t, admin.URL, stranger)
	for name, try := range map[string]func(p *process.Platform) error{
		"delete a Thing": func(p *process.Platform) error {
			_, err := p.TryCall("Resources/EntityServices", "DeleteThing", map[string]any{"name": "pump-7"})
			return err
		},
		"make a Thing": func(p *process.Platform) error {
			_, err := p.TryCall("Resources/EntityServices", "CreateThing", map[string]any{"name": "mine", "thingTemplateName": "GenericThing"})
			return err
		},
		"change settings of the hub Thing": func(p *process.Platform) error {
			_, err := p.TryCall("Things/"+hubThing, "SetConfigurationTableRows", map[string]any{"tableName": "ConnectorSettings",
				"values": rowsOf(map[string]any{"name": "writeVia", "value": "desired"})})
			return err
		},
		"read its tables": func(p *process.Platform) error {
			_, err := p.TryCall("Things/"+hubThing, "GetConfigurationTable", map[string]any{"tableName": "ConnectionSettings"})
			return err
		},
		"write a property of a device": func(p *process.Platform) error { return p.WriteProperty("pump-7", "writeVia", "desired") },
		"call a device": func(p *process.Platform) error {
			_, err := p.TryCall("Things/pump-7", "Echo", map[string]any{"n": 1})
			return err
		},
		"give itself more rights": func(p *process.Platform) error {
			_, err := p.TryCall("Things/ConnectionServicesHub", "GrantConnectorPermissions", map[string]any{})
			return err
		},
		"make a key": func(p *process.Platform) error {
			_, err := p.TryCall("Resources/EntityServices", "CreateApplicationKey", map[string]any{"name": "more", "user": "Administrator"})
			return err
		},
	} {
		for who, p := range map[string]*process.Platform{"the connector": connector, "a stranger": other} {
			if p == connector && slices.Contains(granted, name) {
				continue
			}
			err := try(p)
			refused := err != nil && strings.Contains(err.Error(), " may not ")
			unseen := err != nil && strings.Contains(err.Error(), ": 404 ") // also a property that may not be read
			if !refused && !unseen {
				t.Errorf("%s may %s: %v", who, name, err)
			}
		}
	}
	if _, err := connector.TryCall("Things/"+hubThing, "GetConfiguration", map[string]any{}); err != nil {
		t.Errorf("the connector may not read its settings: %v", err)
	}
	if _, err := other.TryCall("Things/"+hubThing, "GetConfiguration", map[string]any{}); err == nil {
		t.Error("a stranger reads the connection string")
	}
	if _, err := connector.TryCall("Things/azx-1", "ClearExternallyBoundThings", map[string]any{}); err != nil {
		t.Errorf("the connector's user, whose Thing it is, may not have it bind anew: %v", err)
	}
	if _, err := other.TryCall("Things/azx-1", "ClearExternallyBoundThings", map[string]any{}); err == nil {
		t.Error("a stranger has the connector bind anew")
	}
}
