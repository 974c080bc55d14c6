package platform

import (
	"strings"
	"testing"

	"azx/alwayson"
	"azx/alwayson/infotable"
	"azx/internal/fault"
	"azx/internal/mapping"
)

func TestPropertiesAreDeclaredByTheServiceOfOurTemplate(t *testing.T) {
	wanted := []mapping.Property{{EdgeName: "n", Type: infotable.TypeNumber}, {EdgeName: "meter::on", Type: infotable.TypeBoolean}}
	for name, c := range map[string]struct {
		answer alwayson.Response
		done   int
		class  fault.Class // of the error
		hint   string
		fails  bool
	}{
		"those that were lacking": {table("edgeName", infotable.String("n")), 1, 0, "", false},
		"none":                    {table("edgeName"), 0, 0, "", false},
		"a right that is missing": {alwayson.Refuse(alwayson.Forbidden, "no"), 0, fault.Fatal, "manageThings = true", true},
		"no such service":         {alwayson.Refuse(alwayson.NotFound, "no"), 0, fault.Rejected, "import the package again", true},
		"a platform that is busy": {alwayson.Refuse(alwayson.ServiceUnavailable, "busy"), 0, fault.Transient, "", true},
	} {
		t.Run(name, func(t *testing.T) {
			s, socket := newSetup(map[string]alwayson.Response{"pump/DeclareRemoteProperties": c.answer})
			done, err := s.Declare(t.Context(), "pump", wanted, true)
			if len(done) != c.done || (err != nil) != c.fails || c.fails && (fault.ClassOf(err) != c.class || !strings.Contains(fault.HintOf(err), c.hint)) {
				t.Errorf("got %v, %v (%s)", done, err, fault.HintOf(err))
			}
			asked := socket.seen[0].Params
			rows, _ := asked.First("properties").Table()
			name, _ := rows.At(1, "name").Text()
			base, _ := rows.At(1, "baseType").Text()
			if dry, _ := asked.First("dryRun").Boolean(); !dry || rows.Len() != 2 || name != "meter::on" || base != "BOOLEAN" {
				t.Errorf("asked with %v", rows)
			}
		})
	}
}

func TestATemplateTellsThePropertiesOfItsThings(t *testing.T) {
	s, _ := newSetup(map[string]alwayson.Response{"Pump/GetInstancePropertyDefinitions": table("name", infotable.String("n"), infotable.String("on"))})
	if has, err := s.TemplateProperties(t.Context(), "Pump"); err != nil || len(has) != 2 || !has["n"] || !has["on"] {
		t.Errorf("got %v, %v", has, err)
	}
	s, _ = newSetup(map[string]alwayson.Response{"Pump/GetInstancePropertyDefinitions": alwayson.Refuse(alwayson.Forbidden, "no")})
	if _, err := s.TemplateProperties(t.Context(), "Pump"); fault.ClassOf(err) != fault.Fatal || !strings.Contains(fault.HintOf(err), "manageThings") {
		t.Errorf("without the right: %v", err)
	}
}
