// Package hub is the event side of an Azure IoT Hub: it resolves the hub's Event Hubs endpoint and
// receives messages from its partitions.
package hub

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"azx/internal/access"
	"azx/internal/dial"
	"azx/internal/fault"
	"azx/internal/message"
)

// Receiver reads one partition, in order.
type Receiver interface {
	// Receive returns the next messages, at least one, as soon as there is one. After a Transient or
	// Credential error it may be called again and goes on behind the last message it returned; how
	// long to wait before that is the caller's. One call at a time.
	Receive(ctx context.Context) ([]*message.Message, error)
	// Close gives the partition up. No Receive may be under way.
	Close(ctx context.Context) error
}

// Options say how a Client reads.
type Options struct {
	Hub     string        // name of the hub Thing: message.Hub
	HubName string        // name of the IoT Hub, for the command in a hint; may be empty
	Group   string        // consumer group
	Network *dial.Network // nil: directly

	// Current gives the policy and the key as they are now; they sign what is opened from then on. nil: those of the
	// endpoint that is opened.
	Current func() (access.Endpoint, error)

	// Kind says what reads the partitions. "" is SDK.
	Kind Kind

	// TokenLife is how long the tokens hold that Fast signs; it renews them in time. 0 for an hour.
	TokenLife time.Duration

	// Prefetch is the number of messages asked for ahead, per partition, 1 to MaxPrefetch; 0 for 256.
	// It bounds the memory ahead of Receive to Prefetch times 256 KiB a partition: see PrefetchFor.
	Prefetch int
}

// Kind is what reads partitions.
type Kind string

// The kinds. Both do the same.
const (
	SDK  Kind = "sdk"  // Microsoft's client library
	Fast Kind = "fast" // internal/amqp10: all partitions over one connection, messages scanned in place
)

const (
	defaultPrefetch = 256
	// MaxPrefetch is the most that the Event Hubs client takes.
	MaxPrefetch = 5000
	// maxEvent is the largest device-to-cloud message, in bytes (read: quotas page).
	maxEvent = 256 << 10

	retryDelay = 500 * time.Millisecond
)

// PrefetchFor returns the Prefetch with which the messages ahead in all partitions stay within a
// number of bytes even if each is of the largest size, but 1 at the least.
func PrefetchFor(bytes int64, partitions int) int {
	n := bytes / maxEvent / int64(max(partitions, 1))
	return int(min(max(n, 1), MaxPrefetch))
}

// Client reads an event hub. Its methods may be called from many
// goroutines.
type Client struct {
	endpoint access.Endpoint
	options  Options
	keys     keys
	trunk    *trunk // of the fast receivers
	groups   groups // of the same
}

// Open makes a Client; it does not connect yet.
func Open(endpoint access.Endpoint, options Options) (*Client, error) {
	if options.Prefetch == 0 {
		options.Prefetch = defaultPrefetch
	}
	if options.Prefetch < 0 || options.Prefetch > MaxPrefetch {
		return nil, fmt.Errorf("open event hub: prefetch %d is not within 1 and %d", options.Prefetch, MaxPrefetch)
	}
	if options.Group == "" || strings.ContainsAny(options.Group, "/?# ") {
		return nil, fmt.Errorf("open event hub: %q is no name of a consumer group", options.Group)
	}
	if options.Kind == "" {
		options.Kind = SDK
	}
	if options.Kind != SDK && options.Kind != Fast {
		return nil, fmt.Errorf("open event hub: there is no receiver %q, but %s and %s", options.Kind, SDK, Fast)
	}
	if options.TokenLife == 0 {
		options.TokenLife = signedFor
	}
	if options.Network == nil {
		options.Network = &dial.Network{}
	}
	if options.Current == nil {
		options.Current = func() (access.Endpoint, error) { return endpoint, nil }
	}
	c := &Client{endpoint: endpoint, options: options}
	c.trunk = newTrunk(c)
	if options.Kind == Fast {
		_, err := c.signing()
		return c, err
	}
	_, err := c.current()
	return c, err
}

// Endpoint returns what the Client reads.
func (c *Client) Endpoint() access.Endpoint { return c.endpoint }

