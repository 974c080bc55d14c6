package platform

import (
	"encoding/json"
	"time"

	"azx/alwayson/infotable"
	"azx/internal/mapping"
)

// remoteServicesService of our template tells the remote services of a Thing: rows of name, edgeName, resultType,
// resultFields (JSON text, [{"name", "baseType"}]) and timeout (ms, 0 for the platform's own).
const remoteServicesService = "GetAzureRemoteServices"

// services are the remote services of a Thing.
type services struct {
	byName map[string]mapping.Service // by remote name
	absent bool                       // the platform cannot tell
}

func (s services) has(edgeName string) bool {
	_, ok := s.byName[edgeName]
	return ok || s.absent
}

// properties are the remote properties of a Thing.
type properties struct {
	types    map[string]infotable.BaseType // by remote name
	writeVia string
	silence  time.Duration // that the device may keep; 0 if the Thing does not say
}

func newProperties(list []mapping.Property) properties {
	p := properties{types: make(map[string]infotable.BaseType, len(list))}
	for _, property := range list {
		p.types[property.EdgeName] = property.Type
	}
	return p
}

func (p properties) has(edgeName string) bool {
	_, ok := p.types[edgeName]
	return ok
}

func readServices(rows *infotable.Table) services {
	s := services{byName: make(map[string]mapping.Service, rows.Len())}
	for i := range rows.Len() {
		if name := edgeName(rows, i); name != "" {
			s.byName[name] = mapping.Service{
				EdgeName: name,
				Result:   resultType(rows.At(i, "resultType")),
				Fields:   resultFields(rows.At(i, "resultFields")),
				Timeout:  timeoutOf(rows.At(i, "timeout")),
			}
		}
	}
	return s
}

// resultType reads a base type's name; VARIANT where it is not told or cannot travel.
func resultType(v infotable.Value) infotable.BaseType {
	if name, _ := v.Text(); name == infotable.TypeNothing.String() {
		return infotable.TypeNothing
	}
	return baseType(v)
}

// resultFields reads the columns of an INFOTABLE result; nil where they are not told.
func resultFields(v infotable.Value) []infotable.Field {
	text, _ := v.Text()
	var columns []struct {
		Name     string `json:"name"`
		BaseType string `json:"baseType"`
	}
	if json.Unmarshal([]byte(text), &columns) != nil {
		return nil
	}
	var fields []infotable.Field
	for _, c := range columns {
		if c.Name != "" {
			fields = append(fields, infotable.Column(c.Name, baseType(infotable.String(c.BaseType))))
		}
	}
	return fields
}

// timeoutOf reads milliseconds, of any numeric type; 0 where they make no sense.
func timeoutOf(v infotable.Value) time.Duration {
	const most = 24 * time.Hour
	ms, ok := v.Number()
	if !ok || !(ms > 0 && ms <= float64(most.Milliseconds())) {
		return 0
	}
	return time.Duration(ms * float64(time.Millisecond))
}
