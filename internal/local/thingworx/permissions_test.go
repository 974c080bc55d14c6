package thingworx

import (
	"context"
	"testing"

	"azx/alwayson/infotable"
)

// person makes a user and returns a context of calls on its behalf.
func person(t *testing.T, p *Platform, name string) context.Context {
	t.Helper()
	entities(t, p, "CreateUser", cell("name", text(name)))
	return WithCaller(t.Context(), Caller{User: name, Via: "test"})
}

// entities calls a service of EntityServices.
func entities(t *testing.T, p *Platform, service string, cells ...infotable.Cell) {
	t.Helper()
	_, err := p.Call(t.Context(), EntityResource, "EntityServices", service, infotable.OneRow(cells...))
	must(t, err)
}

// organization makes an organization of one user.
func organization(t *testing.T, p *Platform, name, member string) {
	t.Helper()
	entities(t, p, "CreateOrganization", cell("name", text(name)))
	_, err := p.Call(t.Context(), EntityOrganization, name, "AddMember",
		infotable.OneRow(cell("name", text(name)), cell("member", text(member))))
	must(t, err)
}

func TestAStrangerIsRefusedWithAReason(t *testing.T) {
	p := hubs(t, Options{})
	ctx := person(t, p, "stranger")
	const invisible = `that user stranger may see`
	_, err := p.Read(ctx, "dev-0", "n")
	refused(t, err, NotFound, invisible)
	refused(t, p.Set(ctx, "Pump-1", []Write{{Property: "mode", Value: text("x")}}), NotFound, invisible)
	refused(t, p.Push(ctx, "dev-0", []Write{{Property: "n", Value: num(1)}}), NotFound, invisible)
	refused(t, p.Fire(ctx, ConnectionServicesHub, EventThingNotFound, nil), NotFound, invisible)
	refused(t, p.Bind(ctx, &fakeEdge{name: "e"}, []string{"LocalHub"}), NotFound, invisible)
	refused(t, p.DeleteThing(ctx, "dev-0"), NotFound, invisible)
	refused(t, p.CreateThing(ctx, ThingSpec{Name: "mine", Template: TemplateGeneric}), Forbidden, "user stranger may not create Things: no grant")
	_, err = p.Call(ctx, EntityResource, "EntityServices", "CreateThing", infotable.OneRow(cell("name", text("x")), cell("thingTemplateName", text(TemplateGeneric))))
	refused(t, err, Forbidden, "user stranger may not invoke service CreateThing of Resources/EntityServices: no grant")
	_, err = p.Install(ctx, nil, InstallOptions{})
	refused(t, err, Forbidden, "user stranger is no administrator")
	if views, total := p.Things(ctx, "", 0); total != 0 || len(p.Entities(ctx, EntityGroup)) != 0 {
		t.Errorf("sees %v", views)
	}
	who, err := p.Call(ctx, EntityResource, "CurrentSessionInfo", "GetCurrentUser", nil)
	if err != nil || !who.First("result").Equal(text("stranger")) {
		t.Errorf("got %v, %v", who, err)
	}
}

func TestRightsAreThoseThatWereGranted(t *testing.T) {
	p := plant(t, Options{})
	ctx := person(t, p, "clerk")
	organization(t, p, "Office", "clerk")
	grant := func(kind EntityKind, name, service string, cells ...infotable.Cell) {
		t.Helper()
		_, err := p.Call(t.Context(), kind, name, service, infotable.OneRow(cells...))
		must(t, err)
	}
	to := []infotable.Cell{cell("principal", text("clerk")), cell("principalType", text("User"))}
	grant(EntityThing, "Pump-1", "AddVisibilityPermission", cell("principal", text("Office")), cell("principalType", text("Organization")))
	grant(EntityThing, "Pump-1", "AddRunTimePermission", append(to, cell("type", text("PropertyRead")), cell("resource", text("mode")))...)
	if v := mustSee(t, p, ctx, "Pump-1"); len(v.Properties) != 1 || v.Properties[0].Name != "mode" {
		t.Errorf("sees %+v", v.Properties)
	}
	_, err := p.Read(ctx, "Pump-1", "state")
	refused(t, err, Forbidden, "user clerk may not read property state of Thing Pump-1: no grant")
	write := []Write{{Property: "mode", Value: text("x")}}
	refused(t, p.Set(ctx, "Pump-1", write), Forbidden, "may not write property mode")
	grant(EntityTemplate, TemplateRemote, "AddInstanceRunTimePermission", append(to, cell("type", text("PropertyWrite")), cell("resource", text("*")))...)
	must(t, p.Set(ctx, "Pump-1", write))
	grant(EntityThing, "Pump-1", "AddRunTimePermission", append(to, cell("type", text("PropertyWrite")), cell("resource", text("mode")),
		cell("allow", infotable.Boolean(false)))...)
	refused(t, p.Set(ctx, "Pump-1", write), Forbidden, "user clerk is denied mode")
	grant(EntityThing, "Pump-1", "DeleteRunTimePermission", append(to, cell("type", text("PropertyWrite")), cell("resource", text("mode")))...)
	must(t, p.Set(ctx, "Pump-1", write))
	_, err = p.Call(ctx, EntityThing, "Pump-1", "GetPropertyValues", nil)
	refused(t, err, Forbidden, "may not invoke service GetPropertyValues")
	_, err = p.Call(t.Context(), EntityUser, "clerk", "DisableUser", nil)
	must(t, err)
	_, err = p.Read(ctx, "Pump-1", "mode")
	refused(t, err, NotFound, "that user clerk may see")
	_, err = p.Call(t.Context(), EntityThing, "Pump-1", "AddRunTimePermission", infotable.OneRow(append(to, cell("type", text("Everything")))...))
	refused(t, err, Invalid, `there is no right "Everything"`)
}

