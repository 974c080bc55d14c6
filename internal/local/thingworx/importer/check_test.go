package importer

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
)

func TestAPackageWithoutAFaultIsTaken(t *testing.T) {
	p := readOne(t, good())
	if found := Check(p, bare(), compile); len(found) > 0 {
		t.Fatal(Problems(found))
	}
	if p.Info.Name != "plant" || p.Info.Version != "1.2.0" || len(p.Set.Packages) > 0 || len(p.Set.DataShapes) != 2 || len(p.Set.Things) != 1 {
		t.Errorf("read %+v", p)
	}
	kept, ok := Silently(p, nil)
	if !ok || len(kept.Set.Things) != 1 || kept.Set.ThingShapes[0].Services[0].Code != p.Set.ThingShapes[0].Services[0].Code {
		t.Error("what a real platform has of it is something else")
	}
}

// The ten faults that the issue names. Each is refused with its place and a reason; what a real platform does with it stands
// in the third column.
func TestEachPlantedFaultIsRefusedWithItsPlace(t *testing.T) {
	const data, shapes, templates, things = "Entities/DataShapes/Settings.xml", "Entities/ThingShapes/Pumping.xml", "Entities/ThingTemplates/Pump.xml", "Entities/Things/Pump1.xml"
	twice := good()
	twice["Entities/Things/Again.xml"] = "\n" + thing
	outside := good()
	outside["Entities/../../etc/cron.xml"] = thing
	for name, c := range map[string]struct {
		files  map[string]string
		want   string
		silent Silence
	}{
		"a missing shape": {changed(t, templates, `"Pumping"`, `"Pumpin"`),
			templates + `:1: ThingTemplates/Pump: implements the shape "Pumpin", which is neither in the package nor on the platform`, Refuses},
		"an unknown base template": {changed(t, templates, `"RemoteThing"`, `"RemotThing"`),
			templates + `:1: ThingTemplates/Pump: has the base template "RemotThing", which is neither in the package nor on the platform`, Refuses},
		"a table without a definition": {changed(t, templates, `<ConfigurationTableDefinition name="Limits" dataShapeName="Settings" isMultiRow="false"/>`, ""),
			things + `:2: Things/Pump1: configuration table "Limits" has no definition with a data shape, neither here nor in a template`, Drops},
		"bad XML":               {changed(t, data, "</DataShape>", ""), data + ":4: not XML: element <DataShape> closed by </DataShapes>", Refuses},
		"an unknown base type":  {changed(t, data, `"NUMBER"`, `"NUMBR"`), data + `:2: DataShapes/Settings: field "limit" has the base type "NUMBR", which is none`, Refuses},
		"a syntax error":        {changed(t, shapes, "me.speed = 0;", "me.speed = ;"), shapes + `:8: ThingShapes/Pumping: the script of service "Stop": unexpected token ;, column 3`, KeepsBroken},
		"a return at top level": {changed(t, shapes, "var result = why;", "return why;"), shapes + `:7: ThingShapes/Pumping: the script of service "Stop": return outside of a function, column 3`, KeepsBroken},
		"a wrong dependsOn": {changed(t, "metadata.xml", `dependsOn=""`, `dependsOn="base:1.0.0"`),
			`metadata.xml:3: the package depends on base 1.0.0, which is not installed`, Refuses},
		"an entity twice":       {twice, things + ":1: Things/Pump1: the entity stands twice in the package; the other one is at Entities/Things/Again.xml:2", Refuses},
		"a path that leads out": {outside, "Entities/../../etc/cron.xml: the path leads out of the package", Refuses},
	} {
		t.Run(name, func(t *testing.T) {
			found := problems(t, c.files, bare())
			if len(found) != 1 || !has(found, c.want, c.silent) {
				t.Fatalf("got\n%v\nwant\n%s", Problems(found), c.want)
			}
			if _, ok := Silently(&Package{}, found); ok != (c.silent != Refuses) {
				t.Errorf("a real platform takes it: %v", ok)
			}
		})
	}
}

