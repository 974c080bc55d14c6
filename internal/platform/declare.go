package platform

import (
	"context"
	"errors"

	"azx/alwayson"
	"azx/alwayson/infotable"
	"azx/internal/fault"
	"azx/internal/mapping"
)

// How Things get properties that they lack: this file, and the service of our template that it calls, are all that knows it.
const (
	declareService            = "DeclareRemoteProperties"        // of our template
	templatePropertiesService = "GetInstancePropertyDefinitions" // of templates, the platform's own (read)
)

// hintGrant says who lets the connector do that.
const hintGrant = "GrantAzureConnectorPermissions of AzureServices with manageThings = true lets the connector's user do it; for a template of yours, " +
	"grant it on the template as well"

// Declare gives a Thing remote properties, but none that it has. With dry nothing is changed. It returns those that were
// declared, or would be. An error of class Rejected is about this Thing; one of class Fatal, such as a right that is missing, is
// not.
func (s *Setup) Declare(ctx context.Context, thing string, properties []mapping.Property, dry bool) ([]mapping.Property, error) {
	const op = "declare properties of Thing "
	rows := infotable.New(infotable.Column("name", infotable.TypeString), infotable.Column("edgeName", infotable.TypeString),
		infotable.Column("baseType", infotable.TypeString))
	for _, p := range properties {
		rows.Add(infotable.String(p.EdgeName), infotable.String(p.EdgeName), infotable.String(p.Type.String()))
	}
	resp, v := s.call(ctx, alwayson.CallService(thing, declareService, infotable.OneRow(
		infotable.Cell{Name: "properties", Value: infotable.FromTable(rows)}, infotable.Cell{Name: "dryRun", Value: infotable.Boolean(dry)},
	)), s.timeout)
	switch {
	case v == accepted:
		return declaredProperties(content(resp)), nil
	case isNotFound(resp, v):
		return nil, &fault.Problem{Op: op + thing, Class: fault.Rejected, Cause: failure(op+thing, resp, v),
			Hint: "a device's Thing has the template AzureIotThing, or one that derives from it; its service " + declareService + " came with version 0.1.0 of azx-azure-iot: import the package again"}
	}
	return nil, mayNot(failure(op+thing, resp, v), resp)
}

// TemplateProperties returns the names of the properties that Things have from a template.
func (s *Setup) TemplateProperties(ctx context.Context, template string) (map[string]bool, error) {
	resp, v := s.call(ctx, alwayson.Request{Code: alwayson.Post, Entity: alwayson.ThingTemplate, Name: template, Kind: alwayson.Service,
		Target: templatePropertiesService}, s.timeout)
	if v != accepted {
		return nil, mayNot(failure("read the properties of template "+template, resp, v), resp)
	}
	names, rows := map[string]bool{}, content(resp)
	for i := range rows.Len() {
		name, _ := rows.At(i, "name").Text()
		names[name] = true
	}
	return names, nil
}

// mayNot makes a right that is missing nobody's fault but the administrator's.
func mayNot(err error, resp alwayson.Response) error {
	var p *fault.Problem
	if resp.Code == alwayson.Forbidden && errors.As(err, &p) {
		p.Class, p.Hint = fault.Fatal, hintGrant
	}
	return err
}

func declaredProperties(rows *infotable.Table) []mapping.Property {
	var all []mapping.Property
	for i := range rows.Len() {
		if name := edgeName(rows, i); name != "" {
			all = append(all, mapping.Property{EdgeName: name, Type: baseType(rows.At(i, "baseType"))})
		}
	}
	return all
}
