package app

import (
	"context"
	"encoding/json"
	"strings"
	"testing"

	"azx/internal/iothub"
)

// edges is a hub with edge devices of these routes; leaf-1 is below "one".
type edges map[string]string

func (e edges) Page(_ context.Context, q iothub.Query) (iothub.Page, error) {
	if strings.Contains(q.Text, "= false") {
		return iothub.Page{Items: []json.RawMessage{json.RawMessage(`{"deviceId": "leaf-1", "deviceScope": "scope-one"}`)}}, nil
	}
	var page iothub.Page
	for id := range e {
		page.Items = append(page.Items, json.RawMessage(`{"deviceId": "`+id+`", "deviceScope": "scope-`+id+`"}`))
	}
	return page, nil
}

func (e edges) Twin(_ context.Context, t iothub.Target) (twin iothub.Twin, err error) {
	if t.Module != "$edgeHub" || e[t.Device] == "" {
		return twin, iothub.ErrNotFound
	}
	twin.Properties.Desired = json.RawMessage(e[t.Device])
	return twin, nil
}

func TestTheRoutesOfEdgeDevicesHaveToLeadToTheHub(t *testing.T) {
	for name, c := range map[string]struct {
		hub  edges
		want string
	}{
		"none":                {edges{}, "no edge devices"},
		"a text":              {edges{"one": `{"routes": {"up": "FROM /messages/* INTO $upstream"}}`}, "lead to $upstream: one, the parent of leaf-1"},
		"an object":           {edges{"one": `{"routes": {"up": {"route": "from /messages/* into $UPSTREAM ", "priority": 1}}}`}, "lead to $upstream: one"},
		"only between":        {edges{"one": `{"routes": {"in": "FROM /messages/* INTO BrokeredEndpoint(\"/modules/a/inputs/b\")"}}`}, "no route leads to $upstream"},
		"a word of the name":  {edges{"one": `{"routes": {"$upstream": "FROM /$upstream INTO BrokeredEndpoint(\"x\")"}}`}, "no route leads to $upstream"},
		"no routes":           {edges{"one": `{"$version": 1}`}, "one, the parent of leaf-1"},
		"no $edgeHub at all":  {edges{"one": ""}, "no route leads to $upstream"},
		"what is not a route": {edges{"one": `{"routes": {"a": 7}}`}, "no route leads to $upstream"},
	} {
		t.Run(name, func(t *testing.T) {
			text, err := lookAtEdges(t.Context(), c.hub)
			if err != nil {
				text = err.Error()
			}
			if !strings.Contains(text, c.want) {
				t.Errorf("got %q", text)
			}
		})
	}
}
