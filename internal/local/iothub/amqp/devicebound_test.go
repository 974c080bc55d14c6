package amqp

import (
	"context"
	"fmt"
	"reflect"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	goamqp "github.com/Azure/go-amqp"

	"azx/internal/amqp10"
	"azx/internal/local/iothub"
)

// tell sends a message to pump-1.
func (p *plant) tell(m iothub.CloudMessage) {
	p.t.Helper()
	if err := p.hub.SendToDevice(pump, m); err != nil {
		p.t.Fatal(err)
	}
}

func (p *plant) outbox() *iothub.Outbox {
	p.t.Helper()
	box, err := p.hub.Outbox(pump)
	if err != nil {
		p.t.Fatal(err)
	}
	return box
}

func TestAMessageFromTheCloudHasTheAnnotationsAndPropertiesOfTheHub(t *testing.T) {
	p := newPlant(t, iothub.Config{})
	expires := time.Now().Add(time.Hour).Truncate(time.Millisecond)
	p.tell(iothub.CloudMessage{Ack: iothub.AckFull, Expires: expires, Message: iothub.Message{
		Body: []byte("hello"), MessageID: "m1", CorrelationID: "c1", UserID: "me", ContentType: "text/plain", ContentEncoding: "utf-8",
		Properties: map[string]string{"b": "2", "a": "1"},
	}})
	p.tell(iothub.CloudMessage{})
	l := p.receiver(p.as(pump), deviceBoundOf(pump), &goamqp.ReceiverOptions{Credit: 10})
	m, err := l.Receive(p.ctx, nil)
	if err != nil {
		t.Fatal(err)
	}
	text := func(s *string) string {
		if s == nil {
			return "nil"
		}
		return *s
	}
	its := m.Properties
	if string(m.GetData()) != "hello" || its.MessageID != "m1" || its.CorrelationID != "c1" || string(its.UserID) != "me" ||
		text(its.ContentType) != "text/plain" || text(its.ContentEncoding) != "utf-8" || text(its.To) != deviceBoundOf(pump) ||
		!its.AbsoluteExpiryTime.Equal(expires) {
		t.Errorf("properties %+v, body %q", its, m.GetData())
	}
	if want := map[string]any{"iothub-ack": "full", "a": "1", "b": "2"}; !reflect.DeepEqual(m.ApplicationProperties, want) {
		t.Errorf("application properties %v, want %v", m.ApplicationProperties, want)
	}
	at, ok := m.Annotations["iothub-enqueuedtime"].(time.Time)
	if m.Annotations["x-opt-sequence-number"] != uint64(1) || m.Annotations["iothub-deliverycount"] != uint8(0) || !ok || time.Since(at) > time.Minute {
		t.Errorf("annotations %v", m.Annotations)
	}
	if len(m.DeliveryTag) != 16 {
		t.Errorf("delivery tag %q: the .NET SDK wants 16 bytes", m.DeliveryTag)
	}
	if m, err = l.Receive(p.ctx, nil); err != nil || m.Properties.MessageID != nil || m.ApplicationProperties != nil || m.Properties.UserID != nil {
		t.Errorf("a message that says nothing has %+v %v (%v)", m.Properties, m.ApplicationProperties, err)
	}
}

