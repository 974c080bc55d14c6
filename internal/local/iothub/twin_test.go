package iothub

import (
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

func object(t *testing.T, text string) map[string]any {
	t.Helper()
	o, err := ParseObject([]byte(text))
	if err != nil {
		t.Fatalf("%s: %v", text, err)
	}
	return o
}

// wantCode fails unless err says code in Azure's words.
func wantCode(t *testing.T, err error, code Code) {
	t.Helper()
	if got := AsError(err); got == nil || got.Code != code {
		t.Errorf("got %v, want %d", err, code)
	}
}

func TestATwinIsPatchedAndReplaced(t *testing.T) {
	for name, c := range map[string]struct {
		before, patch string
		replace       bool
		want, told    string
	}{
		"a new property":               {`{}`, `{"a":1}`, false, `{"a":1}`, `{"a":1}`},
		"null deletes":                 {`{"a":1,"b":2}`, `{"a":null}`, false, `{"b":2}`, `{"a":null}`},
		"objects merge":                {`{"a":{"b":1,"c":2}}`, `{"a":{"b":3}}`, false, `{"a":{"b":3,"c":2}}`, `{"a":{"b":3}}`},
		"a value replaces an object":   {`{"a":{"b":1}}`, `{"a":2}`, false, `{"a":2}`, `{"a":2}`},
		"an object replaces a value":   {`{"a":2}`, `{"a":{"b":1,"c":null}}`, false, `{"a":{"b":1}}`, `{"a":{"b":1,"c":null}}`},
		"arrays are replaced as whole": {`{"a":[1,2]}`, `{"a":[3]}`, false, `{"a":[3]}`, `{"a":[3]}`},
		"a replacement drops the rest": {`{"a":1,"o":{"x":1,"y":2}}`, `{"b":2,"o":{"y":3}}`, true, `{"b":2,"o":{"y":3}}`, `{"a":null,"b":2,"o":{"x":null,"y":3}}`},
		"an empty patch":               {`{"a":1}`, `{}`, false, `{"a":1}`, `{}`},
	} {
		t.Run(name, func(t *testing.T) {
			h := newHub(t, Config{})
			d := mustAdd(t, h, ID{Device: "d1"})
			if _, err := h.PatchTwin(d.ID, "", TwinUpdate{Desired: object(t, c.before), Tags: object(t, c.before)}); err != nil {
				t.Fatal(err)
			}
			s, err := h.Enter(principalOf(d), func(error) {})
			if err != nil {
				t.Fatal(err)
			}
			defer s.Leave()
			feed := s.WatchDesired()
			change := h.PatchTwin
			if c.replace {
				change = h.ReplaceTwin
			}
			got, err := change(d.ID, "", TwinUpdate{Desired: object(t, c.patch), Tags: object(t, c.patch)})
			if err != nil {
				t.Fatal(err)
			}
			if want := object(t, c.want); !reflect.DeepEqual(got.Desired.Values, want) || !reflect.DeepEqual(got.Tags, want) {
				t.Errorf("got %v and tags %v, want %v", got.Desired.Values, got.Tags, want)
			}
			if got.Desired.Version != 3 || got.Version != 4 || got.ETag != "AAAAAAAAAAM=" {
				t.Errorf("versions %d and %d, etag %s", got.Desired.Version, got.Version, got.ETag)
			}
			told, err := feed.Next(t.Context())
			if err != nil || !reflect.DeepEqual(told.Patch, object(t, c.told)) || told.Version != 3 {
				t.Errorf("the device hears %v of version %d, %v; want %s", told.Patch, told.Version, err, c.told)
			}
		})
	}
}

func TestMetadataHasTimeAndVersionOfEachChange(t *testing.T) {
	h := newHub(t, Config{})
	d := mustAdd(t, h, ID{Device: "d1"})
	got, err := h.PatchTwin(d.ID, "", TwinUpdate{Desired: object(t, `{"a":{"b":1}}`)})
	if err != nil {
		t.Fatal(err)
	}
	at := `"$lastUpdated":"2026-11-22T12:00:00.0000000Z","$lastUpdatedVersion":2`
	want := `{"$metadata":{` + at + `,"a":{` + at + `,"b":{` + at + `}}},"$version":2,"a":{"b":1}}`
	if text := string(mustJSON(got.Desired.Document())); text != want {
		t.Errorf("desired is\n%s\nwant\n%s", text, want)
	}
	if _, err := h.PatchReported(principalOf(d), []byte(`{"a":1}`)); err != nil {
		t.Fatal(err)
	}
	got, _ = h.Twin(d.ID)
	at = `"$lastUpdated":"2026-11-22T12:00:00.0000000Z"`
	want = `{"$metadata":{` + at + `,"a":{` + at + `}},"$version":2,"a":1}`
	if text := string(mustJSON(got.Reported.Document())); text != want {
		t.Errorf("reported is\n%s\nwant\n%s", text, want)
	}
}

func TestTwinsAreRefused(t *testing.T) {
	deep := func(n int) string { return strings.Repeat(`{"a":`, n) + `1` + strings.Repeat("}", n) }
	many := func(n int) string {
		o := map[string]any{}
		for i := range n / 1000 {
			o[fmt.Sprintf("%04d", i)] = strings.Repeat("x", 996)
		}
		return string(mustJSON(o))
	}
	for name, c := range map[string]struct {
		patch string
		ok    bool
		tags  bool
	}{
		"ten levels":                     {deep(10), true, true},
		"eleven levels":                  {deep(11), false, false},
		"a name with a dot":              {`{"a.b":1}`, false, false},
		"a name with a dollar sign":      {`{"$a":1}`, false, false},
		"a name with a space":            {`{"a b":1}`, false, false},
		"a name with a control sign":     {`{"a\u0007":1}`, false, false},
		"an empty name":                  {`{"":1}`, false, false},
		"a bad name far inside":          {`{"a":[{"b.c":1}]}`, false, false},
		"a text of 4 KB":                 {`{"a":"` + strings.Repeat("x", 4096) + `"}`, true, true},
		"a text over 4 KB":               {`{"a":"` + strings.Repeat("x", 4097) + `"}`, false, false},
		"8 KB":                           {many(8000), true, true},
		"more than tags hold":            {many(9000), true, false},
		"32 KB":                          {many(32000), true, false},
		"more than desired and reported": {many(33000), false, false},
		"null in an array":               {`{"a":[null]}`, false, false},
	} {
		t.Run(name, func(t *testing.T) {
			h := newHub(t, Config{})
			d := mustAdd(t, h, ID{Device: "d1"})
			check := func(what string, err error, ok bool) {
				if ok && err != nil {
					t.Errorf("%s: %v", what, err)
				}
				if !ok {
					wantCode(t, err, ArgumentInvalid)
				}
			}
			_, err := h.PatchTwin(d.ID, "", TwinUpdate{Desired: object(t, c.patch)})
			check("desired", err, c.ok)
			_, err = h.PatchTwin(d.ID, "", TwinUpdate{Tags: object(t, c.patch)})
			check("tags", err, c.tags)
			_, err = h.PatchReported(principalOf(d), []byte(c.patch))
			check("reported", err, c.ok)
		})
	}
}

func TestATwinChangesOnlyIfItsETagMatches(t *testing.T) {
	h := newHub(t, Config{})
	d := mustAdd(t, h, ID{Device: "d1"})
	twin, err := h.Twin(d.ID)
	if err != nil {
		t.Fatal(err)
	}
	update := TwinUpdate{Tags: map[string]any{"a": "b"}}
	for _, good := range []string{twin.ETag, "", "*", `"*"`} {
		if twin, err = h.PatchTwin(d.ID, good, update); err != nil {
			t.Errorf("If-Match %s: %v", good, err)
		}
	}
	if _, err := h.PatchReported(principalOf(d), []byte(`{"a":1}`)); err != nil {
		t.Fatal(err)
	}
	if _, err := h.PatchTwin(d.ID, `"`+twin.ETag+`"`, update); err != nil {
		t.Errorf("a reported change changed the etag: %v", err)
	}
	_, err = h.PatchTwin(d.ID, twin.ETag, update)
	wantCode(t, err, PreconditionFailed)
	_, err = h.PatchTwin(ID{Device: "no"}, "", update)
	wantCode(t, err, DeviceNotFound)
}

func TestTheWholeTwinCanBeSentBack(t *testing.T) {
	u, err := ParseTwinUpdate([]byte(`{"deviceId":"d","etag":"x","tags":{"a":1},"properties":{"desired":{"b":2,"$version":3,"$metadata":{}},"reported":{"c":1}}}`))
	if err != nil || len(u.Tags) != 1 || len(u.Desired) != 1 {
		t.Fatalf("got %+v, %v", u, err)
	}
	for _, bad := range []string{`[]`, `null`, `{} {}`, `{"tags":1}`, `{"properties":null}`, `{"properties":{"desired":[]}}`, `{`} {
		_, err := ParseTwinUpdate([]byte(bad))
		wantCode(t, err, ArgumentInvalid)
	}
}

func TestTwinsOutliveTheHub(t *testing.T) {
	cfg := Config{Dir: t.TempDir()}
	h := newHub(t, cfg)
	d, gone := mustAdd(t, h, ID{Device: "d1"}), mustAdd(t, h, ID{Device: "gone"})
	for _, identity := range []Identity{d, gone} {
		if _, err := h.PatchTwin(identity.ID, "", TwinUpdate{Desired: object(t, `{"n":12345678901234567.50}`), Tags: object(t, `{"site":"a"}`)}); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := h.PatchReported(principalOf(d), []byte(`{"x":{"y":[1,"2",true]}}`)); err != nil {
		t.Fatal(err)
	}
	want, _ := h.Twin(d.ID)
	if err := h.Registry().Remove(gone.ID); err != nil {
		t.Fatal(err)
	}
	mustAdd(t, h, gone.ID)
	mustClose(t, h)
	again := newHub(t, cfg)
	got, err := again.Twin(d.ID)
	if err != nil || string(mustJSON(got)) != string(mustJSON(want)) {
		t.Errorf("got\n%s, %v\nwant\n%s", mustJSON(got), err, mustJSON(want))
	}
	if fresh, err := again.Twin(gone.ID); err != nil || fresh.Version != 2 || len(fresh.Tags) != 0 {
		t.Errorf("a device that was made again has the twin %+v, %v", fresh, err)
	}
}

func TestADamagedTwinFileIsNamed(t *testing.T) {
	cfg := Config{Dir: t.TempDir()}
	mustClose(t, newHub(t, cfg))
	path := filepath.Join(cfg.Dir, twinFile)
	if err := os.WriteFile(path, []byte(strings.Repeat("no twins", 5000)), 0o600); err != nil {
		t.Fatal(err)
	}
	if h, err := Open(cfg); err == nil {
		mustClose(t, h)
		t.Fatal("it is opened")
	} else if !strings.Contains(err.Error(), path) || !strings.Contains(err.Error(), "empty twins") {
		t.Errorf("got %v", err)
	}
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	newHub(t, cfg)
}

// drawObject makes an object with few names, so that patches meet what is there.
func drawObject(t *rapid.T, depth int, nulls bool) map[string]any {
	o := map[string]any{}
	for _, name := range []string{"a", "b", "c"} {
		switch kind := rapid.IntRange(0, 4).Draw(t, "kind of "+name); {
		case kind == 1 && nulls:
			o[name] = nil
		case kind == 2 && depth > 0:
			o[name] = drawObject(t, depth-1, nulls)
		case kind >= 3:
			o[name] = json.Number(fmt.Sprint(kind))
		}
	}
	return o
}

// A patch is a merge patch (RFC 7396), written here once more in the words of the standard.
func mergePatch(target any, patch map[string]any) map[string]any {
	object, ok := target.(map[string]any)
	if !ok {
		object = map[string]any{}
	}
	result := maps.Clone(object)
	for name, value := range patch {
		if inner, isObject := value.(map[string]any); isObject {
			result[name] = mergePatch(result[name], inner)
		} else if value == nil {
			delete(result, name)
		} else {
			result[name] = value
		}
	}
	return result
}

func sameNames(values, meta map[string]any) bool {
	for name, value := range values {
		inner, has := meta[name].(map[string]any)
		if !has {
			return false
		}
		if object, isObject := value.(map[string]any); isObject && !sameNames(object, inner) {
			return false
		}
	}
	for name := range meta {
		if _, has := values[name]; !has && !strings.HasPrefix(name, "$") {
			return false
		}
	}
	return true
}

func TestAPatchIsAMergePatchAndLeavesWhatItWasGiven(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		at := stamp{time: noon}
		values, meta := at.patched(nil, nil, drawObject(t, 3, false))
		before := string(mustJSON([]any{values, meta}))
		patch := drawObject(t, 3, true)
		got, gotMeta := at.patched(values, meta, patch)
		if want := mergePatch(values, patch); !reflect.DeepEqual(got, want) {
			t.Fatalf("%v patched with %v is %v, want %v", values, patch, got, want)
		}
		if !sameNames(got, gotMeta) {
			t.Fatalf("metadata %v does not fit %v", gotMeta, got)
		}
		if after := string(mustJSON([]any{values, meta})); after != before {
			t.Fatalf("the old values were changed: %s, before %s", after, before)
		}
	})
}

func TestTheDeviceThatFollowsAReplacementHasTheNewValues(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		old, next := drawObject(t, 3, false), drawObject(t, 3, true)
		want, _ := stamp{}.patched(nil, nil, next)
		if got := mergePatch(old, replacing(old, next)); !reflect.DeepEqual(got, want) {
			t.Fatalf("from %v to %v the device has %v", old, next, got)
		}
	})
}
