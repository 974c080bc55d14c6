package iothub

import (
	"context"
	"encoding/json"
	"net/http"
)

// Twin is the document of a device or module (read: azure-iothub's twin.js). Its parts stay as the hub wrote them.
type Twin struct {
	DeviceID        string          `json:"deviceId"`
	ModuleID        string          `json:"moduleId,omitempty"`
	ETag            string          `json:"etag"`
	Version         int64           `json:"version"`
	Status          string          `json:"status,omitempty"`
	ConnectionState string          `json:"connectionState,omitempty"` // late, and not for decisions
	LastActivity    Time            `json:"lastActivityTime,omitzero"`
	ModelID         string          `json:"modelId,omitempty"`
	DeviceScope     string          `json:"deviceScope,omitempty"`
	ParentScopes    []string        `json:"parentScopes,omitempty"`
	Capabilities    *Capabilities   `json:"capabilities,omitempty"`
	Tags            json.RawMessage `json:"tags,omitempty"` // devices only
	Properties      struct {
		Desired  json.RawMessage `json:"desired,omitempty"`  // with $metadata and $version
		Reported json.RawMessage `json:"reported,omitempty"` // with $metadata and $version
	} `json:"properties"`
}

// TwinChange is what to change of a twin; nil parts stay. Each is a JSON object: in a patch a null removes a key.
type TwinChange struct {
	Tags    json.RawMessage // not for modules
	Desired json.RawMessage
}

// Twin reads the twin of a device or module.
func (c *Client) Twin(ctx context.Context, t Target) (Twin, error) {
	return c.twin(ctx, call{
		op: "read the twin of " + t.String(), kind: KindTwinRead, method: http.MethodGet, repeatable: true,
		bill: func(answer []byte) int { return pieces(len(answer), c.chunk) },
	}, t, nil)
}

// PatchTwin merges a change into a twin and returns the whole. If etag is not "" and differs from the hub's: ErrChanged.
func (c *Client) PatchTwin(ctx context.Context, t Target, change TwinChange, etag string) (Twin, error) {
	return c.twin(ctx, call{op: "change the twin of " + t.String(), kind: KindTwinUpdate, method: http.MethodPatch, etag: matchOrAny(etag), repeatable: etag == ""}, t, &change)
}

// ReplaceTwin sets the tags and desired properties of a twin to exactly these; etag as with PatchTwin.
func (c *Client) ReplaceTwin(ctx context.Context, t Target, change TwinChange, etag string) (Twin, error) {
	return c.twin(ctx, call{op: "replace the twin of " + t.String(), kind: KindTwinUpdate, method: http.MethodPut, etag: matchOrAny(etag), repeatable: etag == ""}, t, &change)
}

func (c *Client) twin(ctx context.Context, k call, t Target, change *TwinChange) (Twin, error) {
	var err error
	if k.path, err = t.path(k.op, "/twins/"); err != nil {
		return Twin{}, err
	}
	if change != nil {
		if k.body, err = encode(k.op, change.wire()); err != nil {
			return Twin{}, err
		}
		size := len(k.body)
		k.bill = func([]byte) int { return pieces(size, c.chunk) }
	}
	answer, err := c.do(ctx, k)
	if err != nil {
		return Twin{}, err
	}
	var twin Twin
	err = decode(k.op, answer.body, &twin)
	return twin, err
}

type wireTwinChange struct {
	Tags       json.RawMessage `json:"tags,omitempty"`
	Properties *wireDesired    `json:"properties,omitempty"`
}

func (ch TwinChange) wire() wireTwinChange {
	w := wireTwinChange{Tags: ch.Tags}
	if ch.Desired != nil {
		w.Properties = &wireDesired{ch.Desired}
	}
	return w
}
