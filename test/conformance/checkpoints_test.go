package conformance

import (
	"encoding/json"
	"fmt"
	"os"
	"sync/atomic"
	"testing"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/messaging/azeventhubs/v2"
	"github.com/Azure/azure-sdk-for-go/sdk/messaging/azeventhubs/v2/checkpoints"
	"github.com/Azure/azure-sdk-for-go/sdk/storage/azblob/container"
	"github.com/Azure/azure-sdk-for-go/sdk/storage/azblob/sas"

	"azx/internal/checkpoint"
	"azx/internal/checkpoint/storetest"
	"azx/internal/delivery"
	"azx/internal/secret"
	"azx/test/azurite"
	"azx/test/process"
)

// storedLog is the log of these checkpoints. The store writes its names in lower case, as Microsoft's stores for .NET, Java
// and Node do; the one for Go takes names as they are.
var storedLog = checkpoint.Identity{
	Hub: "Plant1.azure-devices.net", Endpoint: "ihsuprod.servicebus.windows.net", EventHub: "iothub-ehub-plant1", Group: "azx",
}

// containers makes containers at an Azurite.
type containers struct {
	server *azurite.Server
	made   atomic.Int32
}

// create makes an empty container, and returns a client of Microsoft's for it.
func (c *containers) create(t *testing.T) (name string, client *container.Client) {
	t.Helper()
	name = fmt.Sprintf("checkpoints-%d", c.made.Add(1))
	client, err := container.NewClientFromConnectionString(c.server.ConnectionString(), name, nil)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := client.Create(t.Context(), nil); err != nil {
		t.Fatal(err)
	}
	return name, client
}

func openStore(t *testing.T, c checkpoint.Container) *checkpoint.Blob {
	t.Helper()
	s, err := checkpoint.OpenBlob(t.Context(), c, storedLog, "Plant1Hub")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	return s
}

func TestTheStoreInBlobsConformsOverAzurite(t *testing.T) {
	t.Parallel()
	all := containers{server: azurite.Start(t)}
	for name, reach := range map[string]func(t *testing.T, name string, c *container.Client) checkpoint.Container{
		"with the account's key": func(_ *testing.T, name string, _ *container.Client) checkpoint.Container {
			return checkpoint.Container{Name: name, ConnectionString: secret.Literal(all.server.ConnectionString())}
		},
		"with a signature for the container": func(t *testing.T, name string, c *container.Client) checkpoint.Container {
			url, err := c.GetSASURL(sas.ContainerPermissions{Read: true, Create: true, Write: true, Delete: true, List: true}, time.Now().Add(time.Hour), nil)
			if err != nil {
				t.Fatal(err)
			}
			return checkpoint.Container{Name: name, URL: secret.Literal(url)}
		},
	} {
		t.Run(name, func(t *testing.T) {
			of := map[checkpoint.Store]checkpoint.Container{}
			open := func(t *testing.T, c checkpoint.Container) checkpoint.Store {
				s := openStore(t, c)
				of[s] = c
				return s
			}
			storetest.Run(t, storetest.Subject{
				Open: func(t *testing.T) checkpoint.Store {
					name, client := all.create(t)
					return open(t, reach(t, name, client))
				},
				Again:  func(t *testing.T, s checkpoint.Store) checkpoint.Store { return open(t, of[s]) },
				Shared: true,
			})
		})
	}
}

// stored is a store with a checkpoint and an owner in partition 0, and an owner who gave up partition 1.
func stored(t *testing.T, c checkpoint.Container) *checkpoint.Blob {
	t.Helper()
	s := openStore(t, c)
	storetest.Save(t, s, "0", 5)
	claimed(t, s, delivery.Ownership{Partition: "0", Owner: "azx-1"})
	first := claimed(t, s, delivery.Ownership{Partition: "1", Owner: "azx-1"})
	claimed(t, s, delivery.Ownership{Partition: "1", Version: first.Version})
	return s
}

func claimed(t *testing.T, s checkpoint.Store, o delivery.Ownership) delivery.Ownership {
	t.Helper()
	got, ok, err := s.Claim(t.Context(), o)
	if err != nil || !ok {
		t.Fatalf("claim %+v: %v, %v", o, ok, err)
	}
	return got
}

