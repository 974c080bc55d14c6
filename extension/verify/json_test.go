package verify

import (
	"strings"
	"testing"
)

// answers are the package of plant as GET <Collection>/<Name> gives it, in the form of a 9.x platform.
func answers() map[string]string {
	script := func(name, code string) string {
		return `{"name":"` + name + `","handlerName":"Script","configurationTables":{"Script":{"isMultiRow":false,"name":"Script","rows":[{"code":"` + code + `"}],"dataShape":{"fieldDefinitions":{}}}}}`
	}
	none := `"runTimePermissions":{"permissions":[{"EventSubscribe":[],"resourceName":"*","EventInvoke":[]}]},"visibilityPermissions":{"Visibility":[]},"designTimePermissions":{"Read":[],"Create":[]}`
	return map[string]string{
		"Projects/Plant": `{"name":"Plant","packageVersion":"1.0.0",` + none + `}`,
		"DataShapes/Settings": `{"name":"Settings","projectName":"Plant","tags":[],"lastModifiedDate":1640364526564,"aspects":{"isExtension":true},"fieldDefinitions":{
			"limit":{"name":"limit","baseType":"NUMBER","ordinal":0,"aspects":{"isPrimaryKey":true,"defaultValue":3}},"key":{"name":"key","baseType":"PASSWORD","aspects":{}}},` + none + `}`,
		"ThingShapes/Pumping": `{"name":"Pumping","propertyDefinitions":{"speed":{"sourceType":"Unknown","name":"speed","baseType":"NUMBER","aspects":{"isLogged":true,"cacheTime":0.0}}},
			"serviceDefinitions":{"Stop":{"isAllowOverride":true,"isPrivate":false,"parameterDefinitions":{"why":{"name":"why","baseType":"STRING","aspects":{"isRequired":true}}},"resultType":{"name":"result","baseType":"INFOTABLE","aspects":{"dataShape":"Settings"}},"aspects":{}},
			"Restart":{"isAllowOverride":false,"parameterDefinitions":{},"resultType":{"name":"result","baseType":"NOTHING","aspects":{}}}},
			"eventDefinitions":{"Stopped":{"name":"Stopped","dataShape":"Settings"}},
			"serviceImplementations":{"Stop":` + script("Stop", `var result = why;`) + `},
			"subscriptions":{"Started":{"name":"Started","eventName":"ThingStart","sourceType":"Thing","source":"","sourceProperty":"speed","enabled":true,"serviceImplementation":` + script("Started", "me.Stop();") + `}},
			"remotePropertyBindings":{"speed":{"name":"speed","pushThreshold":0.0,"aspects":{"startType":"useDefaultValue"},"sourceName":"rpm","foldType":"NONE","timeout":0}},
			"remoteServiceBindings":{"Restart":{"name":"Restart","sourceName":"Restart","enableQueue":false,"timeout":30}},
			"remoteEventBindings":{"Stopped":{"name":"Stopped","sourceName":"stopped"}},` + none + `}`,
		"ThingTemplates/Pump": `{"name":"Pump","baseThingTemplate":"RemoteThing","implementedShapes":{"Pumping":{"name":"Pumping","type":"ThingShape"}},
			"thingShape":{"propertyDefinitions":{}},"effectiveShape":{"propertyDefinitions":{"name":{"name":"name"}}},
			"configurationTableDefinitions":{"Limits":{"isMultiRow":true,"name":"Limits","source":"IMPORT","dataShapeName":"Settings","ordinal":0}},
			"runTimePermissions":{"permissions":[{"PropertyRead":[],"ServiceInvoke":[{"isPermitted":true,"name":"Admins","type":"Group"}],"resourceName":"*"}]},
			"instanceRunTimePermissions":{"permissions":[{"ServiceInvoke":[{"isPermitted":false,"name":"Guests","type":"Group"}],"resourceName":"Stop"}]},
			"instanceVisibilityPermissions":{"Visibility":[{"isPermitted":true,"name":"Org","type":"Organization"}]}}`,
		"Things/Pump1": `{"name":"Pump1","thingTemplate":"Pump","valueStream":"Values","enabled":"true","aspects":{"isEditableExtensionObject":true},"implementedShapes":{"Extra":{}},
			"configurationTables":{"Limits":{"isMultiRow":true,"name":"Limits","rows":[{"limit":3}],"dataShapeName":"Settings","dataShape":{"fieldDefinitions":{"limit":{"name":"limit","baseType":"NUMBER","aspects":{}}}}}},` + none + `}`,
		"Groups/Admins":     `{"name":"Admins",` + none + `}`,
		"Organizations/Org": `{"name":"Org",` + none + `}`,
		"Users/joe":         `{"name":"joe","enabled":true,` + none + `}`,
		"Mashups/Monitor":   `{"name":"Monitor","mashupContent":"{}"}`,
	}
}

