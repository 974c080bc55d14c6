package checkpoint

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"azx/internal/delivery"
	"azx/internal/fault"
	"azx/internal/folder"
)

var plant = Identity{
	Hub:      "plant1.azure-devices.net",
	Endpoint: "ihsuprod.servicebus.windows.net",
	EventHub: "iothub-ehub-plant1-1",
	Group:    "azx",
}

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func at(sequence int64) delivery.Checkpoint {
	return delivery.Checkpoint{
		Sequence: sequence,
		Offset:   fmt.Sprint(sequence * 100),
		Enqueued: time.Date(2026, 11, 22, 20, 0, 0, int(sequence), time.UTC),
	}
}

func save(t *testing.T, s Store, partition string, sequence int64) {
	t.Helper()
	if err := s.Save(t.Context(), partition, at(sequence)); err != nil {
		t.Fatal(err)
	}
}

func expect(t *testing.T, s Store, partition string, sequence int64) {
	t.Helper()
	got, ok, err := s.Load(t.Context(), partition)
	if err != nil || !ok || got != at(sequence) {
		t.Errorf("partition %s: got %+v, %v, %v; want sequence %d", partition, got, ok, err, sequence)
	}
}

func mustOpen(t *testing.T, dir string, i Identity, opts ...Option) *File {
	t.Helper()
	f, err := OpenFile(dir, i, "azx-1", opts...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = f.Close() })
	return f
}

func closeFile(t *testing.T, f *File) {
	t.Helper()
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
}

// expectProblem checks for what a refused start needs: class, hint, and the words that name the matter.
func expectProblem(t *testing.T, err error, words ...string) {
	t.Helper()
	if fault.ClassOf(err) != fault.Fatal || fault.HintOf(err) == "" {
		t.Fatalf("got %v, class %v, hint %q", err, fault.ClassOf(err), fault.HintOf(err))
	}
	for _, w := range words {
		if !strings.Contains(err.Error()+" "+fault.HintOf(err), w) {
			t.Errorf("%q and hint %q do not say %q", err, fault.HintOf(err), w)
		}
	}
}

func TestASecondProcessIsToldWhoHasTheFolder(t *testing.T) {
	if dir := os.Getenv("AZX_TEST_HOLD"); dir != "" { // we are the other process
		f, err := OpenFile(dir, plant, "azx-other")
		if err != nil {
			t.Fatal(err)
		}
		fmt.Println("held")
		_, _ = bufio.NewReader(os.Stdin).ReadString('\n') // until the parent closes it or kills us
		_ = f.Close()
		return
	}
	dir := t.TempDir()
	child := exec.Command(os.Args[0], "-test.run", "^"+t.Name()+"$")
	child.Env = append(os.Environ(), "AZX_TEST_HOLD="+dir)
	stdin, err := child.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	defer stdin.Close()
	stdout, err := child.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := child.Start(); err != nil {
		t.Fatal(err)
	}
	if line, err := bufio.NewReader(stdout).ReadString('\n'); err != nil || line != "held\n" {
		t.Fatalf("the other process said %q, %v", line, err)
	}
	_, err = OpenFile(dir, plant, "azx-1")
	expectProblem(t, err, dir, "azx-other", fmt.Sprint(child.Process.Pid))
	if err := child.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = child.Wait() // it was killed: that is its error
	mustOpen(t, dir, plant)
}

func TestAnIdentityWithoutCheckpointsIsRefusedBesideAnother(t *testing.T) {
	other := plant
	other.EventHub = "iothub-ehub-plant1-2"
	dir := t.TempDir()
	f := mustOpen(t, dir, plant)
	save(t, f, "0", 5)
	closeFile(t, f)

	_, err := OpenFile(dir, other, "azx-1")
	expectProblem(t, err, "iothub-ehub-plant1-1", "iothub-ehub-plant1-2", "--start", "azx checkpoint copy")

	closeFile(t, mustOpen(t, dir, plant)) // the refusal has changed nothing
	f = mustOpen(t, dir, other, AllowNewIdentity())
	if _, ok, _ := f.Load(t.Context(), "0"); ok {
		t.Error("it has the other one's checkpoint")
	}
	save(t, f, "0", 1)
	closeFile(t, f)

	f = mustOpen(t, dir, plant) // both have checkpoints now
	expect(t, f, "0", 5)
	closeFile(t, f)
	f = mustOpen(t, dir, other)
	expect(t, f, "0", 1)
}

func TestAnIdentityIsTheSameInAnyCaseAndUnderAnyNameOfTheHub(t *testing.T) {
	dir := t.TempDir()
	f := mustOpen(t, dir, plant)
	save(t, f, "0", 5)
	closeFile(t, f)
	same := plant
	same.Endpoint, same.Hub = strings.ToUpper(same.Endpoint), ""
	expect(t, mustOpen(t, dir, same), "0", 5)
}

