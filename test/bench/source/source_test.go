package source

import (
	"context"
	"crypto/tls"
	"encoding/json"
	"fmt"
	"testing"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/messaging/azeventhubs/v2"
	"github.com/Azure/go-amqp"
	"go.uber.org/goleak"

	"azx/test/bench/certs"
)

func TestMain(m *testing.M) {
	// azeventhubs leaves its renewer of tokens behind when a client is closed.
	goleak.VerifyTestMain(m, goleak.IgnoreAnyFunction(
		"github.com/Azure/azure-sdk-for-go/sdk/messaging/azeventhubs/v2/internal.(*Namespace).startNegotiateClaimRenewer.func3"))
}

// serve runs a source until the test ends, and returns its address.
func serve(t *testing.T, cfg Config) (*Source, string) {
	t.Helper()
	l, err := Listen()
	if err != nil {
		t.Fatal(err)
	}
	s := New(cfg)
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- s.Serve(ctx, l) }()
	t.Cleanup(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Errorf("serve: %v", err)
		}
	})
	return s, l.Addr().String()
}

func open(t *testing.T, address string, options *amqp.ReceiverOptions) *amqp.Receiver {
	t.Helper()
	conn, err := amqp.Dial(t.Context(), "amqp://"+address, nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() }) // the test is over
	session, err := conn.NewSession(t.Context(), nil)
	if err != nil {
		t.Fatal(err)
	}
	receiver, err := session.NewReceiver(t.Context(), "events/ConsumerGroups/bench/Partitions/1", options)
	if err != nil {
		t.Fatal(err)
	}
	return receiver
}

// check compares a message with what message n of partition 1 has to be.
func check(t *testing.T, m *amqp.Message, n int64, size int) {
	t.Helper()
	var body map[string]any
	if err := json.Unmarshal(m.GetData(), &body); err != nil {
		t.Fatalf("message %d: %v", n, err)
	}
	device := fmt.Sprintf("bench-%06d", 250+n%250)
	a := m.Annotations
	switch {
	case len(m.GetData()) != size:
		t.Errorf("message %d: body of %d bytes, want %d", n, len(m.GetData()), size)
	case a["x-opt-sequence-number"] != n || a["x-opt-offset"] != fmt.Sprint(firstOffset+n):
		t.Errorf("message %d: sequence %v, offset %v", n, a["x-opt-sequence-number"], a["x-opt-offset"])
	case a["iothub-connection-device-id"] != device:
		t.Errorf("message %d: device %v, want %s", n, a["iothub-connection-device-id"], device)
	case body[SequenceKey] != float64(FirstSequence+n):
		t.Errorf("message %d: body says %v", n, body[SequenceKey])
	case *m.Properties.ContentType != "application/json":
		t.Errorf("message %d: content type %s", n, *m.Properties.ContentType)
	}
	sent := time.UnixMicro(int64(body[SentKey].(float64)))
	enqueued := a["x-opt-enqueued-time"].(time.Time)
	if age := time.Since(sent); age < 0 || age > time.Minute || sent.Sub(enqueued).Abs() > time.Millisecond {
		t.Errorf("message %d: sent at %v, enqueued at %v", n, sent, enqueued)
	}
}

func TestAGoAMQPClientReadsEveryMessageInOrder(t *testing.T) {
	for _, mode := range []struct {
		name    string
		sender  amqp.SenderSettleMode
		rest    amqp.ReceiverSettleMode
		settled bool
	}{
		{"settled by the sender", amqp.SenderSettleModeSettled, amqp.ReceiverSettleModeFirst, true},
		{"settled by the receiver", amqp.SenderSettleModeUnsettled, amqp.ReceiverSettleModeFirst, false},
		{"settled by the receiver, then by the sender", amqp.SenderSettleModeUnsettled, amqp.ReceiverSettleModeSecond, false},
	} {
		t.Run(mode.name, func(t *testing.T) {
			_, address := serve(t, Config{Body: Small()})
			r := open(t, address, &amqp.ReceiverOptions{
				Credit: 500, RequestedSenderSettleMode: &mode.sender, SettlementMode: &mode.rest,
			})
			for n := range int64(12_000) { // more than a session's unsettled ones and its window
				m, err := r.Receive(t.Context(), nil)
				if err != nil {
					t.Fatal(err)
				}
				check(t, m, n, 200)
				if !mode.settled {
					if err := r.AcceptMessage(t.Context(), m); err != nil {
						t.Fatal(err)
					}
				}
			}
		})
	}
}

