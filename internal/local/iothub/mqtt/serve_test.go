package mqtt

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	paho "github.com/eclipse/paho.mqtt.golang"
	"github.com/eclipse/paho.mqtt.golang/packets"
	"go.uber.org/goleak"

	"azx/internal/local/iothub"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// patience bounds every wait of these tests.
const patience = 10 * time.Second

// rig is a hub with its MQTT front on a loopback port.
type rig struct {
	*testing.T
	hub  *iothub.Hub
	addr string
	log  *logBook

	mu    sync.Mutex
	ahead time.Duration
}

// logBook collects what the front logs.
type logBook struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (b *logBook) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.text.Write(p)
}

func (b *logBook) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.text.String()
}

func newRig(t *testing.T) *rig {
	t.Helper()
	r := &rig{T: t, log: &logBook{}}
	hub, err := iothub.Open(iothub.Config{Partitions: 1, Clock: r.now})
	if err != nil {
		t.Fatal(err)
	}
	r.hub = hub
	if _, err := hub.Registry().Add(iothub.Spec{ID: d1}, iothub.Spec{ID: d1m1}, iothub.Spec{ID: iothub.ID{Device: "d2"}}); err != nil {
		t.Fatal(err)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	r.addr = l.Addr().String()
	ctx, cancel := context.WithCancel(context.Background())
	served := make(chan error, 1)
	go func() { served <- Serve(ctx, hub, slog.New(slog.NewTextHandler(r.log, nil)), l) }()
	t.Cleanup(func() {
		cancel()
		if err := <-served; err != nil {
			t.Errorf("the front ended with %v", err)
		}
	})
	return r
}

func (r *rig) now() time.Time {
	r.mu.Lock()
	defer r.mu.Unlock()
	return time.Now().Add(r.ahead)
}

// passTime moves the hub's clock.
func (r *rig) passTime(d time.Duration) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.ahead += d
}

// token makes a token for id with its own key, for resource "" its own path.
func (r *rig) token(id iothub.ID, resource string, expires time.Time) string {
	r.Helper()
	identity, err := r.hub.Registry().Get(id)
	if err != nil {
		r.Fatal(err)
	}
	if resource == "" {
		resource = "localhost/" + id.Path()
	}
	token, err := iothub.SignToken(resource, "", identity.PrimaryKey, expires)
	if err != nil {
		r.Fatal(err)
	}
	return token
}

func (r *rig) options(id iothub.ID) *paho.ClientOptions {
	return paho.NewClientOptions().AddBroker("tcp://" + r.addr).SetClientID(id.String()).
		SetUsername("localhost:8883/" + id.String() + "/?api-version=2021-04-12").
		SetPassword(r.token(id, "", time.Now().Add(time.Hour))).
		SetProtocolVersion(4).SetAutoReconnect(false).SetConnectRetry(false).SetConnectTimeout(patience)
}

// connect connects with o and disconnects at the end of the test.
func (r *rig) connect(o *paho.ClientOptions) paho.Client {
	r.Helper()
	client := paho.NewClient(o)
	if err := waitFor(client.Connect()); err != nil {
		r.Fatalf("connect: %v\n%s", err, r.log)
	}
	r.Cleanup(func() { client.Disconnect(0) })
	return client
}

// lost makes o report the end of the connection.
func lost(o *paho.ClientOptions) <-chan error {
	ended := make(chan error, 1)
	o.SetConnectionLostHandler(func(_ paho.Client, err error) { ended <- err })
	return ended
}

func (r *rig) awaitLost(ended <-chan error, reason string) {
	r.Helper()
	select {
	case <-ended:
	case <-time.After(patience):
		r.Fatal("the connection stays open")
	}
	if !strings.Contains(r.log.String(), reason) {
		r.Fatalf("the log does not say %q:\n%s", reason, r.log)
	}
}

// events reads the next n events from number first on.
func (r *rig) events(first int64, n int) []*iothub.Event {
	r.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	var all []*iothub.Event
	for len(all) < n {
		events, next, err := r.hub.Read(ctx, 0, first, n-len(all))
		if err != nil {
			r.Fatalf("after %d of %d events: %v\n%s", len(all), n, err, r.log)
		}
		all, first = append(all, events...), next
	}
	return all
}

func (r *rig) accepted(id iothub.ID) uint64 { return r.hub.Accepted()[id] }

