package mqtt

import (
	"context"
	"encoding/json"
	"errors"
	"net/url"
	"strings"
	"testing"
	"time"

	paho "github.com/eclipse/paho.mqtt.golang"

	"azx/internal/local/iothub"
)

// listen subscribes and returns what arrives.
func (r *rig) listen(client paho.Client, filter string, qos byte) <-chan paho.Message {
	r.Helper()
	arrived := make(chan paho.Message, 100)
	if err := waitFor(client.Subscribe(filter, qos, func(_ paho.Client, m paho.Message) { arrived <- m })); err != nil {
		r.Fatalf("subscribe to %s: %v", filter, err)
	}
	return arrived
}

func (r *rig) next(arrived <-chan paho.Message) paho.Message {
	r.Helper()
	select {
	case m := <-arrived:
		return m
	case <-time.After(patience):
		r.Fatalf("nothing arrives\n%s", r.log)
		return nil
	}
}

// eventually waits for a condition that another goroutine brings about.
func (r *rig) eventually(what string, holds func() bool) {
	r.Helper()
	deadline := time.After(patience)
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	for !holds() {
		select {
		case <-tick.C:
		case <-deadline:
			r.Fatalf("not within %s: %s\n%s", patience, what, r.log)
		}
	}
}

func (r *rig) publish(client paho.Client, topic, body string) {
	r.Helper()
	if err := waitFor(client.Publish(topic, 0, false, body)); err != nil {
		r.Fatal(err)
	}
}

var both = map[string]iothub.ID{"a device": d1, "a module": d1m1}

func TestTheTwinIsReadAndReportedTo(t *testing.T) {
	for name, id := range both {
		t.Run(name, func(t *testing.T) {
			r := newRig(t)
			client := r.connect(r.options(id))
			answers := r.listen(client, filterTwinAnswers, 0)
			if _, err := r.hub.PatchTwin(id, "", iothub.TwinUpdate{Desired: map[string]any{"rate": 5.0}, Tags: map[string]any{"site": "a"}}); err != nil {
				t.Fatal(err)
			}
			r.publish(client, "$iothub/twin/PATCH/properties/reported/?$rid=1", `{"temp":21.50,"gone":null}`)
			if m := r.next(answers); m.Topic() != "$iothub/twin/res/204/?$rid=1&$version=2" || len(m.Payload()) != 0 {
				t.Fatalf("got %s %s", m.Topic(), m.Payload())
			}
			r.publish(client, "$iothub/twin/GET/?$rid=2", "")
			m := r.next(answers)
			want := `{"desired":{"$version":2,"rate":5},"reported":{"$version":2,"temp":21.50}}`
			if m.Topic() != "$iothub/twin/res/200/?$rid=2" || string(m.Payload()) != want {
				t.Fatalf("got %s %s", m.Topic(), m.Payload())
			}
		})
	}
}

func TestABadReportIsRefusedAndTheConnectionStays(t *testing.T) {
	r := newRig(t)
	client := r.connect(r.options(d1))
	answers := r.listen(client, filterTwinAnswers, 0)
	for _, bad := range []string{"[1]", "{", `{"a.b":1}`, `{"$version":1}`} {
		r.publish(client, "$iothub/twin/PATCH/properties/reported/?$rid=1", bad)
		m := r.next(answers)
		if m.Topic() != "$iothub/twin/res/400/?$rid=1" || !strings.Contains(string(m.Payload()), `"errorCode":400004`) {
			t.Fatalf("%s: got %s %s", bad, m.Topic(), m.Payload())
		}
	}
	r.hub.SetLimits(iothub.Limits{Basic: true})
	r.publish(client, "$iothub/twin/GET/?$rid=2", "")
	if m := r.next(answers); m.Topic() != "$iothub/twin/res/403/?$rid=2" || !strings.Contains(string(m.Payload()), "403010") {
		t.Fatalf("Basic tier: got %s %s", m.Topic(), m.Payload())
	}
}

