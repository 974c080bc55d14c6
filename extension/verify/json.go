package verify

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"azx/extension/entity"
)

// What GET <Collection>/<Name> gives as JSON, as entities of a 9.x platform look that a public project keeps for its tests.
// Lists of members are objects by name. This file is the one place that depends on it.
type jsonEntity struct {
	jsonShape // of a ThingShape
	jsonPermissions

	Name              string                    `json:"name"`
	ProjectName       string                    `json:"projectName"`
	Aspects           map[string]any            `json:"aspects"`
	FieldDefinitions  map[string]jsonField      `json:"fieldDefinitions"`
	ThingTemplate     string                    `json:"thingTemplate"`
	BaseThingTemplate string                    `json:"baseThingTemplate"`
	ValueStream       string                    `json:"valueStream"`
	Enabled           any                       `json:"enabled"` // a text on some platforms
	Shapes            map[string]any            `json:"implementedShapes"`
	ThingShape        *jsonShape                `json:"thingShape"`
	Definitions       map[string]jsonDefinition `json:"configurationTableDefinitions"`
	Tables            map[string]jsonTable      `json:"configurationTables"`
	RemoteProperties  map[string]jsonBinding    `json:"remotePropertyBindings"`
	RemoteServices    map[string]jsonBinding    `json:"remoteServiceBindings"`
	RemoteEvents      map[string]jsonBinding    `json:"remoteEventBindings"`
	PackageVersion    string                    `json:"packageVersion"`
}

type jsonShape struct {
	Properties      map[string]jsonField          `json:"propertyDefinitions"`
	Services        map[string]jsonService        `json:"serviceDefinitions"`
	Events          map[string]jsonEvent          `json:"eventDefinitions"`
	Implementations map[string]jsonImplementation `json:"serviceImplementations"`
	Subscriptions   map[string]jsonSubscription   `json:"subscriptions"`
}

type jsonField struct {
	Name     string         `json:"name"`
	BaseType string         `json:"baseType"`
	Aspects  map[string]any `json:"aspects"`
}

type jsonService struct {
	Parameters    map[string]jsonField `json:"parameterDefinitions"`
	Result        jsonField            `json:"resultType"`
	Aspects       map[string]any       `json:"aspects"`
	AllowOverride any                  `json:"isAllowOverride"`
	Private       any                  `json:"isPrivate"`
}

type jsonEvent struct {
	DataShape string `json:"dataShape"`
}

type jsonImplementation struct {
	Handler string               `json:"handlerName"`
	Tables  map[string]jsonTable `json:"configurationTables"`
}

type jsonSubscription struct {
	Event          string             `json:"eventName"`
	SourceType     string             `json:"sourceType"`
	Source         string             `json:"source"`
	Property       string             `json:"sourceProperty"`
	Enabled        any                `json:"enabled"`
	Implementation jsonImplementation `json:"serviceImplementation"`
}

type jsonDefinition struct {
	DataShape string `json:"dataShapeName"`
	MultiRow  any    `json:"isMultiRow"`
}

type jsonTable struct {
	DataShapeName string           `json:"dataShapeName"`
	MultiRow      any              `json:"isMultiRow"`
	Rows          []map[string]any `json:"rows"`
	DataShape     struct {
		Fields map[string]jsonField `json:"fieldDefinitions"`
	} `json:"dataShape"`
}

type jsonBinding struct {
	SourceName string         `json:"sourceName"`
	PushType   string         `json:"pushType"`
	FoldType   string         `json:"foldType"`
	Timeout    float64        `json:"timeout"`
	Queue      any            `json:"enableQueue"`
	Aspects    map[string]any `json:"aspects"`
}

type jsonPermissions struct {
	RunTime            jsonRights                 `json:"runTimePermissions"`
	InstanceRunTime    jsonRights                 `json:"instanceRunTimePermissions"`
	DesignTime         map[string][]jsonPrincipal `json:"designTimePermissions"`
	InstanceDesignTime map[string][]jsonPrincipal `json:"instanceDesignTimePermissions"`
	Visibility         jsonVisibility             `json:"visibilityPermissions"`
	InstanceVisibility jsonVisibility             `json:"instanceVisibilityPermissions"`
}

