package amqp

import (
	"context"
	"encoding/json"
	"testing"
	"time"

	goamqp "github.com/Azure/go-amqp"

	"azx/internal/local/iothub"
)

// invocation is a call of a method under way.
type invocation struct {
	result iothub.MethodResult
	err    error
}

func (p *plant) invoke(id iothub.ID, name, payload string) <-chan invocation {
	done := make(chan invocation, 1)
	go func() {
		var i invocation
		i.result, i.err = p.hub.Invoke(p.ctx, id, iothub.MethodCall{Name: name, Payload: json.RawMessage(payload)})
		done <- i
	}()
	return done
}

func (p *plant) answer(l *goamqp.Sender, correlation, status any, body string) error {
	m := &goamqp.Message{
		Properties:            &goamqp.MessageProperties{CorrelationID: correlation},
		ApplicationProperties: map[string]any{propertyStatus: status},
		Data:                  [][]byte{[]byte(body)},
	}
	return l.Send(p.ctx, m, nil)
}

func TestAMethodIsAnswered(t *testing.T) {
	for name, id := range either {
		for kind, correlation := range map[string]func(goamqp.UUID) any{
			"with the UUID": func(id goamqp.UUID) any { return id },
			"with its text": func(id goamqp.UUID) any { return id.String() },
		} {
			t.Run(name+" "+kind, func(t *testing.T) {
				p := newPlant(t, iothub.Config{})
				s := p.as(id)
				answers, calls := p.sender(s, methodsOf(id)), p.receiver(s, methodsOf(id), nil)
				done := p.invoke(id, "re boot", `{"in":1}`)
				m := p.next(calls)
				call, ok := m.Properties.CorrelationID.(goamqp.UUID)
				if !ok || m.ApplicationProperties[propertyMethod] != "re boot" || string(m.GetData()) != `{"in":1}` {
					t.Fatalf("call %+v %v %q", m.Properties, m.ApplicationProperties, m.GetData())
				}
				if version, variant := call[6]>>4, call[8]>>6; version != 4 || variant != 2 {
					t.Errorf("correlation id %v is no valid UUID", call)
				}
				if err := p.answer(answers, correlation(call), int32(207), `{"out":2}`); err != nil {
					t.Fatal(err)
				}
				if got := <-done; got.err != nil || got.result.Status != 207 || string(got.result.Payload) != `{"out":2}` {
					t.Errorf("result %d %s, %v", got.result.Status, got.result.Payload, got.err)
				}
				if err := p.answer(answers, correlation(call), int32(500), `"twice"`); err != nil {
					t.Errorf("a second answer: %v", err)
				}
			})
		}
	}
}

func TestAnswersThatAreNoneAreRejected(t *testing.T) {
	p := newPlant(t, iothub.Config{})
	s := p.as(pump)
	answers, calls := p.sender(s, methodsOf(pump)), p.receiver(s, methodsOf(pump), nil)
	done := p.invoke(pump, "m", "")
	call := p.next(calls).Properties.CorrelationID
	for name, status := range map[string]any{"no number": "fine", "a list": []byte{1}, "nothing": nil} {
		t.Run(name, func(t *testing.T) {
			wantCondition(t, p.answer(answers, call, status, "1"), goamqp.ErrCondInvalidField)
		})
	}
	wantCondition(t, answers.Send(p.ctx, goamqp.NewMessage([]byte("1")), nil), goamqp.ErrCondInvalidField)
	if err := p.answer(answers, call, "200", "1"); err != nil { // a number as text will do
		t.Fatal(err)
	}
	if got := <-done; got.err != nil || got.result.Status != 200 {
		t.Errorf("result %+v", got)
	}
}

func TestADeviceTakesMethodsAsLongAsItsLinkLasts(t *testing.T) {
	p := newPlant(t, iothub.Config{})
	s := p.as(pump)
	p.sender(s, events(pump))
	offline := func() bool {
		_, err := p.hub.Invoke(p.ctx, pump, iothub.MethodCall{Name: "m", ResponseTimeout: 5 * time.Second})
		return err != nil && iothub.AsError(err).Code == iothub.DeviceNotOnline
	}
	if !offline() {
		t.Error("a device without the link takes methods")
	}
	calls := p.receiver(s, methodsOf(pump), nil)
	done := p.invoke(pump, "m", "")
	p.next(calls)
	if err := calls.Close(p.ctx); err != nil {
		t.Fatal(err)
	}
	p.eventually("a device whose link is gone takes no methods", offline)
	p.hub.Drop(pump)
	if got := <-done; iothub.AsError(got.err) == nil || iothub.AsError(got.err).Code != iothub.DeviceClosed {
		t.Errorf("the call under way: %+v", got)
	}
}

func TestAMethodReachesTheNewestLink(t *testing.T) {
	p := newPlant(t, iothub.Config{})
	s := p.as(pump)
	older, newer := p.receiver(s, methodsOf(pump), nil), p.receiver(s, methodsOf(pump), nil)
	answers := p.sender(s, methodsOf(pump))
	done := p.invoke(pump, "m", "")
	if err := p.answer(answers, p.next(newer).Properties.CorrelationID, int32(200), "1"); err != nil {
		t.Fatal(err)
	}
	if got := <-done; got.err != nil {
		t.Error(got.err)
	}
	over, cancel := context.WithCancel(p.ctx)
	cancel()
	if m, err := older.Receive(over, nil); err == nil {
		t.Errorf("the older link got %q", m.GetData())
	}
}