func TestCreditBoundsWhatIsSentAndADrainEndsIt(t *testing.T) {
	s, address := serve(t, Config{Body: Large(), Rate: 4}) // one a second of a partition: most of the credit stays
	r := open(t, address, &amqp.ReceiverOptions{Credit: -1})
	if err := r.IssueCredit(3); err != nil {
		t.Fatal(err)
	}
	m, err := r.Receive(t.Context(), nil)
	if err != nil {
		t.Fatal(err)
	}
	check(t, m, 0, 2048)
	if err := r.DrainCredit(t.Context(), nil); err != nil {
		t.Fatalf("drain: %v", err)
	}
	if sent := s.Sent(); sent > 3 {
		t.Errorf("%d messages sent for a credit of 3", sent)
	}
}

func TestALinkBeginsBehindTheOffsetItNames(t *testing.T) {
	_, address := serve(t, Config{Body: Small()})
	selector := amqp.NewLinkFilter("apache.org:selector-filter:string", 0,
		fmt.Sprintf("amqp.annotation.x-opt-offset > '%d'", firstOffset+41))
	r := open(t, address, &amqp.ReceiverOptions{Credit: 1, Filters: []amqp.LinkFilter{selector}})
	m, err := r.Receive(t.Context(), nil)
	if err != nil {
		t.Fatal(err)
	}
	check(t, m, 42, 200)
}

func TestTheRateHolds(t *testing.T) {
	s, address := serve(t, Config{Body: Small(), Rate: 4000}) // 1,000 a second of the one partition that is read
	r := open(t, address, &amqp.ReceiverOptions{Credit: 500})
	start := time.Now()
	for range 300 {
		if _, err := r.Receive(t.Context(), nil); err != nil {
			t.Fatal(err)
		}
	}
	took := time.Since(start)
	if took < 280*time.Millisecond {
		t.Errorf("300 messages in %v, at 1,000 a second", took)
	}
	if most := int64(took.Seconds()*1000) + 2; s.Sent() > most+500 {
		t.Errorf("%d messages sent, at most %d are due", s.Sent(), most)
	}
}

func TestALinkThatFellBehindItsRateCatchesUpWhileItHasCredit(t *testing.T) {
	_, address := serve(t, Config{Body: Small(), Rate: 4_000_000}) // more than can be sent
	r := open(t, address, &amqp.ReceiverOptions{Credit: -1})
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
	defer cancel()
	for _, credit := range []uint32{1, 4000} { // the first leaves it without
		if err := r.IssueCredit(credit); err != nil {
			t.Fatal(err)
		}
		for range credit {
			if _, err := r.Receive(ctx, nil); err != nil {
				t.Fatal(err)
			}
		}
	}
}

func TestAzeventhubsReadsOverTLS(t *testing.T) {
	authority, err := certs.New("bench.servicebus.windows.net")
	if err != nil {
		t.Fatal(err)
	}
	_, address := serve(t, Config{Body: Small(), TLS: &tls.Config{Certificates: []tls.Certificate{authority.Leaf}}})
	client, err := azeventhubs.NewConsumerClientFromConnectionString(
		"Endpoint=sb://bench.servicebus.windows.net/;SharedAccessKeyName=k;SharedAccessKey=c2VjcmV0;EntityPath=events", "", "azx",
		&azeventhubs.ConsumerClientOptions{CustomEndpoint: address, TLSConfig: &tls.Config{RootCAs: authority.Pool, ServerName: "bench.servicebus.windows.net"}})
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close(context.Background())
	hub, err := client.GetEventHubProperties(t.Context(), nil)
	if err != nil || len(hub.PartitionIDs) != 4 {
		t.Fatalf("event hub: %v, %v", hub, err)
	}
	if _, err := client.GetPartitionProperties(t.Context(), "3", nil); err != nil {
		t.Fatal(err)
	}
	earliest := true
	partition, err := client.NewPartitionClient("3", &azeventhubs.PartitionClientOptions{
		StartPosition: azeventhubs.StartPosition{Earliest: &earliest}})
	if err != nil {
		t.Fatal(err)
	}
	defer partition.Close(context.Background())
	next := int64(0)
	for next < 3000 {
		events, err := partition.ReceiveEvents(t.Context(), 100, nil)
		if err != nil {
			t.Fatal(err)
		}
		for _, e := range events {
			if e.SequenceNumber != next {
				t.Fatalf("message %d where %d is due", e.SequenceNumber, next)
			}
			next++
		}
	}
}
