package rig

import (
	"context"
	"fmt"
	"maps"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/storage/azblob"

	"azx/test/azurite"
)

// ContainerName is the container in which connectors that share a hub keep leases and checkpoints.
const ContainerName = "checkpoints"

// LeaseExpiry is how long a lease lasts that is not renewed.
const LeaseExpiry = 5 * time.Second

// leaseInterval is between two renewals.
const leaseInterval = time.Second

// Shared is the storage account through which the connectors of a rig share the hub. Each reaches it by a Wire and a Store
// of its own, so that one can be harmed alone, and each write tells whose it is.
type Shared struct {
	Server *azurite.Server
	Blobs  *azblob.Client // past all wires

	told  func(Checkpoint)
	taken func(connector string, in place, at time.Time, held bool)

	order  sync.Mutex // held while a write passes: they are known in the order in which they were stored
	mu     sync.Mutex
	fresh  map[string]map[place]time.Time // by connector: when the last renewal was seen of what it has
	owners map[place]string
	moves  map[place]int // how often a partition went from one connector to another
}

// startShared starts an account that has the container.
func startShared(t testing.TB, a *account) *Shared {
	t.Helper()
	s := &Shared{Server: azurite.Start(t), told: a.saved, taken: a.took, fresh: map[string]map[place]time.Time{}, owners: map[place]string{}, moves: map[place]int{}}
	var err error
	if s.Blobs, err = azblob.NewClientFromConnectionString(s.Server.ConnectionString(), nil); err != nil {
		t.Fatal(err)
	}
	if err := s.MakeContainer(t.Context()); err != nil {
		t.Fatal(err)
	}
	return s
}

// MakeContainer makes the container.
func (s *Shared) MakeContainer(ctx context.Context) error {
	_, err := s.Blobs.CreateContainer(ctx, ContainerName, nil)
	return err
}

// RemoveContainer takes the container away, with all that is in it: readers may begin again where they know to.
func (s *Shared) RemoveContainer(ctx context.Context) error {
	s.order.Lock()
	defer s.order.Unlock()
	_, err := s.Blobs.DeleteContainer(ctx, ContainerName, nil)
	s.told(Checkpoint{Gone: true, At: time.Now()})
	return err
}

// join gives a connector its way to the account.
func (s *Shared) join(t testing.TB, c *Connector) {
	t.Helper()
	c.Store = StartStore(t, strings.TrimSuffix(s.Server.URL, "/"+azurite.Account), nil)
	c.Store.around = func(r *http.Request, pass func() int) { s.pass(c.Name, r, pass) }
	c.Blob = StartWire(t, strings.TrimPrefix(c.Store.URL, "http://"))
}

// use has the file of a connector name the container.
func (s *Shared) use(c *Connector, config map[string]any) {
	config["checkpoint"] = map[string]any{
		"blob":   map[string]any{"connectionString": s.Server.ConnectionStringAt(c.Blob.Address), "container": ContainerName},
		"leases": map[string]any{"interval": leaseInterval.String(), "expiry": LeaseExpiry.String()},
	}
}

// pass passes a request on, and notes it if it writes a lease or a checkpoint.
func (s *Shared) pass(connector string, r *http.Request, pass func() int) {
	seen := time.Now()
	at, kind, ok := blobOf(r.URL.Path)
	if r.Method != http.MethodPut || !ok {
		pass()
		return
	}
	s.order.Lock()
	defer s.order.Unlock()
	renewed := s.renewed(connector, at)
	stored := pass() < http.StatusMultipleChoices
	if kind == "ownership" {
		if stored {
			s.note(connector, at, r.Header.Get("x-ms-meta-ownerid"), seen)
		}
		return
	}
	sequence, err := strconv.ParseInt(r.Header.Get("x-ms-meta-sequencenumber"), 10, 64)
	if err != nil {
		sequence = -1 // it cannot be safe, and the judge says so
	}
	s.told(Checkpoint{Connector: connector, Partition: at.partition, Sequence: sequence, Log: at.log, At: seen,
		Refused: !stored, Unleased: seen.Sub(renewed) > LeaseExpiry})
}

// renewed is when the last renewal of a partition by a connector was seen, zero if it does not have it.
func (s *Shared) renewed(connector string, at place) time.Time {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.fresh[connector][at]
}

// note takes a lease that was stored; nobody's if the owner is "".
func (s *Shared) note(connector string, at place, owner string, seen time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.fresh[connector] == nil {
		s.fresh[connector] = map[place]time.Time{}
	}
	if owner == "" {
		delete(s.fresh[connector], at)
		delete(s.owners, at)
		return
	}
	s.fresh[connector][at] = seen
	if before := s.owners[at]; before != connector {
		s.moves[at]++
		s.taken(connector, at, seen, before != "")
	}
	s.owners[at] = connector
}

// Owners are the connectors that have partitions, as the account was told last.
func (s *Shared) Owners() map[string]string {
	s.mu.Lock()
	defer s.mu.Unlock()
	owners := map[string]string{}
	for at, owner := range s.owners {
		owners[at.partition] = owner
	}
	return owners
}

// Moves is how often each partition has got another owner.
func (s *Shared) Moves() map[string]int {
	s.mu.Lock()
	defer s.mu.Unlock()
	moves := map[string]int{}
	for at, n := range s.moves {
		moves[at.partition] += n
	}
	return moves
}

// Spread is how many partitions each connector has.
func (s *Shared) Spread() map[string]int {
	spread := map[string]int{}
	for owner := range maps.Values(s.Owners()) {
		spread[owner]++
	}
	return spread
}

// Names are the blobs of the container.
func (s *Shared) Names(ctx context.Context) (names []string, err error) {
	pages := s.Blobs.NewListBlobsFlatPager(ContainerName, nil)
	for pages.More() {
		page, err := pages.NextPage(ctx)
		if err != nil {
			return nil, fmt.Errorf("list the container: %w", err)
		}
		for _, item := range page.Segment.BlobItems {
			names = append(names, *item.Name)
		}
	}
	return names, nil
}

// blobOf tells what a path in the account is: /account/container/endpoint/event hub/group/kind/partition.
func blobOf(path string) (at place, kind string, ok bool) {
	parts := strings.Split(strings.TrimPrefix(path, "/"), "/")
	if len(parts) != 7 || parts[1] != ContainerName || parts[5] != "checkpoint" && parts[5] != "ownership" {
		return place{}, "", false
	}
	return place{log: parts[2] + "/" + parts[3], partition: parts[6]}, parts[5], true
}

// WritesOf reports whether a request writes blobs of a kind, "ownership" or "checkpoint".
func WritesOf(r *http.Request, kind string) bool {
	_, found, ok := blobOf(r.URL.Path)
	return ok && r.Method == http.MethodPut && found == kind
}

// Lists reports whether a request lists the container.
func Lists(r *http.Request) bool { return r.URL.Query().Get("comp") == "list" }
