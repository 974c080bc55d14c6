package e2e

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"azx/test/process"
)

// kind is a device or module with its Thing; x is a property, Echo a service.
type kind struct {
	*device
	module   string      // "" for a device
	messages chan string // what the cloud sent
	desired  chan string // patches of desired properties
}

// TestEachKindOfDeviceGetsWhatItCanTake is the table of docs/two-way.md: what is allowed works, and what is not is
// refused with its reason.
func TestEachKindOfDeviceGetsWhatItCanTake(t *testing.T) {
	t.Parallel()
	stack := process.NewStack(t, azx)
	stack.AddHubThing(hubThing)
	stack.AddDevice("edge", "--edge")
	stack.AddDevice("host")
	kinds := map[string]kind{
		"device":                   newKind(t, stack, "plain", ""),
		"edge device":              newKind(t, stack, "gateway", "", "--edge"),
		"module of an edge device": newKind(t, stack, "edge", "mod1"),
		"module of a plain device": newKind(t, stack, "host", "mod1"),
		"leaf behind a gateway":    newKind(t, stack, "leaf", "", "--parent", "gateway"),
	}
	stack.ConfigureFor(hubThing, "azx-1")
	connector := stack.ConnectAs("azx-1")
	for name, k := range kinds {
		t.Run(name, func(t *testing.T) {
			k.t = t
			t.Run("telemetry", func(t *testing.T) { k.telemetry(t, stack.Platform) })
			t.Run("message", func(t *testing.T) { k.message(t, stack) })
			t.Run("method", func(t *testing.T) { k.method(t, stack.Platform) })
			t.Run("twin", func(t *testing.T) { k.twin(t, stack.Platform) })
		})
	}
	if code := connector.Stop(); code != 0 {
		t.Errorf("the connector ended with exit code %d: %s", code, connector.Stderr())
	}
}

func newKind(t *testing.T, stack *process.Stack, id, module string, flags ...string) kind {
	t.Helper()
	prefix := ""
	if module != "" {
		flags = append(flags, "--module", module)
		prefix = module + "::"
	}
	k := kind{connectDevice(t, stack, id, flags...), module, make(chan string, 10), make(chan string, 10)}
	stack.AddDeviceThing(id, hubThing, "--property", "x:INTEGER:"+prefix+"x", "--service", "Echo(n:INTEGER):JSON:"+prefix+"echo")
	k.echoes()
	k.desires(func(body []byte) { k.desired <- string(body) })
	if module == "" {
		k.takes(func(body []byte) { k.messages <- string(body) })
	}
	return k
}

func (k kind) telemetry(t *testing.T, platform *process.Platform) {
	if err := k.send(`{"x":1}`); err != nil {
		t.Fatal(err)
	}
	process.Eventually(t, time.Minute, "the value is on the Thing", func() error {
		raw, err := platform.ReadProperty(k.id, "x")
		if err == nil && string(raw) != "1" {
			err = fmt.Errorf("x is %s", raw)
		}
		return err
	})
}

// message writes a property. For a module it becomes a desired property, and a message is refused by the connector
// and by the hub.
func (k kind) message(t *testing.T, stack *process.Stack) {
	if err := stack.Platform.WriteProperty(k.id, "x", 2); err != nil {
		t.Fatal(err)
	}
	if k.module == "" {
		arrives(t, "the write", k.messages, func(body string) bool { return body == `{"x":2}` })
		return
	}
	arrives(t, "the write", k.desired, func(body string) bool { return strings.Contains(body, `"x":2`) })
	send := stack.Start("send", k.id+"/"+k.module, "--body", `{"x":3}`, "-c", "azx-1.yaml")
	if code := send.Wait(time.Minute); code == 0 || !strings.Contains(send.Stderr(), "module") {
		t.Errorf("a message to a module: exit code %d: %s", code, send.Stderr())
	}
}

func (k kind) method(t *testing.T, platform *process.Platform) {
	result, err := platform.TryCall("Things/"+k.id, "Echo", map[string]any{"n": 5})
	if err != nil || string(result) != `{"n":5}` {
		t.Errorf("%s, %v", result, err)
	}
}

func (k kind) twin(t *testing.T, platform *process.Platform) {
	if k.module != "" { // the module's twin was tried by the write
		return
	}
	if err := platform.WriteProperty(k.id, "twinDesired", map[string]any{"interval": 5}); err != nil {
		t.Fatal(err)
	}
	arrives(t, "the desired property", k.desired, func(body string) bool { return strings.Contains(body, `"interval":5`) })
	if err := platform.WriteProperty(k.id, "twinTags", map[string]any{"site": "north"}); err != nil {
		t.Fatal(err)
	}
	k.reports(`{"mode":"eco"}`)
	process.Eventually(t, time.Minute, "the reported property is read", func() error {
		raw, err := platform.ReadProperty(k.id, "twinReported")
		if err == nil && !strings.Contains(string(raw), `"mode":"eco"`) {
			err = fmt.Errorf("is %s", raw)
		}
		return err
	})
}
