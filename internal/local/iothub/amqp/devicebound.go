package amqp

import (
	"context"
	"maps"
	"slices"

	"azx/internal/amqp10"
	"azx/internal/local/iothub"
)

const (
	// propertyAck is the application property that asks for feedback (read).
	propertyAck = "iothub-ack"
	// annotationDeliveries counts how often a message was given back (read: the .NET SDK, which wants a byte).
	annotationDeliveries = "iothub-deliverycount"
)

// sendMessages delivers the messages from the cloud. Modules get none: the hub's core says why.
func (d *device) sendMessages(ctx context.Context, l *amqp10.Link) error {
	box, err := d.client.hub.Outbox(d.principal.ID)
	if err != nil {
		return err
	}
	next := func(ctx context.Context) ([]byte, string, error) {
		m, err := box.Next(ctx)
		if err != nil {
			return nil, "", err
		}
		return amqp10.AppendMessage(nil, deviceBound(d.principal.ID, m)), m.LockToken, nil
	}
	return sendLocked(ctx, l, d.client.hub, lockedQueue{
		next: next, complete: box.Complete, abandon: box.Abandon, reject: box.Reject, release: box.Release,
	})
}

// deviceBound is a message as a device gets it (read: the annotations and properties that the SDKs take).
func deviceBound(id iothub.ID, d iothub.Delivery) *amqp10.Message {
	to := d.To
	if to == "" {
		to = "/" + id.Path() + "/messages/devicebound"
	}
	m := &amqp10.Message{
		Header: &amqp10.Header{Priority: 4, DeliveryCount: uint32(d.DeliveryCount)},
		Annotations: amqp10.Map{
			{Key: amqp10.Symbol(annotationSequence), Value: uint64(d.SequenceNumber)},
			{Key: amqp10.Symbol(annotationHubTime), Value: amqp10.TimestampOf(d.Enqueued)},
			{Key: amqp10.Symbol(annotationDeliveries), Value: uint8(min(d.DeliveryCount, 255))},
		},
		Properties: &amqp10.Properties{
			UserID: []byte(d.UserID), To: to,
			ContentType: amqp10.Symbol(d.ContentType), ContentEncoding: amqp10.Symbol(d.ContentEncoding),
			AbsoluteExpiryTime: amqp10.TimestampOf(d.Expires),
		},
		Data: [][]byte{d.Body},
	}
	if d.UserID == "" {
		m.Properties.UserID = nil
	}
	if d.MessageID != "" {
		m.Properties.MessageID = d.MessageID
	}
	if d.CorrelationID != "" {
		m.Properties.CorrelationID = d.CorrelationID
	}
	if d.Ack != iothub.AckNone {
		m.ApplicationProperties = append(m.ApplicationProperties, amqp10.Pair{Key: propertyAck, Value: string(d.Ack)})
	}
	for _, name := range slices.Sorted(maps.Keys(d.Properties)) {
		m.ApplicationProperties = append(m.ApplicationProperties, amqp10.Pair{Key: name, Value: d.Properties[name]})
	}
	return m
}
