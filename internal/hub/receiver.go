package hub

import (
	"context"
	"errors"

	"github.com/Azure/azure-sdk-for-go/sdk/messaging/azeventhubs/v2"

	"azx/internal/fault"
	"azx/internal/message"
)

// partitionReceiver is the Receiver over Microsoft's client library.
type partitionReceiver struct {
	client    *Client
	signed    *signed
	partition string
	events    *azeventhubs.PartitionClient
	expired   context.Context // has ended: for taking what has already come
}

// Receiver makes a Receiver of one partition; it connects at the first Receive. Level is its owner level (epoch): the hub
// gives a partition to one reader of a consumer group only, the newest of the highest level, and tells the others
// (ErrStolen).
func (c *Client) Receiver(partition string, from Position, level int64) (Receiver, error) {
	return c.open(partition, from, &level)
}

// Peek makes a Receiver without an owner level: it takes the partition from nobody, and is refused, with ErrStolen, where
// somebody reads it with one. A partition has at most five such readers in a consumer group (read: Event Hubs quotas).
func (c *Client) Peek(partition string, from Position) (Receiver, error) {
	return c.open(partition, from, nil)
}

func (c *Client) open(partition string, from Position, level *int64) (Receiver, error) {
	if c.options.Kind == Fast {
		return c.openFast(partition, from, level)
	}
	signed, err := c.take()
	if err != nil {
		return nil, err
	}
	events, err := signed.consumer.NewPartitionClient(partition, &azeventhubs.PartitionClientOptions{
		StartPosition: from.start(),
		OwnerLevel:    level,
		Prefetch:      int32(c.options.Prefetch),
	})
	if err != nil {
		return nil, errors.Join(classify("open partition "+partition, signed.policy, err), c.give(context.Background(), signed))
	}
	expired, cancel := context.WithCancel(context.Background())
	cancel()
	return &partitionReceiver{client: c, signed: signed, partition: partition, events: events, expired: expired}, nil
}

// Receive is Receiver's. Asking the library for many messages waits until all of them have come, so it
// is asked for one, and then, without any time to wait, for those that came with it.
func (r *partitionReceiver) Receive(ctx context.Context) ([]*message.Message, error) {
	events, err := r.events.ReceiveEvents(ctx, 1, nil)
	if err != nil {
		return nil, r.failed(ctx, err)
	}
	if rest := r.client.options.Prefetch - 1; rest > 0 {
		// Its only news is that nothing more has come, or a failure that the next call meets too.
		more, _ := r.events.ReceiveEvents(r.expired, rest, nil)
		events = append(events, more...)
	}
	messages := make([]*message.Message, 0, len(events))
	for _, e := range events {
		m, err := convert(r.client.options.Hub, r.partition, e)
		if err != nil {
			// Going on would pass the event over without a trace.
			return nil, &fault.Problem{Op: "receive from partition " + r.partition, Class: fault.Fatal, Cause: err,
				Hint: "is it an event hub that is read?"}
		}
		messages = append(messages, m)
	}
	return messages, nil
}

func (r *partitionReceiver) failed(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		err = ctx.Err()
	}
	err = classify("receive from partition "+r.partition, r.signed.policy, r.signed.dialled.cause(err))
	switch {
	case errors.Is(err, ErrNotFound):
		return r.client.missing(ctx, err)
	case fault.ClassOf(err) == fault.Credential && r.client.replaced(r.signed):
		return &fault.Problem{Op: "receive from partition " + r.partition, Cause: errors.New("the key of its connection has been replaced"),
			Hint: "nothing to do: it is opened again with the new one"}
	}
	return err
}

// Close is Receiver's.
func (r *partitionReceiver) Close(ctx context.Context) error {
	return errors.Join(r.events.Close(ctx), r.client.give(ctx, r.signed))
}
