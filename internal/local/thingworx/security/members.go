package security

import (
	"fmt"
	"slices"
	"strings"

	"azx/extension/entity"
)

// groupsByMember gives the groups that contain each principal directly. It refuses groups that contain themselves.
func groupsByMember(groups []entity.Group) (map[entity.Principal][]entity.Principal, error) {
	parents, children := map[entity.Principal][]entity.Principal{}, map[string][]string{}
	for _, g := range groups {
		if _, twice := children[g.Name]; twice {
			return nil, fmt.Errorf("groups: %s is there twice", g.Name)
		}
		children[g.Name] = nil
		for _, m := range g.Members {
			parents[m] = append(parents[m], entity.Principal{Name: g.Name, Type: TypeGroup})
			if m.Type == TypeGroup {
				children[g.Name] = append(children[g.Name], m.Name)
			}
		}
	}
	if way := cycle(children); way != nil {
		return nil, fmt.Errorf("groups: %s contains itself: %s; take one of them out", way[0], strings.Join(way, " > "))
	}
	return parents, nil
}

// cycle finds a way from a name back to itself, beginning and ending with it; nil if there is none.
func cycle(children map[string][]string) []string {
	done := map[string]bool{}
	var way []string
	var visit func(name string) []string
	visit = func(name string) []string {
		if i := slices.Index(way, name); i >= 0 {
			return append(slices.Clone(way[i:]), name)
		}
		if done[name] {
			return nil
		}
		way = append(way, name)
		for _, child := range children[name] {
			if found := visit(child); found != nil {
				return found
			}
		}
		way = way[:len(way)-1]
		done[name] = true
		return nil
	}
	for _, name := range sortedKeys(children) { // sorted, so that the same groups are refused with the same words
		if found := visit(name); found != nil {
			return found
		}
	}
	return nil
}

func sortedKeys(m map[string][]string) []string {
	keys := make([]string, 0, len(m))
	for key := range m {
		keys = append(keys, key)
	}
	slices.Sort(keys)
	return keys
}

// place is a unit of an organization with the units below it: whoever is here sees what they see.
type place struct {
	organization string
	unit         string
	below        []*place
}

func (p *place) show(to map[entity.Principal]struct{}) {
	to[entity.Principal{Name: p.organization, Type: TypeOrganization}] = struct{}{}
	to[entity.Principal{Name: UnitName(p.organization, p.unit), Type: TypeUnit}] = struct{}{}
	for _, below := range p.below {
		below.show(to)
	}
}

// placesByMember gives the units that contain each principal directly. It refuses units that form no tree.
func placesByMember(organizations []entity.Organization) (map[entity.Principal][]*place, error) {
	known, places := map[string]bool{}, map[entity.Principal][]*place{}
	for _, o := range organizations {
		if known[o.Name] {
			return nil, fmt.Errorf("organizations: %s is there twice", o.Name)
		}
		known[o.Name] = true
		units, err := unitsOf(o)
		if err != nil {
			return nil, fmt.Errorf("organization %s: %w", o.Name, err)
		}
		for _, u := range o.Units {
			for _, m := range u.Members {
				places[m] = append(places[m], units[u.Name])
			}
		}
	}
	return places, nil
}

func unitsOf(o entity.Organization) (map[string]*place, error) {
	units, children := map[string]*place{}, map[string][]string{}
	for _, u := range o.Units {
		if units[u.Name] != nil {
			return nil, fmt.Errorf("unit %s is there twice", u.Name)
		}
		units[u.Name] = &place{organization: o.Name, unit: u.Name}
	}
	for _, u := range o.Units {
		if u.Parent == "" {
			continue
		}
		if units[u.Parent] == nil {
			return nil, fmt.Errorf("unit %s is below %s, which is not there", u.Name, u.Parent)
		}
		units[u.Parent].below = append(units[u.Parent].below, units[u.Name])
		children[u.Parent] = append(children[u.Parent], u.Name)
	}
	if way := cycle(children); way != nil {
		return nil, fmt.Errorf("unit %s is below itself: %s", way[0], strings.Join(way, " > "))
	}
	return units, nil
}
