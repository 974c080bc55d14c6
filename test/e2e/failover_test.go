package e2e

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"azx/test/process"
)

// TestAConnectorSurvivesAFailoverOfTheHub has the hub fail over while it is read: event hub and endpoint have other names,
// what was in them is gone, numbers begin anew, and so is the consumer group. The connector finds the new endpoint within
// 30 s without a restart, says what is missing there, and goes on when it is there with the first message of the new log,
// although it is told to start at the latest. The checkpoints of the old one stay.
func TestAConnectorSurvivesAFailoverOfTheHub(t *testing.T) {
	t.Parallel()
	stack := process.NewStack(t, azx)
	stack.AddThing("press-1", "n:INTEGER")
	stack.AddDevice("press-1")
	stack.Configure(func(config map[string]any) { config["hubs"].([]any)[0].(map[string]any)["start"] = "latest" })
	seen := newDeliveries(t, stack.Platform)
	connector := stack.Connect()
	logs := func(within time.Duration, text string) {
		connector.Until(within, "a line with "+text, func() error {
			if !strings.Contains(connector.Stderr(), text) {
				return errors.New("not logged")
			}
			return nil
		})
	}
	logs(time.Minute, "partition-open")
	for _, body := range []string{`{"n":0}`, `{"n":1}`, `{"n":2}`} {
		stack.Send("press-1", body)
	}
	connector.Until(time.Minute, "the messages of before are delivered", func() error { return seen.atLeast(3) })
	kept := func() []string {
		files, err := filepath.Glob(filepath.Join(stack.Dir, "azx-data", "checkpoints", "*", "*.json"))
		if err != nil {
			t.Fatal(err)
		}
		return files
	}
	connector.Until(time.Minute, "a checkpoint", func() error {
		if len(kept()) == 0 {
			return os.ErrNotExist
		}
		return nil
	})
	before := kept()

	stack.Control("POST", "/failover", nil)
	stack.Send("press-1", `{"n":3}`)
	logs(30*time.Second, "hub-moved")
	logs(30*time.Second, "az iot hub consumer-group create")
	stack.Run("hub", "group", "add", "azx", "--dir", "hub")
	stack.Send("press-1", `{"n":4}`)
	connector.Until(time.Minute, "the messages of after are delivered", func() error { return seen.atLeast(5) })
	for _, file := range before {
		if _, err := os.Stat(file); err != nil {
			t.Errorf("a checkpoint of before is gone: %v", err)
		}
	}
	if code := connector.Stop(); code != 0 {
		t.Errorf("the connector ended with exit code %d", code)
	}
}
