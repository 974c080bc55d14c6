package iothub

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"
)

func TestAnIdentityChangesOnlyIfItsETagMatches(t *testing.T) {
	h := newHub(t, Config{})
	d := mustAdd(t, h, ID{Device: "d1"})
	r := h.Registry()
	changed, err := r.Update(Spec{ID: d.ID, Disabled: true, StatusReason: "broken"}, `"`+d.ETag+`"`)
	if err != nil || !changed.Disabled || changed.StatusReason != "broken" || !changed.StatusUpdated.Equal(noon) ||
		changed.PrimaryKey != d.PrimaryKey || changed.ETag == d.ETag || changed.GenerationID != d.GenerationID {
		t.Fatalf("got %+v, %v", changed, err)
	}
	_, err = r.Update(Spec{ID: d.ID}, d.ETag)
	wantCode(t, err, PreconditionFailed)
	wantCode(t, r.RemoveMatching(d.ID, d.ETag), PreconditionFailed)
	if _, err := r.Update(Spec{ID: ID{Device: "no"}}, ""); !errors.Is(err, ErrNotFound) {
		t.Errorf("got %v", err)
	}
	if err := r.RemoveMatching(d.ID, "*"); err != nil {
		t.Error(err)
	}
}

func TestWhatASpecCanSay(t *testing.T) {
	key := strings.Repeat("QUFB", 11)
	for name, c := range map[string]struct {
		spec Spec
		ok   bool
	}{
		"keys of its own":                   {Spec{PrimaryKey: key, SecondaryKey: key}, true},
		"a key that is no base64":           {Spec{PrimaryKey: "!"}, false},
		"a key that is short":               {Spec{PrimaryKey: "QUFB"}, false},
		"a reason of 128 characters":        {Spec{StatusReason: strings.Repeat("x", 128)}, true},
		"a reason that is longer":           {Spec{StatusReason: strings.Repeat("x", 129)}, false},
		"a parent that is no edge device":   {Spec{Parent: "plain"}, false},
		"a parent the hub has not":          {Spec{Parent: "no"}, false},
		"a parent that is an edge device":   {Spec{Parent: "edge"}, true},
		"an edge device behind another one": {Spec{Parent: "edge", Edge: true}, true},
	} {
		t.Run(name, func(t *testing.T) {
			h := newHub(t, Config{})
			r := h.Registry()
			if _, err := r.Add(Spec{ID: ID{Device: "edge"}, Edge: true}, Spec{ID: ID{Device: "plain"}}, Spec{ID: ID{Device: "old"}}); err != nil {
				t.Fatal(err)
			}
			c.spec.Device = "new"
			_, err := r.Add(c.spec)
			c.spec.Device = "old"
			_, updateErr := r.Update(c.spec, "")
			if c.ok && (err != nil || updateErr != nil) {
				t.Errorf("got %v, %v", err, updateErr)
			}
			if !c.ok {
				wantCode(t, err, ArgumentInvalid)
				wantCode(t, updateErr, ArgumentInvalid)
			}
		})
	}
}

func TestScopesLeadToTheParent(t *testing.T) {
	h := newHub(t, Config{})
	r := h.Registry()
	edge, err := r.Add(Spec{ID: ID{Device: "edge"}, Edge: true})
	if err != nil {
		t.Fatal(err)
	}
	scope := edge[0].Scope
	if !strings.HasPrefix(scope, "ms-azure-iot-edge://edge-") || len(edge[0].ParentScopes) != 0 {
		t.Fatalf("got %+v", edge[0])
	}
	below, err := r.Add(Spec{ID: ID{Device: "leaf"}, Parent: "edge"}, Spec{ID: ID{Device: "lower"}, Edge: true, Parent: "edge"},
		Spec{ID: ID{Device: "rest"}, Scope: scope})
	if err != nil {
		t.Fatal(err)
	}
	for i, own := range []bool{false, true, false} {
		if d := below[i]; fmt.Sprint(d.ParentScopes) != "["+scope+"]" || (d.Scope != scope) != own {
			t.Errorf("%s has the scope %s below %s", d.ID, d.Scope, d.ParentScopes)
		}
	}
	document, err := h.TwinDocument(ID{Device: "leaf"})
	if err != nil || document["deviceScope"] != scope {
		t.Errorf("got %v, %v", document, err)
	}
	changed, err := r.Update(Spec{ID: ID{Device: "rest"}, Edge: true}, "")
	if modules, listErr := r.Modules("rest"); err != nil || listErr != nil || !changed.Edge || len(modules) != 2 {
		t.Errorf("a device that becomes an edge device has %d modules, %v", len(modules), err)
	}
}

func TestADeviceHasFiftyModulesOfItsOwn(t *testing.T) {
	h := newHub(t, Config{})
	if _, err := h.Registry().Add(Spec{ID: ID{Device: "edge"}, Edge: true}); err != nil {
		t.Fatal(err)
	}
	for i := range maxModules {
		mustAdd(t, h, ID{Device: "edge", Module: fmt.Sprint(i)})
	}
	_, err := h.Registry().Add(Spec{ID: ID{Device: "edge", Module: "more"}})
	wantCode(t, err, TooManyModules)
}

