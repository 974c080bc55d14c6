package e2e

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"azx/extension"
	"azx/extension/entity"
	"azx/test/process"
)

// use is one call of a service.
type use struct {
	on      string         // the Thing
	with    map[string]any // parameters
	gives   string         // a part of the result's JSON
	refuses string         // a part of the reason; "" if it succeeds
}

// instances have the services of templates and shapes.
var instances = map[string]string{
	"AzureBlobStorageTemplate": "Blob", "AzureIotHubAdapterServices": "ConnectionServicesHub", "AzureIotHubTemplate": hubThing,
	"AzureIotThing": "pump-7", "AzureStorageContainerFileRepository": "Files", "CacheManager": "ConnectionServicesHub",
	"ConnectionServicesHub": "ConnectionServicesHub", "ProtocolAdapter": "azx-1", "ProtocolAdapterWithAvailability": "azx-1",
}

// usesOfServices are calls of all services of both packages that do something, by entity and service.
var usesOfServices = map[string][]use{
	"AzureBlobStorageTemplate.GetConfiguration": {{gives: `{"name":"accountName","value":"plant1"}`}},
	"AzureIotHubAdapterServices.AzureIotSendMessage": {
		{with: map[string]any{"thingName": "pump-7", "payload": map[string]any{"target": 4}}, gives: `"result":"`},
		{with: map[string]any{"thingName": "nobody", "payload": map[string]any{"target": 4}}, refuses: `there is no Thing "nobody"`},
		{with: map[string]any{"thingName": "azx-1", "payload": map[string]any{"target": 4}}, refuses: "has no hub"},
	},
	"AzureIotHubTemplate.AzureIotSendMessage": {
		{with: map[string]any{"thingName": "pump-7", "payload": map[string]any{"target": 5}, "properties": map[string]any{"a": "b"}}, gives: `"result":"`},
		{with: map[string]any{"thingName": "pump-8", "payload": map[string]any{"target": 5}}, refuses: "no such device"},
	},
	"AzureIotHubAdapterServices.CreateAzureIotDevice": {{with: map[string]any{"thingName": "made-1"}}, {with: map[string]any{"thingName": "made-1"}},
		{with: map[string]any{"thingName": "made-1", "moduleId": "filter"}}, {with: map[string]any{"thingName": "gate-1", "iotEdge": true}},
		{with: map[string]any{"thingName": "x", "hubThingName": "none"}, refuses: "there is no hub Thing none"}},
	"AzureIotHubAdapterServices.DescribeAzureIotDevice": {
		{with: map[string]any{"thingName": "pump-7"}, gives: `"deviceId":"pump-7"`}, {with: map[string]any{"thingName": "pump-7"}, gives: `"authenticationType":"sas"`},
		{with: map[string]any{"thingName": "nobody"}, refuses: "no such device"}},
	"AzureIotHubAdapterServices.DeleteAzureIotDevice": {{with: map[string]any{"thingName": "made-1", "moduleId": "filter"}},
		{with: map[string]any{"thingName": "made-1"}}, {with: map[string]any{"thingName": "made-1"}}},
	"AzureIotHubTemplate.CreateAzureIotDevice":   {{with: map[string]any{"thingName": "made-2"}}, {with: map[string]any{"thingName": "a", "moduleId": "m", "iotEdge": true}, refuses: "no edge device"}},
	"AzureIotHubTemplate.DescribeAzureIotDevice": {{with: map[string]any{"thingName": "pump-7"}, gives: `"status":"enabled"`}},
	"AzureIotHubTemplate.DeleteAzureIotDevice":   {{with: map[string]any{"thingName": "made-2"}}},
	"AzureIotHubAdapterServices.AzureIotDeviceJobScheduleTwinUpdateJob": {
		{with: map[string]any{"patch": map[string]any{"tags": map[string]any{"a": 1}}}, gives: `"result":"azx-`},
		{with: map[string]any{"patch": map[string]any{}}, refuses: "neither tags nor desired"},
		{with: map[string]any{"patch": map[string]any{"tags": map[string]any{"a": 1}}, "queryCondition": "tags.a ="}, refuses: "queryCondition"}},
	"AzureIotHubAdapterServices.AzureIotDeviceJobScheduleDeviceMethodJob": {
		{with: map[string]any{"methodName": "reboot", "queryCondition": "deviceId = 'pump-7'"}, gives: `"result":"azx-`},
		{with: map[string]any{"methodName": "reboot", "maxExecutionTimeInSeconds": -1}, refuses: "no number of seconds"}},
	"AzureIotHubAdapterServices.AzureIotDeviceJobGetJob":           {{with: map[string]any{"jobId": "nobody"}, refuses: "no such job"}},
	"AzureIotHubAdapterServices.AzureIotDeviceJobFindJobs":         {{gives: `"rows":[`}, {with: map[string]any{"maxItems": 0}, refuses: "not within 1 and"}},
	"AzureIotHubAdapterServices.AzureIotDeviceJobCancelJob":        {{with: map[string]any{"jobId": "nobody"}, refuses: "no such job"}},
	"AzureIotHubAdapterServices.QueryJobResults":                   {{with: map[string]any{"jobId": "a b"}, refuses: "letters, digits and dashes"}},
	"AzureIotHubTemplate.AzureIotDeviceJobScheduleTwinUpdateJob":   {{with: map[string]any{"patch": map[string]any{"tags": map[string]any{"a": 1}}}, gives: `"result":"azx-`}},
	"AzureIotHubTemplate.AzureIotDeviceJobScheduleDeviceMethodJob": {{with: map[string]any{"methodName": "reboot"}, gives: `"result":"azx-`}},
	"AzureIotHubTemplate.AzureIotDeviceJobGetJob":                  {{with: map[string]any{"jobId": "nobody"}, refuses: "no such job"}},
	"AzureIotHubTemplate.AzureIotDeviceJobFindJobs":                {{gives: `"rows":[`}},
	"AzureIotHubTemplate.AzureIotDeviceJobCancelJob":               {{with: map[string]any{"jobId": "nobody"}, refuses: "no such job"}},
	"AzureIotHubTemplate.QueryJobResults":                          {{with: map[string]any{"jobId": "a b"}, refuses: "letters, digits and dashes"}},
	"AzureIotHubAdapterServices.ImportAzureIotDevices":             {{with: map[string]any{"dryRun": true, "queryCondition": "deviceId = 'pump-7'"}, gives: `"result":"`}},
	"AzureIotHubTemplate.ImportAzureIotDevices":                    {{with: map[string]any{"rules": map[string]any{"a": 1}}, refuses: "rules: "}},
	"AzureServices.FindHubThing": {{gives: `"result":"Plant"`}, {with: map[string]any{"thingName": "pump-7"}, gives: `"result":"Plant"`},
		{with: map[string]any{"thingName": "azx-1"}, refuses: "has no hub"}},
	"AzureIotHubTemplate.GetConfiguration": {{gives: `{"name":"writeWindow","value":"15ms"}`}, {gives: "SharedAccessKeyName=iothubowner"}},
	"AzureIotHubTemplate.GetDeviceThings": {{gives: `"rows":[{"name":"pump-7"},{"name":"pump-8"}]`},
		{with: map[string]any{"after": "pump-7", "maxItems": 1}, gives: `"rows":[{"name":"pump-8"}]`}},
	"AzureIotHubTemplate.GetRoutingGroup": {{gives: `"result":"Plant"`}},
	"AzureIotHubTemplate.Ping":            {{}},
	"AzureIotHubTemplate.TestConnection":  {{gives: `"name":"event endpoint","status":"ok"`}},
	"AzureIotThing.DeclareRemoteProperties": {
		{with: map[string]any{"properties": rowsOf(map[string]any{"name": "extra", "baseType": "NUMBER"}, map[string]any{"name": "target", "baseType": "STRING"}), "dryRun": true},
			gives: `"rows":[{"name":"extra","edgeName":"extra","baseType":"NUMBER","pushType":"ALWAYS"}]`},
		{with: map[string]any{"properties": rowsOf(map[string]any{"name": "1x", "baseType": "NUMBER"})}, refuses: "1x: "}},
	"AzureIotThing.GetAzureRemoteProperties": {{gives: `"name":"target"`}},
	"AzureIotThing.GetAzureRemoteServices":   {{gives: `"edgeName":"echo"`}},
	"AzureIotThing.Ping":                     {{}},
	"AzureServices.AddAdapterServices":       {{gives: `"result":false`}}, // the connector has called it
	"AzureServices.GetAzureIotDevices":       {{gives: `"hubThing":"Plant"`}, {with: map[string]any{"hubThingName": "Blob"}, refuses: "there is no hub Thing Blob"}},
	"AzureServices.GrantAzureConnectorPermissions": {{}, {with: map[string]any{"userGroupname": "AzxConnectors", "organziationName": "AzxConnectorsOrg"}},
		{with: map[string]any{"userGroupName": "nobody"}, refuses: "there is no group nobody"}},
	"AzureStorageContainerFileRepository.GetConfiguration": {{gives: `{"name":"containerName","value":"files"}`}, {gives: `{"name":"accountName","value":"plant1"}`}},
	"CacheManager.ClearCacheEntry": {{with: map[string]any{"cacheName": "things", "cacheKey": "pump-7", "context": map[string]any{"why": "a test"}}},
		{on: "azx-1", with: map[string]any{"cacheName": "twins"}}, {on: "azx-1", with: map[string]any{"cacheName": "cookies"}, refuses: "things and twins"}},
	"ConnectionServicesHub.GrantConnectorPermissions": {{}, {with: map[string]any{"organizationName": "nobody"}, refuses: "there is no organization nobody"}},
	"ConnectionServicesHub.GrantThingTemplatePermissions": {{with: map[string]any{"ThingTemplateName": "AzureIotThing"}},
		{with: map[string]any{"ThingTemplateName": "Timer"}, refuses: "does not derive from RemoteThing"}},
	"ConnectionServicesHub.RegisterProtocolAdapter": {{with: map[string]any{"name": "azx-9", "availabilityGroup": "hall"}, gives: `"result":"azx-9"`},
		{with: map[string]any{"name": "pump-7"}, refuses: "no connector"}},
	"ProtocolAdapter.ClearConnectorCacheEntry":                   {{with: map[string]any{"cacheName": "things"}}},
	"ProtocolAdapter.ConfigurationChanged":                       {{with: map[string]any{"hubThingName": hubThing}}},
	"ProtocolAdapter.GetInstanceId":                              {{gives: `"result":"`}},
	"ProtocolAdapterWithAvailability.ClearConnectorBoundThings":  {{}},
	"ProtocolAdapterWithAvailability.ClearExternallyBoundThings": {{}, {on: "Files", refuses: "ClearExternallyBoundThings"}},
	"ProtocolAdapterServices.EvaluateAvailability": {{gives: `"active":true`}, {with: map[string]any{"healthTimeout": 0.001}, gives: `"active":false`},
		{gives: `"healthState":"healthy"`}},
	"ProtocolAdapterServices.GetProtocolAdaptersWithAvailability": {{gives: `"name":"azx-1"`}},
}

