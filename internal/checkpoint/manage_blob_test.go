package checkpoint_test

import (
	"maps"
	"slices"
	"testing"
	"time"

	"azx/internal/checkpoint"
	"azx/internal/checkpoint/blobtest"
	"azx/internal/checkpoint/storetest"
	"azx/internal/delivery"
	"azx/internal/fault"
)

func TestAContainerIsReadWhileConnectorsUseIt(t *testing.T) {
	service := blobtest.Start(t)
	storetest.Save(t, openBlob(t, service), "1", 5)
	service.Put("other.servicebus.windows.net/eh/$default/checkpoint/0", map[string]string{"sequencenumber": "7", "offset": "70"}, "")
	service.Put("a/b/checkpoint/0", nil, "") // of another program
	service.Put(log+"checkpoint/notes", nil, "")
	current, all, err := checkpoint.ReadContainer(t.Context(), containerOf(service), "Plant1Hub")
	if err != nil || current != plant || len(all) != 2 {
		t.Fatalf("got %v, %v, %v", current, all, err)
	}
	for i, want := range []checkpoint.Stored{
		{Identity: plant.String(), Current: true, At: map[string]delivery.Checkpoint{"1": storetest.At(5)}},
		{Identity: "other.servicebus.windows.net/eh/$default", At: map[string]delivery.Checkpoint{"0": {Sequence: 7, Offset: "70"}}},
	} {
		if got := all[i]; got.Identity != want.Identity || got.Current != want.Current || !maps.Equal(got.At, want.At) {
			t.Errorf("got %v, want %v", got, want)
		}
	}
	service.Put(log+"checkpoint/0", nil, "")
	_, _, err = checkpoint.ReadContainer(t.Context(), containerOf(service), "Plant1Hub")
	expectProblem(t, err, fault.Fatal, log+"checkpoint/0")
}

func TestAPersonMayMoveACheckpointInAContainerAndTakeItAway(t *testing.T) {
	service := blobtest.Start(t)
	b := openBlob(t, service)
	storetest.Save(t, b, "0", 5)
	for _, to := range []int64{2, 9} {
		if err := b.Set(t.Context(), "0", storetest.At(to)); err != nil {
			t.Fatal(err)
		}
		storetest.Expect(t, openBlob(t, service), "0", to)
	}
	for _, partition := range []string{"0", "1"} { // of the second one there is no checkpoint yet
		if err := b.SaveSnapshot(t.Context(), partition, []byte("known")); err != nil {
			t.Fatal(err)
		}
		if was, err := b.Clear(t.Context(), partition); !was || err != nil {
			t.Errorf("partition %s: got %v, %v", partition, was, err)
		}
		if left, err := openBlob(t, service).LoadSnapshot(t.Context(), partition); left != nil || err != nil {
			t.Errorf("partition %s: its devices are still known: %q, %v", partition, left, err)
		}
		if err := b.SaveSnapshot(t.Context(), partition, []byte("anew")); err != nil {
			t.Errorf("partition %s: a snapshot behind that: %v", partition, err)
		}
		if _, err := b.Clear(t.Context(), partition); err != nil {
			t.Error(err)
		}
	}
	if was, err := b.Clear(t.Context(), "0"); was || err != nil {
		t.Errorf("again: %v, %v", was, err)
	}
	if _, found, err := b.Load(t.Context(), "0"); found || err != nil || len(b.All()) > 0 {
		t.Errorf("left: %v, %v, %v", found, err, b.All())
	}
	if b.Set(t.Context(), "x", storetest.At(1)) == nil || b.Set(t.Context(), "0", delivery.Checkpoint{}) == nil {
		t.Error("nonsense was set")
	}
}

func TestAPersonChangesNothingWhileAConnectorReads(t *testing.T) {
	service := blobtest.Start(t)
	b := openBlob(t, service)
	storetest.Save(t, b, "0", 5)
	if _, _, err := b.Claim(t.Context(), delivery.Ownership{Partition: "1", Owner: "azx-2"}); err != nil {
		t.Fatal(err)
	}
	expectProblem(t, b.Set(t.Context(), "0", storetest.At(1)), fault.Rejected, "partition 1", "azx-2", "stop the connectors")
	_, err := b.Clear(t.Context(), "0")
	expectProblem(t, err, fault.Rejected, "azx-2")
	storetest.Expect(t, b, "0", 5)
	service.Skew(2 * time.Minute) // it was killed
	if err := b.Set(t.Context(), "0", storetest.At(1)); err != nil {
		t.Error(err)
	}
}

func TestLeasesOfAnEventProcessorHostAreReadFromTheirContainer(t *testing.T) {
	service := blobtest.Start(t)
	for name, content := range map[string]string{
		"azx/0":        `{"offset":"37344","sequenceNumber":41,"partitionId":"0","epoch":12}`,
		"azx/1":        `{"PartitionId":"1","Offset":"99","SequenceNumber":7}`,
		"azx/2":        `{"offset":"-1","sequenceNumber":0,"partitionId":"2"}`,
		"azx/3":        "not a lease",
		"azx/info":     "not a partition",
		"$Default/0":   `{"offset":"1","sequenceNumber":1,"partitionId":"0"}`,
		"prefix-azx/0": `{"offset":"2","sequenceNumber":2,"partitionId":"0"}`,
	} {
		service.Put(name, nil, content)
	}
	found, others, err := checkpoint.ReadLeaseBlobs(t.Context(), containerOf(service), "AZX")
	want := map[string]delivery.Checkpoint{"0": {Sequence: 41, Offset: "37344"}, "1": {Sequence: 7, Offset: "99"}}
	if err != nil || !maps.Equal(found, want) || !slices.Equal(others, []string{"azx/3"}) {
		t.Errorf("got %v, %v, %v", found, others, err)
	}
	_, _, err = checkpoint.ReadLeaseBlobs(t.Context(), containerOf(service), "nothing")
	expectProblem(t, err, fault.Fatal, "partition 0 is also in")
	service.RemoveContainer()
	_, _, err = checkpoint.ReadLeaseBlobs(t.Context(), containerOf(service), "azx")
	expectProblem(t, err, fault.Transient, "ContainerNotFound")
}
