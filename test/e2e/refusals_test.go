package e2e

import (
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"os"
	"strings"
	"testing"
	"time"

	"azx/test/process"
)

// rig is a hub Thing with a connector, for tests of what callers hear.
type rig struct {
	t         *testing.T
	stack     *process.Stack
	connector *process.Child
}

// newRig starts everything with changes of the hub's part of the file, and makes Things with a property target and a
// service Echo for devices.
func newRig(t *testing.T, edit func(hub map[string]any), things ...string) *rig {
	t.Helper()
	t.Parallel()
	stack := process.NewStack(t, azx, process.Flags{Hub: []string{"--feedback-delay", "200ms"}})
	stack.AddHubThing(hubThing)
	for _, id := range things {
		stack.AddDeviceThing(id, hubThing, "--property", "target:INTEGER", "--service", "Echo(n:INTEGER):JSON:echo")
	}
	stack.ConfigureFor(hubThing, "azx-1", func(config map[string]any) {
		if edit != nil {
			edit(config["hubs"].([]any)[0].(map[string]any))
		}
	})
	return &rig{t, stack, stack.ConnectAs("azx-1")}
}

func feedbackOn(hub map[string]any) { hub["feedback"] = "on" }

// send sends one message through the hub Thing and returns its id.
func (r *rig) send(device string, payload any) (string, error) {
	raw, err := r.stack.Platform.Result("Things/"+hubThing, "AzureIotSendMessage", map[string]any{"thingName": device, "payload": payload})
	var id string
	if err == nil {
		err = json.Unmarshal(raw, &id)
	}
	return id, err
}

// says checks that an error has all parts in its text.
func says(t *testing.T, err error, parts ...string) {
	t.Helper()
	if err == nil {
		t.Error("no error")
		return
	}
	for _, part := range parts {
		if !strings.Contains(strings.ToLower(err.Error()), strings.ToLower(part)) {
			t.Errorf("%v; want %q in it", err, part)
		}
	}
}

// outcome waits for the event that tells what became of a message.
func (r *rig) outcome(device, id, status string) {
	r.t.Helper()
	r.connector.Until(time.Minute, "the outcome of the message", func() error {
		told, err := r.stack.Platform.Events(device)
		if err != nil {
			return err
		}
		seen := 0
		for _, e := range told {
			if e.Event == "AzureIotMessageOutcome" && e.Row("messageId") == id {
				seen++
				if e.Row("status") != status {
					return fmt.Errorf("the status is %s, want %s", e.Row("status"), status)
				}
			}
		}
		if seen != 1 {
			return fmt.Errorf("told %d times, events are %v", seen, told)
		}
		return nil
	})
}

func TestTheFiftyFirstMessageToAnOfflineDeviceIsRefused(t *testing.T) {
	r := newRig(t, func(hub map[string]any) { hub["units"] = 200 }, "asleep")
	r.stack.AddDevice("asleep")
	for n := range 50 {
		if _, err := r.send("asleep", map[string]any{"n": n}); err != nil {
			t.Fatalf("message %d: %v", n+1, err)
		}
	}
	_, err := r.send("asleep", map[string]any{"n": 50})
	says(t, err, "queue is full")
	says(t, r.stack.Platform.WriteProperty("asleep", "target", 1), "queue is full")
}

func TestAnExpiredMessageIsToldAsExpired(t *testing.T) {
	r := newRig(t, func(hub map[string]any) { hub["feedback"], hub["messageTTL"] = "on", "1s" }, "asleep")
	r.stack.AddDevice("asleep")
	id, err := r.send("asleep", map[string]any{"n": 1})
	if err != nil {
		t.Fatal(err)
	}
	r.outcome("asleep", id, "Expired")
}

func TestARejectedMessageIsToldAsRejectedAndATakenOneAsSuccess(t *testing.T) {
	r := newRig(t, feedbackOn, "picky")
	d := newWebDevice(t, r.stack, "picky")
	refused, err := r.send("picky", map[string]any{"n": 1})
	if err != nil {
		t.Fatal(err)
	}
	d.settle("?reject&api-version=2021-04-12")
	r.outcome("picky", refused, "Rejected")
	taken, err := r.send("picky", map[string]any{"n": 2})
	if err != nil {
		t.Fatal(err)
	}
	d.settle("?api-version=2021-04-12")
	r.outcome("picky", taken, "Success")
}

func TestWithThreeConnectorsEachOutcomeIsToldOnce(t *testing.T) {
	const messages = 60
	r := newRig(t, feedbackOn, "pump-7")
	for _, name := range []string{"azx-2", "azx-3"} {
		r.stack.ConfigureFor(hubThing, name, func(config map[string]any) { feedbackOn(config["hubs"].([]any)[0].(map[string]any)) })
		r.stack.ConnectAs(name)
	}
	connectDevice(t, r.stack, "pump-7").takes(func([]byte) {})
	sent := map[string]bool{}
	for n := range messages {
		id, err := r.send("pump-7", map[string]any{"n": n})
		if err != nil {
			t.Fatal(err)
		}
		sent[id] = true
	}
	told := func() (map[string]int, error) {
		events, err := r.stack.Platform.Events("pump-7")
		times := map[string]int{}
		for _, e := range events {
			if e.Event == "AzureIotMessageOutcome" && e.Row("status") == "Success" {
				times[e.Row("messageId")]++
			}
		}
		return times, err
	}
	r.connector.Until(time.Minute, "every outcome is told", func() error {
		times, err := told()
		if err == nil && len(times) < messages {
			err = fmt.Errorf("%d of %d told", len(times), messages)
		}
		return err
	})
	times, err := told()
	for id, n := range times {
		if n != 1 || !sent[id] {
			t.Errorf("the outcome of message %s is told %d times", id, n)
		}
	}
	if err != nil || len(sent) != messages {
		t.Errorf("%d ids, %v", len(sent), err)
	}
}

