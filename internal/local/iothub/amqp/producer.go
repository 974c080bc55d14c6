package amqp

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"time"

	"azx/internal/amqp10"
	"azx/internal/local/iothub"
)

const (
	formatBatch            uint32 = 0x80013700 // a message whose data sections are messages (read: azeventhubs)
	annotationPartitionKey        = "x-opt-partition-key"
	rightsToSend                  = iothub.ServiceConnect | iothub.DeviceConnect
)

// producer takes events over one link and puts them into the log, as an event hub does. The real hub's endpoint only
// gives events out (inferred): this is for tests that need events without devices.
type producer struct {
	client   *client
	link     *amqp10.Link
	resource string
	fixed    bool // all events go to one partition
	next     int  // the partition of the next message that has no key
}

// isProducer reports whether a link goes to "{event hub}" or "{event hub}/Partitions/{id}".
func (c *client) isProducer(path string) bool {
	eventHub, _, _ := strings.Cut(path, "/")
	return strings.EqualFold(eventHub, c.hub.Names().EventHub)
}

func (c *client) serveProducer(ctx context.Context, l *amqp10.Link, path string) error {
	p := &producer{client: c, link: l, resource: c.hub.Names().Namespace + "/" + path}
	if parts := strings.Split(path, "/"); len(parts) > 1 {
		n, ok := 0, false
		if len(parts) == 3 && strings.EqualFold(parts[1], segmentPartitions) {
			n, ok = c.partition(parts[2])
		}
		if !ok {
			return amqp10.Errorf(amqp10.CondNotFound, "%q: want %s or %s/Partitions/{id}, the last is %d", path, parts[0], parts[0], c.hub.Partitions()-1)
		}
		p.fixed, p.next = true, n
	}
	if _, err := p.allowed(); err != nil {
		return err
	}
	if err := l.Accept(amqp10.Terms{}); err != nil {
		return err
	}
	for {
		if err := p.takeOne(ctx); err != nil {
			return err
		}
	}
}

// allowed tells until when the client's tokens let it send.
func (p *producer) allowed() (until time.Time, err error) {
	until, ok := p.client.may(rightsToSend, p.resource, true)
	if !ok {
		return until, amqp10.Errorf(amqp10.CondUnauthorized,
			"no valid token with the right to send has been put for %q; a token of the policy iothubowner has it", p.resource)
	}
	return until, nil
}

// takeOne receives a message and answers it. The error ends the link.
func (p *producer) takeOne(ctx context.Context) error {
	until, err := p.allowed()
	if err != nil {
		return err
	}
	waiting, cancel := context.WithTimeout(ctx, until.Sub(p.client.hub.Now()))
	defer cancel()
	in, err := p.link.Receive(waiting)
	if err != nil {
		if ctx.Err() == nil && waiting.Err() != nil {
			return nil // the token's time is over: see whether there is another
		}
		return err
	}
	key, messages, err := parseSent(in)
	if err == nil {
		err = p.client.hub.Enqueue(p.partition(key), key, messages...)
	}
	if err != nil {
		in.Reject(amqp10.Errorf(condArgument, "%v", err))
		return nil
	}
	in.Accept()
	return nil
}

// partition chooses the partition of a message: the link's, that of its key, or the next one.
func (p *producer) partition(key string) int {
	switch {
	case p.fixed:
		return p.next
	case key != "":
		return p.client.hub.PartitionOf(key)
	}
	p.next = (p.next + 1) % p.client.hub.Partitions()
	return p.next
}

// parseSent decodes what came: one event, or a batch of them with one partition key.
func parseSent(in *amqp10.Incoming) (key string, events []iothub.Message, err error) {
	outer, err := amqp10.DecodeMessage(in.Payload)
	if err != nil {
		return "", nil, err
	}
	key = outer.Annotations.Text(annotationPartitionKey)
	if in.Format != formatBatch {
		event, err := eventOf(outer)
		return key, []iothub.Message{event}, err
	}
	for _, encoded := range outer.Data {
		inner, err := amqp10.DecodeMessage(encoded)
		if err != nil {
			return "", nil, fmt.Errorf("event %d of the batch: %w", len(events), err)
		}
		event, err := eventOf(inner)
		if err != nil {
			return "", nil, fmt.Errorf("event %d of the batch: %w", len(events), err)
		}
		events = append(events, event)
	}
	return key, events, nil
}

// eventOf takes what an event of the log can have from a message. Application properties become text, as a hub has them.
func eventOf(m *amqp10.Message) (iothub.Message, error) {
	if m.Value.Set || len(m.Sequences) > 0 {
		return iothub.Message{}, fmt.Errorf("the body is a value or a sequence; this hub takes data")
	}
	event := iothub.Message{Properties: make(map[string]string, len(m.ApplicationProperties))}
	for _, data := range m.Data {
		event.Body = append(event.Body, data...)
	}
	for _, pair := range m.ApplicationProperties {
		name, _ := pair.Key.(string)
		text, ok := textOf(pair.Value)
		if !ok {
			return iothub.Message{}, fmt.Errorf("application property %q is a %T; this hub takes texts, numbers, booleans and times", name, pair.Value)
		}
		event.Properties[name] = text
	}
	if p := m.Properties; p != nil {
		var ok, correlates bool
		event.MessageID, ok = textOf(p.MessageID)
		event.CorrelationID, correlates = textOf(p.CorrelationID)
		if !ok || !correlates {
			return iothub.Message{}, fmt.Errorf("a message id or correlation id is a UUID or binary; this hub takes texts and numbers")
		}
		event.UserID, event.To = string(p.UserID), p.To
		event.ContentType, event.ContentEncoding = string(p.ContentType), string(p.ContentEncoding)
	}
	return event, nil
}

// textOf writes a scalar as text; nil is "".
func textOf(v any) (text string, ok bool) {
	switch v := v.(type) {
	case nil:
		return "", true
	case string:
		return v, true
	case amqp10.Symbol:
		return string(v), true
	case bool, int8, int16, int32, int64, uint8, uint16, uint32, uint64:
		return fmt.Sprint(v), true
	case float32:
		return strconv.FormatFloat(float64(v), 'g', -1, 32), true
	case float64:
		return strconv.FormatFloat(v, 'g', -1, 64), true
	case amqp10.Timestamp:
		return v.Time().Format(time.RFC3339Nano), true
	}
	return "", false
}
