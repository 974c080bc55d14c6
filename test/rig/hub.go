package rig

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"time"

	"azx/internal/local/iothub"
	"azx/internal/local/iothub/control"
	"azx/test/process"
)

// connectorGroup is the consumer group of connectors.
const connectorGroup = "azx"

// tell asks the hub's control interface for something.
func (r *Rig) tell(what string, ask func(context.Context, *control.Client) error) {
	r.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	if err := ask(ctx, control.NewClient(r.Hub.Control)); err != nil {
		r.t.Fatalf("%s: %v", what, err)
	}
}

// Silence has the hub send nothing more to the connector that reads a partition, and keep its link.
func (r *Rig) Silence(partition int) {
	r.t.Helper()
	r.tell("silence a reader", func(ctx context.Context, c *control.Client) error {
		return c.Silence(ctx, iothub.Reading{ConsumerGroup: connectorGroup, Partition: partition})
	})
}

// FailOver has the hub fail over: its event endpoint has another name, and an empty log without the connectors' consumer group.
func (r *Rig) FailOver() {
	r.t.Helper()
	r.failedOver = true
	r.tell("fail over", func(ctx context.Context, c *control.Client) error {
		if _, err := c.Failover(ctx); err != nil {
			return err
		}
		return c.AddConsumerGroup(ctx, ledgerGroup)
	})
	r.FollowHub()
}

// MakeGroup makes the consumer group of the connectors.
func (r *Rig) MakeGroup() {
	r.t.Helper()
	r.tell("make the consumer group", func(ctx context.Context, c *control.Client) error { return c.AddConsumerGroup(ctx, connectorGroup) })
}

// CopyLog kills the hub, copies its log, and starts it again where it was.
func (r *Rig) CopyLog() {
	r.t.Helper()
	r.betweenHubs(func(log string) error { return copyFile(log, log+".copy") })
}

// PutBackLog kills the hub and starts it again with the log of CopyLog: what came since is gone, and its numbers are given again.
// All checkpoints are to be saved before.
func (r *Rig) PutBackLog() {
	r.t.Helper()
	r.betweenHubs(func(log string) error {
		r.account.mu.Lock()
		r.account.eras++
		r.account.mu.Unlock()
		return copyFile(log+".copy", log)
	})
}

// betweenHubs does something to the log while no hub has it.
func (r *Rig) betweenHubs(do func(log string) error) {
	r.t.Helper()
	ports := r.Hub.Ports
	r.HubProcess.Kill()
	if err := do(filepath.Join(r.Dir, "hub", "events.db")); err != nil {
		r.t.Fatal(err)
	}
	r.StartHub(ports.MQTT, ports.AMQPS, ports.HTTPS)
	r.FollowHub()
}

func copyFile(from, to string) error {
	text, err := os.ReadFile(from)
	if err != nil {
		return err
	}
	return os.WriteFile(to, text, 0o600)
}

// Saved waits until the last checkpoint of each partition is behind its last message.
func (r *Rig) Saved(within time.Duration) {
	r.t.Helper()
	process.Eventually(r.t, within, "checkpoints are behind everything", func() error {
		r.account.mu.Lock()
		defer r.account.mu.Unlock()
		saved := map[place]int64{}
		for _, c := range r.account.checkpoints {
			saved[place{log: c.Log, partition: c.Partition}] = c.Sequence // of a connector that reads alone: none is refused
		}
		log := r.account.era(logOf(r.Hub.EventHubsConnectionString))
		for _, e := range r.account.events {
			if at, ok := saved[place{log: log, partition: e.Partition}]; e.Log == log && (!ok || at < e.Sequence) {
				return fmt.Errorf("partition %s is saved up to %d, and has %d", e.Partition, at, e.Sequence)
			}
		}
		return nil
	})
}

// Begins are the sequences of the oldest messages that the hub keeps, by partition.
func (r *Rig) Begins() map[string]int64 {
	r.t.Helper()
	begins := map[string]int64{}
	r.tell("read the partitions", func(ctx context.Context, c *control.Client) error {
		all, err := c.Partitions(ctx)
		for _, p := range all {
			begins[strconv.Itoa(p.ID)] = p.BeginSequence
		}
		return err
	})
	return begins
}

// Heard waits until the account has all that the hub accepted, and returns the sequence of the last one, by partition.
func (r *Rig) Heard(within time.Duration) map[string]int64 {
	r.t.Helper()
	process.Eventually(r.t, within, "the account has everything", func() error {
		if sent, accepted, _ := r.account.counts(); accepted < sent {
			return fmt.Errorf("%d sent, %d read from the hub", sent, accepted)
		}
		return nil
	})
	last := map[string]int64{}
	r.account.mu.Lock()
	defer r.account.mu.Unlock()
	for _, e := range r.account.events {
		last[e.Partition] = max(last[e.Partition], e.Sequence)
	}
	return last
}

// Folder is what is in the files of checkpoints of a connector, by their paths.
func (c *Connector) Folder() map[string]string {
	c.rig.t.Helper()
	files, err := filepath.Glob(filepath.Join(c.rig.Dir, c.Name, "checkpoint", "*", "*.json"))
	found := map[string]string{}
	for _, file := range files {
		text, failed := os.ReadFile(file)
		if failed != nil {
			err = failed
		}
		found[file] = string(text)
	}
	if err != nil {
		c.rig.t.Fatal(err)
	}
	return found
}
