package conformance

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/Azure/go-amqp"

	"azx/internal/local/iothub/control"
	"azx/test/process"
)

// toDevice opens a link of go-amqp that sends messages to devices.
func (h *hub) toDevice() *amqp.Sender {
	h.t.Helper()
	conn := h.amqpConn(h.host(), amqp.ConnOptions{SASLType: amqp.SASLTypeAnonymous()})
	if status := h.putToken(conn, h.host(), h.serviceToken(h.host())); status/100 != 2 {
		h.t.Fatalf("the token is answered with %d", status)
	}
	sender, err := h.session(conn).NewSender(within(h.t), "/messages/devicebound", nil)
	if err != nil {
		h.t.Fatal(err)
	}
	return sender
}

// TestMosquittoGetsMessagesFromTheCloud sends to a device before and while it is connected.
func TestMosquittoGetsMessagesFromTheCloud(t *testing.T) {
	t.Parallel()
	h := localHub(t, "--host", cloudHost)
	d := h.devices(1)[0]
	sender := h.toDevice()
	send := func(n int) {
		t.Helper()
		m := amqp.NewMessage(fmt.Append(nil, "message ", n))
		m.Properties = &amqp.MessageProperties{To: pointer("/devices/" + d.id + "/messages/devicebound"), MessageID: fmt.Sprint("m-", n)}
		m.ApplicationProperties = map[string]any{"line": "a/b & c"}
		if err := sender.Send(within(t), m, nil); err != nil {
			t.Fatal(err)
		}
	}
	send(1)
	send(2)
	child := process.Start(t, h.mosquitto("mosquitto_sub", d, h.password(d), "-t", "devices/"+d.id+"/messages/devicebound/#", "-v", "-C", "3", "-W", "30"))
	child.Until(patience, "the second message is there", func() error {
		if !strings.Contains(child.Stdout(), "message 2\n") {
			return fmt.Errorf("printed %q", child.Stdout())
		}
		return nil
	})
	send(3)
	if code := child.Wait(patience); code != 0 {
		t.Fatalf("mosquitto_sub ended with %d: %s", code, child.Stderr())
	}
	lines := slices.Collect(strings.Lines(child.Stdout()))
	for i, line := range lines {
		topic, body, _ := strings.Cut(strings.TrimSpace(line), " ")
		bag, found := strings.CutPrefix(topic, "devices/"+d.id+"/messages/devicebound/")
		if !found || body != fmt.Sprint("message ", i+1) || !strings.Contains(bag, fmt.Sprint("%24.mid=m-", i+1)) || !strings.Contains(bag, "line=a%2Fb%20%26%20c") {
			t.Errorf("message %d is %q", i+1, line)
		}
	}
	if len(lines) != 3 {
		t.Errorf("%d messages, want 3", len(lines))
	}
	// mosquitto_sub acknowledges before it ends: that completes the messages.
	process.Eventually(t, patience, "nothing waits for the device", func() error {
		states, err := h.controls().States(within(t))
		if err != nil {
			return err
		}
		if i := slices.IndexFunc(states, func(s control.State) bool { return s.Device == d.id }); i < 0 || states[i].Messages != 0 {
			return fmt.Errorf("states %+v", states)
		}
		return nil
	})
}
