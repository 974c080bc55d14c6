package thingworx

import (
	"context"
	"slices"
	"strings"
	"testing"

	"azx/alwayson/infotable"
	"azx/extension/entity"
	"azx/internal/local/thingworx/importer"
	"azx/internal/local/thingworx/store"
)

// pumps is a package: a template with a base, a shape, configuration, a script, an event and a subscription, and a Thing.
func pumps(version string) *importer.Package {
	field := func(name, base string, aspects ...string) entity.Field {
		f := entity.Field{Name: name, BaseType: base, Aspects: map[string]string{}}
		for i := 0; i+1 < len(aspects); i += 2 {
			f.Aspects[aspects[i]] = aspects[i+1]
		}
		return f
	}
	about := func(name string) entity.Common { return entity.Common{Name: name, Project: "Pumps"} }
	return &importer.Package{
		Info: entity.Package{Name: "pumps", Version: version, MinimumVersion: "9.3.0", Vendor: "us"},
		Set: entity.Set{
			Projects: []entity.Project{{Common: about("Pumps")}},
			DataShapes: []entity.DataShape{
				{Common: about("PumpSettings"), Fields: []entity.Field{field("limit", "NUMBER", "defaultValue", "10"), field("secret", "PASSWORD")}},
				{Common: about("PumpNote"), Fields: []entity.Field{field("text", "STRING"), field("level", "NUMBER")}},
			},
			ThingShapes: []entity.ThingShape{{Common: about("Doubling"), Members: entity.Members{
				Properties: []entity.Property{{Field: field("level", "NUMBER", "isPersistent", "true")}},
				Services: []entity.Service{
					{Name: "Double", Result: field("result", "NUMBER"), Parameters: []entity.Field{field("n", "NUMBER", "isRequired", "true")},
						Handler: "Script", Code: "var result = n * 2;"},
					{Name: "Hidden", Private: true, Result: field("result", "STRING"), Handler: "Script", Code: `var result = "hidden of " + me.name;`},
				},
			}}},
			ThingTemplates: []entity.ThingTemplate{{Common: about("Pump"), Base: "RemoteThing", Shapes: []string{"Doubling"},
				Definitions: []entity.TableDefinition{{Name: "Settings", DataShape: "PumpSettings"}},
				Members: entity.Members{
					Properties:       []entity.Property{{Field: field("speed", "NUMBER")}, {Field: field("heard", "STRING")}},
					RemoteProperties: []entity.RemoteProperty{{Name: "speed", SourceName: "rpm", PushType: "ALWAYS"}},
					Services: []entity.Service{
						{Name: "Limit", Result: field("result", "NUMBER"), Handler: "Script",
							Code: `var result = me.GetConfigurationTable({tableName: "Settings"}).limit;`},
						{Name: "AskHidden", Result: field("result", "STRING"), Handler: "Script", Code: `var known = Things[me.name], result = known === me ? me.Hidden() : "";`},
						{Name: "Restart", Result: field("result", "NOTHING"), Parameters: []entity.Field{field("delay", "INTEGER")}},
						{Name: "Tell", Result: field("result", "NOTHING"), Parameters: []entity.Field{field("text", "STRING")}, Handler: "Script",
							Code: `me.Noted({text: text, level: me.level});`},
					},
					RemoteServices: []entity.RemoteService{{Name: "Restart", SourceName: "reboot"}},
					Events:         []entity.Event{{Name: "Noted", DataShape: "PumpNote"}},
					Subscriptions: []entity.Subscription{
						{Name: "OnNote", Enabled: true, Event: "Noted", Handler: "Script",
							Code: `me.heard = eventData.text + " " + source + " by " + Resources["CurrentSessionInfo"].GetCurrentUser();`},
						{Name: "OnSpeed", Enabled: true, Event: "DataChange", Property: "speed", Handler: "Script",
							Code: `me.level = eventData.newValue.value + 1;`},
					},
				}}},
			Things: []entity.Thing{{Common: about("MainPump"), Template: "Pump", Enabled: true}},
			Groups: []entity.Group{{Common: about("PumpPeople")}},
		},
	}
}

