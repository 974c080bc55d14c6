package https

import (
	"encoding/json"
	"time"

	"azx/internal/local/iothub"
	"azx/internal/local/iothub/document"
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

	CloudToDeviceMessageCount int                     `json:"cloudToDeviceMessageCount"`
	Authentication            document.Authentication `json:"authentication"`
	Capabilities              *document.Capabilities  `json:"capabilities,omitempty"`
	DeviceScope               string                  `json:"deviceScope,omitempty"`
	ParentScopes              []string                `json:"parentScopes,omitempty"`
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
		Authentication:             document.ByKeys(i),
	}
	if i.Module != "" {
		if i.Module == "$edgeAgent" || i.Module == "$edgeHub" {
			d.ManagedBy = "IotEdge"
		}
		return d
	}
	d.Status, d.StatusReason, d.StatusUpdatedTime = i.Status(), &i.StatusReason, timeText(i.StatusUpdated)
	d.Capabilities = &document.Capabilities{IoTEdge: i.Edge}
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
