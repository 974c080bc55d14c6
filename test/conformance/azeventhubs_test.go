package conformance

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"net"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/messaging/azeventhubs/v2"

	"azx/test/process"
)

func base64Key(text string) string { return base64.StdEncoding.EncodeToString([]byte(text)) }

// pointer gives what the SDK wants for a field that may be absent.
func pointer[T any](v T) *T { return &v }

// clientOptions lead Microsoft's Go client to the hub. The name stays that of the endpoint, in certificate and token.
func (h *hub) clientOptions() *azeventhubs.ConsumerClientOptions {
	o := &azeventhubs.ConsumerClientOptions{TLSConfig: h.trust()}
	if !h.real {
		o.CustomEndpoint = h.dial("", h.ports.AMQPS)
	}
	return o
}

// consumer opens a client for a consumer group.
func (h *hub) consumer(group string) *azeventhubs.ConsumerClient {
	h.t.Helper()
	return h.consumerOf(h.events, group)
}

func (h *hub) consumerOf(connection fields, group string) *azeventhubs.ConsumerClient {
	h.t.Helper()
	client, err := azeventhubs.NewConsumerClientFromConnectionString(connection.String(), "", group, h.clientOptions())
	if err != nil {
		h.t.Fatal(err)
	}
	h.t.Cleanup(func() { closes(h.t, client) })
	return client
}

// closes closes part of a client; that has to work in time.
func closes(t testing.TB, c interface{ Close(context.Context) error }) {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	if err := c.Close(ctx); err != nil {
		t.Errorf("close %T: %v", c, err)
	}
}

// start is where events of this test can begin.
func (h *hub) start() azeventhubs.StartPosition {
	if h.real {
		return azeventhubs.StartPosition{EnqueuedTime: pointer(h.began.Add(-time.Minute))}
	}
	return azeventhubs.StartPosition{Earliest: pointer(true)}
}

// reader opens a partition; nil options read all events of this test.
func (h *hub) reader(client *azeventhubs.ConsumerClient, partition string, o *azeventhubs.PartitionClientOptions) *azeventhubs.PartitionClient {
	h.t.Helper()
	if o == nil {
		o = &azeventhubs.PartitionClientOptions{StartPosition: h.start()}
	}
	reader, err := client.NewPartitionClient(partition, o)
	if err != nil {
		h.t.Fatal(err)
	}
	h.t.Cleanup(func() { closes(h.t, reader) })
	return reader
}

// receive waits for events and returns those of this test among them, at most n.
func (h *hub) receive(reader *azeventhubs.PartitionClient, n int) []*azeventhubs.ReceivedEventData {
	h.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	for {
		events, err := reader.ReceiveEvents(ctx, 1, nil)
		if err != nil {
			h.t.Fatalf("receive events: %v", err)
		}
		if n > 1 { // what has come already
			soon, stop := context.WithTimeout(ctx, 20*time.Millisecond)
			more, err := reader.ReceiveEvents(soon, n-1, nil)
			stop()
			if err != nil && !errors.Is(err, context.DeadlineExceeded) {
				h.t.Fatalf("receive events: %v", err)
			}
			events = append(events, more...)
		}
		events = slices.DeleteFunc(events, func(e *azeventhubs.ReceivedEventData) bool { return e.Properties["run"] != h.mark })
		if len(events) > 0 {
			return events
		}
	}
}

// take receives until it has n events of this test.
func (h *hub) take(reader *azeventhubs.PartitionClient, n int) []*azeventhubs.ReceivedEventData {
	h.t.Helper()
	var all []*azeventhubs.ReceivedEventData
	for len(all) < n {
		all = append(all, h.receive(reader, n-len(all))...)
	}
	return all
}

// bodies are the bodies of events as text.
func bodies(events []*azeventhubs.ReceivedEventData) []string {
	var all []string
	for _, e := range events {
		all = append(all, string(e.Body))
	}
	return all
}