// usesOfConnectionServer are calls of the platform's own services of a connector Thing, which the connector answers.
var usesOfConnectionServer = map[string][]use{
	"GetPerformanceMetrics": {{gives: `"name":"azx_platform_connections"`}},
	"GetSystemInformation":  {{gives: `"name":"instanceId"`}, {gives: `"value":"Plant"`}},
	"GetSystemStatus":       {{gives: `"name":"platform connected"`}},
	"GetBoundEntities":      {{gives: `"name":"azx-1"`}, {gives: `"name":"Plant"`}},
	"GetLogEntries":         {{with: map[string]any{"searchExpression": "connector-thing-bound", "maxItems": 5}, gives: "thing=azx-1"}},
	"GetLogLevel":           {{gives: `"result":"`}},
	"SetLogLevel":           {{with: map[string]any{"level": "DEBUG"}}, {with: map[string]any{"level": "LOUD"}, refuses: "LOUD"}},
}

// TestEveryServiceOfBothPackagesIsCalled goes through the packages, so that a service without a call here fails it. Those
// that the connector carries out are called again without it.
func TestEveryServiceOfBothPackagesIsCalled(t *testing.T) {
	t.Parallel()
	stack := newPlant(t)
	connector := furnish(t, stack)
	t.Run("with a connector", func(t *testing.T) {
		for _, s := range packaged(t) {
			t.Run(s.name, func(t *testing.T) { checkService(t, stack.Platform, s) })
		}
		for service, uses := range usesOfConnectionServer {
			checkUses(t, stack.Platform, "azx-1", service, uses)
		}
	})
	if err := logged(connector, "event=settings-notice"); err != nil {
		t.Error(err)
	}
	fired(t, stack.Platform, "ClearCacheEntry", `"cacheName":"things"`, `"cacheKey":"pump-7"`, "a test")
	if code := connector.Stop(); code != 0 {
		t.Errorf("the connector ended with exit code %d", code)
	}
	t.Run("without one", func(t *testing.T) {
		for _, s := range packaged(t) {
			if s.remote {
				checkNobody(t, stack.Platform, s.thing, s.Name, usesOfServices[s.name][0].with)
			}
		}
		for service, uses := range usesOfConnectionServer {
			checkNobody(t, stack.Platform, "azx-1", service, uses[0].with)
		}
	})
}