func waitFor(token paho.Token) error {
	if !token.WaitTimeout(patience) {
		return context.DeadlineExceeded
	}
	return token.Error()
}

func TestTelemetryIsInTheLogWhenTheDeviceHearsOfIt(t *testing.T) {
	r := newRig(t)
	client := r.connect(r.options(d1))
	topic := "devices/d1/messages/events/%24.ct=application%2Fjson&%24.ce=utf-8&%24.mid=m-1&k=v"
	if err := waitFor(client.Publish(topic, 1, false, `{"a":1}`)); err != nil {
		t.Fatal(err)
	}
	if n := r.accepted(d1); n != 1 {
		t.Fatalf("after the acknowledgement the log has %d messages", n)
	}
	e := r.events(0, 1)[0]
	if string(e.Body) != `{"a":1}` || e.ContentType != "application/json" || e.ContentEncoding != "utf-8" || e.MessageID != "m-1" ||
		len(e.Properties) != 1 || e.Properties["k"] != "v" || e.From != d1 {
		t.Fatalf("got %+v", e)
	}
}

func TestAModuleSendsToItsOutputs(t *testing.T) {
	r := newRig(t)
	client := r.connect(r.options(d1m1))
	if err := waitFor(client.Publish("devices/d1/modules/m1/messages/events/%24.on=out1/", 0, false, "x")); err != nil {
		t.Fatal(err)
	}
	e := r.events(0, 1)[0]
	if e.From != d1m1 || e.OutputName != "out1" || !strings.Contains(e.AuthMethod, `"scope":"module"`) {
		t.Fatalf("got %+v", e)
	}
}

func TestARetainedMessageIsMarkedAndNotKept(t *testing.T) {
	r := newRig(t)
	client := r.connect(r.options(d1))
	if err := waitFor(client.Publish("devices/d1/messages/events/", 1, true, "x")); err != nil {
		t.Fatal(err)
	}
	if e := r.events(0, 1)[0]; e.Properties["mqtt-retain"] != "true" {
		t.Fatalf("got %+v", e.Properties)
	}
}

func TestConnectIsRefused(t *testing.T) {
	r := newRig(t)
	d2 := iothub.ID{Device: "d2"}
	off := iothub.ID{Device: "off"}
	if _, err := r.hub.Registry().Add(iothub.Spec{ID: off}); err != nil {
		t.Fatal(err)
	}
	if err := r.hub.Registry().SetDisabled(off, true); err != nil {
		t.Fatal(err)
	}
	later := time.Now().Add(time.Hour)
	for name, c := range map[string]struct {
		change func(o *paho.ClientOptions)
		says   string
	}{
		"with the key of another device": {func(o *paho.ClientOptions) {
			o.SetPassword(r.token(d2, "localhost/devices/d1", later))
		}, "not made with a key of"},
		"with an expired token": {func(o *paho.ClientOptions) {
			o.SetPassword(r.token(d1, "", time.Now().Add(-time.Minute)))
		}, "expired"},
		"with a token for another device": {func(o *paho.ClientOptions) {
			o.SetPassword(r.token(d2, "", later))
		}, "does not cover"},
		"with a token for another hub": {func(o *paho.ClientOptions) {
			o.SetPassword(r.token(d1, "other/devices/d1", later))
		}, "does not cover"},
		"without a token": {func(o *paho.ClientOptions) { o.SetPassword("") }, "does not start with"},
		"as a device the hub does not know": {func(o *paho.ClientOptions) {
			o.SetClientID("no").SetUsername("localhost/no/?api-version=2021-04-12").SetPassword(r.token(d1, "localhost/devices/no", later))
		}, "not found"},
		"as a disabled device": {func(o *paho.ClientOptions) {
			o.SetClientID("off").SetUsername("localhost/off/?api-version=2021-04-12").SetPassword(r.token(off, "", later))
		}, "disabled"},
		"with another client id": {func(o *paho.ClientOptions) { o.SetClientID("d2") }, "client id"},
		"with a will for another device": {func(o *paho.ClientOptions) {
			o.SetWill("devices/d2/messages/events/", "gone", 1, false)
		}, "will"},
	} {
		t.Run(name, func(t *testing.T) {
			o := r.options(d1)
			c.change(o)
			err := waitFor(paho.NewClient(o).Connect())
			if err == nil || !strings.Contains(strings.ToLower(err.Error()), "not authorized") {
				t.Fatalf("got %v, want the return code not authorised", err)
			}
			if !strings.Contains(r.log.String(), c.says) {
				t.Fatalf("the log does not say %q:\n%s", c.says, r.log)
			}
			if strings.Contains(r.log.String(), "sig=") {
				t.Fatalf("the log repeats a token:\n%s", r.log)
			}
		})
	}
}

