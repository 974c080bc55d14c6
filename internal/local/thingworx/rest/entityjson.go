package rest

import (
	"strconv"
	"strings"

	"azx/extension/entity"
	"azx/internal/local/thingworx"
)

// The JSON of an entity is that which a 9.x platform gave to a public project, as far as that shows it: members are objects by
// name, permissions lists by right. extension/verify reads the same form. Members that only Java has are not there.

// entityJSON is the definition of an entity.
func entityJSON(d *thingworx.Description) map[string]any {
	out := map[string]any{"name": d.Name, "description": d.Description, "documentationContent": d.Documentation,
		"projectName": d.Project, "tags": tagsJSON(d.Tags), "homeMashup": d.HomeMashup, "aspects": aspectsJSON(d.Aspects),
		"isSystemObject": d.System}
	permissionsJSON(out, &d.Permissions)
	switch e := d.Source.(type) {
	case entity.Thing:
		out["thingTemplate"], out["enabled"], out["published"] = e.Template, e.Enabled, e.Published
		out["identifier"], out["valueStream"] = e.Identifier, e.ValueStream
		out["implementedShapes"] = shapesJSON(e.Shapes)
		thingShapeJSON(out, &e.Members, &d.Effective)
		tablesJSON(out, d.Definitions, e.Tables)
	case entity.ThingTemplate:
		out["baseThingTemplate"], out["valueStream"] = e.Base, e.ValueStream
		out["implementedShapes"] = shapesJSON(e.Shapes)
		instancePermissionsJSON(out, &d.Permissions)
		thingShapeJSON(out, &e.Members, &d.Effective)
		tablesJSON(out, e.Definitions, e.Tables)
	case entity.ThingShape:
		for name, v := range shapeJSON(&e.Members) {
			out[name] = v
		}
		instancePermissionsJSON(out, &d.Permissions)
		bindingsJSON(out, &e.Members)
	case entity.DataShape:
		out["baseDataShape"], out["fieldDefinitions"] = e.Base, fieldsJSON(e.Fields)
	case entity.Project:
		out["packageVersion"] = e.Version
	case entity.User:
		out["enabled"] = e.Enabled
	case entity.Group:
		out["members"] = principalsJSON(e.Members)
	case entity.Organization:
		out["organizationalUnits"] = unitsJSON(e.Units)
	}
	return out
}

func tagsJSON(tags string) []map[string]string {
	out := []map[string]string{}
	for tag := range strings.SplitSeq(tags, ";") {
		if vocabulary, term, ok := strings.Cut(strings.TrimSpace(tag), ":"); ok {
			out = append(out, map[string]string{"vocabulary": vocabulary, "vocabularyTerm": term})
		}
	}
	return out
}

// aspectsJSON gives aspects of numbers and truth values as such.
func aspectsJSON(aspects map[string]string) map[string]any {
	out := make(map[string]any, len(aspects))
	for name, text := range aspects {
		out[name] = text
		switch name {
		case "cacheTime", "dataChangeThreshold", "minimumValue", "maximumValue":
			if n, err := strconv.ParseFloat(text, 64); err == nil && n-n == 0 { // NaN and the infinities have no JSON
				out[name] = n
			}
		case "defaultValue":
		default:
			if text == "true" || text == "false" {
				out[name] = text == "true"
			}
		}
	}
	return out
}

// shapesJSON is the shapes of a Thing or template itself, by name.
func shapesJSON(shapes []string) map[string]any {
	out := map[string]any{}
	for _, name := range shapes {
		out[name] = map[string]any{"name": name, "type": "ThingShape"}
	}
	return out
}

func permissionsJSON(out map[string]any, p *entity.Permissions) {
	out["runTimePermissions"] = rightsJSON(p.RunTime)
	out["designTimePermissions"] = designJSON(p.DesignTime)
	out["visibilityPermissions"] = map[string]any{"Visibility": principalsJSON(p.Visibility)}
}

func instancePermissionsJSON(out map[string]any, p *entity.Permissions) {
	out["instanceRunTimePermissions"] = rightsJSON(p.InstanceRunTime)
	out["instanceDesignTimePermissions"] = designJSON(p.InstanceDesignTime)
	out["instanceVisibilityPermissions"] = map[string]any{"Visibility": principalsJSON(p.InstanceVisibility)}
}

type principalJSON struct {
	Name      string `json:"name"`
	Type      string `json:"type"`
	Permitted bool   `json:"isPermitted"`
}

// rightsJSON groups grants by their resource, in the order in which those come first.
func rightsJSON(grants []entity.Grant) map[string]any {
	permissions := []map[string]any{}
	at := map[string]map[string]any{}
	for _, g := range grants {
		one := at[g.Resource]
		if one == nil {
			one = map[string]any{"resourceName": g.Resource}
			for _, right := range []string{"PropertyRead", "PropertyWrite", "ServiceInvoke", "EventInvoke", "EventSubscribe"} {
				one[right] = []principalJSON{}
			}
			at[g.Resource] = one
			permissions = append(permissions, one)
		}
		list, _ := one[g.Right].([]principalJSON)
		one[g.Right] = append(list, principalJSON{g.Principal.Name, g.Principal.Type, g.Permitted})
	}
	return map[string]any{"permissions": permissions}
}

func designJSON(grants []entity.Grant) map[string][]principalJSON {
	out := map[string][]principalJSON{"Create": {}, "Read": {}, "Update": {}, "Delete": {}, "Metadata": {}}
	for _, g := range grants {
		out[g.Right] = append(out[g.Right], principalJSON{g.Principal.Name, g.Principal.Type, g.Permitted})
	}
	return out
}

func principalsJSON(who []entity.Principal) []principalJSON {
	out := []principalJSON{}
	for _, p := range who {
		out = append(out, principalJSON{p.Name, p.Type, true})
	}
	return out
}

func unitsJSON(units []entity.Unit) []map[string]any {
	out := []map[string]any{}
	for _, u := range units {
		out = append(out, map[string]any{"name": u.Name, "parent": u.Parent, "members": principalsJSON(u.Members)})
	}
	return out
}

// tablesJSON adds definitions of configuration tables, and their rows.
func tablesJSON(out map[string]any, definitions []entity.TableDefinition, tables []entity.Table) {
	defined, rows := map[string]any{}, map[string]any{}
	for _, d := range definitions {
		defined[d.Name] = map[string]any{"name": d.Name, "dataShapeName": d.DataShape, "description": d.Description, "category": d.Category,
			"isMultiRow": d.MultiRow, "isHidden": d.Hidden, "ordinal": d.Ordinal}
	}
	for _, t := range tables {
		cells := []entity.Row{}
		cells = append(cells, t.Rows...)
		rows[t.Name] = map[string]any{"name": t.Name, "dataShapeName": t.DataShape, "isMultiRow": t.MultiRow,
			"dataShape": map[string]any{"fieldDefinitions": fieldsJSON(t.Fields)}, "rows": cells}
	}
	out["configurationTableDefinitions"], out["configurationTables"] = defined, rows
}
