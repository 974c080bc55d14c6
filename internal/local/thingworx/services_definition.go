package thingworx

import (
	"context"
	"slices"
	"strings"
	"time"

	"azx/alwayson/infotable"
)

// Bounds of the services that a Thing defines itself.
const (
	maxServices = 1000
	maxParams   = 100
)

// ServiceBinding ties a service to the edge.
type ServiceBinding struct {
	EdgeName string // name that the edge uses; "" on input means the service's own
	Timeout  int    // milliseconds to wait for the answer (the unit is inferred); 0 means the platform's own
}

// ServiceDefinition is a service with everything that is known of it. A service that Things define is bound to the edge,
// or a script, or nothing carries it out.
type ServiceDefinition struct {
	ServiceInfo
	Fields        []infotable.Field // columns of the result's data shape; what is given is not looked at
	Remote        *ServiceBinding   // nil: the edge has nothing to do with it
	DataShape     string            // that names the columns of the result; "" for none
	Category      string
	AllowOverride bool
	Private       bool
	Async         bool
	Handler       string // of a script: Script
	Code          string
	From          string // template or shape that defines it; "" for the Thing's own, or that of an entity of another kind
}

// definitionServices are those of GenericThing that define services; parameters are the platform's own (read).
func definitionServices() []*service {
	return []*service{
		{ServiceInfo: ServiceInfo{"AddServiceDefinition", "Add or change a service; parameters and resultType have the columns name, baseType and dataShape",
			[]Param{
				required("name", tString), optional("description", tString), optional("category", tString),
				optional("parameters", tTable), optional("resultType", tTable), optional("remote", tBoolean),
				optional("remoteServiceName", tString), optional("timeout", tInteger),
			}, tNothing}, always: true, run: designing(addServiceDefinition)},
		{ServiceInfo: ServiceInfo{"RemoveServiceDefinition", "Remove an own service", []Param{required("name", tString)}, tNothing},
			always: true, run: designing(removeServiceDefinition)},
		{ServiceInfo: ServiceInfo{"SetRemoteServiceBinding", "Bind a service to the edge", []Param{
			required("serviceName", tString), optional("sourceServiceName", tString), optional("timeout", tInteger),
		}, tNothing}, always: true, run: designing(setRemoteServiceBinding)},
		{ServiceInfo: ServiceInfo{"RemoveRemoteServiceBinding", "Take a service from the edge",
			[]Param{required("serviceName", tString)}, tNothing}, always: true, run: designing(removeRemoteServiceBinding)},
		{ServiceInfo: ServiceInfo{"GetRemoteServiceBinding", "How a service is bound",
			[]Param{required("serviceName", tString)}, tTable}, always: true, run: getRemoteServiceBinding},
	}
}

// check refuses a definition that no Thing may have, and fills in the defaults.
func (d *ServiceDefinition) check() error {
	if err := CheckPropertyName(d.Name); err != nil {
		return Refuse(Invalid, "service: %v", err)
	}
	if len(d.Params) > maxParams {
		return Refuse(Invalid, "service %s: it may have %d parameters", d.Name, maxParams)
	}
	seen := map[string]bool{}
	for _, param := range d.Params {
		if err := CheckPropertyName(param.Name); err != nil || seen[param.Name] {
			return Refuse(Invalid, "service %s: parameter %q: its name is no name, or that of another one", d.Name, shorten(param.Name))
		}
		if param.Type == tNothing || !param.Type.OnWire() {
			return Refuse(Invalid, "service %s: parameter %s: base type %s cannot hold values here", d.Name, param.Name, param.Type)
		}
		seen[param.Name] = true
	}
	if !d.Result.OnWire() {
		return Refuse(Invalid, "service %s: base type %s cannot be a result here", d.Name, d.Result)
	}
	if d.DataShape != "" && d.Result != tTable {
		return Refuse(Invalid, "service %s: only an INFOTABLE has a data shape", d.Name)
	}
	if d.Remote == nil {
		return nil
	}
	b := *d.Remote
	d.Remote = &b
	if b.EdgeName == "" {
		d.Remote.EdgeName = d.Name
	}
	if len(b.EdgeName) > 4*maxName || b.Timeout < 0 {
		return Refuse(Invalid, "service %s: source name longer than %d bytes, or negative time-out", d.Name, 4*maxName)
	}
	return nil
}

