package platform

import (
	"context"

	"azx/alwayson"
	"azx/alwayson/infotable"
	"azx/internal/fault"
)

// What the platform is asked when a Thing is made for a device. The names are its own (read); that CreateThing takes a
// gatewayThing is ours, and one that does not is given it afterwards.
const (
	entityServices = "EntityServices"
	createService  = "CreateThing"
	enableService  = "EnableThing"
	disableService = "DisableThing"
	enabledService = "IsEnabled"
	lifeEvent      = "AzureThingLifecycleEvent" // of the Thing of Connection Services (read)
)

// Gateway reads the gatewayThing of a Thing. there is false if there is no such Thing, if it has no such property, and if it is
// disabled and the platform refuses to read it then: MakeThing and Enabled tell them apart.
func (s *Setup) Gateway(ctx context.Context, thing string) (gateway string, there bool, err error) {
	resp, v := s.call(ctx, alwayson.ReadProperty(thing, gatewayProperty), s.timeout)
	switch v {
	case accepted:
		return firstText(content(resp), gatewayProperty), true, nil
	case rejected:
		return "", false, nil
	}
	return "", false, failure("look for Thing "+thing, resp, v)
}

// Owner tells the gatewayThing of a device Thing: with our template by its service, which needs no right to read properties,
// else by the property. It is "" if neither tells; the error is that nobody answered.
func (s *Setup) Owner(ctx context.Context, thing string, template bool) (string, error) {
	if template {
		resp, v := s.call(ctx, alwayson.CallService(thing, remotePropertiesService, nil), s.timeout)
		if gateway := firstText(content(resp), gatewayProperty); v == accepted && gateway != "" {
			return gateway, nil
		}
		if v != accepted && v != rejected {
			return "", failure("ask for the hub of Thing "+thing, resp, v)
		}
	}
	gateway, _, err := s.Gateway(ctx, thing)
	return gateway, err
}

// MakeThing makes an enabled Thing of a template with its gatewayThing. One that is there is enabled and given the gatewayThing, so that
// making it can be repeated. An error of class Rejected is about this Thing.
func (s *Setup) MakeThing(ctx context.Context, name, template, gateway string) error {
	made, v := s.create(ctx, name, template, gateway)
	refused := failure("make Thing "+name, made, v)
	if v != accepted && v != rejected {
		return refused
	}
	if v == accepted {
		return s.finish(ctx, name, gateway)
	}
	if enabled, err := s.Enable(ctx, name); err != nil || !enabled {
		return refused // it is not there either, or not ours to enable
	}
	return s.SetGateway(ctx, name, gateway)
}

func (s *Setup) create(ctx context.Context, name, template, gateway string) (alwayson.Response, verdict) {
	return s.call(ctx, alwayson.Request{Code: alwayson.Post, Entity: alwayson.Resource, Name: entityServices, Kind: alwayson.Service, Target: createService,
		Params: infotable.OneRow(
			infotable.Cell{Name: "name", Value: infotable.String(name)},
			infotable.Cell{Name: "thingTemplateName", Value: infotable.Text(infotable.TypeThingTemplateName, template)},
			infotable.Cell{Name: gatewayProperty, Value: infotable.Text(infotable.TypeThingName, gateway)},
		)}, s.timeout)
}

// NewThing is MakeThing of a Thing that is not there: one that is, also if somebody has disabled it, is refused. One whose
// making was cut off may be there: MakeThing goes on with it.
func (s *Setup) NewThing(ctx context.Context, name, template, gateway string) error {
	made, v := s.create(ctx, name, template, gateway)
	if v != accepted {
		return failure("make Thing "+name, made, v)
	}
	return s.finish(ctx, name, gateway)
}

// finish enables a Thing that was made, and gives it its gatewayThing.
func (s *Setup) finish(ctx context.Context, name, gateway string) error {
	resp, v := s.call(ctx, alwayson.CallService(name, enableService, nil), s.timeout)
	if v != accepted {
		return failure("make Thing "+name, resp, v)
	}
	return s.SetGateway(ctx, name, gateway)
}

// Enable enables a Thing; false if the platform refuses to: there is none.
func (s *Setup) Enable(ctx context.Context, thing string) (bool, error) {
	resp, v := s.call(ctx, alwayson.CallService(thing, enableService, nil), s.timeout)
	if v == accepted || isNotFound(resp, v) {
		return v == accepted, nil
	}
	return false, failure("enable Thing "+thing, resp, v)
}

// Enabled reports whether a Thing that is there is enabled. One that does not tell is.
func (s *Setup) Enabled(ctx context.Context, thing string) (bool, error) {
	resp, v := s.call(ctx, alwayson.CallService(thing, enabledService, nil), s.timeout)
	switch v {
	case accepted:
		enabled, told := resp.Result().Boolean()
		return enabled || !told, nil
	case rejected:
		return true, nil
	}
	return false, failure("ask whether Thing "+thing+" is enabled", resp, v)
}

// Disable disables a Thing.
func (s *Setup) Disable(ctx context.Context, thing string) error {
	resp, v := s.call(ctx, alwayson.CallService(thing, disableService, nil), s.timeout)
	if v == accepted {
		return nil
	}
	return failure("disable Thing "+thing, resp, v)
}

// TellLife fires the event of a device's life cycle: its operation as the hub names it, and its twin as JSON.
func (s *Setup) TellLife(ctx context.Context, device, operation, twin string) error {
	resp, v := s.call(ctx, alwayson.FireEvent(servicesHub, lifeEvent, infotable.OneRow(
		infotable.Cell{Name: "deviceId", Value: infotable.String(device)},
		infotable.Cell{Name: "status", Value: infotable.String(operation)},
		infotable.Cell{Name: "twin", Value: infotable.Text(infotable.TypeJSON, twin)},
	)), s.timeout)
	if v == accepted {
		return nil
	}
	return failure("tell of a device's life cycle", resp, v)
}

// SetGateway gives a Thing its gatewayThing.
func (s *Setup) SetGateway(ctx context.Context, thing, gateway string) error {
	resp, v := s.call(ctx, alwayson.WriteProperty(thing, gatewayProperty, infotable.Text(infotable.TypeThingName, gateway)), s.timeout)
	if v == accepted {
		return nil
	}
	err := failure("set "+gatewayProperty+" of Thing "+thing, resp, v)
	if isNotFound(resp, v) {
		return fault.Reject("set "+gatewayProperty+" of Thing "+thing, "a device's Thing has the template AzureIotThing, or one that derives from it", "the Thing has no such property: %w", err)
	}
	return err
}
