package serve

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"

	"azx/alwayson/infotable"
	"azx/internal/local/thingworx"
)

// Client asks a platform by REST. It is what the commands of a person use.
type Client struct {
	info Info
	http http.Client
}

// NewClient returns a Client of the platform that Info describes.
func NewClient(i Info) *Client { return &Client{info: i} }

// Open returns a Client of the platform whose folder is dir.
func Open(dir string) (*Client, error) {
	info, err := ReadInfo(dir)
	if err != nil {
		return nil, err
	}
	return NewClient(info), nil
}

// do sends a request with a JSON body and decodes the answer into out, unless that is nil.
func (c *Client) do(ctx context.Context, method, path string, body map[string]any, out any) error {
	raw, err := json.Marshal(body)
	if err != nil {
		return fmt.Errorf("encode request: %w", err)
	}
	r, err := http.NewRequestWithContext(ctx, method, c.info.URL+path, bytes.NewReader(raw))
	if err != nil {
		return fmt.Errorf("make request: %w", err)
	}
	r.Close = true // one request per command
	r.Header.Set("appKey", c.info.AppKey)
	r.Header.Set("Content-Type", "application/json")
	r.Header.Set("Accept", "application/json")
	answer, err := c.http.Do(r)
	if err != nil {
		return fmt.Errorf("ask platform: %w", err)
	}
	text, err := io.ReadAll(io.LimitReader(answer.Body, 64<<20))
	if err = errors.Join(err, answer.Body.Close()); err != nil {
		return fmt.Errorf("read answer of platform: %w", err)
	}
	if answer.StatusCode != http.StatusOK {
		return &statusError{answer.StatusCode, strings.TrimSpace(string(text))}
	}
	if out == nil {
		return nil
	}
	if err := json.Unmarshal(text, out); err != nil {
		return fmt.Errorf("read answer of platform: %w", err)
	}
	return nil
}

// IsRefusal reports whether the platform answered and refused, so that it is there at least.
func IsRefusal(err error) bool {
	var status *statusError
	return errors.As(err, &status)
}

// ThingRow is one Thing of Client.Things.
type ThingRow struct {
	Name        string `json:"name"`
	Description string `json:"description"`
	System      bool   `json:"isSystemObject"`
}

// Things returns all Things, sorted by name.
func (c *Client) Things(ctx context.Context) ([]ThingRow, error) {
	var list struct{ Rows []ThingRow }
	if err := c.do(ctx, http.MethodGet, "/Things", nil, &list); err != nil {
		return nil, fmt.Errorf("list Things: %w", err)
	}
	return list.Rows, nil
}

// AddThing creates an enabled RemoteThing whose properties are remote-bound and pushed ALWAYS. If a property is
// refused the Thing is removed again.
func (c *Client) AddThing(ctx context.Context, name string, properties []thingworx.Definition) error {
	return c.add(ctx, "Thing", map[string]any{"name": name, "thingTemplateName": thingworx.TemplateRemote}, properties, "")
}

// AddDevice creates an AzureIotThing like AddThing, whose requests go through the hub Thing gateway, which must exist.
func (c *Client) AddDevice(ctx context.Context, name, gateway string, properties []thingworx.Definition) error {
	if err := c.do(ctx, http.MethodGet, "/Things/"+url.PathEscape(gateway), nil, nil); err != nil {
		return fmt.Errorf("add Thing %s: gateway: %w", name, err)
	}
	return c.add(ctx, "Thing", map[string]any{"name": name, "thingTemplateName": thingworx.TemplateAzureThing, "gatewayThing": gateway},
		properties, "")
}

// AddHub creates an enabled AzureIotHubTemplate Thing. An empty routing group leaves the template's, which is the name.
func (c *Client) AddHub(ctx context.Context, name, routingGroup string) error {
	return c.add(ctx, "hub Thing", map[string]any{"name": name, "thingTemplateName": thingworx.TemplateAzureHub}, nil, routingGroup)
}