func TestADeviceThatTheHubDoesNotKnowIsNamed(t *testing.T) {
	r := newRig(t, nil, "nobody")
	_, err := r.send("nobody", map[string]any{"n": 1})
	says(t, err, "no such device")
	says(t, r.stack.Platform.WriteProperty("nobody", "target", 1), "no such device")
	_, err = r.stack.Platform.TryCall("Things/nobody", "Echo", map[string]any{"n": 1})
	says(t, err, "no such device")
	says(t, r.stack.Platform.WriteProperty("nobody", "twinDesired", map[string]any{"a": 1}), "no such device")
}

func TestADeviceThatIsNotConnectedOrDoesNotAnswerInTime(t *testing.T) {
	r := newRig(t, func(hub map[string]any) { hub["methods"] = map[string]any{"responseTimeout": "5s"} }, "slow")
	call := func(n int) error {
		_, err := r.stack.Platform.TryCall("Things/slow", "Echo", map[string]any{"n": n})
		return err
	}
	r.stack.AddDevice("slow")
	says(t, call(1), "not connected")

	late := make(chan func(), 1)
	d := connectDevice(t, r.stack, "slow")
	answers := d.repliesTo(func(payload []byte, reply func(status int, payload []byte)) {
		if bytes.Contains(payload, []byte(`"n":2`)) {
			late <- func() { reply(200, []byte(`{"n":"late"}`)) }
			return
		}
		reply(200, payload)
	})
	began := time.Now()
	says(t, call(2), "did not answer in time")
	if took := time.Since(began); took < 4*time.Second || took > 20*time.Second {
		t.Errorf("the time-out came after %s", took)
	}
	(<-late)() // behind the deadline: nobody waits for it
	raw, err := r.stack.Platform.TryCall("Things/slow", "Echo", map[string]any{"n": 3})
	if err != nil || string(raw) != `{"n":3}` {
		t.Errorf("the next call gives %s, %v", raw, err)
	}
	if answers() != 2 {
		t.Errorf("the device was called %d times, want 2", answers())
	}
}

func TestAHubOfTheBasicTierRefusesAllThisByName(t *testing.T) {
	r := newRig(t, nil, "pump-7")
	connectDevice(t, r.stack, "pump-7").echoes()
	r.stack.Control("PUT", "/limits", map[string]any{"basic": true})
	_, err := r.send("pump-7", map[string]any{"n": 1})
	says(t, err, "tier")
	_, err = r.stack.Platform.TryCall("Things/pump-7", "Echo", map[string]any{"n": 1})
	says(t, err, "tier")
	says(t, r.stack.Platform.WriteProperty("pump-7", "twinDesired", map[string]any{"a": 1}), "tier")
}

// webDevice is a device that asks for its messages over HTTPS.
type webDevice struct {
	t      *testing.T
	client http.Client
	url    string
	token  string
}

func newWebDevice(t *testing.T, stack *process.Stack, id string) *webDevice {
	t.Helper()
	fields := map[string]string{}
	for field := range strings.SplitSeq(stack.AddDevice(id), ";") {
		key, value, _ := strings.Cut(field, "=")
		fields[key] = value
	}
	host, _, _ := strings.Cut(fields["HostName"], ":")
	roots := x509.NewCertPool()
	if pem, err := os.ReadFile(stack.Hub.CA); err != nil || !roots.AppendCertsFromPEM(pem) {
		t.Fatalf("read the hub's CA: %v", err)
	}
	transport := &http.Transport{TLSClientConfig: &tls.Config{RootCAs: roots, ServerName: host}}
	t.Cleanup(transport.CloseIdleConnections)
	return &webDevice{t: t, client: http.Client{Transport: transport, Timeout: ackWithin},
		url:   fmt.Sprintf("https://%s/devices/%s/messages/devicebound", net.JoinHostPort("127.0.0.1", fmt.Sprint(stack.Hub.Ports.HTTPS)), id),
		token: token(t, host+"/devices/"+id, fields["SharedAccessKey"])}
}

// settle takes one message and settles it with what the query says.
func (d *webDevice) settle(query string) {
	d.t.Helper()
	var lock string
	process.Eventually(d.t, ackWithin, "a message for the device", func() error {
		answer := d.do(http.MethodGet, d.url+"?api-version=2021-04-12")
		lock = strings.Trim(answer.Header.Get("ETag"), `"`)
		if answer.StatusCode != http.StatusOK {
			return fmt.Errorf("%s", answer.Status)
		}
		return nil
	})
	if answer := d.do(http.MethodDelete, d.url+"/"+lock+query); answer.StatusCode != http.StatusNoContent {
		d.t.Fatalf("settle: %s", answer.Status)
	}
}

func (d *webDevice) do(method, url string) *http.Response {
	d.t.Helper()
	request, err := http.NewRequest(method, url, nil)
	if err != nil {
		d.t.Fatal(err)
	}
	request.Header.Set("Authorization", d.token)
	answer, err := d.client.Do(request)
	if err != nil {
		d.t.Fatal(err)
	}
	answer.Body.Close()
	return answer
}
