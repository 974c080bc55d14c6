package app

import (
	"context"
	"errors"
	"strings"
	"testing"

	"azx/internal/egress"
	"azx/internal/message"
)

// roster is a hub that has some devices; it counts the calls.
type roster struct {
	egress.Hub
	has   map[string]bool
	calls int
}

func (r *roster) Twin(_ context.Context, t message.Target) (egress.Twin, error) {
	r.calls++
	if !r.has[t.Device] || t.Module != "" {
		return egress.Twin{}, absent{errors.New("no such device")}
	}
	return egress.Twin{ETag: "of " + t.Device}, nil
}

func TestADeviceThatTheHubDoesNotHaveIsMadeAtTheFirstRequest(t *testing.T) {
	for name, c := range map[string]struct {
		to    message.Target
		fails error // the making
		made  bool
		calls int
		want  string // the etag, or what is in the error
	}{
		"one that is there":            {message.Target{Device: "old"}, nil, false, 1, "of old"},
		"one that is not":              {message.Target{Device: "new"}, nil, true, 2, "of new"},
		"one that may not be made":     {message.Target{Device: "new"}, errors.New("no RegistryWrite"), false, 1, "no RegistryWrite"},
		"a module is nobody's to make": {message.Target{Device: "old", Module: "m"}, nil, false, 1, "no such device"},
	} {
		t.Run(name, func(t *testing.T) {
			hub := &roster{has: map[string]bool{"old": true}}
			m := deviceMaker{Hub: hub, create: func(_ context.Context, device string) error {
				if c.fails == nil {
					hub.has[device] = true
				}
				return c.fails
			}}
			twin, err := m.Twin(t.Context(), c.to)
			got := twin.ETag
			if err != nil {
				got = err.Error()
			}
			if !strings.Contains(got, c.want) || hub.calls != c.calls || hub.has["new"] != c.made {
				t.Errorf("got %q after %d calls, the hub has %v", got, hub.calls, hub.has)
			}
		})
	}
}
