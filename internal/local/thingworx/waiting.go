package thingworx

import (
	"cmp"
	"context"
	"encoding/json"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"azx/alwayson/infotable"
	"azx/internal/local/thingworx/tablejson"
)

// Bounds of what is kept of one device without a Thing.
const (
	maxContext   = 256 << 10 // bytes of an event's context
	maxSuggested = 200       // properties
)

// Suggested is a property that a device without a Thing sends.
type Suggested struct {
	EdgeName string
	Type     infotable.BaseType
	Value    infotable.Value // the last one
}

// Waiting is a device that has no Thing.
type Waiting struct {
	ID          string // the device's id at its hub
	Thing       string // name that its Thing would have
	Hub         string // hub Thing, "" when unknown
	Message     string // of the last event
	Count       int    // events
	First, Last time.Time
	Properties  []Suggested // sorted by edge name
}

type waitingList struct {
	most int

	mu      sync.Mutex
	devices map[string]*waitingDevice // by Thing name
}

type waitingDevice struct {
	Waiting
	properties map[string]Suggested
}

func newWaitingList(most int) waitingList {
	return waitingList{most: most, devices: map[string]*waitingDevice{}}
}

func (l *waitingList) len() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return len(l.devices)
}

func (l *waitingList) remove(thingName string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	delete(l.devices, thingName)
}

// note adds one event of a device; the device heard of longest ago makes room.
func (l *waitingList) note(w Waiting, properties []Suggested) {
	l.mu.Lock()
	defer l.mu.Unlock()
	d := l.devices[w.Thing]
	if d == nil {
		if len(l.devices) >= l.most {
			l.dropOldest()
		}
		d = &waitingDevice{Waiting: w, properties: map[string]Suggested{}}
		d.First = w.Last
		l.devices[w.Thing] = d
	}
	d.Count++
	d.Last, d.Message, d.Hub = w.Last, w.Message, w.Hub
	for _, s := range properties {
		if _, known := d.properties[s.EdgeName]; known || len(d.properties) < maxSuggested {
			d.properties[s.EdgeName] = s
		}
	}
}

func (l *waitingList) dropOldest() {
	oldest := ""
	for name, d := range l.devices {
		if oldest == "" || d.Last.Before(l.devices[oldest].Last) {
			oldest = name
		}
	}
	delete(l.devices, oldest)
}

func (d *waitingDevice) copy() Waiting {
	w := d.Waiting
	w.Properties = slices.SortedFunc(maps.Values(d.properties), func(a, b Suggested) int {
		return strings.Compare(a.EdgeName, b.EdgeName)
	})
	return w
}

// Waiting returns the devices that have no Thing, the one heard of last first, at most limit (0: all).
func (p *Platform) Waiting(limit int) []Waiting {
	l := &p.waiting
	l.mu.Lock()
	defer l.mu.Unlock()
	devices := slices.SortedFunc(maps.Values(l.devices), func(a, b *waitingDevice) int {
		return cmp.Or(b.Last.Compare(a.Last), strings.Compare(a.Thing, b.Thing))
	})
	if limit > 0 && len(devices) > limit {
		devices = devices[:limit]
	}
	out := make([]Waiting, 0, len(devices))
	for _, d := range devices {
		out = append(out, d.copy())
	}
	return out
}

// CreateWaiting creates the Thing of a listed device: a RemoteThing with the suggested properties, remote-bound
// and pushed ALWAYS. If its hub has a Thing here, that becomes the gateway; an AzureIotHubTemplate has AzureIotThings.
func (p *Platform) CreateWaiting(thingName string) error {
	l := &p.waiting
	l.mu.Lock()
	d := l.devices[thingName]
	if d == nil {
		l.mu.Unlock()
		return Refuse(NotFound, "no device without a Thing is called %q (any more)", shorten(thingName))
	}
	w := d.copy()
	l.mu.Unlock()
	spec := ThingSpec{Name: thingName, Template: TemplateRemote, Enabled: true, Description: "Device " + w.ID}
	if hub, err := p.find(w.Hub); err == nil {
		spec.Gateway = w.Hub
		if m := p.model.Load(); hub.composed().bases[TemplateAzureHub] && m.template(TemplateAzureThing) != nil {
			spec.Template = TemplateAzureThing
		}
	}
	taken, bound := map[string]bool{}, map[string]bool{}
	for _, d := range p.model.Load().class(spec.Template, []string{ShapeRoutedEgress}).properties {
		taken[d.Name] = true
		if d.Remote != nil {
			bound[d.Remote.EdgeName] = true
		}
	}
	for _, s := range w.Properties {
		if bound[s.EdgeName] { // by the template: no device writes those
			continue
		}
		name := PropertyNameFor(s.EdgeName, func(n string) bool { return taken[n] })
		taken[name] = true
		spec.Properties = append(spec.Properties, Definition{
			Name: name, Type: s.Type, Persistent: true, Remote: &Binding{EdgeName: s.EdgeName, PushType: PushAlways},
		})
	}
	return p.CreateThing(context.Background(), spec)
}

// unknownDevice is the context of a ThingNotFoundError, as this project's connector fills it.
type unknownDevice struct {
	HubThing   string `json:"hubThing"`
	Thing      string `json:"thing"` // name that the Thing should get; default: the edge identifier
	Properties map[string]struct {
		BaseType string          `json:"baseType"`
		Value    json.RawMessage `json:"value"`
	} `json:"properties"`
	Time int64 `json:"time"` // milliseconds since 1970-01-01 UTC
}

// deviceWithoutThing lists the device that an event is about. It reads the event's fields id, message, context and edgeIdentifier (read: the data shape
// CXSEvent.ThingNotFoundError).
func (p *Platform) deviceWithoutThing(data *infotable.Table) error {
	id, _ := data.First("edgeIdentifier").Text()
	if id == "" || len(id) > 4*maxName {
		return Refuse(Invalid, "event %s: the field edgeIdentifier must name the device", EventThingNotFound)
	}
	message, _ := data.First("message").Text()
	text, _ := data.First("context").Text() // JSON
	var context unknownDevice
	if len(text) > maxContext {
		return Refuse(Invalid, "event %s: its context is larger than %d bytes", EventThingNotFound, maxContext)
	}
	if text != "" {
		if err := json.Unmarshal([]byte(text), &context); err != nil {
			return Refuse(Invalid, "event %s: its context is not the expected JSON object: %v", EventThingNotFound, err)
		}
	}
	w := Waiting{ID: id, Thing: context.Thing, Hub: context.HubThing, Message: shorten(message), Last: p.now()}
	if w.Thing == "" {
		w.Thing = id
	}
	if len(w.Thing) > 4*maxName {
		return Refuse(Invalid, "event %s: the Thing name is too long", EventThingNotFound)
	}
	if _, err := p.find(w.Thing); err == nil {
		return nil // created meanwhile
	}
	p.waiting.note(w, context.suggestions())
	return nil
}

func (u *unknownDevice) suggestions() []Suggested {
	var out []Suggested
	for edgeName, s := range u.Properties {
		base, err := infotable.ParseBaseType(s.BaseType)
		if err != nil || base == infotable.TypeNothing || !base.OnWire() || edgeName == "" || len(edgeName) > 4*maxName {
			continue
		}
		v := infotable.Nothing()
		if len(s.Value) > 0 {
			if got, err := tablejson.DecodeValue(base, s.Value); err == nil {
				v = got
			}
		}
		out = append(out, Suggested{EdgeName: edgeName, Type: base, Value: v})
	}
	return out
}
