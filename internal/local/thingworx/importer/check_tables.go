package importer

import (
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"azx/extension/entity"
)

func (c *checker) checkTables(collection, name string, definitions []entity.TableDefinition, tables []entity.Table) {
	checkTwice(c, "configuration table definition", definitions, func(d entity.TableDefinition) (string, entity.Pos) { return d.Name, d.Pos })
	for _, d := range definitions {
		if !c.exists("DataShapes", d.DataShape) {
			c.at(d.Pos, Drops, dropTable(collection, name, d.Name),
				"the definition of configuration table %q has the data shape %q, which is neither in the package nor on the platform", d.Name, d.DataShape)
		}
	}
	checkTwice(c, "configuration table", tables, func(t entity.Table) (string, entity.Pos) { return t.Name, t.Pos })
	for _, t := range tables {
		named := func(d entity.TableDefinition) bool { return d.Name == t.Name && c.exists("DataShapes", d.DataShape) }
		if t.Name != "" && !c.index.definesTable(c.known, collection, name, named, t.Name) {
			c.at(t.Pos, Drops, dropTable(collection, name, t.Name),
				"configuration table %q has no definition with a data shape, neither here nor in a template; write a <ConfigurationTableDefinition>", t.Name)
			continue
		}
		c.checkFields(fmt.Sprintf("configuration table %q: column", t.Name), t.Fields)
		c.checkRows(collection, name, t)
	}
}

// dropTable takes a table and its definition out of an entity.
func dropTable(collection, name, table string) func(*entity.Set) {
	return func(s *entity.Set) {
		visitTables(s, collection, name, func(definitions *[]entity.TableDefinition, tables *[]entity.Table) {
			*definitions = slices.DeleteFunc(*definitions, func(d entity.TableDefinition) bool { return d.Name == table })
			*tables = slices.DeleteFunc(*tables, func(t entity.Table) bool { return t.Name == table })
		})
	}
}

func visitTables(s *entity.Set, collection, name string, visit func(*[]entity.TableDefinition, *[]entity.Table)) {
	for i := range s.ThingTemplates {
		if collection == "ThingTemplates" && s.ThingTemplates[i].Name == name {
			visit(&s.ThingTemplates[i].Definitions, &s.ThingTemplates[i].Tables)
		}
	}
	for i := range s.Things {
		if collection == "Things" && s.Things[i].Name == name {
			visit(&s.Things[i].Definitions, &s.Things[i].Tables)
		}
	}
}

// columns are those that a table has: of its data shape, if that is in the package, else its own.
func (c *checker) columns(t entity.Table) []entity.Field {
	if d := c.index.dataShapes[t.DataShape]; d != nil {
		return d.Fields
	}
	return t.Fields
}

func (c *checker) checkRows(collection, name string, t entity.Table) {
	columns := c.columns(t)
	if len(t.Rows) > 1 && !t.MultiRow {
		c.at(t.Pos, Refuses, nil, "configuration table %q has %d rows, and isMultiRow is false", t.Name, len(t.Rows))
	}
	for i, row := range t.Rows {
		for _, column := range sortedKeys(row) {
			at := slices.IndexFunc(columns, func(f entity.Field) bool { return f.Name == column })
			switch {
			case len(columns) == 0:
			case at < 0:
				c.at(t.Pos, Drops, dropCell(collection, name, t.Name, column),
					"row %d of configuration table %q has a value for %q, which is no column of it", i+1, t.Name, column)
			default:
				if why := badCell(columns[at].BaseType, row[column]); why != "" {
					c.at(t.Pos, Refuses, nil, "row %d of configuration table %q: %s %s", i+1, t.Name, column, why)
				}
			}
		}
	}
}

func dropCell(collection, name, table, column string) func(*entity.Set) {
	return func(s *entity.Set) {
		visitTables(s, collection, name, func(_ *[]entity.TableDefinition, tables *[]entity.Table) {
			for _, t := range *tables {
				for _, row := range t.Rows {
					if t.Name == table {
						delete(row, column)
					}
				}
			}
		})
	}
}

// badCell says why a text is no value of a base type, "" if it is one. The text itself may be a secret, and is not shown.
func badCell(base, text string) string {
	var err error
	switch {
	case text == "":
	case base == "NUMBER":
		_, err = strconv.ParseFloat(text, 64)
	case base == "INTEGER" || base == "LONG":
		_, err = strconv.ParseInt(strings.TrimSuffix(text, ".0"), 10, 64)
	case base == "BOOLEAN":
		_, err = strconv.ParseBool(text)
	case base == "JSON" && !json.Valid([]byte(text)):
		return "is not JSON"
	}
	if err != nil {
		return "is no " + base
	}
	return ""
}

// checkTimer looks at Things that run something by themselves: without a user they never do.
func (c *checker) checkTimer(t *entity.Thing) {
	root, tables := t.Template, slices.Clone(t.Tables)
	for range maxBases {
		template := c.index.templates[root]
		if template == nil {
			break
		}
		tables = append(tables, template.Tables...)
		root = template.Base
	}
	if root != "Timer" && root != "Scheduler" {
		return
	}
	for _, table := range tables {
		for _, row := range table.Rows {
			if user := row["runAsUser"]; table.Name == "Settings" && user != "" {
				c.need(t.Pos, "Users", user, "runAsUser names the user")
				return
			}
		}
	}
	c.at(t.Pos, KeepsBroken, nil, "a %s without runAsUser in its table Settings never runs its handlers", root)
}

func sortedKeys(row entity.Row) []string {
	keys := make([]string, 0, len(row))
	for k := range row {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	return keys
}
