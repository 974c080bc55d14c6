package e2e

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/messaging/azeventhubs/v2"

	"azx/test/process"
)

// TestAHubKilledInTheMiddleKeepsWhatItAcknowledged has devices send without waiting for each acknowledgement, kills the
// hub with SIGKILL and starts it again in its folder. Every message whose acknowledgement a device saw is there, once and
// in the device's order; what a reader saw before has the same numbers, offsets and times; and the reader goes on after
// its checkpoint without a gap or a repeat.
func TestAHubKilledInTheMiddleKeepsWhatItAcknowledged(t *testing.T) {
	t.Parallel()
	const devices, each, enough = 4, 10_000, 8_000
	stack := process.NewPlatform(t, azx)
	hub := hubProcess(stack, "--partitions", "2")
	stack.Run("hub", "group", "add", "reports", "--dir", "hub")
	var fleet []*burst
	var sending sync.WaitGroup
	for i := range devices {
		b := &burst{device: connectDevice(t, stack, fmt.Sprintf("saw-%d", i))}
		fleet = append(fleet, b)
		sending.Go(func() { b.send(each) })
	}
	seen := readHub(t, stack, "reports", func(int) azeventhubs.StartPosition { return earliest() }, enough)
	hub.Kill()
	sending.Wait()
	acknowledged := 0
	for _, b := range fleet {
		acknowledged += b.acknowledged
	}
	t.Logf("killed with %d of %d messages acknowledged and %d read", acknowledged, devices*each, len(seen))
	if acknowledged == devices*each {
		t.Fatal("that was not in the middle of the work")
	}

	hubProcess(stack)
	for _, b := range fleet { // those behind the last of before say that all of before has been read
		b.device = connectDevice(t, stack, b.device.id)
		if err := b.device.send(`"last"`); err != nil {
			t.Fatal(err)
		}
	}
	all := readHub(t, stack, "reports", func(int) azeventhubs.StartPosition { return earliest() }, 0)
	checkEvents(t, all, seen)
	for _, b := range fleet {
		b.check(t, all)
	}
	checkpoints := map[int]*int64{}
	for _, e := range seen {
		checkpoints[e.partition] = &e.SequenceNumber
	}
	rest := readHub(t, stack, "reports", func(partition int) azeventhubs.StartPosition {
		return azeventhubs.StartPosition{SequenceNumber: checkpoints[partition]}
	}, 0)
	if len(seen)+len(rest) != len(all) {
		t.Errorf("%d events before and %d behind the checkpoints, %d altogether", len(seen), len(rest), len(all))
	}
	checkEvents(t, append(seen, rest...), all)
}

// readWithin is how long reading everything may take, on a busy machine.
const readWithin = time.Minute

// hubProcess starts a hub in the stack's folder hub, which may be that of one before.
func hubProcess(stack *process.Stack, flags ...string) *process.Child {
	child := stack.Start(append([]string{"hub", "--dir", "hub", "--mqtt", "0", "--amqps", "0", "--amqp", "0", "--https", "0"}, flags...)...)
	child.UntilPrinted(time.Minute, "ready")
	stack.ReadHub()
	return child
}

// burst is a device that has many messages on their way at once.
type burst struct {
	device       *device
	acknowledged int // messages 0 to this one, without it
}

// send sends numbers, up to 100 ahead of their acknowledgement, until the connection ends.
func (b *burst) send(count int) {
	topic := "devices/" + b.device.id + "/messages/events/"
	ahead := make(chan func() error, 100)
	var waiting sync.WaitGroup
	waiting.Go(func() {
		for settled := range ahead {
			if settled() == nil {
				b.acknowledged++
			}
		}
	})
	for n := range count {
		if !b.device.client.IsConnectionOpen() {
			break
		}
		token := b.device.client.Publish(topic, 1, false, fmt.Sprint(n))
		ahead <- func() error { return b.device.settled(token) }
	}
	close(ahead)
	waiting.Wait()
}

// check wants the device's messages once and in order, and all that were acknowledged.
func (b *burst) check(t *testing.T, all []event) {
	next := 0
	for _, e := range all {
		if e.SystemProperties["iothub-connection-device-id"] != b.device.id || string(e.Body) == `"last"` {
			continue
		}
		if string(e.Body) != fmt.Sprint(next) {
			t.Fatalf("%s: message %s comes where %d should", b.device.id, e.Body, next)
		}
		next++
	}
	if next < b.acknowledged {
		t.Errorf("%s: %d messages were acknowledged, %d are there", b.device.id, b.acknowledged, next)
	}
}

