package thingworx

import (
	"fmt"

	"azx/alwayson/infotable"
)

// ServiceState is an own service in State.
type ServiceState struct {
	Name        string          `json:"name"`
	Description string          `json:"description,omitempty"`
	Params      []ParamState    `json:"parameters,omitempty"`
	Result      string          `json:"result"`
	Fields      []ParamState    `json:"resultFields,omitempty"`
	Remote      *ServiceBinding `json:"remote,omitempty"`
}

// ParamState is a parameter in ServiceState.
type ParamState struct {
	Name     string `json:"name"`
	Type     string `json:"type"`
	Required bool   `json:"required,omitempty"`
}

func (t *thing) serviceStates() []ServiceState {
	var out []ServiceState
	for _, d := range t.definitions() {
		s := ServiceState{Name: d.Name, Description: d.Description, Result: d.Result.String(), Remote: d.Remote}
		for _, param := range d.Params {
			s.Params = append(s.Params, ParamState{param.Name, param.Type.String(), param.Required})
		}
		for _, f := range d.Fields {
			s.Fields = append(s.Fields, ParamState{Name: f.Name, Type: f.Type.String()})
		}
		out = append(out, s)
	}
	return out
}

// servicesOf reads the own services of a Thing in State.
func servicesOf(in *ThingState) ([]ServiceDefinition, error) {
	var out []ServiceDefinition
	for _, s := range in.Services {
		d := ServiceDefinition{ServiceInfo: ServiceInfo{Name: s.Name, Description: s.Description}, Remote: s.Remote}
		var err error
		if d.Result, err = infotable.ParseBaseType(s.Result); err != nil {
			return nil, fmt.Errorf("service %s: %w", s.Name, err)
		}
		for _, param := range s.Params {
			base, err := infotable.ParseBaseType(param.Type)
			if err != nil {
				return nil, fmt.Errorf("service %s, parameter %s: %w", s.Name, param.Name, err)
			}
			d.Params = append(d.Params, Param{param.Name, base, param.Required})
		}
		for _, f := range s.Fields {
			base, err := infotable.ParseBaseType(f.Type)
			if err != nil {
				return nil, fmt.Errorf("service %s, column %s of its result: %w", s.Name, f.Name, err)
			}
			d.Fields = append(d.Fields, infotable.Column(f.Name, base))
		}
		out = append(out, d)
	}
	return out, nil
}

func (t *thing) tableStates() map[string][]byte {
	out := map[string][]byte{}
	for name, table := range t.config {
		out[name] = infotable.AppendValue(nil, infotable.FromTable(table))
	}
	return out
}

// restoreTables sets configuration tables; the caller holds the Thing's mutex.
func (t *thing) restoreTables(tables map[string][]byte) error {
	for name, raw := range tables {
		v, _, err := infotable.DecodeValue(raw, infotable.Limits{})
		table, ok := v.Table()
		if err != nil || !ok {
			return fmt.Errorf("configuration table %s of Thing %s: it is no table (%v)", name, t.name, err)
		}
		if t.config == nil {
			t.config = map[string]*infotable.Table{}
		}
		t.config[name] = table
	}
	return nil
}
