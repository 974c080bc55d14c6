package faults

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"azx/test/rig"
)

// TestF14AContainerThatIsDamagedIsMendedOrNamed takes leases away, gives one to somebody unknown, and takes the whole container
// away, while connectors read: they write anew what they know. Then it damages a checkpoint before a start: the connector refuses
// to begin anywhere, and names the blob.
func TestF14AContainerThatIsDamagedIsMendedOrNamed(t *testing.T) {
	r, c, _ := start(t, rig.Options{Connectors: 2, Shared: true})
	for _, one := range r.Connectors {
		one.Run()
	}
	evenly(r, 2, 4)
	load := r.Load(300)
	r.Grows(recovery, 300)
	c.Until(recovery, "all partitions have checkpoints", func() error { return some(t, r, "/checkpoint/", 4) })
	for _, one := range r.Connectors { // so that each of them knows where all partitions are: one that nobody knows would wait
		one.End(0)
		one.Run()
	}
	evenly(r, 2, 4)

	for _, name := range blobs(t, r, "/ownership/") {
		if _, err := r.Shared.Blobs.DeleteBlob(t.Context(), rig.ContainerName, name, nil); err != nil {
			t.Fatal(err)
		}
	}
	r.Grows(recovery, 300)
	evenly(r, 2, 4)
	c.Until(recovery, "all partitions have checkpoints", func() error { return some(t, r, "/checkpoint/", 4) })

	if err := r.Shared.RemoveContainer(t.Context()); err != nil {
		t.Fatal(err)
	}
	c.Until(recovery, "it names what is missing", func() error { return c.Logged("event=lease-store-failing", "container") })
	r.Grows(recovery, 300)
	if err := r.Shared.MakeContainer(t.Context()); err != nil {
		t.Fatal(err)
	}
	c.Until(2*recovery, "there are checkpoints again", func() error { return some(t, r, "/checkpoint/", 4) })
	evenly(r, 2, 4)
	load.Stop()
	r.Quiet(recovery)
	for _, one := range r.Connectors {
		one.End(0)
	}
	r.Judge()

	damaged := blobs(t, r, "/checkpoint/")[0]
	was := setMetadata(t, r, damaged, map[string]string{"sequencenumber": "none"})
	c.Start()
	c.Until(recovery, "it names the blob", func() error { return c.Logged(damaged) })
	if c.Kill(); c.Logged("event=partition-open") == nil {
		t.Error("it read although a checkpoint was damaged")
	}
	setMetadata(t, r, damaged, was)
	setMetadata(t, r, blobs(t, r, "/ownership/")[0], map[string]string{"ownerid": "somebody"})
	c.Run() // within the expiry of somebody's lease
	load = r.Load(300)
	r.Pass(time.Second)
	load.Stop()
	r.Verify(rig.LeaseExpiry + recovery)
	c.End(0)
	r.Judge()
}

// setMetadata replaces what a blob holds, and returns what it held.
func setMetadata(t *testing.T, r *rig.Rig, name string, to map[string]string) (was map[string]string) {
	t.Helper()
	blob := r.Shared.Blobs.ServiceClient().NewContainerClient(rig.ContainerName).NewBlobClient(name)
	had, err := blob.GetProperties(t.Context(), nil)
	metadata := map[string]*string{}
	for key, value := range to {
		metadata[key] = &value
	}
	_, failed := blob.SetMetadata(t.Context(), metadata, nil)
	if err := errors.Join(err, failed); err != nil {
		t.Fatal(err)
	}
	was = map[string]string{}
	for key, value := range had.Metadata {
		was[strings.ToLower(key)] = *value
	}
	return was
}

// some reports whether the container has so many blobs of a kind.
func some(t *testing.T, r *rig.Rig, part string, want int) error {
	if n := len(blobs(t, r, part)); n < want {
		return fmt.Errorf("it has %d", n)
	}
	return nil
}

// blobs are the names in the container that have a part.
func blobs(t *testing.T, r *rig.Rig, part string) []string {
	t.Helper()
	names, err := r.Shared.Names(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return slices.DeleteFunc(names, func(name string) bool { return !strings.Contains(name, part) })
}
