package conformance

import (
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/Azure/azure-sdk-for-go/sdk/messaging/azeventhubs/v2"
	"github.com/Azure/go-amqp"

	"azx/internal/local/iothub"
	"azx/internal/local/iothub/control"
	"azx/internal/local/iothub/serve"
	"azx/test/process"
)

// everything reads all events there are, of all partitions, with Microsoft's Go client.
func (h *hub) everything() (all []*azeventhubs.ReceivedEventData) {
	h.t.Helper()
	client := h.consumer(group)
	for _, id := range h.partitionIDs() {
		p := h.partition(client, id)
		if p.IsEmpty {
			continue
		}
		reader := h.reader(client, id, nil)
		for n := int(p.LastEnqueuedSequenceNumber - p.BeginningSequenceNumber + 1); n > 0; {
			events, err := reader.ReceiveEvents(within(h.t), n, nil)
			if err != nil {
				h.t.Fatal(err)
			}
			all, n = append(all, events...), n-len(events)
		}
	}
	return all
}

// TestRoutesDecideWhatTheEndpointGets does the same each time: makes a device, has it send a message and go, and changes
// its twin.
func TestRoutesDecideWhatTheEndpointGets(t *testing.T) {
	t.Parallel()
	route := func(name, source, condition, endpoint string) iothub.Route {
		return iothub.Route{Name: name, Source: source, Condition: condition, Endpoint: endpoint}
	}
	events := []iothub.Route{
		route("twins", "TwinChangeEvents", "", ""), route("lives", "DeviceLifecycleEvents", "true", "events"),
		route("states", "DeviceConnectionStateEvents", "opType = 'deviceDisconnected'", "events"),
	}
	for _, c := range []struct {
		name    string
		routing *iothub.Routing // nil: as the hub is when it is new
		want    []string
	}{
		{"a new hub: telemetry, by the fallback", nil, []string{"Telemetry"}},
		{"a route to another endpoint takes what it fits from the fallback",
			&iothub.Routing{Routes: []iothub.Route{route("away", "DeviceMessages", "", "storage")}, Fallback: true}, nil},
		{"a route that does not fit leaves it to the fallback",
			&iothub.Routing{Routes: []iothub.Route{route("away", "DeviceMessages", "kind = 'alarm'", "storage")}, Fallback: true}, []string{"Telemetry"}},
		{"without a fallback a route that does not fit starves the endpoint",
			&iothub.Routing{Routes: []iothub.Route{route("here", "DeviceMessages", "kind = 'alarm'", "events")}}, nil},
		{"two routes bring a message once",
			&iothub.Routing{Routes: []iothub.Route{route("a", "DeviceMessages", "", ""), route("b", "DeviceMessages", "$connectionDeviceId = 'pump-1'", "")}}, []string{"Telemetry"}},
		{"events have routes of their own; telemetry falls back",
			&iothub.Routing{Routes: events, Fallback: true}, []string{"Telemetry", "deviceConnectionStateEvents", "deviceLifecycleEvents", "twinChangeEvents"}},
		{"the fallback is for telemetry only", &iothub.Routing{Routes: events}, []string{"deviceConnectionStateEvents", "deviceLifecycleEvents", "twinChangeEvents"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			h := localHub(t, "--host", cloudHost)
			controls := h.controls()
			if c.routing != nil {
				if err := controls.SetRouting(within(t), *c.routing); err != nil {
					t.Fatal(err)
				}
			}
			d := h.devices(1)[0]
			h.publish(d, nil, `{"n":1}`)
			if err := controls.PatchTwin(within(t), iothub.ID{Device: d.id}, map[string]any{"tags": map[string]any{"hall": 3}}); err != nil {
				t.Fatal(err)
			}
			var got []string
			process.Eventually(t, patience, "the events are there", func() error {
				got = nil
				for _, e := range h.everything() {
					got = append(got, fmt.Sprint(e.SystemProperties["iothub-message-source"]))
					checkSource(t, d.id, e)
				}
				slices.Sort(got)
				if !slices.Equal(got, c.want) {
					return fmt.Errorf("the endpoint has %q, want %q", got, c.want)
				}
				return h.gone(d.id)
			})
		})
	}
}

// gone is nil when the device is not connected any more, and all it did is done.
func (h *hub) gone(id string) error {
	states, err := h.controls().States(within(h.t))
	if err != nil {
		return err
	}
	if slices.ContainsFunc(states, func(s control.State) bool { return s.Device == id && s.Connected }) {
		return errors.New("the device is connected")
	}
	return nil
}

// checkSource wants the application properties that events of the hub have (read: the schema of non-telemetry events).
func checkSource(t *testing.T, device string, e *azeventhubs.ReceivedEventData) {
	t.Helper()
	operation := map[string]string{
		"twinChangeEvents": "updateTwin", "deviceLifecycleEvents": "createDeviceIdentity", "deviceConnectionStateEvents": "deviceDisconnected",
	}[fmt.Sprint(e.SystemProperties["iothub-message-source"])]
	if operation == "" {
		return
	}
	if e.Properties["opType"] != operation || e.Properties["deviceId"] != device || e.Properties["hubName"] != "plant1" || e.SystemProperties["iothub-connection-device-id"] != device {
		t.Errorf("an event %v %v with %s", e.Properties, e.SystemProperties, e.Body)
	}
}

