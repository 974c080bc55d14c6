package amqp

import (
	"context"

	"azx/internal/amqp10"
	"azx/internal/local/iothub"
)

const (
	// propertyModel is where a device names its Plug and Play model (read: the .NET SDK).
	propertyModel = "com.microsoft:model-id"
	// propertyOutput is the application property with the output a module sends to (read).
	propertyOutput = "iothub-outputname"
	// maxBatched is how many messages one AMQP message may carry (read).
	maxBatched = 500
)

// submitted is a message on its way into the log, or a batch.
type submitted struct {
	in      *amqp10.Incoming
	tickets []*iothub.Ticket
	err     error
}

// takeTelemetry takes messages of the device and answers each once it is in the log. What has come meanwhile is submitted
// before the waiting, so that many messages are written together: at most the link's credit.
func (d *device) takeTelemetry(ctx context.Context, l *amqp10.Link) error {
	if err := l.Accept(amqp10.Terms{}); err != nil {
		return err
	}
	model := l.Asked().Properties.Text(propertyModel)
	for {
		in, err := l.Receive(ctx)
		if err != nil {
			return err
		}
		var all []submitted
		for ; in != nil; in = l.TryReceive() {
			all = append(all, d.submit(in, model))
		}
		for _, s := range all {
			d.answer(s)
		}
	}
}

func (d *device) submit(in *amqp10.Incoming, model string) submitted {
	s := submitted{in: in}
	_, messages, err := parseSent(in, maxBatched)
	if err != nil {
		s.err = amqp10.Errorf(condArgument, "%v", err)
	}
	for i := range messages {
		if s.err != nil {
			break
		}
		m := &messages[i]
		m.DataSchema = model
		m.OutputName = m.Properties[propertyOutput]
		delete(m.Properties, propertyOutput)
		var ticket *iothub.Ticket
		if ticket, s.err = d.client.hub.Submit(d.principal, *m); s.err == nil {
			s.tickets = append(s.tickets, ticket)
		}
	}
	return s
}

// answer tells the device what became of a message. Of a batch the first error counts, though messages before it are in
// the log.
func (d *device) answer(s submitted) {
	for _, ticket := range s.tickets {
		if _, err := ticket.Wait(); err != nil && s.err == nil {
			s.err = err
		}
	}
	settle(d.client.hub, s.in, s.err)
}

// settle accepts a message, or rejects it with the reason.
func settle(hub *iothub.Hub, in *amqp10.Incoming, err error) {
	if err != nil {
		in.Reject(refusal(hub, err))
		return
	}
	in.Accept()
}
