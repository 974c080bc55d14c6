package hub

import (
	"context"
	"errors"
	"fmt"
	"net"
	"slices"
	"sync"

	"github.com/Azure/azure-sdk-for-go/sdk/messaging/azeventhubs/v2"

	"azx/internal/access"
	"azx/internal/dial"
	"azx/internal/secret"
)

// signed is a connection all of whose tokens are signed with one key: the library takes no other one later.
type signed struct {
	consumer *azeventhubs.ConsumerClient
	policy   string
	key      secret.Secret
	readers  int // receivers that use it; under the lock of keys
	dialled  dialled
}

// keys has the connection of the current key, and those of earlier ones as long as a receiver reads over them: it goes on
// until its token is not renewed any more, and the one that is opened in its place has the new key.
type keys struct {
	mu     sync.Mutex
	now    *signed
	old    []*signed
	closed bool
}

// current returns the connection of the key that is current now.
func (c *Client) current() (*signed, error) {
	c.keys.mu.Lock()
	defer c.keys.mu.Unlock()
	return c.currentLocked()
}

func (c *Client) currentLocked() (*signed, error) {
	k := &c.keys
	if k.closed {
		return k.now, nil // its calls say that it is closed
	}
	as, err := c.options.Current()
	switch {
	case err != nil:
		return nil, err
	case k.now != nil && k.now.policy == as.Policy && k.now.key.Reveal() == as.Key.Reveal():
		return k.now, nil
	}
	if err := c.owns(as); err != nil {
		return nil, err
	}
	fresh := &signed{policy: as.Policy, key: as.Key}
	if fresh.consumer, err = c.connect(as.ConnectionString().Reveal(), as.Policy, &fresh.dialled); err != nil {
		return nil, err
	}
	if k.now != nil {
		k.old = append(k.old, k.now)
	}
	k.now = fresh
	return fresh, nil
}

// owns refuses a key that is not one of the event hub that is read.
func (c *Client) owns(as access.Endpoint) error {
	if as.Host != c.endpoint.Host || as.EventHub != c.endpoint.EventHub {
		return fmt.Errorf("the key is for %s of %s, and %s of %s is read", as.EventHub, as.Host, c.endpoint.EventHub, c.endpoint.Host)
	}
	return nil
}

// signing is the key that is current now.
func (c *Client) signing() (access.Endpoint, error) {
	as, err := c.options.Current()
	if err == nil {
		err = c.owns(as)
	}
	return as, err
}

// connect makes a client of the library; it does not connect yet.
func (c *Client) connect(as, policy string, dialled *dialled) (*azeventhubs.ConsumerClient, error) {
	to := dial.Target{Host: c.endpoint.Host, Address: c.endpoint.Address, Path: dial.PathEvents}
	consumer, err := azeventhubs.NewConsumerClientFromConnectionString(as, "", c.options.Group, &azeventhubs.ConsumerClientOptions{
		ApplicationID: "azx",
		// Its name apart, this is how the library is given any connection, also one that is no WebSocket.
		NewWebSocketConn: func(ctx context.Context, _ azeventhubs.WebSocketConnParams) (net.Conn, error) {
			conn, err := c.options.Network.Connect(ctx, to)
			dialled.note(err)
			return conn, err
		},
		// Failures are shown soon: when to try again is decided in one place, and it is not here. Not even
		// one retry would be best, but with that the library renews tokens without any pause while the
		// hub is away.
		RetryOptions: azeventhubs.RetryOptions{MaxRetries: 1, RetryDelay: retryDelay},
	})
	if err != nil {
		return nil, classify("open event hub", policy, err)
	}
	return consumer, nil
}

// take returns the current connection for one more receiver.
func (c *Client) take() (*signed, error) {
	c.keys.mu.Lock()
	defer c.keys.mu.Unlock()
	s, err := c.currentLocked()
	if err == nil {
		s.readers++
	}
	return s, err
}

// replaced reports whether there is a newer key than the one of a connection.
func (c *Client) replaced(s *signed) bool {
	now, err := c.current()
	return err == nil && now != s
}

// give says that a receiver is gone. The connection of an old key goes with the last of its receivers.
func (c *Client) give(ctx context.Context, s *signed) error {
	k := &c.keys
	k.mu.Lock()
	s.readers--
	at := slices.Index(k.old, s)
	gone := at >= 0 && s.readers == 0
	if gone {
		k.old = slices.Delete(k.old, at, at+1)
	}
	k.mu.Unlock()
	if gone {
		return s.consumer.Close(ctx)
	}
	return nil
}

// Close ends the connections. Receivers fail from now on.
func (c *Client) Close(ctx context.Context) error {
	c.keys.mu.Lock()
	c.keys.closed = true
	all := slices.Clone(c.keys.old)
	if c.keys.now != nil { // there is none of kind Fast
		all = append(all, c.keys.now)
	}
	c.keys.mu.Unlock()
	errs := []error{c.trunk.close(ctx)}
	for _, s := range all {
		errs = append(errs, s.consumer.Close(ctx))
	}
	return errors.Join(errs...)
}
