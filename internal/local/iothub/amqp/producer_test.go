package amqp

import (
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	goamqp "github.com/Azure/go-amqp"

	"azx/internal/local/iothub"
)

// sender opens a link to an address of the event hub with a token of the policy that is good for as long as valid.
func (f *fixture) sender(address, policy string, valid time.Duration) (*goamqp.Sender, error) {
	f.t.Helper()
	names := f.hub.Names()
	session := f.mustSession(names.Namespace)
	p, _ := f.hub.Policy(policy)
	resource := names.Namespace + "/" + address
	token := iothub.SignEventHubToken(resource, policy, p.PrimaryKey, f.hub.Now().Add(valid))
	if status, text := f.putToken(session, "amqps://"+resource, token); status != 202 {
		f.t.Fatalf("put token: %d %s", status, text)
	}
	return session.NewSender(f.ctx, address, nil)
}

func TestWhoMaySendAndWhere(t *testing.T) {
	f := newFixture(t, iothub.Config{Host: cloud})
	eventHub := f.hub.Names().EventHub
	for _, v := range []struct {
		name, address, policy string
		want                  goamqp.ErrCond
	}{
		{"the owner to the event hub", eventHub, "iothubowner", ""},
		{"the owner to a partition", eventHub + "/Partitions/3", "iothubowner", ""},
		{"the owner to a partition that is not there", eventHub + "/Partitions/4", "iothubowner", goamqp.ErrCondNotFound},
		{"the owner to a consumer group", eventHub + "/ConsumerGroups/azx", "iothubowner", goamqp.ErrCondNotFound},
		{"the owner to another name", "other", "iothubowner", goamqp.ErrCondNotFound},
		{"a policy that reads", eventHub, "service", goamqp.ErrCondUnauthorizedAccess},
	} {
		t.Run(v.name, func(t *testing.T) {
			_, err := f.sender(v.address, v.policy, time.Hour)
			if v.want == "" && err != nil {
				t.Errorf("refused: %v", err)
			}
			if v.want != "" {
				wantCondition(t, err, v.want)
			}
		})
	}
}

func TestWhatIsSentIsInTheLogOrRejectedForAReason(t *testing.T) {
	f := newFixture(t, iothub.Config{Host: cloud})
	sender, err := f.sender(f.hub.Names().EventHub+"/Partitions/2", "iothubowner", time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	for _, v := range []struct {
		name    string
		message *goamqp.Message
		want    string // in the reason; "" is accepted
	}{
		{"data with properties of every kind of scalar", &goamqp.Message{Data: [][]byte{[]byte("one "), []byte("body")}, ApplicationProperties: map[string]any{
			"text": "a", "number": int32(-7), "real": 0.5, "flag": true, "time": time.UnixMilli(1500).UTC(), "none": nil,
		}}, ""},
		{"no body at all", &goamqp.Message{Properties: &goamqp.MessageProperties{MessageID: uint64(12)}}, ""},
		{"a value as the body", &goamqp.Message{Value: "text"}, "takes data"},
		{"a binary property", &goamqp.Message{Data: [][]byte{nil}, ApplicationProperties: map[string]any{"raw": []byte("x")}}, `property "raw"`},
		{"a binary message id", &goamqp.Message{Data: [][]byte{nil}, Properties: &goamqp.MessageProperties{MessageID: []byte{1}}}, "message id"},
		{"more than a hub takes", &goamqp.Message{Data: [][]byte{make([]byte, iothub.MaxMessageSize+1)}}, "larger than"},
		{"a batch of something else", &goamqp.Message{Format: formatBatch, Data: [][]byte{[]byte("nonsense")}}, "event 0 of the batch"},
		{"a batch with one bad event", &goamqp.Message{Format: formatBatch, Data: [][]byte{encoded(t, "good"), []byte("nonsense")}}, "event 1 of the batch"},
	} {
		t.Run(v.name, func(t *testing.T) {
			err := sender.Send(f.ctx, v.message, nil)
			if v.want == "" && err != nil || v.want != "" && (err == nil || !strings.Contains(err.Error(), v.want)) {
				t.Errorf("got %v, want %q", err, v.want)
			}
		})
	}
	events, _, _, err := f.hub.Poll(2, 0, 10)
	if err != nil || len(events) != 2 {
		t.Fatalf("the log has %d events (%v), want the two that were accepted", len(events), err)
	}
	got := fmt.Sprintf("%s %s %v", events[0].Body, events[1].MessageID, events[0].Properties)
	if want := "one body 12 map[flag:true none: number:-7 real:0.5 text:a time:1970-01-01T00:00:01.5Z]"; got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
	if events[0].From != (iothub.ID{}) || events[0].Source != "" || len(f.hub.Accepted()) != 0 {
		t.Errorf("it counts as from %v, source %q", events[0].From, events[0].Source)
	}
}

func encoded(t *testing.T, body string) []byte {
	t.Helper()
	b, err := (&goamqp.Message{Data: [][]byte{[]byte(body)}}).MarshalBinary()
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func TestAProducerEndsWithItsToken(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newPlantInMemory(t).fixture
		sender, err := f.sender(f.hub.Names().EventHub, "iothubowner", time.Minute)
		if err != nil {
			t.Fatal(err)
		}
		message := goamqp.NewMessage([]byte("x"))
		<-time.After(time.Minute - 1)
		if err := sender.Send(f.ctx, message, nil); err != nil {
			t.Errorf("at the last moment: %v", err)
		}
		<-time.After(1)
		synctest.Wait()
		wantCondition(t, sender.Send(f.ctx, message, nil), goamqp.ErrCondUnauthorizedAccess)
	})
}
