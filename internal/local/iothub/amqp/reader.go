package amqp

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"azx/internal/amqp10"
	"azx/internal/local/iothub"
)

// Conditions and properties of Event Hubs (read: azeventhubs).
const (
	condArgument          amqp10.Symbol = "com.microsoft:argument-error"
	condArgumentRange     amqp10.Symbol = "com.microsoft:argument-out-of-range"
	propertyEpoch                       = "com.microsoft:epoch"
	batch                               = 256 // events polled at once
	segmentConsumerGroups               = "ConsumerGroups"
	segmentPartitions                   = "Partitions"
)

// reader sends the events of one partition over one link.
type reader struct {
	client    *client
	link      *amqp10.Link
	group     string
	partition int
	next      int64 // number of the first event not sent
	buf       []byte
	silenced  <-chan struct{}
}

// serveReader serves "{event hub}/ConsumerGroups/{group}/Partitions/{id}".
func (c *client) serveReader(ctx context.Context, l *amqp10.Link, path string) error {
	endpoint := c.hub.Endpoint()
	r := &reader{client: c, link: l}
	if err := r.parse(path); err != nil {
		return err
	}
	resource := c.hub.Names().Namespace + "/" + path
	may := func() (time.Time, bool) { return c.mayRead(resource, true) }
	if _, ok := may(); !ok {
		return unauthorized(resource)
	}
	from, err := startOf(l.Asked().Source.Filter)
	if err != nil {
		return err
	}
	if r.next, err = c.hub.Seek(r.partition, from); err != nil {
		return amqp10.Errorf(condArgument, "%v", err)
	}
	epoch, owns := epochOf(l)
	leave, err := c.front.readers.enter(slotKey{hub: c.hub, group: strings.ToLower(r.group), partition: r.partition}, l, epoch, owns)
	if errors.Is(err, errOutranked) {
		// The SDKs take a lost ownership from the end of a link only, not from a refusal.
		return errors.Join(l.Accept(amqp10.Terms{}), err)
	}
	if err != nil {
		return err
	}
	defer leave()
	r.silenced = c.hub.Silenced(iothub.Reading{ConsumerGroup: r.group, Partition: r.partition})
	if err := l.Accept(amqp10.Terms{}); err != nil {
		return err
	}
	c.watchToken(l, resource, may)
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	defer context.AfterFunc(endpoint, cancel)()
	err = r.pump(ctx)
	if endpoint.Err() != nil {
		return amqp10.Errorf(amqp10.CondDetachForced, "the hub has failed over, the event hub has another name") // the condition is a guess
	}
	return err
}

func (r *reader) parse(path string) error {
	c, names := r.client, r.client.hub.Names()
	parts := strings.Split(path, "/")
	if !strings.EqualFold(parts[0], names.EventHub) {
		return amqp10.Errorf(amqp10.CondNotFound, "there is no event hub %q, this one is %q", parts[0], names.EventHub)
	}
	if len(parts) != 5 || !strings.EqualFold(parts[1], segmentConsumerGroups) || !strings.EqualFold(parts[3], segmentPartitions) {
		return amqp10.Errorf(amqp10.CondNotFound, "%q: want %s/ConsumerGroups/{group}/Partitions/{id}", path, names.EventHub)
	}
	r.group = parts[2]
	if !c.hub.HasConsumerGroup(r.group) {
		return amqp10.Errorf(amqp10.CondNotFound, "there is no consumer group %q, only %s", r.group, strings.Join(c.hub.ConsumerGroups(), ", "))
	}
	n, ok := c.partition(parts[4])
	if !ok {
		return amqp10.Errorf(condArgumentRange, "there is no partition %q, the last is %d", parts[4], c.hub.Partitions()-1)
	}
	r.partition = n
	return nil
}

// pump sends event after event.
func (r *reader) pump(ctx context.Context) error {
	for {
		events, after, err := r.client.hub.Read(ctx, r.partition, r.next, batch)
		if err != nil {
			return err
		}
		for _, e := range events {
			if err := r.heard(ctx); err != nil {
				return err
			}
			r.buf = appendEvent(r.buf[:0], e)
			if err := r.link.Send(ctx, r.buf); err != nil {
				return err
			}
			r.next = e.SequenceNumber + 1
		}
		r.next = after
	}
}

// heard returns at once, unless the reader is to be silent: then with the end of its link.
func (r *reader) heard(ctx context.Context) error {
	select {
	case <-r.silenced:
		<-ctx.Done()
		return ctx.Err()
	default:
		return nil
	}
}

// redirect tells where the events of the hub are read: it lets the link in and ends it with the address, as the service
// does (read: clients that resolve the endpoint attach without an error and get this one on receiving).
func (c *client) redirect(l *amqp10.Link, rest string) error {
	names := c.hub.Names()
	resource := names.Host + "/messages/events"
	if _, ok := c.mayRead(resource, false); !ok {
		return unauthorized(resource)
	}
	if rest == "" {
		rest = nodeManagement
	}
	if err := l.Accept(amqp10.Terms{}); err != nil {
		return err
	}
	return &amqp10.Error{
		Condition:   amqp10.CondLinkRedirect,
		Description: "events are read at the Event Hubs-compatible endpoint",
		Info: amqp10.Map{
			{Key: amqp10.Symbol("hostname"), Value: names.Namespace},
			{Key: amqp10.Symbol("network-host"), Value: names.Namespace},
			{Key: amqp10.Symbol("port"), Value: int32(c.port)},
			{Key: amqp10.Symbol("address"), Value: fmt.Sprintf("amqps://%s:%d/%s/%s", names.Namespace, c.port, names.EventHub, rest)},
		},
	}
}

// epochOf is the owner level a reader asks for; false: none.
func epochOf(l *amqp10.Link) (epoch int64, ok bool) {
	switch v := l.Asked().Properties.Get(propertyEpoch).(type) {
	case int64:
		return v, true
	case int32:
		return int64(v), true
	case uint32:
		return int64(v), true
	}
	return 0, false
}

var _ verifier = (*iothub.Hub)(nil)
