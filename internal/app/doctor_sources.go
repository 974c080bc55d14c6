package app

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"

	"azx/internal/diagnose"
	"azx/internal/hub"
	"azx/internal/message"
	"azx/internal/supervise"
)

// eventSource is a kind of event that a hub may route to its event endpoint.
type eventSource struct {
	mark  string // in messages
	name  string
	route string // for the Azure CLI
}

// eventSources are what a connector makes use of, telemetry first.
func eventSources() []eventSource {
	return []eventSource{
		{message.SourceTelemetry, "messages of devices", "devicemessages"},
		{message.SourceTwinChanges, "twin changes", "twinchangeevents"},
		{"deviceLifecycleEvents", "lifecycle events", "devicelifecycleevents"},
		{"deviceConnectionStateEvents", "connection states", "deviceconnectionstateevents"},
	}
}

// eventSources looks which kinds are among the newest messages. An event that nobody caused is not seen either.
func (d *hubDoctor) eventSources(ctx context.Context) (string, error) {
	if d.peek == nil {
		return "", diagnose.Skipped("the consumer groups are read by others: there is no way to look")
	}
	seen, total, err := d.newest(ctx)
	if err != nil {
		return "", err
	}
	if total == 0 {
		return "", diagnose.Skipped("the hub holds no message to look at")
	}
	var found, missing, commands []string
	for _, s := range eventSources() {
		if n := seen[s.mark]; n > 0 {
			found = append(found, fmt.Sprintf("%d %s", n, s.name))
			continue
		}
		missing = append(missing, s.name)
		commands = append(commands, fmt.Sprintf("az iot hub route create --hub-name %s --route-name %s --source %s --endpoint-name events --enabled true",
			d.hubName(), s.route, s.route))
	}
	text := fmt.Sprintf("among the newest %d messages, read through %s: %s", total, d.peek.group, strings.Join(found, ", "))
	if len(missing) == 0 {
		return text, nil
	}
	return "", diagnose.Warning("an event that nobody caused is not seen either; if there is no route for it:\n"+strings.Join(commands, "\n"),
		"%s; none of: %s", text, strings.Join(missing, ", "))
}

// newest counts the newest messages by their source.
func (d *hubDoctor) newest(ctx context.Context) (seen map[string]int, total int, err error) {
	var mu sync.Mutex
	seen = map[string]int{}
	group := supervise.New(ctx)
	for _, p := range d.events.partitions {
		if p.Empty {
			continue
		}
		group.Go("read partition "+p.ID, func(ctx context.Context) error {
			messages, err := peekAt(ctx, d.peek.client, p.ID, hub.From(max(p.First, p.Last-newestMessages+1)), func(all []*message.Message) bool {
				return all[len(all)-1].Sequence >= p.Last
			})
			mu.Lock()
			defer mu.Unlock()
			for _, m := range messages {
				if m.Source == "" {
					m.Source = message.SourceTelemetry
				}
				seen[m.Source]++
				total++
			}
			return err
		})
	}
	return seen, total, errors.Join(group.Wait(), ctx.Err())
}
