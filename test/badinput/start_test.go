package badinput

import (
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"azx/internal/config"
	hubserve "azx/internal/local/iothub/serve"
	"azx/internal/secret"
	"azx/test/process"
)

// waits checks that the connector still tries, and does not claim to be ready.
func (c *connector) waits(t *testing.T, check string, parts ...string) {
	t.Helper()
	c.untilPage(t, "/readyz", 503, append(parts, check)...)
	c.untilPage(t, "/livez", 200)
	if _, ready := c.counts(); ready {
		t.Error("it says that messages can flow")
	}
	select {
	case <-c.ended:
		t.Fatalf("it ended with %v", c.err)
	default:
	}
}

func (s *site) untilWritten(t *testing.T, thing string, want ...string) {
	t.Helper()
	eventually(t, "the platform has the values", func() error {
		if got := s.written(thing); !slices.Equal(got, want) {
			return fmt.Errorf("it has %q", got)
		}
		return nil
	})
}

func TestAConnectorWhoseKeyThePlatformRefusesSaysSoAndKeepsTheMessages(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.addThing("pump-1", "temperature:NUMBER")
	pump := s.newDevice("pump-1")
	pump.send(said(), `{"temperature":1}`)

	cfg := s.config(t)
	const wrong = "00000000-wrong-key-0000"
	s.log.hide("the wrong application key", wrong)
	cfg.Platform.AppKey = secret.Literal(wrong)
	c := s.run(cfg)
	s.log.until(t, "event=platform-refused", "level=ERROR", "refused with unauthorized", `hint="is platform.appKey`)
	c.untilPage(t, "/metrics", 200, `azx_messages_in_flight{hub="LocalHub",partition="0"} 1`)
	c.waits(t, "platform connected", "refused with")
	if refusals := s.platform.Platform.Refusals(); len(refusals) == 0 || !strings.Contains(fmt.Sprint(refusals), "AUTH from 127.0.0.1") {
		t.Errorf("the platform tells of %v", refusals)
	}
	c.stop(t)

	c = s.run(s.config(t))
	s.untilWritten(t, "pump-1", "temperature=1")
	c.untilReady(t)
	c.stop(t)
}

func TestAConnectorThatDoesNotReachThePlatformWaitsAndThenDelivers(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.addThing("pump-1", "temperature:NUMBER")
	pump := s.newDevice("pump-1")
	cfg, address := s.config(t), s.platformAddress()
	s.ended(s.platform)
	c := s.run(cfg)
	s.log.until(t, "event=platform-unreachable", "connection refused", `hint="is the platform running`)
	pump.send(said(), `{"temperature":1}`)
	c.waits(t, "platform connected", "connection refused")
	s.startPlatform(address)
	s.untilWritten(t, "pump-1", "temperature=1")
	c.untilReady(t)
	c.untilSettled(t, 1)
	c.stop(t)
}

func TestAConnectorThatDoesNotReachTheHubWaitsAndThenDelivers(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.addThing("pump-1", "temperature:NUMBER")
	cfg, ports := s.config(t), s.hub.Info.Ports
	s.ended(s.hub)
	c := s.run(cfg)
	s.log.until(t, "event=hub-unreachable", "connection refused", `hint="is the hub reachable from here`)
	c.waits(t, "hub open", "connection refused")
	s.startHub(hubserve.Ports{AMQPS: ports.AMQPS})
	s.newDevice("pump-1").send(said(), `{"temperature":1}`)
	s.untilWritten(t, "pump-1", "temperature=1")
	c.untilReady(t)
	c.untilSettled(t, 1)
	c.stop(t)
}

