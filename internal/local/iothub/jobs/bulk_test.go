package jobs

import (
	"bytes"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"azx/internal/local/iothub"
)

// storage is a storage account in memory, as far as the jobs use one.
type storage struct {
	mu     sync.Mutex
	blocks map[string][]byte
	blobs  map[string][]byte
	status int           // of the next answers; 0 does what is asked for
	hold   chan struct{} // nothing is answered before it is closed
}

const container = "https://account.blob.core.windows.net/box?sv=2020-10-02&sig=secret"

func withStorage(s *site) *storage {
	st := &storage{blocks: map[string][]byte{}, blobs: map[string][]byte{}}
	s.jobs.storage.Transport = st
	return st
}

func (st *storage) RoundTrip(r *http.Request) (*http.Response, error) {
	if st.hold != nil {
		select {
		case <-st.hold:
		case <-r.Context().Done():
			return nil, r.Context().Err()
		}
	}
	st.mu.Lock()
	defer st.mu.Unlock()
	w := httptest.NewRecorder()
	body, err := io.ReadAll(r.Body)
	q := r.URL.Query()
	switch {
	case err != nil || q.Get("sig") != "secret" || r.Header.Get("X-Ms-Version") == "":
		w.WriteHeader(http.StatusForbidden)
	case st.status != 0:
		w.Header().Set("X-Ms-Error-Code", "AuthorizationFailure")
		w.WriteHeader(st.status)
	case r.Method == http.MethodGet && st.blobs[r.URL.Path] == nil:
		w.WriteHeader(http.StatusNotFound)
	case r.Method == http.MethodGet:
		_, _ = w.Write(st.blobs[r.URL.Path])
	case q.Get("comp") == "block":
		st.blocks[r.URL.Path+q.Get("blockid")] = body
		w.WriteHeader(http.StatusCreated)
	case q.Get("comp") == "blocklist":
		var list struct{ Latest []string }
		_ = xml.Unmarshal(body, &list)
		st.blobs[r.URL.Path] = []byte{}
		for _, id := range list.Latest {
			st.blobs[r.URL.Path] = append(st.blobs[r.URL.Path], st.blocks[r.URL.Path+id]...)
		}
		w.WriteHeader(http.StatusCreated)
	}
	return w.Result(), nil
}

func (s *site) bulk(b Bulk) Bulk {
	s.Helper()
	made, err := s.jobs.CreateBulk(b)
	if err != nil {
		s.Fatal(err)
	}
	return made
}

func (s *site) bulkIs(id, status string) Bulk {
	s.Helper()
	b, err := s.jobs.GetBulk(id)
	if err != nil || b.Status != status {
		s.Fatalf("got %+v, %v; want %s", b, err, status)
	}
	if strings.Contains(string(mustJSON(b)), "secret") {
		s.Errorf("the signature is shown: %+v", b)
	}
	return b
}

func TestAnExportImportedIntoAnotherHubGivesTheSameDevices(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		from, into := newSite(t, ""), newSite(t, "")
		defer from.stop()
		defer into.stop()
		box := withStorage(from)
		into.jobs.storage.Transport = box
		from.add(1000)
		if _, err := from.hub.Registry().Add(iothub.Spec{ID: iothub.ID{Device: "edge"}, Edge: true}, iothub.Spec{ID: iothub.ID{Device: "edge", Module: "press"}}); err != nil {
			t.Fatal(err)
		}
		big := map[string]any{"text": strings.Repeat("x", 4<<10)}
		for i := range 1000 { // more than one block
			if _, err := from.hub.PatchTwin(iothub.ID{Device: fmt.Sprintf("dev-%03d", i)}, "", iothub.TwinUpdate{Tags: big}); err != nil {
				t.Fatal(err)
			}
		}
		export := from.bulk(Bulk{Type: Export, Output: container})
		synctest.Wait()
		if b := from.bulkIs(export.ID, Completed); b.Progress != 100 || b.OutputBlob != devicesBlob {
			t.Errorf("got %+v", b)
		}
		if n := bytes.Count(box.blobs["/box/devices.txt"], []byte("\n")); n != 1004 || len(box.blocks) < 2 {
			t.Errorf("%d lines in %d blocks", n, len(box.blocks))
		}
		imported := into.bulk(Bulk{Type: Import, Input: container, Output: container})
		synctest.Wait()
		into.bulkIs(imported.ID, Completed)
		if log, there := box.blobs["/box/importErrors.log"]; !there || len(log) != 0 {
			t.Errorf("errors: %v %s", there, log)
		}
		all := into.hub.Registry().List()
		if len(all) != 1004 {
			t.Fatalf("%d identities", len(all))
		}
		for _, i := range all {
			was, err := from.hub.Registry().Get(i.ID)
			if err != nil || was.PrimaryKey != i.PrimaryKey || was.Edge != i.Edge {
				t.Fatalf("%s: got %+v, was %+v, %v", i.ID, i, was, err)
			}
		}
		if twin, err := into.hub.Twin(iothub.ID{Device: "dev-699"}); err != nil || twin.Tags["text"] != big["text"] {
			t.Errorf("got %.80v, %v", twin, err)
		}
	})
}

