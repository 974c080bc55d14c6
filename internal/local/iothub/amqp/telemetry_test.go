package amqp

import (
	"fmt"
	"reflect"
	"strings"
	"testing"

	goamqp "github.com/Azure/go-amqp"

	"azx/internal/amqp10"
	"azx/internal/local/iothub"
)

// logged are the events of the one partition.
func (p *plant) logged() []*iothub.Event {
	p.t.Helper()
	from, err := p.hub.Seek(0, iothub.Earliest())
	if err != nil {
		p.t.Fatal(err)
	}
	if info, err := p.hub.PartitionInfo(0); err != nil || info.Empty {
		return nil
	}
	all, _, err := p.hub.Read(p.ctx, 0, from, 1000)
	if err != nil {
		p.t.Fatal(err)
	}
	return all
}

func TestTelemetryHasAllThatTheDeviceSays(t *testing.T) {
	for name, id := range either {
		t.Run(name, func(t *testing.T) {
			p := newPlant(t, iothub.Config{})
			l, err := p.as(id).NewSender(p.ctx, events(id), &goamqp.SenderOptions{Properties: map[string]any{propertyModel: "dtmi:press;1"}})
			if err != nil {
				t.Fatal(err)
			}
			to, about, kind, coding := events(id), any("about"), "application/json", "utf-8"
			uuid := goamqp.UUID{0: 0x0b, 6: 0x4a, 8: 0x9a, 15: 0x5f}
			m := &goamqp.Message{
				Properties: &goamqp.MessageProperties{MessageID: uuid, CorrelationID: about, To: &to, ContentType: &kind, ContentEncoding: &coding, UserID: []byte("me")},
				ApplicationProperties: map[string]any{"n": int32(7), "on": true, "iothub-outputname": "out1",
					"iothub-creation-time-utc": "2026-01-02T03:04:05Z"},
				Annotations: goamqp.Annotations{"iothub-interface-id": "i1", "dt-subject": "thermostat", "else": 1},
				Data:        [][]byte{[]byte(`{"a":`), []byte(`1}`)},
			}
			if err := l.Send(p.ctx, m, nil); err != nil {
				t.Fatal(err)
			}
			got := p.logged()
			if len(got) != 1 {
				t.Fatalf("%d events", len(got))
			}
			want := iothub.Message{
				Body: []byte(`{"a":1}`), MessageID: "0b000000-0000-4a00-9a00-00000000005f", CorrelationID: "about", To: to, UserID: "me",
				ContentType: kind, ContentEncoding: coding, OutputName: "out1", Subject: "thermostat", InterfaceID: "i1", DataSchema: "dtmi:press;1",
				Properties: map[string]string{"n": "7", "on": "true", "iothub-creation-time-utc": "2026-01-02T03:04:05Z"},
			}
			if !reflect.DeepEqual(got[0].Message, want) || got[0].From != id || got[0].Source != iothub.SourceTelemetry {
				t.Errorf("got %+v from %v\nwant %+v", got[0].Message, got[0].From, want)
			}
		})
	}
}

func TestManyMessagesAreInTheLogInTheirOrder(t *testing.T) {
	p := newPlant(t, iothub.Config{})
	l := p.sender(p.as(pump), events(pump))
	const count = 500
	receipts := make([]goamqp.SendReceipt, count)
	for n := range receipts {
		var err error
		if receipts[n], err = l.SendWithReceipt(p.ctx, goamqp.NewMessage([]byte(fmt.Sprint(n))), nil); err != nil {
			t.Fatal(err)
		}
	}
	for n, receipt := range receipts {
		if state, err := receipt.Wait(p.ctx); err != nil || reflect.TypeOf(state) != reflect.TypeFor[*goamqp.StateAccepted]() {
			t.Fatalf("message %d: %v, %v", n, state, err)
		}
	}
	all := p.logged()
	for n, e := range all {
		if string(e.Body) != fmt.Sprint(n) {
			t.Fatalf("event %d is %q", n, e.Body)
		}
	}
	if len(all) != count {
		t.Errorf("%d events", len(all))
	}
}

func TestABatchIsManyEvents(t *testing.T) {
	p := newPlant(t, iothub.Config{})
	l := p.sender(p.as(press), events(press))
	batch := func(n int) *goamqp.Message {
		m := &goamqp.Message{Format: formatBatch}
		for i := range n {
			m.Data = append(m.Data, amqp10.AppendMessage(nil, &amqp10.Message{
				ApplicationProperties: amqp10.Map{{Key: propertyOutput, Value: "out1"}}, Data: [][]byte{[]byte(fmt.Sprint(i))}}))
		}
		return m
	}
	if err := l.Send(p.ctx, batch(500), nil); err != nil {
		t.Fatal(err)
	}
	all := p.logged()
	if len(all) != 500 || string(all[499].Body) != "499" || all[499].OutputName != "out1" || all[499].From != press {
		t.Errorf("%d events, the last is %+v", len(all), all[len(all)-1])
	}
	wantCondition(t, l.Send(p.ctx, batch(501), nil), goamqp.ErrCond(condArgument))
	if n := len(p.logged()); n != 500 {
		t.Errorf("%d events after too large a batch", n)
	}
}

func TestTelemetryIsRejectedForAReason(t *testing.T) {
	for _, v := range []struct {
		name      string
		limits    iothub.Limits
		fault     int
		message   *goamqp.Message
		condition goamqp.ErrCond
		says      string
	}{
		{"too large", iothub.Limits{}, 0, goamqp.NewMessage(make([]byte, iothub.MaxMessageSize+1)), goamqp.ErrCondMessageSizeExceeded, "413001"},
		{"the day's quota", iothub.Limits{DailyMessages: 1}, 0, goamqp.NewMessage(make([]byte, 5000)), goamqp.ErrCond(condQuota), "403002"},
		{"throttled", iothub.Limits{}, 429, goamqp.NewMessage(nil), goamqp.ErrCond(condThrottled), "429001"},
		{"busy", iothub.Limits{}, 503, goamqp.NewMessage(nil), goamqp.ErrCond(condTimeout), "503"},
		{"a body that is no data", iothub.Limits{}, 0, &goamqp.Message{Value: "text"}, goamqp.ErrCond(condArgument), "takes data"},
		{"a property that is a list", iothub.Limits{}, 0,
			&goamqp.Message{Data: [][]byte{nil}, ApplicationProperties: map[string]any{"p": []byte{1}}}, goamqp.ErrCond(condArgument), `"p"`},
	} {
		t.Run(v.name, func(t *testing.T) {
			p := newPlant(t, iothub.Config{})
			l := p.sender(p.as(pump), events(pump))
			p.hub.SetLimits(v.limits)
			if v.fault != 0 {
				if err := p.hub.SetFaults(iothub.Fault{Operation: iothub.OpTelemetry, Status: v.fault}); err != nil {
					t.Fatal(err)
				}
			}
			err := l.Send(p.ctx, v.message, nil)
			wantCondition(t, err, v.condition)
			if err != nil && !strings.Contains(err.Error(), v.says) {
				t.Errorf("error %v, want %q", err, v.says)
			}
			p.hub.SetLimits(iothub.Limits{})
			if err := l.Send(p.ctx, goamqp.NewMessage([]byte("good")), nil); err != nil {
				t.Errorf("the link is of no use any more: %v", err)
			}
			if all := p.logged(); len(all) != 1 || string(all[0].Body) != "good" {
				t.Errorf("%d events", len(all))
			}
		})
	}
}
