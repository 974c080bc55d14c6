package mqtt

import (
	"context"
	"io"
	"log/slog"
	"net"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/eclipse/paho.mqtt.golang/packets"

	"azx/internal/local/iothub"
)

// pipes is a listener whose connections are pipes in memory, so that time can be simulated.
type pipes struct {
	conns  chan net.Conn
	closed chan struct{}
	once   sync.Once
}

func (p *pipes) Accept() (net.Conn, error) {
	select {
	case conn := <-p.conns:
		return conn, nil
	case <-p.closed:
		return nil, net.ErrClosed
	}
}

func (p *pipes) Close() error {
	p.once.Do(func() { close(p.closed) })
	return nil
}

func (p *pipes) Addr() net.Addr { return &net.TCPAddr{} }

func TestSilentClientsAreHungUpOn(t *testing.T) {
	for name, c := range map[string]struct {
		hello     bool
		keepAlive uint16
		want      time.Duration
	}{
		"before the CONNECT packet after 30 s":     {false, 0, 30 * time.Second},
		"after one and a half keep-alives":         {true, 60, 90 * time.Second},
		"without a keep-alive after 1767 s":        {true, 0, 1767 * time.Second},
		"with too long a keep-alive after 1767 s":  {true, 60_000, 1767 * time.Second},
		"with the longest keep-alive after 1767 s": {true, 1178, 1767 * time.Second},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				hub, err := iothub.Open(iothub.Config{})
				if err != nil {
					t.Fatal(err)
				}
				added, err := hub.Registry().Add(iothub.Spec{ID: d1})
				if err != nil {
					t.Fatal(err)
				}
				l := &pipes{conns: make(chan net.Conn), closed: make(chan struct{})}
				ctx, cancel := context.WithCancel(context.Background())
				served := make(chan error)
				go func() { served <- Serve(ctx, hub, slog.New(slog.DiscardHandler), l) }()
				ours, theirs := net.Pipe()
				start := time.Now()
				l.conns <- theirs
				if c.hello {
					writeConnect(t, ours, added[0], func(p *packets.ConnectPacket) { p.Keepalive = c.keepAlive })
				}
				if _, err := io.ReadAll(ours); err != nil {
					t.Fatal(err)
				}
				if got := time.Since(start); got != c.want {
					t.Errorf("hung up after %s, want %s", got, c.want)
				}
				cancel()
				if err := <-served; err != nil {
					t.Error(err)
				}
			})
		})
	}
}

// writeConnect writes the CONNECT packet of a device, changed by change.
func writeConnect(t *testing.T, conn net.Conn, identity iothub.Identity, change func(*packets.ConnectPacket)) {
	t.Helper()
	token, err := iothub.SignToken("localhost/"+identity.Path(), "", identity.PrimaryKey, time.Now().Add(24*time.Hour))
	if err != nil {
		t.Fatal(err)
	}
	p := packets.NewControlPacket(packets.Connect).(*packets.ConnectPacket)
	p.ProtocolName, p.ProtocolVersion, p.CleanSession = "MQTT", 4, true
	p.ClientIdentifier, p.UsernameFlag, p.PasswordFlag = identity.ID.String(), true, true
	p.Username, p.Password = "localhost/"+identity.ID.String()+"/?api-version=2021-04-12", []byte(token)
	change(p)
	if err := p.Write(conn); err != nil {
		t.Fatal(err)
	}
}