// What a real platform drops is gone from the package that it would have; what is there stays.
func TestSilentlyDropsWhatARealPlatformDrops(t *testing.T) {
	const templates, things = "Entities/ThingTemplates/Pump.xml", "Entities/Things/Pump1.xml"
	noProject := good()
	delete(noProject, "Entities/Projects/Plant.xml")
	for name, c := range map[string]struct {
		files map[string]string
		want  string
		gone  func(*Package) bool
	}{
		"a table without a definition": {changed(t, templates, `name="Limits"`, `name="Limit"`), `Entities/Things/Pump1.xml:2: Things/Pump1: configuration table "Limits" has no definition`,
			func(p *Package) bool { return len(p.Set.Things[0].Tables) == 0 }},
		"a definition without a data shape": {changed(t, templates, `dataShapeName="Settings"`, `dataShapeName="Nothing"`),
			templates + `:2: ThingTemplates/Pump: the definition of configuration table "Limits" has the data shape "Nothing"`,
			func(p *Package) bool {
				return len(p.Set.ThingTemplates[0].Definitions) == 0 && len(p.Set.Things[0].Tables) == 0
			}},
		"a cell without a column": {changed(t, things, `<limit>3.5</limit>`, `<limits>3.5</limits>`), things + `:2: Things/Pump1: row 1 of configuration table "Limits" has a value for "limits", which is no column of it`,
			func(p *Package) bool { _, there := p.Set.Things[0].Tables[0].Rows[0]["limits"]; return !there }},
		"JSON without its wrapper": {changed(t, things, `<json>{"a":1}</json>`, `{"a":1}`), things + `:4: Things/Pump1: the value of column "rules" in table "Limits" is JSON without <json> around it`,
			func(p *Package) bool { return p.Set.Things[0].Tables[0].Rows[0]["rules"] == "{}" }},
		"a subscription at the end": {changed(t, things, "</Thing>", "<Subscriptions>\n<Subscription name=\"Late\" eventName=\"ThingStart\"/></Subscriptions></Thing>"),
			things + `:6: Things/Pump1: <Subscription> "Late" stands outside of <ThingShape>`, func(p *Package) bool { return len(p.Set.Things[0].Subscriptions) == 0 }},
		"a project that is not there": {noProject, things + `:1: Things/Pump1: project "Plant" is neither in the package nor on the platform; the entity would land in PTCDefaultProject`,
			func(p *Package) bool { return p.Set.Things[0].Project == "PTCDefaultProject" }},
		"a group that is not there": {changed(t, templates, `"Administrators"`, `"Admins"`), templates + `:1: ThingTemplates/Pump: the group "Admins" is neither`,
			func(p *Package) bool { return len(p.Set.ThingTemplates[0].Permissions.InstanceRunTime) == 0 }},
		"fields of a base data shape": {changed(t, "Entities/DataShapes/Started.xml", `name="Started"`, `name="Started" baseDataShape="Settings"`),
			`Entities/DataShapes/Started.xml:1: DataShapes/Started: field "limit" of the base data shape "Settings" is not repeated`, func(p *Package) bool { return len(p.Set.DataShapes[1].Fields) == 1 }},
	} {
		t.Run(name, func(t *testing.T) {
			p := readOne(t, c.files)
			found := Check(p, bare(), compile)
			if !has(found, c.want, Drops) {
				t.Fatalf("got\n%v\nwant\n%s", Problems(found), c.want)
			}
			kept, ok := Silently(p, found)
			if !ok || !c.gone(kept) {
				t.Errorf("kept %+v, %v", kept, ok)
			}
			whole := *p
			again := Check(&whole, bare(), compile)
			if len(again) != len(found) {
				t.Error("the package that was given has changed")
			}
		})
	}
}