type jsonRights struct {
	Permissions []map[string]json.RawMessage `json:"permissions"`
}

type jsonVisibility struct {
	Visibility []jsonPrincipal `json:"Visibility"`
}

type jsonPrincipal struct {
	Name      string `json:"name"`
	Type      string `json:"type"`
	Permitted any    `json:"isPermitted"`
}

// parseJSON makes a set of one entity. What it cannot tell of groups and organizations is not in it.
func parseJSON(collection string, data []byte) (*entity.Set, error) {
	var e jsonEntity
	if err := json.Unmarshal(data, &e); err != nil {
		return nil, fmt.Errorf("read the JSON of an entity: %w", err)
	}
	c := entity.Common{Name: e.Name, Project: e.ProjectName, Aspects: texts(e.Aspects), Permissions: e.jsonPermissions.convert()}
	s := &entity.Set{}
	switch collection {
	case "Projects":
		s.Projects = []entity.Project{{Common: c, Version: e.PackageVersion}}
	case "DataShapes":
		s.DataShapes = []entity.DataShape{{Common: c, Fields: fields(e.FieldDefinitions)}}
	case "ThingShapes":
		s.ThingShapes = []entity.ThingShape{{Common: c, Members: e.members(e.jsonShape)}}
	case "ThingTemplates":
		s.ThingTemplates = []entity.ThingTemplate{{Common: c, Members: e.members(e.inner()), Base: e.BaseThingTemplate, ValueStream: e.ValueStream,
			Shapes: slices.Sorted(maps.Keys(e.Shapes)), Definitions: e.definitions(), Tables: e.tables()}}
	case "Things":
		s.Things = []entity.Thing{{Common: c, Members: e.members(e.inner()), Template: e.ThingTemplate, ValueStream: e.ValueStream,
			Enabled: textOf(e.Enabled) != "false", Shapes: slices.Sorted(maps.Keys(e.Shapes)), Definitions: e.definitions(), Tables: e.tables()}}
	case "Groups":
		s.Groups = []entity.Group{{Common: c}}
	case "Organizations":
		s.Organizations = []entity.Organization{{Common: c}}
	case "Users":
		s.Users = []entity.User{{Common: c, Enabled: textOf(e.Enabled) != "false"}}
	default:
		s.Documents = []entity.Document{{Common: c, Collection: collection}}
	}
	return s, nil
}

func (e *jsonEntity) inner() jsonShape {
	if e.ThingShape == nil {
		return jsonShape{}
	}
	return *e.ThingShape
}

func (e *jsonEntity) members(s jsonShape) entity.Members {
	m := entity.Members{}
	for _, f := range fields(s.Properties) {
		m.Properties = append(m.Properties, entity.Property{Field: f})
	}
	for name, d := range sorted(s.Services) {
		service := entity.Service{Name: name, Aspects: texts(d.Aspects), AllowOverride: textOf(d.AllowOverride) == "true",
			Private: textOf(d.Private) == "true", Result: field(d.Result), Parameters: fields(d.Parameters)}
		service.Handler, service.Code = s.Implementations[name].script()
		m.Services = append(m.Services, service)
	}
	for name, d := range sorted(s.Events) {
		m.Events = append(m.Events, entity.Event{Name: name, DataShape: d.DataShape})
	}
	for name, d := range sorted(s.Subscriptions) {
		sub := entity.Subscription{Name: name, Enabled: textOf(d.Enabled) != "false", Event: d.Event, SourceType: d.SourceType, Source: d.Source, Property: d.Property}
		sub.Handler, sub.Code = d.Implementation.script()
		m.Subscriptions = append(m.Subscriptions, sub)
	}
	for name, b := range sorted(e.RemoteProperties) {
		m.RemoteProperties = append(m.RemoteProperties, entity.RemoteProperty{Name: name, SourceName: b.SourceName, PushType: b.PushType,
			FoldType: b.FoldType, Timeout: int(b.Timeout), StartType: textOf(b.Aspects["startType"])})
	}
	for name, b := range sorted(e.RemoteServices) {
		m.RemoteServices = append(m.RemoteServices, entity.RemoteService{Name: name, SourceName: b.SourceName, Timeout: int(b.Timeout), Queue: textOf(b.Queue) == "true"})
	}
	for name, b := range sorted(e.RemoteEvents) {
		m.RemoteEvents = append(m.RemoteEvents, entity.RemoteEvent{Name: name, SourceName: b.SourceName})
	}
	return m
}

