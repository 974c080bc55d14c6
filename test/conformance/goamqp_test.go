package conformance

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/Azure/go-amqp"
)

// amqpConn opens a connection of go-amqp to the hub or to the event endpoint, by its name.
func (h *hub) amqpConn(name string, o amqp.ConnOptions) *amqp.Conn {
	h.t.Helper()
	o.HostName = name
	conn, err := amqp.NewConn(within(h.t), h.connect(name), &o)
	if err != nil {
		h.t.Fatal(err)
	}
	h.t.Cleanup(func() { _ = conn.Close() }) // of one that a test has broken, perhaps
	return conn
}

func (h *hub) session(conn *amqp.Conn) *amqp.Session {
	h.t.Helper()
	session, err := conn.NewSession(within(h.t), nil)
	if err != nil {
		h.t.Fatal(err)
	}
	return session
}

// putToken gives a token for a resource to the peer and returns the status of the answer.
func (h *hub) putToken(conn *amqp.Conn, resource, token string) int32 {
	h.t.Helper()
	session := h.session(conn)
	defer session.Close(within(h.t))
	answers, err := session.NewReceiver(within(h.t), "$cbs", nil)
	if err != nil {
		h.t.Fatal(err)
	}
	requests, err := session.NewSender(within(h.t), "$cbs", nil)
	if err != nil {
		h.t.Fatal(err)
	}
	request := &amqp.Message{
		Value:      token,
		Properties: &amqp.MessageProperties{MessageID: "put-1", ReplyTo: pointer(answers.Address())},
		ApplicationProperties: map[string]any{
			"operation": "put-token", "type": "servicebus.windows.net:sastoken", "name": resource,
		},
	}
	if err := requests.Send(within(h.t), request, nil); err != nil {
		h.t.Fatal(err)
	}
	answer, err := answers.Receive(within(h.t), nil)
	if err != nil {
		h.t.Fatal(err)
	}
	if err := answers.AcceptMessage(within(h.t), answer); err != nil {
		h.t.Fatal(err)
	}
	if answer.Properties.CorrelationID != "put-1" {
		h.t.Errorf("the answer correlates to %v", answer.Properties.CorrelationID)
	}
	status, _ := answer.ApplicationProperties["status-code"].(int32)
	return status
}

func TestGoAMQPIsLedToTheEventEndpoint(t *testing.T) {
	t.Parallel()
	h := newHub(t)
	resource := h.host() + "/messages/events"
	for _, auth := range []struct {
		name string
		open func() *amqp.Conn
	}{
		{"with SASL PLAIN", func() *amqp.Conn {
			label, _, _ := strings.Cut(h.host(), ".")
			user := h.service["SharedAccessKeyName"] + "@sas.root." + label
			return h.amqpConn(h.host(), amqp.ConnOptions{SASLType: amqp.SASLTypePlain(user, h.serviceToken(resource))})
		}},
		{"with a token put to $cbs", func() *amqp.Conn {
			conn := h.amqpConn(h.host(), amqp.ConnOptions{SASLType: amqp.SASLTypeAnonymous()})
			if status := h.putToken(conn, "amqps://"+resource, h.serviceToken(resource)); status != 200 {
				t.Errorf("status %d, want 200", status)
			}
			return conn
		}},
	} {
		for _, v := range []struct{ name, source, address string }{
			{"management", "/messages/events/$management", "/$management"},
			{"management by its whole address", "amqps://" + resource + "/$management", "/$management"},
			{"a partition", "messages/events/ConsumerGroups/" + group + "/Partitions/0", "/ConsumerGroups/" + group + "/Partitions/0"},
		} {
			t.Run(auth.name+", from "+v.name, func(t *testing.T) {
				info := h.redirection(t, auth.open(), v.source)
				port := fmt.Sprint(h.ports.AMQPS)
				if info["hostname"] != h.namespace() || info["network-host"] == "" || fmt.Sprint(info["port"]) != port {
					t.Errorf("redirected to %v", info)
				}
				if want := "amqps://" + net.JoinHostPort(h.namespace(), port) + "/" + h.events["EntityPath"] + v.address; info["address"] != want {
					t.Errorf("address %v, want %s", info["address"], want)
				}
			})
		}
	}
}

// redirection attaches a receiver and returns what the detach says about the place to go to.
func (h *hub) redirection(t *testing.T, conn *amqp.Conn, source string) map[string]any {
	t.Helper()
	receiver, err := h.session(conn).NewReceiver(within(t), source, nil)
	if err == nil {
		_, err = receiver.Receive(within(t), nil)
	}
	var ended *amqp.LinkError
	if !errors.As(err, &ended) || ended.RemoteErr == nil || ended.RemoteErr.Condition != "amqp:link:redirect" {
		t.Fatalf("error %v, want a redirect", err)
	}
	return ended.RemoteErr.Info
}