func TestWhatRefersToNothingOrSaysNothingIsRefused(t *testing.T) {
	const meta, data, shapes, templates, things = "metadata.xml", "Entities/DataShapes/Settings.xml", "Entities/ThingShapes/Pumping.xml", "Entities/ThingTemplates/Pump.xml", "Entities/Things/Pump1.xml"
	for name, c := range map[string]struct {
		files  map[string]string
		want   string
		silent Silence
	}{
		"a version that is none":        {changed(t, meta, `"1.2.0"`, `"one"`), meta + `:3: packageVersion is "one"`, Refuses},
		"a platform that is too old":    {changed(t, meta, `"9.3.0"`, `"9.4.0"`), meta + `:3: the package needs ThingWorx 9.4.0, and this platform is 9.3.2`, Refuses},
		"a minimum that is none":        {changed(t, meta, `"9.3.0"`, `"new"`), meta + `:3: minimumThingWorxVersion is "new"`, Refuses},
		"a dependency on itself":        {changed(t, meta, `dependsOn=""`, `dependsOn="plant:1.0.0"`), meta + ":3: the package depends on itself", Refuses},
		"a dependency without a number": {changed(t, meta, `dependsOn=""`, `dependsOn="base:new"`), meta + `:3: dependsOn names version "new" of base`, Refuses},
		"a template that is not there":  {changed(t, things, `"Pump"`, `"Pum"`), things + `:1: Things/Pump1: has the template "Pum", which is neither`, Refuses},
		"no template":                   {changed(t, things, `thingTemplate="Pump"`, ""), things + `:1: Things/Pump1: thingTemplate is missing`, Refuses},
		"no base template":              {changed(t, templates, `baseThingTemplate="RemoteThing"`, ""), templates + `:1: ThingTemplates/Pump: baseThingTemplate is missing`, Refuses},
		"a template of itself":          {changed(t, templates, `"RemoteThing"`, `"Pump"`), templates + `:1: ThingTemplates/Pump: the base templates of "Pump" lead back to it`, Refuses},
		"a shape twice":                 {changed(t, templates, `"RoutedEgress"`, `"Pumping"`), templates + `:1: ThingTemplates/Pump: the shape "Pumping" is implemented twice`, Refuses},
		"a value stream":                {changed(t, things, `thingTemplate="Pump"`, `thingTemplate="Pump" valueStream="Values"`), things + `:1: Things/Pump1: has the value stream "Values", which is neither`, Refuses},
		"an event's data shape":         {changed(t, shapes, `dataShape="Started"`, `dataShape="Starte"`), shapes + `:5: ThingShapes/Pumping: event "Started" has the data shape "Starte", which is neither`, Refuses},
		"a field's data shape":          {changed(t, data, `name="rules" baseType="JSON"`, `name="rules" baseType="INFOTABLE" aspect.dataShape="Rules"`), data + `:3: DataShapes/Settings: field "rules" refers to the data shape "Rules", which is neither`, Refuses},
		"a base type in small letters":  {changed(t, data, `"NUMBER"`, `"number"`), data + `:2: DataShapes/Settings: field "limit" has the base type "number"; write NUMBER`, Refuses},
		"a field of nothing":            {changed(t, data, `"NUMBER"`, `"NOTHING"`), data + `:2: DataShapes/Settings: field "limit" has the base type NOTHING`, Refuses},
		"a field twice":                 {changed(t, data, `"rules"`, `"limit"`), data + `:3: DataShapes/Settings: field "limit" stands there twice`, Refuses},
		"a parameter's base type":       {changed(t, shapes, `name="why" baseType="STRING"`, `name="why" baseType="TXT"`), shapes + `:4: ThingShapes/Pumping: service "Stop": parameter "why" has the base type "TXT"`, Refuses},
		"a result's base type":          {changed(t, shapes, `<ResultType baseType="STRING"/>`, `<ResultType baseType="TXT"/>`), shapes + `:3: ThingShapes/Pumping: the result of service "Stop" has the base type "TXT"`, Refuses},
		"a service twice":               {changed(t, shapes, `<ServiceDefinitions>`, "<ServiceDefinitions><ServiceDefinition name=\"Stop\"/>\n"), shapes + `:4: ThingShapes/Pumping: service "Stop" stands there twice`, Refuses},
		"a service that nobody does":    {changed(t, templates, `<RemoteServiceBinding name="Restart"/>`, ""), templates + `:3: ThingTemplates/Pump: service "Restart" has neither an implementation nor a remote binding`, KeepsBroken},
		"a service of SQL":              {changed(t, shapes, `handlerName="Script"`, `handlerName="SQLQuery"`), shapes + `:3: ThingShapes/Pumping: service "Stop" is carried out by SQLQuery`, Takes},
		"Java":                          {changed(t, shapes, `<ThingShape name="Pumping"`, `<ThingShape className="org.example.Pumping" name="Pumping"`), shapes + `:1: ThingShapes/Pumping: className is "org.example.Pumping"`, Takes},
		"a local binding":               {changed(t, things, "</Thing>", `<PropertyBindings><PropertyBinding name="speed" sourceThingName="Other" sourceName="s"/></PropertyBindings></Thing>`), things + `:5: Things/Pump1: property "speed" is bound to property "s" of "Other"`, Takes},
		"a push type":                   {changed(t, templates, "<RemoteServiceBindings>", `<RemotePropertyBindings><RemotePropertyBinding name="speed" pushType="SOMETIMES"/></RemotePropertyBindings><RemoteServiceBindings>`), templates + `:4: ThingTemplates/Pump: pushType is "SOMETIMES"`, Refuses},
		"a right":                       {changed(t, templates, "<ServiceInvoke>", "<ServiceCall>"), templates + `:6: not XML: element <ServiceCall> closed by </ServiceInvoke>`, Refuses},
		"a number that is none":         {changed(t, things, "3.5", "much"), things + `:2: Things/Pump1: row 1 of configuration table "Limits": limit is no NUMBER`, Refuses},
		"JSON that is none":             {changed(t, things, `{"a":1}`, `{a}`), things + `:2: Things/Pump1: row 1 of configuration table "Limits": rules is not JSON`, Refuses},
		"two rows in a table of one":    {changed(t, things, "</Rows>", "<Row/></Rows>"), things + `:2: Things/Pump1: configuration table "Limits" has 2 rows, and isMultiRow is false`, Refuses},
		"a name with a slash":           {changed(t, things, `"Pump1"`, `"../Pump1"`), things + `:1: Things/../Pump1: the name "../Pump1" begins or ends with`, Refuses},
		"a name with a sign":            {changed(t, things, `"Pump1"`, `"Pump#1"`), things + `:1: Things/Pump#1: the name "Pump#1" has '#'`, Refuses},
		"the name me":                   {changed(t, things, `"Pump1"`, `"Me"`), things + `:1: Things/Me: the name "Me" is reserved`, Refuses},
		"a subscription to nothing":     {changed(t, shapes, "</ThingShape>", `<Subscriptions><Subscription name="S"/></Subscriptions></ThingShape>`), shapes + `:10: ThingShapes/Pumping: subscription "S" names no event`, Refuses},
		"a subscription to nobody":      {changed(t, shapes, "</ThingShape>", `<Subscriptions><Subscription name="S" eventName="E" source="X" sourceType="Thing"/></Subscriptions></ThingShape>`), shapes + `:10: ThingShapes/Pumping: subscription "S" has the source "X", which is neither`, Refuses},
		"a subscription without a body": {changed(t, shapes, "</ThingShape>", `<Subscriptions><Subscription name="S" eventName="E"/></Subscriptions></ThingShape>`), shapes + `:10: ThingShapes/Pumping: subscription "S" has no implementation`, KeepsBroken},
	} {
		t.Run(name, func(t *testing.T) {
			if found := problems(t, c.files, bare()); !has(found, c.want, c.silent) {
				t.Errorf("got\n%v\nwant\n%s", Problems(found), c.want)
			}
		})
	}
}