func TestWithoutAnExporterTheJSONIsRead(t *testing.T) {
	packages, _ := plant(t)
	p := &platform{documents: answers(), packages: `{"name":"plant","packageVersion":"1.0.0"}`}
	report, err := verify(t, p, packages)
	if err != nil || len(report.Losses) > 0 || report.Scripts != 2 {
		t.Errorf("got %+v, %v", report, err)
	}
}

func TestLossesInTheJSONAreNamed(t *testing.T) {
	for _, c := range []struct{ file, old, replacement, want string }{
		{"DataShapes/Settings", `"isPrimaryKey":true`, `"isPrimaryKey":false`, `the aspect isPrimaryKey of field "limit" is "false", expected "true"`},
		{"ThingShapes/Pumping", `"Stop":{"isAllowOverride":true`, `"Halt":{"isAllowOverride":true`, `service "Stop" is missing`},
		{"ThingShapes/Pumping", `result = why`, `result = 1`, `the script of service "Stop" is another one`},
		{"ThingShapes/Pumping", `me.Stop();`, `me.Go();`, `the script of subscription "Started" is another one`},
		{"ThingShapes/Pumping", `"Stopped","dataShape":"Settings"`, `"Stopped","dataShape":"Other"`, `the data shape of event "Stopped" is "Other", expected "Settings"`},
		{"ThingShapes/Pumping", `"timeout":30`, `"timeout":31`, `the remote binding of service "Restart" has the time-out 31 and the queue false, expected 30 and false`},
		{"ThingTemplates/Pump", `"isPermitted":false`, `"isPermitted":true`, `a run-time permission of its Things is missing that denies ServiceInvoke on "Stop" to the group "Guests"`},
		{"ThingTemplates/Pump", `"Pumping":{`, `"Other":{`, `the shape "Pumping" is missing`},
		{"Things/Pump1", `"limit":{`, `"limits":{`, `configuration table "Limits": column "limit" is missing`},
		{"Things/Pump1", `[{"limit":3}]`, `[]`, `configuration table "Limits" has no rows`},
		{"Things/Pump1", `"enabled":"true"`, `"enabled":false`, `the Thing is not enabled`},
	} {
		t.Run(c.want, func(t *testing.T) {
			packages, _ := plant(t)
			documents := answers()
			if !strings.Contains(documents[c.file], c.old) {
				t.Fatalf("%s has no %q", c.file, c.old)
			}
			documents[c.file] = strings.Replace(documents[c.file], c.old, c.replacement, 1)
			p := &platform{documents: documents, packages: `{"name":"plant","packageVersion":"1.0.0"}`}
			report, err := verify(t, p, packages)
			if want := "plant: " + c.file + ": " + c.want; err != nil || len(report.Losses) != 1 || report.Losses[0].String() != want {
				t.Errorf("got %+v, %v\nwant %s", report, err, want)
			}
		})
	}
}

// FuzzParseJSON has answers that no platform would give.
func FuzzParseJSON(f *testing.F) {
	f.Add("Things", []byte(`{"name":"a","enabled":"true","aspects":{"x":[1]},"runTimePermissions":{"permissions":[{"resourceName":1}]}}`))
	f.Add("ThingShapes", []byte(`{"name":"a","serviceDefinitions":{"S":null}}`))
	f.Fuzz(func(t *testing.T, collection string, data []byte) {
		set, err := parseJSON(collection, data)
		if (set == nil) != (err != nil) {
			t.Fatalf("%v, %v", set, err)
		}
	})
}
