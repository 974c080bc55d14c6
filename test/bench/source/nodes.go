package source

import (
	"fmt"
	"strconv"
	"time"

	"azx/internal/amqp10"
)

// answer answers a token, which is good whatever it is, or a question about the event hub or a partition.
func (s *Source) answer(node string, m *amqp10.Message) []byte {
	reply := &amqp10.Message{
		Properties: &amqp10.Properties{},
		ApplicationProperties: amqp10.Map{
			{Key: "status-code", Value: int32(200)}, {Key: "status-description", Value: "OK"},
		},
		Value: amqp10.Some[any](nil),
	}
	if m.Properties != nil {
		reply.Properties.CorrelationID, reply.Properties.To = m.Properties.MessageID, m.Properties.ReplyTo
	}
	if node == nodeManagement {
		reply.Value.Value = s.describe(m.ApplicationProperties)
	}
	return amqp10.AppendMessage(nil, reply)
}

// describe has the fields that the SDKs read (read: azeventhubs).
func (s *Source) describe(asked amqp10.Map) amqp10.Map {
	name := amqp10.Pair{Key: "name", Value: s.cfg.EventHub}
	created := amqp10.TimestampOf(time.Now())
	if id := asked.Text("partition"); id != "" {
		return amqp10.Map{
			name,
			{Key: "type", Value: "com.microsoft:partition"},
			{Key: "partition", Value: id},
			{Key: "begin_sequence_number", Value: int64(0)},
			{Key: "last_enqueued_sequence_number", Value: int64(1) << 40},
			{Key: "last_enqueued_offset", Value: fmt.Sprint(int64(firstOffset) + 1<<40)},
			{Key: "last_enqueued_time_utc", Value: created},
			{Key: "is_partition_empty", Value: false},
		}
	}
	ids := amqp10.Array{Kind: amqp10.KindString}
	for n := range s.cfg.Partitions {
		ids.Items = append(ids.Items, strconv.Itoa(n))
	}
	return amqp10.Map{
		name,
		{Key: "type", Value: "com.microsoft:eventhub"},
		{Key: "created_at", Value: created},
		{Key: "partition_count", Value: int32(len(ids.Items))},
		{Key: "partition_ids", Value: ids},
		{Key: "georeplication_factor", Value: int32(1)},
	}
}
