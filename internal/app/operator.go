package app

import (
	"cmp"
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"log/slog"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"azx/internal/config"
	"azx/internal/dial"
	"azx/internal/fault"
	"azx/internal/iothub"
	"azx/internal/secret"
	"azx/internal/supervise"
)

// OperatorHub says which hub an operator means: one of the connector's file, or one by its connection string.
type OperatorHub struct {
	File string // the connector's file
	Hub  string // a hub Thing of it; "" for the only one

	ConnectionStringFile string // instead of File: a file with the connection string of a hub
	CAFile               string // with it: PEM file of extra roots, "" for none
	HTTPS, AMQPS         string // with it: host:port to dial instead of the hub's own, "" for those
}

// Operator does for a person what the platform does: it sends to devices, calls them, and reads and changes twins.
// OpenOperator makes one.
type Operator struct {
	hub    *config.Hub
	client *iothub.Client
	heard  chan iothub.Feedback // of the message that Send waits for
	waits  chan string          // its id, in the buffer while it waits
}

// OpenOperator opens a hub. With feedback the outcomes of messages are read as well.
func OpenOperator(ctx context.Context, o OperatorHub, feedback bool) (*Operator, error) {
	cfg, hub, err := o.find()
	if err != nil {
		return nil, err
	}
	log := slog.New(slog.DiscardHandler)
	out, err := openOutsideNow(ctx, cfg, log)
	if err != nil {
		return nil, err
	}
	op := &Operator{hub: hub, heard: make(chan iothub.Feedback, 1), waits: make(chan string, 1)}
	s := service{Hub: hub, Identity: out.identity, Log: log}
	if hub.Feedback = config.Switch(feedback); feedback {
		s.Feedback = op.outcomes
	}
	if s.Network, err = openNetwork(hub, out.dialer, s.Log); err != nil {
		return nil, err
	}
	if op.client, err = openService(s); err != nil {
		return nil, err
	}
	if op.client == nil {
		return nil, &fault.Problem{Op: "open hub " + hub.Thing, Class: fault.Fatal, Cause: errors.New("it has no connection string"),
			Hint: "set connectionString of the hub in the file, or give --connection-string-file"}
	}
	return op, nil
}

// find returns the configuration and a copy of the hub's part in it.
func (o OperatorHub) find() (*config.Config, *config.Hub, error) {
	if o.ConnectionStringFile != "" {
		file, err := filepath.Abs(o.ConnectionStringFile)
		if err != nil {
			return nil, nil, err
		}
		connection, err := secret.Parse("${file:"+file+"}", "")
		return &config.Config{}, &config.Hub{
			ConnectionString: connection, CAFile: o.CAFile, Transport: dial.TransportAuto,
			Endpoints: config.Endpoints{HTTPS: o.HTTPS, AMQPS: o.AMQPS},
		}, err
	}
	cfg, _, err := config.Load(o.File)
	if err != nil {
		return nil, nil, err
	}
	hub, err := findHub(cfg, o.File, o.Hub)
	if err != nil {
		return nil, nil, err
	}
	own := *hub
	return cfg, &own, nil
}

// Close ends what the operator has open.
func (o *Operator) Close() { o.client.Close() }

// OperatorMessage is a message that an operator sends to a device.
type OperatorMessage struct {
	Device     string
	Body       []byte
	Properties map[string]string
	Ack        string        // "none", "positive", "negative" or "full"; "" is none
	TTL        time.Duration // 0 leaves it to the hub
}

// Sent is what became of a message.
type Sent struct {
	Device    string `json:"device"`
	MessageID string `json:"messageId"`
	// Outcome is what the hub told of it later: "Success", "Expired", "DeliveryCountExceeded", "Rejected" or "Purged";
	// "" if nobody waited for it, or in vain.
	Outcome     string     `json:"outcome,omitempty"`
	Description string     `json:"description,omitempty"`
	Time        *time.Time `json:"time,omitempty"` // of the outcome
}

// Send sends a message within a time, and waits so long for its outcome, if wait is not 0 and the message asks for it.
// With an error Sent tells how far it came: if it has a message id, the hub has taken the message.
func (o *Operator) Send(ctx context.Context, m OperatorMessage, within, wait time.Duration) (Sent, error) {
	if strings.Contains(m.Device, "/") {
		return Sent{}, fault.Reject("send to "+m.Device, "call a method of it, or change its twin", "a module takes no messages")
	}
	w := iothub.Message{Device: m.Device, ID: strings.ToLower(rand.Text()), Properties: m.Properties, Ack: iothub.Ack(m.Ack), Body: m.Body}
	if json.Valid(m.Body) {
		w.ContentType, w.ContentEncoding = "application/json", "utf-8"
	}
	if m.TTL > 0 {
		w.Expires = time.Now().Add(m.TTL)
	}
	group := supervise.New(ctx)
	group.Go("service side", o.client.Run)
	sent, err := o.send(ctx, w, within, wait)
	group.Stop()
	return sent, errors.Join(err, group.Wait())
}

