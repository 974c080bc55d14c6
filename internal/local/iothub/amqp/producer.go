package amqp

import (
	"context"
	"strings"
	"time"

	"azx/internal/amqp10"
	"azx/internal/local/iothub"
)

const (
	annotationPartitionKey = "x-opt-partition-key"
	rightsToSend           = iothub.ServiceConnect | iothub.DeviceConnect
)

// producer takes events over one link and puts them into the log, as an event hub does. The real hub's endpoint only
// gives events out (inferred): this is for tests that need events without devices.
type producer struct {
	client   *client
	link     *amqp10.Link
	resource string
	fixed    bool // all events go to one partition
	next     int  // the partition of the next message that has no key
}

// isProducer reports whether a link goes to "{event hub}" or "{event hub}/Partitions/{id}".
func (c *client) isProducer(path string) bool {
	eventHub, _, _ := strings.Cut(path, "/")
	return strings.EqualFold(eventHub, c.hub.Names().EventHub)
}

func (c *client) serveProducer(ctx context.Context, l *amqp10.Link, path string) error {
	p := &producer{client: c, link: l, resource: c.hub.Names().Namespace + "/" + path}
	if parts := strings.Split(path, "/"); len(parts) > 1 {
		n, ok := 0, false
		if len(parts) == 3 && strings.EqualFold(parts[1], segmentPartitions) {
			n, ok = c.partition(parts[2])
		}
		if !ok {
			return amqp10.Errorf(amqp10.CondNotFound, "%q: want %s or %s/Partitions/{id}, the last is %d", path, parts[0], parts[0], c.hub.Partitions()-1)
		}
		p.fixed, p.next = true, n
	}
	if _, err := p.allowed(); err != nil {
		return err
	}
	if err := l.Accept(amqp10.Terms{}); err != nil {
		return err
	}
	for {
		if err := p.takeOne(ctx); err != nil {
			return err
		}
	}
}

// allowed tells until when the client's tokens let it send.
func (p *producer) allowed() (until time.Time, err error) {
	until, ok := p.client.may(rightsToSend, p.resource, true)
	if !ok {
		return until, amqp10.Errorf(amqp10.CondUnauthorized,
			"no valid token with the right to send has been put for %q; a token of the policy iothubowner has it", p.resource)
	}
	return until, nil
}

// takeOne receives a message and answers it. The error ends the link.
func (p *producer) takeOne(ctx context.Context) error {
	until, err := p.allowed()
	if err != nil {
		return err
	}
	waiting, cancel := context.WithTimeout(ctx, until.Sub(p.client.hub.Now()))
	defer cancel()
	in, err := p.link.Receive(waiting)
	if err != nil {
		if ctx.Err() == nil && waiting.Err() != nil {
			return nil // the token's time is over: see whether there is another
		}
		return err
	}
	key, messages, err := parseSent(in)
	if err == nil {
		err = p.client.hub.Enqueue(p.partition(key), key, messages...)
	}
	if err != nil {
		in.Reject(amqp10.Errorf(condArgument, "%v", err))
		return nil
	}
	in.Accept()
	return nil
}

// partition chooses the partition of a message: the link's, that of its key, or the next one.
func (p *producer) partition(key string) int {
	switch {
	case p.fixed:
		return p.next
	case key != "":
		return p.client.hub.PartitionOf(key)
	}
	p.next = (p.next + 1) % p.client.hub.Partitions()
	return p.next
}
