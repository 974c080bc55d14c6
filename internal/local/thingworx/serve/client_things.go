package serve

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"

	"azx/alwayson/infotable"
	"azx/internal/local/thingworx"
)

// AddThing creates an enabled RemoteThing whose properties are remote-bound and pushed ALWAYS. If a property is
// refused the Thing is removed again.
func (c *Client) AddThing(ctx context.Context, name string, properties []thingworx.Definition) error {
	return c.AddDevice(ctx, DeviceThing{Name: name, Properties: properties})
}

// DeviceThing is the Thing of a device, to be added.
type DeviceThing struct {
	Name       string
	Gateway    string // hub Thing, which must exist: it makes the Thing an AzureIotThing; "": a RemoteThing
	WriteVia   string // how writes travel, "" to leave it to the connector; of an AzureIotThing only
	Properties []thingworx.Definition
	Services   []thingworx.ServiceDefinition // with their bindings to the edge
}

// AddDevice creates a Thing like AddThing, with services and, if it has one, its gateway.
func (c *Client) AddDevice(ctx context.Context, d DeviceThing) error {
	create := map[string]any{"name": d.Name, "thingTemplateName": thingworx.TemplateRemote}
	if d.Gateway != "" {
		if err := c.do(ctx, http.MethodGet, "/Things/"+url.PathEscape(d.Gateway), nil, nil); err != nil {
			return fmt.Errorf("add Thing %s: gateway: %w", d.Name, err)
		}
		create["thingTemplateName"], create["gatewayThing"] = thingworx.TemplateAzureThing, d.Gateway
	}
	return c.add(ctx, "Thing", create, func() error { return c.complete(ctx, d) })
}

// AddHub creates an enabled AzureIotHubTemplate Thing. A routing group that is nil leaves the template's, which is the
// name; any other is taken as it is, also one that is empty.
func (c *Client) AddHub(ctx context.Context, name string, routingGroup *string) error {
	create := map[string]any{"name": name, "thingTemplateName": thingworx.TemplateAzureHub}
	return c.add(ctx, "hub Thing", create, func() error {
		if routingGroup != nil {
			if err := c.SetRoutingGroup(ctx, name, routingGroup); err != nil {
				return err
			}
		}
		return c.enable(ctx, name)
	})
}

// SetRoutingGroup changes the routing group of a hub Thing; nil is null.
func (c *Client) SetRoutingGroup(ctx context.Context, name string, group *string) error {
	err := c.call(ctx, name, "SetConfigurationTable", map[string]any{"tableName": thingworx.TableRouting,
		"configurationTable": tableOf(map[string]string{thingworx.ColumnRoutingGroup: "STRING"}, map[string]any{thingworx.ColumnRoutingGroup: group})})
	if err != nil {
		return fmt.Errorf("set routing group: %w", err)
	}
	return nil
}

// add creates a Thing with CreateThing's parameters and completes it, or removes it again.
func (c *Client) add(ctx context.Context, what string, create map[string]any, complete func() error) error {
	if err := c.do(ctx, http.MethodPost, "/Resources/EntityServices/Services/CreateThing", create, nil); err != nil {
		return fmt.Errorf("add %s: %w", what, err)
	}
	if err := complete(); err != nil {
		name, _ := create["name"].(string)
		undo := c.do(context.WithoutCancel(ctx), http.MethodDelete, "/Things/"+url.PathEscape(name), nil, nil)
		return fmt.Errorf("add %s: %w", what, errors.Join(err, undo))
	}
	return nil
}

// call calls a service of a Thing that answers nothing.
func (c *Client) call(ctx context.Context, thing, service string, body map[string]any) error {
	return c.do(ctx, http.MethodPost, "/Things/"+url.PathEscape(thing)+"/Services/"+service, body, nil)
}

func (c *Client) complete(ctx context.Context, d DeviceThing) error {
	for _, p := range d.Properties {
		body := map[string]any{"name": p.Name, "type": p.Type.String(), "persistent": true}
		if err := c.call(ctx, d.Name, "AddPropertyDefinition", body); err != nil {
			return err
		}
		body = map[string]any{"propertyName": p.Name, "sourcePropertyName": p.Remote.EdgeName, "pushType": thingworx.PushAlways}
		if err := c.call(ctx, d.Name, "SetRemotePropertyBinding", body); err != nil {
			return err
		}
	}
	for i := range d.Services {
		if err := c.addService(ctx, d.Name, &d.Services[i]); err != nil {
			return err
		}
	}
	if err := c.enable(ctx, d.Name); err != nil || d.WriteVia == "" {
		return err
	}
	return c.do(ctx, http.MethodPut, "/Things/"+url.PathEscape(d.Name)+"/Properties/"+thingworx.PropertyWriteVia,
		map[string]any{thingworx.PropertyWriteVia: d.WriteVia}, nil)
}

func (c *Client) enable(ctx context.Context, name string) error {
	if err := c.call(ctx, name, "EnableThing", nil); err != nil {
		return err
	}
	return c.call(ctx, name, "RestartThing", nil)
}

// addService adds a service to a Thing; the columns of its result become a data shape, since only those have columns.
func (c *Client) addService(ctx context.Context, thing string, s *thingworx.ServiceDefinition) error {
	result := definitionRow("result", s.Result)
	if len(s.Fields) > 0 {
		shape := thing + "." + strings.ReplaceAll(s.Name, ":", "_")
		var columns []map[string]any
		for _, f := range s.Fields {
			columns = append(columns, definitionRow(f.Name, f.Type))
		}
		create := map[string]any{"name": shape, "description": "Result of " + s.Name + " of " + thing, "fields": definitionRows(columns...)}
		if err := c.do(ctx, http.MethodPost, "/Resources/EntityServices/Services/CreateDataShape", create, nil); err != nil {
			return err
		}
		result["dataShape"] = shape
	}
	params := []map[string]any{}
	for _, p := range s.Params {
		params = append(params, definitionRow(p.Name, p.Type))
	}
	return c.call(ctx, thing, "AddServiceDefinition", map[string]any{
		"name": s.Name, "remote": true, "remoteServiceName": s.Remote.EdgeName, "timeout": s.Remote.Timeout,
		"parameters": definitionRows(params...), "resultType": definitionRows(result),
	})
}

func definitionRow(name string, base infotable.BaseType) map[string]any {
	return map[string]any{"name": name, "baseType": base.String()}
}

// definitionRows are rows of the data shape FieldDefinition.
func definitionRows(rows ...map[string]any) map[string]any {
	return tableOf(map[string]string{"name": "STRING", "baseType": "BASETYPENAME", "dataShape": "DATASHAPENAME"}, rows...)
}

// tableOf is an infotable as JSON: base types by column, and rows.
func tableOf(columns map[string]string, rows ...map[string]any) map[string]any {
	fields := map[string]any{}
	for name, base := range columns {
		fields[name] = map[string]any{"name": name, "baseType": base}
	}
	if rows == nil {
		rows = []map[string]any{}
	}
	return map[string]any{"dataShape": map[string]any{"fieldDefinitions": fields}, "rows": rows}
}
