package amqp

import (
	"fmt"
	"strconv"
	"strings"

	"azx/internal/amqp10"
)

// Types of the entities that can be read at $management (read: azeventhubs).
const (
	typeEventHub  = "com.microsoft:eventhub"
	typePartition = "com.microsoft:partition"
)

// manage answers a READ of the event hub or one of its partitions.
func (c *client) manage(request *amqp10.Message) answer {
	asked := request.ApplicationProperties
	if op := asked.Text("operation"); op != "READ" {
		return answer{status: 400, description: fmt.Sprintf("operation %q is unknown, READ is not", op)}
	}
	names := c.hub.Names()
	name := asked.Text("name")
	if !strings.EqualFold(name, names.EventHub) {
		return answer{status: 404, description: fmt.Sprintf("there is no event hub %q, this one is %q", name, names.EventHub)}
	}
	if err := c.mayManage(asked.Text("security_token")); err != nil {
		return answer{status: 401, description: err.Error()}
	}
	switch kind := asked.Text("type"); kind {
	case typeEventHub:
		return answer{status: 200, description: "OK", body: c.describeEventHub()}
	case typePartition:
		return c.describePartition(asked.Text("partition"))
	default:
		return answer{status: 400, description: fmt.Sprintf("type %q is unknown, %s and %s are not", kind, typeEventHub, typePartition)}
	}
}

// mayManage wants the token of the request to be good, or, without one, a token put before.
func (c *client) mayManage(token string) error {
	names := c.hub.Names()
	resource := names.Namespace + "/" + names.EventHub
	if token != "" {
		_, err := c.hub.VerifyEventHub(token, resource)
		return err
	}
	for _, covered := range [...]string{resource, resource + "/" + nodeManagement} {
		if _, ok := c.mayRead(covered, true); ok {
			return nil
		}
	}
	return unauthorized(resource)
}

// describeEventHub has the fields the SDKs read; azeventhubs fails without georeplication_factor (read).
func (c *client) describeEventHub() amqp10.Map {
	ids := amqp10.Array{Kind: amqp10.KindString}
	for n := range c.hub.Partitions() {
		ids.Items = append(ids.Items, strconv.Itoa(n))
	}
	return amqp10.Map{
		{Key: "name", Value: c.hub.Names().EventHub},
		{Key: "type", Value: typeEventHub},
		{Key: "created_at", Value: amqp10.TimestampOf(c.hub.Created())},
		{Key: "partition_count", Value: int32(len(ids.Items))},
		{Key: "partition_ids", Value: ids},
		{Key: "georeplication_factor", Value: int32(1)},
	}
}

func (c *client) describePartition(id string) answer {
	n, ok := c.partition(id)
	if !ok {
		return answer{status: 404, description: fmt.Sprintf("there is no partition %q, the last is %d", id, c.hub.Partitions()-1)}
	}
	info, err := c.hub.PartitionInfo(n)
	if err != nil {
		return answer{status: 500, description: err.Error()}
	}
	return answer{status: 200, description: "OK", body: amqp10.Map{
		{Key: "name", Value: c.hub.Names().EventHub},
		{Key: "type", Value: typePartition},
		{Key: "partition", Value: id},
		{Key: "begin_sequence_number", Value: info.BeginSequence},
		{Key: "last_enqueued_sequence_number", Value: info.LastSequence},
		{Key: "last_enqueued_offset", Value: info.LastOffset},
		{Key: "last_enqueued_time_utc", Value: amqp10.TimestampOf(info.LastEnqueuedTime)},
		{Key: "is_partition_empty", Value: info.Empty},
	}}
}

// partition reads a partition's id, which is its number as the hub writes it.
func (c *client) partition(id string) (n int, ok bool) {
	n, err := strconv.Atoi(id)
	return n, err == nil && n >= 0 && n < c.hub.Partitions() && strconv.Itoa(n) == id
}