// furnish makes a Thing of everything that has services, and starts a connector.
func furnish(t *testing.T, stack *process.Stack) *process.Child {
	t.Helper()
	platform := stack.Platform
	setTable(platform, hubThing, "ConnectorSettings", map[string]any{"name": "writeWindow", "value": "15ms"})
	setTable(platform, hubThing, "ConnectionSettings", map[string]any{"connectionString": stack.Hub.OwnerConnectionString})
	newThing(platform, "Blob", "AzureBlobStorageTemplate")
	setTable(platform, "Blob", "BlobStorageSettings", map[string]any{"accountName": "plant1", "connectionString": "AccountName=plant1;AccountKey=QUJD"})
	newThing(platform, "Files", "AzureStorageContainerFileRepository")
	setTable(platform, "Files", "ContainerSettings", map[string]any{"storageThing": "Blob", "containerName": "files"})
	for _, id := range []string{"pump-7", "pump-8"} {
		stack.AddDeviceThing(id, hubThing, "--property", "target:INTEGER", "--service", "Echo(n:INTEGER):JSON:echo")
	}
	stack.AddDevice("pump-7")
	stack.ConfigureFor(hubThing, "azx-1", fromPlatform)
	connector := stack.ConnectAs("azx-1")
	reads(t, platform, "azx-1", "healthState", `"healthy"`)
	return connector
}

