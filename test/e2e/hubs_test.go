package e2e

import (
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"azx/test/process"
)

// secondThing is the hub Thing of the second hub.
const secondThing = "Plant2"

// pair is two hubs and a platform, with a device on each.
type pair struct {
	t             *testing.T
	first, second *process.Stack
	admin         string // of the connector, once it is ready
}

func newPair(t *testing.T) *pair {
	t.Helper()
	p := &pair{t: t, first: process.NewStack(t, azx)}
	p.second = p.first.AddHub("second", "plant2.azure-devices.net")
	for thing, device := range map[string]string{hubThing: "pump-1", secondThing: "press-1"} {
		p.first.AddHubThing(thing)
		p.first.AddDeviceThing(device, thing, "--property", "target:INTEGER", "--service", "Echo(n:INTEGER):JSON:echo")
	}
	return p
}

// configure writes the file of a connector of both hubs; the second one's connection string is in second-key.
func (p *pair) configure(edit ...func(first, second map[string]any)) {
	p.t.Helper()
	p.first.ConfigureFor(hubThing, "azx-1", func(config map[string]any) {
		first := config["hubs"].([]any)[0].(map[string]any)
		ports := p.second.Hub.Ports
		second := map[string]any{
			"thing": secondThing, "connectionString": "${file:second-key}", "caFile": p.second.Hub.CA,
			"endpoints": map[string]any{"amqps": fmt.Sprintf("127.0.0.1:%d", ports.AMQPS), "https": fmt.Sprintf("127.0.0.1:%d", ports.HTTPS)},
		}
		for _, e := range edit {
			e(first, second)
		}
		config["hubs"] = []any{first, second}
	})
}

// key makes a connection string that of the second hub.
func (p *pair) key(text string) { p.first.WriteFile("second-key", []byte(text)) }

func (p *pair) connect() *process.Child {
	p.t.Helper()
	connector := p.first.ConnectAs("azx-1")
	p.admin = strings.TrimSuffix(connector.UntilPrinted(time.Minute, "ready: ")[len("ready: "):], "/readyz")
	return connector
}

// page returns what the connector's own surface answers.
func (p *pair) page(path string) (code int, text string) {
	p.t.Helper()
	answer, err := http.Get(p.admin + path)
	if err != nil {
		p.t.Fatal(err)
	}
	defer answer.Body.Close()
	body, err := io.ReadAll(answer.Body)
	if err != nil {
		p.t.Fatal(err)
	}
	return answer.StatusCode, string(body)
}

// untilReadyz waits until readyz answers in this way with this in its text.
func (p *pair) untilReadyz(code int, says string) {
	p.t.Helper()
	process.Eventually(p.t, time.Minute, fmt.Sprintf("readyz answers %d with %q", code, says), func() error {
		if got, text := p.page("/readyz?verbose"); got != code || !strings.Contains(text, says) {
			return fmt.Errorf("it answers %d: %s", got, text)
		}
		return nil
	})
	if code, text := p.page("/livez"); code != http.StatusOK {
		p.t.Errorf("livez answers %d: %s", code, text)
	}
}

// worksFor sends telemetry, a method and a write through a device.
func (p *pair) worksFor(d *device, messages <-chan string, n int) {
	p.t.Helper()
	if err := d.send(`{"target":%d}`, n); err != nil {
		p.t.Fatal(err)
	}
	reads(p.t, p.first.Platform, d.id, "target", fmt.Sprint(n))
	if raw, err := p.first.Platform.TryCall("Things/"+d.id, "Echo", map[string]any{"n": n}); err != nil || strings.TrimSpace(string(raw)) != fmt.Sprintf(`{"n":%d}`, n) {
		p.t.Errorf("the method of %s answers %s, %v", d.id, raw, err)
	}
	process.Eventually(p.t, time.Minute, "the write of "+d.id+" is accepted", func() error {
		return p.first.Platform.WriteProperty(d.id, "target", n+1)
	})
	select {
	case got := <-messages:
		if got != fmt.Sprintf(`{"target":%d}`, n+1) {
			p.t.Errorf("%s got %s", d.id, got)
		}
	case <-time.After(time.Minute):
		p.t.Errorf("%s got no message", d.id)
	}
}

func listens(d *device) <-chan string {
	messages := make(chan string, 10)
	d.echoes()
	d.takes(func(body []byte) { messages <- string(body) })
	return messages
}

