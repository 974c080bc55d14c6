package entity

import (
	"maps"
	"slices"
	"strconv"
	"strings"
)

// definitions writes what stands in an inner <ThingShape>, or in a shape itself.
func (w *writer) definitions(m Members) {
	list(w, "PropertyDefinitions", m.Properties, func(p Property) {
		w.leaf("PropertyDefinition", p.attributes(attribute{"category", p.Category}, attribute{"isLocalOnly", yesNo(p.LocalOnly)})...)
	})
	list(w, "ServiceDefinitions", m.Services, w.service)
	list(w, "EventDefinitions", m.Events, func(e Event) {
		w.leaf("EventDefinition", attribute{"name", e.Name}, attribute{"description", e.Description}, attribute{"category", e.Category}, attribute{"dataShape", e.DataShape})
	})
	implemented := slices.DeleteFunc(slices.Clone(m.Services), func(s Service) bool { return s.Handler == "" })
	list(w, "ServiceImplementations", implemented, func(s Service) { w.implementation(s.Name, s.Handler, s.Code) })
	list(w, "Subscriptions", m.Subscriptions, func(s Subscription) {
		w.open("Subscription", attribute{"name", s.Name}, attribute{"description", s.Description}, attribute{"enabled", yesNo(s.Enabled)},
			attribute{"eventName", s.Event}, attribute{"sourceType", s.SourceType}, attribute{"source", s.Source}, attribute{"sourceProperty", s.Property})
		if s.Handler != "" {
			w.implementation(s.Name, s.Handler, s.Code)
		}
		w.shut("Subscription")
	})
}

func (w *writer) service(s Service) {
	w.open("ServiceDefinition", slices.Concat([]attribute{{"name", s.Name}, {"description", s.Description}, {"category", s.Category},
		{"isAllowOverride", yesNo(s.AllowOverride)}, {"isLocalOnly", yesNo(s.LocalOnly)}, {"isOpen", yesNo(s.Open)}, {"isPrivate", yesNo(s.Private)}}, aspects(s.Aspects))...)
	w.leaf("ResultType", s.Result.attributes()...)
	w.fields("ParameterDefinitions", s.Parameters)
	w.shut("ServiceDefinition")
}

func (w *writer) implementation(name, handler, code string) {
	w.open("ServiceImplementation", attribute{"name", name}, attribute{"handlerName", handler})
	if handler == "Script" {
		w.open("ConfigurationTables")
		w.open("ConfigurationTable", attribute{"name", "Script"}, attribute{"description", "Script"}, attribute{"isMultiRow", "false"}, attribute{"ordinal", "0"})
		w.open("DataShape")
		w.fields("FieldDefinitions", []Field{{Name: "code", BaseType: "STRING", Description: "code"}})
		w.shut("DataShape")
		w.text.WriteString("<Rows><Row><code>")
		w.cdata("\n" + code + "\n")
		w.text.WriteString("</code></Row></Rows>\n")
		w.shut("ConfigurationTable")
		w.shut("ConfigurationTables")
	}
	w.shut("ServiceImplementation")
}

// bindings writes what stands beside the definitions.
func (w *writer) bindings(m Members) {
	list(w, "PropertyBindings", m.LocalBindings, func(b LocalBinding) {
		w.leaf("PropertyBinding", attribute{"name", b.Name}, attribute{"sourceThingName", b.SourceThing}, attribute{"sourceName", b.SourceName})
	})
	list(w, "RemotePropertyBindings", m.RemoteProperties, func(b RemoteProperty) {
		w.leaf("RemotePropertyBinding", attribute{"name", b.Name}, attribute{"sourceName", b.SourceName}, attribute{"pushType", b.PushType},
			attribute{"pushThreshold", number(b.PushThreshold)}, attribute{"foldType", b.FoldType}, attribute{"timeout", strconv.Itoa(b.Timeout)},
			attribute{"aspect.cacheTime", number(b.CacheTime)}, attribute{"aspect.startType", b.StartType})
	})
	list(w, "RemoteServiceBindings", m.RemoteServices, func(b RemoteService) {
		w.leaf("RemoteServiceBinding", attribute{"name", b.Name}, attribute{"sourceName", b.SourceName}, attribute{"timeout", strconv.Itoa(b.Timeout)},
			attribute{"enableQueue", yesNo(b.Queue)})
	})
	list(w, "RemoteEventBindings", m.RemoteEvents, func(b RemoteEvent) {
		w.leaf("RemoteEventBinding", attribute{"name", b.Name}, attribute{"sourceName", b.SourceName})
	})
	list(w, "AlertConfigurations", m.Alerts, func(property string) { w.leaf("AlertDefinitions", attribute{"name", property}) })
}

