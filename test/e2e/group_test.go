package e2e

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/sync/errgroup"

	"azx/test/process"
)

// hubThing is the hub Thing of the tests of the way out.
const hubThing = "Plant"

// answerWithin is how long the platform waits for a connector, and a little more.
const answerWithin = 35 * time.Second

// TestAGroupSharesTheRequestsAndOutlivesTheLossOfAConnector has three connectors in one routing group, makes 3,000
// service calls and 3,000 writes, and kills one connector in the middle.
func TestAGroupSharesTheRequestsAndOutlivesTheLossOfAConnector(t *testing.T) {
	t.Parallel()
	const devices, half = 20, 1500
	stack := process.NewStack(t, azx)
	stack.AddHubThing(hubThing)
	taken := &bag{}
	for i := range devices {
		id := fmt.Sprintf("press-%02d", i)
		stack.AddDeviceThing(id, hubThing, "--property", "target:INTEGER", "--service", "Echo(n:INTEGER):JSON:echo")
		d := connectDevice(t, stack, id)
		d.echoes()
		d.takes(func(body []byte) { taken.put(id, body) })
	}
	names := []string{"azx-1", "azx-2", "azx-3"}
	connectors := map[string]*process.Child{}
	for _, name := range names {
		stack.ConfigureFor(hubThing, name, func(config map[string]any) {
			config["hubs"].([]any)[0].(map[string]any)["units"] = 200 // as many messages as the test needs
		})
		connectors[name] = stack.ConnectAs(name)
	}

	before := callAndWrite(t, stack.Platform, devices, 0, half, nil)
	for n, err := range before.failed {
		t.Errorf("%s fails before any fault: %v", n, err)
	}
	for _, verb := range []string{"call", "write"} {
		for _, name := range names {
			share := requests(t, connectors[name], verb) / half
			t.Logf("%s gets %.1f %% of the %ss", name, 100*share, verb)
			if share < 0.25 || share > 0.42 {
				t.Errorf("%s gets %.1f %% of the %ss", name, 100*share, verb)
			}
		}
	}

	var lost time.Time
	after := callAndWrite(t, stack.Platform, devices, half, half, func() {
		connectors["azx-2"].Kill()
		lost = time.Now()
	})
	t.Logf("%d of %d requests failed around the loss", len(after.failed), 2*half)
	if len(after.failed) > half/2 {
		t.Errorf("%d requests failed", len(after.failed))
	}
	for n, began := range after.began {
		if err := after.failed[n]; err != nil && began.After(lost.Add(time.Second)) {
			t.Errorf("%s began after the loss and fails: %v", n, err)
		}
	}
	if longest := max(before.longest, after.longest); longest > answerWithin {
		t.Errorf("the longest request took %s", longest)
	} else {
		t.Logf("the longest request took %s", longest.Round(time.Millisecond))
	}
	process.Eventually(t, time.Minute, "every accepted write is in its device", func() error {
		for n := range 2 * half {
			name := fmt.Sprintf("write %d", n)
			if before.failed[name] == nil && after.failed[name] == nil && taken.count(device4(n, devices), n) != 1 {
				return fmt.Errorf("%s arrived %d times", name, taken.count(device4(n, devices), n))
			}
		}
		return nil
	})
	for name, connector := range connectors {
		if name != "azx-2" && connector.Stop() != 0 {
			t.Errorf("%s ended with exit code %d: %s", name, connector.ExitCode(), connector.Stderr())
		}
	}
}

// TestABindThatThePlatformLostIsMadeAnewByAService has a Thing that is bound deleted and made again, which the connector does
// not see; then calls go on while the connector is told again and again.
func TestABindThatThePlatformLostIsMadeAnewByAService(t *testing.T) {
	for _, c := range []struct {
		bind, lost string
		flags      process.Flags
	}{
		{bind: "group", lost: hubThing},
		{bind: "devices", lost: "pump-7", flags: process.Flags{Platform: []string{"--no-group-bind"}}},
	} {
		t.Run("bind: "+c.bind, func(t *testing.T) {
			t.Parallel()
			stack := process.NewStack(t, azx, c.flags)
			add := map[string]func(){
				hubThing: func() { stack.AddHubThing(hubThing) },
				"pump-7": func() {
					stack.AddDeviceThing("pump-7", hubThing, "--property", "target:INTEGER", "--service", "Echo(n:INTEGER):JSON:echo")
				},
			}
			add[hubThing]()
			add["pump-7"]()
			messages := listens(connectDevice(t, stack, "pump-7"))
			stack.ConfigureFor(hubThing, "azx-1", func(config map[string]any) {
				config["hubs"].([]any)[0].(map[string]any)["bind"] = c.bind
			})
			connector := stack.ConnectAs("azx-1")
			connector.Until(time.Minute, "a call", func() error { return echo(stack.Platform, 1) })

			process.Eventually(t, time.Minute, "the bind is lost", func() error {
				stack.Platform.Call("Resources/EntityServices", "DeleteThing", map[string]any{"name": c.lost})
				add[c.lost]()
				if err := echo(stack.Platform, 2); err == nil || !strings.Contains(err.Error(), "nobody") {
					return fmt.Errorf("a call gives %v", err) // the connector looked for device Things in between
				}
				return nil
			})
			bindsAnew(t, stack.Platform, messages)
			if err := logged(connector, "event=bound-anew"); err != nil {
				t.Error(err)
			}
		})
	}
}

