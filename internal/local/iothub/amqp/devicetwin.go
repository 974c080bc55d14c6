package amqp

import (
	"context"
	"fmt"
	"math"

	"azx/internal/amqp10"
	"azx/internal/local/iothub"
)

// The words of twin messages (read: the Node, .NET and C SDKs). Status is an int, version a long.
const (
	propertyChannel     = "com.microsoft:channel-correlation-id"
	annotationOperation = "operation"
	annotationResource  = "resource"
	annotationStatus    = "status"
	annotationVersion   = "version"
	resourceReported    = "/properties/reported"
	resourceDesired     = "/notifications/twin/properties/desired"
)

// never is a version that desired properties do not reach.
const never = math.MaxInt64

// maxTwinRequest is the largest request about a twin, in bytes; the core bounds what a section may hold.
const maxTwinRequest = 256 << 10

// sendTwin keeps a link over which answers and changes of desired properties go to the device.
func (d *device) sendTwin(ctx context.Context, l *amqp10.Link) error {
	d.desiredFrom.Store(never)
	changes := d.session.WatchDesired()
	defer changes.Close()
	defer d.client.offer(d.twinChannel(l), l)()
	if err := l.Accept(amqp10.Terms{}); err != nil {
		return err
	}
	for {
		change, err := changes.Next(ctx)
		if err != nil { // closed: a newer link of the device gets the changes
			<-ctx.Done()
			return nil
		}
		if change.Version < d.desiredFrom.Load() {
			continue
		}
		if err := l.Send(ctx, amqp10.AppendMessage(nil, &amqp10.Message{Data: [][]byte{change.Document()}})); err != nil {
			return err
		}
	}
}

// twinChannel names the two twin links that belong together.
func (d *device) twinChannel(l *amqp10.Link) string {
	return d.principal.ID.Path() + "/" + nodeTwin + " " + l.Asked().Properties.Text(propertyChannel)
}

// takeTwinRequests answers the requests of a link one after the other.
func (d *device) takeTwinRequests(ctx context.Context, l *amqp10.Link) error {
	if err := l.Accept(amqp10.Terms{MaxMessageSize: maxTwinRequest}); err != nil {
		return err
	}
	channel := d.twinChannel(l)
	for {
		in, err := l.Receive(ctx)
		if err != nil {
			return err
		}
		request, err := amqp10.DecodeMessage(in.Payload)
		if err != nil {
			in.Reject(amqp10.Errorf(amqp10.CondDecodeError, "%v", err))
			continue
		}
		patience, stop := context.WithTimeout(ctx, linkWithin)
		out, err := d.client.answerLink(patience, channel, "")
		stop()
		if err != nil {
			return err
		}
		in.Accept()
		if err := sendAnswer(ctx, out, d.answerTwin(request)); err != nil {
			return err
		}
	}
}

// answerTwin does what a request asks for.
func (d *device) answerTwin(request *amqp10.Message) *amqp10.Message {
	body, version, err := d.doTwin(request)
	status := int32(200)
	if err != nil {
		status, body = int32(iothub.AsError(err).Status()), d.client.hub.ErrorDocument(err)
	}
	m := &amqp10.Message{
		Annotations: amqp10.Map{{Key: amqp10.Symbol(annotationStatus), Value: status}},
		Properties:  new(amqp10.Properties),
		Data:        [][]byte{body},
	}
	if version > 0 {
		m.Annotations = append(m.Annotations, amqp10.Pair{Key: amqp10.Symbol(annotationVersion), Value: version})
	}
	if request.Properties != nil {
		m.Properties.CorrelationID = request.Properties.CorrelationID
	}
	return m
}

func (d *device) doTwin(request *amqp10.Message) (body []byte, version int64, err error) {
	hub, id := d.client.hub, d.principal.ID
	operation, resource := request.Annotations.Text(annotationOperation), request.Annotations.Text(annotationResource)
	switch {
	case operation == "GET" && resource == "":
		twin, err := hub.ReadTwin(id)
		if err != nil {
			return nil, 0, err
		}
		return twin.DeviceDocument(), 0, nil
	case operation == "PATCH" && resource == resourceReported:
		var patch []byte
		for _, data := range request.Data {
			patch = append(patch, data...)
		}
		version, err := hub.PatchReported(d.principal, patch)
		return nil, version, err
	case operation == "PUT" && resource == resourceDesired:
		twin, err := hub.Twin(id)
		if err == nil {
			d.desiredFrom.Store(twin.Desired.Version + 1)
		}
		return nil, 0, err
	case operation == "DELETE" && resource == resourceDesired:
		d.desiredFrom.Store(never)
		return nil, 0, nil
	}
	return nil, 0, &iothub.Error{Code: iothub.ArgumentInvalid, Message: fmt.Sprintf(
		"twin: operation %q on resource %q: want GET; PATCH of %s; PUT or DELETE of %s", operation, resource, resourceReported, resourceDesired)}
}