func (w *writer) tables(definitions []TableDefinition, tables []Table) {
	list(w, "ConfigurationTableDefinitions", definitions, func(d TableDefinition) {
		w.leaf("ConfigurationTableDefinition", attribute{"name", d.Name}, attribute{"dataShapeName", d.DataShape}, attribute{"description", d.Description},
			attribute{"category", d.Category}, attribute{"isMultiRow", yesNo(d.MultiRow)}, attribute{"isHidden", yesNo(d.Hidden)}, attribute{"ordinal", strconv.Itoa(d.Ordinal)})
	})
	list(w, "ConfigurationTables", tables, func(t Table) {
		w.open("ConfigurationTable", attribute{"name", t.Name}, attribute{"dataShapeName", t.DataShape}, attribute{"isMultiRow", yesNo(t.MultiRow)})
		w.open("DataShape")
		w.fields("FieldDefinitions", t.Fields)
		w.shut("DataShape")
		list(w, "Rows", t.Rows, func(r Row) { w.row(t, r) })
		w.shut("ConfigurationTable")
	})
}

func (w *writer) row(t Table, r Row) {
	types := map[string]string{}
	for _, f := range t.Fields {
		types[f.Name] = f.BaseType
	}
	w.open("Row")
	for _, column := range slices.Sorted(maps.Keys(r)) {
		if isElementName(column) {
			w.cell(column, r[column], types[column])
		}
	}
	w.shut("Row")
}

// cell writes a value in the wrapper that its base type wants.
func (w *writer) cell(name, text, base string) {
	w.text.WriteString("<" + name + ">")
	switch {
	case text == "":
	case base == "JSON":
		w.text.WriteString("<json>")
		w.cdata(text)
		w.text.WriteString("</json>")
	case strings.HasPrefix(text, "<infoTable"):
		w.text.WriteString(text)
	default:
		w.cdata(text)
	}
	w.text.WriteString("</" + name + ">\n")
}

// permissions writes all kinds of them.
func (w *writer) permissions(p Permissions) {
	w.designTime("DesignTimePermissions", p.DesignTime)
	w.runTime("RunTimePermissions", p.RunTime)
	w.visibility("VisibilityPermissions", p.Visibility)
	w.designTime("InstanceDesignTimePermissions", p.InstanceDesignTime)
	w.runTime("InstanceRunTimePermissions", p.InstanceRunTime)
	w.visibility("InstanceVisibilityPermissions", p.InstanceVisibility)
}

func (w *writer) designTime(name string, grants []Grant) {
	list(w, name, grants, w.grant)
}

func (w *writer) runTime(name string, grants []Grant) {
	list(w, name, grants, func(g Grant) {
		w.open("Permissions", attribute{"resourceName", g.Resource})
		w.grant(g)
		w.shut("Permissions")
	})
}

func (w *writer) grant(g Grant) {
	w.open(g.Right)
	w.principal(g.Principal, g.Permitted)
	w.shut(g.Right)
}

func (w *writer) visibility(name string, principals []Principal) {
	list(w, name, principals, func(p Principal) {
		w.open("Visibility")
		w.principal(p, true)
		w.shut("Visibility")
	})
}

func (w *writer) principal(p Principal, permitted bool) {
	w.leaf("Principal", attribute{"isPermitted", yesNo(permitted)}, attribute{"name", p.Name}, attribute{"type", p.Type})
}