func TestATimerWithoutAUserNeverRuns(t *testing.T) {
	timer := func(user string) map[string]string {
		files := good()
		files["Entities/Things/Tick.xml"] = `<Entities><Things><Thing name="Tick" thingTemplate="Timer"><ConfigurationTables><ConfigurationTable name="Settings">
<Rows><Row><updateRate>1000</updateRate><runAsUser>` + user + `</runAsUser></Row></Rows></ConfigurationTable></ConfigurationTables></Thing></Things></Entities>`
		return files
	}
	if found := problems(t, timer("System"), bare()); len(found) > 0 {
		t.Error(Problems(found))
	}
	if found := problems(t, timer(""), bare()); !has(found, "Entities/Things/Tick.xml:1: Things/Tick: a Timer without runAsUser in its table Settings never runs its handlers", KeepsBroken) {
		t.Error(Problems(found))
	}
	if found := problems(t, timer("nobody"), bare()); !has(found, `Entities/Things/Tick.xml:1: Things/Tick: runAsUser names the user "nobody", which is neither`, Refuses) {
		t.Error(Problems(found))
	}
}

func TestEntitiesOfOthersAreLeftAlone(t *testing.T) {
	p := readOne(t, good())
	loose, err := ReadXML("Pump1.xml", []byte(thing))
	if err != nil {
		t.Fatal(err)
	}
	editable, err := ReadXML("Pump1.xml", []byte(strings.Replace(thing, "<Thing name", `<Thing aspect.isEditableExtensionObject="true" name`, 1)))
	if err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		p     *Package
		owner string
		want  string
	}{
		"a package over itself":                    {p, "plant", ""},
		"a package over another one":               {p, "ptc-plant", "Things/Pump1: the entity belongs to the package ptc-plant, which is installed"},
		"a package over what somebody made":        {p, "", "Things/Pump1: the platform has an entity of this name, which no package brought"},
		"an export over what somebody made":        {loose, "", ""},
		"an export over a sealed entity":           {loose, "plant", "Things/Pump1: the entity belongs to the package plant"},
		"an export over an entity to be edited":    {editable, "plant", ""},
		"an export over one of another collection": {loose, "plant", "Things/Pump1: the entity belongs"},
	} {
		t.Run(name, func(t *testing.T) {
			known := bare()
			maps.Copy(known.entities, map[string]string{"Things/Pump1": c.owner, "ThingTemplates/Pump": "", "Projects/Plant": "", "DataShapes/Settings": ""})
			if c.p == p {
				maps.Copy(known.entities, map[string]string{"ThingTemplates/Pump": "plant", "Projects/Plant": "plant", "DataShapes/Settings": "plant"})
			}
			known.tables = append(known.tables, "ThingTemplates/Pump/Limits")
			found := Check(c.p, known, compile)
			if c.want == "" && len(found) > 0 || c.want != "" && !strings.Contains(Problems(found).Error(), c.want) {
				t.Errorf("got %v, want %q", Problems(found), c.want)
			}
		})
	}
}

