package conformance

import (
	"os"
	"strings"
	"testing"

	"azx/test/process"
)

// TestTheServiceClientManagesDevicesOverHTTPS runs the registry and the client of azure-iothub: what they create, change,
// query and call. The checks are in iothub_registry.js; a real hub would keep what they make.
func TestTheServiceClientManagesDevicesOverHTTPS(t *testing.T) {
	t.Parallel()
	h := localHub(t, "--host", "localhost")
	add := process.Start(t, process.Command{Name: string(azx), Args: []string{"hub", "device", "add", "peer-1", "--dir", h.dir}})
	peer := process.Start(t, process.Command{Name: "node", Args: []string{"twoway.js"}, Env: append(os.Environ(),
		"NODE_EXTRA_CA_CERTS="+h.ca, "AZX_TRANSPORT=mqtt", "AZX_CONNECTION="+add.UntilPrinted(patience, "HostName="))})
	peer.UntilPrinted(patience, `{"ready"`)
	child := process.Start(t, h.throughHTTPS("iothub_registry.js", "AZX_OWNER="+h.owner.String(), "AZX_SERVICE="+h.service.String(),
		"AZX_METHOD_DEVICE=peer-1"))
	if code := child.Wait(3 * patience); code != 0 {
		t.Fatalf("exit code %d behind %q:\n%s", code, child.Stdout(), child.Stderr())
	}
	if n := strings.Count(child.Stdout(), "\n"); n != 23 {
		t.Errorf("%d steps were done:\n%s", n, child.Stdout())
	}
}