func TestAConnectorWhoseKeyTheHubRefusesSaysSoAndTriesOn(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	device, _ := s.hub.Hub.Policy("device")
	connection := "HostName=plant1.azure-devices.net;SharedAccessKeyName="
	for name, c := range map[string]struct{ text, says string }{
		"with a wrong key":                {connection + "service;SharedAccessKey=d3Jvbmcga2V5IG9mIGEgdGVzdA==", `the policy "service" needs the right ServiceConnect`},
		"with a policy without the right": {connection + "device;SharedAccessKey=" + device.PrimaryKey, `the policy "device" needs the right ServiceConnect`},
		"with a policy that is unknown":   {connection + "nobody;SharedAccessKey=d3Jvbmcga2V5IG9mIGEgdGVzdA==", `the policy "nobody" needs the right ServiceConnect`},
	} {
		t.Run(name, func(t *testing.T) {
			cfg, log := s.configIn(t, t.TempDir()), newBook(t)
			log.hide("the wrong key", "d3Jvbmcga2V5IG9mIGEgdGVzdA==")
			log.hide("the key of the device policy", device.PrimaryKey)
			cfg.Hubs[0].ConnectionString = secret.Literal(c.text)
			connector := runConnector(t, cfg, log)
			log.until(t, "event=hub-unreachable", c.says)
			connector.waits(t, "hub open")
			connector.stop(t)
		})
	}
}

func TestAServerThatIsNoPlatformIsToldFromOneThatIsAway(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	banner := serveBytes(t, "220 mail.example ESMTP\r\n")
	for name, c := range map[string]struct{ url, cause, hint string }{
		"another path":             {"ws://" + s.platformAddress() + "/Elsewhere", "HTTP status", "platform.urls"},
		"TLS to a port without it": {"wss://" + s.platformAddress() + "/Thingworx/WS", "first record does not look like a TLS handshake", "does not speak TLS"},
		"another protocol":         {"ws://" + banner + "/Thingworx/WS", "malformed HTTP response", "is it a ThingWorx platform"},
		"a name that is unknown":   {"ws://platform.invalid/Thingworx/WS", "platform.invalid", "platform.urls"},
	} {
		t.Run(name, func(t *testing.T) {
			cfg, log := s.configIn(t, t.TempDir()), newBook(t)
			cfg.Hubs[0].Endpoints.AMQPS = freeAddress(t) // without a hub
			cfg.Platform.URLs = []string{c.url}
			connector := runConnector(t, cfg, log)
			log.until(t, "event=platform-unreachable", c.cause, "hint=", c.hint)
			connector.waits(t, "platform connected", c.cause)
			connector.stop(t)
		})
	}
}

// serveBytes listens and greets everybody with the same bytes.
func serveBytes(t testing.TB, greeting string) (address string) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		for {
			conn, err := l.Accept()
			if err != nil {
				return // closed at the end of the test
			}
			_, _ = conn.Write([]byte(greeting)) // who hangs up first has not read it
			_ = conn.Close()
		}
	}()
	t.Cleanup(func() {
		_ = l.Close()
		<-ended
	})
	return l.Addr().String()
}

func TestAConsumerGroupThatIsMissingEndsTheProcessWithTheCommandThatCreatesIt(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	file := filepath.Join(s.dir, "azx.yaml")
	_, err := config.Init(config.Ends{HubDir: s.hubDir(), PlatformDir: s.platformDir()}, file, false)
	text, readErr := os.ReadFile(file)
	if err := errors.Join(err, readErr); err != nil {
		t.Fatal(err)
	}
	changed := strings.NewReplacer("consumerGroup: azx", "consumerGroup: missing", "127.0.0.1:9464", "127.0.0.1:0").Replace(string(text))
	if err := os.WriteFile(file, []byte(changed), 0o600); err != nil {
		t.Fatal(err)
	}
	child := process.Start(t, process.Command{Name: string(azx), Args: []string{"run", "-c", file, "--log-level", "debug"}})
	if code := child.Wait(patience); code != 4 {
		t.Errorf("exit code %d, want 4", code)
	}
	if !has(child.Stderr(), `the consumer group does not exist`, "Try:", "az iot hub consumer-group create --hub-name plant1 --name missing") {
		t.Errorf("it said:\n%s", child.Stderr())
	}
	if told := s.log.betrayedBy(child.Stderr() + child.Stdout()); len(told) > 0 {
		t.Errorf("it printed %v", told)
	}
}
