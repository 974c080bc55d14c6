package app

import (
	"encoding/json"
	"errors"
	"time"

	"azx/internal/decode"
	"azx/internal/egress"
	"azx/internal/fault"
	"azx/internal/ingress"
	"azx/internal/iothub"
	"azx/internal/message"
	"azx/internal/platform"
)

// What goes wrong is told to those who watch the platform, by its cause. This file is the one place that says which cause
// is which event.

// tellFailed hears of requests of the platform that were not carried out.
func (c *connector) tellFailed(r message.Request, err error) {
	if e, ok := c.eventOfRequest(r, err); ok {
		e.Context = details(map[string]any{"hubThing": c.hubThingOf(r.Thing), "name": r.Name, "verb": r.Verb.String(), "hint": fault.HintOf(err)})
		c.events.Offer(e)
	}
}

// eventOfRequest says which event tells of a request that failed; false if none does: the connector or the hub is busy,
// away or stopping, and the caller is told.
func (c *connector) eventOfRequest(r message.Request, err error) (platform.Event, bool) {
	e := platform.Event{Message: err.Error(), Thing: r.Thing}
	switch class := fault.ClassOf(err); {
	case fault.IsPanic(err):
		e.Kind, e.Thing, e.Message = platform.InternalError, c.Config.Name, "a request ended in a panic: "+r.Verb.String()+" "+r.Name+" of "+r.Thing
	case errors.Is(err, platform.ErrNoFile):
		e.Kind = platform.FileNotFoundError
		e.Path, e.File = fileOf(r)
	case class == fault.Credential:
		e.Kind, e.Thing = platform.AuthenticationError, c.hubThingOf(r.Thing)
	case ofDevice(err):
		e.Kind = platform.EdgeError
	case class != fault.Rejected:
		return e, false
	case r.Verb == message.VerbWrite:
		e.Kind = platform.WritePropertyError
		e.Properties = []platform.PropertyFailure{{Name: r.Name, Time: time.Now().UnixMilli(), Quality: qualityBad}}
	default:
		e.Kind = platform.UserError
	}
	return e, true
}

// hubThingOf is the hub Thing that a Thing belongs to; "" if that is not known.
func (c *connector) hubThingOf(thing string) string {
	if h := c.hubKnown(thing); h != nil {
		return h.thing
	}
	return ""
}

// qualityBad is that of a value that was not written.
const qualityBad = "BAD"

// ofDevice reports whether a request failed because of the device: it answered with an error or with what cannot be
// read, it did not answer, is not connected, does not take its messages, or is not known to the hub.
func ofDevice(err error) bool {
	if errors.As(err, new(*egress.StatusError)) || errors.As(err, new(*egress.AnswerError)) {
		return true
	}
	for _, cause := range []error{iothub.ErrOffline, iothub.ErrNoAnswer, iothub.ErrQueueFull, iothub.ErrNotFound} {
		if errors.Is(err, cause) {
			return true
		}
	}
	return false
}

// fileOf is what a service about files asks for: its parameters path, or directory and file.
func fileOf(r message.Request) (path, file string) {
	for _, name := range []string{"path", "sourcePath", "directoryPath"} {
		if path, _ = r.Params.First(name).Text(); path != "" {
			break
		}
	}
	if file, _ = r.Params.First("sourceFile").Text(); file == "" {
		for i := len(path) - 1; i >= 0; i-- {
			if path[i] == '/' || path[i] == '\\' {
				return path[:i+1], path[i+1:]
			}
		}
		return "", path
	}
	return path, file
}

// tellPutAside hears of messages that were put into quarantine.
func (c *connector) tellPutAside(d ingress.Dead) {
	e := platform.Event{
		Thing:   message.ThingName(d.DeviceID),
		Message: "a message of device " + d.DeviceID + " was put into quarantine: " + d.Reason,
		Context: details(map[string]any{
			"hubThing": d.Hub, "partition": d.Partition, "sequence": d.Sequence, "reason": d.Reason, "hint": fault.HintOf(d.Err),
		}),
	}
	if d.Err != nil && !fault.IsPanic(d.Err) {
		e.Message += ": " + d.Err.Error()
	}
	switch {
	case fault.IsPanic(d.Err):
		e.Kind, e.Thing = platform.InternalError, c.Config.Name
	case d.Stage == "decode":
		e.Kind = platform.ProtocolError
		e.Context = details(map[string]any{"body": orElse(d.ContentType, "no content type")}) // offending item -> type or quality (read)
	default:
		e.Kind, e.Properties = platform.WritePropertyError, propertiesOf(d)
	}
	c.events.Offer(e)
}

// propertiesOf names the properties of a message that was not written, or not whole.
func propertiesOf(d ingress.Dead) []platform.PropertyFailure {
	readings, err := decode.Body(d.Message)
	if err != nil {
		return nil
	}
	var properties []platform.PropertyFailure
	for _, r := range readings {
		name := string(r.Key)
		if d.ModuleID != "" {
			name = d.ModuleID + "::" + name
		}
		properties = append(properties, platform.PropertyFailure{Name: name, Time: d.Enqueued.UnixMilli(), Quality: qualityBad})
	}
	return properties
}

// tellRefused hears of errors of the hub; those are told that say that it does not accept the credential.
func (h *hubSide) tellRefused(err error) {
	if fault.ClassOf(err) == fault.Credential {
		h.events.Offer(platform.Event{
			Kind: platform.AuthenticationError, Thing: h.thing, Message: err.Error(), Context: details(map[string]any{"hint": fault.HintOf(err)}),
		})
	}
}

// tellHubFailed says that the hub is not served, while others are.
func (h *hubSide) tellHubFailed(err error) {
	h.Log.Error("the hub is not served; it is tried again now and then, and the other hubs go on", "event", "hub-failed", "hub", h.thing,
		"error", err, "hint", fault.HintOf(err))
	h.events.Offer(platform.Event{
		Kind: platform.UserError, Thing: h.thing, Message: "the hub is not served: " + err.Error(), Context: details(map[string]any{"hint": fault.HintOf(err)}),
	})
}

// tellSetting hears of settings of the hub Thing that are not taken.
func (h *hubSide) tellSetting(err error) {
	if fault.ClassOf(err) == fault.Credential {
		h.tellRefused(err)
		return
	}
	h.events.Offer(platform.Event{
		Kind: platform.UserError, Thing: h.thing, Message: "settings are not taken: " + err.Error(), Context: details(map[string]any{"hint": fault.HintOf(err)}),
	})
}

// tellInternal hears of what goes wrong in the connector itself.
func (c *connector) tellInternal(err error) {
	c.events.Offer(platform.Event{
		Kind: platform.InternalError, Thing: c.Config.Name, Message: err.Error(), Context: details(map[string]any{"hint": fault.HintOf(err)}),
	})
}

// tellOutcomes hears what became of messages to devices.
func (h *hubSide) tellOutcomes(records []egress.Outcome) {
	for _, o := range records {
		if o.Status != "Success" {
			h.events.Offer(platform.Event{
				Kind: platform.EdgeError, Thing: message.ThingName(o.Device), Message: "a message to the device was not taken: " + o.Status,
				Context: details(map[string]any{"hubThing": h.thing, "messageId": o.MessageID, "status": o.Status, "description": o.Description}),
			})
		}
	}
}

func details(members map[string]any) json.RawMessage {
	text, _ := json.Marshal(members) // texts and numbers always have JSON
	return text
}

func orElse(text, otherwise string) string {
	if text == "" {
		return otherwise
	}
	return text
}
