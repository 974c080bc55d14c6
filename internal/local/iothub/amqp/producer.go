package amqp

import (
	"context"
	"math"
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
	client *client
	fixed  bool // all events go to one partition
	next   int  // the partition of the next message that has no key
}

// isProducer reports whether a link goes to "{event hub}" or "{event hub}/Partitions/{id}".
func (c *client) isProducer(path string) bool {
	eventHub, _, _ := strings.Cut(path, "/")
	return strings.EqualFold(eventHub, c.hub.Names().EventHub)
}

func (c *client) serveProducer(ctx context.Context, l *amqp10.Link, path string) error {
	p, resource := &producer{client: c}, c.hub.Names().Namespace+"/"+path
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
	may := func() (time.Time, bool) { return c.may(rightsToSend, resource, true) }
	if _, ok := may(); !ok {
		return amqp10.Errorf(amqp10.CondUnauthorized,
			"no valid token with the right to send has been put for %q; a token of the policy iothubowner has it", resource)
	}
	if err := l.Accept(amqp10.Terms{}); err != nil {
		return err
	}
	c.watchToken(l, resource, may)
	for {
		in, err := l.Receive(ctx)
		if err != nil {
			return err
		}
		p.take(in)
	}
}

// take puts a message into the log and answers it.
func (p *producer) take(in *amqp10.Incoming) {
	key, messages, err := parseSent(in, math.MaxInt)
	if err == nil {
		err = p.client.hub.Enqueue(p.partition(key), key, messages...)
	}
	if err != nil {
		in.Reject(amqp10.Errorf(condArgument, "%v", err))
		return
	}
	in.Accept()
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
