package platform

import (
	"context"
	"errors"
	"fmt"
	"time"

	"azx/alwayson"
	"azx/alwayson/infotable"
	"azx/internal/fault"
	"azx/internal/message"
)

// What the connector asks of the platform about itself and its hub Thing. The names of the platform's own are read, the
// others are those of our packages.
const (
	packagesSubsystem = "PlatformSubsystem"
	packagesService   = "GetExtensionPackageList" // name and packageVersion among its columns
	configService     = "GetConfiguration"        // of hub Things and storage Things: rows of name and value, both STRING
	registerService   = "RegisterProtocolAdapter"
	azureServices     = "AzureServices"
	addShapeService   = "AddAdapterServices"
	instanceService   = "GetInstanceId" // of a connector Thing: the connector answers
)

// ErrServer is in the chain of an error when the platform answered "internal server error": it is in trouble, or a script
// of the service threw.
var ErrServer = errors.New("the platform could not carry it out")

// holderWithin is how long the holder of a name may take to say who it is.
const holderWithin = 5 * time.Second

// maxSettings is how many rows of a hub Thing's settings are taken.
const maxSettings = 10_000

// Setup asks the platform what a connector needs to know before it starts, and registers it there. What it asks is asked
// once. Its errors are of class Transient if the platform is not able to right now, with ErrServer if it failed, and
// Fatal if something has to be changed first. All methods may be called from any goroutine.
type Setup struct {
	socket  BindSocket
	timeout time.Duration
	meter   EventMeter
}

// NewSetup asks over the connection that binds names. An answer may take as long as timeout. meter may be nil.
func NewSetup(socket BindSocket, timeout time.Duration, meter EventMeter) *Setup {
	if meter == nil {
		meter = noMeter{}
	}
	return &Setup{socket: socket, timeout: timeout, meter: meter}
}

func (s *Setup) call(ctx context.Context, r alwayson.Request, within time.Duration) (alwayson.Response, verdict) {
	start := time.Now()
	resp, v := call(ctx, s.socket, r, within)
	s.meter.Request(r.Target, resp.Code, time.Since(start))
	return resp, v
}

// ask carries out a service. missing is the hint if there is no such service or entity.
func (s *Setup) ask(ctx context.Context, op, missing string, r alwayson.Request) (alwayson.Response, error) {
	resp, v := s.call(ctx, r, s.timeout)
	err := failure(op, resp, v)
	var p *fault.Problem
	switch {
	case v == accepted:
		return resp, nil
	case !errors.As(err, &p):
		return resp, err
	case isNotFound(resp, v):
		p.Class, p.Hint = fault.Fatal, missing
	case v == rejected && resp.Code == alwayson.Forbidden:
		p.Class, p.Hint = fault.Fatal, "let the connector's user see "+r.Name+" and invoke its service "+r.Target
	case v == rejected:
		p.Class = fault.Fatal
	case v == doubtful:
		p.Cause, p.Hint = fmt.Errorf("%w: %w", ErrServer, p.Cause), "the platform's script log says more"
	}
	return resp, p
}

// Packages returns the versions of the extension packages that are installed, by their names.
func (s *Setup) Packages(ctx context.Context) (map[string]string, error) {
	resp, err := s.ask(ctx, "read the list of extension packages",
		"the connector's user needs the right to invoke PlatformSubsystem.GetExtensionPackageList; with extensions: none nobody is asked",
		alwayson.Request{Code: alwayson.Post, Entity: alwayson.Subsystem, Name: packagesSubsystem, Kind: alwayson.Service, Target: packagesService})
	if err != nil {
		return nil, err
	}
	rows, versions := content(resp), map[string]string{}
	for i := range rows.Len() {
		name, _ := rows.At(i, "name").Text()
		version, ok := rows.At(i, "packageVersion").Text()
		if !ok {
			version, _ = rows.At(i, "version").Text()
		}
		versions[name] = version
	}
	return versions, nil
}

// Setting is a row of a hub Thing's settings.
type Setting struct{ Name, Value string }

// Configuration returns the settings that a hub Thing has; credentials come in the clear.
func (s *Setup) Configuration(ctx context.Context, hub string) ([]Setting, error) {
	op := "read the settings of hub Thing " + hub
	resp, err := s.ask(ctx, op, "", alwayson.CallService(hub, configService, nil))
	if resp.Code == alwayson.NotFound && fault.ClassOf(err) == fault.Fatal {
		return nil, s.whichIsMissing(ctx, op, hub)
	}
	if err != nil {
		return nil, err
	}
	rows := content(resp)
	if rows.Len() > maxSettings {
		return nil, &fault.Problem{Op: op, Class: fault.Fatal, Cause: fmt.Errorf("it has %d settings, more than %d", rows.Len(), maxSettings)}
	}
	settings := make([]Setting, 0, rows.Len())
	for i := range rows.Len() {
		name, _ := rows.At(i, "name").Text()
		if value, ok := rows.At(i, "value").Text(); ok {
			settings = append(settings, Setting{name, value})
		}
	}
	return settings, nil
}