func mustSee(t *testing.T, p *Platform, ctx context.Context, name string) ThingView {
	t.Helper()
	v, err := p.Thing(ctx, name)
	must(t, err)
	return v
}

func TestAKeyWithTheGrantedRightsAloneIsEnoughForAConnector(t *testing.T) {
	p := hubs(t, Options{})
	ctx := person(t, p, "azx")
	_, err := p.Call(t.Context(), EntityGroup, "AzxConnectors", "AddMember", infotable.Single("member", text("azx")))
	must(t, err)
	_, err = p.Call(ctx, EntityThing, ConnectionServicesHub, "RegisterProtocolAdapter", infotable.Single("name", text("azx-1")))
	refused(t, err, NotFound, "that user azx may see")
	admin := WithCaller(t.Context(), Caller{User: "Administrator"})
	_, err = p.Call(admin, EntityThing, ConnectionServicesHub, "GrantConnectorPermissions", nil)
	must(t, err)
	_, err = p.Call(admin, EntityThing, "AzureServices", "GrantAzureConnectorPermissions", nil)
	must(t, err)

	call := func(kind EntityKind, entity, service string, cells ...infotable.Cell) *infotable.Table {
		t.Helper()
		got, err := p.Call(ctx, kind, entity, service, infotable.OneRow(cells...))
		must(t, err)
		return got
	}
	if got := call(EntitySubsystem, "PlatformSubsystem", "GetExtensionPackageList"); got.Len() != 2 {
		t.Errorf("packages %v", got.Rows)
	}
	call(EntityThing, ConnectionServicesHub, "RegisterProtocolAdapter", cell("name", text("azx-1")), cell("instanceId", text("i")))
	call(EntityThing, "AzureServices", "AddAdapterServices")
	if got := call(EntityThing, "LocalHub", "GetRoutingGroup"); !got.First("result").Equal(text("LocalHub")) {
		t.Errorf("routing group %v", got)
	}
	call(EntityThing, "LocalHub", "GetConfiguration")
	e := &fakeEdge{name: "e"}
	must(t, p.Bind(ctx, e, []string{"LocalHub", "azx-1"}))
	must(t, p.Push(ctx, "azx-1", []Write{{Property: "healthState", Value: text("healthy")}}))
	if got := call(EntityThing, "dev-0", "GetAzureRemoteProperties"); got.Len() != 1 {
		t.Errorf("remote properties %v", got.Rows)
	}
	call(EntityThing, "LocalHub", "Ping")
	must(t, p.Push(ctx, "dev-0", []Write{{Property: "n", Value: num(1)}}))
	must(t, p.Fire(ctx, ConnectionServicesHub, EventThingNotFound, infotable.Single("edgeIdentifier", text("new"))))
	must(t, p.Fire(ctx, "dev-0", eventMessageOutcome, outcome1("Success")))

	_, err = p.Call(ctx, EntityThing, "LocalHub", "SetConfigurationTable", infotable.OneRow(cell("tableName", text("RoutingSettings")),
		cell("configurationTable", infotable.FromTable(infotable.Single("routingGroup", text("x"))))))
	refused(t, err, Forbidden, "user azx may not invoke service SetConfigurationTable")
	refused(t, p.CreateThing(ctx, ThingSpec{Name: "mine", Template: TemplateGeneric}), Forbidden, "may not create")
	refused(t, p.DeleteThing(ctx, "dev-0"), Forbidden, "may not delete")
	_, err = p.Call(ctx, EntityResource, "EncryptionServices", "DecryptPropertyValue", infotable.Single("data", text("azx1:")))
	refused(t, err, Forbidden, "may not invoke service DecryptPropertyValue")
	refused(t, p.Push(ctx, "Pump-1", []Write{{Property: "temp", Value: num(1)}}), NotFound, "may see")
}

