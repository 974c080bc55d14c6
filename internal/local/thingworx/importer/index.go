package importer

import (
	"slices"

	"azx/extension/entity"
)

// maxBases is how many templates may stand above each other.
const maxBases = 100

// index finds entities of a set by name.
type index struct {
	templates  map[string]*entity.ThingTemplate
	things     map[string]*entity.Thing
	dataShapes map[string]*entity.DataShape
	remote     map[string]bool // services that anything in the set binds to the edge: a template may bind those of a shape
}

func indexOf(s *entity.Set) index {
	i := index{map[string]*entity.ThingTemplate{}, map[string]*entity.Thing{}, map[string]*entity.DataShape{}, map[string]bool{}}
	for n := range s.ThingTemplates {
		i.templates[s.ThingTemplates[n].Name] = &s.ThingTemplates[n]
	}
	for n := range s.Things {
		i.things[s.Things[n].Name] = &s.Things[n]
	}
	for n := range s.DataShapes {
		i.dataShapes[s.DataShapes[n].Name] = &s.DataShapes[n]
	}
	for _, m := range s.AllMembers() {
		for _, b := range m.RemoteServices {
			i.remote[b.Name] = true
		}
	}
	return i
}

// definesTable follows an entity through its templates, in the set as far as they are there and then on the platform. named tells
// the definition that counts.
func (i index) definesTable(known Known, collection, name string, named func(entity.TableDefinition) bool, table string) bool {
	if collection == "Things" {
		thing := i.things[name]
		if known.Table(collection, name, table) || thing != nil && slices.ContainsFunc(thing.Definitions, named) {
			return true
		}
		if thing == nil {
			return false
		}
		name = thing.Template
	}
	for range maxBases {
		if known.Table("ThingTemplates", name, table) {
			return true
		}
		template := i.templates[name]
		if template == nil {
			return false
		}
		if slices.ContainsFunc(template.Definitions, named) {
			return true
		}
		name = template.Base
	}
	return false
}
