package hub_test

import (
	"context"
	"io"
	"net"
	"sync"
	"testing"

	"azx/internal/supervise"
)

// line carries TCP connections to an address until they are cut.
type line struct {
	listener net.Listener
	group    *supervise.Group

	mu     sync.Mutex
	open   []net.Conn
	opened int   // connections there were
	after  int64 // bytes from the other side after which a connection is cut; 0: none
}

func newLine(t testing.TB, to string) *line {
	t.Helper()
	l := &line{listener: listen(t), group: supervise.New(context.Background())}
	l.group.Go("accept", func(context.Context) error {
		for {
			near, err := l.listener.Accept()
			if err != nil {
				return nil // closed at the end of the test
			}
			far, err := net.Dial("tcp", to)
			if err != nil {
				return err
			}
			l.mu.Lock()
			l.open = append(l.open, near, far)
			l.opened++
			after := l.after
			l.mu.Unlock()
			l.group.Go("there", func(context.Context) error { return join(far, near) })
			l.group.Go("back", func(context.Context) error {
				if after == 0 {
					return join(near, far)
				}
				return join(near, io.LimitReader(far, after), far)
			})
		}
	})
	t.Cleanup(func() {
		_ = l.listener.Close()
		l.cut()
		if err := l.group.Wait(); err != nil {
			t.Error(err)
		}
	})
	return l
}

func join(to net.Conn, from io.Reader, more ...io.Closer) error {
	_, _ = io.Copy(to, from) // ends when either side is cut
	for _, c := range append(more, to) {
		_ = c.Close()
	}
	return nil
}

func (l *line) address() string { return l.listener.Addr().String() }

// cut closes every connection at once.
func (l *line) cut() {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, c := range l.open {
		_ = c.Close()
	}
	l.open = nil
}

func listen(t testing.TB) net.Listener {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	return l
}

// closedPort is an address that nobody listens on.
func closedPort(t testing.TB) string {
	t.Helper()
	l := listen(t)
	defer l.Close()
	return l.Addr().String()
}

// silentPort is an address where connections are taken by the system and nobody answers.
func silentPort(t testing.TB) string {
	t.Helper()
	l := listen(t)
	t.Cleanup(func() { _ = l.Close() })
	return l.Addr().String()
}