func TestVersionsDecideWhatAPackageMayReplace(t *testing.T) {
	for name, c := range map[string]struct{ installed, base, want string }{
		"nothing is there":      {"", "1.0.0", ""},
		"an older one":          {"1.1.9", "1.0.0", ""},
		"the same":              {"1.2.0", "1.0.0", ""},
		"a newer one":           {"1.10.0", "1.0.0", "version 1.10.0 of plant is installed"},
		"the base is too old":   {"", "0.9.9", "the package depends on base 1.0.0, and version 0.9.9 is installed"},
		"the base is newer":     {"", "2.0.0", ""},
		"the base has a build":  {"", "1.0.0-b12", ""},
		"the base is not there": {"", "", "the package depends on base 1.0.0, which is not installed"},
	} {
		t.Run(name, func(t *testing.T) {
			known := bare()
			for pkg, version := range map[string]string{"plant": c.installed, "base": c.base} {
				if version != "" {
					known.packages[pkg] = version
				}
			}
			found := problems(t, changed(t, "metadata.xml", `dependsOn=""`, `dependsOn="base:1.0.0"`), known)
			if c.want == "" && len(found) > 0 || c.want != "" && !has(found, "metadata.xml:3: "+c.want, Refuses) {
				t.Errorf("got %v, want %q", Problems(found), c.want)
			}
		})
	}
}

// An upgrade takes away what the package no longer brings, so nothing may refer to it.
func TestAnUpgradeDoesNotFindWhatItTakesAway(t *testing.T) {
	known := bare()
	known.entities["DataShapes/Started"] = "plant"
	files := good()
	delete(files, "Entities/DataShapes/Started.xml")
	if found := problems(t, files, known); !has(found, `Entities/ThingShapes/Pumping.xml:5: ThingShapes/Pumping: event "Started" has the data shape "Started", which is neither`, Refuses) {
		t.Error(Problems(found))
	}
}

func TestThePackagesOfABundleKnowEachOther(t *testing.T) {
	first := good()
	second := map[string]string{
		"metadata.xml":              strings.NewReplacer(`name="plant"`, `name="more"`, `dependsOn=""`, `dependsOn="plant:1.2.0"`).Replace(meta),
		"Entities/Things/Pump2.xml": strings.NewReplacer("Pump1", "Pump2").Replace(thing),
	}
	packages, err := Read(pack(t, map[string]string{"a-more.zip": string(pack(t, second)), "b-plant.zip": string(pack(t, first)), "README.md": "x"}))
	if err != nil {
		t.Fatal(err)
	}
	names := []string{packages[0].Info.Name, packages[1].Info.Name}
	if !slices.Equal(names, []string{"plant", "more"}) {
		t.Fatalf("the order is %q", names)
	}
	if found := Check(packages[1], bare(), compile); !has(found, "metadata.xml:3: the package depends on plant 1.2.0, which is not installed", Refuses) {
		t.Error(Problems(found))
	}
	if found := Check(packages[1], With(bare(), packages[0]), compile); len(found) > 0 {
		t.Error(Problems(found))
	}
	if found := Check(packages[0], With(bare(), packages[0]), compile); len(found) > 0 {
		t.Errorf("again over itself: %v", Problems(found))
	}
}

