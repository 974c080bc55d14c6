package app

import (
	"context"
	"encoding/json"
	"errors"
	"strings"

	"azx/alwayson/infotable"
	"azx/internal/fault"
	"azx/internal/iothub"
	"azx/internal/message"
)

// hubService is a service of the hub Thing that is carried out at the hub.
type hubService = func(ctx context.Context, params *infotable.Table) (infotable.Value, error)

// hubServices are the services of the hub Thing about devices and jobs, by their names in the package.
func (k *carrier) hubServices(t *twoWay) map[string]hubService {
	jobs := jobServices{t.service, t.watch, jobPrefix(k.Config.Name)}
	return map[string]hubService{
		"CreateAzureIotDevice":                     registry{t.service}.create,
		"DeleteAzureIotDevice":                     registry{t.service}.remove,
		"DescribeAzureIotDevice":                   registry{t.service}.describe,
		"AzureIotDeviceJobScheduleTwinUpdateJob":   jobs.twins,
		"AzureIotDeviceJobScheduleDeviceMethodJob": jobs.method,
		"AzureIotDeviceJobGetJob":                  jobs.get,
		"AzureIotDeviceJobFindJobs":                jobs.find,
		"AzureIotDeviceJobCancelJob":               jobs.cancel,
		"QueryJobResults":                          jobs.results,
		"ImportAzureIotDevices":                    t.imports.start,
	}
}

// registry makes, deletes and describes devices and modules. It takes a policy that may write to the registry.
type registry struct{ hub *iothub.Client }

// target is whom a call is about: the Thing's device, or a module of it.
func (r registry) target(op string, params *infotable.Table) (iothub.Target, error) {
	thing := text(params, "thingName")
	device, ok := message.DeviceID(thing)
	if !ok || device == "" {
		return iothub.Target{}, fault.Reject(op, "thingName is the name of a device's Thing", "no device id gives this Thing name")
	}
	return iothub.Target{Device: device, Module: text(params, "moduleId")}, nil
}

// create makes a device or a module with keys of the hub's making; one that is there stays as it is.
func (r registry) create(ctx context.Context, params *infotable.Table) (infotable.Value, error) {
	const op = "create a device"
	t, err := r.target(op, params)
	if err != nil {
		return infotable.Nothing(), err
	}
	edge, _ := params.First("iotEdge").Boolean()
	if edge && t.Module != "" {
		return infotable.Nothing(), fault.Reject(op, "make the device an edge device, then its module", "a module is no edge device")
	}
	i := iothub.Identity{DeviceID: t.Device, ModuleID: t.Module}
	if edge {
		i.Capabilities = &iothub.Capabilities{IoTEdge: true}
	}
	if t.Module == "" {
		i.Status = "enabled"
	}
	if _, err = r.hub.Create(ctx, i); errors.Is(err, iothub.ErrExists) {
		err = nil
	}
	return infotable.Nothing(), err
}

// remove deletes a device with its modules, or a module; it is no error if it is gone.
func (r registry) remove(ctx context.Context, params *infotable.Table) (infotable.Value, error) {
	t, err := r.target("delete a device", params)
	if err != nil {
		return infotable.Nothing(), err
	}
	if err = r.hub.Delete(ctx, t, ""); errors.Is(err, iothub.ErrNotFound) {
		err = nil
	}
	return infotable.Nothing(), err
}

// describe gives all that the hub has of a device or module but its credentials, in one row.
func (r registry) describe(ctx context.Context, params *infotable.Table) (infotable.Value, error) {
	t, err := r.target("describe a device", params)
	if err != nil {
		return infotable.Nothing(), err
	}
	i, err := r.hub.Get(ctx, t)
	if err != nil {
		return infotable.Nothing(), marked(err)
	}
	row := describe(i)
	if t.Module == "" {
		modules, err := r.hub.Modules(ctx, t.Device)
		if err != nil {
			return infotable.Nothing(), marked(err)
		}
		ids := make([]string, len(modules))
		for n, m := range modules {
			ids[n] = m.ModuleID
		}
		row = append(row, infotable.Cell{Name: "modules", Value: jsonValue(ids)})
	}
	return infotable.FromTable(infotable.OneRow(row...)), nil
}

func describe(i iothub.Identity) []infotable.Cell {
	authentication := ""
	if i.Authentication != nil {
		authentication = i.Authentication.Type
	}
	return []infotable.Cell{
		{Name: "deviceId", Value: infotable.String(i.DeviceID)},
		{Name: "moduleId", Value: infotable.String(i.ModuleID)},
		{Name: "status", Value: infotable.String(i.Status)},
		{Name: "statusReason", Value: infotable.String(i.StatusReason)},
		{Name: "statusUpdatedTime", Value: timeValue(i.StatusUpdated)},
		{Name: "c2dMessageCount", Value: infotable.Integer(int32(i.Waiting))},
		{Name: "connectionState", Value: infotable.String(strings.ToLower(i.ConnectionState))},
		{Name: "connectionStateUpdatedTime", Value: timeValue(i.StateUpdated)},
		{Name: "lastActivityTime", Value: timeValue(i.LastActivity)},
		{Name: "authenticationType", Value: infotable.String(authentication)},
		{Name: "iotEdge", Value: infotable.Boolean(i.Capabilities != nil && i.Capabilities.IoTEdge)},
		{Name: "etag", Value: infotable.String(i.ETag)},
		{Name: "generationId", Value: infotable.String(i.GenerationID)},
		{Name: "managedBy", Value: infotable.String(i.ManagedBy)},
		{Name: "deviceScope", Value: infotable.String(i.DeviceScope)},
		{Name: "parentScopes", Value: jsonValue(i.ParentScopes)},
	}
}

// text is a parameter that is text; "" if it is none or not there.
func text(params *infotable.Table, name string) string {
	text, _ := params.First(name).Text()
	return text
}

// timeValue is nothing for a time that never was.
func timeValue(t iothub.Time) infotable.Value {
	if t.Year() <= 1 {
		return infotable.Nothing()
	}
	return infotable.DateTime(t.UnixMilli())
}

// jsonValue is the JSON of texts and numbers.
func jsonValue(v any) infotable.Value {
	b, _ := json.Marshal(v) // of texts and numbers
	return infotable.Text(infotable.TypeJSON, string(b))
}