// service compiles a definition that was checked.
func (d *ServiceDefinition) service() (*service, error) {
	s := &service{ServiceInfo: d.ServiceInfo, dataShape: d.DataShape, category: d.Category, override: d.AllowOverride,
		private: d.Private, async: d.Async, remote: d.Remote, handler: d.Handler, code: d.Code}
	switch {
	case d.Remote != nil:
		s.run = askEdge
	case d.Handler == "" && d.Code == "":
		s.run = noImplementation
	default:
		var err error
		if s.program, err = compileScript("service "+d.Name, d.Handler, d.Code); err != nil {
			return nil, err
		}
		s.run, s.always = runScript, true // also of a disabled Thing (inferred)
		if s.program == nil {
			s.run = noHandler
		}
	}
	return s, nil
}

// noHandler answers as a platform does that imported a script with a mistake (read).
func noHandler(_ *Platform, c *call) (infotable.Value, error) {
	return nothing(), Refuse(Unsupported, "No service handler defined for service %s of %s", c.service.Name, c.subject())
}

func noImplementation(_ *Platform, c *call) (infotable.Value, error) {
	return nothing(), Refuse(Unsupported, "service %s of %s has nothing that carries it out: bind it to the edge with"+
		" SetRemoteServiceBinding", c.service.Name, c.subject())
}

// AddService adds a service to a Thing, or changes one that the Thing defines itself.
func (p *Platform) AddService(ctx context.Context, thingName string, d ServiceDefinition) error {
	t, err := p.seen(ctx, thingName)
	if err != nil {
		return err
	}
	return p.define(t, func(m *model) error { return t.addService(m, &d) })
}

// addService is AddService for who holds the Thing's mutex.
func (t *thing) addService(m *model, d *ServiceDefinition) error {
	if err := d.check(); err != nil {
		return err
	}
	if err := t.canBind(d.Remote != nil); err != nil {
		return err
	}
	if over := t.class.services[d.Name]; over != nil && !over.override {
		return Refuse(Exists, "service %s exists already: it belongs to the template or a shape of Thing %s", d.Name, t.name)
	}
	if t.services[d.Name] == nil && len(t.services) >= maxServices {
		return Refuse(Forbidden, "a Thing may define %d services", maxServices)
	}
	s, err := d.service()
	if err != nil {
		return err
	}
	if s.dataShape != "" {
		fields, ok := m.dataShape(s.dataShape)
		if !ok {
			return Refuse(NotFound, "service %s: there is no data shape %q", d.Name, shorten(s.dataShape))
		}
		s.fields = fields
	}
	if t.services == nil {
		t.services = map[string]*service{}
	}
	t.services[d.Name] = s
	return nil
}

func addServiceDefinition(p *Platform, c *call) (infotable.Value, error) {
	d := ServiceDefinition{ServiceInfo: ServiceInfo{Name: c.text("name"), Description: c.text("description"), Result: tNothing},
		Category: c.text("category")}
	var err error
	if d.Params, err = fieldDefinitions(c.table("parameters")); err != nil {
		return nothing(), Refuse(Invalid, "service %s: parameters: %v", shorten(d.Name), err)
	}
	result, err := fieldDefinitions(c.table("resultType"))
	if err != nil || len(result) > 1 {
		return nothing(), Refuse(Invalid, "service %s: resultType must be one row with the column baseType", shorten(d.Name))
	}
	if len(result) == 1 {
		d.Result, d.DataShape = result[0].Type, result[0].DataShape
	}
	if c.truth("remote") {
		d.Remote = &ServiceBinding{EdgeName: c.text("remoteServiceName"), Timeout: int(c.number("timeout"))}
	}
	return nothing(), p.AddService(c.ctx, c.thing.name, d)
}

// fieldDefinitions reads rows of the data shape FieldDefinition (read): name, baseType and
// dataShape; of its other columns only isRequired, which is ours, counts.
func fieldDefinitions(rows *infotable.Table) ([]Param, error) {
	var params []Param
	for i := range rows.Len() {
		var param Param
		param.Name, _ = rows.At(i, "name").Text()
		text, _ := rows.At(i, "baseType").Text()
		base, err := infotable.ParseBaseType(text)
		if err != nil {
			return nil, Refuse(Invalid, "row %d, %s: there is no base type %q", i+1, shorten(param.Name), shorten(text))
		}
		param.Type = base
		param.Required, _ = rows.At(i, "isRequired").Boolean()
		param.DataShape, _ = rows.At(i, "dataShape").Text()
		params = append(params, param)
	}
	return params, nil
}

