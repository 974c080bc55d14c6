package e2e

import (
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/storage/azblob/container"
	"github.com/Azure/azure-sdk-for-go/sdk/storage/azblob/sas"

	"azx/internal/local/iothub"
	"azx/test/azurite"
	"azx/test/process"
)

// exportedDevices are more pages of an import than it is killed.
const exportedDevices = 6500

// TestAnImportByExportThatIsKilledFiveTimesHasTheEndStateOfOneByQuery imports the devices of one hub into two platforms: by query at
// once, and by an export through a storage account, killed at each thousand.
func TestAnImportByExportThatIsKilledFiveTimesHasTheEndStateOfOneByQuery(t *testing.T) {
	t.Parallel()
	queried, exported := process.NewPlatform(t, azx), process.NewPlatform(t, azx)
	addMany(t, startHub(t, queried), exportedDevices)
	if err := os.CopyFS(filepath.Join(exported.Dir, "hub"), os.DirFS(filepath.Join(queried.Dir, "hub"))); err != nil {
		t.Fatal(err)
	}
	uri, box := signedContainer(t, azurite.Start(t))
	for _, stack := range []*process.Stack{queried, exported} {
		stack.AddHubThing(hubThing)
		stack.ConfigureFor(hubThing, "azx-1")
		stack.WriteFile("owner", []byte(queried.Hub.OwnerConnectionString))
	}
	exported.WriteFile("container", []byte(uri+"\n"))
	run := []string{"import", "-c", "azx-1.yaml", "--registry-connection-string-file", "owner", "--rule", "edge=AzureIotThing"}
	look(t, queried, 0, run, fmt.Sprintf("%d devices: %d created, 0 updated, 0 left, 0 failed\n", exportedDevices, exportedDevices))

	run = append(run, "--export-container-uri-file", "container", "--state", "import.json")
	for n := range 5 {
		child := exported.Start(run...)
		line := fmt.Sprintf("\n%d000 devices: ", n+1)
		child.Until(2*time.Minute, strings.TrimSpace(line)+" is told", func() error {
			if !strings.Contains("\n"+child.Stderr(), line) {
				return fmt.Errorf("it says %q", child.Stderr())
			}
			return nil
		})
		child.Kill()
		if strings.Contains(child.Stderr(), "sig=") {
			t.Errorf("the signature is told: %s", child.Stderr())
		}
	}
	last := exported.Start(run...)
	if code := last.Wait(2 * time.Minute); code != 0 {
		t.Fatalf("exit code %d: %s", code, last.Stderr())
	}
	report := regexp.MustCompile(fmt.Sprintf(`\n%d devices: (\d+) created, 0 updated, (\d+) left, 0 failed\n$`, exportedDevices))
	if !report.MatchString(last.Stderr()) {
		t.Errorf("the report is %q", last.Stderr())
	}
	want, got := endState(queried), endState(exported)
	if len(want) != 4*exportedDevices || !maps.Equal(want, got) {
		t.Errorf("%d values by query, and %d by export", len(want), len(got))
	}
	for pages := box.NewListBlobsFlatPager(nil); pages.More(); {
		page, err := pages.NextPage(t.Context())
		if err != nil || len(page.Segment.BlobItems) != 0 {
			t.Errorf("the export is still there: %v", err)
			break
		}
	}
}

// addMany registers devices with tags, some of them edge devices, whose modules are in an export as well.
func addMany(t *testing.T, hub *iothub.Hub, n int) {
	t.Helper()
	specs := make([]iothub.Spec, n)
	for k := range specs {
		specs[k] = iothub.Spec{ID: iothub.ID{Device: fmt.Sprintf("dev-%06d", k)}, Edge: k%100 == 0}
	}
	if _, err := hub.Registry().Add(specs...); err != nil {
		t.Fatal(err)
	}
	for k := 0; k < n; k += 10 {
		if _, err := hub.PatchTwin(specs[k].ID, "", iothub.TwinUpdate{Tags: map[string]any{"site": "Ulm"}}); err != nil {
			t.Fatal(err)
		}
	}
}

// signedContainer makes a container, and gives its URI with a signature that may read, write and delete.
func signedContainer(t *testing.T, server *azurite.Server) (uri string, c *container.Client) {
	t.Helper()
	c, err := container.NewClientFromConnectionString(server.ConnectionString(), "export", nil)
	if err == nil {
		_, err = c.Create(t.Context(), nil)
	}
	if err == nil {
		uri, err = c.GetSASURL(sas.ContainerPermissions{Read: true, Write: true, Create: true, Delete: true}, time.Now().Add(time.Hour), nil)
	}
	if err != nil {
		t.Fatal(err)
	}
	return uri, c
}

// endState is what a platform has of its Things: the last value of each property.
func endState(stack *process.Stack) map[string]string {
	state := map[string]string{}
	for _, e := range stack.Platform.Ledger(0) {
		if strings.HasPrefix(e.Thing, "dev-") {
			state[e.Thing+" "+e.Property] = string(e.Value)
		}
	}
	return state
}
