package supervise

import (
	"context"
	"errors"
	"net"
	"time"
)

// acceptPause is the wait after a connection could not be accepted.
const acceptPause = 100 * time.Millisecond

// Accept runs serve in a goroutine of the group for each connection of l, until the group stops or l is closed;
// it closes l. serve closes its connection. An error that may pass, such as too many open files, is told to failed, and the
// connections there are go on.
func (g *Group) Accept(name string, l net.Listener, failed func(error), serve func(context.Context, net.Conn)) {
	defer l.Close()
	defer context.AfterFunc(g.ctx, func() { _ = l.Close() })()
	for {
		conn, err := l.Accept()
		switch {
		case err == nil && g.ctx.Err() == nil:
			g.Go(name, func(ctx context.Context) error {
				serve(ctx, conn)
				return nil
			})
		case err == nil: // it came while the group stopped
			_ = conn.Close()
			return
		case g.ctx.Err() != nil || errors.Is(err, net.ErrClosed):
			return
		default:
			failed(err)
			g.pause()
		}
	}
}

func (g *Group) pause() {
	timer := time.NewTimer(acceptPause)
	defer timer.Stop()
	select {
	case <-g.ctx.Done():
	case <-timer.C:
	}
}
