package egress

import (
	"bytes"
	"encoding/json"
	"errors"
	"strings"
	"time"

	"azx/internal/message"
)

// twinEvent is the body of a twin's change event: what changed, with $metadata and $version of its part (read:
// iot-hub-non-telemetry-event-schema.md).
type twinEvent struct {
	Version    int64           `json:"version"` // of the whole twin
	Tags       json.RawMessage `json:"tags"`
	Properties struct {
		Desired  json.RawMessage `json:"desired"`
		Reported json.RawMessage `json:"reported"`
	} `json:"properties"`
	whole bool // the twin was replaced: the body may not say what is gone
}

// touches reports whether the event changes a part.
func (e *twinEvent) touches(part string) bool {
	switch part {
	case twinDesired:
		return e.Properties.Desired != nil
	case twinReported:
		return e.Properties.Reported != nil
	case twinTags:
		return e.Tags != nil
	}
	return true
}

// apply merges an event into the twin known, or finds it there already; false if the hub has to be asked, because
// nothing is known or another change lies between. at is when the hub took the event.
func (t *twins) apply(of message.Target, e twinEvent, at time.Time) (known, bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	k := t.get(of)
	switch {
	case k == nil || k.Version == 0 || e.Version == 0:
		return known{}, false
	case e.Version == k.Version, e.Version < k.Version && !at.After(k.asOf):
		return *k, true
	case e.whole || e.Version != k.Version+1:
		return known{}, false
	}
	next := *k
	for _, part := range []struct {
		into  *json.RawMessage
		patch json.RawMessage
	}{{&next.Desired, e.Properties.Desired}, {&next.Reported, e.Properties.Reported}, {&next.Tags, e.Tags}} {
		var err error
		if *part.into, err = mergePart(*part.into, part.patch); err != nil {
			return known{}, false
		}
	}
	next.ETag, next.Version, next.suspect = "", e.Version, false
	if now := time.Now(); at.After(now) {
		at = now // the hub's clock is ahead
	}
	if at.After(next.asOf) {
		next.asOf = at
	}
	t.put(next)
	return next, true
}

// pushed remembers that the platform has a version.
func (t *twins) pushed(of message.Target, version int64) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if k := t.get(of); k != nil && version <= k.Version {
		k.pushed = max(k.pushed, version)
	}
}

const maxNested = 32 // objects inside each other in a twin: the hub takes 10

var errNested = errors.New("nested too deeply")

// mergePart merges a patch into a part of a twin. What is gone has no metadata any more.
func mergePart(part, patch json.RawMessage) (json.RawMessage, error) {
	if patch == nil {
		return part, nil
	}
	merged, err := merge(part, patch, 0)
	if err != nil {
		return nil, err
	}
	var members map[string]json.RawMessage
	if err := json.Unmarshal(merged, &members); err != nil || members["$metadata"] == nil {
		return merged, err
	}
	if members["$metadata"], err = prune(members["$metadata"], merged, 0); err != nil {
		return nil, err
	}
	return json.Marshal(members)
}

// merge is that of RFC 7396: objects are merged, a null removes, anything else replaces.
func merge(into, patch json.RawMessage, depth int) (json.RawMessage, error) {
	changes, isObject := members(patch)
	if !isObject {
		return patch, nil
	}
	if depth == maxNested {
		return nil, errNested
	}
	result, isObject := members(into)
	if !isObject {
		result = map[string]json.RawMessage{}
	}
	for name, change := range changes {
		if isNull(change) {
			delete(result, name)
			continue
		}
		merged, err := merge(result[name], change, depth+1)
		if err != nil {
			return nil, err
		}
		result[name] = merged
	}
	return json.Marshal(result)
}

// prune takes what is not in the document out of its metadata.
func prune(metadata, document json.RawMessage, depth int) (json.RawMessage, error) {
	marks, isObject := members(metadata)
	if !isObject {
		return metadata, nil
	}
	if depth == maxNested {
		return nil, errNested
	}
	values, _ := members(document)
	for name, mark := range marks {
		switch value, there := values[name]; {
		case strings.HasPrefix(name, "$"):
		case !there:
			delete(marks, name)
		default:
			pruned, err := prune(mark, value, depth+1)
			if err != nil {
				return nil, err
			}
			marks[name] = pruned
		}
	}
	return json.Marshal(marks)
}

// members returns those of a JSON object; false if it is something else.
func members(raw json.RawMessage) (map[string]json.RawMessage, bool) {
	var m map[string]json.RawMessage
	if trimmed := bytes.TrimLeft(raw, " \t\r\n"); len(trimmed) == 0 || trimmed[0] != '{' || json.Unmarshal(trimmed, &m) != nil {
		return nil, false
	}
	return m, true
}

func isNull(raw json.RawMessage) bool { return string(bytes.TrimSpace(raw)) == "null" }
