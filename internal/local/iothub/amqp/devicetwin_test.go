package amqp

import (
	"fmt"
	"reflect"
	"strings"
	"testing"

	goamqp "github.com/Azure/go-amqp"

	"azx/internal/local/iothub"
)

// askTwin sends a request about a twin. An empty resource is none.
func (p *plant) askTwin(l *goamqp.Sender, correlation any, operation, resource, body string) {
	p.t.Helper()
	m := &goamqp.Message{
		Annotations: goamqp.Annotations{annotationOperation: operation},
		Properties:  &goamqp.MessageProperties{CorrelationID: correlation},
		Data:        [][]byte{[]byte(body)},
	}
	if resource != "" {
		m.Annotations[annotationResource] = resource
	}
	if err := l.Send(p.ctx, m, nil); err != nil {
		p.t.Fatal(err)
	}
}

func (p *plant) next(l *goamqp.Receiver) *goamqp.Message {
	p.t.Helper()
	m, err := l.Receive(p.ctx, nil)
	if err != nil {
		p.t.Fatal(err)
	}
	return m
}

// twinLinks attaches both twin links, as the SDKs do.
func (p *plant) twinLinks(s *goamqp.Session, id iothub.ID, channel string) (*goamqp.Sender, *goamqp.Receiver) {
	p.t.Helper()
	properties := map[string]any{propertyChannel: "twin:" + channel, "com.microsoft:api-version": "2021-04-12"}
	requests, err := s.NewSender(p.ctx, twinOf(id), &goamqp.SenderOptions{Properties: properties, SettlementMode: goamqp.SenderSettleModeSettled.Ptr()})
	if err != nil {
		p.t.Fatal(err)
	}
	return requests, p.receiver(s, twinOf(id)+"/", &goamqp.ReceiverOptions{Properties: properties, RequestedSenderSettleMode: goamqp.SenderSettleModeSettled.Ptr()})
}

func TestRequestsAboutATwinAreAnswered(t *testing.T) {
	for name, id := range either {
		for _, v := range []struct {
			name, operation, resource, body string
			limits                          iothub.Limits
			status                          int32
			version                         any
			says                            string
		}{
			{"get", "GET", "", " ", iothub.Limits{}, 200, nil, `{"desired":{"$version":2,"rate":5},"reported":{"$version":1}}`},
			{"report", "PATCH", resourceReported, `{"a":{"b":1},"gone":null}`, iothub.Limits{}, 200, int64(2), ""},
			{"report what is no object", "PATCH", resourceReported, `[1]`, iothub.Limits{}, 400, nil, `"errorCode":400004`},
			{"report a name that may not be", "PATCH", resourceReported, `{"a.b":1}`, iothub.Limits{}, 400, nil, `"errorCode":400004`},
			{"patch what is not theirs", "PATCH", "/properties/desired", `{}`, iothub.Limits{}, 400, nil, `"errorCode":400004`},
			{"another operation", "POST", "", ``, iothub.Limits{}, 400, nil, `POST`},
			{"the Basic tier", "GET", "", ``, iothub.Limits{Basic: true}, 403, nil, `"errorCode":403010`},
		} {
			t.Run(name+": "+v.name, func(t *testing.T) {
				p := newPlant(t, iothub.Config{})
				if _, err := p.hub.PatchTwin(id, "", iothub.TwinUpdate{Desired: map[string]any{"rate": 5.0}, Tags: map[string]any{"site": "a"}}); err != nil {
					t.Fatal(err)
				}
				p.hub.SetLimits(v.limits)
				requests, answers := p.twinLinks(p.as(id), id, "1")
				p.askTwin(requests, "c1", v.operation, v.resource, v.body)
				m := p.next(answers)
				if m.Annotations["status"] != v.status || m.Annotations["version"] != v.version || m.Properties.CorrelationID != "c1" {
					t.Errorf("annotations %v, correlation id %v", m.Annotations, m.Properties.CorrelationID)
				}
				if body := string(m.GetData()); !strings.Contains(body, v.says) || (v.says == "") != (body == "") {
					t.Errorf("body %q, want %q", body, v.says)
				}
			})
		}
	}
}

