package amqp

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	goamqp "github.com/Azure/go-amqp"

	"azx/internal/local/iothub"
)

const (
	toDevices   = "/messages/devicebound"
	feedbackOf  = "/messages/serviceBound/feedback"
	fileNotices = "/messages/serviceBound/filenotifications"
)

func messageTo(to string, properties map[string]any) *goamqp.Message {
	id := any("m1")
	return &goamqp.Message{Properties: &goamqp.MessageProperties{To: &to, MessageID: id}, ApplicationProperties: properties, Data: [][]byte{[]byte("hello")}}
}

func TestServiceLinksAreForWhoMayConnectAsService(t *testing.T) {
	p := newPlant(t, iothub.Config{})
	for policy, allowed := range map[string]bool{"service": true, "iothubowner": true, "device": false, "registryRead": false, "registryReadWrite": false} {
		t.Run(policy, func(t *testing.T) {
			s := p.mustSession(cloud)
			p.putToken(s, cloud, p.hubToken(cloud, policy, time.Hour))
			for _, link := range []struct {
				receives bool
				address  string
			}{{false, toDevices}, {true, feedbackOf}, {true, fileNotices}, {true, "amqps://" + cloud + strings.ToLower(feedbackOf)}} {
				err := p.attach(s, link.receives, link.address)
				if allowed && err != nil {
					t.Errorf("%s: %v", link.address, err)
				}
				if !allowed {
					wantCondition(t, err, goamqp.ErrCondUnauthorizedAccess)
				}
			}
		})
	}
	t.Run("a device", func(t *testing.T) {
		wantCondition(t, p.attach(p.as(pump), false, toDevices), goamqp.ErrCondUnauthorizedAccess)
	})
	t.Run("the wrong way round", func(t *testing.T) {
		wantCondition(t, p.attach(p.asService(), true, toDevices), goamqp.ErrCondNotFound)
		wantCondition(t, p.attach(p.asService(), false, feedbackOf), goamqp.ErrCondNotFound)
	})
	t.Run("a policy with SASL PLAIN", func(t *testing.T) {
		s, err := p.session(cloud, goamqp.SASLTypePlain("service@sas.root.plant1", p.hubToken(cloud, "service", time.Hour)))
		if err != nil {
			t.Fatal(err)
		}
		if err := p.attach(s, false, toDevices); err != nil {
			t.Error(err)
		}
	})
}

func TestAMessageIsInTheDevicesQueueWithAllThatWasSaid(t *testing.T) {
	now := time.Now()
	for _, v := range []struct {
		name    string
		change  func(m *goamqp.Message)
		ack     iothub.Ack
		expires time.Time
	}{
		{"nothing more", func(*goamqp.Message) {}, iothub.AckNone, now.Add(time.Hour)},
		{"an acknowledgement", func(m *goamqp.Message) { m.ApplicationProperties["iothub-ack"] = "Full" }, iothub.AckFull, now.Add(time.Hour)},
		{"an expiry", func(m *goamqp.Message) { at := now.Add(2 * time.Hour); m.Properties.AbsoluteExpiryTime = &at }, iothub.AckNone, now.Add(2 * time.Hour)},
		{"a life", func(m *goamqp.Message) { m.Header = &goamqp.MessageHeader{TTL: time.Minute} }, iothub.AckNone, now.Add(time.Minute)},
		{"an address in full", func(m *goamqp.Message) {
			to := "amqps://" + cloud + "/devices/pump%2D1/messages/deviceBound"
			m.Properties.To = &to
		}, iothub.AckNone, now.Add(time.Hour)},
	} {
		t.Run(v.name, func(t *testing.T) {
			p := newPlant(t, iothub.Config{})
			m := messageTo(deviceBoundOf(pump), map[string]any{"site": "a"})
			v.change(m)
			if err := p.sender(p.asService(), toDevices).Send(p.ctx, m, nil); err != nil {
				t.Fatal(err)
			}
			d, ok := p.outbox().Receive()
			if !ok || string(d.Body) != "hello" || d.MessageID != "m1" || d.Ack != v.ack || len(d.Properties) != 1 || d.Properties["site"] != "a" {
				t.Fatalf("got %+v", d)
			}
			if off := d.Expires.Sub(v.expires); off < -time.Second || off > time.Minute {
				t.Errorf("expires at %v, want %v", d.Expires, v.expires)
			}
		})
	}
}

