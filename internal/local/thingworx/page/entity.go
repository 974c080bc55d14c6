package page

import (
	"net/http"
	"strconv"
	"strings"

	"azx/extension/entity"
	"azx/internal/local/thingworx"
)

// entityView is an entity of any collection but a Thing.
type entityView struct {
	frame
	Head
	About      []fact
	Properties []member
	Services   []member
	Events     []member
	Scripts    []scripted
	Tables     []member
	Fields     []member
	Members    []member // of a group or organization
	XML        string
}

// Head is the top of the page of an entity.
type Head struct {
	Name, Kind, KindLink   string
	Description, Package   string
	PackageLink, Base      string // template that it is of or based on
	BaseLink               string
	Tabs                   []choice
	System                 bool
	IsThing                bool
	Enabled, Connected     bool
	Remote                 bool
	Gateway, GatewayLink   string
	State                  string // address that takes changes of a Thing's state
	NewLink                string // of the form for a Thing of this template
	PackageOwned, Deletion bool
}

// fact is a line about an entity.
type fact struct{ Name, Value, Link string }

// member is a property, service, event, table, field or member of a group.
type member struct {
	Name, Link, Type, Of, Description string
	Notes                             []string
	Code                              string
}

// target finds the entity that a path is about.
func (h *Handler) target(r *http.Request) (thingworx.EntityView, error) {
	kind := thingworx.EntityKind(r.PathValue("kind"))
	if kind == "" {
		kind = thingworx.EntityThing
	}
	if kind == thingworx.EntityApplicationKey {
		return thingworx.EntityView{}, thingworx.Refuse(thingworx.Forbidden, "application keys are not shown here, since this page needs none: use REST")
	}
	return h.platform.Entity(r.Context(), kind, r.PathValue("name"))
}

func (h *Handler) entity(w http.ResponseWriter, r *http.Request) {
	e, err := h.target(r)
	switch {
	case err != nil:
		h.fail(w, r, err)
		return
	case e.Kind == thingworx.EntityThing:
		h.thing(w, r)
		return
	}
	v := &entityView{frame: frame{Title: e.Name, Tab: "entities"}, Head: headOf(&e, "about")}
	v.About = aboutOf(&e.Common)
	v.source(e.Source)
	h.show(w, r, http.StatusOK, "entity", v)
}

func headOf(e *thingworx.EntityView, tab string) Head {
	head := Head{Name: e.Name, Kind: words(e.Kind), KindLink: wanted{kind: string(e.Kind)}.link(), Description: e.Description,
		Package: e.Package, System: e.System}
	if e.Package != "" {
		head.PackageLink = wanted{pkg: e.Package}.link()
	}
	if t, ok := e.Source.(entity.ThingTemplate); ok && t.Base != "" {
		head.Base, head.BaseLink = t.Base, linkTo(thingworx.EntityTemplate, t.Base)
	}
	if e.Kind == thingworx.EntityTemplate {
		head.NewLink = withQuery("/azx/page/new", "template", e.Name)
	}
	head.Tabs = []choice{
		{Name: "About", Link: linkTo(e.Kind, e.Name), Current: tab == "about"},
		{Name: "Services", Link: linkTo(e.Kind, e.Name, "services"), Current: tab == "services"},
	}
	return head
}

func aboutOf(c *entity.Common) []fact {
	var out []fact
	if c.Project != "" {
		out = append(out, fact{"Project", c.Project, wanted{project: c.Project}.link()})
	}
	for _, f := range []fact{{"Tags", c.Tags, ""}, {"Home mashup", c.HomeMashup, ""}, {"Documentation", c.Documentation, ""}} {
		if f.Value != "" {
			out = append(out, f)
		}
	}
	if n := len(c.Permissions.RunTime) + len(c.Permissions.InstanceRunTime); n > 0 {
		out = append(out, fact{"Run-time permissions", strconv.Itoa(n) + ", see its services for permissions", ""})
	}
	return out
}

