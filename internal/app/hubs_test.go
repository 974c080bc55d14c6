package app

import (
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"testing"

	"azx/internal/checkpoint"
	"azx/internal/config"
	"azx/internal/delivery"
	"azx/internal/fault"
	"azx/internal/message"
)

// twoHubs is a connector with two hubs that has nothing open.
func twoHubs(t *testing.T) *connector {
	t.Helper()
	return newConnector(Options{Config: &config.Config{
		Name: "azx-1", Hubs: []config.Hub{{Thing: "Plant1Hub"}, {Thing: "Plant2Hub"}}, Checkpoint: config.Checkpoint{File: t.TempDir()},
	}})
}

func TestAHubThatFailsEndsTheConnectorOnlyWithTheLastOne(t *testing.T) {
	missing := &HubError{errors.New("there is no consumer group")}
	blank := &startError{&fault.Problem{Op: "read the routing group", Class: fault.Fatal, Cause: errors.New("it is blank")}}
	c := twoHubs(t)
	first, second := c.hubs[0], c.hubs[1]
	if second.endsAll(missing) {
		t.Error("one of two ends it")
	}
	if second.endsAll(missing) {
		t.Error("the same one ends it the second time")
	}
	if !first.endsAll(missing) {
		t.Error("the last one does not end it")
	}
	c.start.served(second)
	if first.endsAll(missing) {
		t.Error("the other one is served again, and it ends")
	}
	if !second.endsAll(errors.New("panic: index out of range")) {
		t.Error("a fault of the connector itself is taken for one of the hub")
	}
	c.start.served(first)
	if !second.endsAll(blank) {
		t.Error("a bad routing group does not stop the start")
	}
	c.start.setOver()
	if second.endsAll(blank) {
		t.Error("a routing group that is bad later ends what runs")
	}
	if only := newTeller(nil); !only.endsAll(missing) {
		t.Error("the only hub does not end it")
	}
}

func TestWhatTwoHubsCannotShareIsHeldByOne(t *testing.T) {
	var s start
	for i, step := range []struct{ group, thing, other string }{
		{"plant", "Plant1Hub", ""}, {"plant", "Plant2Hub", "Plant1Hub"}, {"plant", "Plant1Hub", ""}, {"press", "Plant1Hub", ""}, {"plant", "Plant2Hub", ""},
	} {
		if other := s.claimGroup(step.group, step.thing); other != step.other {
			t.Errorf("step %d: %q has it", i, other)
		}
	}
	if other := s.claimLog("plant", "Plant3Hub"); other != "" {
		t.Errorf("a group is taken for a log of %s", other)
	}
}

func TestAHubThatCarriesNoRequestsHoldsNobodyUpAtTheStart(t *testing.T) {
	c := twoHubs(t)
	c.Log = slog.New(slog.DiscardHandler)
	h := c.hubs[0]
	k := &carrier{hubSide: h, hub: h.file.Load()} // it has no connection string: telemetry only
	if err := k.openTwoWay(); err != nil || k.twoWay != nil {
		t.Fatalf("got %v, %v", k.twoWay, err)
	}
	select {
	case <-h.grouped:
	default:
		t.Error("the others wait for its routing group, which nobody asks for")
	}
}

func TestChecksNameTheHubIfThereAreSeveral(t *testing.T) {
	c := twoHubs(t)
	c.hubs[1].state.setHub(errors.New("refused"))
	found := map[string]bool{}
	for _, check := range append(c.hubs[0].in(), c.hubs[1].in()...) {
		if err := check.Run(); err != nil {
			found[check.Name+": "+err.Error()] = true
		}
	}
	for _, want := range []string{"hub open of Plant1Hub: starting", "hub open of Plant2Hub: refused", "settings known of Plant1Hub: starting"} {
		if !found[want] {
			t.Errorf("no %q among %v", want, found)
		}
	}
	if name := newTeller(nil).in()[1].Name; name != "hub open" {
		t.Errorf("of the only hub it is %q", name)
	}
}

func TestARequestIsForTheHubOfItsThing(t *testing.T) {
	c := twoHubs(t)
	c.owners.note("pump-1", "Plant2Hub")
	for thing, want := range map[string]string{"Plant1Hub": "Plant1Hub", "Plant2Hub": "Plant2Hub", "pump-1": "Plant2Hub"} {
		h, err := c.hubOf(t.Context(), message.Request{Thing: thing})
		if err != nil || h.thing != want {
			t.Errorf("%s: %v, %v", thing, h, err)
		}
	}
	c.forget("pump-1")
	if h := c.hubKnown("pump-1"); h != nil {
		t.Errorf("what was forgotten is of %s", h.thing)
	}
	if h := newTeller(nil).hubKnown("pump-1"); h == nil {
		t.Error("there is one hub, and it is not known")
	}
}