func TestWhoAsksForModulesLeavesTheListOfAllDevicesWhole(t *testing.T) {
	h := newHub(t, Config{})
	mustAdd(t, h, ID{Device: "a"})
	mustAdd(t, h, ID{Device: "b"})
	mustAdd(t, h, ID{Device: "b", Module: "m"})
	before := slices.Clone(h.Registry().List())
	if modules, err := h.Registry().Modules("b"); err != nil || len(modules) != 1 {
		t.Fatal(modules, err)
	}
	if after := h.Registry().List(); !slices.EqualFunc(before, after, func(a, b Identity) bool { return a.ID == b.ID }) {
		t.Errorf("there were %v, now there are %v", before, after)
	}
}

func TestADeviceThatIsMadeAgainBeginsAnew(t *testing.T) {
	h := newHub(t, Config{})
	d := mustAdd(t, h, ID{Device: "d1"})
	var kicked error
	s, err := h.Enter(principalOf(d), func(reason error) { kicked = reason })
	if err != nil {
		t.Fatal(err)
	}
	send(t, h, d.ID, CloudMessage{})
	if err := h.Registry().Remove(d.ID); err != nil {
		t.Fatal(err)
	}
	wantCode(t, kicked, DeviceNotFound)
	s.Leave()
	again := mustAdd(t, h, d.ID)
	if p := h.Presence(d.ID); p != (Presence{}) || h.messageCount(again) != 0 {
		t.Errorf("it has %+v and %d messages", p, h.messageCount(again))
	}
	if _, err := h.Enter(principalOf(d), func(error) {}); !errors.Is(err, ErrNotFound) {
		t.Errorf("the old one enters: %v", err)
	}
	if _, err := h.PatchReported(principalOf(d), []byte("{}")); !errors.Is(err, ErrNotFound) {
		t.Errorf("the old one reports: %v", err)
	}
	if _, err := h.Registry().Update(Spec{ID: d.ID, Disabled: true}, ""); err != nil {
		t.Fatal(err)
	}
	if _, err := h.Enter(principalOf(again), func(error) {}); !errors.Is(err, ErrDisabled) {
		t.Errorf("a disabled one enters: %v", err)
	}
}

func TestBulkSaysWhichEntriesFailed(t *testing.T) {
	h := newHub(t, Config{})
	old := mustAdd(t, h, ID{Device: "old"})
	id := func(name string) Spec { return Spec{ID: ID{Device: name}} }
	failed, err := h.Bulk([]BulkEntry{
		{Spec: id("a"), Mode: BulkCreate, Twin: TwinUpdate{Tags: map[string]any{"t": "1"}}},
		{Spec: id("old"), Mode: BulkCreate},
		{Spec: id("old"), Mode: BulkUpdateIfMatch, ETag: "x"},
		{Spec: id("old"), Mode: BulkUpdateIfMatch, ETag: old.ETag},
		{Spec: id("b"), Mode: BulkCreateOrUpdate},
		{Spec: id("b"), Mode: BulkCreateOrUpdate},
		{Spec: id("no"), Mode: BulkDelete},
		{Spec: id("old"), Mode: BulkDeleteIfMatch, ETag: "x"},
		{Spec: id("b"), Mode: BulkUpdateTwin, Twin: TwinUpdate{Desired: map[string]any{"d": "1"}}},
		{Spec: id("b"), Mode: BulkUpdateTwinIfMatch, ETag: "x"},
		{Spec: id("b"), Mode: BulkDelete},
		{Spec: id("b"), Mode: "destroy"},
	})
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, f := range failed {
		got = append(got, fmt.Sprintf("%s %d", f.ID, f.Code))
	}
	want := "old 409001, old 412001, no 404001, old 412001, b 412001, b 400004"
	if text := strings.Join(got, ", "); text != want {
		t.Errorf("got %s, want %s", text, want)
	}
	if twin, err := h.Twin(ID{Device: "a"}); err != nil || twin.Tags["t"] != "1" {
		t.Errorf("got %+v, %v", twin, err)
	}
	for _, n := range []int{0, maxBulk + 1} {
		_, err := h.Bulk(make([]BulkEntry, n))
		wantCode(t, err, ArgumentInvalid)
	}
}

func TestEveryErrorHasACode(t *testing.T) {
	for err, want := range map[error]Code{
		ErrNotFound: DeviceNotFound, ErrExists: DeviceExists, ErrBadID: ArgumentInvalid, ErrDisabled: UnauthorizedAccess,
		ErrTooLarge: MessageTooLarge, ErrUnauthorized: UnauthorizedAccess, errors.New("disk full"): ServerError,
	} {
		wantCode(t, fmt.Errorf("do: %w", err), want)
	}
	if AsError(nil) != nil {
		t.Error("no error has a code")
	}
	for c := Code(400000); c < 600000; c++ {
		if c.Name() == "" {
			t.Fatalf("%d has no name", c)
		}
	}
	if err := error(refusal(DeviceNotFound, "no")); !errors.Is(err, ErrNotFound) || errors.Is(err, ErrExists) || AsError(err).Status() != 404 {
		t.Errorf("%v is no ErrNotFound", err)
	}
}

func TestAGenerationIsMadeOfDigits(t *testing.T) {
	h := newHub(t, Config{Clock: time.Now})
	if id := mustAdd(t, h, ID{Device: "d1"}).GenerationID; strings.Trim(id, "0123456789") != "" {
		t.Errorf("generation %q", id)
	}
}
