package e2e

import (
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"azx/test/process"
)

// Names that nobody knows but the proxy: what gets there went through it.
const (
	farHub      = "plant1.example"
	farPlatform = "platform.example:8080"
	// proxyPassword has what a URL would have escaped.
	proxyPassword = "canary-5up3r/@:"
)

// behindProxy starts a hub and a platform to which a proxy alone leads, to nothing but the ports 443 and 8080.
func behindProxy(t *testing.T) (*process.Stack, *process.Proxy) {
	t.Helper()
	stack := process.NewStack(t, azx)
	platform, err := url.Parse(stack.Platform.URL)
	if err != nil {
		t.Fatal(err)
	}
	proxy := process.StartProxy(t, process.ProxyOptions{User: "azx", Password: proxyPassword, Names: map[string]string{
		farHub + ":443": fmt.Sprint("127.0.0.1:", stack.Hub.Ports.HTTPS), farPlatform: platform.Host,
	}})
	stack.WriteFile("proxy-password", []byte(proxyPassword+"\n"))
	return stack, proxy
}

// farAway makes a configuration lead to the names that the proxy knows.
func farAway(proxy, transport string) func(config map[string]any) {
	return func(config map[string]any) {
		config["proxy"] = proxy
		config["platform"].(map[string]any)["urls"] = []string{"ws://" + farPlatform + "/Thingworx/WS"}
		hub := config["hubs"].([]any)[0].(map[string]any)
		hub["transport"] = transport
		hub["endpoints"] = map[string]any{"amqps": farHub + ":5671", "https": farHub + ":443"}
		hub["extensions"], hub["allowThings"] = "none", []string{"*"}
	}
}

// TestWhere5671IsBlockedAndAProxyWantsAPasswordTheMainJobWorks sends telemetry and calls a device through an authenticating
// proxy that lets no AMQP through.
func TestWhere5671IsBlockedAndAProxyWantsAPasswordTheMainJobWorks(t *testing.T) {
	for transport, refused := range map[string][]string{
		"auto": {"Forbidden " + farHub + ":5671"}, "websocket": nil,
	} {
		t.Run(transport, func(t *testing.T) {
			t.Parallel()
			stack, proxy := behindProxy(t)
			stack.AddHubThing(hubThing)
			stack.AddDeviceThing("pump-7", hubThing, "--property", "temperature:NUMBER", "--property", "target:INTEGER", "--service", "Echo(n:INTEGER):JSON:echo")
			device := connectDevice(t, stack, "pump-7")
			device.echoes()
			taken := make(chan string, 1)
			device.takes(func(body []byte) { taken <- string(body) })
			stack.ConfigureFor(hubThing, "azx-1", farAway("http://azx:${file:proxy-password}@"+proxy.Address, transport))
			connector := stack.ConnectAs("azx-1")

			if err := device.send(`{"temperature": 21.5}`); err != nil {
				t.Fatal(err)
			}
			connector.Until(time.Minute, "the value is there", func() error {
				got, err := stack.Platform.ReadProperty("pump-7", "temperature")
				if err == nil && string(got) != "21.5" {
					err = fmt.Errorf("it is %s", got)
				}
				return err
			})
			connector.Until(time.Minute, "a call returns", func() error {
				_, err := stack.Platform.TryCall("Things/pump-7", "Echo", map[string]any{"n": 7})
				return err
			})
			if err := stack.Platform.WriteProperty("pump-7", "target", 40); err != nil {
				t.Error(err)
			}
			if got := within(t, taken); got != `{"target":40}` {
				t.Errorf("the device gets %s", got)
			}
			if out := stack.Run("method", "pump-7", "echo", `{"n":1}`, "-c", "azx-1.yaml"); !strings.Contains(out, "200") {
				t.Errorf("azx method prints %s", out)
			}

			if got, want := proxy.Tunnels(), []string{farHub + ":443", farPlatform}; !slices.Equal(got, want) {
				t.Errorf("tunnels to %v, want %v", got, want)
			}
			if got := proxy.Refused(); !slices.Equal(got, refused) {
				t.Errorf("refused: %v, want %v", got, refused)
			}
			if n := strings.Count(connector.Stderr(), "transport-changed"); n != len(refused) {
				t.Errorf("the transport is told %d times:\n%s", n, connector.Stderr())
			}
			ready := connector.UntilPrinted(time.Minute, "ready: ")
			showsNoPassword(t, connector, strings.TrimSuffix(strings.TrimPrefix(ready, "ready: "), "/readyz"))
			connector.Stop()
			showsNoPassword(t, connector, "")
		})
	}
}

// TestAProxyThatIsNotServedIsNamed has no password, and another one.
func TestAProxyThatIsNotServedIsNamed(t *testing.T) {
	for name, c := range map[string]struct{ credentials, says string }{
		"without a password":    {"", "it asks for credentials (407)"},
		"with another password": {"azx:canary-0th3r@", "it does not accept the credentials (407)"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			stack, proxy := behindProxy(t)
			admin := freePort(t)
			stack.Configure(farAway("http://"+c.credentials+proxy.Address, "auto"), func(config map[string]any) {
				config["admin"] = map[string]any{"listen": admin}
			})
			connector := stack.Start("run", "-c", "azx.yaml")
			for _, of := range []string{"platform-unreachable", "hub-unreachable"} {
				connector.Until(time.Minute, of+" names the proxy", func() error {
					for line := range strings.Lines(connector.Stderr()) {
						if strings.Contains(line, of) && strings.Contains(line, "sign in to the proxy "+proxy.Address+": "+c.says) && strings.Contains(line, "hint=") {
							return nil
						}
					}
					return fmt.Errorf("it says %s", connector.Stderr())
				})
			}
			if got := proxy.Tunnels(); len(got) > 0 {
				t.Errorf("tunnels to %v", got)
			}
			if strings.Contains(connector.Stderr(), ":5671") {
				t.Errorf("a refused password looks like a blocked port:\n%s", connector.Stderr())
			}
			showsNoPassword(t, connector, "http://"+admin)
			connector.Stop()
			showsNoPassword(t, connector, "")
		})
	}
}

// freePort is one that a connector may listen at.
func freePort(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}

// showsNoPassword looks for the proxy's in all that a connector tells; admin is where it may be asked, "" for nowhere.
func showsNoPassword(t *testing.T, connector *process.Child, admin string) {
	t.Helper()
	all := connector.Stdout() + connector.Stderr() + connector.String()
	if admin != "" {
		for _, page := range []string{"/metrics", "/status", "/readyz?verbose"} {
			answer, err := http.Get(admin + page)
			if err != nil {
				t.Fatal(err)
			}
			text, err := io.ReadAll(answer.Body)
			_ = answer.Body.Close()
			if err != nil || len(text) == 0 {
				t.Fatalf("%s: %q, %v", page, text, err)
			}
			all += string(text)
		}
	}
	quoted, err := json.Marshal(proxyPassword)
	if err != nil {
		t.Fatal(err)
	}
	for _, text := range []string{"canary", string(quoted), url.QueryEscape(proxyPassword), "YXp4OmNhbmFye"} { // azx:canary in base64
		if strings.Contains(all, text) {
			t.Errorf("the proxy's password is told:\n%s", all)
		}
	}
}

// within takes what a channel gets in time.
func within(t *testing.T, from <-chan string) string {
	t.Helper()
	select {
	case text := <-from:
		return text
	case <-time.After(time.Minute):
		t.Fatal("nothing comes within a minute")
		return ""
	}
}
