package amqp

import (
	"context"
	"log/slog"
	"strings"
	"sync"
	"time"

	"azx/internal/amqp10"
	"azx/internal/local/iothub"
	"azx/internal/supervise"
)

// Nodes of the endpoint that answer requests.
const (
	nodeCBS        = "$cbs"
	nodeManagement = "$management"
)

// maxClaims is how many tokens a connection may have: one connection carries up to a thousand devices (read).
const maxClaims = 1024

// verifier is what this front needs of a hub to judge tokens.
type verifier interface {
	VerifyHub(token, resource string) (iothub.Principal, error)
	VerifyEventHub(token, resource string) (iothub.Principal, error)
	VerifyBearer(token string) (iothub.Principal, error)
}

// claim is a token that was put, or given with SASL PLAIN, and found good.
// A hub's token opens nothing of the event hub and the other way round, though both may have the same host name.
type claim struct {
	principal iothub.Principal
	eventHub  bool
}

// client is one connection and the handler of its links.
type client struct {
	front *Front
	hub   *iothub.Hub
	log   *slog.Logger
	conn  *amqp10.Conn // once it is open
	host  string       // the host the client says it wants, with the port it may have written there
	port  int

	watchers *supervise.Group // of the tokens that links live by
	hangUp   func()           // cuts the connection, as a lost network does

	mu      sync.Mutex
	claims  []claim
	devices map[iothub.ID]*device     // those that have links here
	answers map[string][]*amqp10.Link // links to the client from $cbs and $management
	joined  chan struct{}             // closed, and made anew, when there is one more of them
}

// plain takes the SASL PLAIN credentials of a policy or a device.
func (c *client) plain(_ context.Context, user, password string) error {
	p, err := c.hub.VerifyPlain(user, password)
	if err != nil {
		c.log.Info("AMQP client refused", "reason", err)
		return err
	}
	c.add(claim{principal: p})
	return nil
}

// add keeps a claim in place of an older one for the same audience, and reports whether there was room.
func (c *client) add(n claim) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	now := c.hub.Now()
	kept := c.claims[:0]
	for _, old := range c.claims {
		same := old.eventHub == n.eventHub && strings.EqualFold(old.principal.Audience, n.principal.Audience)
		if !same && now.Before(old.principal.Expires) {
			kept = append(kept, old)
		}
	}
	c.claims = kept
	if len(c.claims) >= maxClaims {
		return false
	}
	c.claims = append(c.claims, n)
	return true
}

// mayRead tells until when the client's tokens let it read events at resource, "host/path"; false: they do not.
func (c *client) mayRead(resource string, eventHub bool) (until time.Time, ok bool) {
	return c.until(resource, eventHub, func(p iothub.Principal) bool {
		return p.Can(iothub.ServiceConnect) && p.Object == "" // events take keys only
	})
}

// may tells until when the client's tokens give it rights on resource.
func (c *client) may(rights iothub.Right, resource string, eventHub bool) (until time.Time, ok bool) {
	return c.until(resource, eventHub, func(p iothub.Principal) bool { return p.Can(rights) })
}

// until tells until when those tokens are good on resource that may do something.
func (c *client) until(resource string, eventHub bool, may func(iothub.Principal) bool) (until time.Time, ok bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, have := range c.claims {
		p := have.principal
		if have.eventHub == eventHub && may(p) && p.Covers(resource) && p.Expires.After(until) {
			until = p.Expires
		}
	}
	return until, c.hub.Now().Before(until)
}

// ServeLink sends each link to what serves its address.
func (c *client) ServeLink(ctx context.Context, l *amqp10.Link) error {
	address := l.Address()
	switch {
	case address == nodeCBS && l.Sends(), address == nodeManagement && l.Sends():
		return c.serveAnswers(ctx, l, address)
	case address == nodeCBS:
		return c.serveRequests(ctx, l, nodeCBS, c.putToken)
	case address == nodeManagement:
		return c.serveRequests(ctx, l, nodeManagement, c.manage)
	}
	names := c.hub.Names()
	path := pathOf(address)
	if names.IsHost(c.host) || !names.IsNamespace(c.host) {
		if id, node, ok := parseDevicePath(path); ok {
			return c.serveDevice(ctx, l, c.registered(id), node)
		}
		if serve := c.serviceNode(l, path); serve != nil {
			return c.serveService(ctx, l, path, serve)
		}
	}
	switch {
	case !l.Sends() && c.isProducer(path):
		return c.serveProducer(ctx, l, path)
	case !l.Sends():
		return amqp10.Errorf(amqp10.CondNotFound, "%q takes no messages here", address)
	}
	if at, ok := parseMessagesPath(path); ok && (names.IsHost(c.host) || !names.IsNamespace(c.host)) {
		return c.redirect(l, at)
	}
	if names.IsHost(c.host) && !names.IsNamespace(c.host) {
		return amqp10.Errorf(amqp10.CondNotFound, "%q is not at the hub's own name; events are read at /messages/events, which redirects", address)
	}
	return c.serveReader(ctx, l, path)
}

// pathOf drops scheme and host of an address and its outer slashes.
func pathOf(address string) string {
	if _, rest, ok := strings.Cut(address, "://"); ok {
		_, address, _ = strings.Cut(rest, "/")
	}
	return strings.Trim(address, "/")
}

// parseMessagesPath takes "messages/events[/...]" apart and returns what follows; compared without case.
func parseMessagesPath(path string) (rest string, ok bool) {
	const prefix = "messages/events"
	if len(path) < len(prefix) || !strings.EqualFold(path[:len(prefix)], prefix) {
		return "", false
	}
	rest = path[len(prefix):]
	return strings.TrimPrefix(rest, "/"), rest == "" || rest[0] == '/'
}

func unauthorized(resource string) *amqp10.Error {
	return amqp10.Errorf(amqp10.CondUnauthorized, "no valid token with ServiceConnect has been put for %q", resource)
}