// script gives the handler, and the code if it is one of scripts.
func (i jsonImplementation) script() (handler, code string) {
	if rows := i.Tables["Script"].Rows; len(rows) > 0 {
		code = strings.TrimSpace(textOf(rows[0]["code"]))
	}
	return i.Handler, code
}

func (e *jsonEntity) definitions() (found []entity.TableDefinition) {
	for name, d := range sorted(e.Definitions) {
		found = append(found, entity.TableDefinition{Name: name, DataShape: d.DataShape, MultiRow: textOf(d.MultiRow) == "true"})
	}
	return found
}

func (e *jsonEntity) tables() (found []entity.Table) {
	for name, t := range sorted(e.Tables) {
		table := entity.Table{Name: name, DataShape: t.DataShapeName, MultiRow: textOf(t.MultiRow) == "true", Fields: fields(t.DataShape.Fields)}
		for _, row := range t.Rows {
			table.Rows = append(table.Rows, texts(row))
		}
		found = append(found, table)
	}
	return found
}

func (p jsonPermissions) convert() entity.Permissions {
	return entity.Permissions{
		RunTime: p.RunTime.grants(), InstanceRunTime: p.InstanceRunTime.grants(),
		DesignTime: grants("*", p.DesignTime), InstanceDesignTime: grants("*", p.InstanceDesignTime),
		Visibility: p.Visibility.principals(), InstanceVisibility: p.InstanceVisibility.principals(),
	}
}

func (r jsonRights) grants() (found []entity.Grant) {
	for _, p := range r.Permissions {
		resource, rights := "*", map[string][]jsonPrincipal{}
		for name, raw := range p {
			var principals []jsonPrincipal
			if name == "resourceName" {
				_ = json.Unmarshal(raw, &resource) // something else than a text stays "*"
			} else if json.Unmarshal(raw, &principals) == nil {
				rights[name] = principals
			}
		}
		found = append(found, grants(resource, rights)...)
	}
	return found
}

func grants(resource string, rights map[string][]jsonPrincipal) (found []entity.Grant) {
	for right, principals := range sorted(rights) {
		for _, p := range principals {
			found = append(found, entity.Grant{Resource: resource, Right: right, Principal: entity.Principal{Name: p.Name, Type: p.Type}, Permitted: textOf(p.Permitted) == "true"})
		}
	}
	return found
}

func (v jsonVisibility) principals() (found []entity.Principal) {
	for _, p := range v.Visibility {
		if textOf(p.Permitted) == "true" {
			found = append(found, entity.Principal{Name: p.Name, Type: p.Type})
		}
	}
	return found
}

func fields(byName map[string]jsonField) (found []entity.Field) {
	for name, f := range sorted(byName) {
		f.Name = name
		found = append(found, field(f))
	}
	return found
}

func field(f jsonField) entity.Field {
	return entity.Field{Name: f.Name, BaseType: f.BaseType, Aspects: texts(f.Aspects)}
}

// texts makes the values of an object texts, as XML has them.
func texts(values map[string]any) map[string]string {
	found := make(map[string]string, len(values))
	for name, v := range values {
		found[name] = textOf(v)
	}
	return found
}

// textOf is the text of a JSON value: that of a string itself, else its JSON; of null "".
func textOf(v any) string {
	switch v := v.(type) {
	case nil:
		return ""
	case string:
		return v
	case bool:
		return strconv.FormatBool(v)
	case float64:
		return strconv.FormatFloat(v, 'f', -1, 64)
	}
	data, err := json.Marshal(v)
	if err != nil {
		return ""
	}
	return string(data)
}

// sorted goes through a map in the order of its keys.
func sorted[V any](m map[string]V) func(func(string, V) bool) {
	return func(yield func(string, V) bool) {
		for _, k := range slices.Sorted(maps.Keys(m)) {
			if !yield(k, m[k]) {
				return
			}
		}
	}
}
