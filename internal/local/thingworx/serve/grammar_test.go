package serve

import (
	"fmt"
	"net/http"
	"strings"
	"testing"

	"azx/internal/local/thingworx"
)

func TestServicesOfTheCommandLine(t *testing.T) {
	for text, want := range map[string]string{
		"Restart(delay:INTEGER):JSON:reboot":                             "Restart [{delay INTEGER false}] JSON [] reboot",
		"Stop():NOTHING":                                                 "Stop [] NOTHING [] Stop",
		"Add(a:NUMBER, b:NUMBER):number":                                 "Add [{a NUMBER false} {b NUMBER false}] NUMBER [] Add",
		"Restart():STRING:mod1::reboot":                                  "Restart [] STRING [] mod1::reboot",
		"mod1::Restart():STRING":                                         "mod1::Restart [] STRING [] mod1::Restart",
		"Rows():INFOTABLE:rows":                                          "Rows [] INFOTABLE [] rows",
		"Readings():INFOTABLE(at:DATETIME,level:NUMBER):mod1::readings":  "Readings [] INFOTABLE [at:DATETIME level:NUMBER] mod1::readings",
		"Readings(from:DATETIME,to:DATETIME):INFOTABLE(level : NUMBER )": "",
	} {
		d, err := ParseService(text)
		if want == "" {
			if err == nil {
				t.Errorf("%s is taken as %+v", text, d)
			}
			continue
		}
		if err != nil {
			t.Errorf("%s: %v", text, err)
			continue
		}
		var columns []string
		for _, f := range d.Fields {
			columns = append(columns, f.Name+":"+f.Type.String())
		}
		if got := fmt.Sprint(d.Name, " ", shown(d.Params), " ", d.Result, " ", columns, " ", d.Remote.EdgeName); got != want {
			t.Errorf("%s: got %s, want %s", text, got, want)
		}
	}
	for text, want := range map[string]string{
		"":                          "parameters are not in parentheses",
		"Restart":                   "parameters are not in parentheses",
		"Restart(":                  "no result follows",
		"Restart()":                 "no result follows",
		"Restart(a:NUMBER)JSON":     "no result follows",
		"(a:NUMBER):JSON":           "a property name is required",
		"1st():JSON":                `property name "1st"`,
		"Restart(delay):JSON":       `"delay": "" is no base type`,
		"Restart(delay:INT):JSON":   `"INT" is no base type`,
		"Restart(:NUMBER):JSON":     "a property name is required",
		"Restart():":                `"" is no base type for its result`,
		"Restart():TEXTS":           `"TEXTS" is no base type for its result`,
		"Restart():JSON(a:NUMBER)":  "only an INFOTABLE has columns",
		"Restart():INFOTABLE(a:X)":  `"X" is no base type`,
		"Restart():INFOTABLE(a:X":   "they are in parentheses",
		"Restart():INFOTABLE()edge": "its edge name is missing",
		"Restart():JSON:":           "its edge name is missing",
		"Restart():JSON::reboot":    "its edge name is missing",
	} {
		if d, err := ParseService(text); err == nil || !strings.Contains(err.Error(), want) || !strings.Contains(err.Error(), "such as Restart(") {
			t.Errorf("%q: got %+v, %v", text, d, err)
		}
	}
}

func TestWaysForWritesToTravel(t *testing.T) {
	for via, ok := range map[string]bool{"": true, "c2d": true, "desired": true, "method:set": true, "method:": false, "C2D": false, "method": false} {
		if err := CheckWriteVia(via); (err == nil) != ok {
			t.Errorf("%q: got %v", via, err)
		}
	}
}

func TestADeviceThingHasTheServicesAndTheWayOfItsWritesThatItWasAddedWith(t *testing.T) {
	r := start(t, Options{})
	defer stop(t, r)
	client := NewClient(r.Info)
	if err := client.AddHub(t.Context(), "LocalHub", nil); err != nil {
		t.Fatal(err)
	}
	service, err := ParseService("Readings(n:INTEGER):INFOTABLE(at:DATETIME,level:NUMBER):mod1::readings")
	if err != nil {
		t.Fatal(err)
	}
	device := DeviceThing{Name: "dev", Gateway: "LocalHub", WriteVia: "desired", Services: []thingworx.ServiceDefinition{service}}
	if err := client.AddDevice(t.Context(), device); err != nil {
		t.Fatal(err)
	}
	got, err := r.Platform.Service(t.Context(), thingworx.EntityThing, "dev", "Readings")
	if err != nil || fmt.Sprint(shown(got.Params), " ", got.Result, len(got.Fields), *got.Remote) != "[{n INTEGER false}] INFOTABLE 2 {mod1::readings 0}" {
		t.Errorf("got %+v, %v", got, err)
	}
	var via struct{ Rows []map[string]any }
	if err := client.do(t.Context(), http.MethodGet, "/Things/dev/Properties/writeVia", nil, &via); err != nil || via.Rows[0]["writeVia"] != "desired" {
		t.Errorf("got %v, %v", via, err)
	}
	device.Services = append(device.Services, service)
	device.Services[1].Name = "Ping"
	device.Name = "other"
	if err := client.AddDevice(t.Context(), device); err == nil || !strings.Contains(err.Error(), "service Ping exists already") {
		t.Errorf("got %v", err)
	}
	if _, err := r.Platform.Thing(t.Context(), "other"); err == nil {
		t.Error("a Thing whose service was refused is left behind")
	}
}

// shown gives of parameters what the command line says of them.
func shown(params []thingworx.Param) string {
	out := make([]string, len(params))
	for i, p := range params {
		out[i] = fmt.Sprintf("{%s %s %v}", p.Name, p.Type, p.Required)
	}
	return fmt.Sprint(out)
}
