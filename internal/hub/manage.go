package hub

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"azx/internal/amqp10"
)

// What $management is asked (read: azeventhubs' mgmt.go).
const (
	managementNode = "$management"
	typeEventHub   = "com.microsoft:eventhub"
	typePartition  = "com.microsoft:partition"
)

var errNoProperties = errors.New("its answer has no such properties")

// partitions lists the partitions over the connection that the receivers have too, which costs one sign-in less than the
// library's; all partitions are asked for at once.
func (t *trunk) partitions(ctx context.Context) ([]Partition, error) {
	ctx, cancel := context.WithTimeout(ctx, openWithin)
	defer cancel()
	asked, err := t.management(ctx)
	if err != nil {
		return nil, err
	}
	defer asked.close(ctx)
	ids, err := asked.partitionIDs(ctx)
	if err != nil {
		return nil, err
	}
	requests := make([]*amqp10.Message, len(ids))
	for i, id := range ids {
		requests[i] = asked.read(typePartition, amqp10.Pair{Key: "partition", Value: id})
	}
	answers, err := asked.node.AskAll(ctx, requests...)
	if err != nil {
		return nil, err
	}
	list := make([]Partition, len(ids))
	for i, id := range ids {
		if list[i], err = partitionOf(id, answers[i]); err != nil {
			return nil, fmt.Errorf("partition %s: %w", id, err)
		}
	}
	return list, nil
}

// exists asks for nothing but whether the event hub is there.
func (t *trunk) exists(ctx context.Context) error {
	asked, err := t.management(ctx)
	if err != nil {
		return err
	}
	defer asked.close(ctx)
	_, err = asked.partitionIDs(ctx)
	return err
}

// management is the node that tells of an event hub, for one question after the other.
type management struct {
	node     *amqp10.Requester
	eventHub string
	token    string
}

func (t *trunk) management(ctx context.Context) (*management, error) {
	line, err := t.take(ctx)
	if err != nil {
		return nil, err
	}
	as, err := t.client.signing()
	if err != nil {
		return nil, err
	}
	node, err := line.amqp.Requester(ctx, managementNode)
	if err != nil {
		return nil, err
	}
	resource, expires := t.client.tokenFor(time.Now())
	return &management{node, t.client.endpoint.EventHub, as.Token(resource, expires).Reveal()}, nil
}

func (m *management) close(ctx context.Context) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), closeWithin)
	defer cancel()
	_ = m.node.Close(ctx) // nothing is asked any more
}

// read is the request for the properties of an entity.
func (m *management) read(kind string, which ...amqp10.Pair) *amqp10.Message {
	return &amqp10.Message{
		ApplicationProperties: append(amqp10.Map{
			{Key: "operation", Value: "READ"},
			{Key: "name", Value: m.eventHub},
			{Key: "type", Value: kind},
			{Key: "security_token", Value: m.token},
		}, which...),
		Value: amqp10.Some[any](nil),
	}
}

func (m *management) partitionIDs(ctx context.Context) ([]string, error) {
	answer, err := m.node.Ask(ctx, m.read(typeEventHub))
	if err != nil {
		return nil, err
	}
	properties, _ := answer.Value.Value.(amqp10.Map)
	all, _ := properties.Get("partition_ids").(amqp10.Array)
	var ids []string
	for _, item := range all.Items {
		if id, ok := item.(string); ok {
			ids = append(ids, id)
		}
	}
	if len(ids) == 0 {
		return nil, fmt.Errorf("partition_ids: %w", errNoProperties)
	}
	return ids, nil
}

// partitionOf reads the properties of a partition.
func partitionOf(id string, answer *amqp10.Message) (Partition, error) {
	properties, _ := answer.Value.Value.(amqp10.Map)
	empty, okEmpty := properties.Get("is_partition_empty").(bool)
	first, okFirst := whole(properties.Get("begin_sequence_number"))
	last, okLast := whole(properties.Get("last_enqueued_sequence_number"))
	at, okAt := properties.Get("last_enqueued_time_utc").(amqp10.Timestamp)
	if slices.Contains([]bool{okEmpty, okFirst, okLast, okAt}, false) {
		return Partition{}, errNoProperties
	}
	return Partition{
		ID: id, Empty: empty, First: first, Last: last,
		LastOffset: properties.Text("last_enqueued_offset"), LastTime: at.Time(),
	}, nil
}

// whole is an integer of any width.
func whole(v any) (n int64, ok bool) {
	switch v := v.(type) {
	case int64:
		return v, true
	case int32:
		return int64(v), true
	}
	return 0, false
}
