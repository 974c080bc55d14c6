package conformance

import (
	"os"
	"strings"
	"testing"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/storage/azblob/container"
	"github.com/Azure/azure-sdk-for-go/sdk/storage/azblob/sas"

	"azx/test/azurite"
	"azx/test/process"
)

// TestTheJobClientSchedulesJobsAndTheRegistryClientExportsDevices runs the job client of azure-iothub, and the bulk jobs of its registry
// client through Azurite. The checks are in iothub_jobs.js; a real hub would keep what they make.
func TestTheJobClientSchedulesJobsAndTheRegistryClientExportsDevices(t *testing.T) {
	t.Parallel()
	h := localHub(t, "--host", "localhost")
	storage := azurite.Start(t)
	add := process.Start(t, process.Command{Name: string(azx), Args: []string{"hub", "device", "add", "peer-1", "--dir", h.dir}})
	peer := process.Start(t, process.Command{Name: "node", Args: []string{"twoway.js"}, Env: append(os.Environ(),
		"NODE_EXTRA_CA_CERTS="+h.ca, "AZX_TRANSPORT=mqtt", "AZX_CONNECTION="+add.UntilPrinted(patience, "HostName="))})
	peer.UntilPrinted(patience, `{"ready"`)
	child := process.Start(t, h.throughHTTPS("iothub_jobs.js", "AZX_OWNER="+h.owner.String(), "AZX_METHOD_DEVICE=peer-1",
		"AZX_CONTAINER="+containerURI(t, storage, "devices"), "AZX_EMPTY="+containerURI(t, storage, "empty")))
	if code := child.Wait(3 * patience); code != 0 {
		t.Fatalf("exit code %d behind %q:\n%s", code, child.Stdout(), child.Stderr())
	}
	if n := strings.Count(child.Stdout(), "\n"); n != 8 {
		t.Errorf("%d steps were done:\n%s", n, child.Stdout())
	}
}

// containerURI makes a container at an Azurite, and gives its URI with a signature that may do everything in it.
func containerURI(t testing.TB, server *azurite.Server, name string) string {
	t.Helper()
	c, err := container.NewClientFromConnectionString(server.ConnectionString(), name, nil)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := c.Create(t.Context(), nil); err != nil {
		t.Fatal(err)
	}
	may := sas.ContainerPermissions{Read: true, Write: true, Create: true, Delete: true, List: true}
	uri, err := c.GetSASURL(may, time.Now().Add(time.Hour), nil)
	if err != nil {
		t.Fatal(err)
	}
	return uri
}
