package rig

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"fmt"
	"net"
	"net/url"
	"os"
	"strings"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/messaging/azeventhubs/v2"

	"azx/internal/supervise"
)

// ledgerGroup is the consumer group of the reader, so that it takes nothing from a connector.
const ledgerGroup = "ledger"

// reader reads the hub's log with Microsoft's client, past all wires.
type reader struct {
	client     *azeventhubs.ConsumerClient
	log        string
	partitions []string
	group      *supervise.Group
}

// readHub begins to read the log that the hub has now.
func (r *Rig) readHub() *reader {
	r.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	pem, err := os.ReadFile(r.Hub.CA)
	if err != nil {
		r.t.Fatal(err)
	}
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(pem)
	in := &reader{group: supervise.New(context.Background())}
	in.client, err = azeventhubs.NewConsumerClientFromConnectionString(r.Hub.EventHubsConnectionString, "", ledgerGroup, &azeventhubs.ConsumerClientOptions{
		CustomEndpoint: net.JoinHostPort("127.0.0.1", fmt.Sprint(r.Hub.Ports.AMQPS)), TLSConfig: &tls.Config{RootCAs: roots},
	})
	if err != nil {
		r.t.Fatal(err)
	}
	r.account.mu.Lock()
	in.log = r.account.era(logOf(r.Hub.EventHubsConnectionString))
	r.account.mu.Unlock()
	properties, err := in.client.GetEventHubProperties(ctx, nil)
	if err != nil {
		r.t.Fatalf("properties of the event hub: %v", err)
	}
	in.partitions = properties.PartitionIDs
	for _, id := range in.partitions {
		from := true
		partition, err := in.client.NewPartitionClient(id, &azeventhubs.PartitionClientOptions{StartPosition: azeventhubs.StartPosition{Earliest: &from}})
		if err != nil {
			r.t.Fatal(err)
		}
		in.group.Go("read partition "+id, func(ctx context.Context) error { return r.account.follow(ctx, in.log, id, partition) })
	}
	r.t.Cleanup(in.stop)
	return in
}

func (in *reader) stop() {
	in.group.Stop()
	_ = in.group.Wait() // the hub may be gone before
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	_ = in.client.Close(ctx)
}

// follow reads a partition to the end of the case.
func (a *account) follow(ctx context.Context, log, id string, partition *azeventhubs.PartitionClient) error {
	for {
		events, err := partition.ReceiveEvents(ctx, 1, nil) // it waits for as many as it is asked for
		for _, e := range events {
			a.read(eventOf(log, id, e))
		}
		if err != nil {
			return err
		}
	}
}

func eventOf(log, partition string, e *azeventhubs.ReceivedEventData) Event {
	found := Event{Log: log, Partition: partition, Sequence: e.SequenceNumber, Number: -1}
	found.Device, _ = e.SystemProperties["iothub-connection-device-id"].(string)
	var body struct{ N *int }
	if json.Unmarshal(e.Body, &body) == nil && body.N != nil {
		found.Number = *body.N
	}
	switch created := e.SystemProperties["iothub-creation-time-utc"].(type) {
	case time.Time:
		found.Created = created.UnixMilli()
	case string:
		if at, err := time.Parse(time.RFC3339, created); err == nil {
			found.Created = at.UnixMilli()
		}
	}
	return found
}

// logOf names the log behind a connection string, as checkpoints do.
func logOf(connectionString string) string {
	var host, hub string
	for part := range strings.SplitSeq(connectionString, ";") {
		name, value, _ := strings.Cut(part, "=")
		switch name {
		case "Endpoint":
			if at, err := url.Parse(value); err == nil {
				host = at.Hostname()
			}
		case "EntityPath":
			hub = value
		}
	}
	return strings.ToLower(host + "/" + hub)
}
