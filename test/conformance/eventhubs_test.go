package conformance

import (
	"encoding/json"
	"fmt"
	"net"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"azx/test/process"
)

// nodeAbout is the first line of eventhubs.js.
type nodeAbout struct {
	IDs   []string `json:"ids"`
	About struct {
		Name         string    `json:"name"`
		CreatedOn    time.Time `json:"createdOn"`
		PartitionIDs []string  `json:"partitionIds"`
	} `json:"about"`
	Partitions []struct {
		PartitionID                string    `json:"partitionId"`
		BeginningSequenceNumber    int64     `json:"beginningSequenceNumber"`
		LastEnqueuedSequenceNumber int64     `json:"lastEnqueuedSequenceNumber"`
		LastEnqueuedOffset         string    `json:"lastEnqueuedOffset"`
		LastEnqueuedOnUtc          time.Time `json:"lastEnqueuedOnUtc"`
		IsEmpty                    bool      `json:"isEmpty"`
	} `json:"partitions"`
}

// nodeEvent is each line after it.
type nodeEvent struct {
	Partition        string         `json:"partition"`
	Body             any            `json:"body"`
	Properties       map[string]any `json:"properties"`
	SystemProperties map[string]any `json:"systemProperties"`
	ContentType      string         `json:"contentType"`
	MessageID        string         `json:"messageId"`
	CorrelationID    string         `json:"correlationId"`
	SequenceNumber   int64          `json:"sequenceNumber"`
	Offset           string         `json:"offset"`
	Enqueued         time.Time      `json:"enqueued"`
}

// nodeMode is a way to reach the endpoint with the Node client.
type nodeMode struct {
	name           string
	hub            *hub
	connection     fields
	customEndpoint string
	webSocket      bool
}

// nodeModes are all of them; a real hub has one.
func nodeModes(t *testing.T) []nodeMode {
	if h := newHub(t); h.real {
		return []nodeMode{{name: "the standard endpoint", hub: h, connection: h.events}}
	}
	near, cloud := localHub(t, "--host", "localhost"), newHub(t)
	standard := localHub(t, "--listen", ownLoopback(), "--host", ownLoopback(), "--amqps", "5671")
	withPort := func(port int) string { return "sb://" + net.JoinHostPort("localhost", fmt.Sprint(port)) }
	return []nodeMode{
		{"emulator mode, without TLS", near, near.events.with("Endpoint", withPort(near.ports.AMQP), "UseDevelopmentEmulator", "true"), "", false},
		{"TLS with a port in the endpoint", near, near.events.with("Endpoint", withPort(near.ports.AMQPS)), "", false},
		{"a custom endpoint address", cloud, cloud.events, "sb://" + cloud.dial("", cloud.ports.AMQPS), false},
		{"the standard endpoint", standard, standard.events, "", false},
		{"WebSocket", cloud, cloud.events, "", true},
	}
}

// ownLoopback is an address where the standard ports are free, even when another hub uses those of 127.0.0.1.
func ownLoopback() string {
	return fmt.Sprintf("127.77.%d.%d", os.Getpid()/254%254+1, os.Getpid()%254+1)
}

func TestNodeClientReadsInEveryMode(t *testing.T) {
	t.Parallel()
	const count = 20 // of each device
	sent := map[*hub][]device{}
	for _, m := range nodeModes(t) {
		t.Run(m.name, func(t *testing.T) {
			if sent[m.hub] == nil {
				sent[m.hub] = m.hub.devices(len(deviceNames))
				for _, d := range sent[m.hub] {
					m.hub.publish(d, []string{"%24.mid=m-1", "%24.cid=c-1", "%24.ct=application%2Fjson", "%24.ce=utf-8", "line=a%2Fb"}, objects(count)...)
				}
			}
			about, events := m.read(t, count*len(sent[m.hub]))
			checkAbout(t, m.hub, about)
			checkEvents(t, m.hub, about, sent[m.hub], events, count)
		})
	}
}

func objects(n int) []string {
	all := numbers(0, n)
	for i := range all {
		all[i] = `{"sequence":` + all[i] + `}`
	}
	return all
}

// read runs the Node client until it has n events.
func (m nodeMode) read(t *testing.T, n int) (about nodeAbout, events []nodeEvent) {
	t.Helper()
	since := int64(0)
	if m.hub.real {
		since = m.hub.began.Add(-time.Minute).UnixMilli()
	}
	command := process.Command{Name: "node", Args: []string{"eventhubs.js"}, Env: append(os.Environ(), "NODE_EXTRA_CA_CERTS="+m.hub.ca)}
	if m.webSocket {
		command = m.hub.throughHTTPS("eventhubs.js")
	}
	command.Env = append(command.Env, "AZX_EVENTS="+m.connection.String(), "AZX_CUSTOM_ENDPOINT="+m.customEndpoint,
		"AZX_GROUP="+group, "AZX_RUN="+m.hub.mark, fmt.Sprintf("AZX_COUNT=%d", n), fmt.Sprintf("AZX_SINCE=%d", since))
	child := process.Start(t, command)
	if code := child.Wait(2 * patience); code != 0 {
		t.Fatalf("node eventhubs.js: exit code %d\n%s", code, child.Stderr())
	}
	lines := slices.Collect(strings.Lines(child.Stdout()))
	if len(lines) != n+1 {
		t.Fatalf("node eventhubs.js printed %d lines, want %d", len(lines), n+1)
	}
	events = make([]nodeEvent, n)
	err := json.Unmarshal([]byte(lines[0]), &about)
	for i := 0; i < n && err == nil; i++ {
		err = json.Unmarshal([]byte(lines[i+1]), &events[i])
	}
	if err != nil {
		t.Fatal(err)
	}
	return about, events
}