func TestLinesThatCannotBeImportedAreInTheLog(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSite(t, "")
		defer s.stop()
		box := withStorage(s)
		s.add(1)
		box.blobs["/box/devices.txt"] = []byte(`{"id": "new"}

{"id": "dev-000", "importMode": "create"}
{"id": "dev-000", "importMode": "update", "tags": {"site": "Ulm"}, "status": "disabled"}
{"id": "gone", "importMode": "delete"}
{"id": "cert", "authentication": {"type": "selfSigned"}}
not json
`)
		b := s.bulk(Bulk{Type: Import, Input: container, Output: container})
		synctest.Wait()
		s.bulkIs(b.ID, Completed)
		log := string(box.blobs["/box/importErrors.log"])
		for _, want := range []string{`"deviceId":"dev-000","errorCode":409001`, `"deviceId":"gone","errorCode":404001`, "another type than sas", `"errorCode":400004`} {
			if !strings.Contains(log, want) {
				t.Errorf("%q is missing in %s", want, log)
			}
		}
		twin, err := s.hub.Twin(iothub.ID{Device: "dev-000"})
		if identity, _ := s.hub.Registry().Get(twin.ID); err != nil || twin.Tags["site"] != "Ulm" || !identity.Disabled {
			t.Errorf("got %+v, %+v, %v", twin, identity, err)
		}
		if _, err := s.hub.Registry().Get(iothub.ID{Device: "new"}); err != nil {
			t.Error(err)
		}
	})
}

func TestAStorageThatRefusesFailsTheJobWithoutItsSignature(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSite(t, "")
		defer s.stop()
		box := withStorage(s)
		s.add(1)
		box.status = http.StatusForbidden
		b := s.bulk(Bulk{Type: Export, Output: container})
		synctest.Wait()
		if got := s.bulkIs(b.ID, Failed).FailureReason; got != "write devices.txt at account.blob.core.windows.net: status 403 AuthorizationFailure" {
			t.Errorf("reason %q", got)
		}
		s.jobs.storage.Transport = broken{}
		b = s.bulk(Bulk{Type: Import, Input: container, Output: container})
		synctest.Wait()
		if got := s.bulkIs(b.ID, Failed).FailureReason; got != "read devices.txt at account.blob.core.windows.net: no route" {
			t.Errorf("reason %q", got)
		}
	})
}

type broken struct{}

func (broken) RoundTrip(*http.Request) (*http.Response, error) { return nil, errors.New("no route") }

func TestThereIsOneBulkJobAtATimeAndItCanBeCancelled(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSite(t, "")
		defer s.stop()
		withStorage(s).hold = make(chan struct{})
		s.add(1)
		b := s.bulk(Bulk{Type: Export, Output: container, ExcludeKeys: true})
		if _, err := s.jobs.CreateBulk(Bulk{Type: Export, Output: container}); iothub.AsError(err).Code != iothub.JobQuotaExceeded {
			t.Errorf("got %v", err)
		}
		synctest.Wait()
		s.bulkIs(b.ID, Running)
		if err := s.jobs.CancelBulk(b.ID); err != nil {
			t.Error(err)
		}
		synctest.Wait()
		s.bulkIs(b.ID, Cancelled)
		if all := s.jobs.ListBulk(); len(all) != 1 || all[0].ID != b.ID {
			t.Errorf("got %+v", all)
		}
		<-time.After(31 * 24 * time.Hour)
		next := s.bulk(Bulk{Type: Export, Output: container})
		if all := s.jobs.ListBulk(); len(all) != 1 || all[0].ID != next.ID {
			t.Errorf("after 31 days there are %+v", all)
		}
	})
}

func TestAnExportBeginsAnewAfterARestart(t *testing.T) {
	dir := t.TempDir()
	synctest.Test(t, func(t *testing.T) {
		s := newSite(t, dir)
		withStorage(s).hold = make(chan struct{})
		s.add(1)
		b := s.bulk(Bulk{Type: Export, Output: container})
		synctest.Wait()
		s.stop()
		hub, err := iothub.Open(iothub.Config{Dir: dir, Clock: time.Now})
		if err != nil {
			t.Fatal(err)
		}
		again, err := Open(hub, dir, false)
		if err != nil {
			t.Fatal(err)
		}
		if got, err := again.GetBulk(b.ID); err != nil || got.over() {
			t.Errorf("got %+v, %v", got, err)
		}
		if err := errors.Join(again.Close(), hub.Close()); err != nil {
			t.Error(err)
		}
	})
}

func TestABulkJobThatCannotBeIsRefused(t *testing.T) {
	s := newSite(t, "")
	defer s.stop()
	for name, b := range map[string]Bulk{
		"another type":             {Type: "backup", Output: container},
		"no container":             {Type: Export},
		"no address":               {Type: Export, Output: "box?sig=secret"},
		"an import from nowhere":   {Type: Import, Output: container},
		"a container without TLS":  {Type: Export, Output: "http://account.blob.core.windows.net/box?sig=secret"},
		"the identity of the hub":  {Type: Export, Output: container, Authentication: "identityBased"},
		"an address with an error": {Type: Export, Output: "https://a b/?sig=secret"},
	} {
		t.Run(name, func(t *testing.T) {
			if _, err := s.jobs.CreateBulk(b); iothub.AsError(err).Code != iothub.ArgumentInvalid || strings.Contains(err.Error(), "secret") {
				t.Errorf("got %v", err)
			}
		})
	}
	if _, err := s.jobs.GetBulk("no"); iothub.AsError(err).Code != iothub.JobNotFound {
		t.Errorf("got %v", err)
	}
}
