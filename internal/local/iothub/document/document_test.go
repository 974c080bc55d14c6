package document

import (
	"encoding/json"
	"errors"
	"reflect"
	"testing"

	"azx/internal/local/iothub"
)

func TestALineThatWasExportedIsImportedAsItWas(t *testing.T) {
	for name, identity := range map[string]iothub.Identity{
		"a device":   {ID: iothub.ID{Device: "d"}, PrimaryKey: "QQ==", SecondaryKey: "Qg==", StatusReason: "new"},
		"an edge":    {ID: iothub.ID{Device: "d"}, PrimaryKey: "QQ==", SecondaryKey: "Qg==", Edge: true, Scope: "s", ParentScopes: []string{"p"}},
		"a disabled": {ID: iothub.ID{Device: "d"}, PrimaryKey: "QQ==", SecondaryKey: "Qg==", Disabled: true},
		"a module":   {ID: iothub.ID{Device: "d", Module: "m"}, PrimaryKey: "QQ==", SecondaryKey: "Qg=="},
	} {
		t.Run(name, func(t *testing.T) {
			twin := iothub.Twin{ETag: "e", Tags: map[string]any{"site": "Ulm"},
				Desired: iothub.Section{Values: map[string]any{"rate": json.Number("5")}, Metadata: map[string]any{}, Version: 3}}
			line, err := Line(identity, twin, true)
			if err != nil {
				t.Fatal(err)
			}
			got, err := Entry(line, iothub.BulkCreateOrUpdate)
			if err != nil {
				t.Fatal(err)
			}
			want := iothub.BulkEntry{Mode: iothub.BulkCreateOrUpdate, ETag: identity.ETag,
				Spec: iothub.Spec{ID: identity.ID, Edge: identity.Edge, Scope: identity.Scope, ParentScopes: identity.ParentScopes,
					PrimaryKey: "QQ==", SecondaryKey: "Qg==", Disabled: identity.Disabled, StatusReason: identity.StatusReason},
				Twin: iothub.TwinUpdate{Tags: twin.Tags, Desired: twin.Desired.Values}}
			if !reflect.DeepEqual(got, want) {
				t.Errorf("got %+v, want %+v", got, want)
			}
		})
	}
}

func TestAnExportWithoutKeysHasNone(t *testing.T) {
	line, err := Line(iothub.Identity{ID: iothub.ID{Device: "d"}, PrimaryKey: "QQ=="}, iothub.Twin{Tags: map[string]any{}, Desired: iothub.Section{Values: map[string]any{}}}, false)
	if err != nil {
		t.Fatal(err)
	}
	got, err := Entry(line, iothub.BulkCreate)
	if err != nil || got.PrimaryKey != "" || got.SecondaryKey != "" {
		t.Errorf("got %+v, %v", got, err)
	}
}

// FuzzChanges looks for documents of a back end that break their readers.
func FuzzChanges(f *testing.F) {
	f.Add([]byte(`{"deviceId": "d", "status": "disabled", "authentication": {"type": "sas", "symmetricKey": {"primaryKey": "AA=="}}, "capabilities": {"iotEdge": true}}`))
	f.Add([]byte(`{"id": "d", "importMode": "createOrUpdate", "eTag": "x", "tags": {"a": [1]}, "properties": {"desired": {"b": null}}}`))
	f.Fuzz(func(t *testing.T, text []byte) {
		var change Change
		if json.Unmarshal(text, &change) == nil {
			if _, err := change.Spec(iothub.ID{Device: "d"}); err != nil && !errors.Is(err, ErrNoCertificates) && iothub.AsError(err).Code != iothub.ArgumentInvalid {
				t.Fatalf("%s: %v", text, err)
			}
		}
		entry, err := Entry(text, "create")
		if err != nil && !errors.Is(err, ErrNoCertificates) && iothub.AsError(err).Code != iothub.ArgumentInvalid {
			t.Fatalf("%s: %v", text, err)
		}
		if err == nil && entry.Mode == iothub.BulkUpdateTwinIfMatch && entry.ETag == "" {
			t.Fatalf("%s changes a twin whatever its etag", text)
		}
	})
}
