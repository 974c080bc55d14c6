package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"azx/internal/checkpoint/blobtest"
)

func TestLeasesAreImportedFromTheirContainer(t *testing.T) {
	service := blobtest.Start(t)
	service.Put("azx/0", nil, `{"offset":"37344","sequenceNumber":41,"partitionId":"0"}`)
	service.Put("other/0", nil, `{"offset":"1","sequenceNumber":1,"partitionId":"0"}`)
	dir := t.TempDir()
	put := func(name, text string) string {
		file := filepath.Join(dir, name)
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return file
	}
	config := put("azx.yaml", `platform: {urls: ["ws://127.0.0.1:8080/Thingworx/WS"], appKey: key}
hubs: [{thing: Plant1Hub, consumerGroup: azx}]
proxy: none
checkpoint: {file: checkpoints}
quarantine: {dir: quarantine}
`)
	imports := func(args ...string) (int, string, string) {
		return runWith(t, append([]string{"checkpoint", "import", "-c", config, "--log", "ihsu.servicebus.windows.net/plant1/azx", "--force"}, args...), checkpointCommand())
	}
	for _, account := range []string{service.ConnectionString(), service.URL()} {
		code, stdout, stderr := imports("--container", blobtest.Container, "--account-file", put("account", account+"\n"))
		if code != 0 || !strings.Contains(stdout, "imported into ihsu.servicebus.windows.net/plant1/azx") || !strings.Contains(stdout, "41") {
			t.Errorf("exit code %d, printed %s, said %s", code, stdout, stderr)
		}
	}
	for says, args := range map[string][]string{
		"either FOLDER or --container": {"leases", "--container", "a", "--account-file", "x"},
		"ContainerNotFound":            {"--container", "another", "--account-file", put("right", service.URL())},
		"no such file":                 {"--container", "a", "--account-file", filepath.Join(dir, "missing")},
		"its connection string is":     {"--container", "azx", "--account-file", put("wrong", "canary")},
	} {
		code, stdout, stderr := imports(args...)
		if code == 0 || stdout != "" || !strings.Contains(stderr, says) || strings.Contains(stderr, "canary") {
			t.Errorf("%s: exit code %d, printed %s, said %s", says, code, stdout, stderr)
		}
	}
}
