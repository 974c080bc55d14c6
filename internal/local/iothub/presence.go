package iothub

import (
	"errors"
	"sync"
	"time"
)

// ErrFeedClosed means that the connection a feed belongs to has ended, or has asked for the feed again.
var ErrFeedClosed = errors.New("feed closed")

// Presence is what the hub knows about a device's connection.
type Presence struct {
	Connected bool
	// Changed is when the device last connected or disconnected; zero when it never has since the start.
	Changed time.Time
	// LastActivity is when it last connected, sent or acknowledged something; zero when it has not since the start.
	LastActivity time.Time

	sent   bool // a message, since it connected
	behind bool // it is an edge device or a module of one
}

// State is the presence in Azure's word, "Connected" or "Disconnected". Azure's follows the link for messages: an edge
// device and its modules are disconnected until they have sent one themselves, so $edgeAgent is for ever (read: issues
// of IoT Edge).
func (p Presence) State() string {
	if p.Connected && (p.sent || !p.behind) {
		return "Connected"
	}
	return "Disconnected"
}

// presence holds the connections of all devices and modules, whatever their protocol.
type presence struct {
	mu       sync.Mutex
	sessions map[ID]*Session
	seen     map[ID]Presence
	ready    chan struct{} // closed and replaced when a device begins to take methods
}

func newPresence() *presence {
	return &presence{sessions: map[ID]*Session{}, seen: map[ID]Presence{}, ready: make(chan struct{})}
}

// Session is the connection of a device or module. There is one for each at a time, over all protocols. Fronts make it
// with Enter and end it with Leave.
type Session struct {
	hub      *Hub
	identity Identity
	kick     func(reason error)
	done     chan struct{} // closed by Leave

	mu      sync.Mutex
	left    bool
	desired *Feed[DesiredChange]
	methods *Feed[MethodRequest]
	calls   map[string]chan MethodResult
}

// Enter makes the connection of p the device's only one. The one before it is told to end: its kick is called with
// ConnectionReplaced (400027, read). kick is also called when the device is removed or disabled, and by Drop; it must not
// wait, and may be called more than once. Errors: those of Submit, Throttled.
func (h *Hub) Enter(p Principal, kick func(reason error)) (*Session, error) {
	if err := h.Admit(OpConnect, 0); err != nil {
		return nil, err
	}
	identity, err := h.sender(p)
	if err != nil {
		return nil, err
	}
	s := &Session{hub: h, identity: identity, kick: kick, done: make(chan struct{}), calls: map[string]chan MethodResult{}}
	older := h.presence.enter(s, h.clock())
	if older == nil {
		h.connectionEvent("deviceConnected", identity)
		return s, nil
	}
	older.kick(refusal(ConnectionReplaced, "the device connected again, and has one connection at a time"))
	return s, nil
}

func (p *presence) enter(s *Session, now time.Time) (older *Session) {
	p.mu.Lock()
	defer p.mu.Unlock()
	id := s.identity.ID
	older = p.sessions[id]
	p.sessions[id] = s
	seen := Presence{Connected: true, Changed: now, LastActivity: now}
	if older != nil {
		seen.Changed = p.seen[id].Changed
	}
	p.seen[id] = seen
	return older
}

// Leave ends the session: its feeds are closed, and methods that wait for an answer fail with DeviceClosed.
func (s *Session) Leave() {
	s.mu.Lock()
	if s.left {
		s.mu.Unlock()
		return
	}
	s.left = true
	desired, methods := s.desired, s.methods
	close(s.done)
	s.mu.Unlock()
	if desired != nil {
		desired.Close()
	}
	if methods != nil {
		methods.Close()
	}
	if s.hub.presence.leave(s, s.hub.clock()) {
		s.hub.connectionEvent("deviceDisconnected", s.identity)
	}
}

// leave reports whether the device is not connected any more.
func (p *presence) leave(s *Session, now time.Time) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	id := s.identity.ID
	if p.sessions[id] != s {
		return false
	}
	delete(p.sessions, id)
	if seen, known := p.seen[id]; known {
		p.seen[id] = Presence{Connected: false, Changed: now, LastActivity: seen.LastActivity}
	}
	return true
}

// ID is the device or module the session is of.
func (s *Session) ID() ID { return s.identity.ID }

// Done is closed when the session has ended.
func (s *Session) Done() <-chan struct{} { return s.done }

// WatchDesired asks for changes of desired properties from now on. The feed before it is closed.
func (s *Session) WatchDesired() *Feed[DesiredChange] {
	feed := newFeed[DesiredChange](nil)
	s.mu.Lock()
	older, left := s.desired, s.left
	s.desired = feed
	s.mu.Unlock()
	if older != nil {
		older.Close()
	}
	if left {
		feed.Close()
	}
	return feed
}

func (p *presence) session(id ID) *Session {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.sessions[id]
}

// tellDesired hands a change to the device's connection if it wants it.
func (p *presence) tellDesired(id ID, change DesiredChange) {
	s := p.session(id)
	if s == nil {
		return
	}
	s.mu.Lock()
	feed := s.desired
	s.mu.Unlock()
	if feed != nil && errors.Is(feed.put(change), errFeedFull) {
		s.kick(errFeedFull) // the device asks for its twin when it comes again
	}
}

// Presence says whether a device or module is connected.
func (h *Hub) Presence(id ID) Presence {
	device, err := h.registry.Get(ID{Device: id.Device})
	h.presence.mu.Lock()
	defer h.presence.mu.Unlock()
	seen := h.presence.seen[id]
	seen.behind = err == nil && device.Edge
	return seen
}

// touch notes that a device did something; sent says that it was sending a message.
func (h *Hub) touch(id ID, sent bool) {
	now := h.clock()
	h.presence.mu.Lock()
	defer h.presence.mu.Unlock()
	seen := h.presence.seen[id]
	seen.LastActivity = now
	seen.sent = seen.sent || sent
	h.presence.seen[id] = seen
}

// Drop ends the connection of a device or module as a lost network does, and reports whether there was one. For tests.
func (h *Hub) Drop(id ID) bool {
	s := h.presence.session(id)
	if s == nil {
		return false
	}
	s.kick(ErrDropped)
	return true
}

// ErrDropped is the reason for which Drop ends a connection.
var ErrDropped = errors.New("dropped on demand")