// Partition is the state of a partition.
type Partition struct {
	ID         string    // "0" to "31"
	Empty      bool      // it holds no message; then the fields below say nothing
	First      int64     // sequence of the oldest message it still has
	Last       int64     // sequence of the newest
	LastOffset string    // its offset
	LastTime   time.Time // when the hub took it, UTC
}

// Partitions lists the partitions and their heads and tails, in the hub's order. If ctx ends during
// the call, a Client of kind SDK is closed: the library's own requests do not end with a context.
func (c *Client) Partitions(ctx context.Context) ([]Partition, error) {
	op := "list the partitions of " + c.endpoint.EventHub
	if c.options.Kind == Fast {
		list, err := c.trunk.partitions(ctx)
		if err != nil {
			err = c.classified(ctx, op, err)
		}
		return list, err
	}
	signed, err := c.current()
	if err != nil {
		return nil, err
	}
	stop := context.AfterFunc(ctx, func() { _ = signed.consumer.Close(context.WithoutCancel(ctx)) })
	defer stop()
	properties, err := signed.consumer.GetEventHubProperties(ctx, nil)
	if err != nil && strings.Contains(err.Error(), "georeplication_factor") {
		return signed.probe(ctx, op)
	}
	if err != nil {
		return nil, signed.listError(ctx, op, err)
	}
	list := make([]Partition, 0, len(properties.PartitionIDs))
	for _, id := range properties.PartitionIDs {
		p, err := signed.partition(ctx, id)
		if err != nil {
			return nil, signed.listError(ctx, op, err)
		}
		list = append(list, p)
	}
	return list, nil
}

// probe asks for partitions 0, 1, 2... until one does not exist. The library refuses an answer about
// the event hub that lacks a field which the endpoint of an IoT Hub may not send (unknown).
func (s *signed) probe(ctx context.Context, op string) ([]Partition, error) {
	var list []Partition
	for id := 0; ; id++ {
		p, err := s.partition(ctx, strconv.Itoa(id))
		if err != nil && len(list) > 0 && !isNetwork(err) && ctx.Err() == nil {
			return list, nil
		}
		if err != nil {
			return nil, s.listError(ctx, op, err)
		}
		list = append(list, p)
	}
}

func (s *signed) partition(ctx context.Context, id string) (Partition, error) {
	p, err := s.consumer.GetPartitionProperties(ctx, id, nil)
	if err != nil {
		return Partition{}, s.dialled.cause(err)
	}
	return Partition{
		ID:         id,
		Empty:      p.IsEmpty,
		First:      p.BeginningSequenceNumber,
		Last:       p.LastEnqueuedSequenceNumber,
		LastOffset: p.LastEnqueuedOffset,
		LastTime:   p.LastEnqueuedOn.UTC(),
	}, nil
}

func (s *signed) listError(ctx context.Context, op string, err error) error {
	if ctx.Err() != nil {
		err = ctx.Err() // and not that the client is closed, which is how it ended
	}
	return classify(op, s.policy, s.dialled.cause(err))
}

// missing tells a consumer group that does not exist from an event hub that does not: the hub answers
// both alike, but an event hub that lists its partitions is there.
func (c *Client) missing(ctx context.Context, err error) error {
	if condition, _ := conditionOf(err); condition == condRedirect {
		return err // it is elsewhere
	}
	ctx, cancel := context.WithTimeout(ctx, resolveTimeout)
	defer cancel()
	if c.exists(ctx) != nil {
		return err
	}
	var p *fault.Problem
	if errors.As(err, &p) {
		err = p.Cause
	}
	return &fault.Problem{
		Op:    "read consumer group " + c.options.Group,
		Class: fault.Fatal,
		Cause: mark(ErrNoConsumerGroup, err),
		Hint: fmt.Sprintf("create it: az iot hub consumer-group create --hub-name %s --name %s",
			orElse(c.options.HubName, "<hub>"), c.options.Group),
	}
}

// exists returns nil if the event hub tells of itself.
func (c *Client) exists(ctx context.Context) error {
	if c.options.Kind == Fast {
		return c.trunk.exists(ctx)
	}
	signed, err := c.current()
	if err != nil {
		return err
	}
	_, err = signed.consumer.GetEventHubProperties(ctx, nil)
	if err != nil && strings.Contains(err.Error(), "georeplication_factor") {
		return nil
	}
	return err
}

func orElse(s, otherwise string) string {
	if s == "" {
		return otherwise
	}
	return s
}