func TestGoAMQPIsRefusedForAReason(t *testing.T) {
	t.Parallel()
	h := newHub(t)
	resource := h.host() + "/messages/events"
	t.Run("SASL PLAIN with a token signed with another key", func(t *testing.T) {
		token := h.token(resource, base64Key("wrong"), h.service["SharedAccessKeyName"])
		label, _, _ := strings.Cut(h.host(), ".")
		_, err := amqp.NewConn(within(t), h.connect(h.host()), &amqp.ConnOptions{
			HostName: h.host(), SASLType: amqp.SASLTypePlain(h.service["SharedAccessKeyName"]+"@sas.root."+label, token),
		})
		if err == nil {
			t.Error("the connection was opened")
		}
	})
	t.Run("a receiver without a token", func(t *testing.T) {
		conn := h.amqpConn(h.host(), amqp.ConnOptions{SASLType: amqp.SASLTypeAnonymous()})
		receiver, err := h.session(conn).NewReceiver(within(t), "/messages/events/$management", nil)
		if err == nil {
			_, err = receiver.Receive(within(t), nil)
		}
		var refused *amqp.Error
		if !errors.As(err, &refused) || refused.Condition != amqp.ErrCondUnauthorizedAccess {
			t.Errorf("error %v, want %s", err, amqp.ErrCondUnauthorizedAccess)
		}
	})
	t.Run("a token signed with another key", func(t *testing.T) {
		conn := h.amqpConn(h.host(), amqp.ConnOptions{SASLType: amqp.SASLTypeAnonymous()})
		token := h.token(resource, base64Key("wrong"), h.service["SharedAccessKeyName"])
		if status := h.putToken(conn, resource, token); status != 401 {
			t.Errorf("status %d, want 401", status)
		}
	})
}

// eventReader is a link of go-amqp that reads a partition.
func (h *hub) eventReader(partition string, conn amqp.ConnOptions, o amqp.ReceiverOptions) *amqp.Receiver {
	h.t.Helper()
	conn.SASLType = amqp.SASLTypeAnonymous()
	opened := h.amqpConn(h.namespace(), conn)
	source := h.events["EntityPath"] + "/ConsumerGroups/" + group + "/Partitions/" + partition
	resource := "amqps://" + h.namespace() + "/" + source
	if status := h.putToken(opened, resource, h.eventsToken(resource)); status != 202 && status != 200 {
		h.t.Fatalf("put token: status %d", status)
	}
	from := fmt.Sprintf("amqp.annotation.x-opt-enqueued-time > '%d'", h.began.Add(-time.Minute).UnixMilli())
	o.Filters = []amqp.LinkFilter{amqp.NewLinkFilter("apache.org:selector-filter:string", 0x468C00000004, from)}
	receiver, err := h.session(opened).NewReceiver(within(h.t), source, &o)
	if err != nil {
		h.t.Fatal(err)
	}
	return receiver
}

// next receives the next event of this test; each sees all events, to settle them.
func (h *hub) next(receiver *amqp.Receiver, each func(*amqp.Message)) *amqp.Message {
	h.t.Helper()
	for {
		m, err := receiver.Receive(within(h.t), nil)
		if err != nil {
			h.t.Fatal(err)
		}
		if each != nil {
			each(m)
		}
		if m.ApplicationProperties["run"] == h.mark {
			return m
		}
	}
}

func TestGoAMQPReceivesInEverySettlementMode(t *testing.T) {
	t.Parallel()
	h := newHub(t)
	d := h.devices(1)[0]
	client := h.consumer(group)
	partition := h.partitionOf(client, d)
	const count = 50
	h.publish(d, []string{"part=modes"}, numbers(0, count)...)
	for _, v := range []struct {
		name    string
		options amqp.ReceiverOptions
		settles bool // the receiver has to
	}{
		{"settled, as asked", amqp.ReceiverOptions{RequestedSenderSettleMode: amqp.SenderSettleModeSettled.Ptr()}, false},
		{"settled, as the sender likes it", amqp.ReceiverOptions{RequestedSenderSettleMode: amqp.SenderSettleModeMixed.Ptr()}, false},
		{"unsettled, accepted first", amqp.ReceiverOptions{
			RequestedSenderSettleMode: amqp.SenderSettleModeUnsettled.Ptr(), SettlementMode: amqp.ReceiverSettleModeFirst.Ptr(),
		}, true},
		{"unsettled, accepted and confirmed", amqp.ReceiverOptions{
			RequestedSenderSettleMode: amqp.SenderSettleModeUnsettled.Ptr(), SettlementMode: amqp.ReceiverSettleModeSecond.Ptr(),
		}, true},
	} {
		t.Run(v.name, func(t *testing.T) {
			v.options.Credit = 8 // far fewer than there are events
			receiver := h.eventReader(partition, amqp.ConnOptions{}, v.options)
			settle := func(m *amqp.Message) {
				if !v.settles {
					return
				}
				if err := receiver.AcceptMessage(within(t), m); err != nil {
					t.Fatal(err)
				}
			}
			for n := 0; n < count; {
				m := h.next(receiver, settle)
				if m.ApplicationProperties["part"] != "modes" {
					continue
				}
				if got := string(m.GetData()); got != fmt.Sprint(n) {
					t.Fatalf("event %d is %q", n, got)
				}
				n++
			}
			if err := receiver.Close(within(t)); err != nil {
				t.Error(err)
			}
		})
	}
}

