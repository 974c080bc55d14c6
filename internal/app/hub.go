package app

import (
	"context"
	"errors"
	"time"

	"azx/internal/access"
	"azx/internal/checkpoint"
	"azx/internal/config"
	"azx/internal/delivery"
	"azx/internal/dial"
	"azx/internal/fault"
	"azx/internal/hub"
	"azx/internal/ingress"
)

// prefetchBytes bounds what the clients of all hubs hold ahead of the pumps, over all partitions.
const prefetchBytes = 64 << 20

// leastPrefetch is for those who look only.
const leastPrefetch = 1 << 20

// events is the hub's event endpoint, opened: it implements ingress.Hub.
type events struct {
	client     *hub.Client
	service    access.Service
	endpoint   access.Endpoint
	partitions []hub.Partition
	asked      time.Time     // when it was asked for them
	doubts     chan struct{} // holds one token: the events may be elsewhere
	levels     levels        // nil: nobody else reads
}

// Open is ingress.Hub's.
func (e *events) Open(_ context.Context, partition string, from delivery.Start) (ingress.Source, error) {
	r, err := e.client.Receiver(partition, position(from), e.level(partition))
	if err != nil {
		return nil, err
	}
	return watched{source{r}, e}, nil
}

// levels tells the owner level of a partition's lease.
type levels interface{ Level(partition string) int64 }

func (e *events) level(partition string) int64 {
	if e.levels == nil {
		return 0
	}
	return e.levels.Level(partition)
}

func (e *events) close() {
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	_ = e.client.Close(ctx) // everything it could lose is settled or comes again
}

// source is a hub.Receiver that closes within its own time.
type source struct{ hub.Receiver }

// Close is ingress.Source's.
func (s source) Close() error {
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	return s.Receiver.Close(ctx)
}

func position(from delivery.Start) hub.Position {
	switch {
	case from.After != nil:
		return hub.After(*from.After)
	case from.Latest:
		return hub.Latest()
	case !from.From.IsZero():
		return hub.At(from.From)
	}
	return hub.Earliest()
}

// checkFile refuses a file that leads to no hub, where no hub Thing is asked.
func (c *connector) checkFile() error {
	for _, h := range c.hubs {
		file := h.file.Load()
		if c.azx() {
			continue
		}
		if err := checkHub(file, "set "+file.Path("connectionString")+"; without this project's packages the hub Thing is not asked for it"); err != nil {
			return err
		}
	}
	return nil
}

// checkHub refuses a hub that nothing leads to, unless the hub Thing may.
func checkHub(h *config.Hub, hint string) error {
	if h.ConnectionString.IsSet() || h.EventHubsConnectionString.IsSet() {
		return nil
	}
	why := "it has no connection string"
	if h.HostName != "" {
		why, hint = "it has no key for its events, and Azure takes nothing else there", "set eventHubsConnectionString: "+config.HintEventKey
	}
	return &fault.Problem{Op: "open hub " + h.Thing, Class: fault.Fatal, Cause: errors.New(why), Hint: hint}
}

// openHub finds the hub's event endpoint and its partitions; it tries until ctx ends, unless the error is
// one that no repetition mends.
func (k *carrier) openHub(ctx context.Context) (*events, error) {
	retry := fault.Backoff{Min: 500 * time.Millisecond, Max: 15 * time.Second}
	for said := error(nil); ; {
		e, err := k.tryHub(ctx)
		if err == nil {
			if err = k.claim(e); err != nil {
				e.close()
			}
		}
		if ctx.Err() != nil {
			return e, err
		}
		k.state.setHub(err)
		if class := fault.ClassOf(err); err != nil && (class == fault.Fatal || class == fault.Rejected) {
			return nil, err
		}
		k.start.served(k.hubSide)
		if err == nil {
			if said != nil && k.twoWay != nil { // what was refused may be accepted now, there as well
				k.twoWay.service.Renew()
			}
			return e, nil
		}
		k.groupSettled()
		if !fault.Same(err, said) {
			k.tellRefused(err)
			k.Log.Warn("waiting for the hub", "event", "hub-unreachable", "hub", k.thing, "error", err, "hint", fault.HintOf(err))
		}
		said = err
		if retry.Pause(ctx) != nil {
			return nil, ctx.Err()
		}
	}
}

// claim refuses a log that another entry of the file reads.
func (k *carrier) claim(e *events) error {
	log := identity(e.service, e.endpoint, k.hub.ConsumerGroup).String()
	if other := k.start.claimLog(log, k.thing); other != "" {
		return fault.Reject("open hub "+k.thing, "give one of them another consumerGroup, or leave one of the two out of the file",
			"the hub Thing %s leads to the same event hub and consumer group, %s", other, log)
	}
	return nil
}

// openEvents finds the event endpoint of a hub and lists its partitions.
func openEvents(ctx context.Context, h *config.Hub, k *keys, network *dial.Network, prefetch int64) (e *events, err error) {
	ctx, cancel := context.WithTimeout(ctx, 30*time.Second)
	defer cancel()
	e = &events{doubts: make(chan struct{}, 1)}
	if e.endpoint, e.service, err = resolve(ctx, k, network); err != nil {
		return nil, err
	}
	options := hub.Options{
		Hub: h.Thing, HubName: e.service.Name(), Group: h.ConsumerGroup, Network: network, Kind: hub.Kind(h.Receiver),
		Current:  func() (access.Endpoint, error) { return k.endpoint(e.endpoint) },
		Prefetch: hub.PrefetchFor(prefetch, 4),
	}
	if e.client, err = hub.Open(e.endpoint, options); err != nil {
		return nil, err
	}
	e.asked = time.Now()
	if e.partitions, err = e.client.Partitions(ctx); err != nil {
		e.close()
		return nil, err
	}
	return e, nil
}

// resolve returns the endpoint that the settings name, else the one to which the hub redirects.
func resolve(ctx context.Context, k *keys, network *dial.Network) (access.Endpoint, access.Service, error) {
	service, known, err := k.service()
	if err != nil {
		return access.Endpoint{}, service, err
	}
	endpoint, named, err := k.named()
	if err == nil && !named && known {
		endpoint, err = hub.Resolver{Service: service, Network: network}.Resolve(ctx)
	}
	return endpoint, service, err
}

// identity names the log that is read.
func identity(s access.Service, e access.Endpoint, group string) checkpoint.Identity {
	return checkpoint.Identity{Hub: s.Host, Endpoint: e.Host, EventHub: e.EventHub, Group: group}
}
