package app

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"azx/internal/blob"
	"azx/internal/fault"
	"azx/internal/iothub"
	"azx/internal/secret"
)

// exportingHub has an export that is over at once; twins are those that are not in it.
type exportingHub struct {
	started, awaited int
	twins            map[string]string
}

func (h *exportingHub) StartExport(context.Context, iothub.Export) (iothub.BulkJob, error) {
	h.started++
	return iothub.BulkJob{ID: "job-1"}, nil
}

func (h *exportingHub) AwaitExport(_ context.Context, id string, _ func(int)) (iothub.BulkJob, error) {
	h.awaited++
	return iothub.BulkJob{ID: id}, nil
}

func (h *exportingHub) Twin(_ context.Context, t iothub.Target) (twin iothub.Twin, err error) {
	desired, there := h.twins[t.Device]
	if !there {
		return twin, iothub.ErrNotFound
	}
	twin.DeviceID, twin.Properties.Desired = t.Device, []byte(desired)
	return twin, nil
}

// exportOf is a source over a blob with this text, read in small pieces.
func exportOf(t *testing.T, hub *exportingHub, text string) (e *deviceExport, removed *int) {
	removed = new(int)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodDelete {
			*removed++
			w.WriteHeader(http.StatusAccepted)
			return
		}
		if text == "" { // it is not there
			http.NotFound(w, r)
			return
		}
		http.ServeContent(w, r, "", time.Time{}, strings.NewReader(text))
	}))
	t.Cleanup(server.Close)
	e = &deviceExport{client: hub, told: func(int) {}, piece: 128,
		into: blob.NewSigned(secret.Literal(server.URL+"/box?sig=secret"), nil, exportFlag)}
	t.Cleanup(e.into.Close)
	return e, removed
}

const exportedTwin = `"properties": {"desired": {}, "reported": {}}`

func TestAnExportIsReadInPiecesAndCanBeGoneOnWithAtEachPage(t *testing.T) {
	text := `{"id": "a", ` + exportedTwin + `}
{"id": "a", "moduleId": "m"}
nonsense

{"id": "none"}
{"id": "gone"}
{"id": "z", ` + exportedTwin + `, "capabilities": {"iotEdge": true}}
`
	hub := &exportingHub{twins: map[string]string{"none": "{}"}}
	e, removed := exportOf(t, hub, text)
	walk := func(from string) (ids, places []string) {
		for page, err := range e.Pages(t.Context(), from) {
			if err != nil {
				t.Fatal(err)
			}
			places = append(places, page.Next)
			for _, d := range page.Devices {
				ids = append(ids, fmt.Sprintf("%s:%t:%t:%t", d.ID, d.Bad != nil, d.Edge, d.Desired != nil))
			}
		}
		return ids, places
	}
	all, places := walk("")
	if want := "[a:false:false:true :true:false:false none:false:false:true gone:true:false:false z:false:true:true]"; fmt.Sprint(all) != want {
		t.Errorf("got %v", all)
	}
	if hub.started != 1 || hub.awaited != 1 || *removed != 1 || len(places) < 3 {
		t.Errorf("started %d, awaited %d, removed %d, %d pages", hub.started, hub.awaited, *removed, len(places))
	}
	for n, place := range places {
		if rest, _ := walk(place); len(rest) > len(all) || fmt.Sprint(rest) != fmt.Sprint(all[len(all)-len(rest):]) || n == len(places)-1 && len(rest) != 0 {
			t.Errorf("from page %d on: %v", n, rest)
		}
	}
	if hub.started != 1 {
		t.Errorf("going on has started %d exports", hub.started)
	}
}

func TestAnImportThatWasKilledBehindTheRemovalOfItsExportIsOver(t *testing.T) {
	e, removed := exportOf(t, &exportingHub{}, `{"id": "a", `+exportedTwin+`}`)
	last := ""
	for page, err := range e.Pages(t.Context(), "") {
		if err != nil {
			t.Fatal(err)
		}
		last = page.Next
	}
	e.into.Close()
	again, gone := exportOf(t, &exportingHub{}, "")
	for page, err := range again.Pages(t.Context(), last) {
		if err != nil || len(page.Devices) > 0 {
			t.Errorf("got %v, %v", page.Devices, err)
		}
	}
	if *removed != 1 || *gone != 1 {
		t.Errorf("removed %d times, then %d", *removed, *gone)
	}
}

func TestAnExportThatCannotBeReadEndsIt(t *testing.T) {
	for name, c := range map[string]struct{ text, from, says string }{
		"a line that is too long": {strings.Repeat("x", 1000), "", "more than 128 bytes"},
		"a place of a query":      {"", "a continuation", "no place in one"},
	} {
		t.Run(name, func(t *testing.T) {
			e, _ := exportOf(t, &exportingHub{}, c.text)
			var last error
			for _, err := range e.Pages(t.Context(), c.from) {
				last = err
			}
			if fault.ClassOf(last) != fault.Rejected || !strings.Contains(last.Error(), c.says) {
				t.Errorf("got %v", last)
			}
		})
	}
}
