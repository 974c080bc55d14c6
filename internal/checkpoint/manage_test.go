package checkpoint

import (
	"maps"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"azx/internal/delivery"
)

func TestAFolderIsReadWhileSomebodyHasIt(t *testing.T) {
	dir := t.TempDir()
	other := plant
	other.Group = "another"
	f := mustOpen(t, dir, other)
	save(t, f, "0", 3)
	closeFile(t, f)
	f = mustOpen(t, dir, plant, AllowNewIdentity())
	save(t, f, "1", 5)
	current, all, err := Read(dir)
	if err != nil || current != plant || len(all) != 2 {
		t.Fatalf("got %v, %v, %v", current, all, err)
	}
	for i, want := range []Stored{
		{other.String(), false, map[string]delivery.Checkpoint{"0": at(3)}},
		{plant.String(), true, map[string]delivery.Checkpoint{"1": at(5)}},
	} {
		if got := all[i]; got.Identity != want.Identity || got.Current != want.Current || !maps.Equal(got.At, want.At) {
			t.Errorf("got %v, want %v", got, want)
		}
	}
	if _, all, err := Read(filepath.Join(dir, "missing")); err != nil || len(all) > 0 {
		t.Errorf("of a folder that is not there: %v, %v", all, err)
	}
}

func TestAPersonMayMoveACheckpointBackAndTakeItAway(t *testing.T) {
	dir := t.TempDir()
	f := mustOpen(t, dir, plant)
	save(t, f, "0", 5)
	if err := f.Set("0", at(2)); err != nil {
		t.Fatal(err)
	}
	closeFile(t, f)
	f = mustOpen(t, dir, plant)
	expect(t, f, "0", 2)
	for _, partition := range []string{"0", "1"} { // of the second one there is no checkpoint yet
		if err := f.SaveSnapshot(t.Context(), partition, []byte("known")); err != nil {
			t.Fatal(err)
		}
		if was, err := f.Clear(partition); !was || err != nil {
			t.Errorf("partition %s: got %v, %v", partition, was, err)
		}
		if left, err := f.LoadSnapshot(t.Context(), partition); left != nil || err != nil {
			t.Errorf("partition %s: its devices are still known: %q, %v", partition, left, err)
		}
	}
	if was, err := f.Clear("0"); was || err != nil {
		t.Errorf("again: %v, %v", was, err)
	}
	closeFile(t, f)
	if f = mustOpen(t, dir, plant); len(f.All()) > 0 {
		t.Errorf("left: %v", f.All())
	}
	if f.Set("x", at(1)) == nil || f.Set("0", delivery.Checkpoint{}) == nil {
		t.Error("nonsense was set")
	}
	if was, err := f.Clear("../0"); was || err == nil {
		t.Error("a file elsewhere was cleared")
	}
	closeFile(t, f)
	if f.Set("0", at(1)) == nil {
		t.Error("a closed store takes one")
	}
}

func TestIdentitiesAreReadAsTheyAreShown(t *testing.T) {
	got, err := ParseIdentity(plant.String())
	if err != nil || !got.equal(plant) || !got.SameLog(plant) {
		t.Errorf("got %v, %v", got, err)
	}
	got.Group = "other"
	if !got.SameLog(plant) || got.equal(plant) {
		t.Error("another group reads the same log")
	}
	for _, text := range []string{"", "a/b", "a//c", "a/b/c/d"} {
		if _, err := ParseIdentity(text); err == nil {
			t.Errorf("%q passes", text)
		}
	}
}

func TestLeasesOfAnEventProcessorHostAreRead(t *testing.T) {
	dir := t.TempDir()
	for name, content := range map[string]string{
		"azx/0":       `{"offset":"37344","sequenceNumber":41,"partitionId":"0","epoch":12,"ownerHost":"h","token":"t","isOwned":false}`, // Java
		"azx/1":       "\xef\xbb\xbf" + `{"PartitionId":"1","Owner":"","Token":"","Epoch":3,"Offset":"99","SequenceNumber":7}`,           // .NET
		"azx/2":       `{"offset":null,"sequenceNumber":0,"partitionId":"2","epoch":0}`,
		"azx/3":       `{"offset":"-1","sequenceNumber":0,"partitionId":"3","epoch":0}`,
		"azx/info":    "not a lease",
		"$Default/0":  `{"offset":"1","sequenceNumber":1,"partitionId":"0"}`,
		"strange/0":   `{"offset":"1","sequenceNumber":1,"partitionId":"../0"}`,
		"negative/0":  `{"offset":"1","sequenceNumber":-1,"partitionId":"0"}`,
		"elsewhere/5": `{"name":"no lease"}`,
	} {
		path := filepath.Join(dir, filepath.FromSlash(name))
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	want := map[string]delivery.Checkpoint{"0": {Sequence: 41, Offset: "37344"}, "1": {Sequence: 7, Offset: "99"}}
	for _, path := range []string{dir, filepath.Join(dir, "azx")} {
		got, others, err := ReadLeases(path, "azx")
		if err != nil || !maps.Equal(got, want) || !slices.Equal(others, []string{filepath.Join(dir, "azx", "info")}) {
			t.Errorf("%s: got %v, %v, %v", path, got, others, err)
		}
	}
	got, _, err := ReadLeases(filepath.Join(dir, "azx", "1"), "")
	if err != nil || len(got) != 1 || got["1"].Sequence != 7 {
		t.Errorf("one file: %v, %v", got, err)
	}
	for name, path := range map[string]string{"partition 0 is also in": dir, "no partition id": filepath.Join(dir, "strange"),
		"below 0": filepath.Join(dir, "negative"), "no such file": filepath.Join(dir, "missing")} {
		_, _, err := ReadLeases(path, "nothing")
		expectProblem(t, err, name)
	}
}
