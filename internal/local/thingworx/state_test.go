package thingworx

import (
	"context"
	"errors"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"go.uber.org/goleak"

	"azx/alwayson/infotable"
	"azx/internal/local/thingworx/store"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// eventually polls until done, for at most ten seconds.
func eventually(t *testing.T, what string, done func() bool) {
	t.Helper()
	tick := time.NewTicker(2 * time.Millisecond)
	defer tick.Stop()
	deadline := time.After(10 * time.Second)
	for !done() {
		select {
		case <-deadline:
			t.Fatalf("not so after 10 s: %s", what)
		case <-tick.C:
		}
	}
}

// fragile is a store that fails when told to.
type fragile struct {
	store.Store
	err error
}

func (s fragile) Save(records []store.Record) error {
	if s.err != nil {
		return s.err
	}
	return s.Store.Save(records)
}

// keys returns what a store keeps in a bucket.
func keys(t *testing.T, s store.Store, bucket string) []string {
	t.Helper()
	var out []string
	must(t, s.Load(func(r store.Record) error {
		if r.Bucket == bucket {
			out = append(out, r.Key)
		}
		return nil
	}))
	return out
}

// running runs a platform until the returned function is called, which gives the error that ended it.
func running(t *testing.T, p *Platform) (stop func() error) {
	ctx, cancel := context.WithCancel(t.Context())
	var wait sync.WaitGroup
	var ended error
	wait.Go(func() { ended = p.Run(ctx) })
	return func() error {
		cancel()
		wait.Wait()
		return ended
	}
}

func TestDefinitionsAreSavedAtOnceAndValuesSoon(t *testing.T) {
	kept := store.Memory()
	p := plant(t, Options{Store: kept})
	stop := running(t, p)
	must(t, p.CreateThing(t.Context(), ThingSpec{Name: "Fan", Template: TemplateRemote, Enabled: true}))
	eventually(t, "the new Thing is saved", func() bool { return slices.Equal(keys(t, kept, bucketThings), []string{"Fan", "Pump-1"}) })
	must(t, p.CreateThing(t.Context(), ThingSpec{Name: "Saw", Template: TemplateRemote, Enabled: true, Gateway: "Pump-1"}))
	gateway := func(want string) func() bool {
		return func() bool {
			again, err := New(Options{Store: kept})
			must(t, err)
			view, err := again.Read(t.Context(), "Saw", propGateway)
			if err == nil && view.Value.IsNothing() {
				t.Fatal("a Thing was saved without its gateway")
			}
			return err == nil && view.Value.String() == want
		}
	}
	eventually(t, "the Thing with its gateway is saved", gateway("Pump-1"))
	must(t, p.Set(t.Context(), "Saw", []Write{{Property: propGateway, Value: infotable.Text(infotable.TypeThingName, "Fan")}}))
	eventually(t, "its new gateway is saved", gateway("Fan"))
	must(t, p.DeleteThing(t.Context(), "Saw"))
	must(t, p.DeleteThing(t.Context(), "Fan"))
	eventually(t, "the deletion is saved", func() bool { return slices.Equal(keys(t, kept, bucketThings), []string{"Pump-1"}) })
	must(t, p.Push(t.Context(), "Pump-1", []Write{{Property: "temp", Value: num(5), Time: 1}}))
	eventually(t, "the value is saved", func() bool { return len(keys(t, kept, bucketValues)) == 1 })
	must(t, p.Push(t.Context(), "Pump-1", []Write{{Property: "temp", Value: num(6), Time: 2}}))
	must(t, stop())
	again, err := New(Options{Store: kept})
	must(t, err)
	if got, err := again.Read(t.Context(), "Pump-1", "temperature"); err != nil || !got.Value.Equal(num(6)) || got.Time != 2 {
		t.Errorf("got %+v, %v", got.VTQ, err)
	}
}

func TestAFailedSaveIsReportedAtTheEndAndTriedAgain(t *testing.T) {
	kept := &fragile{store.Memory(), errors.New("disk full")}
	p := plant(t, Options{Store: kept})
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := p.Run(ctx); err == nil || err.Error() != "save platform: disk full" {
		t.Errorf("got %v", err)
	}
	kept.err = nil
	must(t, p.Save())
	if got := keys(t, kept, bucketThings); !slices.Equal(got, []string{"Pump-1"}) {
		t.Errorf("saved %v", got)
	}
}

func TestAStateThatCannotBeReadIsRefused(t *testing.T) {
	for _, tc := range []struct{ bucket, key, value, want string }{
		{bucketThings, "a", `{`, `things "a": `},
		{bucketMeta, keyVersion, `3`, `its state has version "3", this program knows version 2`},
		{bucketMeta, keyEncryption, `short`, "encryption key: it has 5 bytes, not 32"},
		{"other", "a", `{}`, "this program knows no such bucket"},
		{bucketThings, "a/b", `{"name":"a/b","thingTemplate":"RemoteThing"}`, "contains '/'"},
		{bucketThings, "a", `{"name":"a","thingTemplate":"Gone"}`, `there is no template "Gone"`},
		{bucketThings, "a", `{"name":"a","thingTemplate":"RemoteThing","properties":[{"name":"p","baseType":"X"}]}`, `Thing a: property p: there is no base type "X"`},
		{bucketThings, "A", `{"name":"pump-1","thingTemplate":"RemoteThing"}`, "names must differ in more than case"},
		{bucketValues, "Pump-1", `{"isReporting":{"value":"AA=="}}`, "restore Thing Pump-1: value of isReporting"},
		{bucketEntities, "ThingTemplates/T", `{"name":"T","baseThingTemplate":"Gone"}`, "template T: its base template Gone is not there"},
		{bucketPackages, "P", `{}`, "no package"},
	} {
		kept := store.Memory()
		must(t, plant(t, Options{Store: kept}).Save())
		must(t, kept.Save([]store.Record{{Bucket: tc.bucket, Key: tc.key, Value: []byte(tc.value)}}))
		if _, err := New(Options{Store: kept}); err == nil || !strings.Contains(err.Error(), tc.want) {
			t.Errorf("%s %s: got %v", tc.key, tc.value, err)
		}
	}
}

// slow is a store whose first Save takes until it is let go.
type slow struct {
	store.Store
	began, let chan struct{}
	kept       atomic.Int64
}

func (s *slow) Save(records []store.Record) error {
	if s.kept.Load() == 0 {
		close(s.began)
		<-s.let
	}
	s.kept.Add(int64(len(records)))
	return s.Store.Save(records)
}

func TestSaveWaitsForWhoSavesAlready(t *testing.T) {
	s := &slow{Store: store.Memory(), began: make(chan struct{}), let: make(chan struct{})}
	p, err := New(Options{Store: s})
	must(t, err)
	first := make(chan error, 1)
	go func() { first <- p.Save() }() // takes all that is noted
	<-s.began
	second := make(chan error, 1)
	go func() { second <- p.Save() }() // has nothing left to take
	select {
	case err := <-second:
		t.Errorf("Save returned (%v) before what had been noted was kept", err)
	case <-time.After(50 * time.Millisecond):
	}
	close(s.let)
	must(t, <-first)
	must(t, <-second)
	if s.kept.Load() == 0 {
		t.Error("nothing was kept")
	}
}