func TestTheDeviceSettlesItsMessages(t *testing.T) {
	for _, v := range []struct {
		name   string
		settle func(context.Context, *goamqp.Receiver, *goamqp.Message) error
		again  int // delivery count with which it comes again; -1: it does not
		told   iothub.Outcome
	}{
		{"accepted completes", func(ctx context.Context, l *goamqp.Receiver, m *goamqp.Message) error { return l.AcceptMessage(ctx, m) }, -1, iothub.Success},
		{"rejected rejects", func(ctx context.Context, l *goamqp.Receiver, m *goamqp.Message) error {
			return l.RejectMessage(ctx, m, nil)
		}, -1, iothub.Rejected},
		{"released abandons", func(ctx context.Context, l *goamqp.Receiver, m *goamqp.Message) error {
			return l.ReleaseMessage(ctx, m)
		}, 1, ""},
		{"failed abandons", func(ctx context.Context, l *goamqp.Receiver, m *goamqp.Message) error {
			return l.ModifyMessage(ctx, m, &goamqp.ModifyMessageOptions{DeliveryFailed: true})
		}, 1, ""},
		{"undeliverable rejects", func(ctx context.Context, l *goamqp.Receiver, m *goamqp.Message) error {
			return l.ModifyMessage(ctx, m, &goamqp.ModifyMessageOptions{UndeliverableHere: true})
		}, -1, iothub.Rejected},
		{"modified gives it back uncounted", func(ctx context.Context, l *goamqp.Receiver, m *goamqp.Message) error {
			return l.ModifyMessage(ctx, m, nil)
		}, 0, ""},
	} {
		for _, mode := range []goamqp.ReceiverSettleMode{goamqp.ReceiverSettleModeFirst, goamqp.ReceiverSettleModeSecond} {
			t.Run(v.name+", mode "+mode.String(), func(t *testing.T) {
				p := newPlant(t, iothub.Config{FeedbackDelay: time.Millisecond})
				p.tell(iothub.CloudMessage{Ack: iothub.AckFull, Message: iothub.Message{MessageID: "m1"}})
				l := p.receiver(p.as(pump), deviceBoundOf(pump), &goamqp.ReceiverOptions{SettlementMode: &mode})
				m, err := l.Receive(p.ctx, nil)
				if err == nil {
					err = v.settle(p.ctx, l, m)
				}
				if err != nil {
					t.Fatal(err)
				}
				if v.again >= 0 {
					m, err := l.Receive(p.ctx, nil)
					if err != nil || m.Header.DeliveryCount != uint32(v.again) || m.Annotations["iothub-deliverycount"] != uint8(v.again) {
						t.Fatalf("%+v (%v)", m, err)
					}
					return
				}
				p.eventually("there is feedback", func() bool {
					b, there := p.hub.Feedback().Receive()
					if there && (len(b.Records) != 1 || b.Records[0].StatusCode != v.told) {
						t.Errorf("feedback %+v", b.Records)
					}
					return there
				})
				if n := p.outbox().Count(); n != 0 {
					t.Errorf("%d messages left", n)
				}
			})
		}
	}
}

func TestAMessageSentSettledIsComplete(t *testing.T) {
	p := newPlant(t, iothub.Config{})
	p.tell(iothub.CloudMessage{})
	l := p.receiver(p.as(pump), deviceBoundOf(pump), &goamqp.ReceiverOptions{RequestedSenderSettleMode: goamqp.SenderSettleModeSettled.Ptr()})
	if _, err := l.Receive(p.ctx, nil); err != nil {
		t.Fatal(err)
	}
	p.eventually("the queue is empty", func() bool { return p.outbox().Count() == 0 })
}

func TestWhoSettlesTooLateIsToldSo(t *testing.T) {
	var late atomic.Int64
	p := newPlant(t, iothub.Config{Clock: func() time.Time { return time.Now().Add(time.Duration(late.Load())) }})
	p.tell(iothub.CloudMessage{})
	l := p.receiver(p.as(pump), deviceBoundOf(pump), &goamqp.ReceiverOptions{SettlementMode: goamqp.ReceiverSettleModeSecond.Ptr(), Credit: -1})
	if err := l.IssueCredit(1); err != nil {
		t.Fatal(err)
	}
	m, err := l.Receive(p.ctx, nil)
	if err != nil {
		t.Fatal(err)
	}
	late.Store(int64(61 * time.Second))
	wantCondition(t, l.AcceptMessage(p.ctx, m), goamqp.ErrCond(condLockLost))
	if err := l.IssueCredit(1); err != nil {
		t.Fatal(err)
	}
	if m, err = l.Receive(p.ctx, nil); err != nil {
		t.Fatal(err)
	}
	if err := l.AcceptMessage(p.ctx, m); err != nil {
		t.Errorf("in time: %v", err)
	}
}

func TestWhatTheDeviceHasWhenItLeavesIsFreeAtOnce(t *testing.T) {
	for name, leave := range map[string]func(p *plant, l *goamqp.Receiver){
		"it detaches":            func(p *plant, l *goamqp.Receiver) { _ = l.Close(p.ctx) },
		"its connection is gone": func(p *plant, _ *goamqp.Receiver) { p.hub.Drop(pump) },
		"it connects once more":  func(p *plant, _ *goamqp.Receiver) { p.sender(p.as(pump), events(pump)) },
	} {
		t.Run(name, func(t *testing.T) {
			p := newPlant(t, iothub.Config{})
			l := p.receiver(p.as(pump), deviceBoundOf(pump), &goamqp.ReceiverOptions{Credit: 10})
			for n := range 3 {
				p.tell(iothub.CloudMessage{Message: iothub.Message{Body: fmt.Append(nil, n)}})
				if _, err := l.Receive(p.ctx, nil); err != nil {
					t.Fatal(err)
				}
			}
			leave(p, l)
			for n := range 3 {
				d, err := p.outbox().Next(p.ctx)
				if err != nil || string(d.Body) != fmt.Sprint(n) || d.DeliveryCount != 0 {
					t.Fatalf("message %d: %q, delivered %d times before, %v", n, d.Body, d.DeliveryCount, err)
				}
			}
		})
	}
}