func TestTheNewerConnectionOfADeviceClosesTheOlder(t *testing.T) {
	r := newRig(t)
	o := r.options(d1).SetCleanSession(false)
	ended := lost(o)
	r.connect(o)
	second := r.connect(r.options(d1).SetCleanSession(false))
	r.awaitLost(ended, "400027")
	if err := waitFor(second.Publish("devices/d1/messages/events/", 1, false, "x")); err != nil {
		t.Fatalf("the newer connection does not work: %v", err)
	}
}

func TestThePublicationClosesTheConnection(t *testing.T) {
	for name, c := range map[string]struct {
		topic string
		qos   byte
		body  int
		says  string
	}{
		"to another device's topic":          {"devices/d2/messages/events/", 1, 1, "not a topic this device may publish to"},
		"to another device's topic, QoS 0":   {"devices/d2/messages/events/", 0, 1, "not a topic this device may publish to"},
		"in the hub's name":                  {"$iothub/twin/res/200/?$rid=1", 0, 1, "not a topic this device may publish to"},
		"with QoS 2":                         {"devices/d1/messages/events/", 2, 1, "QoS 2"},
		"with a message over the limit":      {"devices/d1/messages/events/", 1, 300 << 10, "larger than"},
		"with a packet beyond any message":   {"devices/d1/messages/events/", 1, 1 << 20, "packet too large"},
		"with properties that are malformed": {"devices/d1/messages/events/a=%zz", 1, 1, "property bag"},
	} {
		t.Run(name, func(t *testing.T) {
			r := newRig(t)
			o := r.options(d1)
			ended := lost(o)
			client := r.connect(o)
			client.Publish(c.topic, c.qos, false, make([]byte, c.body))
			r.awaitLost(ended, c.says)
			if n := len(r.hub.Accepted()); n != 0 {
				t.Fatalf("the message was accepted")
			}
		})
	}
}

func TestTheConnectionEndsWithItsToken(t *testing.T) {
	r := newRig(t)
	o := r.options(d1)
	ended := lost(o)
	client := r.connect(o)
	r.passTime(2 * time.Hour)
	client.Publish("devices/d1/messages/events/", 1, false, "x")
	r.awaitLost(ended, "token has expired")
}

func TestTheConnectionOfADisabledDeviceEndsWithItsNextMessage(t *testing.T) {
	r := newRig(t)
	o := r.options(d1)
	ended := lost(o)
	client := r.connect(o)
	if err := r.hub.Registry().SetDisabled(d1, true); err != nil {
		t.Fatal(err)
	}
	client.Publish("devices/d1/messages/events/", 1, false, "x")
	r.awaitLost(ended, "disabled")
}

func TestADeviceSubscribesToItsOwnTopicsOnly(t *testing.T) {
	r := newRig(t)
	client := r.connect(r.options(d1))
	granted := func(filter string, qos byte) byte {
		token := client.Subscribe(filter, qos, nil).(*paho.SubscribeToken)
		if !token.WaitTimeout(patience) {
			t.Fatal("no answer")
		}
		return token.Result()[filter]
	}
	if got := granted("devices/d1/messages/devicebound/#", 2); got != 1 {
		t.Errorf("QoS 2 is granted as %d, want 1", got)
	}
	for _, foreign := range []string{"devices/d2/messages/devicebound/#", "#", "$SYS/#", "devices/+/messages/devicebound/#"} {
		if got := granted(foreign, 0); got != 0x80 {
			t.Errorf("%s: answer %#x, want failure", foreign, got)
		}
	}
	for _, own := range []string{"$iothub/twin/res/#", "$iothub/twin/PATCH/properties/desired/#", "$iothub/methods/POST/#", "devices/d1/messages/devicebound/"} {
		if got := granted(own, 0); got != 0 {
			t.Errorf("%s: answer %#x, want granted", own, got)
		}
	}
}

