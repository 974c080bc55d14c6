package entity

func (p *parser) tableDefinitions(n *node) []TableDefinition {
	var found []TableDefinition
	for _, d := range n.all("ConfigurationTableDefinitions", "ConfigurationTableDefinition") {
		found = append(found, TableDefinition{
			Name:        d.attr("name"),
			DataShape:   d.attr("dataShapeName"),
			Description: d.attr("description"),
			Category:    d.attr("category"),
			MultiRow:    p.flag(d, "isMultiRow", false),
			Hidden:      p.flag(d, "isHidden", false),
			Ordinal:     int(p.number(d, "ordinal")),
			Pos:         p.pos(d),
		})
	}
	return found
}

func (p *parser) tables(n *node) []Table {
	var found []Table
	for _, t := range n.all("ConfigurationTables", "ConfigurationTable") {
		table := Table{
			Name:      t.attr("name"),
			DataShape: t.attr("dataShapeName"),
			MultiRow:  p.flag(t, "isMultiRow", false),
			Pos:       p.pos(t),
		}
		if shape := t.child("DataShape"); shape != nil {
			table.Fields = p.fields(shape.all("FieldDefinitions", "FieldDefinition"))
		}
		for _, row := range t.all("Rows", "Row") {
			table.Rows = append(table.Rows, p.row(table, row))
		}
		found = append(found, table)
	}
	return found
}

// row reads the cells of a row. A real platform takes values of JSON and INFOTABLE only in their wrappers (read of JSON,
// inferred of INFOTABLE).
func (p *parser) row(t Table, n *node) Row {
	types := map[string]string{}
	for _, f := range t.Fields {
		types[f.Name] = f.BaseType
	}
	row := Row{}
	for _, c := range n.children {
		text, wrapper := p.cell(c)
		switch base := types[c.name]; {
		case text == "" || wrapper != "" || base != "JSON" && base != "INFOTABLE":
			row[c.name] = text
		case base == "JSON":
			row[c.name] = "{}"
			p.drop(c, "the value of column %q in table %q is JSON without <json> around it, and becomes an empty object", c.name, t.Name)
		default:
			p.drop(c, "the value of column %q in table %q is an INFOTABLE without <infoTable> around it", c.name, t.Name)
		}
	}
	return row
}

// cell reads a value: its text, and the element that it is wrapped in, if any.
func (p *parser) cell(n *node) (text, wrapper string) {
	for _, c := range n.children {
		switch c.name {
		case "json":
			return c.trimmed(), c.name
		case "infoTable":
			return c.raw(p.source), c.name
		}
	}
	return n.trimmed(), ""
}

// permissions reads all kinds of permissions that an entity has.
func (p *parser) permissions(n *node) Permissions {
	return Permissions{
		DesignTime:         p.grants(n, "DesignTimePermissions"),
		RunTime:            p.grants(n, "RunTimePermissions"),
		Visibility:         p.visibility(n, "VisibilityPermissions"),
		InstanceDesignTime: p.grants(n, "InstanceDesignTimePermissions"),
		InstanceRunTime:    p.grants(n, "InstanceRunTimePermissions"),
		InstanceVisibility: p.visibility(n, "InstanceVisibilityPermissions"),
	}
}

// grants reads rights, which stand in <Permissions resourceName> at run time, and by themselves at design time.
func (p *parser) grants(n *node, kind string) []Grant {
	var found []Grant
	for _, c := range n.all(kind) {
		if c.name != "Permissions" {
			found = append(found, p.right(c, "*")...)
			continue
		}
		resource := c.attr("resourceName")
		if resource == "" {
			resource = "*"
		}
		for _, right := range c.children {
			found = append(found, p.right(right, resource)...)
		}
	}
	return found
}

func (p *parser) right(n *node, resource string) []Grant {
	var found []Grant
	for _, c := range n.children {
		if c.name == "Principal" {
			found = append(found, Grant{resource, n.name, Principal{c.attr("name"), c.attr("type")}, p.flag(c, "isPermitted", true)})
		}
	}
	return found
}

func (p *parser) visibility(n *node, kind string) []Principal {
	var found []Principal
	for _, c := range n.all(kind) {
		for _, grant := range p.right(c, "*") {
			if grant.Permitted {
				found = append(found, grant.Principal)
			}
		}
	}
	return found
}