func installed(t *testing.T, o Options) *Platform {
	t.Helper()
	p := plant(t, o)
	report, err := p.Install(t.Context(), []*importer.Package{pumps("1.0.0")}, InstallOptions{})
	must(t, err)
	if len(report.Packages) != 1 || report.Packages[0].Entities != 7 || report.Packages[0].Previous != "" {
		t.Fatalf("report %+v", report)
	}
	return p
}

func TestAPackageBringsTemplatesWhoseThingsDoWhatItSays(t *testing.T) {
	p := installed(t, Options{})
	stop := running(t, p)
	must(t, p.CreateThing(t.Context(), ThingSpec{Name: "Second", Template: "Pump", Enabled: true}))
	for _, thing := range []string{"MainPump", "Second"} {
		for service, want := range map[string]infotable.Value{"Limit": num(10), "AskHidden": text("hidden of " + thing)} {
			if got, err := invoke(p, thing, service); err != nil || !got.First("result").Equal(want) {
				t.Errorf("%s of %s: %v, %v", service, thing, got, err)
			}
		}
		if got, err := invoke(p, thing, "Double", cell("n", num(4))); err != nil || !got.First("result").Equal(num(8)) {
			t.Errorf("Double of %s: %v, %v", thing, got, err)
		}
		_, err := invoke(p, thing, "Hidden")
		refused(t, err, Forbidden, "is private")
		must(t, p.Push(t.Context(), thing, []Write{{Property: "rpm", Value: num(3)}}))
		eventually(t, "the data change is heard", func() bool { return valueOf(t, p, thing, "level").Equal(num(4)) })
		_, err = p.Call(WithCaller(t.Context(), Caller{User: "Administrator"}), EntityThing, thing, "Tell", infotable.Single("text", text("hello")))
		must(t, err)
		eventually(t, "the event is heard", func() bool { return valueOf(t, p, thing, "heard").Equal(text("hello " + thing + " by Administrator")) })
	}
	must(t, stop())
	if got := p.Logs(0, 0); len(got) != 0 {
		t.Errorf("logged %+v", got)
	}
}

func valueOf(t *testing.T, p *Platform, thing, property string) infotable.Value {
	t.Helper()
	v, err := p.Read(t.Context(), thing, property)
	must(t, err)
	return v.Value
}

func TestWhatWasInstalledSurvivesARestart(t *testing.T) {
	kept := store.Memory()
	p := installed(t, Options{Store: kept})
	must(t, p.CreateThing(t.Context(), ThingSpec{Name: "Second", Template: "Pump", Enabled: true}))
	_, err := invoke(p, "Second", "SetConfigurationTableRows", cell("tableName", text("Settings")),
		cell("values", infotable.FromTable(infotable.OneRow(cell("limit", num(20)), cell("secret", infotable.Text(infotable.TypePassword, "s3cret"))))))
	must(t, err)
	for _, service := range []string{"AddMember"} {
		_, err := p.Call(t.Context(), EntityGroup, "PumpPeople", service, infotable.OneRow(cell("member", text("Administrator"))))
		must(t, err)
	}
	must(t, p.Save())
	must(t, kept.Load(func(r store.Record) error {
		if strings.Contains(string(r.Value), "s3cret") {
			t.Errorf("%s %s has the password in clear", r.Bucket, r.Key)
		}
		return nil
	}))
	again, err := New(Options{Store: kept})
	must(t, err)
	if got, err := invoke(again, "Second", "Limit"); err != nil || !got.First("result").Equal(num(20)) {
		t.Errorf("got %v, %v", got, err)
	}
	table, err := invoke(again, "Second", "GetConfigurationTable", cell("tableName", text("Settings")))
	must(t, err)
	secret, _ := table.First("secret").Text()
	clear, err := again.Call(t.Context(), EntityResource, "EncryptionServices", "DecryptPropertyValue", infotable.Single("data", text(secret)))
	if err != nil || !clear.First("result").Equal(text("s3cret")) || strings.Contains(secret, "s3cret") {
		t.Errorf("got %q, %v, %v", secret, clear, err)
	}
	members, err := again.Call(t.Context(), EntityGroup, "PumpPeople", "GetGroupMembers", nil)
	if err != nil || members.Len() != 1 {
		t.Errorf("members %v, %v", members, err)
	}
	if got := again.Packages(); len(got) != 1 || got[0].Version != "1.0.0" || len(got[0].Entities) != 7 {
		t.Errorf("packages %+v", got)
	}
}

