package query

import (
	"encoding/json"
	"errors"
	"iter"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

// object reads a document as the hub has it: numbers as they are written.
func object(t *testing.T, text string) map[string]any {
	t.Helper()
	decoder := json.NewDecoder(strings.NewReader(text))
	decoder.UseNumber()
	var document map[string]any
	if err := decoder.Decode(&document); err != nil {
		t.Fatal(err)
	}
	return document
}

func mustParse(t *testing.T, text string) *Query {
	t.Helper()
	q, err := Parse(text)
	if err != nil {
		t.Fatalf("%s: %v", text, err)
	}
	return q
}

const twin = `{"deviceId": "dev-1", "status": "enabled", "connectionState": "Connected", "lastActivityTime": "2026-05-04T03:02:01.5Z",
	"cloudToDeviceMessageCount": 3, "capabilities": {"iotEdge": true},
	"tags": {"site": "Augsburg", "floor": 2, "line-name": "L1", "old": null, "like": "%\"'", "list": [1, 2], "big": 9007199254740993},
	"properties": {"desired": {"rate": 60, "$version": 4}, "reported": {"rate": 60, "fw": {"major": 10}}}}`

func TestConditions(t *testing.T) {
	for condition, want := range map[string]bool{
		`deviceId = 'dev-1'`:                                 true,
		`deviceId = "dev-1"`:                                 true,
		`deviceId = 'DEV-1'`:                                 false,
		`'dev-1' = deviceId`:                                 true,
		`tags.site = 'Augsburg' and tags.floor >= 2`:         true,
		`tags.site != 'Augsburg'`:                            false,
		`tags.site <> 'Ulm'`:                                 true,
		`tags.floor < 10`:                                    true, // as numbers
		`tags.floor = 2.0`:                                   true,
		`tags.floor = 0x2`:                                   true,
		`tags.floor > -1e3`:                                  true,
		`tags.big = 9007199254740992`:                        false,
		`tags.floor = '2'`:                                   false,
		`tags.floor != '2'`:                                  false, // of another type
		`tags.nothing != 'x'`:                                false,
		`NOT tags.nothing = 'x'`:                             false,
		`NOT NOT deviceId = 'dev-1'`:                         true,
		`tags.nothing = 'x' OR deviceId = 'dev-1'`:           true,
		`NOT (tags.nothing = 'x' AND deviceId = 'other')`:    true,
		`tags.old = null`:                                    true,
		`tags.list = tags.list`:                              false, // only simple values compare
		`tags.[[line-name]] = 'L1'`:                          true,
		`tags.like = '%\"\''`:                                true,
		`tags.site = '\u0041ugsburg'`:                        true,
		`tags.site IN ['Ulm', 'Augsburg']`:                   true,
		`tags.site NIN ['Ulm', 'Augsburg']`:                  false,
		`tags.site NOT IN ['Ulm']`:                           true,
		`tags.nothing NIN ['Ulm']`:                           false,
		`tags.floor in [1, 2, null]`:                         true,
		`is_defined(tags.old)`:                               true,
		`IS_DEFINED(tags.nothing)`:                           false,
		`NOT is_defined(tags.nothing)`:                       true,
		`is_null(tags.old)`:                                  true,
		`is_string(tags.site) AND is_number(tags.floor)`:     true,
		`is_object(tags) AND is_array(tags.list)`:            true,
		`is_primitive(tags.old) AND NOT is_primitive(tags)`:  true,
		`is_bool(capabilities.iotEdge)`:                      true,
		`capabilities.iotEdge = true`:                        true,
		`capabilities.iotEdge`:                               true,
		`tags.site`:                                          false, // no truth value
		`NOT tags.site`:                                      false,
		`startswith(deviceId, 'dev')`:                        true,
		`ENDSWITH(deviceId, '2')`:                            false,
		`startswith(tags.floor, '2')`:                        false,
		`properties.desired.rate = properties.reported.rate`: true,
		`properties.desired.$version > 3`:                    true,
		`properties.reported.fw.major >= 9`:                  true,
		`lastActivityTime > '2026-01-01'`:                    true,
		`cloudToDeviceMessageCount = 3`:                      true,
		`connectionState = 'Connected' AND status='enabled'`: true,
		`a = 1 OR b = 1 AND deviceId = 'dev-1'`:              false,
		`deviceId = 'dev-1' OR b = 1 AND c = 1`:              true,
		`(deviceId = 'dev-1' OR b = 1) AND tags.floor = 3`:   false,
		`undefined = undefined`:                              false,
		`(((deviceId)) = ('dev-1'))`:                         true,
	} {
		q := mustParse(t, "SELECT * FROM devices WHERE "+condition)
		if got := q.Matches(object(t, twin)); got != want {
			t.Errorf("%s is %v", condition, got)
		}
	}
}

func TestARefusedQuerySaysWhatAndWhere(t *testing.T) {
	for text, want := range map[string]string{
		"":                                                "character 1: want SELECT, got the end",
		"SELECT":                                          "want a name",
		"SELECT * FROM twins":                             "character 15: want devices",
		"SELECT * FROM devices WHERE":                     "character 28: want a name, got the end",
		"SELECT * FROM devices WHERE a =":                 "want a name",
		"SELECT * FROM devices WHERE a = 'x":              "closing quote",
		`SELECT * FROM devices WHERE a = '\n'`:            "unknown escape",
		"SELECT * FROM devices WHERE a = 1x":              `"1x" is no number`,
		"SELECT * FROM devices WHERE a = 0xG":             "is no number",
		"SELECT * FROM devices WHERE a + 1":               "does not calculate",
		"SELECT * FROM devices WHERE a = #":               "unexpected character '#'",
		"SELECT * FROM devices WHERE [[a = 1":             "[[ without ]]",
		"SELECT * FROM devices WHERE a IN 'x'":            "want [",
		"SELECT * FROM devices WHERE a IN []":             "want a constant",
		"SELECT * FROM devices WHERE a NOT 1":             "want IN",
		"SELECT * FROM devices WHERE f(a)":                "want IS_DEFINED",
		"SELECT * FROM devices WHERE starts_with(a, 'b')": "want IS_DEFINED",
		"SELECT * FROM devices WHERE (a = 1":              "want )",
		"SELECT * FROM devices ORDER BY a":                `want the end of the query, got "ORDER"`,
		"SELECT TOP 0 * FROM devices":                     "want a number of rows",
		"SELECT COUNT() FROM devices":                     "want AS",
		"SELECT MEDIAN(a) AS m FROM devices":              "want COUNT",
		"SELECT a, COUNT() AS n FROM devices":             `"a" is neither`,
		"SELECT a, b.a FROM devices":                      `two columns are called "a"`,
		"SELECT * FROM devices GROUP BY a":                "name the columns",
		"SELECT * FROM devices WHERE " + strings.Repeat("(", 100) + "a" + strings.Repeat(")", 100): "nested too deep",
		"SELECT * FROM devices WHERE " + strings.Repeat("is_null(", 40):                            "nested too deep",
		strings.Repeat(" ", MaxLength+1):                                                           "at most 8192",
	} {
		_, err := Parse(text)
		var e *Error
		if !errors.As(err, &e) || !strings.Contains(err.Error(), want) {
			t.Errorf("%.60s: got %v, want %q", text, err, want)
		}
	}
}

// of is a source of documents by their keys.
func of(documents map[string]map[string]any) Source {
	return func(after string) iter.Seq2[string, map[string]any] {
		return func(yield func(string, map[string]any) bool) {
			var keys []string
			for key := range documents {
				if key > after {
					keys = append(keys, key)
				}
			}
			slices.Sort(keys)
			for _, key := range keys {
				if !yield(key, documents[key]) {
					return
				}
			}
		}
	}
}

func TestRows(t *testing.T) {
	documents := map[string]map[string]any{
		"a": object(t, `{"deviceId": "a", "tags": {"site": "U", "n": 1}}`),
		"b": object(t, `{"deviceId": "b", "tags": {"site": "A", "n": 2.5}}`),
		"c": object(t, `{"deviceId": "c", "tags": {"site": "U", "n": "x"}}`),
		"d": object(t, `{"deviceId": "d", "tags": {}}`),
	}
	for text, want := range map[string]string{
		"SELECT deviceId FROM devices WHERE tags.n > 1":                                                           `[{"deviceId":"b"}]`,
		"SELECT deviceId AS id, tags.n FROM devices WHERE tags.site = 'U'":                                        `[{"id":"a","n":1},{"id":"c","n":"x"}]`,
		"SELECT DeviceId, Tags.n AS N FROM devices WHERE DEVICEID = 'a'":                                          `[{"N":1,"deviceId":"a"}]`,
		"SELECT TOP 2 deviceId FROM devices":                                                                      `[{"deviceId":"a"},{"deviceId":"b"}]`,
		"SELECT tags FROM devices WHERE deviceId = 'd'":                                                           `[{"tags":{}}]`,
		"SELECT COUNT() AS n FROM devices":                                                                        `[{"n":4}]`,
		"SELECT COUNT() AS n FROM devices WHERE deviceId = 'none'":                                                `[{"n":0}]`,
		"SELECT tags.site AS site, COUNT() AS n FROM devices GROUP BY tags.site":                                  `[{"n":1},{"n":1,"site":"A"},{"n":2,"site":"U"}]`,
		"SELECT MIN(tags.n) AS a, MAX(tags.n) AS b, SUM(tags.n) AS c, AVG(tags.n) AS d, AVG(x) AS e FROM devices": `[{"a":1,"b":2.5,"c":3.5,"d":1.75}]`,
		"select * from devices.modules where deviceId in ['d', 'e']":                                              `[{"deviceId":"d","tags":{}}]`,
	} {
		rows, next, err := mustParse(t, text).Page(of(documents), text, "", 10)
		got, _ := json.Marshal(rows)
		if err != nil || next != "" || string(got) != want {
			t.Errorf("%s:\n%s, %q, %v, want\n%s", text, got, next, err, want)
		}
	}
}

func TestEveryRowIsOnExactlyOnePage(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		ids := rapid.SliceOfNDistinct(rapid.StringMatching(`[a-c]{1,4}`), 0, 30, rapid.ID[string]).Draw(t, "ids")
		documents := map[string]map[string]any{}
		for _, id := range ids {
			documents[id] = map[string]any{"deviceId": id, "tags": map[string]any{"n": rapid.IntRange(0, 3).Draw(t, "n")}}
		}
		text := rapid.SampledFrom([]string{"SELECT * FROM devices", "SELECT deviceId FROM devices WHERE tags.n > 1", "SELECT TOP 7 * FROM devices",
			"SELECT tags.n AS deviceId, COUNT() AS c FROM devices GROUP BY tags.n"}).Draw(t, "text")
		q, err := Parse(text)
		if err != nil {
			t.Fatal(err)
		}
		whole, _, _ := q.Page(of(documents), text, "", 1000)
		size := rapid.IntRange(1, 5).Draw(t, "size")
		var paged []map[string]any
		for from, more := "", true; more; {
			rows, next, err := q.Page(of(documents), text, from, size)
			if err != nil || len(rows) > size || next != "" && len(rows) != size {
				t.Fatalf("%d rows of %d, %v", len(rows), size, err)
			}
			paged = append(paged, rows...)
			from, more = next, next != ""
			if !q.aggregates() && rapid.Bool().Draw(t, "remove") { // what is gone or new does not shift the others
				for id := range documents {
					if !slices.ContainsFunc(paged, func(row map[string]any) bool { return row["deviceId"] == id }) || q.Top > 0 {
						continue
					}
					delete(documents, id)
				}
			}
		}
		want, _ := json.Marshal(whole)
		got, _ := json.Marshal(paged)
		if len(whole)+len(paged) > 0 && string(want) != string(got) {
			t.Fatalf("%s by pages of %d:\n%s, at once\n%s", text, size, got, want)
		}
	})
}

