// Package document is how the hub's service API writes devices and modules as JSON: in calls, bulk calls and export files.
package document

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"azx/internal/local/iothub"
)

// ErrNoCertificates is about the one kind of authentication the local hub has: keys.
var ErrNoCertificates = errors.New("authentication of another type than sas")

// Authentication is how a device shows who it is (members: read from the Node SDK).
type Authentication struct {
	Type           string      `json:"type"`
	SymmetricKey   Keys        `json:"symmetricKey"`
	X509Thumbprint Thumbprints `json:"x509Thumbprint"`
}

// Keys are base64 texts; nil in an export that leaves them out.
type Keys struct {
	Primary   *string `json:"primaryKey"`
	Secondary *string `json:"secondaryKey"`
}

// Thumbprints are those of certificates: always nil here.
type Thumbprints struct {
	Primary   *string `json:"primaryThumbprint"`
	Secondary *string `json:"secondaryThumbprint"`
}

// Capabilities say whether a device is an edge device.
type Capabilities struct {
	IoTEdge bool `json:"iotEdge"`
}

// ByKeys is the authentication of an identity.
func ByKeys(i iothub.Identity) Authentication {
	return Authentication{Type: "sas", SymmetricKey: Keys{&i.PrimaryKey, &i.SecondaryKey}}
}

// Change is what a back end wants a device or a module to be. What only the hub sets is passed over: the SDKs
// send whole identities back.
type Change struct {
	DeviceID       string          `json:"deviceId"`
	ModuleID       string          `json:"moduleId"`
	Status         string          `json:"status"`
	StatusReason   string          `json:"statusReason"`
	Authentication *Authentication `json:"authentication"`
	Capabilities   Capabilities    `json:"capabilities"`
	DeviceScope    string          `json:"deviceScope"`
	ParentScopes   []string        `json:"parentScopes"`
}

// Spec is the change in the words of the core. Errors: ArgumentInvalid, ErrNoCertificates.
func (c Change) Spec(id iothub.ID) (iothub.Spec, error) {
	spec := iothub.Spec{ID: id, Edge: c.Capabilities.IoTEdge, Scope: c.DeviceScope, ParentScopes: c.ParentScopes, StatusReason: c.StatusReason}
	switch c.Status {
	case "", "enabled", "Enabled":
	case "disabled", "Disabled":
		spec.Disabled = true
	default:
		return spec, invalid("status %q: want enabled or disabled", c.Status)
	}
	if a := c.Authentication; a != nil {
		if a.Type != "" && !strings.EqualFold(a.Type, "sas") {
			return spec, ErrNoCertificates
		}
		spec.PrimaryKey, spec.SecondaryKey = text(a.SymmetricKey.Primary), text(a.SymmetricKey.Secondary)
	}
	return spec, nil
}

func text(s *string) string {
	if s == nil {
		return ""
	}
	return *s
}

func invalid(format string, args ...any) error {
	return &iothub.Error{Code: iothub.ArgumentInvalid, Message: fmt.Sprintf(format, args...)}
}

// entry is an entry of a bulk call or a line of an export file: the id is under another name, and the mode is written in
// any case (read: the Node SDK sends "create" and "UpdateIfMatchETag").
type entry struct {
	Change
	ID         string `json:"id"`
	ImportMode string `json:"importMode"`
	ETag       string `json:"eTag"`     // also etag: names are read without case
	TwinETag   string `json:"twinETag"` // instead of it in the modes for twins (read: the C# SDK)
}

// Entry reads an entry; mode is the one of an entry that has none. Errors: ArgumentInvalid, ErrNoCertificates.
func Entry(line []byte, mode string) (iothub.BulkEntry, error) {
	var change entry
	if err := json.Unmarshal(line, &change); err != nil {
		return iothub.BulkEntry{}, invalid("an entry is not what it should be: %v", err)
	}
	spec, err := change.Spec(iothub.ID{Device: change.ID, Module: change.ModuleID})
	if err != nil {
		return iothub.BulkEntry{}, err
	}
	twin, err := iothub.ParseTwinUpdate(line)
	if err != nil {
		return iothub.BulkEntry{}, err
	}
	if change.ImportMode == "" {
		change.ImportMode = mode
	}
	entry := iothub.BulkEntry{Spec: spec, Mode: bulkMode(change.ImportMode), ETag: change.ETag, Twin: twin}
	if entry.Mode == iothub.BulkUpdateTwinIfMatch {
		if entry.ETag = change.TwinETag; entry.ETag == "" {
			return iothub.BulkEntry{}, invalid("an entry of mode %s has no twinETag", entry.Mode)
		}
	}
	return entry, nil
}

// bulkMode is the mode as the core writes it; one that is not known stays.
func bulkMode(text string) string {
	for _, mode := range [...]string{iothub.BulkCreate, iothub.BulkUpdate, iothub.BulkUpdateIfMatch, iothub.BulkDelete,
		iothub.BulkDeleteIfMatch, iothub.BulkCreateOrUpdate, iothub.BulkCreateOrIfMatch, iothub.BulkUpdateTwin, iothub.BulkUpdateTwinIfMatch} {
		if strings.EqualFold(text, mode) {
			return mode
		}
	}
	return text
}

// line is a device or a module in an export file (read: ExportImportDevice of the Node SDK; iot-hub-bulk-identity-mgmt).
type line struct {
	ID             string         `json:"id"`
	ModuleID       string         `json:"moduleId,omitempty"`
	ETag           string         `json:"eTag"`
	Status         string         `json:"status"`
	StatusReason   string         `json:"statusReason,omitempty"`
	Authentication Authentication `json:"authentication"`
	TwinETag       string         `json:"twinETag"`
	Tags           map[string]any `json:"tags"`
	Properties     map[string]any `json:"properties"`
	Capabilities   *Capabilities  `json:"capabilities,omitempty"`
	DeviceScope    string         `json:"deviceScope,omitempty"`
	ParentScopes   []string       `json:"parentScopes,omitempty"`
}

// Line is a device or a module with its twin as an export file has it, without the end of the line; its keys are null
// where they are not wanted.
func Line(i iothub.Identity, t iothub.Twin, withKeys bool) ([]byte, error) {
	l := line{ID: i.Device, ModuleID: i.Module, ETag: i.ETag, Status: i.Status(), StatusReason: i.StatusReason,
		Authentication: ByKeys(i), TwinETag: t.ETag, Tags: t.Tags, Properties: t.Properties(), DeviceScope: i.Scope, ParentScopes: i.ParentScopes}
	if !withKeys {
		l.Authentication.SymmetricKey = Keys{}
	}
	if i.Module == "" {
		l.Capabilities = &Capabilities{i.Edge}
	}
	return json.Marshal(l)
}
