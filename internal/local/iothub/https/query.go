package https

import (
	"errors"
	"iter"
	"net/http"
	"sort"
	"strconv"

	"azx/internal/local/iothub"
	"azx/internal/local/iothub/query"
)

// Sizes of a page (read: at most 1000; the default is inferred).
const (
	defaultPage = 100
	maxPage     = 1000
)

// query answers with a page of a query; x-ms-continuation of the answer asks for the next one.
func (f *front) query(r *request) error {
	var body struct {
		Query string `json:"query"`
	}
	if err := r.decode(&body); err != nil {
		return err
	}
	size, err := pageSize(r)
	if err != nil {
		return err
	}
	if err := f.hub.Admit(iothub.OpQuery, 0); err != nil {
		return err
	}
	q, err := query.Parse(body.Query)
	if err != nil {
		return invalid("%v", err)
	}
	rows, next, err := q.Page(f.source(q.From), body.Query, r.Header.Get("x-ms-continuation"), size)
	if err != nil {
		return invalid("%v", err)
	}
	r.w.Header()["x-ms-item-type"] = []string{itemType(q)}
	if next != "" {
		r.w.Header()["x-ms-continuation"] = []string{next}
	}
	reply(r.w, http.StatusOK, rows)
	return nil
}

// pageSize is how many rows a request wants at most.
func pageSize(r *request) (int, error) {
	text := r.Header.Get("x-ms-max-item-count")
	if text == "" {
		return defaultPage, nil
	}
	size, err := strconv.Atoi(text)
	if err != nil || size < 1 || size > maxPage {
		return 0, invalid("x-ms-max-item-count %q: want 1 to %d", text, maxPage)
	}
	return size, nil
}

// itemType is the x-ms-item-type of the rows.
func itemType(q *query.Query) string {
	switch {
	case !q.Whole():
		return "Raw"
	case q.From == query.Jobs:
		return "DeviceJob"
	}
	return "Twin"
}

// source gives the documents of a collection.
func (f *front) source(collection query.Collection) query.Source {
	if collection == query.Jobs {
		return f.jobs.Rows
	}
	return f.twins(collection)
}

// twins gives the twins of devices or modules, sorted by their keys.
func (f *front) twins(collection query.Collection) query.Source {
	return func(after string) iter.Seq2[string, map[string]any] {
		return func(yield func(string, map[string]any) bool) {
			all := f.hub.Registry().List()
			first := sort.Search(len(all), func(i int) bool { return keyOf(all[i].ID) > after })
			for _, identity := range all[first:] {
				if (identity.Module != "") != (collection == query.Modules) {
					continue
				}
				document, err := f.hub.TwinDocument(identity.ID)
				if errors.Is(err, iothub.ErrNotFound) {
					continue // deleted meanwhile
				}
				if !yield(keyOf(identity.ID), document) {
					return
				}
			}
		}
	}
}

// keyOf sorts like the registry: a zero byte is before all that ids can have.
func keyOf(id iothub.ID) string { return id.Device + "\x00" + id.Module }
