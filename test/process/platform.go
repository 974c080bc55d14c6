package process

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"
)

// Platform is what `azx platform` writes to platform.json, and the REST client of tests.
type Platform struct {
	t      testing.TB
	URL    string `json:"url"`
	WS     string `json:"ws"`
	AppKey string `json:"appKey"`
	Page   string `json:"page"`
}

// NewRealPlatform is a platform that runs elsewhere.
func NewRealPlatform(t testing.TB, address, appKey string) *Platform {
	return &Platform{t: t, URL: address, AppKey: appKey}
}

// Value is a property of a Thing as REST gives it.
type Value struct {
	Value   json.RawMessage
	Time    time.Time
	Quality string
	Type    string // base type
}

// table is an infotable in JSON.
type table struct {
	DataShape struct {
		FieldDefinitions map[string]struct {
			BaseType string `json:"baseType"`
		} `json:"fieldDefinitions"`
	} `json:"dataShape"`
	Rows []map[string]json.RawMessage `json:"rows"`
}

// do sends a request and returns the body of the answer. A body other than nil goes out as JSON.
func (p *Platform) do(method, path string, body any) ([]byte, error) {
	var content []byte
	if body != nil {
		var err error
		if content, err = json.Marshal(body); err != nil {
			return nil, err
		}
	}
	root := strings.TrimSuffix(strings.TrimSuffix(p.URL, "/"), "/Thingworx")
	request, err := http.NewRequest(method, root+path, bytes.NewReader(content))
	if err != nil {
		return nil, err
	}
	request.Header.Set("appKey", p.AppKey)
	request.Header.Set("Accept", "application/json")
	if body != nil {
		request.Header.Set("Content-Type", "application/json")
	}
	client := http.Client{Timeout: 60 * time.Second} // longer than the platform waits for a connector
	answer, err := client.Do(request)
	if err != nil {
		return nil, err
	}
	defer answer.Body.Close()
	text, err := io.ReadAll(answer.Body)
	if err == nil && answer.StatusCode != http.StatusOK {
		err = fmt.Errorf("%s %s: %s: %s", method, path, answer.Status, text)
	}
	return text, err
}

func (p *Platform) get(path string) ([]byte, error) { return p.do(http.MethodGet, path, nil) }

// Call invokes a service and returns what it answered. An error ends the test.
func (p *Platform) Call(entity, service string, parameters any) []byte {
	p.t.Helper()
	answer, err := p.do(http.MethodPost, "/Thingworx/"+entity+"/Services/"+service, parameters)
	if err != nil {
		p.t.Fatal(err)
	}
	return answer
}

// TryCall is Call for a service that may be refused.
func (p *Platform) TryCall(entity, service string, parameters any) ([]byte, error) {
	return p.do(http.MethodPost, "/Thingworx/"+entity+"/Services/"+service, parameters)
}

// Result calls a service and returns what is in the column result of its only row.
func (p *Platform) Result(entity, service string, parameters any) (json.RawMessage, error) {
	text, err := p.TryCall(entity, service, parameters)
	if err != nil {
		return nil, err
	}
	var t table
	if err := json.Unmarshal(text, &t); err != nil || len(t.Rows) != 1 {
		return nil, fmt.Errorf("%s of %s: want one row: %s", service, entity, text)
	}
	return t.Rows[0]["result"], nil
}

// WriteProperty writes one property of a Thing.
func (p *Platform) WriteProperty(thing, property string, value any) error {
	_, err := p.do(http.MethodPut, "/Thingworx/Things/"+url.PathEscape(thing)+"/Properties/"+url.PathEscape(property),
		map[string]any{property: value})
	return err
}

// ReadProperty reads the value of one property of a Thing.
func (p *Platform) ReadProperty(thing, property string) (json.RawMessage, error) {
	t, err := p.table("/Thingworx/Things/" + url.PathEscape(thing) + "/Properties/" + url.PathEscape(property))
	if err != nil {
		return nil, err
	}
	return t.Rows[0][property], nil
}

// Property reads one property with its base type, its time and its quality.
func (p *Platform) Property(thing, property string) (Value, error) {
	at := "/Thingworx/Things/" + url.PathEscape(thing)
	plain, err := p.table(at + "/Properties/" + url.PathEscape(property))
	if err != nil {
		return Value{}, err
	}
	stamped, err := p.table(at + "/PropertiesVTQ/" + url.PathEscape(property))
	if err != nil {
		return Value{}, err
	}
	v := Value{Value: plain.Rows[0][property], Type: plain.DataShape.FieldDefinitions[property].BaseType}
	var ms int64
	if err := json.Unmarshal(stamped.Rows[0]["time"], &ms); err != nil {
		return v, fmt.Errorf("property %s of %s has no time: %v", property, thing, stamped.Rows)
	}
	v.Time = time.UnixMilli(ms).UTC()
	return v, json.Unmarshal(stamped.Rows[0]["quality"], &v.Quality)
}

