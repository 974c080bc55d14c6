package hub

import (
	"context"
	"crypto/rand"
	"errors"
	"time"

	"azx/internal/access"
	"azx/internal/amqp10"
	"azx/internal/dial"
	"azx/internal/secret"
	"azx/internal/supervise"
)

const (
	tokenType    = "servicebus.windows.net:sastoken"
	cbsNode      = "$cbs"
	openWithin   = 30 * time.Second // connection, token, or link
	closeWithin  = time.Second      // to part from a link or connection that has failed
	signedFor    = time.Hour
	renewRetries = 20 // within the life of a token
)

// trunk is the connection that the fast receivers of a Client share, with the token they read by. It is opened for the
// first of them, and again by the first that finds it broken.
type trunk struct {
	client *Client
	turn   chan struct{} // held by who opens, authorizes or closes

	// guarded by turn
	line   *line
	closed bool
}

// line is one connection of a trunk.
type line struct {
	amqp   *amqp10.Client
	cbs    *amqp10.Requester
	name   string
	policy string        // that has signed the newest token
	key    secret.Secret // likewise
	due    time.Time     // when another one should have been put
	renews *supervise.Group
}

func newTrunk(c *Client) *trunk { return &trunk{client: c, turn: make(chan struct{}, 1)} }

var errClientClosed = errors.New("the client is closed")

// take returns a connection that lives, and whose token is signed with the key that is current now.
func (t *trunk) take(ctx context.Context) (*line, error) {
	as, err := t.client.signing()
	if err != nil {
		return nil, err
	}
	select {
	case t.turn <- struct{}{}:
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	defer func() { <-t.turn }()
	if t.closed {
		return nil, errClientClosed
	}
	if t.line != nil && t.line.amqp.Err() != nil {
		t.part(context.Background())
	}
	if t.line != nil {
		if t.line.policy == as.Policy && t.line.key.Reveal() == as.Key.Reveal() && time.Now().Before(t.line.due) {
			return t.line, nil
		}
		return t.line, t.authorize(ctx, t.line, as)
	}
	l, err := t.open(ctx, as)
	if err != nil {
		return nil, err
	}
	t.line = l
	return l, nil
}

// distrust has another token put before the connection is used again: the hub does not take the one it has, whatever this
// machine's clock says.
func (t *trunk) distrust(ctx context.Context) {
	select {
	case t.turn <- struct{}{}:
	case <-ctx.Done():
		return
	}
	if t.line != nil {
		t.line.due = time.Time{}
	}
	<-t.turn
}

// open makes a connection and puts the first token.
func (t *trunk) open(ctx context.Context, as access.Endpoint) (*line, error) {
	endpoint := t.client.endpoint
	conn, err := t.client.options.Network.Connect(ctx, dial.Target{Host: endpoint.Host, Address: endpoint.Address, Path: dial.PathEvents})
	if err != nil {
		return nil, err
	}
	l := &line{name: "azx-" + rand.Text()}
	l.amqp, err = amqp10.Connect(ctx, conn, amqp10.ClientConfig{
		ContainerID: l.name, Hostname: endpoint.Host,
		Properties: amqp10.Map{{Key: amqp10.Symbol("product"), Value: "azx"}},
	})
	if err != nil {
		return nil, err
	}
	if l.cbs, err = l.amqp.Requester(ctx, cbsNode); err == nil {
		err = t.authorize(ctx, l, as)
	}
	if err != nil {
		t.hangUp(context.WithoutCancel(ctx), l)
		return nil, err
	}
	l.renews = supervise.New(context.Background())
	l.renews.Go("token", func(ctx context.Context) error { return t.renew(ctx, l) })
	return l, nil
}

// authorize puts a token for the whole event hub. That one holds for its partitions too (read: azure-eventhub for Python
// puts no other).
func (t *trunk) authorize(ctx context.Context, l *line, as access.Endpoint) error {
	resource, expires := t.client.tokenFor(time.Now())
	_, err := l.cbs.Ask(ctx, &amqp10.Message{
		ApplicationProperties: amqp10.Map{
			{Key: "operation", Value: "put-token"},
			{Key: "type", Value: tokenType},
			{Key: "name", Value: resource},
			{Key: "expiration", Value: amqp10.TimestampOf(expires)},
		},
		Value: amqp10.Some[any](as.Token(resource, expires).Reveal()),
	})
	if err == nil {
		l.policy, l.key, l.due = as.Policy, as.Key, expires.Add(-t.client.options.TokenLife/5)
	}
	return err
}

// tokenFor is what a token that is signed now is for, and until when.
func (c *Client) tokenFor(now time.Time) (resource string, expires time.Time) {
	return "sb://" + c.endpoint.Host + "/" + c.endpoint.EventHub,
		now.Add(c.options.TokenLife).Truncate(time.Second).Add(time.Second) // tokens count whole ones
}

// renew puts another token in time, as long as the connection lives. While that fails it is tried again; if it fails for
// too long, the hub ends the links and says why.
func (t *trunk) renew(ctx context.Context, l *line) error {
	life := t.client.options.TokenLife
	wait := time.NewTimer(life * 2 / 3)
	defer wait.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-l.amqp.Done():
			return nil
		case <-wait.C:
		}
		next := life * 2 / 3
		if err := t.renewNow(ctx, l); err != nil {
			next = life / renewRetries
		}
		wait.Reset(next)
	}
}

func (t *trunk) renewNow(ctx context.Context, l *line) error {
	as, err := t.client.signing()
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, openWithin)
	defer cancel()
	select {
	case t.turn <- struct{}{}:
	case <-ctx.Done():
		return ctx.Err()
	}
	defer func() { <-t.turn }()
	return t.authorize(ctx, l, as)
}

// part gives up the connection, so that the next who needs one opens another.
func (t *trunk) part(ctx context.Context) {
	l := t.line
	t.line = nil
	t.hangUp(ctx, l)
}

func (t *trunk) hangUp(ctx context.Context, l *line) {
	ctx, cancel := context.WithTimeout(ctx, closeWithin)
	defer cancel()
	_ = l.amqp.Close(ctx) // it has nothing to lose
	if l.renews != nil {
		l.renews.Stop()
	}
}

// close ends the connection; none is opened any more.
func (t *trunk) close(ctx context.Context) error {
	select {
	case t.turn <- struct{}{}:
	case <-ctx.Done():
		return ctx.Err()
	}
	t.closed = true
	l := t.line
	if l != nil {
		t.part(ctx)
	}
	<-t.turn
	if l != nil {
		return l.renews.Wait()
	}
	return nil
}
