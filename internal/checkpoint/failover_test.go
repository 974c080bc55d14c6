package checkpoint_test

import (
	"testing"

	"azx/internal/checkpoint"
	"azx/internal/checkpoint/storetest"
)

func TestAFailoverOfTheHubNeedsNoConsentAndLeavesWhatWasThere(t *testing.T) {
	before := checkpoint.Identity{Hub: "plant.azure-devices.net", Endpoint: "one.servicebus.windows.net", EventHub: "plant", Group: "azx"}
	other := func(change func(*checkpoint.Identity)) checkpoint.Identity {
		i := before
		i.Endpoint = "two.servicebus.windows.net"
		change(&i)
		return i
	}
	same := other(func(*checkpoint.Identity) {})
	dir := t.TempDir()
	open := func(i checkpoint.Identity, options ...checkpoint.Option) (*checkpoint.File, error) {
		return checkpoint.OpenFile(dir, i, "azx-1", options...)
	}
	f, err := open(before)
	if err != nil {
		t.Fatal(err)
	}
	storetest.Save(t, f, "0", 5)
	f.Close()
	for name, refused := range map[string]checkpoint.Identity{
		"another hub":   other(func(i *checkpoint.Identity) { i.Hub = "mill.azure-devices.net" }),
		"another group": other(func(i *checkpoint.Identity) { i.Group = "reports" }),
	} {
		if _, err := open(refused, checkpoint.AllowFailover()); err == nil {
			t.Errorf("%s passes for a failover", name)
		}
	}
	if _, err := open(same); err == nil {
		t.Error("an endpoint that somebody named passes for a failover")
	}
	if f, err = open(same, checkpoint.AllowFailover()); err != nil || !f.FailedOver() {
		t.Fatalf("a failover is refused, or not told: %v", err)
	}
	if at, found, err := f.Load(t.Context(), "0"); found || err != nil {
		t.Errorf("the checkpoint of before is applied: %+v, %v", at, err)
	}
	f.Close()
	if f, err = open(before, checkpoint.AllowFailover()); err != nil || f.FailedOver() {
		t.Fatalf("failed back: %v", err)
	}
	defer f.Close()
	storetest.Expect(t, f, "0", 5)
}
