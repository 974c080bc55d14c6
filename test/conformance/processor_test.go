package conformance

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/messaging/azeventhubs/v2"

	"azx/internal/supervise"
	"azx/test/process"
)

// memoryStore keeps ownerships and checkpoints of processors in memory.
type memoryStore struct {
	mu          sync.Mutex
	etag        int
	ownerships  map[string]azeventhubs.Ownership // by partition
	checkpoints map[string]azeventhubs.Checkpoint
}

func newMemoryStore() *memoryStore {
	return &memoryStore{ownerships: map[string]azeventhubs.Ownership{}, checkpoints: map[string]azeventhubs.Checkpoint{}}
}

// sameTag compares etags, which may be absent.
func sameTag[T comparable](a, b *T) bool {
	return a == nil && b == nil || a != nil && b != nil && *a == *b
}

func newTag[T ~string](tag **T, n int) { *tag = pointer(T(strconv.Itoa(n))) }

// ClaimOwnership grants the claims that know the newest etag.
func (s *memoryStore) ClaimOwnership(_ context.Context, claims []azeventhubs.Ownership, _ *azeventhubs.ClaimOwnershipOptions) ([]azeventhubs.Ownership, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	var granted []azeventhubs.Ownership
	for _, claim := range claims {
		if !sameTag(claim.ETag, s.ownerships[claim.PartitionID].ETag) {
			continue
		}
		s.etag++
		newTag(&claim.ETag, s.etag)
		claim.LastModifiedTime = time.Now()
		s.ownerships[claim.PartitionID] = claim
		granted = append(granted, claim)
	}
	return granted, nil
}

func (s *memoryStore) ListOwnership(context.Context, string, string, string, *azeventhubs.ListOwnershipOptions) ([]azeventhubs.Ownership, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Collect(maps.Values(s.ownerships)), nil
}

func (s *memoryStore) ListCheckpoints(context.Context, string, string, string, *azeventhubs.ListCheckpointsOptions) ([]azeventhubs.Checkpoint, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Collect(maps.Values(s.checkpoints)), nil
}

func (s *memoryStore) SetCheckpoint(_ context.Context, c azeventhubs.Checkpoint, _ *azeventhubs.SetCheckpointOptions) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.checkpoints[c.PartitionID] = c
	return nil
}

// worker is a running Processor with its partitions.
type worker struct {
	name  string
	group *supervise.Group

	mu    sync.Mutex
	owned map[string]bool
}

// work runs a Processor until the worker is stopped. each is called for every event of this test.
func (h *hub) work(name string, store azeventhubs.CheckpointStore, each func(*azeventhubs.ReceivedEventData) error) *worker {
	h.t.Helper()
	client := h.consumer(group)
	processor, err := azeventhubs.NewProcessor(client, store, &azeventhubs.ProcessorOptions{
		LoadBalancingStrategy: azeventhubs.ProcessorStrategyGreedy,
		UpdateInterval:        time.Second,
		StartPositions:        azeventhubs.StartPositions{Default: h.start()},
	})
	if err != nil {
		h.t.Fatal(err)
	}
	w := &worker{name: name, owned: map[string]bool{}, group: supervise.New(context.Background())}
	w.group.Go("processor", processor.Run)
	w.group.Go("partitions", func(ctx context.Context) error {
		for {
			partition := processor.NextPartitionClient(ctx)
			if partition == nil {
				return nil
			}
			w.group.Go("partition "+partition.PartitionID(), func(ctx context.Context) error {
				return w.read(ctx, h.mark, partition, each)
			})
		}
	})
	h.t.Cleanup(func() { w.stop(h.t) })
	return w
}

// read processes a partition until it is lost to another processor or the worker stops.
func (w *worker) read(ctx context.Context, mark string, partition *azeventhubs.ProcessorPartitionClient, each func(*azeventhubs.ReceivedEventData) error) error {
	w.hold(partition.PartitionID(), true)
	defer w.hold(partition.PartitionID(), false)
	defer partition.Close(context.WithoutCancel(ctx))
	for {
		slice, cancel := context.WithTimeout(ctx, 200*time.Millisecond)
		events, err := partition.ReceiveEvents(slice, 100, nil)
		cancel()
		var coded *azeventhubs.Error
		switch {
		case ctx.Err() != nil, errors.As(err, &coded) && coded.Code == azeventhubs.ErrorCodeOwnershipLost:
			return nil
		case err != nil && !errors.Is(err, context.DeadlineExceeded):
			return err
		}
		for _, e := range events {
			if e.Properties["run"] != mark {
				continue
			}
			if err := each(e); err != nil {
				return err
			}
			if err := partition.UpdateCheckpoint(ctx, e, nil); err != nil && ctx.Err() == nil {
				return err
			}
		}
	}
}

