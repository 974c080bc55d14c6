package supervise

import (
	"context"
	"errors"
	"net"
	"testing"
	"testing/synctest"
)

// shaky is a listener that fails once, gives one connection, and then waits to be closed.
type shaky struct {
	step   int
	conn   net.Conn
	closed chan struct{}
}

func (s *shaky) Accept() (net.Conn, error) {
	s.step++
	switch s.step {
	case 1:
		return nil, errors.New("too many open files")
	case 2:
		return s.conn, nil
	}
	<-s.closed
	return nil, net.ErrClosed
}

func (s *shaky) Close() error {
	select {
	case <-s.closed:
	default:
		close(s.closed)
	}
	return nil
}

func (s *shaky) Addr() net.Addr { return nil }

func TestConnectionsAreServedAlsoAfterAnErrorThatPassed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ours, theirs := net.Pipe()
		defer theirs.Close()
		g := New(t.Context())
		l := &shaky{conn: ours, closed: make(chan struct{})}
		var told []error
		served := make(chan net.Conn, 1)
		g.Go("accept", func(context.Context) error {
			g.Accept("connection", l, func(err error) { told = append(told, err) }, func(ctx context.Context, conn net.Conn) {
				served <- conn
				<-ctx.Done()
				conn.Close()
			})
			return nil
		})
		if conn := <-served; conn != ours {
			t.Error("another connection was served")
		}
		g.Stop()
		if err := g.Wait(); err != nil {
			t.Errorf("got %v", err)
		}
		if len(told) != 1 || l.step != 3 {
			t.Errorf("told of %v after %d accepts, want one error and three accepts", told, l.step)
		}
	})
}