func (o *Operator) send(ctx context.Context, m iothub.Message, within, wait time.Duration) (Sent, error) {
	sending, cancel := context.WithTimeout(ctx, within)
	defer cancel()
	o.waits <- m.ID
	if err := o.client.Send(sending, m); err != nil {
		return Sent{}, err
	}
	sent := Sent{Device: m.Device, MessageID: m.ID}
	if wait == 0 {
		return sent, nil
	}
	waiting, cancel := context.WithTimeout(ctx, wait)
	defer cancel()
	select {
	case r := <-o.heard:
		sent.Outcome, sent.Description, sent.Time = r.Status, r.Description, &r.Time.Time
		return sent, nil
	case <-waiting.Done():
		return sent, &fault.Problem{Op: "wait for the outcome", Cause: waiting.Err(),
			Hint: "wait longer; another back end that reads the hub's feedback, also a connector with feedback: on, may have got it"}
	}
}

// outcomes looks for the message that Send waits for. Records of others go back to the hub, unless they come in the same
// batch.
func (o *Operator) outcomes(_ context.Context, records []iothub.Feedback) error {
	id := <-o.waits
	defer func() { o.waits <- id }()
	at := slices.IndexFunc(records, func(r iothub.Feedback) bool { return r.MessageID == id })
	if at < 0 {
		return iothub.ErrNotMine
	}
	select {
	case o.heard <- records[at]:
	default: // told twice
	}
	return nil
}

// OperatorCall is a direct method that an operator runs.
type OperatorCall struct {
	Target            string // "device" or "device/module"
	Name              string
	Payload           json.RawMessage // nil for none
	Connect, Response time.Duration   // 0 is what the file has for the service
}

// Called is a device's answer to a direct method.
type Called struct {
	Status  int             `json:"status"` // 2xx by convention for success
	Payload json.RawMessage `json:"payload"`
}

// Call runs a direct method.
func (o *Operator) Call(ctx context.Context, c OperatorCall) (Called, error) {
	t, err := target(c.Target)
	if err != nil {
		return Called{}, err
	}
	service := c.Name
	if t.Module != "" {
		service = t.Module + "::" + c.Name
	}
	times, ok := o.hub.Methods.Services[service]
	if !ok {
		times = config.MethodTimeout{ConnectTimeout: o.hub.Methods.ConnectTimeout, ResponseTimeout: o.hub.Methods.ResponseTimeout}
	}
	answer, err := o.client.Call(ctx, t, iothub.Method{
		Name: c.Name, Payload: c.Payload,
		Connect: cmp.Or(c.Connect, times.ConnectTimeout), Response: cmp.Or(c.Response, times.ResponseTimeout),
	})
	return Called(answer), err
}

// Twin is a twin as the hub writes it.
type Twin = iothub.Twin

// Twin reads the twin of "device" or "device/module".
func (o *Operator) Twin(ctx context.Context, of string) (Twin, error) {
	t, err := target(of)
	if err != nil {
		return Twin{}, err
	}
	return o.client.Twin(ctx, t)
}

// SetTwin merges tags and desired properties, JSON objects or nil, into a twin and returns the whole. If etag is not ""
// and is not the hub's any more, nothing changes.
func (o *Operator) SetTwin(ctx context.Context, of string, tags, desired json.RawMessage, etag string) (Twin, error) {
	t, err := target(of)
	if err != nil {
		return Twin{}, err
	}
	if t.Module != "" && tags != nil {
		return Twin{}, fault.Reject("change the twin of "+of, "set them on the device", "modules have no tags")
	}
	return o.client.PatchTwin(ctx, t, iothub.TwinChange{Tags: tags, Desired: desired}, etag)
}

func target(of string) (iothub.Target, error) {
	device, module, found := strings.Cut(of, "/")
	if device == "" || found && (module == "" || strings.Contains(module, "/")) {
		return iothub.Target{}, fault.Reject("find "+of, "such as pump-1 or gateway-1/modbus", "it is neither DEVICE nor DEVICE/MODULE")
	}
	return iothub.Target{Device: device, Module: module}, nil
}