func (w *worker) hold(partition string, has bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if has {
		w.owned[partition] = true
	} else {
		delete(w.owned, partition)
	}
}

// partitions are those the worker reads at the moment.
func (w *worker) partitions() []string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return slices.Sorted(maps.Keys(w.owned))
}

// stop ends the worker, gives its partitions back and waits.
func (w *worker) stop(t testing.TB) {
	w.group.Stop()
	if err := w.group.Wait(); err != nil && !errors.Is(err, context.Canceled) {
		t.Errorf("processor %s: %v", w.name, err)
	}
}

// tally counts what was processed, by device and body.
type tally struct {
	mu  sync.Mutex
	all map[string]int
}

func (c *tally) add(e *azeventhubs.ReceivedEventData) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.all == nil {
		c.all = map[string]int{}
	}
	c.all[fmt.Sprintf("%v %s", e.SystemProperties["iothub-connection-device-id"], e.Body)]++
	return nil
}

func (c *tally) wants(devices []device, from, to int) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, d := range devices {
		for n := from; n < to; n++ {
			if c.all[fmt.Sprintf("%s %d", d.id, n)] == 0 {
				return fmt.Errorf("message %d of %s has not been processed", n, d.id)
			}
		}
	}
	return nil
}

// numbers are the texts of the numbers from a to before b.
func numbers(a, b int) []string {
	var all []string
	for n := a; n < b; n++ {
		all = append(all, strconv.Itoa(n))
	}
	return all
}

func TestTwoProcessorsShareThePartitionsAndLoseNothing(t *testing.T) {
	t.Parallel()
	h := newHub(t)
	devices := h.devices(len(deviceNames))
	store := newMemoryStore()
	var done tally
	publish := func(from, to int) {
		t.Helper()
		for _, d := range devices {
			h.publish(d, nil, numbers(from, to)...)
		}
	}
	all := h.partitionIDs()

	first := h.work("first", store, done.add)
	publish(0, 10)
	process.Eventually(t, patience, "one processor reads every partition", func() error {
		if got := first.partitions(); !slices.Equal(got, all) {
			return fmt.Errorf("it reads %v of %v", got, all)
		}
		return done.wants(devices, 0, 10)
	})

	second := h.work("second", store, done.add)
	publish(10, 20)
	process.Eventually(t, patience, "two processors read half of the partitions each", func() error {
		one, two := first.partitions(), second.partitions()
		if got := slices.Sorted(slices.Values(slices.Concat(one, two))); !slices.Equal(got, all) || len(one)-len(two) > 1 || len(two)-len(one) > 1 {
			return fmt.Errorf("the first reads %v, the second %v", one, two)
		}
		return done.wants(devices, 0, 20)
	})

	first.stop(t)
	publish(20, 30)
	process.Eventually(t, patience, "the one that is left reads every partition", func() error {
		if got := second.partitions(); !slices.Equal(got, all) {
			return fmt.Errorf("it reads %v of %v", got, all)
		}
		return done.wants(devices, 0, 30)
	})
}

func TestAProcessorGoesOnBehindItsCheckpoint(t *testing.T) {
	t.Parallel()
	h := newHub(t)
	d := h.devices(1)[0]
	store := newMemoryStore()
	var before, after tally
	h.publish(d, nil, numbers(0, 10)...)
	first := h.work("first", store, before.add)
	process.Eventually(t, patience, "the first processor has them all", func() error { return before.wants([]device{d}, 0, 10) })
	first.stop(t)

	h.publish(d, nil, numbers(10, 20)...)
	h.work("second", store, after.add)
	process.Eventually(t, patience, "the second processor has the rest", func() error { return after.wants([]device{d}, 10, 20) })
	after.mu.Lock()
	defer after.mu.Unlock()
	if len(after.all) != 10 || len(before.all) != 10 {
		t.Errorf("the first processed %v, the second %v", before.all, after.all)
	}
}

func (h *hub) partitionIDs() []string {
	h.t.Helper()
	about, err := h.consumer(group).GetEventHubProperties(within(h.t), nil)
	if err != nil {
		h.t.Fatal(err)
	}
	return slices.Sorted(slices.Values(about.PartitionIDs))
}
