package badinput

import (
	"bufio"
	"crypto/tls"
	"crypto/x509"
	"encoding/binary"
	"io"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	"azx/internal/amqp10"
)

// A hub that breaks the protocol is left and read on from where it was: Microsoft's library sees to that by itself,
// so soon that nobody is told.
func TestABrokenFrameOfTheHubEndsOneConnectionAndLosesNoMessage(t *testing.T) {
	for _, b := range []struct {
		name, bytes string
		hangUp      bool
	}{
		{"garbage", strings.Repeat("\xff", 64), false},
		{"a frame that is cut", "\x00\x00\x00\x64\x02\x00\x00\x00cut", true},
		{"a frame of 4 GB", "\xff\xff\xff\xff\x02\x00\x00\x00", false},
		{"a frame shorter than its header", "\x00\x00\x00\x04\x02\x00\x00\x00", false},
		{"a body of garbage", "\x00\x00\x00\x10\x02\x00\x00\x00\xff\xff\xff\xff\xff\xff\xff\xff", false},
		{"a performative that is none", "\x00\x00\x00\x0c\x02\x00\x00\x00\x00\x53\x7f\x45", false},
		{"a message for an unknown handle", frame(0, &amqp10.Transfer{Handle: 99, DeliveryID: amqp10.Some[uint32](9)}, 0, 0x53, 0x75, 0xa0, 1, 'x'), false},
		{"a frame on a channel without a session", frame(77, &amqp10.Transfer{Handle: 0}, 1), false},
		{"a hang-up", "", true},
	} {
		t.Run(b.name, func(t *testing.T) {
			s := newSite(t)
			s.addThing("pump-1", "temperature:NUMBER")
			between := s.between(t)
			cfg := s.config(t)
			cfg.Hubs[0].Endpoints.AMQPS, cfg.Hubs[0].CAFile = between.address, between.caFile
			pump := s.newDevice("pump-1")
			c := s.run(cfg)
			pump.send(said(), `{"temperature":1}`)
			s.untilWritten(t, "pump-1", "temperature=1")
			boundedMemory(t, func() {
				between.breakIn(b.bytes, b.hangUp)
				pump.send(said(), `{"temperature":2}`)
				s.untilWritten(t, "pump-1", "temperature=1", "temperature=2")
			})
			c.untilSettled(t, 2)
			c.stop(t)
		})
	}
}

// between stands between a connector and its hub, with a certificate of its own.
type between struct {
	address, caFile string

	mu    sync.Mutex // held while a whole frame is being passed on
	conns []net.Conn // to the connector
}

func (s *site) between(t testing.TB) *between {
	t.Helper()
	authority := newAuthority(t)
	names := s.hub.Hub.Names()
	cert := certificate(names.Host, 0, time.Hour)
	cert.DNSNames = append(cert.DNSNames, names.Namespace)
	l, err := tls.Listen("tcp", "127.0.0.1:0", &tls.Config{Certificates: []tls.Certificate{authority.sign(cert)}})
	if err != nil {
		t.Fatal(err)
	}
	b := &between{address: l.Addr().String(), caFile: authority.file()}
	var p pipes
	roots := s.roots()
	p.open(func() { _ = l.Close() }, func() {
		for {
			near, err := l.Accept()
			if err != nil {
				return // closed at the end of the test
			}
			b.carry(&p, near, s.hubAddress(s.hub.Info.Ports.AMQPS), roots, names.Host)
		}
	})
	t.Cleanup(p.close)
	return b
}

func (b *between) carry(p *pipes, near net.Conn, to string, roots *x509.CertPool, name string) {
	far, err := tls.Dial("tcp", to, &tls.Config{RootCAs: roots, ServerName: name})
	if err != nil {
		_ = near.Close()
		return
	}
	both := func() { _ = near.Close(); _ = far.Close() }
	b.mu.Lock()
	b.conns = append(b.conns, near)
	b.mu.Unlock()
	p.open(both, func() {
		defer both()
		_, _ = io.Copy(far, near) // ends when either side hangs up
	})
	p.open(both, func() {
		defer both()
		_ = b.frames(near, bufio.NewReader(far))
	})
}

// frames passes on what the hub says, frame by frame.
func (b *between) frames(to io.Writer, from *bufio.Reader) error {
	for {
		start, err := from.Peek(8)
		if err != nil {
			return err
		}
		size := int64(8) // of a protocol header
		if string(start[:4]) != "AMQP" {
			size = int64(binary.BigEndian.Uint32(start))
		}
		whole := make([]byte, size)
		if _, err := io.ReadFull(from, whole); err != nil {
			return err
		}
		b.mu.Lock()
		_, err = to.Write(whole)
		b.mu.Unlock()
		if err != nil {
			return err
		}
	}
}

// breakIn puts bytes between two frames of every connection there is.
func (b *between) breakIn(bytes string, hangUp bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, c := range b.conns {
		_, _ = io.WriteString(c, bytes) // some have ended
		if hangUp {
			_ = c.Close()
		}
	}
	b.conns = nil
}
