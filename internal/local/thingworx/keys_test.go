package thingworx

import (
	"strings"
	"testing"
	"time"

	"azx/alwayson/infotable"
	"azx/internal/local/thingworx/store"
)

func TestAnApplicationKeyIsToldOnceAndKeptAsADigest(t *testing.T) {
	now := time.UnixMilli(1_000_000)
	kept := store.Memory()
	p := plant(t, Options{Store: kept, Now: func() time.Time { return now }})
	person(t, p, "clerk")
	entities(t, p, "CreateApplicationKey", cell("name", text("desk")), cell("user", infotable.Text(infotable.TypeUserName, "clerk")),
		cell("expirationDate", infotable.DateTime(2_000_000)))
	told, err := p.Call(t.Context(), EntityApplicationKey, "desk", "GetKeyID", nil)
	must(t, err)
	key, _ := told.First("result").Text()
	_, err = p.Call(t.Context(), EntityApplicationKey, "desk", "GetKeyID", nil)
	refused(t, err, NotFound, "only a digest of application key desk is kept")
	must(t, p.Save())
	must(t, kept.Load(func(r store.Record) error {
		if strings.Contains(string(r.Value), key) {
			t.Errorf("%s %s has the key in clear", r.Bucket, r.Key)
		}
		return nil
	}))
	again, err := New(Options{Store: kept, Now: func() time.Time { return now }})
	must(t, err)
	if user, err := again.User(key); err != nil || user != "clerk" {
		t.Errorf("got %q, %v", user, err)
	}
	now = time.UnixMilli(2_000_000)
	_, err = again.User(key)
	refused(t, err, Denied, "application key desk expired at 1970-01-01T00:33:20Z")
	now = time.UnixMilli(1_000_000)
	entities(t, again, "DeleteApplicationKey", cell("name", text("desk")))
	_, err = again.User(key)
	refused(t, err, Denied, "unknown application key")
	_, err = again.CreateKey("desk", "nobody")
	refused(t, err, NotFound, "there is no Users/nobody")
}

func TestQueriesChooseAndSortRows(t *testing.T) {
	table := func() *infotable.Table {
		return infotable.New(infotable.Column("name", tString), infotable.Column("n", tNumber)).
			Add(text("Pump-1"), num(3)).Add(text("pump-2"), num(1)).Add(text("Fan"), infotable.Nothing()).Add(text("Drum"), num(2))
	}
	for _, tc := range []struct{ query, want string }{
		{``, "Pump-1 pump-2 Fan Drum"},
		{`{"filters":{"type":"LIKE","fieldName":"name","value":"pump%"}}`, "Pump-1 pump-2"},
		{`{"filters":{"type":"LIKE","fieldName":"name","value":"Pump%","isCaseSensitive":true}}`, "Pump-1"},
		{`{"filters":{"type":"NOTLIKE","fieldName":"name","value":"%u%"}}`, "Fan"},
		{`{"filters":{"type":"OR","filters":[{"type":"EQ","fieldName":"n","value":1},{"type":"EQ","fieldName":"name","value":"Fan"}]}}`, "pump-2 Fan"},
		{`{"filters":{"type":"BETWEEN","fieldName":"n","from":2,"to":3},"sorts":[{"fieldName":"n","isAscending":true}]}`, "Drum Pump-1"},
		{`{"filters":{"type":"IN","fieldName":"n","values":[1,2]}}`, "pump-2 Drum"},
		{`{"filters":{"type":"MissingValue","fieldName":"n"}}`, "Fan"},
		{`{"sorts":[{"fieldName":"n","isAscending":false}]}`, "Pump-1 Drum pump-2 Fan"},
	} {
		got, err := queried(table(), tc.query, 0)
		must(t, err)
		rows, _ := got.Table()
		var names []string
		for i := range rows.Rows {
			name, _ := rows.At(i, "name").Text()
			names = append(names, name)
		}
		if strings.Join(names, " ") != tc.want {
			t.Errorf("%s: got %v", tc.query, names)
		}
	}
	for query, want := range map[string]string{
		`{`: "the query is not as it should be", `{"filters":{"type":"EQ","fieldName":"x","value":1}}`: `the column "x", which is not there`,
		`{"filters":{"type":"Near","fieldName":"n","value":1}}`: `filters of type "Near" are not served here`,
		`{"filters":{"type":"EQ","fieldName":"n"}}`:             "lacks its value",
	} {
		_, err := queried(table(), query, 0)
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: got %v", query, err)
		}
	}
}
