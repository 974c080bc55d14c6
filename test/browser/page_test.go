package browser

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"azx/test/process"
)

// scenarioWithin is how long a scenario may take on a busy machine.
const scenarioWithin = 2 * time.Minute

// play runs a scenario in Chromium. Screenshots go to bin/screenshots, where a build keeps them.
func play(t *testing.T, script, page string, env ...string) *process.Child {
	t.Helper()
	root, err := process.ModuleRoot()
	if err != nil {
		t.Fatal(err)
	}
	shots := filepath.Join(root, "bin", "screenshots")
	if err := os.MkdirAll(shots, 0o755); err != nil {
		t.Fatal(err)
	}
	env = append(append(os.Environ(), "AZX_PAGE="+page, "AZX_SCREENSHOTS="+shots), env...)
	return process.Start(t, process.Command{Name: "node", Args: []string{script}, Env: env})
}

// ended waits for a scenario and returns what it printed last.
func ended(t *testing.T, child *process.Child) map[string]any {
	t.Helper()
	if code := child.Wait(scenarioWithin); code != 0 {
		t.Fatalf("exit code %d: %s%s", code, child.Stdout(), child.Stderr())
	}
	lines := strings.Split(strings.TrimSpace(child.Stdout()), "\n")
	var last map[string]any
	if err := json.Unmarshal([]byte(lines[len(lines)-1]), &last); err != nil {
		t.Fatalf("%v: %s", err, child.Stdout())
	}
	return last
}

func TestAValueChangesWhileThePageIsOpen(t *testing.T) {
	t.Parallel()
	stack := process.NewPlatform(t, azx)
	stack.AddThing("pump-1", "temperature:NUMBER")
	push := func(value float64) {
		stack.Platform.Call("Things/pump-1", "UpdateSubscribedPropertyValues", map[string]any{"values": map[string]any{
			"dataShape": map[string]any{"fieldDefinitions": map[string]any{
				"name": map[string]any{"name": "name", "baseType": "STRING"}, "value": map[string]any{"name": "value", "baseType": "NUMBER"},
			}},
			"rows": []any{map[string]any{"name": "temperature", "value": value}},
		}})
	}
	push(21.5)
	browser := play(t, "values.js", stack.Platform.Page)
	browser.UntilPrinted(scenarioWithin, `{"seen":21.5}`)
	push(22.5)
	if got := ended(t, browser); got["seen"] != 22.5 || got["width"].(float64) > 400 {
		t.Errorf("got %v, want the new value on a page no wider than 400 px", got)
	}
}
