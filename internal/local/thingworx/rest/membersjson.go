package rest

import "azx/extension/entity"

type fieldJSON struct {
	Name        string         `json:"name"`
	BaseType    string         `json:"baseType"`
	Description string         `json:"description"`
	Ordinal     int            `json:"ordinal"`
	Category    string         `json:"category,omitempty"`
	LocalOnly   bool           `json:"isLocalOnly,omitempty"`
	Aspects     map[string]any `json:"aspects"`
}

func oneFieldJSON(f *entity.Field) fieldJSON {
	return fieldJSON{Name: f.Name, BaseType: f.BaseType, Description: f.Description, Ordinal: f.Ordinal, Aspects: aspectsJSON(f.Aspects)}
}

func fieldsJSON(fields []entity.Field) map[string]fieldJSON {
	out := make(map[string]fieldJSON, len(fields))
	for i := range fields {
		out[fields[i].Name] = oneFieldJSON(&fields[i])
	}
	return out
}

// thingShapeJSON adds what a Thing or template defines itself, and that with what it inherits.
func thingShapeJSON(out map[string]any, own, effective *entity.Members) {
	out["thingShape"], out["effectiveShape"] = shapeJSON(own), shapeJSON(effective)
	bindingsJSON(out, own)
}

// shapeJSON is a set of characteristics.
func shapeJSON(m *entity.Members) map[string]any {
	properties := map[string]fieldJSON{}
	for i := range m.Properties {
		p := oneFieldJSON(&m.Properties[i].Field)
		p.Category, p.LocalOnly = m.Properties[i].Category, m.Properties[i].LocalOnly
		properties[p.Name] = p
	}
	services, implementations := map[string]any{}, map[string]any{}
	for i := range m.Services {
		s := &m.Services[i]
		services[s.Name] = map[string]any{"name": s.Name, "description": s.Description, "category": s.Category,
			"isAllowOverride": s.AllowOverride, "isLocalOnly": s.LocalOnly, "isOpen": s.Open, "isPrivate": s.Private,
			"aspects": aspectsJSON(s.Aspects), "resultType": oneFieldJSON(&s.Result), "parameterDefinitions": fieldsJSON(s.Parameters)}
		if s.Code != "" {
			implementations[s.Name] = scriptJSON(s.Name, s.Handler, s.Code)
		}
	}
	events, subscriptions := map[string]any{}, map[string]any{}
	for _, e := range m.Events {
		events[e.Name] = map[string]any{"name": e.Name, "dataShape": e.DataShape, "description": e.Description, "category": e.Category}
	}
	for _, s := range m.Subscriptions {
		one := map[string]any{"name": s.Name, "description": s.Description, "enabled": s.Enabled, "eventName": s.Event,
			"sourceType": s.SourceType, "source": s.Source, "sourceProperty": s.Property}
		if s.Code != "" {
			one["serviceImplementation"] = scriptJSON(s.Name, s.Handler, s.Code)
		}
		subscriptions[s.Name] = one
	}
	return map[string]any{"propertyDefinitions": properties, "serviceDefinitions": services, "serviceImplementations": implementations,
		"eventDefinitions": events, "subscriptions": subscriptions}
}

// scriptJSON is an implementation with its only configuration table.
func scriptJSON(name, handler, code string) map[string]any {
	table := map[string]any{"name": "Script", "isMultiRow": false, "rows": []map[string]string{{"code": code}}}
	return map[string]any{"name": name, "handlerName": handler, "configurationTables": map[string]any{"Script": table}}
}

func bindingsJSON(out map[string]any, m *entity.Members) {
	properties, services, events := map[string]any{}, map[string]any{}, map[string]any{}
	for _, b := range m.RemoteProperties {
		aspects := map[string]any{"cacheTime": b.CacheTime}
		if b.StartType != "" {
			aspects["startType"] = b.StartType
		}
		properties[b.Name] = map[string]any{"name": b.Name, "sourceName": b.SourceName, "pushType": b.PushType, "pushThreshold": b.PushThreshold,
			"foldType": b.FoldType, "timeout": b.Timeout, "aspects": aspects}
	}
	for _, b := range m.RemoteServices {
		services[b.Name] = map[string]any{"name": b.Name, "sourceName": b.SourceName, "timeout": b.Timeout, "enableQueue": b.Queue}
	}
	for _, b := range m.RemoteEvents {
		events[b.Name] = map[string]any{"name": b.Name, "sourceName": b.SourceName}
	}
	out["remotePropertyBindings"], out["remoteServiceBindings"], out["remoteEventBindings"] = properties, services, events
}