// ownService returns a service that the Thing defines itself; the caller holds the Thing's mutex.
func (t *thing) ownService(name string) (*service, error) {
	if s := t.services[name]; s != nil {
		return s, nil
	}
	return nil, Refuse(NotFound, "Thing %s defines no service %q itself: AddServiceDefinition does", t.name, shorten(name))
}

func removeServiceDefinition(p *Platform, c *call) (infotable.Value, error) {
	t := c.thing
	return nothing(), p.define(t, func(*model) error {
		s, err := t.ownService(c.text("name"))
		if err == nil {
			delete(t.services, s.Name)
		}
		return err
	})
}

func setRemoteServiceBinding(p *Platform, c *call) (infotable.Value, error) {
	return nothing(), p.rebindService(c, &ServiceBinding{EdgeName: c.text("sourceServiceName"), Timeout: int(c.number("timeout"))})
}

func removeRemoteServiceBinding(p *Platform, c *call) (infotable.Value, error) {
	return nothing(), p.rebindService(c, nil)
}

func (p *Platform) rebindService(c *call, b *ServiceBinding) error {
	t := c.thing
	return p.define(t, func(m *model) error {
		s, err := t.ownService(c.text("serviceName"))
		if err != nil {
			return err
		}
		d := s.definition()
		d.Remote = b
		return t.addService(m, &d)
	})
}

func getRemoteServiceBinding(p *Platform, c *call) (infotable.Value, error) {
	s, err := p.service(c.subject(), c.text("serviceName"))
	if err != nil {
		return nothing(), err
	}
	table := infotable.New(infotable.Column("name", tString), infotable.Column("sourceName", tString),
		infotable.Column("timeout", tInteger))
	if b := s.remote; b != nil {
		table.Add(infotable.String(s.Name), infotable.String(b.EdgeName), infotable.Integer(int32(b.Timeout)))
	}
	return infotable.FromTable(table), nil
}

// askEdge carries out a remote service: its parameters go to the edge as one typed row, and the answer comes back as
// the type that the service has.
func askEdge(p *Platform, c *call) (infotable.Value, error) {
	r := EdgeRequest{Verb: EdgeService, Name: c.service.remote.EdgeName}
	if cells := c.given(); len(cells) > 0 {
		r.Params = infotable.OneRow(cells...)
	}
	content, err := p.ask(c.ctx, c.thing, r, time.Duration(c.service.remote.Timeout)*time.Millisecond)
	if err != nil {
		return nothing(), err
	}
	v, err := resultOf(c.service.Result, content)
	if err != nil {
		return nothing(), Refuse(Failed, "service %s of Thing %s: the answer of the edge does not fit: %v", c.service.Name, c.thing.name, err)
	}
	return v, nil
}

// given returns the parameters that have a value.
func (c *call) given() []infotable.Cell {
	var cells []infotable.Cell
	for i, v := range c.args {
		if !v.IsNothing() {
			cells = append(cells, infotable.Cell{Name: c.params[i].Name, Value: v})
		}
	}
	return cells
}

// resultOf reads the content of an answer as a result of type t. An INFOTABLE is the content itself (captured), or the
// value of a column "result". No content is no value.
func resultOf(t infotable.BaseType, content *infotable.Table) (infotable.Value, error) {
	v := content.First("result")
	switch {
	case t == tNothing:
		return nothing(), nil
	case t == tTable:
		if inner, ok := v.Table(); ok && len(content.Fields) == 1 {
			content = inner
		}
		return infotable.FromTable(content), nil
	case content.Len() == 0:
		return nothing(), nil
	case content.Index("result") < 0:
		names := make([]string, len(content.Fields))
		for i, f := range content.Fields {
			names[i] = f.Name
		}
		return nothing(), Refuse(Invalid, "expected the column result, got %s", shorten(list(names)))
	case v.IsNothing():
		return nothing(), nil
	default:
		return fit(t, v)
	}
}

// definitions returns the services that the Thing defines itself, sorted; the caller holds its mutex.
func (t *thing) definitions() []ServiceDefinition {
	var out []ServiceDefinition
	for _, s := range t.services {
		out = append(out, s.definition())
	}
	slices.SortFunc(out, func(a, b ServiceDefinition) int { return strings.Compare(a.Name, b.Name) })
	return out
}
