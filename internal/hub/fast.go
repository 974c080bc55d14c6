package hub

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"azx/internal/amqp10"
	"azx/internal/delivery"
	"azx/internal/fault"
	"azx/internal/message"
)

// Names of Event Hubs' filter, properties and capability (read: azeventhubs' partition_client.go).
const (
	filterName           amqp10.Symbol = "apache.org:selector-filter:string"
	filterCode           uint64        = 0x0000468C00000004
	propertyReceiverName amqp10.Symbol = "com.microsoft:receiver-name"
	propertyEpoch        amqp10.Symbol = "com.microsoft:epoch"
	capabilityGeo        amqp10.Symbol = "com.microsoft:georeplication"
)

// fastCredit and fastBytes are the most messages of a partition that are asked for ahead, and their bytes: a hub that is 50 ms away
// then gives 20,000 messages or 80 MiB a second and partition.
const (
	fastCredit = 1024
	fastBytes  = 4 << 20
)

// fastReceiver is the Receiver over internal/amqp10, which reads transfers in place.
type fastReceiver struct {
	client    *Client
	partition string
	from      Position // where it goes on
	level     *int64
	scanner   *scanner

	link *amqp10.Receiver // nil: there is none, or it has failed
}

func (c *Client) openFast(partition string, from Position, level *int64) (Receiver, error) {
	if _, err := c.signing(); err != nil {
		return nil, err
	}
	return &fastReceiver{client: c, partition: partition, from: from, level: level, scanner: newScanner(c.options.Hub, partition, &c.groups)}, nil
}

// Receive is Receiver's.
func (r *fastReceiver) Receive(ctx context.Context) ([]*message.Message, error) {
	if r.link == nil {
		if err := r.open(ctx); err != nil {
			return nil, r.failed(ctx, err)
		}
	}
	arrived, err := r.link.Receive(ctx)
	if err != nil {
		if ctx.Err() == nil || !errors.Is(err, ctx.Err()) {
			r.drop(ctx)
		}
		return nil, r.failed(ctx, err)
	}
	messages, err := r.scanner.messages(make([]*message.Message, 0, len(arrived)), arrived)
	if err != nil {
		r.drop(ctx)
		// Going on would pass the event over without a trace.
		return nil, &fault.Problem{Op: r.op(), Class: fault.Fatal, Cause: err, Hint: "is it an event hub that is read?"}
	}
	last := messages[len(messages)-1]
	r.from = After(delivery.Checkpoint{Sequence: last.Sequence, Offset: last.Offset, Enqueued: last.Enqueued})
	return messages, nil
}

func (r *fastReceiver) op() string { return "receive from partition " + r.partition }

// open attaches to the partition, behind the message that was returned last.
func (r *fastReceiver) open(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, openWithin)
	defer cancel()
	line, err := r.client.trunk.take(ctx)
	if err != nil {
		return err
	}
	o := &r.client.options
	properties := amqp10.Map{{Key: propertyReceiverName, Value: line.name}}
	if r.level != nil {
		properties = append(properties, amqp10.Pair{Key: propertyEpoch, Value: *r.level})
	}
	r.link, err = line.amqp.Receive(ctx, amqp10.ReceiverConfig{
		Source: &amqp10.Source{
			Address: fmt.Sprintf("%s/ConsumerGroups/%s/Partitions/%s", r.client.endpoint.EventHub, o.Group, r.partition),
			Filter:  amqp10.Map{{Key: filterName, Value: amqp10.Described{Descriptor: filterCode, Value: r.from.selector()}}},
		},
		Target:     line.name,
		Properties: properties,
		Desired:    []amqp10.Symbol{capabilityGeo},
		Credit:     max(fastCredit, o.Prefetch),
		Bytes:      min(fastBytes, o.Prefetch*maxEvent),
	})
	return err
}

// drop leaves a link that is of no use any more.
func (r *fastReceiver) drop(ctx context.Context) {
	link := r.link
	r.link = nil
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), closeWithin)
	defer cancel()
	_ = link.Close(ctx) // it has failed already
}

func (r *fastReceiver) failed(ctx context.Context, err error) error {
	err = r.client.classified(ctx, r.op(), err)
	if errors.Is(err, ErrNotFound) {
		return r.client.missing(ctx, err)
	}
	return err
}

// classified makes a fault.Problem of an error of the trunk, or says that ctx has ended.
func (c *Client) classified(ctx context.Context, op string, err error) error {
	if ctx.Err() != nil {
		err = ctx.Err()
	}
	if isUnauthorized(err) {
		c.trunk.distrust(ctx)
	}
	as, failed := c.options.Current()
	if failed != nil {
		as = c.endpoint
	}
	return classify(op, as.Policy, err)
}

// Close is Receiver's.
func (r *fastReceiver) Close(ctx context.Context) error {
	if r.link == nil {
		return nil
	}
	link := r.link
	r.link = nil
	return link.Close(ctx)
}

// selector is the position in the words of the endpoint's filter.
func (p Position) selector() string {
	const offset, sequence, enqueued = "amqp.annotation." + annotationOffset, "amqp.annotation." + annotationSequence, "amqp.annotation." + annotationEnqueued
	switch p.kind {
	case latest:
		return offset + " > '@latest'"
	case after:
		return offset + " > '" + strings.ReplaceAll(p.offset, "'", "''") + "'"
	case from:
		return fmt.Sprintf("%s >= '%d'", sequence, p.sequence)
	case at:
		return fmt.Sprintf("%s >= '%d'", enqueued, p.time.UnixMilli())
	}
	return offset + " > '-1'"
}