func TestAnswersHaveTheCorrelationIDOfTheirRequest(t *testing.T) {
	p := newPlant(t, iothub.Config{})
	requests, answers := p.twinLinks(p.as(pump), pump, "1")
	for _, id := range []any{"text", uint64(7), goamqp.UUID{1, 2, 3}, []byte{4, 5}, nil} {
		p.askTwin(requests, id, "GET", "", "")
		if m := p.next(answers); !reflect.DeepEqual(m.Properties.CorrelationID, id) {
			t.Errorf("asked with %v, answered with %v", id, m.Properties.CorrelationID)
		}
	}
}

func TestAnswersGoToTheLinkOfTheSameChannel(t *testing.T) {
	p := newPlant(t, iothub.Config{})
	s := p.as(pump)
	ask1, hear1 := p.twinLinks(s, pump, "1")
	ask2, hear2 := p.twinLinks(s, pump, "2")
	p.askTwin(ask1, "one", "GET", "", "")
	p.askTwin(ask2, "two", "GET", "", "")
	for want, l := range map[string]*goamqp.Receiver{"one": hear1, "two": hear2} {
		if m := p.next(l); m.Properties.CorrelationID != want {
			t.Errorf("got %v, want %s", m.Properties.CorrelationID, want)
		}
	}
}

func TestARequestAboutATwinMayComeBeforeTheLinkForItsAnswer(t *testing.T) {
	p := newPlant(t, iothub.Config{})
	s := p.as(pump)
	requests := p.sender(s, twinOf(pump))
	if _, err := requests.SendWithReceipt(p.ctx, &goamqp.Message{Annotations: goamqp.Annotations{annotationOperation: "GET"}, Data: [][]byte{nil}}, nil); err != nil {
		t.Fatal(err)
	}
	if m := p.next(p.receiver(s, twinOf(pump), nil)); m.Annotations["status"] != int32(200) {
		t.Errorf("annotations %v", m.Annotations)
	}
}

func TestChangesOfDesiredPropertiesComeFromPutToDelete(t *testing.T) {
	for name, id := range either {
		t.Run(name, func(t *testing.T) {
			p := newPlant(t, iothub.Config{})
			requests, answers := p.twinLinks(p.as(id), id, "1")
			change := func(n int) {
				if _, err := p.hub.PatchTwin(id, "", iothub.TwinUpdate{Desired: map[string]any{"n": float64(n)}}); err != nil {
					t.Fatal(err)
				}
			}
			heard := func(n int) {
				t.Helper()
				want := fmt.Sprintf(`{"$version":%d,"n":%d}`, n+1, n)
				if m := p.next(answers); string(m.GetData()) != want || m.Properties != nil && m.Properties.CorrelationID != nil {
					t.Errorf("heard %q with %+v, want %q", m.GetData(), m.Properties, want)
				}
			}
			answered := func(correlation string) {
				t.Helper()
				if m := p.next(answers); m.Properties == nil || m.Properties.CorrelationID != correlation || m.Annotations["status"] != int32(200) {
					t.Errorf("got %+v %q, want the answer to %s", m.Properties, m.GetData(), correlation)
				}
			}
			change(1)
			p.askTwin(requests, "put", "PUT", resourceDesired, " ")
			answered("put")
			change(2)
			heard(2)
			p.askTwin(requests, "delete", "DELETE", resourceDesired, " ")
			answered("delete")
			change(3)
			p.askTwin(requests, "again", "PUT", resourceDesired, " ")
			answered("again")
			change(4)
			heard(4)
		})
	}
}

func TestChangesGoToTheirDeviceAlone(t *testing.T) {
	p := newPlant(t, iothub.Config{})
	s := p.as(pump, press, fan)
	all := map[iothub.ID]*goamqp.Receiver{}
	for _, id := range []iothub.ID{pump, press, fan} {
		requests, answers := p.twinLinks(s, id, "1")
		p.askTwin(requests, "put", "PUT", resourceDesired, "")
		p.next(answers)
		all[id] = answers
	}
	for id := range all {
		if _, err := p.hub.PatchTwin(id, "", iothub.TwinUpdate{Desired: map[string]any{"who": id.String()}}); err != nil {
			t.Fatal(err)
		}
	}
	for id, l := range all {
		if m := p.next(l); !strings.Contains(string(m.GetData()), `"`+id.String()+`"`) {
			t.Errorf("%s heard %q", id, m.GetData())
		}
	}
}