// bindsAnew has the connector bind anew, after which requests reach the device; then again and again, while each call succeeds.
func bindsAnew(t *testing.T, platform *process.Platform, messages <-chan string) {
	t.Helper()
	platform.Call("Things/azx-1", "ClearExternallyBoundThings", map[string]any{})
	if err := echo(platform, 3); err != nil {
		t.Error(err)
	}
	if err := platform.WriteProperty("pump-7", "target", 7); err != nil {
		t.Error(err)
	}
	arrives(t, "the write", messages, func(body string) bool { return body == `{"target":7}` })
	reads(t, platform, "pump-7", "isConnected", "true")
	var group errgroup.Group
	group.Go(func() error {
		for range 20 {
			if _, err := platform.TryCall("Things/azx-1", "ClearExternallyBoundThings", map[string]any{}); err != nil {
				return err
			}
		}
		return nil
	})
	for n := range 300 {
		if err := echo(platform, n); err != nil {
			t.Errorf("a call fails while all is bound anew: %v", err)
			break
		}
	}
	if err := group.Wait(); err != nil {
		t.Error(err)
	}
}

// echo calls a method of pump-7.
func echo(platform *process.Platform, n int) error {
	_, err := platform.TryCall("Things/pump-7", "Echo", map[string]any{"n": n})
	return err
}

func device4(n, devices int) string { return fmt.Sprintf("press-%02d", n%devices) }

// outcomes are what became of requests, by "call N" or "write N".
type outcomes struct {
	mu      sync.Mutex
	began   map[string]time.Time
	failed  map[string]error
	longest time.Duration
}

func (o *outcomes) do(name string, request func() error) {
	began := time.Now()
	err := request()
	o.mu.Lock()
	defer o.mu.Unlock()
	o.began[name] = began
	if err != nil {
		o.failed[name] = err
	}
	o.longest = max(o.longest, time.Since(began))
}

// callAndWrite calls and writes count times each, on many connections, and meanwhile is called in the middle of it.
func callAndWrite(t *testing.T, platform *process.Platform, devices, from, count int, meanwhile func()) *outcomes {
	t.Helper()
	o := &outcomes{began: map[string]time.Time{}, failed: map[string]error{}}
	var group errgroup.Group
	group.SetLimit(16)
	for n := from; n < from+count; n++ {
		if n == from+count/3 && meanwhile != nil {
			meanwhile()
		}
		thing := device4(n, devices)
		group.Go(func() error {
			o.do(fmt.Sprintf("call %d", n), func() error {
				result, err := platform.TryCall("Things/"+thing, "Echo", map[string]any{"n": n})
				if err == nil && string(result) != fmt.Sprintf(`{"n":%d}`, n) {
					return fmt.Errorf("the result is %s", result)
				}
				return err
			})
			o.do(fmt.Sprintf("write %d", n), func() error { return platform.WriteProperty(thing, "target", n) })
			return nil
		})
	}
	if err := group.Wait(); err != nil {
		t.Fatal(err)
	}
	return o
}

// bag keeps the values of target that arrive in devices.
type bag struct {
	mu     sync.Mutex
	values map[string]int // by "device value"
}

func (b *bag) put(device string, body []byte) {
	var message struct{ Target int }
	if json.Unmarshal(body, &message) != nil {
		message.Target = -1
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.values == nil {
		b.values = map[string]int{}
	}
	b.values[fmt.Sprint(device, " ", message.Target)]++
}

func (b *bag) count(device string, value int) int {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.values[fmt.Sprint(device, " ", value)]
}

// requests reads from a connector's metrics how many requests of a verb it has ended.
func requests(t *testing.T, connector *process.Child, verb string) (sum float64) {
	t.Helper()
	for line, value := range metrics(t, connector) {
		if strings.HasPrefix(line, "azx_egress_requests_total{") && strings.Contains(line, `verb="`+verb+`"`) {
			sum += value
		}
	}
	return sum
}

// metrics reads all metrics of a connector, by name and labels.
func metrics(t *testing.T, connector *process.Child) map[string]float64 {
	t.Helper()
	ready := connector.UntilPrinted(time.Minute, "ready: ")
	answer, err := http.Get(strings.TrimSuffix(strings.TrimPrefix(ready, "ready: "), "/readyz") + "/metrics")
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	all := maps.Collect(readMetrics(answer.Body))
	if len(all) == 0 {
		t.Fatal("no metrics")
	}
	return all
}

// readMetrics reads lines of name, labels and value.
func readMetrics(from io.Reader) func(yield func(string, float64) bool) {
	return func(yield func(string, float64) bool) {
		lines := bufio.NewScanner(from)
		for lines.Scan() {
			at := strings.LastIndexByte(lines.Text(), ' ')
			var value float64
			if strings.HasPrefix(lines.Text(), "#") || at < 0 {
				continue
			}
			if _, err := fmt.Sscan(lines.Text()[at+1:], &value); err == nil && !yield(lines.Text()[:at], value) {
				return
			}
		}
	}
}