// partitionFile saves a checkpoint in a new folder and returns the folder and the file it is in.
func partitionFile(t *testing.T) (dir, path string) {
	t.Helper()
	dir = t.TempDir()
	f := mustOpen(t, dir, plant)
	save(t, f, "0", 5)
	closeFile(t, f)
	return dir, filepath.Join(dir, folderOf(plant), "0.json")
}

func TestACheckpointCutAnywhereIsRefusedByName(t *testing.T) {
	dir, path := partitionFile(t)
	whole, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	for n := range len(whole) - 1 { // the line feed at the end may be missing
		if err := os.WriteFile(path, whole[:n], 0o600); err != nil {
			t.Fatal(err)
		}
		_, err := OpenFile(dir, plant, "azx-1")
		if err == nil {
			t.Fatalf("%d bytes of %d were accepted", n, len(whole))
		}
		expectProblem(t, err, path)
	}
}

func TestAFileThatIsNoCheckpointIsRefusedByName(t *testing.T) {
	tests := map[string]string{
		"text":                    "hello",
		"of another identity":     `{"identity":"x/y/z","partition":"0","sequence":5,"offset":"500","enqueued":"2026-11-22T20:00:00Z"}`,
		"of another partition":    `{"identity":"` + plant.String() + `","partition":"1","sequence":5,"offset":"500","enqueued":"2026-11-22T20:00:00Z"}`,
		"without an offset":       `{"identity":"` + plant.String() + `","partition":"0","sequence":5,"enqueued":"2026-11-22T20:00:00Z"}`,
		"with members of its own": `{"identity":"` + plant.String() + `","partition":"0","sequence":5,"offset":"500","enqueued":"2026-11-22T20:00:00Z","owner":"x"}`,
		"twice in one file":       `{"identity":"` + plant.String() + `","partition":"0","sequence":5,"offset":"500","enqueued":"2026-11-22T20:00:00Z"} {}`,
		"much too large":          strings.Repeat(" ", maxFile+1),
	}
	for name, content := range tests {
		t.Run(name, func(t *testing.T) {
			dir, path := partitionFile(t)
			if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
				t.Fatal(err)
			}
			_, err := OpenFile(dir, plant, "azx-1")
			expectProblem(t, err, path)
		})
	}
}

func TestAnIdentityFileThatIsNoneIsRefusedByName(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, identityName)
	if err := os.WriteFile(path, []byte(`{}`), 0o600); err != nil {
		t.Fatal(err)
	}
	_, err := OpenFile(dir, plant, "azx-1")
	expectProblem(t, err, path)
}

func TestWhatACrashLeavesBesideTheFilesDoesNotMatter(t *testing.T) {
	dir, path := partitionFile(t)
	if err := os.WriteFile(path+".tmp", []byte(`{"iden`), 0o600); err != nil {
		t.Fatal(err)
	}
	f := mustOpen(t, dir, plant)
	expect(t, f, "0", 5)
	save(t, f, "0", 6)
	if _, err := os.Stat(path + ".tmp"); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the temporary file: %v", err)
	}
}

func TestASaveThatFailsKeepsTheOldCheckpoint(t *testing.T) {
	dir := t.TempDir()
	f := mustOpen(t, dir, plant)
	save(t, f, "0", 5)
	broken := errors.New("no space left on device")
	f.replace = func(string, []byte) error { return broken }
	err := f.Save(t.Context(), "0", at(6))
	if !errors.Is(err, broken) || fault.ClassOf(err) != fault.Transient || fault.HintOf(err) == "" {
		t.Errorf("got %v, class %v", err, fault.ClassOf(err))
	}
	expect(t, f, "0", 5)
	f.replace = folder.Replace
	save(t, f, "0", 6)
}

func TestAFolderThatCannotBeWrittenIsAProblem(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(dir, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	_, err := OpenFile(dir, plant, "azx-1")
	expectProblem(t, err, dir)
}

func TestAPartitionIsNoPath(t *testing.T) {
	f := mustOpen(t, t.TempDir(), plant)
	for _, p := range []string{"", "../0", "a", "0/1", "0.json", strings.Repeat("1", 33)} {
		if err := f.Save(t.Context(), p, at(1)); err == nil {
			t.Errorf("%q was accepted", p)
		}
	}
	if err := f.Save(t.Context(), "0", delivery.Checkpoint{Sequence: 1}); err == nil {
		t.Error("a checkpoint without an offset was accepted")
	}
}

func TestTheFilesAreReadableByPeople(t *testing.T) {
	_, path := partitionFile(t)
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	const want = `{"identity":"ihsuprod.servicebus.windows.net/iothub-ehub-plant1-1/azx","partition":"0",` +
		`"sequence":5,"offset":"500","enqueued":"2026-11-22T20:00:00.000000005Z"}` + "\n"
	if string(data) != want || !json.Valid(data) {
		t.Errorf("got  %s\nwant %s", data, want)
	}
}