func TestAMessageIsLockedOnlyForWhoWantsOne(t *testing.T) {
	p := newPlant(t, iothub.Config{})
	p.tell(iothub.CloudMessage{})
	l := p.receiver(p.as(pump), deviceBoundOf(pump), &goamqp.ReceiverOptions{Credit: -1})
	d, ok := p.outbox().Receive()
	if !ok {
		t.Fatal("it is locked for a link without credit")
	}
	if err := p.outbox().Release(d.LockToken); err != nil {
		t.Fatal(err)
	}
	if err := l.IssueCredit(1); err != nil {
		t.Fatal(err)
	}
	if _, err := l.Receive(p.ctx, nil); err != nil {
		t.Fatal(err)
	}
}

func TestAPeerThatTookItsCreditBackLeavesTheMessage(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPlantInMemory(t)
		l := p.receiver(p.as(pump), deviceBoundOf(pump), &goamqp.ReceiverOptions{Credit: -1})
		if err := l.IssueCredit(1); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		if err := l.DrainCredit(p.ctx, nil); err != nil {
			t.Fatal(err)
		}
		p.tell(iothub.CloudMessage{Message: iothub.Message{Body: []byte("x")}})
		synctest.Wait()
		if _, free := p.outbox().Receive(); free {
			t.Fatal("nobody has taken the message for the link")
		}
		told := time.Now()
		d, err := p.outbox().Next(p.ctx)
		if err != nil || string(d.Body) != "x" || d.DeliveryCount != 0 || time.Since(told) != handWithin {
			t.Errorf("%q after %s, delivered %d times before, %v", d.Body, time.Since(told), d.DeliveryCount, err)
		}
	})
}

func TestALinkHoldsABoundedNumberOfMessages(t *testing.T) {
	h := &holder{held: map[string]struct{}{}}
	for n := range maxHeld {
		if !h.hold(fmt.Sprint(n)) {
			t.Fatalf("no room for message %d", n)
		}
	}
	if h.hold("one more") {
		t.Error("there is room for one more")
	}
	h.drop("7")
	if !h.hold("one more") {
		t.Error("there is no room in place of one that was settled")
	}
}

func TestConditionsAreThoseTheSDKsTranslate(t *testing.T) {
	for code, want := range map[iothub.Code]amqp10.Symbol{
		iothub.ArgumentInvalid: "com.microsoft:argument-error", iothub.InvalidOperation: "amqp:not-allowed",
		iothub.NotInThisTier: "amqp:not-allowed", iothub.ConnectionReplaced: "amqp:link:stolen", iothub.LinkConflict: "amqp:link:stolen",
		iothub.UnauthorizedAccess: "amqp:unauthorized-access", iothub.Unauthorized: "amqp:unauthorized-access",
		iothub.QuotaExceeded: "com.microsoft:quota-exceeded", iothub.QueueDepthExceeded: "amqp:resource-limit-exceeded",
		iothub.DeviceNotFound: "amqp:not-found", iothub.ModuleNotFound: "amqp:not-found", iothub.DeviceNotOnline: "amqp:not-found",
		iothub.DeviceExists: "com.microsoft:device-already-exists", iothub.PreconditionFailed: "com.microsoft:precondition-failed",
		iothub.MessageLockLost: "com.microsoft:message-lock-lost", iothub.MessageTooLarge: "amqp:link:message-size-exceeded",
		iothub.Throttled: "com.microsoft:device-container-throttled", iothub.ServiceUnavailable: "com.microsoft:timeout",
		iothub.GatewayTimeout: "com.microsoft:timeout", iothub.ServerError: "amqp:internal-error",
	} {
		if got := conditionOf(code); got != want {
			t.Errorf("%d %s is %s, want %s", code, code.Name(), got, want)
		}
	}
	p := newPlant(t, iothub.Config{})
	e := refusal(p.hub, fmt.Errorf("send: %w", iothub.ErrNotFound))
	if e.Condition != "amqp:not-found" || !strings.Contains(e.Description, `"errorCode":404001`) {
		t.Errorf("refusal %+v", e)
	}
	if again := refusal(p.hub, fmt.Errorf("wrapped: %w", e)); again != e {
		t.Errorf("an AMQP error became %+v", again)
	}
}
