package mqtt

import (
	"bufio"
	"context"
	"log/slog"
	"net"
	"testing"
	"time"

	"github.com/eclipse/paho.mqtt.golang/packets"

	"azx/internal/local/iothub"
)

// TestMessagesAreAcknowledgedInTheirOrderOnceTheyAreOnDisk has a device send without waiting. When the log cannot be
// written any more, the connection ends instead.
func TestMessagesAreAcknowledgedInTheirOrderOnceTheyAreOnDisk(t *testing.T) {
	cfg := iothub.Config{Dir: t.TempDir(), Partitions: 1}
	hub, err := iothub.Open(cfg)
	if err != nil {
		t.Fatal(err)
	}
	added, err := hub.Registry().Add(iothub.Spec{ID: d1})
	if err != nil {
		t.Fatal(err)
	}
	l := &pipes{conns: make(chan net.Conn), closed: make(chan struct{})}
	ctx, cancel := context.WithCancel(context.Background())
	served := make(chan error)
	go func() { served <- Serve(ctx, hub, slog.New(slog.DiscardHandler), l) }()
	ours, theirs := net.Pipe()
	_ = ours.SetDeadline(time.Now().Add(patience))
	l.conns <- theirs
	writeConnect(t, ours, added[0], func(*packets.ConnectPacket) {})
	answers := bufio.NewReader(ours)
	if _, err := packets.ReadPacket(answers); err != nil {
		t.Fatal(err)
	}

	const sent = 3 * maxTaken
	written := make(chan error, 1)
	go func() { written <- publish(ours, sent) }()
	for want := uint16(1); want <= sent; want++ {
		p, err := packets.ReadPacket(answers)
		ack, ok := p.(*packets.PubackPacket)
		if err != nil || !ok || ack.MessageID != want {
			t.Fatalf("got %v, %v; want the acknowledgement of %d", p, err, want)
		}
		if info, err := hub.PartitionInfo(0); err != nil || info.LastSequence < int64(want)-1 {
			t.Fatalf("message %d is acknowledged, the log ends with number %d, %v", want, info.LastSequence, err)
		}
	}
	if err := <-written; err != nil {
		t.Fatal(err)
	}

	if err := hub.Close(); err != nil { // as if the disk had gone
		t.Fatal(err)
	}
	if err := publish(ours, 1); err != nil {
		t.Fatal(err)
	}
	if p, err := packets.ReadPacket(answers); err == nil {
		t.Fatalf("got %v for a message that is not in the log", p)
	}
	cancel()
	if err := <-served; err != nil {
		t.Error(err)
	}
}

// publish sends messages 1 to count with QoS 1.
func publish(conn net.Conn, count uint16) error {
	for n := uint16(1); n <= count; n++ {
		p := packets.NewControlPacket(packets.Publish).(*packets.PublishPacket)
		p.TopicName, p.Qos, p.MessageID, p.Payload = "devices/d1/messages/events/", 1, n, []byte("x")
		if err := p.Write(conn); err != nil {
			return err
		}
	}
	return nil
}