func TestAnUpgradeKeepsWhatWasSetAndTakesAwayWhatIsGone(t *testing.T) {
	p := installed(t, Options{})
	must(t, p.CreateThing(t.Context(), ThingSpec{Name: "Second", Template: "Pump", Enabled: true, Properties: []Definition{local("own", tString, "")}}))
	must(t, p.Set(t.Context(), "Second", []Write{{Property: "own", Value: text("mine")}, {Property: "level", Value: num(7)}}))
	_, err := invoke(p, "MainPump", "SetConfigurationTableRows", cell("tableName", text("Settings")),
		cell("values", infotable.FromTable(infotable.Single("limit", num(20)))))
	must(t, err)
	_, err = p.Call(t.Context(), EntityResource, "EntityServices", "AddShapeToThing",
		infotable.OneRow(cell("name", text("MainPump")), cell("thingShapeName", text(ShapeEgressGate))))
	must(t, err)
	next := pumps("1.1.0")
	next.Set.DataShapes[0].Fields = append(next.Set.DataShapes[0].Fields, entity.Field{Name: "extra", BaseType: "STRING", Ordinal: 2,
		Aspects: map[string]string{"defaultValue": "new"}})
	next.Set.ThingTemplates[0].Services[0].Code = `var result = -1;`
	next.Set.Groups = nil
	report, err := p.Install(t.Context(), []*importer.Package{next}, InstallOptions{})
	must(t, err)
	if report.Packages[0].Previous != "1.0.0" {
		t.Errorf("report %+v", report)
	}
	for property, want := range map[string]infotable.Value{"own": text("mine"), "level": num(7)} {
		if got := valueOf(t, p, "Second", property); !got.Equal(want) {
			t.Errorf("%s is %v", property, got)
		}
	}
	if got, err := invoke(p, "Second", "Limit"); err != nil || !got.First("result").Equal(num(-1)) {
		t.Errorf("the new script: %v, %v", got, err)
	}
	table, err := invoke(p, "MainPump", "GetConfigurationTable", cell("tableName", text("Settings")))
	if err != nil || !table.First("limit").Equal(num(20)) || !table.First("extra").Equal(text("new")) {
		t.Errorf("configuration %v, %v", table, err)
	}
	if v, err := p.Thing(t.Context(), "MainPump"); err != nil || !slices.Contains(v.Shapes, ShapeEgressGate) {
		t.Errorf("shapes %v, %v", v.Shapes, err)
	}
	if _, err := p.Entity(t.Context(), EntityGroup, "PumpPeople"); err == nil {
		t.Error("the group that the new version does not have is still there")
	}
}