func checkAbout(t *testing.T, h *hub, got nodeAbout) {
	t.Helper()
	if got.About.Name != h.events["EntityPath"] || got.About.CreatedOn.IsZero() || !slices.Equal(got.IDs, got.About.PartitionIDs) || len(got.IDs) == 0 {
		t.Errorf("event hub %+v", got)
	}
	for i, p := range got.Partitions {
		filled := !p.IsEmpty && p.LastEnqueuedSequenceNumber >= p.BeginningSequenceNumber && p.LastEnqueuedOffset != ""
		if p.PartitionID != got.IDs[i] || !h.real && !(filled && time.Since(p.LastEnqueuedOnUtc) < 5*time.Minute) {
			t.Errorf("partition %+v", p)
		}
	}
}

// checkEvents wants the events of every device whole and in order, each device in one partition.
func checkEvents(t *testing.T, h *hub, about nodeAbout, devices []device, events []nodeEvent, count int) {
	t.Helper()
	partitions := map[string]bool{}
	for _, d := range devices {
		own := slices.DeleteFunc(slices.Clone(events), func(e nodeEvent) bool { return e.SystemProperties["iothub-connection-device-id"] != d.id })
		if len(own) != count {
			t.Fatalf("%d events of %s, want %d", len(own), d.id, count)
		}
		partitions[own[0].Partition] = true
		for i, e := range own {
			body, _ := json.Marshal(e.Body)
			if string(body) != fmt.Sprintf(`{"sequence":%d}`, i) || e.Partition != own[0].Partition || i > 0 && e.SequenceNumber <= own[i-1].SequenceNumber {
				t.Fatalf("event %d of %s is %+v", i, d.id, e)
			}
			checkEvent(t, e)
		}
	}
	if !h.real && len(partitions) != len(about.IDs) {
		t.Errorf("events in partitions %v, want %v", partitions, about.IDs)
	}
}

func checkEvent(t *testing.T, e nodeEvent) {
	t.Helper()
	if e.ContentType != "application/json" || e.MessageID != "m-1" || e.CorrelationID != "c-1" || e.Properties["line"] != "a/b" ||
		e.Offset == "" || time.Since(e.Enqueued).Abs() > 5*time.Minute {
		t.Errorf("event %+v", e)
	}
	system := e.SystemProperties
	if system["iothub-message-source"] != "Telemetry" || system["iothub-enqueuedtime"] == nil || system["iothub-connection-auth-generation-id"] == "" ||
		!strings.Contains(fmt.Sprint(system["iothub-connection-auth-method"]), `"issuer":"iothub"`) {
		t.Errorf("system properties %+v", system)
	}
}

// TestNodeProducerSendsBatches reads back with the Go client what Microsoft's producers for Node sent to a local hub.
func TestNodeProducerSendsBatches(t *testing.T) {
	t.Parallel()
	h := localHub(t, "--host", cloudHost)
	out := h.succeeds(process.Command{Name: "node", Args: []string{"eventhubs_producer.js"}, Env: append(os.Environ(),
		"NODE_EXTRA_CA_CERTS="+h.ca, "AZX_EVENTS="+h.ownerOfEvents().String(), "AZX_CUSTOM_ENDPOINT=sb://"+h.dial("", h.ports.AMQPS), "AZX_RUN="+h.mark)})
	var told struct{ Sent int64 }
	if err := json.Unmarshal([]byte(out), &told); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	client, ids := h.consumer(group), h.partitionIDs()
	if got := h.enqueued(client, ids); told.Sent == 0 || got != told.Sent {
		t.Fatalf("%d events came in, %d were sent", got, told.Sent)
	}
	count := map[string]int{}
	for _, id := range ids {
		for i, e := range h.take(h.reader(client, id, nil), int(h.partition(client, id).LastEnqueuedSequenceNumber+1)) {
			if i < 10 && string(e.Body) != fmt.Sprintf(`{"n":%d}`, i) || *e.ContentType != "application/json" || e.Properties["line"] != "a/b" {
				t.Errorf("event %d of partition %s is %s %+v", i, id, e.Body, e)
			}
			count[string(e.Body)]++
		}
	}
	for n := range 110 {
		want := 1
		if n < 10 {
			want = len(ids) + 1 // one for each partition, one with a key
		}
		if body := fmt.Sprintf(`{"n":%d}`, n); count[body] != want {
			t.Errorf("%s came %d times, want %d", body, count[body], want)
		}
	}
}
