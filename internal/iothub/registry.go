package iothub

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"time"

	"azx/internal/fault"
	"azx/internal/secret"
)

const (
	// MaxBulk is the most entries of one Bulk (read).
	MaxBulk = 100
	maxID   = 128 // characters of a device's or module's id (read: identity-registry)
)

// Time is a time as the hub writes it: some have no zone and mean UTC; "0001-01-01T00:00:00" means never.
type Time struct{ time.Time }

// UnmarshalJSON reads RFC 3339 with or without a zone; what is neither is never.
func (t *Time) UnmarshalJSON(b []byte) error {
	text := strings.Trim(string(b), `"`)
	for _, layout := range []string{time.RFC3339Nano, "2006-01-02T15:04:05.999999999"} {
		if at, err := time.Parse(layout, text); err == nil {
			t.Time = at.UTC()
			return nil
		}
	}
	t.Time = time.Time{}
	return nil
}

// Identity is a device or a module in the registry (read: azure-iothub's device.js and module.js).
type Identity struct {
	DeviceID     string        `json:"deviceId"`
	ModuleID     string        `json:"moduleId,omitempty"`
	ETag         string        `json:"etag,omitempty"`
	GenerationID string        `json:"generationId,omitempty"`
	Status       string        `json:"status,omitempty"` // "enabled" or "disabled"; devices only
	StatusReason string        `json:"statusReason,omitempty"`
	ManagedBy    string        `json:"managedBy,omitempty"` // modules only: "IotEdge" for those of an edge deployment
	DeviceScope  string        `json:"deviceScope,omitempty"`
	ParentScopes []string      `json:"parentScopes,omitempty"`
	Capabilities *Capabilities `json:"capabilities,omitempty"`

	// Authentication is how the device proves who it is; nil lets the hub make a key.
	Authentication *Authentication `json:"-"`

	// What follows only the hub sets. ConnectionState, "Connected" or "Disconnected", is late and not for decisions.
	ConnectionState string `json:"connectionState,omitempty"`
	StateUpdated    Time   `json:"connectionStateUpdatedTime,omitzero"`
	StatusUpdated   Time   `json:"statusUpdatedTime,omitzero"`
	LastActivity    Time   `json:"lastActivityTime,omitzero"`
	Waiting         int    `json:"cloudToDeviceMessageCount,omitempty"` // messages to the device
}

// Target is the identity's address.
func (i Identity) Target() Target { return Target{i.DeviceID, i.ModuleID} }

// Capabilities of a device.
type Capabilities struct {
	IoTEdge bool `json:"iotEdge"`
}

// Authentication of a device or module: "sas" with keys, "selfSigned" with thumbprints, "certificateAuthority", "none".
type Authentication struct {
	Type                string
	Primary, Secondary  secret.Secret // keys, base64
	PrimaryThumbprint   string        // of X.509 certificates
	SecondaryThumbprint string
}

// wireIdentity has the keys in the clear: it exists only between the wire and an Identity.
type wireIdentity struct {
	Identity
	Authentication *wireAuthentication `json:"authentication,omitempty"`
}

type wireAuthentication struct {
	Type         string         `json:"type,omitempty"`
	SymmetricKey *wireKeys      `json:"symmetricKey,omitempty"`
	Thumbprint   *wireCertPrint `json:"x509Thumbprint,omitempty"`
}

type wireKeys struct {
	Primary   string `json:"primaryKey,omitempty"`
	Secondary string `json:"secondaryKey,omitempty"`
}

type wireCertPrint struct {
	Primary   string `json:"primaryThumbprint,omitempty"`
	Secondary string `json:"secondaryThumbprint,omitempty"`
}

func toWire(i Identity) wireIdentity {
	w := wireIdentity{Identity: i}
	w.ConnectionState, w.LastActivity, w.Waiting = "", Time{}, 0
	w.StateUpdated, w.StatusUpdated = Time{}, Time{}
	if a := i.Authentication; a != nil {
		w.Authentication = &wireAuthentication{Type: a.Type}
		if a.Primary.Reveal() != "" {
			w.Authentication.SymmetricKey = &wireKeys{a.Primary.Reveal(), a.Secondary.Reveal()}
		}
		if a.PrimaryThumbprint != "" {
			w.Authentication.Thumbprint = &wireCertPrint{a.PrimaryThumbprint, a.SecondaryThumbprint}
		}
	}
	return w
}

