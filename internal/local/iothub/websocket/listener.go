package websocket

import (
	"net"
	"sync"
)

// listener is where a front accepts the connections that came through the gate.
type listener struct {
	addr   net.Addr
	conns  chan net.Conn
	closed chan struct{}
	close  func()
}

func newListener(addr net.Addr) *listener {
	l := &listener{addr: addr, conns: make(chan net.Conn), closed: make(chan struct{})}
	l.close = sync.OnceFunc(func() { close(l.closed) })
	return l
}

// hand gives a connection to the front, or closes it when the front has ended.
func (l *listener) hand(nc net.Conn) {
	select {
	case l.conns <- nc:
	case <-l.closed:
		_ = nc.Close()
	}
}

// Accept waits for the next connection. Error: net.ErrClosed.
func (l *listener) Accept() (net.Conn, error) {
	select {
	case nc := <-l.conns:
		return nc, nil
	case <-l.closed:
		return nil, net.ErrClosed
	}
}

// Close ends Accept. Connections that come later are closed.
func (l *listener) Close() error {
	l.close()
	return nil
}

// Addr is the address of the server.
func (l *listener) Addr() net.Addr { return l.addr }