func TestAPackageThatIsUsedIsNotDeleted(t *testing.T) {
	p := installed(t, Options{})
	must(t, p.CreateThing(t.Context(), ThingSpec{Name: "Second", Template: "Pump", Enabled: true}))
	refused(t, p.DeletePackage(t.Context(), "pumps"), Forbidden, "delete package pumps: it is in use:\nThing Second: its template Pump is not there")
	must(t, p.DeleteThing(t.Context(), "Second"))
	refused(t, p.DeleteThing(t.Context(), "MainPump"), Forbidden, "it belongs to the package pumps")
	must(t, p.DeletePackage(t.Context(), "pumps"))
	refused(t, p.DeletePackage(t.Context(), "pumps"), NotFound, `there is no package "pumps"`)
	_, err := p.Thing(t.Context(), "MainPump")
	refused(t, err, NotFound, "there is no Thing")
	if len(p.Packages()) != 0 || len(p.Entities(t.Context(), EntityProject)) != 0 {
		t.Error("something of it is left")
	}
}

func TestAPackageThatDoesNotFitChangesNothing(t *testing.T) {
	for _, tc := range []struct {
		name string
		make func(p *importer.Package)
		want string
	}{
		{"an unknown base", func(p *importer.Package) { p.Set.ThingTemplates[0].Base = "Gone" }, `"Gone", which is neither`},
		{"a script that is none", func(p *importer.Package) { p.Set.ThingTemplates[0].Services[0].Code = "var = 1" }, "the script of"},
		{"a name that somebody has", func(p *importer.Package) { p.Set.Things[0].Name = "Pump-1" }, "which no package brought"},
		{"a name that is built in", func(p *importer.Package) { p.Set.ThingTemplates[0].Name = TemplateRemote }, "which no package brought"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			p := plant(t, Options{})
			pkg := pumps("1.0.0")
			tc.make(pkg)
			_, err := p.Install(t.Context(), []*importer.Package{pkg}, InstallOptions{})
			refused(t, err, Invalid, tc.want)
			if len(p.Packages()) != 0 || len(p.Entities(t.Context(), EntityDataShape)) != len(builtinDataShapes()) {
				t.Error("something of it is there")
			}
		})
	}
	p := plant(t, Options{})
	report, err := p.Install(t.Context(), []*importer.Package{pumps("1.0.0")}, InstallOptions{ValidateOnly: true})
	if err != nil || len(report.Packages) != 1 || len(p.Packages()) != 0 {
		t.Errorf("a check alone: %+v, %v", report, err)
	}
}

func TestInSilentModeAPlatformKeepsWhatDoesNotWork(t *testing.T) {
	p := plant(t, Options{})
	pkg := pumps("1.0.0")
	pkg.Set.ThingTemplates[0].Services[0].Code = "var = 1"
	report, err := p.Install(t.Context(), []*importer.Package{pkg}, InstallOptions{Silent: true})
	must(t, err)
	if len(report.Packages[0].Problems) != 1 {
		t.Errorf("report %+v", report)
	}
	_, err = invoke(p, "MainPump", "Limit")
	refused(t, err, Unsupported, "No service handler defined for service Limit")
	bad := pumps("1.1.0")
	bad.Set.ThingTemplates[0].Base = "Gone"
	_, err = p.Install(t.Context(), []*importer.Package{bad}, InstallOptions{Silent: true})
	refused(t, err, NotAcceptable, "Gone")
}

// imported reads an export and installs it.
func imported(p *Platform, xml []byte) error {
	pkg, err := importer.ReadXML("export.xml", xml)
	if err != nil {
		return err
	}
	_, err = p.Install(context.Background(), []*importer.Package{pkg}, InstallOptions{})
	return err
}