func TestDesiredChangesReachTheirDeviceAlone(t *testing.T) {
	r := newRig(t)
	change := func(id iothub.ID, value string) {
		if _, err := r.hub.PatchTwin(id, "", iothub.TwinUpdate{Desired: map[string]any{"v": value}}); err != nil {
			t.Fatal(err)
		}
	}
	heard := map[iothub.ID]<-chan paho.Message{}
	for _, id := range []iothub.ID{d1, d1m1, {Device: "d2"}} {
		heard[id] = r.listen(r.connect(r.options(id)), filterDesired, 0)
	}
	for id, arrived := range heard {
		change(id, id.String())
		m := r.next(arrived)
		if want := `{"$version":2,"v":"` + id.String() + `"}`; m.Topic() != "$iothub/twin/PATCH/properties/desired/?$version=2" || string(m.Payload()) != want {
			t.Fatalf("%s got %s %s", id, m.Topic(), m.Payload())
		}
	}
}

func TestAMethodIsAnswered(t *testing.T) {
	for name, id := range both {
		t.Run(name, func(t *testing.T) {
			r := newRig(t)
			client := r.connect(r.options(id))
			token := client.Subscribe(filterMethods, 0, func(c paho.Client, m paho.Message) {
				rid := strings.TrimPrefix(m.Topic(), "$iothub/methods/POST/re%20boot/?$rid=")
				c.Publish("$iothub/methods/res/207/?$rid="+rid, 0, false, append([]byte(`{"echo":`), append(m.Payload(), '}')...))
				c.Publish("$iothub/methods/res/500/?$rid="+rid, 0, false, `"a second answer"`)
			})
			if err := waitFor(token); err != nil {
				t.Fatal(err)
			}
			result, err := r.hub.Invoke(context.Background(), id, iothub.MethodCall{Name: "re boot", Payload: json.RawMessage(`{"in":1}`)})
			if err != nil || result.Status != 207 || string(result.Payload) != `{"echo":{"in":1}}` {
				t.Fatalf("got %d %s, %v", result.Status, result.Payload, err)
			}
		})
	}
}

func TestAMethodOfADeviceThatWentIsNotOnline(t *testing.T) {
	r := newRig(t)
	client := r.connect(r.options(d1))
	arrived := r.listen(client, filterMethods, 0)
	failed := make(chan error, 1)
	go func() {
		_, err := r.hub.Invoke(context.Background(), d1, iothub.MethodCall{Name: "m"})
		failed <- err
	}()
	r.next(arrived)
	if !r.hub.Drop(d1) {
		t.Fatal("no connection to drop")
	}
	var refused *iothub.Error
	if err := <-failed; !errors.As(err, &refused) || refused.Code != iothub.DeviceClosed {
		t.Fatalf("got %v", err)
	}
	r.eventually("the device is offline", func() bool { return !r.hub.Presence(d1).Connected })
	if _, err := r.hub.Invoke(context.Background(), d1, iothub.MethodCall{Name: "m"}); !errors.As(err, &refused) || refused.Code != iothub.DeviceNotOnline {
		t.Fatalf("got %v", err)
	}
}

func TestAMessageIsCompleteWhenItIsAcknowledged(t *testing.T) {
	r := newRig(t)
	o := r.options(d1).SetAutoAckDisabled(true)
	client := r.connect(o)
	arrived := r.listen(client, "devices/d1/messages/devicebound/#", 1)
	m := iothub.CloudMessage{Message: iothub.Message{Body: []byte("hi"), MessageID: "m 1", ContentType: "application/json",
		Properties: map[string]string{"a&b": "c=d"}}, Ack: iothub.AckFull, Expires: r.now().Add(time.Hour).UTC().Truncate(time.Second)}
	o2 := m
	o2.MessageID, o2.Ack = "m2", iothub.AckNone
	for _, message := range []iothub.CloudMessage{m, o2} {
		if err := r.hub.SendToDevice(d1, message); err != nil {
			t.Fatal(err)
		}
	}
	got := r.next(arrived)
	want := "devices/d1/messages/devicebound/%24.mid=m%201&%24.to=%2Fdevices%2Fd1%2Fmessages%2Fdevicebound&%24.ct=application%2Fjson" +
		"&%24.exp=" + url.QueryEscape(m.Expires.Format("2006-01-02T15:04:05.000Z")) + "&iothub-ack=full&a%26b=c%3Dd"
	if got.Topic() != want || got.Qos() != 1 || string(got.Payload()) != "hi" {
		t.Fatalf("got %s %s", got.Topic(), got.Payload())
	}
	box, err := r.hub.Outbox(d1)
	if err != nil {
		t.Fatal(err)
	}
	if box.Count() != 2 {
		t.Fatalf("%d messages before the acknowledgement", box.Count())
	}
	got.Ack()
	r.eventually("one message is left", func() bool { return box.Count() == 1 })
	r.next(arrived).Ack()
	r.eventually("no message is left", func() bool { return box.Count() == 0 })
}

