package conformance

import (
	"encoding/json"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"azx/test/process"
)

// TestTheMatrixNamesTheVersionsThatRun compares docs/conformance.md with go.mod and the lock file's packages.
func TestTheMatrixNamesTheVersionsThatRun(t *testing.T) {
	t.Parallel()
	root, err := process.ModuleRoot()
	if err != nil {
		t.Fatal(err)
	}
	read := func(name string) string {
		text, err := os.ReadFile(filepath.Join(root, name))
		if err != nil {
			t.Fatal(err)
		}
		return string(text)
	}
	matrix, modules := read("docs/conformance.md"), read("go.mod")
	var packages struct{ Dependencies map[string]string }
	if err := json.Unmarshal([]byte(read("test/conformance/package.json")), &packages); err != nil {
		t.Fatal(err)
	}
	module := func(path string) string {
		found := regexp.MustCompile(regexp.QuoteMeta(path) + ` v(\S+)`).FindStringSubmatch(modules)
		if found == nil {
			t.Fatalf("go.mod does not have %s", path)
		}
		return found[1]
	}
	for client, version := range map[string]string{
		"`azure-iot-device`":      packages.Dependencies["azure-iot-device"],
		"`azure-iot-device-mqtt`": packages.Dependencies["azure-iot-device-mqtt"],
		"`azure-iot-device-amqp`": packages.Dependencies["azure-iot-device-amqp"],
		"`azure-iothub`":          packages.Dependencies["azure-iothub"],
		"`azure-iot-device-http`": packages.Dependencies["azure-iot-device-http"],
		"`@azure/event-hubs`":     packages.Dependencies["@azure/event-hubs"],
		"`azeventhubs/v2`":        module("github.com/Azure/azure-sdk-for-go/sdk/messaging/azeventhubs/v2"),
		"`go-amqp`":               module("github.com/Azure/go-amqp"),
	} {
		t.Run(client, func(t *testing.T) {
			for line := range strings.Lines(matrix) {
				cells := strings.Split(line, "|")
				if len(cells) > 3 && strings.Contains(cells[1], client) && version != "" && strings.Contains(cells[2], version) {
					return
				}
			}
			t.Errorf("no line of the matrix has %s in version %s", client, version)
		})
	}
}