// source fills in what entities of a collection have.
func (v *entityView) source(source any) {
	switch s := source.(type) {
	case entity.ThingTemplate:
		v.shapes(s.Shapes)
		v.members(&s.Members)
		for _, d := range s.Definitions {
			v.Tables = append(v.Tables, member{Name: d.Name, Type: rowsOf(d.MultiRow), Of: d.DataShape,
				Link: linkTo(thingworx.EntityDataShape, d.DataShape), Description: d.Description})
		}
	case entity.ThingShape:
		v.members(&s.Members)
	case entity.DataShape:
		for i := range s.Fields {
			v.Fields = append(v.Fields, fieldMember(&s.Fields[i]))
		}
	case entity.Group:
		v.principals(s.Members)
	case entity.Organization:
		for _, u := range s.Units {
			v.Members = append(v.Members, member{Name: u.Name, Type: "unit", Of: u.Parent})
			v.principals(u.Members)
		}
	case entity.Document:
		v.XML = strings.TrimSpace(s.XML)
	}
}

func rowsOf(multi bool) string {
	if multi {
		return "several rows"
	}
	return "one row"
}

func (v *entityView) shapes(names []string) {
	for _, name := range names {
		v.About = append(v.About, fact{"Shape", name, linkTo(thingworx.EntityShape, name)})
	}
}

func (v *entityView) principals(list []entity.Principal) {
	for _, p := range list {
		kind := thingworx.EntityUser
		if p.Type == "Group" {
			kind = thingworx.EntityGroup
		}
		v.Members = append(v.Members, member{Name: p.Name, Type: strings.ToLower(p.Type), Link: linkTo(kind, p.Name)})
	}
}

func (v *entityView) members(m *entity.Members) {
	remote := map[string]string{}
	for _, p := range m.RemoteProperties {
		remote[p.Name] = p.SourceName
	}
	for _, s := range m.RemoteServices {
		remote["service "+s.Name] = s.SourceName
	}
	for i := range m.Properties {
		p := fieldMember(&m.Properties[i].Field)
		if source, ok := remote[p.Name]; ok {
			p.Notes = append(p.Notes, "remote "+source)
		}
		v.Properties = append(v.Properties, p)
	}
	for i := range m.Services {
		s := &m.Services[i]
		out := member{Name: s.Name, Type: s.Result.BaseType, Description: s.Description, Code: s.Code, Of: s.Result.Aspects["dataShape"]}
		if source, ok := remote["service "+s.Name]; ok {
			out.Notes = append(out.Notes, "remote "+source)
		}
		for _, p := range s.Parameters {
			out.Notes = append(out.Notes, p.Name+" "+p.BaseType)
		}
		v.Services = append(v.Services, out)
	}
	for _, e := range m.Events {
		v.Events = append(v.Events, member{Name: e.Name, Of: e.DataShape, Link: linkTo(thingworx.EntityDataShape, e.DataShape), Description: e.Description})
	}
	for i := range m.Subscriptions {
		v.Scripts = append(v.Scripts, subscriptionOf(&m.Subscriptions[i]))
	}
}

func fieldMember(f *entity.Field) member {
	out := member{Name: f.Name, Type: f.BaseType, Description: f.Description, Of: f.Aspects["dataShape"]}
	for _, about := range []struct{ aspect, note string }{{"isPrimaryKey", "key"}, {"isRequired", "needed"}, {"isReadOnly", "read only"},
		{"isLogged", "logged"}, {"isPersistent", "persistent"}} {
		if f.Aspects[about.aspect] == "true" {
			out.Notes = append(out.Notes, about.note)
		}
	}
	if d := f.Aspects["defaultValue"]; d != "" && f.BaseType != "PASSWORD" {
		out.Notes = append(out.Notes, "default "+cut(d, mostCharacters))
	}
	return out
}