func TestAMessageThatCannotBeSentIsRejectedForAReason(t *testing.T) {
	p := newPlant(t, iothub.Config{})
	l := p.sender(p.asService(), toDevices)
	far := time.Now().Add(49 * time.Hour)
	late := messageTo(deviceBoundOf(pump), nil)
	late.Properties.AbsoluteExpiryTime = &far
	large := messageTo(deviceBoundOf(pump), nil)
	large.Data = [][]byte{make([]byte, iothub.MaxCloudMessage)}
	for _, v := range []struct {
		name      string
		message   *goamqp.Message
		condition goamqp.ErrCond
		says      string
	}{
		{"no address", goamqp.NewMessage([]byte("x")), goamqp.ErrCond(condArgument), "/messages/devicebound"},
		{"another address", messageTo("/devices/pump-1/messages/events", nil), goamqp.ErrCond(condArgument), "/messages/devicebound"},
		{"no device", messageTo("/devices/nobody/messages/devicebound", nil), goamqp.ErrCondNotFound, "404001"},
		{"a module", messageTo(deviceBoundOf(press), nil), goamqp.ErrCondNotAllowed, "400003"},
		{"an acknowledgement that is none", messageTo(deviceBoundOf(pump), map[string]any{"iothub-ack": "loud"}), goamqp.ErrCond(condArgument), "400004"},
		{"an expiry too far away", late, goamqp.ErrCond(condArgument), "400004"},
		{"too large", large, goamqp.ErrCondMessageSizeExceeded, "413001"},
		{"no data", &goamqp.Message{Value: 1, Properties: late.Properties}, goamqp.ErrCond(condArgument), "takes data"},
	} {
		t.Run(v.name, func(t *testing.T) {
			err := l.Send(p.ctx, v.message, nil)
			wantCondition(t, err, v.condition)
			if err != nil && !strings.Contains(err.Error(), v.says) {
				t.Errorf("error %v, want %q", err, v.says)
			}
		})
	}
	for range iothub.MaxQueued {
		if err := l.Send(p.ctx, messageTo(deviceBoundOf(fan), nil), nil); err != nil {
			t.Fatal(err)
		}
	}
	err := l.Send(p.ctx, messageTo(deviceBoundOf(fan), nil), nil)
	wantCondition(t, err, goamqp.ErrCondResourceLimitExceeded)
	if err == nil || !strings.Contains(err.Error(), "403004") {
		t.Errorf("a full queue: %v", err)
	}
}

func TestFeedbackGoesToOneOfItsReadersUntilItIsSettled(t *testing.T) {
	p := newPlant(t, iothub.Config{FeedbackDelay: time.Millisecond})
	s := p.asService()
	first := p.receiver(s, feedbackOf, nil)
	p.tell(iothub.CloudMessage{Ack: iothub.AckFull, Message: iothub.Message{MessageID: "m1"}})
	d, _ := p.outbox().Receive()
	if err := p.outbox().Complete(d.LockToken); err != nil {
		t.Fatal(err)
	}
	wantOne := func(m *goamqp.Message, deliveries uint32) {
		t.Helper()
		var records []map[string]string
		if err := json.Unmarshal(m.GetData(), &records); err != nil || len(records) != 1 || records[0]["originalMessageId"] != "m1" ||
			records[0]["statusCode"] != "Success" || records[0]["deviceId"] != "pump-1" {
			t.Errorf("body %s (%v)", m.GetData(), err)
		}
		at, ok := m.Annotations["iothub-enqueuedtime"].(time.Time)
		if *m.Properties.ContentType != typeFeedback || string(m.Properties.UserID) != "plant1" || !ok || time.Since(at) > time.Minute || m.Header.DeliveryCount != deliveries {
			t.Errorf("message %+v %v", m.Properties, m.Annotations)
		}
	}
	m := p.next(first)
	wantOne(m, 0)
	if err := first.ReleaseMessage(p.ctx, m); err != nil {
		t.Fatal(err)
	}
	wantOne(p.next(first), 1)
	if err := first.Close(p.ctx); err != nil { // unsettled: it is there for others, and not counted
		t.Fatal(err)
	}
	second := p.receiver(p.asService(), feedbackOf, nil)
	m = p.next(second)
	wantOne(m, 1)
	if err := second.RejectMessage(p.ctx, m, nil); err != nil {
		t.Fatal(err)
	}
	p.eventually("it is gone", func() bool {
		_, there := p.hub.Feedback().Receive()
		return !there
	})
}
