package app

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"azx/internal/access"
	"azx/internal/checkpoint"
	"azx/internal/diagnose"
	"azx/internal/fault"
	"azx/internal/hub"
	"azx/internal/message"
	"azx/internal/supervise"
)

const (
	emptyWithin    = 3 * time.Second // for a hub to refuse a reader of a partition without messages
	newestMessages = 200             // that are looked at, of each partition
	defaultGroup   = "$Default"
	longRetention  = 12 * time.Hour
)

// look is what a reader without an owner level sees of a partition.
type look struct {
	oldest time.Time // of the oldest message; zero if there is none
	err    error     // why it was refused
}

// peek is a way to look at messages that takes nothing from anybody.
type peek struct {
	client *hub.Client
	group  string
	own    bool // the client is its own, and no other's
}

func (p *peek) close() {
	if p.own {
		ctx, cancel := context.WithTimeout(context.Background(), time.Second)
		defer cancel()
		_ = p.client.Close(ctx) // nothing could be lost
	}
}

// consumerGroup tries to read without an owner level, which takes no partition from anybody. Where another reads with one,
// as connectors and event processors do, the hub refuses that. Readers without one cannot be seen.
func (d *hubDoctor) consumerGroup(ctx context.Context) (string, error) {
	group := d.hub.ConsumerGroup
	looks, err := d.lookAll(ctx, d.events.client)
	if err != nil {
		return "", err
	}
	for _, l := range looks { // one that was told is enough: of the others, some may have had no time to ask
		if errors.Is(l.err, hub.ErrNoConsumerGroup) {
			return "", &HubError{l.err} // the connector ends with that, too
		}
	}
	var held []string
	for _, p := range d.events.partitions {
		switch l := looks[p.ID]; {
		case errors.Is(l.err, hub.ErrStolen):
			held = append(held, p.ID)
		case l.err != nil:
			return "", l.err
		}
	}
	if len(held) == 0 {
		d.looks, d.peek = looks, &peek{client: d.events.client, group: group}
	} else {
		d.lookElsewhere(ctx)
	}
	who := fmt.Sprintf("partitions %s of %d", strings.Join(held, ", "), len(d.events.partitions))
	switch {
	case len(held) == 0 && d.all.running != "":
		return "", diagnose.Warning("see partitions read in /readyz?verbose of its admin surface, and its log",
			"%s is there, and %s, which runs, reads none of it", group, d.all.running)
	case len(held) == 0:
		return group + " is there, and nobody reads it with an owner level (a reader without one cannot be seen)", nil
	case d.all.running != "":
		return fmt.Sprintf("%s: somebody reads %s, as %s does, which runs", group, who, d.all.running), nil
	}
	return "", &fault.Problem{Op: "read consumer group " + group, Class: fault.Rejected,
		Cause: fmt.Errorf("another application reads %s, and no connector with this file was found: they would take the partitions from each other", who),
		Hint: fmt.Sprintf("give this connector a group of its own: az iot hub consumer-group create --hub-name %s --name azx-2, and consumerGroup: azx-2; "+
			"or stop the other one, if it is a connector that this one replaces", d.hubName())}
}

// lookElsewhere makes messages visible through the group that every hub has.
func (d *hubDoctor) lookElsewhere(ctx context.Context) {
	options := hub.Options{
		Hub: d.thing, Group: defaultGroup, Network: d.network,
		Current: func() (access.Endpoint, error) { return d.keys.endpoint(d.events.endpoint) },
	}
	client, err := hub.Open(d.events.endpoint, options)
	if err != nil {
		return
	}
	p := &peek{client: client, group: defaultGroup, own: true}
	looks, err := d.lookAll(ctx, client)
	for _, l := range looks {
		err = errors.Join(err, l.err)
	}
	if err != nil {
		p.close()
		return
	}
	d.looks, d.peek = looks, p
}

// lookAll looks at all partitions at the same time.
func (d *hubDoctor) lookAll(ctx context.Context, client *hub.Client) (map[string]look, error) {
	var mu sync.Mutex
	looks := map[string]look{}
	group := supervise.New(ctx)
	for _, p := range d.events.partitions {
		group.Go("look at partition "+p.ID, func(ctx context.Context) error {
			l := lookAt(ctx, client, p)
			mu.Lock()
			defer mu.Unlock()
			looks[p.ID] = l
			return nil
		})
	}
	return looks, errors.Join(group.Wait(), ctx.Err())
}

// lookAt reads the oldest message of a partition.
func lookAt(ctx context.Context, client *hub.Client, p hub.Partition) look {
	within := checkWithin / 2
	if p.Empty {
		within = emptyWithin
	}
	limited, cancel := context.WithTimeout(ctx, within)
	defer cancel()
	messages, err := peekAt(limited, client, p.ID, hub.Earliest(), func([]*message.Message) bool { return true })
	switch {
	case p.Empty && errors.Is(err, context.DeadlineExceeded):
		return look{} // it was let in, and waited
	case err != nil:
		return look{err: err}
	}
	return look{oldest: messages[0].Enqueued}
}