func TestAnUnsettledReaderGetsNoMoreThanItsCredit(t *testing.T) {
	t.Parallel()
	h := newHub(t)
	d := h.devices(1)[0]
	partition := h.partitionOf(h.consumer(group), d)
	h.publish(d, nil, numbers(0, 20)...)
	receiver := h.eventReader(partition, amqp.ConnOptions{}, amqp.ReceiverOptions{
		Credit: 5, RequestedSenderSettleMode: amqp.SenderSettleModeUnsettled.Ptr(),
	})
	var got []*amqp.Message
	for range 5 {
		m, err := receiver.Receive(within(t), nil)
		if err != nil {
			t.Fatal(err)
		}
		got = append(got, m)
	}
	soon, cancel := context.WithTimeout(context.Background(), 300*time.Millisecond)
	defer cancel()
	if m, err := receiver.Receive(soon, nil); !errors.Is(err, context.DeadlineExceeded) {
		t.Fatalf("a sixth message %v (%v) for a credit of five", m, err)
	}
	if err := receiver.AcceptMessage(within(t), got[0]); err != nil {
		t.Fatal(err)
	}
	if _, err := receiver.Receive(within(t), nil); err != nil {
		t.Errorf("after one was accepted: %v", err)
	}
}

func TestADrainGivesBackTheCreditThatIsLeft(t *testing.T) {
	t.Parallel()
	h := newHub(t)
	d := h.devices(1)[0]
	partition := h.partitionOf(h.consumer(group), d)
	receiver := h.eventReader(partition, amqp.ConnOptions{}, amqp.ReceiverOptions{
		Credit: -1, RequestedSenderSettleMode: amqp.SenderSettleModeSettled.Ptr(),
	})
	drained := func(want ...string) {
		t.Helper()
		if err := receiver.IssueCredit(100); err != nil {
			t.Fatal(err)
		}
		if len(want) > 0 {
			h.next(receiver, func(m *amqp.Message) { want = checked(t, m, want, h.mark) })
		}
		if err := receiver.DrainCredit(within(t), nil); err != nil {
			t.Fatalf("drain: %v", err)
		}
		for m := receiver.Prefetched(); m != nil; m = receiver.Prefetched() {
			want = checked(t, m, want, h.mark)
		}
		if len(want) > 0 && !h.real {
			t.Errorf("%v did not come before the drain was over", want)
		}
	}
	drained("where do messages of " + d.id + " go")
	h.publish(d, nil, "after the drain")
	soon, cancel := context.WithTimeout(context.Background(), 300*time.Millisecond)
	defer cancel()
	if m, err := receiver.Receive(soon, nil); !errors.Is(err, context.DeadlineExceeded) {
		t.Fatalf("got %v (%v) without credit", m, err)
	}
	drained("after the drain")
	drained()
}

// checked compares a message of this test with the first one wanted and returns those still wanted.
func checked(t *testing.T, m *amqp.Message, want []string, mark string) []string {
	t.Helper()
	if m.ApplicationProperties["run"] != mark {
		return want
	}
	if len(want) == 0 || string(m.GetData()) != want[0] {
		t.Fatalf("got %q, want %v", m.GetData(), want)
	}
	return want[1:]
}

func TestALargeMessageComesInManySmallFrames(t *testing.T) {
	t.Parallel()
	h := newHub(t)
	d := h.devices(1)[0]
	partition := h.partitionOf(h.consumer(group), d)
	large := strings.Repeat("0123456789abcdef", 200*1024/16)
	h.publishWhole(d, large)
	h.publish(d, nil, "small")
	for _, frame := range []uint32{512, 4096, 65536} {
		t.Run(fmt.Sprintf("frames of %d bytes", frame), func(t *testing.T) {
			receiver := h.eventReader(partition, amqp.ConnOptions{MaxFrameSize: frame}, amqp.ReceiverOptions{Credit: 10})
			h.next(receiver, nil) // the probe
			if got := h.next(receiver, nil).GetData(); string(got) != large {
				t.Errorf("%d bytes came, %d were sent", len(got), len(large))
			}
			if got := h.next(receiver, nil).GetData(); string(got) != "small" {
				t.Errorf("the next message is %.20q", got)
			}
		})
	}
}
