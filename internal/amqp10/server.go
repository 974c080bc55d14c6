package amqp10

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"runtime/debug"
	"sync"
	"time"
)

const (
	defaultIdle    = 4 * time.Minute  // as Azure's gateway announces: 240000 ms (captured)
	handshakeGrace = 30 * time.Second // from the first byte to the answered open
	closeGrace     = 3 * time.Second  // how long a peer may take to hang up after a close
	maxLinks       = 1024             // of a connection
	maxBuffered    = 32 << 20         // bytes of received messages not yet taken by the handlers of a connection
)

// Config is what a serving connection needs to know.
type Config struct {
	// ContainerID names this end; it must not be empty.
	ContainerID string
	// IdleTimeout is announced to the peer; a connection silent for twice as long is closed. 0: 4 minutes.
	IdleTimeout time.Duration
	// Plain checks the credentials of SASL PLAIN. nil: PLAIN is not offered.
	Plain func(ctx context.Context, user, password string) error
	// NewHandler is called once the connection is open, and gives the handler of its links.
	NewHandler func(*Conn) Handler
	// Properties are sent in the open.
	Properties Map
}

// Handler serves the links of one connection.
type Handler interface {
	// ServeLink serves a link the peer asks for, in a goroutine of its own, until the link ends.
	//
	// The peer gets its answer from l.Accept. Returning before that refuses the link. Returning later detaches it.
	// An *Error in the chain of the result tells the peer why. ctx ends with the link.
	ServeLink(ctx context.Context, l *Link) error
}

// Conn is the serving end of a connection.
type Conn struct {
	line
	cfg     Config
	handler Handler
	user    string

	ctx    context.Context
	cancel context.CancelCauseFunc
	loops  sync.WaitGroup // the writer, the watcher and every link

	// guarded by line.mu
	sessions  map[uint16]*session
	begun     [ChannelMax + 1]bool // channels that have had a session
	links     int                  // whose handlers run
	buffered  int
	peerClose bool
}

// Serve runs the connection nc until it ends or ctx ends, and closes it. The peer's close, or the end of ctx, is no error.
func Serve(ctx context.Context, nc net.Conn, cfg Config) error {
	if cfg.IdleTimeout == 0 {
		cfg.IdleTimeout = defaultIdle
	}
	c := &Conn{cfg: cfg, sessions: map[uint16]*session{}}
	c.line.init(nc, cfg.IdleTimeout, c.wakeLinks)
	c.ctx, c.cancel = context.WithCancelCause(ctx)
	c.loops.Go(c.writeLoop)
	c.loops.Go(c.watch)
	err := c.readLoop()
	c.cancel(ErrLinkEnded)
	c.mu.Lock()
	c.out.over = true
	c.out.wake()
	_ = nc.SetWriteDeadline(time.Now().Add(closeGrace))
	if c.cause == nil {
		c.cause = err
	}
	c.mu.Unlock()
	c.loops.Wait()
	if ctx.Err() != nil {
		return nil
	}
	return c.cause
}

// User is the name the peer gave with SASL PLAIN, "" for any other mechanism.
func (c *Conn) User() string { return c.user }

// Hostname is the host the peer wants to talk to, from its open.
func (c *Conn) Hostname() string { return c.peer.Hostname }

// ContainerID is the peer's name for itself.
func (c *Conn) ContainerID() string { return c.peer.ContainerID }

// Context ends with the connection.
func (c *Conn) Context() context.Context { return c.ctx }

// Close ends the connection; e, which may be nil, tells the peer why. It does not wait.
func (c *Conn) Close(e *Error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.shut(e)
}

// watch closes the connection in good order when its context ends first.
func (c *Conn) watch() {
	<-c.ctx.Done()
	c.Close(Errorf(CondConnectionForced, "the server is stopping"))
}

// shut queues a close. From then on frames are read only to see the peer hang up: a peer that is cut off while it
// still writes reports an error of its own.
func (c *Conn) shut(e *Error) {
	if c.closeSent || c.out.over {
		return
	}
	c.closeSent = true
	if c.opened {
		c.enqueue(0, &Close{Error: e}, nil)
	}
	c.limitReading(closeGrace)
	c.endSessions()
	c.cancel(ErrLinkEnded)
}