func TestARequestForAHubThatIsNotServedSaysSo(t *testing.T) {
	c := twoHubs(t)
	for _, why := range []error{errStarting, errors.New("there is no consumer group")} {
		c.hubs[1].state.setStart(why)
		_, err := c.request(t.Context(), message.Request{Thing: "Plant2Hub", Verb: message.VerbCall, Name: "x"})
		if err == nil || fault.ClassOf(err) != fault.Transient || fault.HintOf(err) == "" || errors.Is(err, errNotServed) != (why != errStarting) {
			t.Errorf("%v: got %v", why, err)
		}
	}
}

func TestAStartOfOneHubIsNotThatOfTheOthers(t *testing.T) {
	all := Starts{"": {Latest: true}, "Plant2Hub": {}}
	if at, said := all.Of("Plant1Hub"); !said || !at.Latest {
		t.Errorf("got %v, %t", at, said)
	}
	if at, said := all.Of("Plant2Hub"); !said || at.Latest {
		t.Errorf("got %v, %t", at, said)
	}
	if _, said := (Starts{"Plant2Hub": {}}).Of("Plant1Hub"); said {
		t.Error("nobody said where it starts")
	}
}

// identityOf is the log of a hub in a consumer group.
func identityOf(hub, group string) checkpoint.Identity {
	return checkpoint.Identity{Hub: hub + ".azure-devices.net", Endpoint: hub + ".servicebus.windows.net", EventHub: "events", Group: group}
}

// opened opens the folder of a hub and returns where partition 0 is; 0 for nowhere.
func opened(t *testing.T, cfg *config.Config, thing string, id checkpoint.Identity, save int64) (int64, error) {
	t.Helper()
	f, err := openFolder(cfg, thing, id, "azx-1")
	if err != nil {
		return 0, err
	}
	at, _, err := f.Load(t.Context(), "0")
	if save > 0 {
		err = errors.Join(err, f.Save(t.Context(), "0", delivery.Checkpoint{Sequence: save, Offset: fmt.Sprint(save)}))
	}
	if err := errors.Join(err, f.Close()); err != nil {
		t.Fatal(err)
	}
	return at.Sequence, nil
}

func TestAHubKeepsItsCheckpointsWhenItGetsNeighboursAndLosesThem(t *testing.T) {
	both := twoHubs(t).Config
	alone := *both
	alone.Hubs = both.Hubs[:1]
	plant1, plant2 := identityOf("plant1", "azx"), identityOf("plant2", "azx")
	expect := func(step string, cfg *config.Config, thing string, id checkpoint.Identity, want, save int64) {
		t.Helper()
		if at, err := opened(t, cfg, thing, id, save); err != nil || at != want {
			t.Fatalf("%s: at %d, %v; want %d", step, at, err, want)
		}
	}
	expect("alone", &alone, "Plant1Hub", plant1, 0, 5)
	expect("one of two", both, "Plant1Hub", plant1, 5, 7)
	expect("the other", both, "Plant2Hub", plant2, 0, 3)
	expect("one of two again", both, "Plant1Hub", plant1, 7, 8)
	expect("alone again", &alone, "Plant1Hub", plant1, 8, 0)
	shown, err := ShowCheckpoints(t.Context(), both, "")
	if err != nil || len(shown.Logs) != 2 || shown.Logs[1].Hub != "Plant2Hub" || shown.Logs[0].Partitions[0].Sequence != 8 {
		t.Errorf("shown is %+v, %v", shown, err)
	}
	if _, err := SetCheckpoint(t.Context(), CheckpointsOf{Config: both}, PartitionCheckpoint{Partition: "0", Sequence: 1, Offset: "1"}); fault.HintOf(err) == "" {
		t.Errorf("without saying which hub: %v", err)
	}
	if _, err := SetCheckpoint(t.Context(), CheckpointsOf{Config: both, Hub: "Plant2Hub"}, PartitionCheckpoint{Partition: "0", Sequence: 1, Offset: "1"}); err != nil {
		t.Error(err)
	}
	expect("after it was set", both, "Plant2Hub", plant2, 1, 0)
}

func TestAChangedConsumerGroupIsNoticedAlsoWhenAHubGetsNeighbours(t *testing.T) {
	both := twoHubs(t).Config
	alone := *both
	alone.Hubs = both.Hubs[:1]
	if _, err := opened(t, &alone, "Plant1Hub", identityOf("plant1", "azx"), 5); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if _, err := opened(t, both, "Plant1Hub", identityOf("plant1", "other"), 0); fault.ClassOf(err) != fault.Fatal {
			t.Errorf("got %v", err)
		}
	}
	if at, err := opened(t, both, "Plant1Hub", identityOf("plant1", "azx"), 0); err != nil || at != 5 {
		t.Errorf("with the group that it had: at %d, %v", at, err)
	}
}

func TestACheckpointFolderThatIsMadeHalfIsMadeAgain(t *testing.T) {
	both := twoHubs(t).Config
	left := filepath.Join(both.Checkpoint.File, hubsFolder, "Plant1Hub.new")
	if err := os.MkdirAll(left, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(left, "identity.json"), []byte("{"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := opened(t, both, "Plant1Hub", identityOf("plant1", "azx"), 5); err != nil {
		t.Error(err)
	}
	if _, err := os.Stat(left); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the half is still there: %v", err)
	}
}
