package e2e

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"azx/test/process"
)

// TestTheConnectorAlone builds azx without what is for trying it, and has it carry a message between ends of the usual build.
func TestTheConnectorAlone(t *testing.T) {
	t.Parallel()
	alone, err := process.Build(t.Context(), t.TempDir(), "connector")
	if err != nil {
		t.Fatal(err)
	}
	stack := process.NewStack(t, azx)
	start := func(args ...string) *process.Child {
		return process.Start(t, process.Command{Name: string(alone), Args: args, Dir: stack.Dir})
	}
	for _, verb := range []string{"demo", "hub", "platform", "extension"} {
		refused := start(verb, "--dir", "x")
		if code := refused.Wait(time.Minute); code != 2 {
			t.Errorf("azx %s ended with exit code %d", verb, code)
		}
		if !strings.Contains(refused.Stderr(), "azx "+verb+" is not in this build") {
			t.Errorf("azx %s says %q", verb, refused.Stderr())
		}
	}
	stack.AddDevice("boiler-1")
	stack.AddThing("boiler-1", "temperature:NUMBER")
	stack.Configure()
	connector := start("run", "-c", "azx.yaml")
	connector.UntilPrinted(time.Minute, "ready")
	stack.Send("boiler-1", `{"temperature": 71.5}`)
	connector.Until(time.Minute, "the message is written", func() error {
		if got, err := stack.Platform.ReadProperty("boiler-1", "temperature"); err != nil || string(got) != "71.5" {
			return fmt.Errorf("temperature is %s: %v", got, err)
		}
		return nil
	})
	if code := connector.Stop(); code != 0 {
		t.Errorf("the connector ended with exit code %d", code)
	}
}