func TestAContinuationOfAnotherQueryIsRefused(t *testing.T) {
	const text = "SELECT * FROM devices"
	source := of(map[string]map[string]any{"a": {"deviceId": "a"}, "b": {"deviceId": "b"}})
	_, next, err := mustParse(t, text).Page(source, text, "", 1)
	if err != nil || next == "" {
		t.Fatal(next, err)
	}
	const other = "SELECT * FROM devices.modules"
	for name, from := range map[string]string{"of another": next, "not base64": "?", "not JSON": "AAAA"} {
		if _, _, err := mustParse(t, other).Page(source, other, from, 1); !errors.Is(err, ErrContinuation) {
			t.Errorf("%s: got %v", name, err)
		}
	}
}

// FuzzParse looks for queries that break the parser, or what it makes of them.
func FuzzParse(f *testing.F) {
	for _, seed := range []string{"SELECT * FROM devices WHERE NOT (a.[[b c]] IN ['x', 0x1F, null] AND is_defined($c)) OR d <> -1e5",
		"SELECT TOP 5 a.b AS c, COUNT() AS n FROM devices.modules GROUP BY a.b", `SELECT * FROM devices WHERE a = "\u00e4\\"`} {
		f.Add(seed, "")
	}
	f.Add("SELECT * FROM devices", continuation{After: "a", Rows: 1, Query: fingerprint("SELECT * FROM devices")}.String())
	source := of(map[string]map[string]any{"a": {"a": map[string]any{"b": "x"}}, "b": {"a": json.Number("1")}})
	f.Fuzz(func(t *testing.T, text, from string) {
		q, err := Parse(text)
		if err != nil {
			if e := new(Error); !errors.As(err, &e) || e.At < 0 || e.At > len(text) {
				t.Fatalf("%q: %v", text, err)
			}
			return
		}
		rows, _, err := q.Page(source, text, from, 1)
		if err != nil && !errors.Is(err, ErrContinuation) || len(rows) > 1 {
			t.Fatalf("%q: %d rows, %v", text, len(rows), err)
		}
		if _, err := json.Marshal(rows); err != nil {
			t.Fatalf("%q: %v", text, err)
		}
	})
}