func (c *Conn) wakeLinks() {
	for _, s := range c.sessions {
		s.wakeLinks()
	}
}

func (c *Conn) endSessions() {
	for _, s := range c.sessions {
		s.endLinks(ErrLinkEnded)
	}
}

// readLoop does the handshake, then handles frames until the peer is gone.
func (c *Conn) readLoop() error {
	if err := c.handshake(); err != nil {
		c.linger()
		return err
	}
	for {
		frame, err := c.frames.Next()
		if err != nil {
			return c.ended(err)
		}
		if err := c.handle(frame); err != nil {
			c.fail(err)
		}
	}
}

// fail tells the peer about an error of the connection.
func (c *Conn) fail(err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.cause == nil {
		c.cause = err
	}
	told := asError(err, CondDecodeError)
	if errors.As(err, new(crash)) {
		told = Errorf(CondInternalError, "internal error")
	}
	c.shut(told)
}

// crash is a panic of a handler or of this package. It ends one connection, and only Serve's caller gets to see it.
type crash struct {
	value any
	stack []byte
}

func (p crash) Error() string { return fmt.Sprintf("panic: %v\n%s", p.value, p.stack) }

func recovered(err *error) {
	if p := recover(); p != nil {
		*err = crash{p, debug.Stack()}
	}
}

// ended gives the reason for which reading ended.
func (c *Conn) ended(err error) error {
	c.mu.Lock()
	closing := c.closeSent
	c.mu.Unlock()
	if closing {
		return nil
	}
	if errors.Is(err, ErrMalformed) || errors.Is(err, ErrFrameTooLarge) {
		c.fail(Errorf(CondFramingError, "%v", err))
		c.linger()
	}
	return fmt.Errorf("read frame: %w", err)
}

// linger reads on for a while, so that what was written last arrives before the connection is cut.
func (c *Conn) linger() {
	c.mu.Lock()
	if !c.closeSent {
		c.limitReading(closeGrace)
	}
	c.mu.Unlock()
	_, _ = io.Copy(io.Discard, io.LimitReader((*timedReader)(&c.line), maxBuffered))
}

// handle decodes a frame and acts on it. A panic ends this connection only.
func (c *Conn) handle(frame Frame) (err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	defer recovered(&err)
	if len(frame.Body) == 0 {
		return nil // heartbeat
	}
	if frame.Type != FrameAMQP {
		return Errorf(CondFramingError, "frame of type %d on an open connection", frame.Type)
	}
	p, payload, err := DecodePerformative(frame.Body)
	if err != nil {
		return err
	}
	if end, ok := p.(*Close); ok {
		return c.onClose(end)
	}
	if c.closeSent {
		return nil
	}
	return c.route(frame.Channel, p, payload)
}

func (c *Conn) onClose(p *Close) error {
	c.shut(nil)
	if p.Error != nil && c.cause == nil && !c.peerClose {
		c.cause = fmt.Errorf("closed by the peer: %w", p.Error)
	}
	c.peerClose = true
	return nil
}

// route hands a performative to its session.
func (c *Conn) route(channel uint16, p Performative, payload []byte) error {
	if begin, ok := p.(*Begin); ok {
		return c.onBegin(channel, begin)
	}
	s := c.sessions[channel]
	if s == nil {
		return c.stray(channel, p)
	}
	switch p := p.(type) {
	case *End:
		s.onEnd()
	case *Attach:
		return s.onAttach(p)
	case *Flow:
		s.onFlow(p)
	case *Transfer:
		return s.onTransfer(p, payload)
	case *Disposition:
		s.onDisposition(p)
	case *Detach:
		s.onDetach(p)
	default:
		return Errorf(CondNotAllowed, "a %T is not due on an open connection", p)
	}
	return nil
}

// stray judges a frame on a channel without a session. What may cross an end on the wire, or repeat what an end has
// done already (some clients detach after it), is forgiven.
func (c *Conn) stray(channel uint16, p Performative) error {
	if int(channel) < len(c.begun) && c.begun[channel] {
		switch p.(type) {
		case *End, *Detach, *Flow, *Disposition:
			return nil
		}
	}
	return Errorf(CondNotAllowed, "a %T on channel %d, which has no session", p, channel)
}
