package iothub

import (
	"bytes"
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"io"
	"strings"
	"time"
)

// Twin is what a device or module and its back ends tell each other. Values are those of encoding/json with numbers as
// json.Number. Twins are shared: never change one.
type Twin struct {
	ID
	// ETag changes when tags or desired properties change.
	ETag string `json:"etag"`
	// Version counts all changes.
	Version int64 `json:"version"`
	// Tags are the back ends' own; devices do not see them.
	Tags     map[string]any `json:"tags"`
	Desired  Section        `json:"desired"`
	Reported Section        `json:"reported"`
}

// Section is one half of a twin's properties.
type Section struct {
	Values map[string]any `json:"values"`
	// Metadata has for each property when it was changed: $lastUpdated, and of desired ones $lastUpdatedVersion.
	Metadata map[string]any `json:"metadata"`
	// Version counts the changes of the section, from 1.
	Version int64 `json:"version"`
}

// TwinUpdate is what a back end changes. A nil map leaves that part as it is.
type TwinUpdate struct {
	Tags    map[string]any
	Desired map[string]any
}

// ParseTwinUpdate reads {"tags": {...}, "properties": {"desired": {...}}}. Other members are ignored, as whole twins
// are sent back with what the hub wrote into them; $metadata and $version too. Error: ArgumentInvalid.
func ParseTwinUpdate(text []byte) (TwinUpdate, error) {
	object, err := ParseObject(text)
	if err != nil {
		return TwinUpdate{}, err
	}
	var u TwinUpdate
	if u.Tags, err = member(object, "tags"); err != nil {
		return TwinUpdate{}, err
	}
	properties, err := member(object, "properties")
	if err != nil {
		return TwinUpdate{}, err
	}
	if u.Desired, err = member(properties, "desired"); err != nil {
		return TwinUpdate{}, err
	}
	delete(u.Desired, "$metadata")
	delete(u.Desired, "$version")
	return u, nil
}

// ParseObject reads one JSON object, with numbers as json.Number. Error: ArgumentInvalid.
func ParseObject(text []byte) (map[string]any, error) {
	decoder := json.NewDecoder(bytes.NewReader(text))
	decoder.UseNumber()
	var object map[string]any
	if err := decoder.Decode(&object); err != nil {
		return nil, refusal(ArgumentInvalid, "not a JSON object: %v", err)
	}
	if _, err := decoder.Token(); err != io.EOF || object == nil {
		return nil, refusal(ArgumentInvalid, "not one JSON object")
	}
	return object, nil
}

// member is the object of that name in another; nil when there is none.
func member(object map[string]any, name string) (map[string]any, error) {
	value, has := object[name]
	if !has {
		return nil, nil
	}
	inner, ok := value.(map[string]any)
	if !ok {
		return nil, refusal(ArgumentInvalid, "%s: want an object", name)
	}
	return inner, nil
}

// Document is the section as back ends see it: the values, $metadata and $version.
func (s Section) Document() map[string]any {
	document := s.versioned()
	document["$metadata"] = s.Metadata
	return document
}

// versioned is the section as devices see it: the values and $version.
func (s Section) versioned() map[string]any {
	document := make(map[string]any, len(s.Values)+2)
	for name, value := range s.Values {
		document[name] = value
	}
	document["$version"] = s.Version
	return document
}

// DeviceDocument is the JSON text a device or module gets for its twin: desired and reported with their $version, no
// tags (read).
func (t Twin) DeviceDocument() []byte {
	return mustJSON(map[string]any{"desired": t.Desired.versioned(), "reported": t.Reported.versioned()})
}

// Properties are both sections as back ends see them.
func (t Twin) Properties() map[string]any {
	return map[string]any{"desired": t.Desired.Document(), "reported": t.Reported.Document()}
}

// newTwin is the twin of a new device: empty, both sections of version 1 (from memory).
func newTwin(id ID) Twin {
	meta := map[string]any{"$lastUpdated": hubTime(time.Time{})}
	return Twin{ID: id, ETag: twinETag(1), Version: 2, Tags: map[string]any{},
		Desired:  Section{Values: map[string]any{}, Metadata: meta, Version: 1},
		Reported: Section{Values: map[string]any{}, Metadata: meta, Version: 1}}
}

// twinETag has the form of a real hub's, such as "AAAAAAAAAAE=" (read).
func twinETag(n uint64) string {
	return base64.StdEncoding.EncodeToString(binary.BigEndian.AppendUint64(nil, n))
}

func nextTwinETag(etag string) string {
	b, err := base64.StdEncoding.DecodeString(etag)
	if err != nil || len(b) != 8 {
		return twinETag(1)
	}
	return twinETag(binary.BigEndian.Uint64(b) + 1)
}

// matches applies an If-Match: empty and "*" match anything, else the tag with or without quotes.
func matches(ifMatch, etag string) bool {
	return ifMatch == "" || ifMatch == "*" || ifMatch == `"*"` || strings.Trim(ifMatch, `"`) == etag
}

// hubTime writes a time as the hub does; one that never was has no fraction (read).
func hubTime(t time.Time) string {
	if t.IsZero() {
		return "0001-01-01T00:00:00Z"
	}
	return t.UTC().Format("2006-01-02T15:04:05.0000000Z")
}

// mustJSON writes what came out of JSON, or strings and numbers of the hub: it cannot fail.
func mustJSON(value any) []byte {
	text, err := json.Marshal(value)
	if err != nil {
		panic("write JSON: " + err.Error())
	}
	return text
}
