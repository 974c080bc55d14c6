package e2e

import (
	"maps"
	"net/http"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"azx/test/process"
)

// fault is something wrong in the package for Azure.
type fault struct {
	name      string
	file      string // that is changed or added
	old       string // that stands there once; "" for a file that is added
	text      string // instead of it; of an added file that is a copy: the name of the other one
	reason    string // in the refusal
	loss      string // what azx extension verify finds after an import in silent mode; "" if that is refused as a whole
	unchecked bool   // the package cannot be read, so verify looks for what azx ships
}

func faults() []fault {
	const device, thing, hub = "Entities/ThingTemplates/AzureIotThing.xml", "Entities/Things/AzureServices.xml", "Entities/DataShapes/AzureIotSetting.xml"
	const script = "var OWN = ["
	return []fault{
		{name: "a shape that is missing", file: device, old: `<ImplementedShape name="RoutedEgress"`, text: `<ImplementedShape name="RoutedIngress"`,
			reason: device + `:4: ThingTemplates/AzureIotThing: implements the shape "RoutedIngress", which is neither in the package nor on the platform`},
		{name: "an unknown base template", file: device, old: `baseThingTemplate="RemoteThingWithFileTransfer"`, text: `baseThingTemplate="RemoteThingWithFiles"`,
			reason: device + `:4: ThingTemplates/AzureIotThing: has the base template "RemoteThingWithFiles", which is neither`},
		{name: "a table without a definition", file: thing, old: "<ThingShape>", text: `<ConfigurationTables><ConfigurationTable name="Lost" isMultiRow="false">
				<DataShape><FieldDefinitions><FieldDefinition name="a" baseType="STRING"/></FieldDefinitions></DataShape><Rows><Row><a>1</a></Row></Rows>
				</ConfigurationTable></ConfigurationTables><ThingShape>`,
			reason: `Things/AzureServices: configuration table "Lost" has no definition with a data shape`,
			loss:   azurePackage + `: Things/AzureServices: configuration table "Lost" is missing`},
		{name: "XML that is none", file: hub, old: "</FieldDefinitions>", text: "", reason: hub + ":", unchecked: true},
		{name: "an unknown base type", file: hub, old: `name="value" baseType="STRING"`, text: `name="value" baseType="STRNG"`,
			reason: `DataShapes/AzureIotSetting: field "value" has the base type "STRNG", which is none`},
		{name: "a syntax error in a script", file: device, old: script, text: "var OWN = = [",
			reason: `ThingTemplates/AzureIotThing: the script of service "GetAzureRemoteProperties": `,
			loss:   azurePackage + `: ThingTemplates/AzureIotThing: the script of service "GetAzureRemoteProperties" cannot run: `},
		{name: "a return in the middle of a script", file: device, old: script, text: "if (me) { return null; }\n" + script,
			reason: `ThingTemplates/AzureIotThing: the script of service "GetAzureRemoteProperties": `,
			loss:   azurePackage + `: ThingTemplates/AzureIotThing: the script of service "GetAzureRemoteProperties" cannot run: `},
		{name: "a wrong dependsOn", file: "metadata.xml", old: "azx-connection-services:0.1.0", text: "azx-connection-services:9.9.9",
			reason: "metadata.xml:4: the package depends on azx-connection-services 9.9.9, and version 0.1.0 is installed"},
		{name: "an entity that stands there twice", file: "Entities/Other/Again.xml", text: hub,
			reason: "Entities/Other/Again.xml:4: DataShapes/AzureIotSetting: the entity stands twice in the package; the other one is at " + hub + ":4"},
		{name: "a path that leads out", file: "Entities/../../evil.xml", text: hub, reason: "evil.xml: the path leads out of the package", unchecked: true},
	}
}