func (w wireIdentity) identity() Identity {
	i := w.Identity
	if a := w.Authentication; a != nil {
		i.Authentication = &Authentication{Type: a.Type}
		if a.SymmetricKey != nil {
			i.Authentication.Primary, i.Authentication.Secondary = secret.New(a.SymmetricKey.Primary), secret.New(a.SymmetricKey.Secondary)
		}
		if a.Thumbprint != nil {
			i.Authentication.PrimaryThumbprint, i.Authentication.SecondaryThumbprint = a.Thumbprint.Primary, a.Thumbprint.Secondary
		}
	}
	return i
}

// Get returns a device or a module. ErrNotFound if there is none.
func (c *Client) Get(ctx context.Context, t Target) (Identity, error) {
	return c.identity(ctx, call{op: "read " + t.String(), method: http.MethodGet, repeatable: true}, t, nil)
}

// Create adds a device or a module; a nil Authentication lets the hub make keys. ErrExists if it is there already.
func (c *Client) Create(ctx context.Context, i Identity) (Identity, error) {
	i.ETag = ""
	return c.identity(ctx, call{op: "create " + i.Target().String(), method: http.MethodPut}, i.Target(), &i)
}

// Replace changes a device or a module to i. If i has an ETag and the hub's differs: ErrChanged. Without one it
// replaces whatever is there.
func (c *Client) Replace(ctx context.Context, i Identity) (Identity, error) {
	return c.identity(ctx, call{
		op: "replace " + i.Target().String(), method: http.MethodPut, etag: matchOrAny(i.ETag), repeatable: i.ETag == "",
	}, i.Target(), &i)
}

// Delete removes a device with its modules, or a module; etag as with Replace.
func (c *Client) Delete(ctx context.Context, t Target, etag string) error {
	k := call{op: "delete " + t.String(), kind: KindRegistry, method: http.MethodDelete, etag: matchOrAny(etag)}
	var err error
	if k.path, err = t.path(k.op, "/devices/"); err != nil {
		return err
	}
	_, err = c.do(ctx, k)
	return err
}

func (c *Client) identity(ctx context.Context, k call, t Target, body *Identity) (Identity, error) {
	var err error
	if k.path, err = t.path(k.op, "/devices/"); err != nil {
		return Identity{}, err
	}
	if body != nil {
		if k.body, err = encode(k.op, toWire(*body)); err != nil {
			return Identity{}, err
		}
	}
	k.kind = KindRegistry
	answer, err := c.do(ctx, k)
	if err != nil {
		return Identity{}, err
	}
	var w wireIdentity
	err = decode(k.op, answer.body, &w)
	return w.identity(), err
}

// Modules lists the modules of a device.
func (c *Client) Modules(ctx context.Context, device string) ([]Identity, error) {
	k := call{op: "list the modules of " + device, kind: KindRegistry, method: http.MethodGet, repeatable: true}
	path, err := Target{Device: device}.path(k.op, "/devices/")
	if err != nil {
		return nil, err
	}
	k.path = path + "/modules"
	answer, err := c.do(ctx, k)
	if err != nil {
		return nil, err
	}
	var list []wireIdentity
	if err := decode(k.op, answer.body, &list); err != nil {
		return nil, err
	}
	all := make([]Identity, len(list))
	for i, w := range list {
		all[i] = w.identity()
	}
	return all, nil
}

// path is the address of a target below a root. Its errors are about ids that no device can have.
func (t Target) path(op, root string) (string, error) {
	if err := checkID(op, "device", t.Device); err != nil {
		return "", err
	}
	path := root + escape(t.Device)
	if t.Module == "" {
		return path, nil
	}
	return path + "/modules/" + escape(t.Module), checkID(op, "module", t.Module)
}

// escape makes an id fit for an address: everything but unreserved characters, as Microsoft's SDKs do. What may stand
// in a path by the letter, such as +, is not left to how the hub reads it.
func escape(id string) string { return strings.ReplaceAll(url.QueryEscape(id), "+", "%20") }

// checkID refuses what would address something else than a device or a module.
func checkID(op, what, id string) error {
	if id == "" || len(id) > maxID || id == "." || id == ".." || strings.ContainsAny(id, "/\\ \t\r\n") {
		return fault.Reject(op, "ids have 1 to 128 letters, digits and - : . + % _ # * ? ! ( ) , = @ ; $ '", "%q is no id of a %s", short(id), what)
	}
	return nil
}

func short(id string) string {
	if len(id) > maxID {
		return id[:maxID] + "..."
	}
	return id
}

// Change is one entry of a Bulk.
type Change struct {
	Mode     string // "create", "update", "updateIfMatchETag", "createOrUpdate", "delete", "deleteIfMatchETag", "updateTwin", ... (read)
	Identity Identity
	Tags     json.RawMessage // of a twin mode
	Desired  json.RawMessage // of a twin mode
}

