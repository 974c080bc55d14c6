package amqp10

import (
	"context"
	"errors"
	"fmt"
	"net"
	"sync"
	"time"
)

// clientIdle is announced by a client unless its config says otherwise: as Microsoft's Event Hubs clients do.
const clientIdle = 30 * time.Second

// ErrClosed is in the error about a connection that this end has closed.
var ErrClosed = errors.New("connection closed")

// ClientConfig is what a client needs to know to open a connection.
type ClientConfig struct {
	// ContainerID names this end; it must not be empty.
	ContainerID string
	// Hostname is whom the peer is asked for.
	Hostname string
	// User and Password are for SASL PLAIN. Without a user it is ANONYMOUS.
	User, Password string
	// IdleTimeout is announced to the peer; a connection silent for twice as long is given up. 0: 30 seconds.
	IdleTimeout time.Duration
	// Properties are sent in the open.
	Properties Map
}

// Client is the client's end of a connection. Its methods may be called from many goroutines.
//
// One loop reads. It owns what tells it whose a transfer is, so that a message costs no lock: what came is handed over
// together, when nothing more is there to read. All else is guarded by the lock of the line.
type Client struct {
	line
	cfg    ClientConfig
	loops  sync.WaitGroup // the reader and the writer
	chunks sync.Pool      // of *Chunk

	ctx    context.Context // ends with the connection
	cancel context.CancelCauseFunc

	// of the read loop alone
	incoming [ChannelMax + 1]*clientSession // by the peer's channel
	dirty    []*Receiver                    // have messages that are not handed over
	transfer Transfer                       // the one that is read

	// guarded by line.mu
	sessions [ChannelMax + 1]*clientSession // by our channel
	names    uint64                         // links that have been given a name
	closing  bool                           // Close was called
}

// Connect opens AMQP on nc, which it closes when the connection ends, or at once if that fails. ctx bounds the opening only.
func Connect(ctx context.Context, nc net.Conn, cfg ClientConfig) (*Client, error) {
	if cfg.IdleTimeout == 0 {
		cfg.IdleTimeout = clientIdle
	}
	c := &Client{cfg: cfg}
	c.line.init(nc, cfg.IdleTimeout, func() {})
	c.ctx, c.cancel = context.WithCancelCause(context.Background())
	c.loops.Go(c.writeLoop)
	stop := context.AfterFunc(ctx, func() { _ = nc.Close() })
	err := c.open()
	if !stop() && ctx.Err() != nil {
		err = ctx.Err()
	}
	if err != nil {
		err = fmt.Errorf("open AMQP connection: %w", err)
		c.finish(err)
		c.loops.Wait()
		return nil, err
	}
	c.loops.Go(c.readLoop)
	return c, nil
}

// Done is closed when the connection has ended.
func (c *Client) Done() <-chan struct{} { return c.ctx.Done() }

// Err is why the connection has ended, nil while it has not.
func (c *Client) Err() error { return context.Cause(c.ctx) }

// Close ends the connection and waits until the peer has done so too, or ctx has ended, but 3 seconds at the most.
// Nothing of it runs any more then.
func (c *Client) Close(ctx context.Context) error {
	c.mu.Lock()
	if c.ctx.Err() == nil && !c.closeSent {
		c.closing, c.closeSent = true, true
		c.enqueue(0, &Close{}, nil)
		c.limitReading(closeGrace)
		c.endSessions(ErrClosed)
	}
	c.mu.Unlock()
	stop := context.AfterFunc(ctx, func() { _ = c.net.Close() })
	defer stop()
	c.loops.Wait()
	return nil
}

// readLoop handles frames until there are no more.
func (c *Client) readLoop() {
	err := c.read()
	c.mu.Lock()
	closing := c.closing
	c.mu.Unlock()
	switch {
	case closing:
		err = ErrClosed
	case errors.As(err, new(*Error)), errors.As(err, new(crash)), errors.Is(err, ErrMalformed), errors.Is(err, ErrFrameTooLarge):
		c.complain(err)
	}
	c.finish(err)
}

// complain tells the peer what is wrong with what it sent.
func (c *Client) complain(err error) {
	if errors.As(err, new(peerClosed)) {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	told := asError(err, CondFramingError)
	if errors.As(err, new(crash)) {
		told = Errorf(CondInternalError, "internal error")
	}
	c.closeSent = true
	c.enqueue(0, &Close{Error: told}, nil)
}

// finish ends everything: what is queued is still written, within a bound.
func (c *Client) finish(err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.cause != nil { // the writer's, which came first
		err = c.cause
	}
	c.cancel(err)
	c.endSessions(err)
	c.out.over = true
	c.out.wake()
	_ = c.net.SetWriteDeadline(time.Now().Add(closeGrace))
}

func (c *Client) endSessions(err error) {
	for _, s := range c.sessions {
		if s != nil {
			s.over(err)
		}
	}
}

func (c *Client) read() (err error) {
	defer recovered(&err)
	for {
		frame, err := c.frames.Next()
		if err != nil {
			return fmt.Errorf("read frame: %w", err)
		}
		if err := c.handle(frame); err != nil {
			return err
		}
		if len(c.dirty) > 0 && !c.frames.ready() {
			c.publish()
		}
	}
}

// publish hands over what has come.
func (c *Client) publish() {
	for _, r := range c.dirty {
		r.publish()
	}
	clear(c.dirty)
	c.dirty = c.dirty[:0]
}

// handle acts on a frame. Only those that are no transfers take the lock.
func (c *Client) handle(frame Frame) error {
	if len(frame.Body) == 0 {
		return nil // heartbeat
	}
	if frame.Type != FrameAMQP {
		return Errorf(CondFramingError, "frame of type %d on an open connection", frame.Type)
	}
	payload, is, err := c.transfer.scan(frame.Body)
	switch {
	case err != nil:
		return err
	case is:
		return c.onTransfer(frame.Channel, payload)
	}
	p, _, err := DecodePerformative(frame.Body)
	if err != nil {
		return err
	}
	c.publish() // what came before it counts before it
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.route(frame.Channel, p)
}

func (c *Client) onTransfer(channel uint16, payload []byte) error {
	s := c.session(channel)
	if s == nil {
		return Errorf(CondNotAllowed, "a transfer on channel %d, which has no session", channel)
	}
	return s.onTransfer(&c.transfer, payload)
}

func (c *Client) session(channel uint16) *clientSession {
	if int(channel) >= len(c.incoming) {
		return nil
	}
	return c.incoming[channel]
}

func (c *Client) route(channel uint16, p Performative) error {
	switch p := p.(type) {
	case *Begin:
		return c.onBegin(channel, p)
	case *Close:
		return c.onClose(p)
	}
	s := c.session(channel)
	if s == nil {
		return Errorf(CondNotAllowed, "a %T on channel %d, which has no session", p, channel)
	}
	return s.route(p)
}

// peerClosed is the end of a connection that the peer has closed.
type peerClosed struct{ error }

// Unwrap returns what the peer said.
func (p peerClosed) Unwrap() error { return p.error }

func (c *Client) onClose(p *Close) error {
	if !c.closeSent {
		c.closeSent = true
		c.enqueue(0, &Close{}, nil)
	}
	if p.Error != nil {
		return peerClosed{fmt.Errorf("closed by the peer: %w", p.Error)}
	}
	return peerClosed{errors.New("closed by the peer")}
}