// plant makes the faulty package.
func (f fault) plant(t *testing.T, good map[string]string) []byte {
	t.Helper()
	files := maps.Clone(good)
	if f.old == "" {
		files[f.file] = good[f.text]
		return archive(t, files)
	}
	if strings.Count(files[f.file], f.old) != 1 {
		t.Fatalf("%s has %q %d times", f.file, f.old, strings.Count(files[f.file], f.old))
	}
	files[f.file] = strings.Replace(files[f.file], f.old, f.text, 1)
	return archive(t, files)
}

func TestEachFaultOfAPackageIsRefusedWithItsReason(t *testing.T) {
	t.Parallel()
	stack := process.NewPlatform(t, azx, "--bare")
	zips := builds(t, stack, "dist")
	if answer := upload(t, stack.Platform, "", zips[servicesPackage]); answer.status != http.StatusOK {
		t.Fatalf("%d %s", answer.status, answer.text)
	}
	good := unpacked(t, zips[azurePackage])
	for _, f := range faults() {
		t.Run(f.name, func(t *testing.T) {
			for _, validate := range []string{"&validate=true", ""} {
				answer := upload(t, stack.Platform, validate, f.plant(t, good))
				if said := answer.said(t); !strings.Contains(said, f.reason) || strings.Contains(said, "installed.") {
					t.Errorf("%q: %d %s\nwant %s", validate, answer.status, said, f.reason)
				}
				if (answer.status == http.StatusOK) != (validate != "" && !f.unchecked) {
					t.Errorf("%q: status %d", validate, answer.status)
				}
			}
		})
	}
	if got := installed(t, stack.Platform); !slices.Equal(got, []string{servicesPackage + " 0.1.0"}) {
		t.Errorf("installed are %v", got)
	}
	if answer := upload(t, stack.Platform, "", archive(t, good)); answer.status != http.StatusOK {
		t.Errorf("the package without a fault: %d %s", answer.status, answer.said(t))
	}
	if code, text := verify(stack); code != 0 {
		t.Errorf("verify ends with %d:\n%s", code, text)
	}
}

// In silent mode the platform says no more than a real one, and what is lost is found by asking for it.
func TestWhatIsLostWithoutAWordIsFoundByVerify(t *testing.T) {
	t.Parallel()
	stack := process.NewPlatform(t, azx, "--bare", "--import-mode", "silent")
	zips := builds(t, stack, "dist")
	if answer := upload(t, stack.Platform, "", zips[servicesPackage]); answer.status != http.StatusOK {
		t.Fatalf("%d %s", answer.status, answer.text)
	}
	good := unpacked(t, zips[azurePackage])
	for _, f := range faults() {
		t.Run(f.name, func(t *testing.T) {
			faulty := f.plant(t, good)
			flags := []string{}
			if !f.unchecked {
				stack.WriteFile("faulty.zip", faulty)
				flags = []string{"--package", filepath.Join(stack.Dir, "faulty.zip")}
			}
			answer := upload(t, stack.Platform, "", faulty)
			code, text := verify(stack, flags...)
			if f.loss == "" {
				if answer.status != http.StatusNotAcceptable || answer.text != "" {
					t.Errorf("got %d %q, want 406 and nothing", answer.status, answer.text)
				}
				for _, loss := range []string{"the package is not installed", "ThingTemplates/AzureIotThing: is missing", "Mashups/AzureIotDevices: is missing"} {
					if !strings.Contains(text, azurePackage+": "+loss+"\n") || code != 5 {
						t.Errorf("verify ends with %d without %q:\n%s", code, loss, text)
					}
				}
				return
			}
			if answer.status != http.StatusOK || !strings.HasSuffix(answer.said(t), "Extension azx-azure-iot 0.1.0 is installed.") {
				t.Errorf("got %d %s", answer.status, answer.text)
			}
			if !strings.Contains(text, f.loss) || code != 5 || !strings.Contains(text, ": 1 things are missing") {
				t.Errorf("verify ends with %d:\n%s\nwant %s", code, text, f.loss)
			}
			stack.Platform.Call("Subsystems/PlatformSubsystem", "DeleteExtensionPackage", map[string]any{"packageName": azurePackage})
		})
	}
}
