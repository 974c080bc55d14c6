package serve

import (
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"

	wire "azx/alwayson"
	"azx/internal/folder"
)

// Files of a platform's folder.
const (
	infoFile     = "platform.json"
	keyFile      = "app-key"
	stateFile    = "platform.db"
	historyFile  = "history.db"
	oldStateFile = "things.json" // of versions before 0.2
)

// Info says how to reach a platform. It holds the application key: only its owner may read the file.
type Info struct {
	URL    string `json:"url"`    // of REST, such as http://127.0.0.1:8080/Thingworx
	WS     string `json:"ws"`     // of AlwaysOn
	AppKey string `json:"appKey"` // application key, for both
	Page   string `json:"page"`   // for people
	Ledger string `json:"ledger"` // of the record of acknowledged values
	Events string `json:"events"` // of the events that were fired last
}

func newInfo(address, key string) Info {
	return Info{
		URL: "http://" + address + "/Thingworx", WS: "ws://" + address + wire.Path, AppKey: key,
		Page: "http://" + address + "/", Ledger: "http://" + address + "/azx/ledger", Events: "http://" + address + "/azx/events",
	}
}

// ReadInfo reads the platform.json of a platform's folder.
func ReadInfo(dir string) (Info, error) {
	var info Info
	raw, err := os.ReadFile(filepath.Join(dir, infoFile))
	if err != nil {
		return info, fmt.Errorf("read %s: %w (is `azx platform --dir %s` running?)", infoFile, err, dir)
	}
	if err := json.Unmarshal(raw, &info); err != nil {
		return info, fmt.Errorf("read %s: %w", infoFile, err)
	}
	return info, nil
}

func (i Info) write(dir string) error {
	raw, err := json.MarshalIndent(i, "", "  ")
	if err != nil {
		return fmt.Errorf("write %s: %w", infoFile, err)
	}
	if err := folder.Replace(filepath.Join(dir, infoFile), append(raw, '\n')); err != nil {
		return fmt.Errorf("write %s: %w", infoFile, err)
	}
	return nil
}

// keptKey returns the application key of a folder, a new one the first time.
func keptKey(dir string) (string, error) {
	name := filepath.Join(dir, keyFile)
	raw, err := os.ReadFile(name)
	if key := strings.TrimSpace(string(raw)); err == nil && key != "" {
		return key, nil
	}
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return "", fmt.Errorf("read application key: %w", err)
	}
	key := newKey()
	if err := folder.Replace(name, []byte(key+"\n")); err != nil {
		return "", fmt.Errorf("keep application key: %w", err)
	}
	return key, nil
}

// newKey returns a random key that looks like the platform's: a UUID (captured: 36 characters).
func newKey() string {
	var b [16]byte
	_, _ = rand.Read(b[:]) // never fails
	b[6], b[8] = b[6]&0x0f|0x40, b[8]&0x3f|0x80
	return fmt.Sprintf("%x-%x-%x-%x-%x", b[:4], b[4:6], b[6:8], b[8:10], b[10:])
}

// statusError is an answer of the platform that is no success.
type statusError struct {
	status int
	text   string
}

func (e *statusError) Error() string {
	return fmt.Sprintf("%s (HTTP status %d %s)", e.text, e.status, http.StatusText(e.status))
}