func TestWhatWasNotAcknowledgedComesAgainToTheNextConnection(t *testing.T) {
	r := newRig(t)
	first := r.connect(r.options(d1).SetAutoAckDisabled(true))
	arrived := r.listen(first, "devices/d1/messages/devicebound/#", 1)
	for _, body := range []string{"1", "2", "3"} {
		if err := r.hub.SendToDevice(d1, iothub.CloudMessage{Message: iothub.Message{Body: []byte(body)}}); err != nil {
			t.Fatal(err)
		}
	}
	for range 3 {
		r.next(arrived)
	}
	first.Disconnect(0)
	r.eventually("the device is offline", func() bool { return !r.hub.Presence(d1).Connected })
	again := r.listen(r.connect(r.options(d1)), "devices/d1/messages/devicebound/#", 1)
	for _, want := range []string{"1", "2", "3"} {
		if m := r.next(again); string(m.Payload()) != want {
			t.Fatalf("got %s, want %s", m.Payload(), want)
		}
	}
}

func TestAKeptSessionGoesOnWithItsSubscriptions(t *testing.T) {
	r := newRig(t)
	first := r.connect(r.options(d1).SetCleanSession(false))
	r.listen(first, "devices/d1/messages/devicebound/#", 1)
	first.Disconnect(0)
	r.eventually("the device is offline", func() bool { return !r.hub.Presence(d1).Connected })
	arrived := make(chan paho.Message, 1)
	o := r.options(d1).SetCleanSession(false).SetDefaultPublishHandler(func(_ paho.Client, m paho.Message) { arrived <- m })
	r.connect(o)
	if err := r.hub.SendToDevice(d1, iothub.CloudMessage{Message: iothub.Message{Body: []byte("x")}}); err != nil {
		t.Fatal(err)
	}
	if m := r.next(arrived); string(m.Payload()) != "x" {
		t.Fatalf("got %s", m.Payload())
	}
}

func TestUnsubscribingEndsTheSending(t *testing.T) {
	r := newRig(t)
	client := r.connect(r.options(d1))
	r.listen(client, filterMethods, 0)
	if err := waitFor(client.Unsubscribe(filterMethods)); err != nil {
		t.Fatal(err)
	}
	var refused *iothub.Error
	if _, err := r.hub.Invoke(context.Background(), d1, iothub.MethodCall{Name: "m"}); !errors.As(err, &refused) || refused.Code != iothub.DeviceNotOnline {
		t.Fatalf("got %v", err)
	}
}

func TestRemovingADeviceEndsItsConnection(t *testing.T) {
	r := newRig(t)
	o := r.options(d1)
	ended := lost(o)
	r.connect(o)
	if err := r.hub.Registry().Remove(d1); err != nil {
		t.Fatal(err)
	}
	r.awaitLost(ended, "404001")
}

func TestPacketIDsAreUniqueAndBounded(t *testing.T) {
	o := newOutgoing()
	o.lastID = 65_530
	ids := map[uint16]bool{}
	for range maxSent {
		id, err := o.remember("token")
		if err != nil || id == 0 || ids[id] {
			t.Fatalf("got %d, %v", id, err)
		}
		ids[id] = true
	}
	if _, err := o.remember("token"); !errors.Is(err, errUnread) {
		t.Errorf("one more: %v", err)
	}
	if n := len(o.end()); n != maxSent {
		t.Errorf("%d tokens are left", n)
	}
	if _, err := o.remember("token"); !errors.Is(err, errEnded) {
		t.Errorf("after the end: %v", err)
	}
}
