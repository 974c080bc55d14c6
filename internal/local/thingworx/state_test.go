package thingworx

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"azx/alwayson/infotable"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// memoryStore remembers what was saved, and fails when told to.
type memoryStore struct {
	mu    sync.Mutex
	saved []*State
	err   error
}

func (s *memoryStore) Load() (*State, error) { return &State{Version: 1}, nil }

func (s *memoryStore) Save(state *State) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.err == nil {
		s.saved = append(s.saved, state)
	}
	return s.err
}

func (s *memoryStore) last() *State {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.saved) == 0 {
		return &State{}
	}
	return s.saved[len(s.saved)-1]
}

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

func valueOf(s *State, thing, property string) []byte {
	for _, t := range s.Things {
		if t.Name == thing {
			return t.Values[property].Value
		}
	}
	return nil
}

func TestDefinitionsAreSavedAtOnceAndLastValuesAtTheEnd(t *testing.T) {
	store := &memoryStore{}
	p := plant(t, Options{Store: store})
	ctx, cancel := context.WithCancel(t.Context())
	var wait sync.WaitGroup
	var ended error
	wait.Go(func() { ended = p.Run(ctx) })
	must(t, p.CreateThing(ThingSpec{Name: "Fan", Template: TemplateRemote, Enabled: true}))
	eventually(t, "the new Thing is saved", func() bool { return len(store.last().Things) == 3 })
	must(t, p.DeleteThing("Fan"))
	eventually(t, "the deletion is saved", func() bool { return len(store.last().Things) == 2 })
	must(t, p.Push("Pump-1", []Write{{Property: "temp", Value: num(5), Time: 1}}))
	cancel()
	wait.Wait()
	if ended != nil || string(valueOf(store.last(), "Pump-1", "temperature")) != string(infotable.AppendValue(nil, num(5))) {
		t.Errorf("ended with %v, saved %v", ended, store.last())
	}
}

func TestAFailedSaveIsReportedAtTheEnd(t *testing.T) {
	store := &memoryStore{err: errors.New("disk full")}
	p := plant(t, Options{Store: store})
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := p.Run(ctx); err == nil || err.Error() != "save platform: disk full" {
		t.Errorf("got %v", err)
	}
}

func TestAStateThatCannotBeReadIsRefused(t *testing.T) {
	name := filepath.Join(t.TempDir(), "things.json")
	for content, want := range map[string]string{
		`{`:             "read state " + name,
		`{"version":2}`: "it has version 2, this program knows version 1",
		`{"version":1,"things":[{"name":"a/b","template":"RemoteThing"}]}`:                                         "contains '/'",
		`{"version":1,"things":[{"name":"a","template":"Gone"}]}`:                                                  `there is no template "Gone"`,
		`{"version":1,"things":[{"name":"a","template":"RemoteThing","properties":[{"name":"p","type":"X"}]}]}`:    "restore Thing a, property p",
		`{"version":1,"things":[{"name":"a","template":"RemoteThing","values":{"isReporting":{"value":"AA=="}}}]}`: "value of isReporting of Thing a",
		`{"version":1,"things":[{"name":"a","template":"RemoteThing"},{"name":"A","template":"RemoteThing"}]}`:     "names must differ in more than case",
	} {
		must(t, os.WriteFile(name, []byte(content), 0o600))
		if _, err := New(Options{Store: FileStore{Path: name}}); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: got %v", content, err)
		}
	}
}