// TestAFailoverIsSeenByEveryClient fails a hub over while a back end reads.
func TestAFailoverIsSeenByEveryClient(t *testing.T) {
	t.Parallel()
	h := localHub(t, "--host", cloudHost)
	d := h.devices(1)[0]
	h.publish(d, nil, "before")
	old, oldNamespace := h.events, h.namespace()
	conn := h.amqpConn(oldNamespace, amqp.ConnOptions{SASLType: amqp.SASLTypeAnonymous()})
	source := old["EntityPath"] + "/ConsumerGroups/" + group + "/Partitions/0"
	resource := "amqps://" + oldNamespace + "/" + source
	if status := h.putToken(conn, resource, h.eventsToken(resource)); status/100 != 2 {
		t.Fatalf("the token is answered with %d", status)
	}
	reading, err := h.session(conn).NewReceiver(within(t), source, nil)
	if err != nil {
		t.Fatal(err)
	}

	moved, err := h.controls().Failover(within(t))
	if err != nil {
		t.Fatal(err)
	}
	h.events = parseFields(moved.EventHubsConnectionString)
	if moved.EventHub == old["EntityPath"] || moved.Namespace == oldNamespace || h.events["EntityPath"] != moved.EventHub || h.namespace() != moved.Namespace {
		t.Errorf("moved to %+v", moved)
	}
	var ended *amqp.LinkError
	for err == nil {
		_, err = reading.Receive(within(t), nil)
	}
	if !errors.As(err, &ended) || ended.RemoteErr == nil || ended.RemoteErr.Condition != "amqp:link:detach-forced" {
		t.Errorf("the link that was reading ended with %v", err)
	}
	again, err := h.session(conn).NewReceiver(within(t), source, nil)
	if err == nil {
		_, err = again.Receive(within(t), nil)
	}
	var refused *amqp.Error
	if !errors.As(err, &refused) || refused.Condition != amqp.ErrCondNotFound {
		t.Errorf("the old event hub answers with %v, want %s", err, amqp.ErrCondNotFound)
	}

	hubConn := h.amqpConn(h.host(), amqp.ConnOptions{SASLType: amqp.SASLTypeAnonymous()})
	events := h.host() + "/messages/events"
	if status := h.putToken(hubConn, events, h.serviceToken(events)); status/100 != 2 {
		t.Fatalf("the token is answered with %d", status)
	}
	info := h.redirection(t, hubConn, "/messages/events/$management")
	if info["hostname"] != moved.Namespace || !strings.Contains(fmt.Sprint(info["address"]), "/"+moved.EventHub+"/") {
		t.Errorf("redirected to %v", info)
	}
	if err := h.controls().AddConsumerGroup(within(t), group); err != nil { // those of before are gone
		t.Fatal(err)
	}
	h.publish(d, nil, "after")
	if got := bodies(h.everything()); !slices.Equal(got, []string{"after"}) {
		t.Errorf("the new endpoint has %q", got)
	}
}

// TestFaultsReachTheClientOfTheirKind has the service API refuse twice and work again.
func TestFaultsReachTheClientOfTheirKind(t *testing.T) {
	t.Parallel()
	h := localHub(t, "--host", cloudHost)
	d := h.devices(1)[0]
	err := h.controls().SetFaults(within(t),
		iothub.Fault{Operation: iothub.OpRegistry, Status: http.StatusTooManyRequests, RetryAfterSeconds: 3},
		iothub.Fault{Operation: iothub.OpRegistry, Status: http.StatusServiceUnavailable, DelayMilliseconds: 20})
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []struct {
		status     int
		retryAfter string
	}{{429, "3"}, {503, ""}, {200, ""}} {
		answer, _ := h.ask(http.MethodGet, "/devices/"+d.id, "")
		if answer.StatusCode != want.status || answer.Header.Get("Retry-After") != want.retryAfter {
			t.Errorf("answered %s, Retry-After %q; want %+v", answer.Status, answer.Header.Get("Retry-After"), want)
		}
	}
	if left, err := h.controls().Faults(within(t)); err != nil || len(left) != 0 {
		t.Errorf("left are %+v, %v", left, err)
	}
}

// ask asks the service API as iothubowner, and returns the answer and its body.
func (h *hub) ask(method, path, body string) (*http.Response, string) {
	h.t.Helper()
	info, err := serve.ReadInfo(h.dir)
	if err != nil {
		h.t.Fatal(err)
	}
	config := h.trust()
	config.ServerName = h.host()
	client := http.Client{Transport: &http.Transport{TLSClientConfig: config, DisableKeepAlives: true}}
	address := "https://" + net.JoinHostPort(h.listen, strconv.Itoa(info.Ports.HTTPS)) + path + "?api-version=2021-04-12"
	request, err := http.NewRequestWithContext(within(h.t), method, address, strings.NewReader(body))
	if err != nil {
		h.t.Fatal(err)
	}
	request.Host = h.host()
	request.Header.Set("Authorization", h.token(h.host(), h.owner["SharedAccessKey"], h.owner["SharedAccessKeyName"]))
	answer, err := client.Do(request)
	if err != nil {
		h.t.Fatal(err)
	}
	defer answer.Body.Close()
	text, err := io.ReadAll(answer.Body)
	if err != nil {
		h.t.Fatal(err)
	}
	return answer, string(text)
}
