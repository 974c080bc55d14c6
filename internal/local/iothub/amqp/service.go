package amqp

import (
	"context"
	"strings"
	"time"

	"azx/internal/amqp10"
	"azx/internal/local/iothub"
)

// The nodes of back ends (read: azure-iothub), in lower case.
const (
	nodeSend     = "messages/devicebound"
	nodeFeedback = "messages/servicebound/feedback"
	nodeFiles    = "messages/servicebound/filenotifications"
)

// typeFeedback is the content type of feedback (read).
const typeFeedback = "application/vnd.microsoft.iothub.feedback.json"

// serviceNode finds what serves a link of a back end; nil: nothing does. The words are compared without case.
func (c *client) serviceNode(l *amqp10.Link, path string) func(context.Context, *amqp10.Link) error {
	switch node := strings.ToLower(path); {
	case node == nodeSend && !l.Sends():
		return c.takeCloudMessages
	case node == nodeFeedback && l.Sends():
		return c.sendFeedback
	case node == nodeFiles && l.Sends():
		return keepQuiet // this hub takes no files
	}
	return nil
}

// serveService serves a link of a back end as long as a token allows it.
func (c *client) serveService(ctx context.Context, l *amqp10.Link, path string, serve func(context.Context, *amqp10.Link) error) error {
	resource := c.hub.Names().Host + "/" + path
	may := func() (time.Time, bool) { return c.may(iothub.ServiceConnect, resource, false) }
	if _, ok := may(); !ok {
		return unauthorized(resource)
	}
	c.watchToken(l, resource, may)
	return serve(ctx, l)
}

// takeCloudMessages takes messages to devices and answers each once it is in the device's queue.
func (c *client) takeCloudMessages(ctx context.Context, l *amqp10.Link) error {
	if err := l.Accept(amqp10.Terms{}); err != nil {
		return err
	}
	for {
		in, err := l.Receive(ctx)
		if err != nil {
			return err
		}
		m, err := amqp10.DecodeMessage(in.Payload)
		if err != nil {
			in.Reject(amqp10.Errorf(amqp10.CondDecodeError, "%v", err))
			continue
		}
		settle(c.hub, in, c.sendToDevice(m))
	}
}

func (c *client) sendToDevice(m *amqp10.Message) error {
	message, err := eventOf(m)
	if err != nil {
		return amqp10.Errorf(condArgument, "%v", err)
	}
	id, node, ok := parseDevicePath(pathOf(message.To))
	if !ok || node != nodeDeviceBound {
		return amqp10.Errorf(condArgument, "to %q: want /devices/{device}/messages/devicebound", message.To)
	}
	ack := iothub.Ack(strings.ToLower(message.Properties[propertyAck]))
	delete(message.Properties, propertyAck)
	return c.hub.SendToDevice(c.registered(id), iothub.CloudMessage{Message: message, Ack: ack, Expires: c.expiry(m)})
}

// expiry is when a message ends: its absolute time, else its life; zero when it has neither.
func (c *client) expiry(m *amqp10.Message) time.Time {
	switch {
	case m.Properties != nil && m.Properties.AbsoluteExpiryTime != 0:
		return m.Properties.AbsoluteExpiryTime.Time()
	case m.Header != nil && m.Header.TTL.Set:
		return c.hub.Now().Add(time.Duration(m.Header.TTL.Value) * time.Millisecond)
	}
	return time.Time{}
}

// sendFeedback delivers what became of messages. All readers compete for it.
func (c *client) sendFeedback(ctx context.Context, l *amqp10.Link) error {
	queue := c.hub.Feedback()
	next := func(ctx context.Context) ([]byte, string, error) {
		b, err := queue.Next(ctx)
		if err != nil {
			return nil, "", err
		}
		return amqp10.AppendMessage(nil, c.feedback(b)), b.LockToken, nil
	}
	return sendLocked(ctx, l, c.hub, lockedQueue{
		next: next, complete: queue.Complete, abandon: queue.Abandon, reject: queue.Complete, release: queue.Release,
	})
}

// feedback is a batch as back ends get it: a JSON array, with what the .NET SDK insists on (read).
func (c *client) feedback(b iothub.FeedbackBatch) *amqp10.Message {
	return &amqp10.Message{
		Header:      &amqp10.Header{Priority: 4, DeliveryCount: uint32(b.DeliveryCount)},
		Annotations: amqp10.Map{{Key: amqp10.Symbol(annotationHubTime), Value: amqp10.TimestampOf(b.Enqueued)}},
		Properties:  &amqp10.Properties{UserID: []byte(c.hub.Names().Label()), To: "/messages/serviceBound/feedback", ContentType: typeFeedback},
		Data:        [][]byte{b.Body()},
	}
}