// service is one of a package.
type service struct {
	entity.Service
	name   string // Entity.Service
	thing  string // that has it
	remote bool
}

// packaged are the services of both packages.
func packaged(t *testing.T) (all []service) {
	t.Helper()
	packages, err := extension.Packages()
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range packages {
		for of, m := range p.Set.AllMembers() {
			for _, d := range m.Services {
				s := service{Service: d, thing: filepath.Base(of)}
				s.name = s.thing + "." + d.Name
				s.remote = slices.ContainsFunc(m.RemoteServices, func(r entity.RemoteService) bool { return r.Name == d.Name })
				if instance := instances[s.thing]; instance != "" {
					s.thing = instance
				}
				all = append(all, s)
			}
		}
	}
	return all
}

// checkService calls a service as the table says, or sees it refuse if it is one of those that do nothing yet.
func checkService(t *testing.T, platform *process.Platform, s service) {
	uses, listed := usesOfServices[s.name]
	if listed == slices.Contains(unavailable(t), s.name) {
		t.Fatalf("%s: has calls here: %t; it should have some, or else be in extension/unavailable.txt", s.name, listed)
	}
	if !listed {
		uses = []use{{with: anyParameters(s.Service), refuses: s.Name + " is not available in this version"}}
	}
	checkUses(t, platform, s.thing, s.Name, uses)
}

// unavailable are the services that only refuse.
func unavailable(t *testing.T) []string {
	t.Helper()
	root, err := process.ModuleRoot()
	if err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(filepath.Join(root, "extension", "unavailable.txt"))
	if err != nil {
		t.Fatal(err)
	}
	return strings.Fields(string(text))
}

// anyParameters are values for the parameters that a service needs.
func anyParameters(d entity.Service) map[string]any {
	all := map[string]any{}
	for _, p := range d.Parameters {
		if p.Aspects["isRequired"] == "true" {
			all[p.Name] = "x"
			if p.BaseType == "JSON" {
				all[p.Name] = map[string]any{"x": 1}
			}
			if p.BaseType == "BLOB" {
				all[p.Name] = "eA=="
			}
		}
	}
	return all
}

func checkUses(t *testing.T, platform *process.Platform, thing, service string, uses []use) {
	t.Helper()
	for _, u := range uses {
		on := thing
		if u.on != "" {
			on = u.on
		}
		answer, err := platform.TryCall("Things/"+on, service, u.with)
		switch {
		case u.refuses != "" && (err == nil || !strings.Contains(err.Error(), u.refuses)):
			t.Errorf("%s of %s with %v: %s %v; want a refusal with %q", service, on, u.with, answer, err, u.refuses)
		case u.refuses == "" && (err != nil || !strings.Contains(string(answer), u.gives)):
			t.Errorf("%s of %s with %v: %s %v; want %s", service, on, u.with, answer, err, u.gives)
		}
	}
}

// checkNobody calls a remote service that no connector answers: it is refused at once.
func checkNobody(t *testing.T, platform *process.Platform, thing, service string, with map[string]any) {
	t.Helper()
	began := time.Now()
	_, err := platform.TryCall("Things/"+thing, service, with)
	says(t, err, "nobody")
	if took := time.Since(began); took > 2*time.Second {
		t.Errorf("%s of %s: the refusal took %s", service, thing, took)
	}
}