func TestAnExportOfOnePlatformIsImportedByAnother(t *testing.T) {
	p := installed(t, Options{})
	must(t, p.CreateThing(t.Context(), ThingSpec{Name: "Second", Template: "Pump", Enabled: true, Description: "two",
		Properties: []Definition{local("own", tString, "")}}))
	must(t, p.Set(t.Context(), "Second", []Write{{Property: "own", Value: text("mine")}}))
	_, err := invoke(p, "Second", "SetConfigurationTableRows", cell("tableName", text("Settings")),
		cell("values", infotable.FromTable(infotable.OneRow(cell("limit", num(20)), cell("secret", infotable.Text(infotable.TypePassword, "s3cret"))))))
	must(t, err)
	_, err = p.Call(t.Context(), EntityThing, "Second", "AddVisibilityPermission",
		infotable.OneRow(cell("principal", text("Everyone")), cell("principalType", text("Organization"))))
	must(t, err)
	xml, err := p.Export(t.Context(), EntityThing, "Second")
	must(t, err)
	if strings.Contains(string(xml), "s3cret") {
		t.Error("the export has the password in clear")
	}
	other := installed(t, Options{})
	must(t, imported(other, xml))
	v, err := other.Thing(t.Context(), "Second")
	must(t, err)
	if own, _ := v.Property("own"); !own.Value.Equal(text("mine")) || v.Description != "two" || v.Connected {
		t.Errorf("got %+v", v)
	}
	if got, err := invoke(other, "Second", "Limit"); err != nil || !got.First("result").Equal(num(20)) {
		t.Errorf("got %v, %v", got, err)
	}
	shown, err := other.Call(t.Context(), EntityThing, "Second", "GetVisibilityPermissions", nil)
	if err != nil || shown.Len() != 1 {
		t.Errorf("shown to %v, %v", shown, err)
	}
	must(t, other.Set(t.Context(), "Second", []Write{{Property: "own", Value: text("later")}}))
	must(t, imported(other, xml)) // once more: it overwrites what was set meanwhile
	if got := valueOf(t, other, "Second", "own"); !got.Equal(text("mine")) {
		t.Errorf("got %v", got)
	}
	refused(t, imported(other, []byte(strings.ReplaceAll(string(xml), `thingTemplate="Pump"`, `thingTemplate="Gone"`))), Invalid, `"Gone"`)
	for _, kind := range []EntityKind{EntityTemplate, EntityShape, EntityDataShape, EntityGroup, EntityProject} {
		for _, e := range other.Entities(t.Context(), kind) {
			_, err := other.Export(t.Context(), kind, e.Name)
			if e.Package != "" && err != nil {
				t.Errorf("%s/%s: %v", kind, e.Name, err)
			}
		}
	}
}

func TestWhatIsMadeByServicesIsUsedByThingsAndNotDeletedUnderThem(t *testing.T) {
	kept := store.Memory()
	p := plant(t, Options{Store: kept})
	entities(t, p, "CreateThingShape", cell("name", text("Round")))
	entities(t, p, "CreateThingTemplate", cell("name", text("Wheel")), cell("thingTemplateName", text(TemplateRemote)))
	entities(t, p, "AddShapeToThingTemplate", cell("name", text("Wheel")), cell("thingShapeName", text("Round")))
	entities(t, p, "CreateThing", cell("name", text("W1")), cell("thingTemplateName", text("Wheel")))
	drop := func(service, name string) error {
		_, err := p.Call(t.Context(), EntityResource, "EntityServices", service, infotable.Single("name", text(name)))
		return err
	}
	refused(t, drop("DeleteThingTemplate", "Wheel"), Forbidden, "Thing W1: its template Wheel is not there")
	refused(t, drop("DeleteThingShape", "Round"), Forbidden, "template Wheel: its shape Round is not there")
	refused(t, drop("DeleteThingTemplate", TemplateRemote), Forbidden, "is built in")
	must(t, p.Save())
	again, err := New(Options{Store: kept})
	must(t, err)
	list, err := again.Call(t.Context(), EntityShape, "Round", "GetImplementingThings", nil)
	if err != nil || list.Len() != 1 || !list.First("name").Equal(text("W1")) {
		t.Errorf("got %v, %v", list, err)
	}
	entities(t, p, "DeleteThing", cell("name", text("W1")))
	must(t, drop("DeleteThingTemplate", "Wheel"))
	must(t, drop("DeleteThingShape", "Round"))
	must(t, p.Save())
	if got := keys(t, kept, bucketEntities); len(got) != 0 {
		t.Errorf("kept %v", got)
	}
}