// partitionOf finds out where the messages of a device go: it sends one and looks for it everywhere.
func (h *hub) partitionOf(client *azeventhubs.ConsumerClient, d device) string {
	h.t.Helper()
	about, err := client.GetEventHubProperties(within(h.t), nil)
	if err != nil {
		h.t.Fatal(err)
	}
	before := map[string]int64{}
	for _, id := range about.PartitionIDs {
		before[id] = h.partition(client, id).LastEnqueuedSequenceNumber
	}
	probe := fmt.Sprintf("where do messages of %s go", d.id)
	h.publish(d, nil, probe)
	for _, id := range about.PartitionIDs {
		if h.partition(client, id).LastEnqueuedSequenceNumber == before[id] {
			continue
		}
		reader := h.reader(client, id, &azeventhubs.PartitionClientOptions{StartPosition: azeventhubs.StartPosition{SequenceNumber: pointer(before[id])}})
		if got := h.receive(reader, 1); string(got[0].Body) == probe {
			return id
		}
	}
	h.t.Fatalf("no partition got a message of %s", d.id)
	return ""
}

func (h *hub) partition(client *azeventhubs.ConsumerClient, id string) azeventhubs.PartitionProperties {
	h.t.Helper()
	about, err := client.GetPartitionProperties(within(h.t), id, nil)
	if err != nil {
		h.t.Fatal(err)
	}
	return about
}

func TestGoClientReadsRuntimeInformation(t *testing.T) {
	t.Parallel()
	h := newHub(t)
	client := h.consumer(group)
	about, err := client.GetEventHubProperties(within(t), nil)
	if err != nil {
		t.Fatal(err)
	}
	if about.Name != h.events["EntityPath"] || len(about.PartitionIDs) == 0 || about.CreatedOn.After(time.Now()) || about.CreatedOn.IsZero() {
		t.Errorf("event hub %+v", about)
	}
	d := h.devices(1)[0]
	id := h.partitionOf(client, d)
	before := h.partition(client, id)
	h.publish(d, nil, "1", "2", "3")
	after := h.partition(client, id)
	if after.LastEnqueuedSequenceNumber-before.LastEnqueuedSequenceNumber < 3 || after.IsEmpty || after.PartitionID != id ||
		after.LastEnqueuedOffset == before.LastEnqueuedOffset || after.LastEnqueuedOn.Before(before.LastEnqueuedOn) {
		t.Errorf("partition %+v, before %+v", after, before)
	}
}

func TestGoClientGetsAMessageCompletely(t *testing.T) {
	t.Parallel()
	h := newHub(t)
	d := h.devices(1)[0]
	client := h.consumer(group)
	partition := h.partitionOf(client, d)
	h.publish(d, []string{
		"%24.mid=m-1", "%24.cid=c-1", "%24.ct=application%2Fjson", "%24.ce=utf-8", "part=1",
		"line=a%2Fb%20%26%20c%3Dd", "unit=%C2%B0C", "iothub-creation-time-utc=2026-01-02T03%3A04%3A05Z",
	}, `{"temperature":21.5}`)
	var e *azeventhubs.ReceivedEventData
	for reader := h.reader(client, partition, nil); e == nil || e.Properties["part"] != "1"; {
		e = h.receive(reader, 1)[0]
	}
	if string(e.Body) != `{"temperature":21.5}` || *e.MessageID != "m-1" || e.CorrelationID != "c-1" || *e.ContentType != "application/json" ||
		*e.RawAMQPMessage.Properties.ContentEncoding != "utf-8" {
		t.Errorf("event %+v, properties %+v", e, e.RawAMQPMessage.Properties)
	}
	for name, want := range map[string]string{"line": "a/b & c=d", "unit": "°C", "iothub-creation-time-utc": "2026-01-02T03:04:05Z"} {
		if e.Properties[name] != want {
			t.Errorf("application property %s is %q, want %q", name, e.Properties[name], want)
		}
	}
	if e.Offset == "" || time.Since(*e.EnqueuedTime).Abs() > 5*time.Minute {
		t.Errorf("offset %q, enqueued %v", e.Offset, e.EnqueuedTime)
	}
	system := e.SystemProperties
	if system["iothub-connection-device-id"] != d.id || system["iothub-message-source"] != "Telemetry" || system["iothub-connection-auth-generation-id"] == "" ||
		!strings.Contains(fmt.Sprint(system["iothub-connection-auth-method"]), `"type":"sas"`) {
		t.Errorf("system properties %+v", system)
	}
	if hubTime, ok := system["iothub-enqueuedtime"].(time.Time); !ok || hubTime.Sub(*e.EnqueuedTime).Abs() > time.Minute {
		t.Errorf("iothub-enqueuedtime is %v", system["iothub-enqueuedtime"])
	}
}

