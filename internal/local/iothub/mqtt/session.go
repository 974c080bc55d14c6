package mqtt

import (
	"context"
	"net"
	"sync/atomic"

	mochi "github.com/mochi-mqtt/server/v2"

	"azx/internal/local/iothub"
)

// session is what the hub knows about one authenticated connection.
type session struct {
	client    *mochi.Client
	principal iothub.Principal
	// link is the connection as the hub's core knows it.
	link     *iothub.Session
	outgoing *outgoing
	modelID  string
	will     *iothub.Message
	// settled means the will is void: the device said goodbye, or the hub stops.
	settled atomic.Bool
	// told means the log says why the hub closed the connection.
	told atomic.Bool
	// taken are the messages on their way into the log, in the order they came. Only the connection's reader sends to
	// it, and it is closed when the reader has ended.
	taken chan taken
}

// enter makes s the device's only connection; the hub closes the one before it. Error: that of the hub.
func (f *front) enter(s *session) error {
	link, err := f.hub.Enter(s.principal, func(reason error) { f.closeFor(s, reason) })
	if err != nil {
		return err
	}
	s.link = link
	f.mu.Lock()
	f.sessions[s.client.Net.Conn] = s
	f.mu.Unlock()
	f.connections.Go("MQTT acknowledgements", func(context.Context) error {
		f.acknowledge(s)
		return nil
	})
	return nil
}

// session finds the session of a connection; nil before the CONNECT packet was accepted.
func (f *front) session(conn net.Conn) *session {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.sessions[conn]
}

// settle voids the will of a connection.
func (f *front) settle(conn net.Conn) {
	if s := f.session(conn); s != nil {
		s.settled.Store(true)
	}
}

// forget drops the session of a closed connection and sends its will, if it ended without a goodbye.
func (f *front) forget(conn net.Conn) {
	f.mu.Lock()
	s := f.sessions[conn]
	delete(f.sessions, conn)
	f.mu.Unlock()
	if s == nil {
		return
	}
	close(s.taken)
	f.leave(s)
	f.log.Info("MQTT device disconnected", "device", s.principal.ID, "remote", conn.RemoteAddr())
	if s.will == nil || s.settled.Load() {
		return
	}
	if _, err := f.hub.Accept(s.principal, *s.will); err != nil {
		f.log.Warn("MQTT will dropped", "device", s.principal.ID, "reason", err)
	}
}

// leave ends what goes to the device; what it has not acknowledged waits for it again.
func (f *front) leave(s *session) {
	tokens := s.outgoing.end()
	if len(tokens) > 0 {
		if box, err := f.hub.Outbox(s.principal.ID); err == nil {
			for _, token := range tokens {
				_ = box.Release(token) // a lock that is over needs no release
			}
		}
	}
	s.link.Leave()
}

// closeFor ends a connection because of what the device did.
func (f *front) closeFor(s *session, reason any) {
	s.told.Store(true)
	f.log.Warn("MQTT connection closed", "device", s.principal.ID, "remote", s.client.Net.Remote, "reason", reason)
	s.client.Stop(errClosedByHub)
}