// TestOneBadHubDoesNotStopTheOther is F33: a wrong key from the start, mended; then the hub is killed.
func TestOneBadHubDoesNotStopTheOther(t *testing.T) {
	t.Parallel()
	p := newPair(t)
	p.key("HostName=" + p.second.Hub.HostName + ";SharedAccessKeyName=service;SharedAccessKey=d3Jvbmcga2V5IG9mIGEgdGVzdA==")
	p.configure()
	connector := p.connect()
	pump, press := connectDevice(t, p.first, "pump-1"), connectDevice(t, p.second, "press-1")
	ofPump, ofPress := listens(pump), listens(press)
	p.untilReadyz(http.StatusServiceUnavailable, "hub open of "+secondThing+": ")
	p.worksFor(pump, ofPump, 10)
	if err := press.send(`{"target":1}`); err != nil {
		t.Fatal(err)
	}

	p.key(p.second.Hub.ServiceConnectionString)
	p.untilReadyz(http.StatusOK, "hub open of "+secondThing+": ok")
	p.worksFor(press, ofPress, 20)
	p.worksFor(pump, ofPump, 30)
	if len(ofPump)+len(ofPress) > 0 {
		t.Error("a write went to both")
	}
	if _, text := p.page("/metrics"); !strings.Contains(text, `azx_messages_received_total{hub="`+secondThing+`"`) || !strings.Contains(text, `azx_hub_connected{hub="`+hubThing+`"} 1`) {
		t.Error("the metrics do not name both hubs")
	}

	p.second.HubProcess.Kill()
	p.untilReadyz(http.StatusServiceUnavailable, "partitions read of "+secondThing+": ")
	p.worksFor(pump, ofPump, 40)
	if code := connector.Stop(); code != 0 {
		t.Errorf("exit code %d", code)
	}
	out := p.first.Run("checkpoint", "show", "-c", "azx-1.yaml")
	for _, thing := range []string{hubThing, secondThing} {
		if !strings.Contains(out, " of "+thing+" (current)") {
			t.Errorf("no checkpoints of %s: %s", thing, out)
		}
	}
}

// TestAHubThatWaitingDoesNotMendIsTriedAgainWithWhatHasChanged has a second hub that is not where the file says, then one
// that lacks its consumer group, then two of those.
func TestAHubThatWaitingDoesNotMendIsTriedAgainWithWhatHasChanged(t *testing.T) {
	t.Parallel()
	p := newPair(t)
	p.key(p.second.Hub.ServiceConnectionString)
	nobodys := func(_, second map[string]any) { second["consumerGroup"] = "nobodys" }
	p.configure(nobodys, func(_, second map[string]any) {
		second["endpoints"] = map[string]any{"amqps": "127.0.0.1:1", "https": "127.0.0.1:1"}
	})
	connector := p.connect()
	pump, press := connectDevice(t, p.first, "pump-1"), connectDevice(t, p.second, "press-1")
	ofPump, ofPress := listens(pump), listens(press)
	p.untilReadyz(http.StatusServiceUnavailable, "hub open of "+secondThing+": ")
	p.worksFor(pump, ofPump, 10)

	p.configure(nobodys)
	connector.Hangup()
	connector.Until(time.Minute, "the missing consumer group is told", func() error { return logged(connector, "hub-failed") })
	if !strings.Contains(connector.Stderr(), "consumer-group create") {
		t.Errorf("no hint: %s", connector.Stderr())
	}
	p.worksFor(pump, ofPump, 20)

	p.second.Run("hub", "group", "add", "nobodys", "--dir", "hub")
	p.untilReadyz(http.StatusOK, "hub open of "+secondThing+": ok")
	p.worksFor(press, ofPress, 30)
	p.worksFor(pump, ofPump, 40)
	if code := connector.Stop(); code != 0 {
		t.Errorf("exit code %d", code)
	}

	p.configure(func(first, second map[string]any) { first["consumerGroup"], second["consumerGroup"] = "none", "none" })
	connector = p.first.Start("run", "-c", "azx-1.yaml", "--start", "earliest")
	if code := connector.Wait(time.Minute); code != 4 {
		t.Errorf("with no hub at all: exit code %d: %s", code, connector.Stderr())
	}
}

// TestABadRoutingGroupOfAnyHubStopsTheStart has it on the second hub, in the file and on its hub Thing.
func TestABadRoutingGroupOfAnyHubStopsTheStart(t *testing.T) {
	t.Parallel()
	p := newPair(t)
	p.key(p.second.Hub.ServiceConnectionString)
	refused := func(says ...string) {
		t.Helper()
		connector := p.first.Start("run", "-c", "azx-1.yaml")
		if code := connector.Wait(time.Minute); code != 3 || connector.Stdout() != "" {
			t.Errorf("exit code %d, printed %q", code, connector.Stdout())
		}
		for _, part := range says {
			if !strings.Contains(connector.Stderr(), part) {
				t.Errorf("%q is not in %s", part, connector.Stderr())
			}
		}
	}
	p.configure(func(_, second map[string]any) { second["routingGroup"] = " " })
	refused("azx-1.yaml:", "hubs[1].routingGroup: is blank")

	p.configure()
	p.first.Run("platform", "hub", "set", secondThing, "--routing-group", " ", "--dir", "platform")
	refused("read the routing group of hub Thing "+secondThing+": the routing group is blank", "set the routing group of the hub Thing")

	p.first.Run("platform", "hub", "set", secondThing, "--routing-group", hubThing, "--dir", "platform")
	refused("bind the routing group of hub Thing", "has the same one")
}