func TestGoClientStartsWhereItIsTold(t *testing.T) {
	t.Parallel()
	h := newHub(t)
	d := h.devices(1)[0]
	client := h.consumer(group)
	partition := h.partitionOf(client, d)
	for _, body := range []string{"0", "1", "2", "3", "4"} { // one connection each: enqueued at different times
		h.publish(d, []string{"part=start"}, body)
	}
	opened := h.reader(client, partition, nil)
	all := h.take(opened, 6)[1:] // the first one is the probe
	middle := all[2]
	for _, v := range []struct {
		name string
		from azeventhubs.StartPosition
		want []string
	}{
		{"after a sequence number", azeventhubs.StartPosition{SequenceNumber: &middle.SequenceNumber}, []string{"3", "4"}},
		{"at a sequence number", azeventhubs.StartPosition{SequenceNumber: &middle.SequenceNumber, Inclusive: true}, []string{"2", "3", "4"}},
		{"after an offset", azeventhubs.StartPosition{Offset: &middle.Offset}, []string{"3", "4"}},
		{"at an offset", azeventhubs.StartPosition{Offset: &middle.Offset, Inclusive: true}, []string{"2", "3", "4"}},
		{"after a time", azeventhubs.StartPosition{EnqueuedTime: middle.EnqueuedTime}, []string{"3", "4"}},
		{"at a time", azeventhubs.StartPosition{EnqueuedTime: middle.EnqueuedTime, Inclusive: true}, []string{"2", "3", "4"}},
	} {
		t.Run(v.name, func(t *testing.T) {
			reader := h.reader(client, partition, &azeventhubs.PartitionClientOptions{StartPosition: v.from})
			defer closes(t, reader)
			if got := bodies(h.take(reader, len(v.want))); !slices.Equal(got, v.want) {
				t.Errorf("got %v, want %v", got, v.want)
			}
		})
	}
	t.Run("at the earliest event", func(t *testing.T) {
		reader := h.reader(client, partition, &azeventhubs.PartitionClientOptions{StartPosition: azeventhubs.StartPosition{Earliest: pointer(true)}})
		defer closes(t, reader)
		got, err := reader.ReceiveEvents(within(t), 1, nil)
		if err != nil {
			t.Fatal(err)
		}
		if begin := h.partition(client, partition).BeginningSequenceNumber; got[0].SequenceNumber != begin {
			t.Errorf("begins with %d, the partition with %d", got[0].SequenceNumber, begin)
		}
	})
	t.Run("at the latest event", func(t *testing.T) {
		reader := h.reader(client, partition, &azeventhubs.PartitionClientOptions{StartPosition: azeventhubs.StartPosition{Latest: pointer(true)}})
		defer closes(t, reader)
		process.Eventually(t, patience, "an event that was sent after the reader came", func() error {
			h.publish(d, []string{"part=start"}, "new") // again, if it was sent before the reader was there
			soon, cancel := context.WithTimeout(context.Background(), time.Second)
			defer cancel()
			events, err := reader.ReceiveEvents(soon, 1, nil)
			if err == nil && !h.real && string(events[0].Body) != "new" {
				t.Fatalf("got the old event %s", events[0].Body)
			}
			return err
		})
	})
}

