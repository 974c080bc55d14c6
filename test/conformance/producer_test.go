package conformance

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/Azure/azure-sdk-for-go/sdk/messaging/azeventhubs/v2"
)

// producer opens Microsoft's Go client for sending to the event hub itself. That is for the local hub alone:
// the endpoint of a real one only gives events out.
func (h *hub) producer(connection fields) *azeventhubs.ProducerClient {
	h.t.Helper()
	client, err := azeventhubs.NewProducerClientFromConnectionString(connection.String(), "", &azeventhubs.ProducerClientOptions{
		TLSConfig: h.trust(), CustomEndpoint: h.dial("", h.ports.AMQPS),
	})
	if err != nil {
		h.t.Fatal(err)
	}
	h.t.Cleanup(func() { closes(h.t, client) })
	return client
}

// ownerOfEvents is a connection string with the right to send.
func (h *hub) ownerOfEvents() fields {
	return h.events.with("SharedAccessKeyName", h.owner["SharedAccessKeyName"], "SharedAccessKey", h.owner["SharedAccessKey"])
}

// batch fills a batch with one event for each body.
func (h *hub) batch(client *azeventhubs.ProducerClient, o azeventhubs.EventDataBatchOptions, bodies ...string) *azeventhubs.EventDataBatch {
	h.t.Helper()
	batch, err := client.NewEventDataBatch(within(h.t), &o)
	if err != nil {
		h.t.Fatal(err)
	}
	for _, body := range bodies {
		event := &azeventhubs.EventData{
			Body: []byte(body), MessageID: pointer("m-" + body), ContentType: pointer("text/plain"), CorrelationID: "c-1",
			Properties: map[string]any{"run": h.mark, "line": "a/b", "level": int64(7), "wet": true},
		}
		if err := batch.AddEventData(event, nil); err != nil {
			h.t.Fatal(err)
		}
	}
	return batch
}

func TestGoProducerSendsBatches(t *testing.T) {
	t.Parallel()
	h := localHub(t, "--host", cloudHost)
	producer, client := h.producer(h.ownerOfEvents()), h.consumer(group)
	ids := h.partitionIDs()
	if about, err := producer.GetEventHubProperties(within(t), nil); err != nil || !slices.Equal(about.PartitionIDs, ids) {
		t.Errorf("got %+v (%v)", about, err)
	}
	for _, id := range ids {
		t.Run("to partition "+id, func(t *testing.T) {
			want := numbers(0, 50)
			if err := producer.SendEventDataBatch(within(t), h.batch(producer, azeventhubs.EventDataBatchOptions{PartitionID: &id}, want...), nil); err != nil {
				t.Fatal(err)
			}
			events := h.take(h.reader(client, id, nil), 50)
			if !slices.Equal(bodies(events), want) {
				t.Errorf("got %v", bodies(events))
			}
			for i, e := range events {
				if i > 0 && (e.SequenceNumber != events[i-1].SequenceNumber+1 || e.Offset == events[i-1].Offset || e.EnqueuedTime.Before(*events[i-1].EnqueuedTime)) {
					t.Errorf("event %d comes behind %d, at %s and %s", e.SequenceNumber, events[i-1].SequenceNumber, e.Offset, events[i-1].Offset)
				}
				if *e.MessageID != "m-"+want[i] || *e.ContentType != "text/plain" || e.CorrelationID != "c-1" || e.PartitionKey != nil ||
					e.Properties["line"] != "a/b" || e.Properties["level"] != "7" || e.Properties["wet"] != "true" {
					t.Errorf("event %+v", e)
				}
			}
		})
	}
	t.Run("with a partition key, always to the same partition", func(t *testing.T) {
		for range 3 {
			o := azeventhubs.EventDataBatchOptions{PartitionKey: pointer("line 7")}
			if err := producer.SendEventDataBatch(within(t), h.batch(producer, o, "keyed"), nil); err != nil {
				t.Fatal(err)
			}
		}
		var keyed []string
		for _, id := range ids {
			last := h.partition(client, id).LastEnqueuedSequenceNumber
			for last >= 50 { // behind the fifty of above
				reader := h.reader(client, id, &azeventhubs.PartitionClientOptions{StartPosition: azeventhubs.StartPosition{SequenceNumber: pointer(int64(49))}})
				for _, e := range h.take(reader, int(last)-49) {
					keyed = append(keyed, fmt.Sprintf("%s %s %s", id, *e.PartitionKey, e.Body))
				}
				break
			}
		}
		if len(keyed) != 3 || keyed[0] != keyed[1] || keyed[1] != keyed[2] || !strings.HasSuffix(keyed[0], "line 7 keyed") {
			t.Errorf("got %v", keyed)
		}
	})
	t.Run("to any partition, and none is missing", func(t *testing.T) {
		before := h.enqueued(client, ids)
		for n := range 8 {
			if err := producer.SendEventDataBatch(within(t), h.batch(producer, azeventhubs.EventDataBatchOptions{}, fmt.Sprint(n)), nil); err != nil {
				t.Fatal(err)
			}
		}
		if got := h.enqueued(client, ids) - before; got != 8 {
			t.Errorf("%d events came in, 8 were sent", got)
		}
	})
}

// enqueued is how many events all partitions ever had.
func (h *hub) enqueued(client *azeventhubs.ConsumerClient, ids []string) (n int64) {
	h.t.Helper()
	for _, id := range ids {
		n += h.partition(client, id).LastEnqueuedSequenceNumber + 1
	}
	return n
}

func TestGoProducerIsRefusedForAReason(t *testing.T) {
	t.Parallel()
	h := localHub(t, "--host", cloudHost)
	for _, v := range []struct {
		name       string
		connection fields
		partition  *string
		want       string
	}{
		{"a policy that may only read", h.events, nil, "iothubowner"},
		{"a wrong key", h.ownerOfEvents().with("SharedAccessKey", base64Key("wrong")), nil, "unauthorized"},
		{"a partition that is not there", h.ownerOfEvents(), pointer("99"), "the last is 3"},
	} {
		t.Run(v.name, func(t *testing.T) {
			client := h.producer(v.connection)
			_, err := client.NewEventDataBatch(within(t), &azeventhubs.EventDataBatchOptions{PartitionID: v.partition})
			if err == nil || !strings.Contains(err.Error(), v.want) {
				t.Errorf("error %v, want one that says %q", err, v.want)
			}
		})
	}
}