func TestASixthSubscriptionIsRefused(t *testing.T) {
	r := newRig(t)
	client := r.connect(r.options(d1m1))
	for i := range 6 {
		filter := fmt.Sprintf("devices/d1/modules/m1/inputs/i%d/#", i)
		token := client.Subscribe(filter, 1, nil).(*paho.SubscribeToken)
		if !token.WaitTimeout(patience) {
			t.Fatal("no answer")
		}
		want := byte(1)
		if i == maxSubscriptions {
			want = 0x80
		}
		if got := token.Result()[filter]; got != want {
			t.Errorf("subscription %d: answer %#x, want %#x", i+1, got, want)
		}
	}
}

func TestATwinRequestIsAnsweredToItsConnectionAlone(t *testing.T) {
	r := newRig(t)
	answers := make(chan string, 4)
	listen := func(id iothub.ID) paho.Client {
		client := r.connect(r.options(id))
		token := client.Subscribe("$iothub/twin/res/#", 0, func(_ paho.Client, m paho.Message) { answers <- id.String() + " " + m.Topic() })
		if err := waitFor(token); err != nil {
			t.Fatal(err)
		}
		return client
	}
	other, asking := listen(iothub.ID{Device: "d2"}), listen(d1)
	ask := func(client paho.Client, id string) {
		if err := waitFor(client.Publish("$iothub/twin/GET/?$rid="+id, 0, false, "")); err != nil {
			t.Fatal(err)
		}
	}
	ask(asking, "7")
	if got := <-answers; got != "d1 $iothub/twin/res/200/?$rid=7" {
		t.Fatalf("got %q", got)
	}
	ask(other, "8") // the next answer d2 hears is its own, so it did not hear that of d1
	if got := <-answers; got != "d2 $iothub/twin/res/200/?$rid=8" {
		t.Fatalf("got %q", got)
	}
}

func TestAWillIsSentWhenTheDeviceVanishes(t *testing.T) {
	r := newRig(t)
	o := r.options(d1).SetWill("devices/d1/messages/events/k=v", "gone", 1, false)
	var conn net.Conn
	o.SetCustomOpenConnectionFn(func(_ *url.URL, _ paho.ClientOptions) (net.Conn, error) {
		var err error
		conn, err = net.Dial("tcp", r.addr)
		return conn, err
	})
	r.connect(o)
	_ = conn.Close()
	e := r.events(0, 1)[0]
	if string(e.Body) != "gone" || e.Properties["iothub-MessageType"] != "Will" || e.Properties["k"] != "v" {
		t.Fatalf("got %+v", e)
	}
}

func TestAWillIsVoidAfterAGoodbye(t *testing.T) {
	r := newRig(t)
	conn, err := net.Dial("tcp", r.addr)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	identity, err := r.hub.Registry().Get(d1)
	if err != nil {
		t.Fatal(err)
	}
	writeConnect(t, conn, identity, func(p *packets.ConnectPacket) {
		p.WillFlag, p.WillTopic, p.WillMessage = true, "devices/d1/messages/events/", []byte("gone")
	})
	if err := packets.NewControlPacket(packets.Disconnect).Write(conn); err != nil {
		t.Fatal(err)
	}
	if answer, err := io.ReadAll(conn); err != nil || !bytes.Equal(answer, []byte{0x20, 2, 0, 0}) {
		t.Fatalf("got % x, %v; want CONNACK and the end", answer, err)
	}
	second := r.connect(r.options(d1))
	if err := waitFor(second.Publish("devices/d1/messages/events/", 1, false, "x")); err != nil {
		t.Fatal(err)
	}
	if e := r.events(0, 1)[0]; string(e.Body) != "x" {
		t.Fatalf("the first event is %q", e.Body)
	}
}

func TestOtherProtocolVersionsAreRefusedInWordsOfTheirTime(t *testing.T) {
	r := newRig(t)
	conn, err := net.Dial("tcp", r.addr)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	// CONNECT of MQTT 5: level 5, clean start, keep-alive 60, no properties, client id d1.
	fmt.Fprint(conn, "\x10\x0f\x00\x04MQTT\x05\x02\x00\x3c\x00\x00\x02d1")
	answer, err := io.ReadAll(bufio.NewReader(conn))
	if err != nil || !bytes.Equal(answer, []byte{0x20, 2, 0, 1}) {
		t.Fatalf("got % x, %v; want CONNACK with return code 1 and the end", answer, err)
	}
}
