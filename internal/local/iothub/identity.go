package iothub

import (
	"errors"
	"fmt"
	"strings"
	"time"
)

// Errors of the registry; test with errors.Is.
var (
	// ErrNotFound means the hub has no such device or module.
	ErrNotFound = errors.New("not found")
	// ErrExists means the id is taken.
	ErrExists = errors.New("exists already")
	// ErrDisabled means the device exists and may not connect or send.
	ErrDisabled = errors.New("disabled")
	// ErrBadID means the id breaks the hub's rule for ids.
	ErrBadID = errors.New("bad id")
)

// maxIDLength is the length limit of a device or module id (read).
const maxIDLength = 128

// ID names a device, or a module of a device when Module is set. Ids are case-sensitive.
type ID struct {
	Device string `json:"device"`
	Module string `json:"module,omitempty"`
}

// String is "device" or "device/module".
func (id ID) String() string {
	if id.Module == "" {
		return id.Device
	}
	return id.Device + "/" + id.Module
}

// Path is the resource path "devices/{d}" or "devices/{d}/modules/{m}" as it stands in tokens and topics, unescaped.
func (id ID) Path() string {
	if id.Module == "" {
		return "devices/" + id.Device
	}
	return "devices/" + id.Device + "/modules/" + id.Module
}

// Check applies the hub's rule for ids (read): 1 to 128 characters of A-Z a-z 0-9 - : . + % _ # * ? ! ( ) , = @ ; $ '.
func (id ID) Check() error {
	if err := checkID("device", id.Device); err != nil {
		return err
	}
	if id.Module == "" {
		return nil
	}
	return checkID("module", id.Module)
}

// Identity is an entry of the registry: a device or a module with its symmetric keys.
type Identity struct {
	ID
	// GenerationID differs between two devices that had the same id one after the other.
	GenerationID string `json:"generationId"`
	// ETag changes with every change of the entry.
	ETag string `json:"etag"`
	// PrimaryKey and SecondaryKey are base64 texts of 32 random bytes.
	PrimaryKey   string `json:"primaryKey"`
	SecondaryKey string `json:"secondaryKey"`
	// Edge marks an IoT Edge device.
	Edge bool `json:"edge,omitempty"`
	// Disabled refuses connections and messages.
	Disabled bool `json:"disabled,omitempty"`
	// StatusReason is a text about Disabled, StatusUpdated when that last changed (zero: never).
	StatusReason  string    `json:"statusReason,omitempty"`
	StatusUpdated time.Time `json:"statusUpdated,omitzero"`
	// Scope is the scope an edge device opens, or the one a leaf device is in; ParentScopes those above it.
	Scope        string    `json:"scope,omitempty"`
	ParentScopes []string  `json:"parentScopes,omitempty"`
	Created      time.Time `json:"created"`
}

func checkID(kind, id string) error {
	if id == "" || len(id) > maxIDLength {
		return fmt.Errorf("%s id of %d characters: %w: want 1 to %d", kind, len(id), ErrBadID, maxIDLength)
	}
	for i, r := range id {
		if !idCharacter(r) {
			return fmt.Errorf("%s id %q: %w: character %q at %d; allowed are letters, digits and -:.+%%_#*?!(),=@;$'", kind, id, ErrBadID, r, i)
		}
	}
	return nil
}

func idCharacter(r rune) bool {
	return r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || strings.ContainsRune("-:.+%_#*?!(),=@;$'", r)
}