// event is what a reader got.
type event struct {
	*azeventhubs.ReceivedEventData
	partition int
}

// checkEvents wants the events of each partition without a gap from 0 on, and those of before as they were.
func checkEvents(t *testing.T, all, before []event) {
	t.Helper()
	byPlace := map[string]event{}
	next := map[int]int64{}
	for _, e := range all {
		if e.SequenceNumber != next[e.partition] {
			t.Fatalf("partition %d: number %d comes where %d should", e.partition, e.SequenceNumber, next[e.partition])
		}
		next[e.partition]++
		byPlace[fmt.Sprint(e.partition, " ", e.SequenceNumber)] = e
	}
	for _, e := range before {
		now, ok := byPlace[fmt.Sprint(e.partition, " ", e.SequenceNumber)]
		if !ok || now.Offset != e.Offset || !now.EnqueuedTime.Equal(*e.EnqueuedTime) || string(now.Body) != string(e.Body) {
			t.Fatalf("event %d of partition %d was %+v, is %+v", e.SequenceNumber, e.partition, e, now)
		}
	}
}

func earliest() azeventhubs.StartPosition {
	yes := true
	return azeventhubs.StartPosition{Earliest: &yes}
}

// readHub reads all partitions with Microsoft's client: until there are enough events together, or with enough 0 up to
// the last event of each.
func readHub(t *testing.T, stack *process.Stack, group string, from func(partition int) azeventhubs.StartPosition, enough int) (all []event) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), readWithin)
	defer cancel()
	client := openReader(t, stack, group)
	defer client.Close(context.Background())
	properties, err := client.GetEventHubProperties(ctx, nil)
	if err != nil {
		t.Fatalf("properties of the event hub: %v", err)
	}
	for partition, id := range properties.PartitionIDs {
		last, err := client.GetPartitionProperties(ctx, id, nil)
		if err != nil {
			t.Fatalf("properties of partition %s: %v", id, err)
		}
		reader, err := client.NewPartitionClient(id, &azeventhubs.PartitionClientOptions{StartPosition: from(partition)})
		if err != nil {
			t.Fatal(err)
		}
		for goal, end := len(all)+enough/len(properties.PartitionIDs), false; !end; {
			events, err := reader.ReceiveEvents(ctx, 1, nil) // it waits for as many as it is asked for
			if err != nil {
				t.Fatalf("reading partition %s: %v", id, err)
			}
			for _, e := range events {
				all = append(all, event{e, partition})
				end = enough == 0 && e.SequenceNumber == last.LastEnqueuedSequenceNumber
			}
			end = end || enough > 0 && len(all) >= goal
		}
		if err := reader.Close(ctx); err != nil {
			t.Fatalf("end reading partition %s: %v", id, err)
		}
	}
	return all
}

func openReader(t *testing.T, stack *process.Stack, group string) *azeventhubs.ConsumerClient {
	t.Helper()
	var info struct {
		Ports struct {
			AMQPS int `json:"amqps"`
		} `json:"ports"`
	}
	text, err := os.ReadFile(filepath.Join(stack.Dir, "hub", "hub.json"))
	if err == nil {
		err = json.Unmarshal(text, &info)
	}
	pem, caErr := os.ReadFile(stack.Hub.CA)
	if err := errors.Join(err, caErr); err != nil {
		t.Fatal(err)
	}
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(pem)
	client, err := azeventhubs.NewConsumerClientFromConnectionString(stack.Hub.EventHubsConnectionString, "", group, &azeventhubs.ConsumerClientOptions{
		CustomEndpoint: net.JoinHostPort("127.0.0.1", fmt.Sprint(info.Ports.AMQPS)),
		TLSConfig:      &tls.Config{RootCAs: roots},
	})
	if err != nil {
		t.Fatal(err)
	}
	return client
}

// TestASecondHubInAFolderIsRefused starts the binary twice in one folder.
func TestASecondHubInAFolderIsRefused(t *testing.T) {
	stack := process.NewPlatform(t, azx)
	hubProcess(stack)
	second := stack.Start("hub", "--dir", "hub", "--mqtt", "0", "--amqps", "0", "--amqp", "0", "--https", "0")
	if code := second.Wait(time.Minute); code == 0 || !strings.Contains(second.Stderr(), "another hub is running in") {
		t.Fatalf("exit code %d: %s", code, second.Stderr())
	}
	stack.AddDevice("still-there") // the first is not disturbed
}