func TestMakingThingsIsGrantedByChoiceAlone(t *testing.T) {
	p := hubs(t, Options{})
	ctx := person(t, p, "azx")
	_, err := p.Call(t.Context(), EntityGroup, "AzxConnectors", "AddMember", infotable.Single("member", text("azx")))
	must(t, err)
	admin := WithCaller(t.Context(), Caller{User: "Administrator"})
	lacks := infotable.New(infotable.Column("name", tString), infotable.Column("baseType", tString))
	lacks.Add(text("extra"), text("NUMBER"))
	lacks.Add(text("n"), text("STRING")) // of dev-0, which has it as another type
	declare := infotable.OneRow(cell("properties", infotable.FromTable(lacks)))
	steps := []struct {
		kind            EntityKind
		entity, service string
		with            *infotable.Table
	}{
		{EntityResource, "EntityServices", "CreateThing", infotable.OneRow(cell("name", text("new-1")), cell("thingTemplateName", text("AzureIotThing")))},
		{EntityThing, "new-1", "EnableThing", nil},
		{EntityThing, "new-1", "DeclareRemoteProperties", declare},
		{EntityThing, "new-1", "DisableThing", nil},
		{EntityThing, "dev-0", "DeclareRemoteProperties", declare}, // somebody else's
		{EntityTemplate, "AzureIotThing", "GetInstancePropertyDefinitions", nil},
	}
	for _, more := range []bool{false, true} {
		_, err = p.Call(admin, EntityThing, "AzureServices", "GrantAzureConnectorPermissions", infotable.Single("manageThings", infotable.Boolean(more)))
		must(t, err)
		for _, s := range steps {
			if _, err := p.Call(ctx, s.kind, s.entity, s.service, s.with); (err == nil) != more {
				t.Errorf("with manageThings %t, %s of %s: %v", more, s.service, s.entity, err)
			}
		}
	}
	before, err := p.Thing(t.Context(), "dev-0")
	must(t, err)
	if n, _ := before.Property("n"); n.Type == tString {
		t.Error("a property that was there has changed")
	}
	if extra, ok := before.Property("extra"); !ok || extra.Type != tNumber || extra.Remote == nil || extra.Remote.EdgeName != "extra" {
		t.Errorf("the property is %+v", extra)
	}
	define := infotable.OneRow(cell("name", text("more")), cell("type", text("NUMBER")))
	_, err = p.Call(ctx, EntityThing, "dev-0", "AddPropertyDefinition", define)
	refused(t, err, Forbidden, "may not invoke service AddPropertyDefinition")
	_, err = p.Call(ctx, EntityResource, "EntityServices", "DeleteThing", infotable.Single("name", text("new-1")))
	refused(t, err, Forbidden, "may not invoke service DeleteThing")
	refused(t, p.DeleteThing(ctx, "dev-0"), Forbidden, "may not delete")
}

// TestWhoMadeAThingOwnsIt: the owner may all with it, whatever is denied to others, and until somebody else owns it (read).
func TestWhoMadeAThingOwnsIt(t *testing.T) {
	p := hubs(t, Options{})
	maker, other := person(t, p, "maker"), person(t, p, "other")
	to := func(allow bool, cells ...infotable.Cell) *infotable.Table {
		return infotable.OneRow(append(cells, cell("principal", text("maker")), cell("principalType", text("User")), cell("allow", infotable.Boolean(allow)))...)
	}
	_, err := p.Call(t.Context(), EntityResource, "CollectionFunctions", "AddCollectionDesignTimePermission",
		to(true, cell("collectionName", text("Things")), cell("type", text("Create"))))
	must(t, err)
	must(t, p.CreateThing(maker, ThingSpec{Name: "mine", Template: "AzureIotThing"}))
	for _, right := range []string{"Update", "Delete"} {
		_, err = p.Call(t.Context(), EntityThing, "mine", "AddDesignTimePermission", to(false, cell("type", text(right))))
		must(t, err)
	}
	_, err = p.Call(maker, EntityThing, "mine", "AddPropertyDefinition", infotable.OneRow(cell("name", text("n")), cell("type", text("NUMBER"))))
	must(t, err)
	refused(t, p.DeleteThing(other, "mine"), NotFound, "may see")
	organization(t, p, "Office", "other")
	_, err = p.Call(t.Context(), EntityThing, "mine", "AddVisibilityPermission", infotable.OneRow(cell("principal", text("Office")), cell("principalType", text("Organization"))))
	must(t, err)
	_, err = p.Call(t.Context(), EntityThing, "mine", "AddRunTimePermission",
		infotable.OneRow(cell("type", text("ServiceInvoke")), cell("resource", text("AddPropertyDefinition")), cell("principal", text("other")), cell("principalType", text("User"))))
	must(t, err)
	_, err = p.Call(other, EntityThing, "mine", "AddPropertyDefinition", infotable.OneRow(cell("name", text("more")), cell("type", text("NUMBER"))))
	refused(t, err, Forbidden, "user other may not change Thing mine: no grant")
	must(t, p.DeleteThing(maker, "mine"))
}
