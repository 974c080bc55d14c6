package devices

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"iter"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"

	"go.uber.org/goleak"

	"azx/internal/fault"
	"azx/internal/mapping"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// hub is a source of devices in pages of size; the place is the number of the first device of a page.
type hub struct {
	devices []Device
	size    int
	fails   map[int]error // instead of the page that begins there
}

func (h *hub) Total() int { return len(h.devices) }

func (h *hub) Pages(_ context.Context, from string) iter.Seq2[Page, error] {
	return func(yield func(Page, error) bool) {
		at, _ := strconv.Atoi(from)
		for at < len(h.devices) {
			if err := h.fails[at]; err != nil {
				yield(Page{}, err)
				return
			}
			end := min(at+h.size, len(h.devices))
			if !yield(Page{h.devices[at:end], strconv.Itoa(end)}, nil) {
				return
			}
			at = end
		}
	}
}

// platform is one that keeps Things, and finds them without regard to case.
type platform struct {
	mu     sync.Mutex
	things map[string]Thing // by name in small letters
	calls  int
	fail   func(verb, thing string) error // before a call changes anything; nil: never
	cut    func(thing string) bool        // its making is cut off behind the Thing itself; nil: never

	has      map[string]bool     // properties that Things have from each template
	declared map[string][]string // by Thing
}

func newPlatform(things ...Thing) *platform {
	p := &platform{things: map[string]Thing{}, declared: map[string][]string{}}
	for _, t := range things {
		p.things[strings.ToLower(t.Name)] = t
	}
	return p
}

func (p *platform) call(verb, thing string) error {
	p.calls++
	if p.fail == nil {
		return nil
	}
	return p.fail(verb, thing)
}

func (p *platform) Find(_ context.Context, names []string) (map[string]Found, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	found := map[string]Found{}
	for _, name := range names {
		if t, there := p.things[strings.ToLower(name)]; there {
			found[name] = Found{t.Name, t.Hub}
		}
	}
	return found, p.call("find", "")
}

func (p *platform) Create(_ context.Context, t Thing) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if err := p.call("create", t.Name); err != nil {
		return err
	}
	if p.cut != nil && p.cut(t.Name) {
		p.things[strings.ToLower(t.Name)] = Thing{Name: t.Name, Template: t.Template}
		return &fault.Problem{Op: "create", Class: fault.Credential, Cause: errAway}
	}
	p.things[strings.ToLower(t.Name)] = t
	return nil
}

func (p *platform) Update(_ context.Context, t Thing) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if err := p.call("update", t.Name); err != nil {
		return err
	}
	t.Template = p.things[strings.ToLower(t.Name)].Template
	p.things[strings.ToLower(t.Name)] = t
	return nil
}

func (p *platform) Declare(_ context.Context, t Thing, properties []mapping.Property, dry bool) (done []mapping.Property, err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if err := p.call("declare", t.Name); err != nil {
		return nil, err
	}
	for _, one := range properties {
		if text := Declared([]mapping.Property{one}).String(); !p.has[one.EdgeName] && !slices.Contains(p.declared[t.Name], text) {
			done = append(done, one)
			if !dry {
				p.declared[t.Name] = append(p.declared[t.Name], text)
			}
		}
	}
	return done, nil
}

func (p *platform) TemplateProperties(_ context.Context, template string) (map[string]bool, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.has, p.call("template", template)
}

// device has a tag n, and is an edge device every tenth time.
func device(n int) Device {
	return Device{ID: fmt.Sprintf("dev-%06d", n), Edge: n%10 == 0, Tags: json.RawMessage(fmt.Sprintf(`{"n": %d, "kind": "pump", "place": {"floor": 2}}`, n)),
		Desired: json.RawMessage(`{"rate": 5, "$version": 3}`), Report: json.RawMessage(`{"$version": 1}`)}
}

func many(n int) *hub {
	h := &hub{size: 100}
	for k := range n {
		h.devices = append(h.devices, device(k))
	}
	return h
}

func of(ids ...string) *hub {
	h := &hub{size: 100}
	for _, id := range ids {
		h.devices = append(h.devices, Device{ID: id})
	}
	return h
}

var errAway = errors.New("the platform is away")
