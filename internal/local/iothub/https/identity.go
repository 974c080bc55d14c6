package https

import (
	"encoding/json"
	"time"

	"azx/internal/local/iothub"
)

// identityDocument is a device or a module as the service API writes and reads it (members: read from the Node SDK).
type identityDocument struct {
	DeviceID     string `json:"deviceId"`
	ModuleID     string `json:"moduleId,omitempty"`
	ManagedBy    string `json:"managedBy,omitempty"`
	GenerationID string `json:"generationId"`
	ETag         string `json:"etag"`

	ConnectionState            string `json:"connectionState"`
	ConnectionStateUpdatedTime string `json:"connectionStateUpdatedTime"`
	LastActivityTime           string `json:"lastActivityTime"`
	// Modules have no status.
	Status            string  `json:"status,omitempty"`
	StatusReason      *string `json:"statusReason,omitempty"`
	StatusUpdatedTime string  `json:"statusUpdatedTime,omitempty"`

	CloudToDeviceMessageCount int            `json:"cloudToDeviceMessageCount"`
	Authentication            authentication `json:"authentication"`
	Capabilities              *capabilities  `json:"capabilities,omitempty"`
	DeviceScope               string         `json:"deviceScope,omitempty"`
	ParentScopes              []string       `json:"parentScopes,omitempty"`
}

type authentication struct {
	Type           string      `json:"type"`
	SymmetricKey   keys        `json:"symmetricKey"`
	X509Thumbprint thumbprints `json:"x509Thumbprint"`
}

type keys struct {
	Primary   string `json:"primaryKey"`
	Secondary string `json:"secondaryKey"`
}

type thumbprints struct {
	Primary   *string `json:"primaryThumbprint"`
	Secondary *string `json:"secondaryThumbprint"`
}

type capabilities struct {
	IoTEdge bool `json:"iotEdge"`
}

// identityChange is what a back end wants a device or a module to be. What only the hub sets is passed over: the SDKs
// send whole identities back.
type identityChange struct {
	DeviceID       string          `json:"deviceId"`
	ModuleID       string          `json:"moduleId"`
	Status         string          `json:"status"`
	StatusReason   string          `json:"statusReason"`
	Authentication *authentication `json:"authentication"`
	Capabilities   capabilities    `json:"capabilities"`
	DeviceScope    string          `json:"deviceScope"`
	ParentScopes   []string        `json:"parentScopes"`
}

// spec is the change in the words of the core. Errors: ArgumentInvalid, errNoCertificates.
func (c identityChange) spec(id iothub.ID) (iothub.Spec, error) {
	spec := iothub.Spec{ID: id, Edge: c.Capabilities.IoTEdge, Scope: c.DeviceScope, ParentScopes: c.ParentScopes, StatusReason: c.StatusReason}
	switch c.Status {
	case "", "enabled", "Enabled":
	case "disabled", "Disabled":
		spec.Disabled = true
	default:
		return spec, invalid("status %q: want enabled or disabled", c.Status)
	}
	if a := c.Authentication; a != nil {
		if a.Type != "" && a.Type != "sas" {
			return spec, errNoCertificates
		}
		spec.PrimaryKey, spec.SecondaryKey = a.SymmetricKey.Primary, a.SymmetricKey.Secondary
	}
	return spec, nil
}

// describe is an identity as back ends see it.
func (f *front) describe(i iothub.Identity) identityDocument {
	p := f.hub.Presence(i.ID)
	d := identityDocument{
		DeviceID:                   i.Device,
		ModuleID:                   i.Module,
		GenerationID:               i.GenerationID,
		ETag:                       i.ETag,
		ConnectionState:            p.State(),
		ConnectionStateUpdatedTime: timeText(p.Changed),
		LastActivityTime:           timeText(p.LastActivity),
		Authentication:             authentication{Type: "sas", SymmetricKey: keys{i.PrimaryKey, i.SecondaryKey}},
	}
	if i.Module != "" {
		if i.Module == "$edgeAgent" || i.Module == "$edgeHub" {
			d.ManagedBy = "IotEdge"
		}
		return d
	}
	d.Status, d.StatusReason, d.StatusUpdatedTime = i.Status(), &i.StatusReason, timeText(i.StatusUpdated)
	d.Capabilities = &capabilities{i.Edge}
	d.DeviceScope, d.ParentScopes = i.Scope, i.ParentScopes
	if box, err := f.hub.Outbox(i.ID); err == nil { // it may be gone meanwhile
		d.CloudToDeviceMessageCount = box.Count()
	}
	return d
}

// timeText writes a time as the registry does; never is the year 1, without a zone (read).
func timeText(t time.Time) string {
	if t.IsZero() {
		return "0001-01-01T00:00:00"
	}
	return t.UTC().Format("2006-01-02T15:04:05.0000000Z")
}

// decode reads the JSON body of a request.
func (r *request) decode(into any) error {
	if err := json.Unmarshal(r.body, into); err != nil {
		return invalid("the body of the request is not what it should be: %v", err)
	}
	return nil
}
