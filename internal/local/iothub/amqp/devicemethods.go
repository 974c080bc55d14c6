package amqp

import (
	"context"
	"strconv"

	"azx/internal/amqp10"
	"azx/internal/local/iothub"
)

// The application properties of methods (read: the device SDKs).
const (
	propertyMethod = "IoThub-methodname"
	propertyStatus = "IoThub-status"
)

// sendMethods hands calls of methods to the device. As long as the link lasts, the device takes methods.
func (d *device) sendMethods(ctx context.Context, l *amqp10.Link) error {
	calls := d.session.ServeMethods()
	defer calls.Close()
	if err := l.Accept(amqp10.Terms{}); err != nil {
		return err
	}
	for {
		call, err := calls.Next(ctx)
		if err != nil { // closed: a newer link of the device takes the calls
			<-ctx.Done()
			return nil
		}
		if err := l.Send(ctx, amqp10.AppendMessage(nil, methodCall(call))); err != nil {
			return err
		}
	}
}

func methodCall(call iothub.MethodRequest) *amqp10.Message {
	m := &amqp10.Message{
		Properties:            &amqp10.Properties{CorrelationID: call.RequestID},
		ApplicationProperties: amqp10.Map{{Key: propertyMethod, Value: call.Name}},
		Data:                  [][]byte{call.Payload},
	}
	if id, ok := amqp10.ParseUUID(call.RequestID); ok { // as the SDKs want it (read)
		m.Properties.CorrelationID = id
	}
	return m
}

// takeMethodAnswers takes the device's answers. One that nobody waits for is dropped: it came too late.
func (d *device) takeMethodAnswers(ctx context.Context, l *amqp10.Link) error {
	if err := l.Accept(amqp10.Terms{MaxMessageSize: 2 * iothub.MaxMethodPayload}); err != nil {
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
		settle(d.client.hub, in, d.takeAnswer(m))
	}
}

func (d *device) takeAnswer(m *amqp10.Message) error {
	if m.Properties == nil {
		return amqp10.Errorf(amqp10.CondInvalidField, "an answer to a method has the correlation id of the call")
	}
	id, _ := textOf(m.Properties.CorrelationID)
	text, _ := textOf(m.ApplicationProperties.Get(propertyStatus))
	status, err := strconv.Atoi(text)
	if err != nil {
		return amqp10.Errorf(amqp10.CondInvalidField, "an answer to a method has a number in the application property %s", propertyStatus)
	}
	var payload []byte
	for _, data := range m.Data {
		payload = append(payload, data...)
	}
	if !d.session.AnswerMethod(id, status, payload) {
		d.client.log.Info("AMQP answer to a method dropped", "device", d.principal.ID, "reason", "nobody waits for it any more")
	}
	return nil
}