// whichIsMissing tells a hub Thing that is not there from one that is something else.
func (s *Setup) whichIsMissing(ctx context.Context, op, hub string) error {
	_, v := s.call(ctx, alwayson.CallService(hub, definitionsService, nil), s.timeout)
	p := &fault.Problem{Op: op, Class: fault.Fatal, Cause: errors.New("there is no such Thing, or the connector's user may not see it"),
		Hint: "create a Thing " + hub + " of the template AzureIotHubTemplate, or set hubs[0].thing to the one there is"}
	if v == accepted {
		p.Cause = errors.New("the Thing has no service " + configService)
		p.Hint = "a hub Thing has the template AzureIotHubTemplate; hubs[0].thing names it"
	}
	return p
}

// Storage returns nil if a storage Thing is there; setting is the one that names it.
func (s *Setup) Storage(ctx context.Context, setting, thing string) error {
	_, err := s.ask(ctx, "read the storage Thing "+thing+" of "+setting,
		setting+" of the hub Thing names a Thing of the template AzureBlobStorageTemplate; name another, or none",
		alwayson.CallService(thing, configService, nil))
	return err
}

// AddAdapterServices puts the services of Azure IoT Hubs on the Thing of Connection Services, unless they are there.
func (s *Setup) AddAdapterServices(ctx context.Context) error {
	_, err := s.ask(ctx, "add the services of Azure IoT Hubs to "+servicesHub, "import the package azx-azure-iot again: it has the Thing "+azureServices,
		alwayson.CallService(azureServices, addShapeService, nil))
	return err
}

// Register makes sure that there is a connector Thing of this name, and returns its name. An availability group of "" leaves
// the Thing in the one that it is in.
func (s *Setup) Register(ctx context.Context, name, group, instance, version string) (thing string, err error) {
	cells := []infotable.Cell{
		{Name: "name", Value: infotable.String(name)}, {Name: "instanceId", Value: infotable.String(instance)},
		{Name: "version", Value: infotable.String(version)},
	}
	if group != "" {
		cells = append(cells, infotable.Cell{Name: "availabilityGroup", Value: infotable.String(group)})
	}
	resp, err := s.ask(ctx, "register the connector Thing "+name, "import the package azx-connection-services again: it has the Thing "+servicesHub,
		alwayson.CallService(servicesHub, registerService, infotable.OneRow(cells...)))
	if err != nil {
		return "", err
	}
	if thing, _ = resp.Result().Text(); thing == "" {
		thing = name
	}
	return thing, nil
}

// Holder asks whoever has bound a connector Thing for its instance id. Nobody answered if there is none, or if it does
// not within 5 s: what a platform says then is unknown, and any refusal is taken for that. The error is that there is no
// connection to ask over.
func (s *Setup) Holder(ctx context.Context, thing string) (instance string, answered bool, err error) {
	resp, v := s.call(ctx, alwayson.CallService(thing, instanceService, nil), holderWithin)
	if v == accepted {
		instance, _ = resp.Result().Text()
		return instance, true, nil
	}
	if resp.Code == 0 && v != noReply {
		return "", false, failure("ask who holds the connector Thing "+thing, resp, v)
	}
	return "", false, ctx.Err()
}

// Bind binds a Thing now, and after each reconnect. The error is of class Transient: of two who bind the same, the first
// wins, also if its connection is dead and the platform has not noticed yet.
func (s *Setup) Bind(ctx context.Context, thing string) error {
	if err := s.socket.Bind(ctx, thing); err != nil {
		return &fault.Problem{Op: "bind the connector Thing", Cause: err, Hint: "another connection may still hold it: the platform lets it go in a minute"}
	}
	return s.Bound(thing)
}

// Bound returns nil if a Thing is bound on the connection that there is now.
func (s *Setup) Bound(thing string) error {
	state := s.socket.State()
	switch {
	case state.Phase != alwayson.PhaseConnected:
		return &fault.Problem{Op: "bind " + thing, Cause: alwayson.ErrNotConnected}
	case state.Refused[thing] != nil:
		return &fault.Problem{Op: "bind " + thing, Class: fault.Rejected, Cause: state.Refused[thing]}
	}
	return nil
}

// Unbind gives a Thing back.
func (s *Setup) Unbind(ctx context.Context, thing string) error { return s.socket.Unbind(ctx, thing) }

// Report writes values to properties of a Thing.
func (s *Setup) Report(ctx context.Context, thing string, writes []message.Write) error {
	values := make([]alwayson.PropertyValue, len(writes))
	for i, w := range writes {
		values[i] = alwayson.PropertyValue{Name: w.Property, Value: w.Value, TimeMs: w.Time}
	}
	resp, v := s.call(ctx, alwayson.PropertyPush(thing, alwayson.AppendPropertyPush(nil, values)), s.timeout)
	if v != accepted {
		return failure("write to Thing "+thing, resp, v)
	}
	return nil
}