func TestPrincipalsMustBeThere(t *testing.T) {
	files := func(xml string) map[string]string {
		all := good()
		all["Entities/X.xml"] = "<Entities>\n" + xml + "</Entities>"
		return all
	}
	org := func(connections, units string) string {
		return `<Organizations><Organization name="Org"><Connections>` + connections + `</Connections><OrganizationalUnits>` + units + `</OrganizationalUnits></Organization></Organizations>`
	}
	root := `<Connection from="" to="Root"/>`
	for name, c := range map[string]struct {
		xml, want string
		silent    Silence
	}{
		"a member":                 {`<Groups><Group name="G"><Members><Members><Member name="x" type="User"/></Members></Members></Group></Groups>`, `Groups/G: the user "x" is neither`, Drops},
		"a member of another type": {`<Groups><Group name="G"><Members><Member name="x" type="Users"/></Members></Group></Groups>`, `Groups/G: the principal "x" has the type "Users"`, Refuses},
		"a unit's member":          {org(root, `<OrganizationalUnit name="Root"><Members><Member name="x" type="Group"/></Members></OrganizationalUnit>`), `Organizations/Org: the group "x" is neither`, Drops},
		"two roots":                {org(root, `<OrganizationalUnit name="Root"/><OrganizationalUnit name="Other"/>`), `Organizations/Org: the unit "Other" hangs nowhere`, Refuses},
		"a unit below nothing":     {org(root+`<Connection from="X" to="Leaf"/>`, `<OrganizationalUnit name="Root"/><OrganizationalUnit name="Leaf"/>`), `Organizations/Org: the unit "Leaf" hangs below "X"`, Refuses},
		"a ring of units":          {org(`<Connection from="B" to="A"/><Connection from="A" to="B"/>`, `<OrganizationalUnit name="A"/><OrganizationalUnit name="B"/>`), `Organizations/Org: the unit "A" hangs below itself`, Refuses},
		"visibility":               {`<Users><User name="u"><VisibilityPermissions><Visibility><Principal name="Org:Unit" type="OrganizationalUnit"/></Visibility></VisibilityPermissions></User></Users>`, `Users/u: the organizationalunit "Org:Unit" is neither`, Drops},
		"visibility for a group":   {`<Users><User name="u"><VisibilityPermissions><Visibility><Principal name="Administrators" type="Group"/></Visibility></VisibilityPermissions></User></Users>`, `Users/u: the principal "Administrators" has the type "Group"`, Refuses},
		"an unknown right":         {`<Users><User name="u"><RunTimePermissions><Permissions><Call><Principal name="Administrators" type="Group"/></Call></Permissions></RunTimePermissions></User></Users>`, `Users/u: a permission names the right "Call"`, Refuses},
	} {
		t.Run(name, func(t *testing.T) {
			if found := problems(t, files(c.xml), bare()); !has(found, "Entities/X.xml:2: "+c.want, c.silent) {
				t.Errorf("got\n%v\nwant\n%s", Problems(found), c.want)
			}
		})
	}
	if found := problems(t, files(org(root, `<OrganizationalUnit name="Root"><Members><Member name="System" type="User"/></Members></OrganizationalUnit>`)), bare()); len(found) > 0 {
		t.Error(Problems(found))
	}
}

func TestATemplateMayNotStandTooHigh(t *testing.T) {
	files := good()
	var xml strings.Builder
	for i := range 102 {
		fmt.Fprintf(&xml, `<ThingTemplate name="T%d" baseThingTemplate="T%d"/>`, i, i+1)
	}
	files["Entities/T.xml"] = "<Entities><ThingTemplates>" + xml.String() + `<ThingTemplate name="T102" baseThingTemplate="GenericThing"/></ThingTemplates></Entities>`
	if found := problems(t, files, bare()); !has(found, `Entities/T.xml:1: ThingTemplates/T0: the base templates of "T0" lead back to it, or are more than 100`, Refuses) {
		t.Error(Problems(found))
	}
}

func TestNoMoreThanAThousandProblemsAreTold(t *testing.T) {
	files := good()
	files["Entities/X.xml"] = "<Entities><Groups><Group name=\"G\"><Members>" + strings.Repeat(`<Member name="x" type="User"/>`, 1500) + "</Members></Group></Groups></Entities>"
	found := problems(t, files, bare())
	if len(found) != 1001 || found[1000].Reason != "there are more problems than 1000" {
		t.Errorf("%d problems, the last is %v", len(found), found[len(found)-1])
	}
	if _, ok := Silently(&Package{}, found); ok {
		t.Error("it is taken, and nobody knows what is lost")
	}
}