func TestGoClientIsRefusedForAReason(t *testing.T) {
	t.Parallel()
	h := newHub(t)
	for _, v := range []struct {
		name       string
		connection fields
		group      string
		want       string
	}{
		{"a wrong key", h.events.with("SharedAccessKey", base64Key("wrong")), group, "unauthorized"},
		{"an unknown policy", h.events.with("SharedAccessKeyName", "nobody"), group, "unauthorized"},
		{"an unknown consumer group", h.events, "nobody", "amqp:not-found"},
		{"an unknown event hub", h.events.with("EntityPath", "iothub-ehub-other"), group, "amqp:not-found"},
	} {
		t.Run(v.name, func(t *testing.T) {
			client := h.consumerOf(v.connection, v.group)
			reader := h.reader(client, "0", &azeventhubs.PartitionClientOptions{StartPosition: h.start()})
			got, err := reader.ReceiveEvents(within(t), 1, nil)
			if err == nil || !strings.Contains(err.Error(), v.want) {
				t.Errorf("got %v, error %v, want one that says %q", bodies(got), err, v.want)
			}
			var coded *azeventhubs.Error
			if v.want == "unauthorized" && !(errors.As(err, &coded) && coded.Code == azeventhubs.ErrorCodeUnauthorizedAccess) {
				t.Errorf("error %v has not the code %s", err, azeventhubs.ErrorCodeUnauthorizedAccess)
			}
		})
	}
}

func TestAHigherOwnerLevelStealsThePartition(t *testing.T) {
	t.Parallel()
	h := newHub(t)
	d := h.devices(1)[0]
	client := h.consumer(group)
	partition := h.partitionOf(client, d)
	own := func(level int64) *azeventhubs.PartitionClient {
		return h.reader(client, partition, &azeventhubs.PartitionClientOptions{StartPosition: h.start(), OwnerLevel: &level})
	}
	lost := func(reader *azeventhubs.PartitionClient) {
		t.Helper()
		_, err := reader.ReceiveEvents(within(t), 100, nil)
		var coded *azeventhubs.Error
		if !errors.As(err, &coded) || coded.Code != azeventhubs.ErrorCodeOwnershipLost {
			t.Errorf("error %v, want the code %s", err, azeventhubs.ErrorCodeOwnershipLost)
		}
	}
	first := own(1)
	h.take(first, 1)
	second := own(2)
	h.take(second, 1)
	lost(first)
	third := own(1)
	lost(third) // too low
	h.publish(d, nil, "still there")
	if got := bodies(h.take(second, 1)); !slices.Equal(got, []string{"still there"}) {
		t.Errorf("the owner got %v", got)
	}
}

// TestGoClientConnectsInEveryMode shows the other ways to reach a local hub; that with CustomEndpoint is
// the one of all other tests.
func TestGoClientConnectsInEveryMode(t *testing.T) {
	t.Parallel()
	h := localHub(t, "--host", "localhost")
	withPort := func(port int) string {
		return "sb://" + net.JoinHostPort("localhost", fmt.Sprint(port))
	}
	trusting := h.trust()
	trusting.ServerName = "localhost"
	for _, v := range []struct {
		name       string
		connection fields
		options    azeventhubs.ConsumerClientOptions
	}{
		{"emulator mode, without TLS", h.events.with("Endpoint", withPort(h.ports.AMQP), "UseDevelopmentEmulator", "true"), azeventhubs.ConsumerClientOptions{}},
		{"TLS with a port in the endpoint", h.events.with("Endpoint", withPort(h.ports.AMQPS)), azeventhubs.ConsumerClientOptions{TLSConfig: trusting}},
	} {
		t.Run(v.name, func(t *testing.T) {
			client, err := azeventhubs.NewConsumerClientFromConnectionString(v.connection.String(), "", group, &v.options)
			if err != nil {
				t.Fatal(err)
			}
			defer closes(t, client)
			about, err := client.GetEventHubProperties(within(t), nil)
			if err != nil || len(about.PartitionIDs) != 4 {
				t.Errorf("got %+v (%v)", about, err)
			}
		})
	}
}