// Failure is an entry of a Bulk that the hub refused.
type Failure struct {
	DeviceID string          `json:"deviceId"`
	ModuleID string          `json:"moduleId,omitempty"`
	Code     json.RawMessage `json:"errorCode"`   // a number or a name
	Text     string          `json:"errorStatus"` // what went wrong
}

type wireChange struct {
	ID           string              `json:"id"` // not deviceId (read)
	ModuleID     string              `json:"moduleId,omitempty"`
	ETag         string              `json:"eTag,omitempty"`
	TwinETag     string              `json:"twinETag,omitempty"` // instead, where the mode is about the twin (read: the C# SDK)
	Mode         string              `json:"importMode"`
	Status       string              `json:"status,omitempty"`
	StatusReason string              `json:"statusReason,omitempty"`
	Auth         *wireAuthentication `json:"authentication,omitempty"`
	Capabilities *Capabilities       `json:"capabilities,omitempty"`
	DeviceScope  string              `json:"deviceScope,omitempty"`
	ParentScopes []string            `json:"parentScopes,omitempty"`
	Tags         json.RawMessage     `json:"tags,omitempty"`
	Properties   *wireDesired        `json:"properties,omitempty"`
}

type wireDesired struct {
	Desired json.RawMessage `json:"desired,omitempty"`
}

// Bulk makes up to MaxBulk changes in one call; each takes as much of the quota as a call of its own. It returns the
// entries that the hub refused; the others are done.
func (c *Client) Bulk(ctx context.Context, changes []Change) ([]Failure, error) {
	k := call{op: fmt.Sprintf("change %d devices", len(changes)), kind: KindRegistry, method: http.MethodPost, path: "/devices", cost: float64(len(changes))}
	if len(changes) == 0 || len(changes) > MaxBulk {
		return nil, fault.Reject(k.op, "", "1 to %d changes go into one call", MaxBulk)
	}
	list := make([]wireChange, len(changes))
	for i, change := range changes {
		if _, err := change.Identity.Target().path(k.op, ""); err != nil {
			return nil, err
		}
		list[i] = change.wire()
	}
	var err error
	if k.body, err = encode(k.op, list); err != nil {
		return nil, err
	}
	k.accepts = isBulkResult
	answer, err := c.do(ctx, k)
	if err != nil {
		return nil, err
	}
	var result bulkResult
	err = decode(k.op, answer.body, &result)
	return result.Errors, err
}

type bulkResult struct {
	Successful *bool     `json:"isSuccessful"`
	Errors     []Failure `json:"errors"`
}

// isBulkResult tells a refused whole from refused entries: both may come with status 400 (read: iothubservice.json).
func isBulkResult(status int, answer []byte) bool {
	var r bulkResult
	return status == http.StatusBadRequest && json.Unmarshal(answer, &r) == nil && r.Successful != nil
}

func (ch Change) wire() wireChange {
	w := toWire(ch.Identity)
	change := wireChange{
		ID: w.DeviceID, ModuleID: w.ModuleID, ETag: w.ETag, Mode: ch.Mode, Status: w.Status, StatusReason: w.StatusReason,
		Auth: w.Authentication, Capabilities: w.Capabilities, DeviceScope: w.DeviceScope, ParentScopes: w.ParentScopes, Tags: ch.Tags,
	}
	if strings.Contains(ch.Mode, "Twin") {
		change.ETag, change.TwinETag = "", w.ETag
	}
	if ch.Desired != nil {
		change.Properties = &wireDesired{ch.Desired}
	}
	return change
}

// Statistics count a hub's devices.
type Statistics struct {
	Devices   int64 `json:"totalDeviceCount"`
	Enabled   int64 `json:"enabledDeviceCount"`
	Disabled  int64 `json:"disabledDeviceCount"`
	Connected int64 `json:"connectedDeviceCount"`
}

// Statistics counts the hub's devices; it takes two calls.
func (c *Client) Statistics(ctx context.Context) (Statistics, error) {
	var s Statistics
	for _, path := range []string{"/statistics/devices", "/statistics/service"} {
		k := call{op: "count the devices of the hub", kind: KindRegistry, method: http.MethodGet, path: path, repeatable: true}
		answer, err := c.do(ctx, k)
		if err != nil {
			return Statistics{}, err
		}
		if err := decode(k.op, answer.body, &s); err != nil {
			return Statistics{}, err
		}
	}
	return s, nil
}
