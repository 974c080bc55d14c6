package app

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"

	"azx/internal/diagnose"
	"azx/internal/fault"
	"azx/internal/iothub"
)

const (
	edgesMost  = 10  // edge devices that are looked at: each takes a read of a twin
	leavesMost = 100 // leaf devices that are shown
)

// edgeHub is a hub as far as its edge devices are looked at.
type edgeHub interface {
	Page(ctx context.Context, q iothub.Query) (iothub.Page, error)
	Twin(ctx context.Context, t iothub.Target) (iothub.Twin, error)
}

// edgeDevices looks whether what edge devices' modules and leaves say leaves the edge device.
func (d *hubDoctor) edgeDevices(ctx context.Context) (text string, err error) {
	known, err := d.withService(func(c *iothub.Client) (err error) {
		text, err = lookAtEdges(ctx, c)
		return err
	})
	switch {
	case !known && err == nil:
		return notAsked, nil
	case errors.Is(err, iothub.ErrBasicTier), fault.ClassOf(err) == fault.Credential:
		return "", diagnose.Skipped("edge devices cannot be listed: that takes a Standard tier and the right RegistryRead")
	}
	return text, err
}

// lookAtEdges tells of the first edge devices and their leaves; a warning if routes lead nowhere.
func lookAtEdges(ctx context.Context, hub edgeHub) (string, error) {
	edges, more, err := twinsOf(ctx, hub, "SELECT * FROM devices WHERE capabilities.iotEdge = true", edgesMost)
	if err != nil {
		return "", err
	}
	if len(edges) == 0 {
		return "the hub has no edge devices", nil
	}
	leaves, err := leavesOf(ctx, hub, edges)
	if err != nil {
		return "", err
	}
	var good, bad []string
	for _, edge := range edges {
		twin, err := hub.Twin(ctx, iothub.Target{Device: edge.DeviceID, Module: "$edgeHub"})
		if err != nil && !errors.Is(err, iothub.ErrNotFound) {
			return "", err
		}
		text := edge.DeviceID + leaves[edge.DeviceScope]
		if leadsUp(twin.Properties.Desired) {
			good = append(good, text)
		} else {
			bad = append(bad, text)
		}
	}
	suffix := ""
	if more {
		suffix = fmt.Sprintf("; only the first %d were looked at", edgesMost)
	}
	if len(bad) > 0 {
		return "", diagnose.Warning(`add to the routes of $edgeHub in the deployment of each: "upstream": "FROM /messages/* INTO $upstream"`,
			"no route leads to $upstream: nothing of their modules and leaf devices reaches the hub: %s%s", strings.Join(bad, "; "), suffix)
	}
	return "routes lead to $upstream: " + strings.Join(good, "; ") + suffix, nil
}

// leavesOf gives the leaf devices of each scope, in words.
func leavesOf(ctx context.Context, hub edgeHub, edges []iothub.Twin) (map[string]string, error) {
	var scopes []string
	for _, edge := range edges {
		if edge.DeviceScope != "" {
			scopes = append(scopes, "deviceScope = '"+strings.ReplaceAll(edge.DeviceScope, "'", "''")+"'")
		}
	}
	if len(scopes) == 0 {
		return nil, nil
	}
	found, more, err := twinsOf(ctx, hub, "SELECT * FROM devices WHERE capabilities.iotEdge = false AND ("+strings.Join(scopes, " OR ")+")", leavesMost)
	if err != nil {
		return nil, err
	}
	ids, words := map[string][]string{}, map[string]string{}
	for _, leaf := range found {
		ids[leaf.DeviceScope] = append(ids[leaf.DeviceScope], leaf.DeviceID)
	}
	for scope, all := range ids {
		slices.Sort(all)
		words[scope] = ", the parent of " + strings.Join(all, ", ")
		if more {
			words[scope] += " and perhaps others"
		}
	}
	return words, nil
}

// twinsOf asks for one page.
func twinsOf(ctx context.Context, hub edgeHub, text string, most int) (all []iothub.Twin, more bool, err error) {
	page, err := hub.Page(ctx, iothub.Query{Text: text, PageSize: most})
	if err != nil {
		return nil, false, err
	}
	all = make([]iothub.Twin, len(page.Items))
	for n, item := range page.Items {
		if err := json.Unmarshal(item, &all[n]); err != nil {
			return nil, false, fault.Reject("read a twin", "", "%w", err)
		}
	}
	return all, page.Continuation != "", nil
}

// leadsUp reports whether one of the routes of an $edgeHub leads to the hub. A route is a text, or an object that has one (read:
// module-composition).
func leadsUp(desired json.RawMessage) bool {
	var d struct {
		Routes map[string]json.RawMessage `json:"routes"`
	}
	if json.Unmarshal(desired, &d) != nil {
		return false
	}
	for _, raw := range d.Routes {
		var object struct {
			Route string `json:"route"`
		}
		if json.Unmarshal(raw, &object.Route) != nil {
			_ = json.Unmarshal(raw, &object) // neither is no route
		}
		_, sink, _ := strings.Cut(strings.ToLower(object.Route), " into ")
		if strings.TrimSpace(sink) == "$upstream" {
			return true
		}
	}
	return false
}
