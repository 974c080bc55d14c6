package entity

import "iter"

// All gives every entity of a set but the packages, with its collection. What it points to is the set's own.
func (s *Set) All() iter.Seq2[string, *Common] {
	return func(yield func(string, *Common) bool) {
		_ = each(yield, "Projects", s.Projects, func(e *Project) *Common { return &e.Common }) &&
			each(yield, "DataShapes", s.DataShapes, func(e *DataShape) *Common { return &e.Common }) &&
			each(yield, "ThingShapes", s.ThingShapes, func(e *ThingShape) *Common { return &e.Common }) &&
			each(yield, "ThingTemplates", s.ThingTemplates, func(e *ThingTemplate) *Common { return &e.Common }) &&
			each(yield, "Things", s.Things, func(e *Thing) *Common { return &e.Common }) &&
			each(yield, "Groups", s.Groups, func(e *Group) *Common { return &e.Common }) &&
			each(yield, "Organizations", s.Organizations, func(e *Organization) *Common { return &e.Common }) &&
			each(yield, "Users", s.Users, func(e *User) *Common { return &e.Common }) &&
			each(yield, "", s.Documents, func(e *Document) *Common { return &e.Common })
	}
}

// each yields the entities of one collection; without a name for it they are documents, which know their own.
func each[E any](yield func(string, *Common) bool, collection string, entities []E, common func(*E) *Common) bool {
	for i := range entities {
		name := collection
		if d, ok := any(&entities[i]).(*Document); ok {
			name = d.Collection
		}
		if !yield(name, common(&entities[i])) {
			return false
		}
	}
	return true
}

// AllMembers gives the members of every shape, template and Thing of a set, with "Collection/Name". What it points to is
// the set's own.
func (s *Set) AllMembers() iter.Seq2[string, *Members] {
	return func(yield func(string, *Members) bool) {
		for i := range s.ThingShapes {
			if !yield("ThingShapes/"+s.ThingShapes[i].Name, &s.ThingShapes[i].Members) {
				return
			}
		}
		for i := range s.ThingTemplates {
			if !yield("ThingTemplates/"+s.ThingTemplates[i].Name, &s.ThingTemplates[i].Members) {
				return
			}
		}
		for i := range s.Things {
			if !yield("Things/"+s.Things[i].Name, &s.Things[i].Members) {
				return
			}
		}
	}
}
