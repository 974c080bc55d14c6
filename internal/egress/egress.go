package egress

import (
	"context"
	"encoding/json"
	"errors"
	"time"

	"azx/alwayson/infotable"
	"azx/internal/mapping"
	"azx/internal/message"
)

// Hub is the service side of the hub. Its errors are fault.Problems whose texts are for people.
type Hub interface {
	// Send puts a cloud-to-device message into the device's queue and returns what the hub said.
	Send(ctx context.Context, m Message) error
	// Call runs a direct method and waits for the device's answer.
	Call(ctx context.Context, t message.Target, m Method) (Answer, error)
	// Twin reads a twin.
	Twin(ctx context.Context, t message.Target) (Twin, error)
	// PatchTwin merges a change into a twin and returns the whole. The error wraps ErrChanged if etag is not the
	// hub's any more; "" is any.
	PatchTwin(ctx context.Context, t message.Target, change TwinChange, etag string) (Twin, error)
}

// Things is what the platform knows of Things. Declarations are kept for a while, like the tables of ingress.
type Things interface {
	// Service returns the declaration of a remote service; a VARIANT result if the platform does not tell.
	Service(ctx context.Context, thing, edgeName string) (mapping.Service, error)
	// Property returns the declaration of a remote property, also of those that a template brings, such as
	// twinReported; false if the Thing has none of that edge name, or if there is no such Thing.
	Property(ctx context.Context, thing, edgeName string) (mapping.Property, bool, error)
	// WriteVia returns how writes to the Thing travel: "c2d", "desired" or "method:<name>"; "" if the Thing leaves it
	// to the configuration.
	WriteVia(ctx context.Context, thing string) (string, error)
	// Last returns the last value of a remote property that the platform acknowledged, and its time in ms since
	// 1970-01-01 UTC; false if none is remembered.
	Last(thing, edgeName string) (v infotable.Value, at int64, ok bool)
	// Push writes values to remote properties of a Thing and returns once the platform has acknowledged them.
	Push(ctx context.Context, thing string, writes []message.Write) error
	// Fire fires an event of a Thing with one row of data.
	Fire(ctx context.Context, thing, event string, data *infotable.Table) error
}

// Errors of Hub that the flow tells apart.
var (
	ErrChanged   = errors.New("the twin has changed since it was read")
	ErrThrottled = errors.New("the hub takes no more of this kind for now")
)

// Message is a cloud-to-device message.
type Message struct {
	Device          string
	ID              string // needed for its outcome
	CorrelationID   string
	ContentType     string
	ContentEncoding string
	Ack             string    // "none", "positive", "negative" or "full"
	Expires         time.Time // the zero value leaves it to the hub
	Properties      map[string]string
	Body            []byte
}

// Method is a direct method.
type Method struct {
	Name    string
	Payload json.RawMessage // nil for none
	// Connect is how long to wait for the device to connect, 0 for not at all; Response for its answer.
	Connect, Response time.Duration
}

// Answer is what a device answered to a direct method.
type Answer struct {
	Status  int // 2xx by convention for success
	Payload json.RawMessage
}

// Twin is a twin as the hub has it.
type Twin struct {
	ETag     string
	Version  int64           // of the whole: each change makes it one more; 0 where it is not known
	Desired  json.RawMessage // with $metadata and $version
	Reported json.RawMessage // with $metadata and $version
	Tags     json.RawMessage // devices only
}

// TwinChange is what to change of a twin; nil parts stay. In each a null removes a key.
type TwinChange struct {
	Tags    json.RawMessage // not for modules
	Desired json.RawMessage
}