// peekAt reads a partition until enough has come.
func peekAt(ctx context.Context, client *hub.Client, partition string, from hub.Position, enough func([]*message.Message) bool) (all []*message.Message, err error) {
	reader, err := client.Peek(partition, from)
	if err != nil {
		return nil, err
	}
	defer func() {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Second)
		defer cancel()
		_ = reader.Close(ctx) // nothing could be lost
	}()
	for {
		messages, err := reader.Receive(ctx)
		all = append(all, messages...)
		if err != nil || enough(all) {
			return all, err
		}
	}
}

// checkpoints compares the positions that are stored with what the hub still has.
func (d *hubDoctor) checkpoints(ctx context.Context) (string, error) {
	_, stored, err := readCheckpoints(ctx, d.Config, d.thing)
	if err != nil {
		return "", err
	}
	id := identity(d.events.service, d.events.endpoint, d.hub.ConsumerGroup).String()
	at := slices.IndexFunc(stored, func(s checkpoint.Stored) bool { return s.Identity == id })
	if at < 0 && len(stored) == 0 {
		return fmt.Sprintf("none yet: reading begins at %s", d.hub.Start), nil
	}
	if at < 0 {
		return "", &fault.Problem{Op: "find checkpoints of " + id, Class: fault.Rejected, Cause: fmt.Errorf("the folder has those of %s only", stored[0].Identity),
			Hint: "run once with --start earliest, latest or a time; or take the positions over with azx checkpoint copy, if only the consumer group has changed"}
	}
	var behind, lost int64
	for _, p := range d.events.partitions {
		c, has := stored[at].At[p.ID]
		switch {
		case p.Empty && !has:
		case has && !p.Empty && c.Sequence > p.Last:
			return "", &fault.Problem{Op: "compare the checkpoint of partition " + p.ID, Class: fault.Rejected,
				Cause: fmt.Errorf("it is at sequence %d, and the hub's newest message is %d: another log has the same name", c.Sequence, p.Last),
				Hint:  "take it away with azx checkpoint clear " + p.ID}
		case !has:
			behind += p.Last - p.First + 1
		case !p.Empty:
			behind += p.Last - max(c.Sequence, p.First-1)
			lost += max(0, p.First-1-c.Sequence)
		}
	}
	if lost > 0 {
		return "", diagnose.Warning("raise the hub's retention (up to 7 days), and look for what kept the connector from reading",
			"%d messages went with the hub's retention before they were read; %d wait", lost, behind)
	}
	return fmt.Sprintf("%d messages wait behind them", behind), nil
}

// retention is not told by the hub; the age of the oldest message is the least it can be.
func (d *hubDoctor) retention(ctx context.Context) (string, error) {
	if d.peek == nil {
		return "", diagnose.Skipped("the consumer groups are read by others: there is no way to look")
	}
	var oldest time.Time
	for _, l := range d.looks {
		if !l.oldest.IsZero() && (oldest.IsZero() || l.oldest.Before(oldest)) {
			oldest = l.oldest
		}
	}
	if oldest.IsZero() {
		return "the hub holds no message", nil
	}
	age := time.Since(oldest)
	text := fmt.Sprintf("the oldest message is %s old; the hub keeps them for 1 to 7 days: az iot hub show --name %s "+
		"--query properties.eventHubEndpoints.events.retentionTimeInDays", age.Round(time.Minute), d.hubName())
	if late := d.oldestUnread(ctx); !late.IsZero() && age > longRetention && time.Since(late) > age/2 {
		return "", diagnose.Warning("messages that wait longer than the retention are lost: start the connector, or look why it is slow",
			"what is read next is %s old; %s", time.Since(late).Round(time.Minute), text)
	}
	return text, nil
}

// oldestUnread is about when the next message was enqueued, of the partition that is furthest behind; zero if none waits.
func (d *hubDoctor) oldestUnread(ctx context.Context) (late time.Time) {
	_, stored, err := readCheckpoints(ctx, d.Config, d.thing)
	if err != nil {
		return late
	}
	id := identity(d.events.service, d.events.endpoint, d.hub.ConsumerGroup).String()
	for _, s := range stored {
		for _, p := range d.events.partitions {
			c, has := s.At[p.ID]
			waits := s.Identity == id && has && !p.Empty && c.Sequence < p.Last && !c.Enqueued.IsZero()
			if waits && (late.IsZero() || c.Enqueued.Before(late)) {
				late = c.Enqueued
			}
		}
	}
	return late
}