// table reads an infotable that has at least one row.
func (p *Platform) table(path string) (t table, err error) {
	text, err := p.get(path)
	if err != nil {
		return t, err
	}
	if err := json.Unmarshal(text, &t); err != nil {
		return t, fmt.Errorf("%s: %w: %s", path, err, text)
	}
	if len(t.Rows) == 0 {
		return t, fmt.Errorf("%s: no row: %s", path, text)
	}
	return t, nil
}

// Entry is one value that the platform acknowledged.
type Entry struct {
	Index    uint64          `json:"index"` // ascending in the order of acknowledgement
	Thing    string          `json:"thing"`
	Property string          `json:"property"`
	Value    json.RawMessage `json:"value"`
	Time     int64           `json:"time"`     // of the value: milliseconds since 1970
	Received int64           `json:"received"` // when the platform took it: milliseconds since 1970
}

// Ledger returns the acknowledged values behind the index given, oldest first. An error ends the test.
// Only the local platform has a ledger.
func (p *Platform) Ledger(after uint64) []Entry {
	p.t.Helper()
	all, err := p.TryLedger(after)
	if err != nil {
		p.t.Fatal(err)
	}
	return all
}

// TryLedger is Ledger for a platform that may be away.
func (p *Platform) TryLedger(after uint64) (all []Entry, err error) {
	for {
		text, err := p.get(fmt.Sprintf("/azx/ledger?limit=10000&after=%d", after))
		if err != nil {
			return all, err
		}
		var page struct {
			Next    uint64  `json:"next"`
			Entries []Entry `json:"entries"`
		}
		if err := json.Unmarshal(text, &page); err != nil {
			return all, fmt.Errorf("ledger: %w: %s", err, text)
		}
		if len(page.Entries) == 0 {
			return all, nil
		}
		all, after = append(all, page.Entries...), page.Next
	}
}

// Fired is an event of a Thing that somebody fired.
type Fired struct {
	Event string `json:"event"`
	Data  table  `json:"data"`
}

// Row returns a text in the only row of the event's data, "" if there is none.
func (f Fired) Row(column string) string {
	var text string
	if len(f.Data.Rows) == 1 {
		_ = json.Unmarshal(f.Data.Rows[0][column], &text) // no text is ""
	}
	return text
}

// Events returns what was fired on a Thing of the local platform, the newest first.
func (p *Platform) Events(thing string) ([]Fired, error) {
	text, err := p.get("/azx/events?limit=1000&thing=" + url.QueryEscape(thing))
	if err != nil {
		return nil, err
	}
	var all struct {
		Events []Fired `json:"events"`
	}
	return all.Events, json.Unmarshal(text, &all)
}

// SetStuck has pushes to these Things, and to no others, go without an answer.
func (p *Platform) SetStuck(things ...string) {
	p.t.Helper()
	if _, err := p.do(http.MethodPut, "/azx/stuck-things", map[string]any{"things": append([]string{}, things...)}); err != nil {
		p.t.Fatal(err)
	}
}

// AddApplicationKey makes an application key of the administrator, and returns it.
func (p *Platform) AddApplicationKey(name string) string {
	p.t.Helper()
	p.Call("Resources/EntityServices", "CreateApplicationKey", map[string]any{"name": name, "user": "Administrator"})
	raw, err := p.Result("ApplicationKeys/"+name, "GetKeyID", map[string]any{})
	var key string
	if err == nil {
		err = json.Unmarshal(raw, &key)
	}
	if err != nil {
		p.t.Fatal(err)
	}
	return key
}

// CreateThing makes an enabled RemoteThing without properties.
func (p *Platform) CreateThing(name string) {
	p.t.Helper()
	p.Call("Resources/EntityServices", "CreateThing", map[string]any{"name": name, "thingTemplateName": "RemoteThing"})
	p.Call("Things/"+name, "EnableThing", map[string]any{})
}

// AddProperty gives a Thing one more remote property, with the same name at both ends.
func (p *Platform) AddProperty(thing, property, baseType string) {
	p.t.Helper()
	p.AddRemoteProperty(thing, property, property, baseType)
}

// AddRemoteProperty gives a Thing one more property whose name at the edge may be another.
func (p *Platform) AddRemoteProperty(thing, property, remote, baseType string) {
	p.t.Helper()
	at := "Things/" + thing
	p.Call(at, "AddPropertyDefinition", map[string]any{"name": property, "type": baseType})
	p.Call(at, "SetRemotePropertyBinding", map[string]any{"propertyName": property, "sourcePropertyName": remote, "pushType": "ALWAYS"})
	p.Call(at, "RestartThing", map[string]any{})
}

// RemoveProperty takes a property from a Thing.
func (p *Platform) RemoveProperty(thing, property string) {
	p.t.Helper()
	p.Call("Things/"+thing, "RemovePropertyDefinition", map[string]any{"name": property})
}