// add creates a Thing with CreateThing's parameters and completes it, or removes it again.
func (c *Client) add(ctx context.Context, what string, create map[string]any, properties []thingworx.Definition, routingGroup string) error {
	if err := c.do(ctx, http.MethodPost, "/Resources/EntityServices/Services/CreateThing", create, nil); err != nil {
		return fmt.Errorf("add %s: %w", what, err)
	}
	name, _ := create["name"].(string)
	err := c.setRoutingGroup(ctx, name, routingGroup)
	if err == nil {
		err = c.complete(ctx, name, properties)
	}
	if err != nil {
		undo := c.do(context.WithoutCancel(ctx), http.MethodDelete, "/Things/"+url.PathEscape(name), nil, nil)
		return fmt.Errorf("add %s: %w", what, errors.Join(err, undo))
	}
	return nil
}

func (c *Client) setRoutingGroup(ctx context.Context, name, group string) error {
	if group == "" {
		return nil
	}
	column := map[string]any{"name": thingworx.ColumnRoutingGroup, "baseType": "STRING"}
	return c.call(ctx, name, "SetConfigurationTable", map[string]any{"tableName": thingworx.TableRouting, "configurationTable": map[string]any{
		"dataShape": map[string]any{"fieldDefinitions": map[string]any{thingworx.ColumnRoutingGroup: column}},
		"rows":      []map[string]any{{thingworx.ColumnRoutingGroup: group}},
	}})
}

// call calls a service of a Thing that answers nothing.
func (c *Client) call(ctx context.Context, thing, service string, body map[string]any) error {
	return c.do(ctx, http.MethodPost, "/Things/"+url.PathEscape(thing)+"/Services/"+service, body, nil)
}

func (c *Client) complete(ctx context.Context, name string, properties []thingworx.Definition) error {
	for _, d := range properties {
		body := map[string]any{"name": d.Name, "type": d.Type.String(), "persistent": true}
		if err := c.call(ctx, name, "AddPropertyDefinition", body); err != nil {
			return err
		}
		body = map[string]any{"propertyName": d.Name, "sourcePropertyName": d.Remote.EdgeName, "pushType": thingworx.PushAlways}
		if err := c.call(ctx, name, "SetRemotePropertyBinding", body); err != nil {
			return err
		}
	}
	if err := c.call(ctx, name, "EnableThing", nil); err != nil {
		return err
	}
	return c.call(ctx, name, "RestartThing", nil)
}

// ParseProperty reads NAME:TYPE or NAME:TYPE:EDGENAME. A "::" belongs to a name, as modules have it.
func ParseProperty(text string) (thingworx.Definition, error) {
	const mark = "\x00"
	parts := strings.Split(strings.ReplaceAll(text, "::", mark), ":")
	for i := range parts {
		parts[i] = strings.ReplaceAll(parts[i], mark, "::")
	}
	if len(parts) < 2 || len(parts) > 3 || parts[0] == "" || len(parts) == 3 && parts[2] == "" {
		return thingworx.Definition{}, fmt.Errorf("property %q: want NAME:TYPE or NAME:TYPE:EDGENAME, such as temperature:NUMBER", text)
	}
	base, err := infotable.ParseBaseType(parts[1])
	if err != nil {
		return thingworx.Definition{}, fmt.Errorf("property %q: %q is no base type; there are NUMBER, INTEGER, STRING,"+
			" BOOLEAN, DATETIME, JSON, LOCATION and others", text, parts[1])
	}
	d := thingworx.Definition{Name: parts[0], Type: base, Remote: &thingworx.Binding{EdgeName: parts[0]}}
	if len(parts) == 3 {
		d.Remote.EdgeName = parts[2]
	}
	if err := thingworx.CheckPropertyName(d.Name); err != nil {
		return thingworx.Definition{}, err
	}
	return d, nil
}
