//go:build !connector

package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/spf13/cobra"

	"azx/internal/local/iothub"
	"azx/internal/local/iothub/serve"
)

func TestHubDeviceVerbs(t *testing.T) {
	dir := t.TempDir()
	running, err := serve.Start(context.Background(), serve.Options{Dir: dir})
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		running.Stop()
		if err := running.Wait(); err != nil {
			t.Error(err)
		}
	}()
	head := fmt.Sprintf("HostName=localhost:%d;DeviceId=pump-1;", running.Info.Ports.MQTT)
	for _, c := range []struct {
		name  string
		args  []string
		code  int
		says  string // in what is printed
		fails string // in the error
	}{
		{"adding a device", []string{"add", "pump-1"}, 0, head + "SharedAccessKey=", ""},
		{"adding it again", []string{"add", "pump-1"}, 0, head + "SharedAccessKey=", ""},
		{"adding a module", []string{"add", "pump-1", "--module", "m1"}, 0, head + "ModuleId=m1;SharedAccessKey=", ""},
		{"adding an edge device", []string{"add", "edge-1", "--edge"}, 0, "DeviceId=edge-1;", ""},
		{"adding a leaf of it", []string{"add", "leaf-1", "--parent", "edge-1"}, 0, "DeviceId=leaf-1;", ""},
		{"adding a leaf of what is no edge device", []string{"add", "leaf-2", "--parent", "leaf-1"}, 1, "", "not an edge device"},
		{"adding a bad id", []string{"add", "pump 1"}, 1, "", "bad id"},
		{"sending", []string{"send", "pump-1", `{"temperature":21.5}`}, 0, "sent 1 as pump-1\n", ""},
		{"sending as a module", []string{"send", "pump-1", `1`, "--module", "m1"}, 0, "sent 1 as pump-1/m1\n", ""},
		{"sending what is not JSON", []string{"send", "pump-1", `{temperature:21.5}`}, 2, "", "single quotes"},
		{"sending as no device", []string{"send", "no", `1`}, 1, "", "not found"},
		{"listing", []string{"ls"}, 0, "pump-1/m1          false  enabled  1\n", ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			args := append([]string{"hub", "device"}, append(c.args, "--dir", dir)...)
			code, out, text := runWith(t, args, hubCommand())
			if code != c.code || !strings.Contains(out, c.says) || !strings.Contains(text, c.fails) {
				t.Fatalf("got %d, %q, %q; want %d, %q, %q", code, out, text, c.code, c.says, c.fails)
			}
		})
	}
	id := iothub.ID{Device: "pump-1"}
	if n := running.Hub.Accepted()[id]; n != 1 {
		t.Errorf("the hub accepted %d messages of pump-1", n)
	}
}

func TestHubGroupAddMakesSureThatThereIsAConsumerGroup(t *testing.T) {
	dir := t.TempDir()
	add := func(name string) (int, string, string) {
		return runWith(t, []string{"hub", "group", "add", name, "--dir", dir}, hubCommand())
	}
	if code, _, text := add("reports"); code != exitUnreachable || !strings.Contains(text, "azx hub --dir") {
		t.Errorf("without a hub: got %d, %q", code, text)
	}
	running, err := serve.Start(context.Background(), serve.Options{Dir: dir})
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		running.Stop()
		if err := running.Wait(); err != nil {
			t.Error(err)
		}
	}()
	for _, c := range []struct {
		name  string
		group string
		code  int
		says  string // in what is printed
		fails string // in the error
	}{
		{"a new group", "reports", 0, "consumer group reports\n", ""},
		{"a group that is there, in another case", "Reports", 0, "consumer group Reports\n", ""},
		{"a name that is none", "a b", 1, "", "50 letters"},
	} {
		t.Run(c.name, func(t *testing.T) {
			code, out, text := add(c.group)
			if code != c.code || !strings.Contains(out, c.says) || !strings.Contains(text, c.fails) {
				t.Fatalf("got %d, %q, %q; want %d, %q, %q", code, out, text, c.code, c.says, c.fails)
			}
		})
	}
	if got := running.Hub.ConsumerGroups(); len(got) != 3 || got[2] != "reports" {
		t.Errorf("the hub has the groups %q", got)
	}
}

func TestHubDeviceVerbsNeedARunningHub(t *testing.T) {
	dir := t.TempDir()
	code, _, text := runWith(t, []string{"hub", "device", "ls", "--dir", dir}, hubCommand())
	if code != exitUnreachable || !strings.Contains(text, "azx hub --dir") {
		t.Errorf("without a hub: got %d, %q", code, text)
	}
	running, err := serve.Start(context.Background(), serve.Options{Dir: dir})
	if err != nil {
		t.Fatal(err)
	}
	running.Stop()
	if err := running.Wait(); err != nil {
		t.Fatal(err)
	}
	code, _, text = runWith(t, []string{"hub", "device", "ls", "--dir", dir}, hubCommand())
	if code != exitUnreachable || !strings.Contains(text, "is the hub running?") {
		t.Errorf("after the hub has stopped: got %d, %q", code, text)
	}
}

// stopper ends a context when a line with the text was written.
type stopper struct {
	text strings.Builder
	when string
	then func()
}

func (s *stopper) Write(p []byte) (int, error) {
	s.text.Write(p)
	if strings.Contains(s.text.String(), s.when) {
		s.then()
	}
	return len(p), nil
}

func TestHubRunsUntilItIsStopped(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "hub")
	ctx, cancel := context.WithCancel(t.Context())
	out := &stopper{when: "\nready\n", then: func() {
		if _, err := os.Stat(filepath.Join(dir, "hub.json")); err != nil {
			t.Errorf("ready without hub.json: %v", err)
		}
		cancel()
	}}
	root := &cobra.Command{Use: "azx", SilenceErrors: true, SilenceUsage: true}
	root.AddCommand(hubCommand())
	var problems strings.Builder
	args := []string{"hub", "--dir", dir, "--host", "plant1.azure-devices.net", "--mqtt", "0", "--amqps", "0", "--amqp", "0", "--https", "0"}
	if code := executeRoot(ctx, root, args, out, &problems); code != 0 {
		t.Fatalf("got %d: %s", code, &problems)
	}
	if text := out.text.String(); !strings.HasPrefix(text, "hub plant1.azure-devices.net at 127.0.0.1: MQTT ") {
		t.Errorf("printed %q", text)
	}
}
