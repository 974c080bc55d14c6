package conformance

import (
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"azx/test/process"
)

// mosquitto is the command of mosquitto_pub or mosquitto_sub as a device, over TLS. The password is in
// its configuration file, not on the command line, which is shown when a test fails.
func (h *hub) mosquitto(program string, d device, password string, args ...string) process.Command {
	h.t.Helper()
	roots := h.ca
	if roots == "" {
		roots = "/etc/ssl/certs/ca-certificates.crt"
	}
	name, port, err := net.SplitHostPort(h.dial(d.host, h.ports.MQTT))
	if err != nil {
		h.t.Fatal(err)
	}
	return process.Command{
		Name: program,
		Args: append([]string{"-h", name, "-p", port, "--cafile", roots, "-V", "mqttv311", "-q", "1",
			"-i", d.id, "-u", d.host + "/" + d.id + "/?api-version=2021-04-12"}, args...),
		Env: append(os.Environ(), "XDG_CONFIG_HOME="+filepath.Dir(h.file(program, "-P "+password+"\n"))),
	}
}

// password is the device's token.
func (h *hub) password(d device) string { return h.token(d.host+"/devices/"+d.id, d.key, "") }

// topic is where a device sends messages of this test. Their properties are in the topic.
func (h *hub) topic(d device, properties ...string) string {
	return "devices/" + d.id + "/messages/events/" + strings.Join(append(properties, "run="+h.mark), "&")
}

// publish sends a message for each body, which must be one line, over one connection.
func (h *hub) publish(d device, properties []string, bodies ...string) {
	h.t.Helper()
	pub := h.mosquitto("mosquitto_pub", d, h.password(d), "-t", h.topic(d, properties...), "-l")
	fromFile := []string{"-c", `exec "$@" <"$0"`, h.file("lines", strings.Join(bodies, "\n")+"\n"), pub.Name}
	h.succeeds(process.Command{Name: "sh", Args: append(fromFile, pub.Args...), Env: pub.Env})
}

// publishWhole sends one message of any content.
func (h *hub) publishWhole(d device, body string) {
	h.t.Helper()
	h.succeeds(h.mosquitto("mosquitto_pub", d, h.password(d), "-t", h.topic(d), "-f", h.file("body", body)))
}

// file writes a file in a folder of its own.
func (h *hub) file(name, content string) string {
	h.t.Helper()
	name = filepath.Join(h.t.TempDir(), name)
	if err := os.WriteFile(name, []byte(content), 0o600); err != nil {
		h.t.Fatal(err)
	}
	return name
}

// succeeds runs a program to its end and returns what it printed.
func (h *hub) succeeds(c process.Command) string {
	h.t.Helper()
	child := process.Start(h.t, c)
	if code := child.Wait(2 * patience); code != 0 {
		h.t.Fatalf("%s: exit code %d: %s", c.Name, code, child.Stderr())
	}
	return child.Stdout()
}

func TestMosquittoIsRefusedWithoutTheRightPassword(t *testing.T) {
	t.Parallel()
	h := newHub(t)
	d := h.devices(1)[0]
	otherKey := base64Key("another key than the device's")
	for name, password := range map[string]string{
		"a token signed with another key":     h.token(d.host+"/devices/"+d.id, otherKey, ""),
		"a token for another device":          h.token(d.host+"/devices/"+d.id+"x", d.key, ""),
		"a token for a shorter device id":     h.token(d.host+"/devices/"+d.id[:len(d.id)-1], d.key, ""),
		"the key itself instead of a token":   d.key,
		"a token without a signature":         "SharedAccessSignature sr=" + d.host,
		"a token whose audience is a service": h.token(d.host+"/messages/events", d.key, ""),
	} {
		t.Run(name, func(t *testing.T) {
			child := process.Start(t, h.mosquitto("mosquitto_pub", d, password, "-t", h.topic(d), "-m", "refused"))
			// 5 is "not authorized" of MQTT 3.1.1; the real service may simply hang up.
			if code := child.Wait(patience); code == 0 || !h.real && code != 5 {
				t.Errorf("exit code %d, want 5: %s", code, child.Stderr())
			}
		})
	}
}

func TestMosquittoSubscribesToItsOwnTopicsOnly(t *testing.T) {
	t.Parallel()
	h := newHub(t)
	d := h.devices(1)[0]
	for _, v := range []struct {
		name, topic string
		granted     bool
	}{
		{"messages to the device", "devices/" + d.id + "/messages/devicebound/#", true},
		{"answers about its twin", "$iothub/twin/res/#", true},
		{"its methods", "$iothub/methods/POST/#", true},
		{"messages to another device", "devices/" + d.id + "x/messages/devicebound/#", false},
		{"everything", "#", false},
	} {
		t.Run(v.name, func(t *testing.T) {
			// -E: ends as soon as the subscription is answered.
			child := process.Start(t, h.mosquitto("mosquitto_sub", d, h.password(d), "-t", v.topic, "-q", "2", "-E", "-d", "-W", "20"))
			code := child.Wait(patience)
			granted := strings.Contains(child.Stdout(), "Subscribed (mid: 1): 1\n") // QoS 2 is asked, 1 is given
			if granted != v.granted {
				t.Errorf("exit code %d, printed %s%s", code, child.Stdout(), child.Stderr())
			}
		})
	}
}

// TestTwentyThousandMessagesComeOutInOrder sends with one mosquitto_pub and reads one partition with
// azeventhubs, whose default prefetch is far smaller.
func TestTwentyThousandMessagesComeOutInOrder(t *testing.T) {
	t.Parallel()
	const count = 20_000
	h := newHub(t)
	d := h.devices(1)[0]
	client := h.consumer(group)
	partition := h.partitionOf(client, d)
	bodies := make([]string, count)
	for n := range bodies {
		bodies[n] = `{"sequence":` + strconv.Itoa(n) + `}`
	}
	h.publish(d, []string{"part=all"}, bodies...)

	reader := h.reader(client, partition, nil)
	last := int64(-1)
	for n := 0; n < count; {
		for _, e := range h.receive(reader, 1000) {
			if e.Properties["part"] != "all" {
				continue
			}
			if want := bodies[n]; string(e.Body) != want || e.SequenceNumber <= last {
				t.Fatalf("event %d is %s with number %d behind %d, want %s", n, e.Body, e.SequenceNumber, last, want)
			}
			last = e.SequenceNumber
			n++
		}
	}
}
