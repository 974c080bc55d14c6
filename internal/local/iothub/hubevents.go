package iothub

import (
	"fmt"
	"maps"
	"time"
)

// emit puts an event of the hub's own into the log if a route takes it. It is nil when there is nothing to wait for.
func (h *Hub) emit(e *Event) *Ticket {
	if e == nil || !h.router.admits(e) {
		return nil
	}
	return &Ticket{event: e, batch: h.partitions[h.PartitionOf(e.From.Device)].append(e, h.clock())}
}

// hubEvent is an event about an identity with the properties all of them have (read: the schema of non-telemetry
// events). It is nil when no route takes events of the source.
func (h *Hub) hubEvent(source, schema, operation string, identity Identity, body func() any) *Event {
	if !h.router.wants(source) {
		return nil
	}
	now := h.clock()
	properties := map[string]string{
		"hubName":               h.Names().Label(),
		"deviceId":              identity.Device,
		"operationTimestamp":    hubTime(now),
		"iothub-message-schema": schema,
		"opType":                operation,
	}
	if identity.Module != "" {
		properties["moduleId"] = identity.Module
	}
	return &Event{
		Message: Message{Body: mustJSON(body()), Properties: properties, ContentType: "application/json", ContentEncoding: "utf-8",
			UserID: h.Names().Label()},
		From:         identity.ID,
		GenerationID: identity.GenerationID,
		AuthMethod:   Principal{Policy: "hub"}.AuthMethod(),
		Source:       source,
		HubTime:      now,
	}
}

// twinEvent is the event of a change by a back end: what changed, with $metadata and $version of its section.
func (h *Hub) twinEvent(identity Identity, t Twin, u TwinUpdate, replace bool) *Event {
	operation := "updateTwin"
	if replace {
		operation = "replaceTwin"
	}
	return h.hubEvent(SourceTwinChange, "twinChangeNotification", operation, identity, func() any {
		body := map[string]any{"version": t.Version}
		if u.Tags != nil {
			body["tags"] = u.Tags
		}
		if u.Desired != nil {
			body["properties"] = map[string]any{"desired": changed(u.Desired, t.Desired, h.clock(), true)}
		}
		return body
	})
}

// reportedEvent is the event of a change by the device.
func (h *Hub) reportedEvent(identity Identity, t Twin, patch map[string]any) *Event {
	return h.hubEvent(SourceTwinChange, "twinChangeNotification", "updateTwin", identity, func() any {
		return map[string]any{"version": t.Version,
			"properties": map[string]any{"reported": changed(patch, t.Reported, h.clock(), false)}}
	})
}

// changed is a patch as the twin's event has it: with its own metadata and the section's version.
func changed(patch map[string]any, section Section, now time.Time, desired bool) map[string]any {
	at := stamp{time: now}
	if desired {
		at.version = section.Version
	}
	_, meta := at.patched(nil, nil, patch)
	document := maps.Clone(patch)
	if document == nil {
		document = map[string]any{}
	}
	document["$metadata"], document["$version"] = meta, section.Version
	return document
}

// lifecycle tells of identities that were made or are gone; the body is the twin (read).
func (h *Hub) lifecycle(operation string, identity Identity, t Twin) {
	kind := "DeviceIdentity"
	if identity.Module != "" {
		kind = "ModuleIdentity"
	}
	h.wait(h.emit(h.hubEvent(SourceLifecycle, "deviceLifecycleNotification", operation+kind, identity, func() any {
		return h.twinDocument(identity, t)
	})))
}

// connectionEvent tells that a device came or went. The sequence number is 64 hexadecimal digits; of two the larger text
// is the newer (read).
func (h *Hub) connectionEvent(operation string, identity Identity) {
	h.wait(h.emit(h.hubEvent(SourceConnectionState, "deviceConnectionStateNotification", operation, identity, func() any {
		return map[string]any{"sequenceNumber": fmt.Sprintf("%064X", h.eventNumber.Add(1))}
	})))
}

// wait waits for an event nobody else waits for. A log that cannot be written refuses the next message, and says why.
func (h *Hub) wait(ticket *Ticket) {
	if ticket != nil {
		_, _ = ticket.Wait()
	}
}

// TwinDocument is the twin with its identity, as the service API and queries show it (members: read from the Node SDK).
// Error: DeviceNotFound.
func (h *Hub) TwinDocument(id ID) (map[string]any, error) {
	identity, err := h.registry.Get(id)
	if err != nil {
		return nil, fmt.Errorf("twin: %w", err)
	}
	t, err := h.Twin(id)
	if err != nil {
		return nil, err
	}
	return h.twinDocument(identity, t), nil
}

func (h *Hub) twinDocument(identity Identity, t Twin) map[string]any {
	p := h.Presence(identity.ID)
	document := map[string]any{
		"deviceId":                  identity.Device,
		"etag":                      t.ETag,
		"deviceEtag":                identity.ETag,
		"status":                    identity.Status(),
		"statusReason":              identity.StatusReason,
		"statusUpdateTime":          hubTime(identity.StatusUpdated),
		"connectionState":           p.State(),
		"lastActivityTime":          hubTime(p.LastActivity),
		"cloudToDeviceMessageCount": h.messageCount(identity),
		"authenticationType":        "sas",
		"x509Thumbprint":            map[string]any{"primaryThumbprint": nil, "secondaryThumbprint": nil},
		"modelId":                   "",
		"version":                   t.Version,
		"properties":                t.Properties(),
		"tags":                      t.Tags,
	}
	if identity.Module != "" {
		document["moduleId"] = identity.Module
		return document
	}
	document["capabilities"] = map[string]any{"iotEdge": identity.Edge}
	if identity.Scope != "" {
		document["deviceScope"] = identity.Scope
	}
	if len(identity.ParentScopes) > 0 {
		document["parentScopes"] = identity.ParentScopes
	}
	return document
}