// expectTheirs looks whether the store reads what another program stored in partition 1.
func expectTheirs(t *testing.T, s checkpoint.Store) {
	t.Helper()
	got, ok, err := s.Load(t.Context(), "1")
	if want := (delivery.Checkpoint{Sequence: 41, Offset: "37344"}); err != nil || !ok || got != want {
		t.Errorf("got %+v, %v, %v; want %+v", got, ok, err, want)
	}
	list, _, err := s.Ownerships(t.Context())
	if err != nil || len(list) != 2 {
		t.Fatalf("got %+v, %v", list, err)
	}
	for _, o := range list {
		if want := map[string]string{"0": "azx-1", "1": "their-1"}[o.Partition]; o.Owner != want {
			t.Errorf("partition %s belongs to %q, want %q", o.Partition, o.Owner, want)
		}
	}
	storetest.Save(t, s, "1", 42) // and goes on behind it
}

func TestMicrosoftsStoreForGoSharesTheContainer(t *testing.T) {
	t.Parallel()
	all := containers{server: azurite.Start(t)}
	name, client := all.create(t)
	ours := stored(t, checkpoint.Container{Name: name, ConnectionString: secret.Literal(all.server.ConnectionString())})
	theirs, err := checkpoints.NewBlobStore(client, nil)
	if err != nil {
		t.Fatal(err)
	}
	found, err := theirs.ListCheckpoints(t.Context(), storedLog.Endpoint, storedLog.EventHub, storedLog.Group, nil)
	if err != nil || len(found) != 1 || found[0].PartitionID != "0" || *found[0].SequenceNumber != 5 || *found[0].Offset != "500" {
		t.Errorf("it reads checkpoints %+v, %v", found, err)
	}
	owned, err := theirs.ListOwnership(t.Context(), storedLog.Endpoint, storedLog.EventHub, storedLog.Group, nil)
	if err != nil || len(owned) != 2 || owned[0].OwnerID != "azx-1" || owned[1].OwnerID != "" {
		t.Fatalf("it reads ownerships %+v, %v", owned, err)
	}
	sequence, offset := int64(41), "37344"
	if err := theirs.SetCheckpoint(t.Context(), azeventhubs.Checkpoint{FullyQualifiedNamespace: storedLog.Endpoint,
		EventHubName: storedLog.EventHub, ConsumerGroup: storedLog.Group, PartitionID: "1",
		SequenceNumber: &sequence, Offset: &offset}, nil); err != nil {
		t.Fatal(err)
	}
	owned[1].OwnerID = "their-1"
	if got, err := theirs.ClaimOwnership(t.Context(), owned[1:], nil); err != nil || len(got) != 1 {
		t.Fatalf("it claims %+v, %v", got, err)
	}
	expectTheirs(t, ours)
}

func TestMicrosoftsStoreForNodeSharesTheContainer(t *testing.T) {
	t.Parallel()
	all := containers{server: azurite.Start(t)}
	name, _ := all.create(t)
	ours := stored(t, checkpoint.Container{Name: name, ConnectionString: secret.Literal(all.server.ConnectionString())})
	log, err := json.Marshal(map[string]string{"fullyQualifiedNamespace": storedLog.Endpoint,
		"eventHubName": storedLog.EventHub, "consumerGroup": storedLog.Group})
	if err != nil {
		t.Fatal(err)
	}
	child := process.Start(t, process.Command{Name: "node", Args: []string{"checkpoints.js"}, Env: append(os.Environ(),
		"AZX_BLOB="+all.server.ConnectionString(), "AZX_CONTAINER="+name, "AZX_LOG="+string(log),
		`AZX_CHECKPOINT={"partitionId":"1","sequenceNumber":41,"offset":"37344"}`,
		`AZX_OWNERSHIP={"partitionId":"1","ownerId":"their-1"}`)})
	if code := child.Wait(time.Minute); code != 0 {
		t.Fatalf("exit code %d", code)
	}
	var said struct {
		Checkpoints []struct {
			PartitionID, Offset string
			SequenceNumber      int64
		}
		Ownerships []struct{ PartitionID, OwnerID string }
		Claimed    []any
	}
	if err := json.Unmarshal([]byte(child.Stdout()), &said); err != nil {
		t.Fatalf("%v: %s", err, child.Stdout())
	}
	if c := said.Checkpoints; len(c) != 1 || c[0].PartitionID != "0" || c[0].SequenceNumber != 5 || c[0].Offset != "500" {
		t.Errorf("it reads checkpoints %+v", c)
	}
	if o := said.Ownerships; len(o) != 2 || o[0].OwnerID != "azx-1" || o[1].OwnerID != "" || len(said.Claimed) != 1 {
		t.Errorf("it reads ownerships %+v and claims %v", o, said.Claimed)
	}
	expectTheirs(t, ours)
}
