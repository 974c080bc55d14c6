package iothub

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"azx/internal/folder"
)

// stateFile is the name of the hub's file in its folder. It holds keys, so only the owner may read it.
const stateFile = "iothub.json"

// state is what survives a restart besides the events.
type state struct {
	Host           string              `json:"host"`
	Created        time.Time           `json:"created"`
	Policies       map[string][]string `json:"policies"`      // primary and secondary key by policy name
	Log            bool                `json:"log,omitempty"` // events are kept too, in a file of their own
	ConsumerGroups []string            `json:"consumerGroups"`
	Devices        []Identity          `json:"devices"`
	Routing        Routing             `json:"routing"`
	Failovers      int                 `json:"failovers,omitempty"`
}

// loadState reads the hub's file; a folder without one is a new hub (found is false).
func loadState(dir string) (s state, found bool, err error) {
	s.Routing.Fallback = true // of a file that says nothing of routes
	text, err := os.ReadFile(filepath.Join(dir, stateFile))
	if errors.Is(err, fs.ErrNotExist) {
		return state{}, false, nil
	}
	if err != nil {
		return state{}, false, fmt.Errorf("open hub: %w", err)
	}
	err = json.Unmarshal(text, &s)
	if err == nil && s.Created.IsZero() {
		err = errors.New("created is missing")
	}
	if err != nil {
		return state{}, false, fmt.Errorf("open hub: %s: %w; repair it, or remove it to start with new keys and without devices",
			filepath.Join(dir, stateFile), err)
	}
	return s, true, nil
}

// saveState replaces the hub's file.
func saveState(dir string, s state) error {
	text, err := json.MarshalIndent(s, "", "  ")
	if err != nil {
		return fmt.Errorf("save hub: %w", err)
	}
	if err := folder.Replace(filepath.Join(dir, stateFile), append(text, '\n')); err != nil {
		return fmt.Errorf("save hub: %w", err)
	}
	return nil
}
