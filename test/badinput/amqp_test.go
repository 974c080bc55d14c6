package badinput

import (
	"bufio"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"testing"
	"time"

	"azx/internal/amqp10"
)

// peer is a connection to the hub's AMQP port that sends whatever it is told.
type peer struct {
	t      testing.TB
	conn   net.Conn
	frames *amqp10.FrameReader
}

const (
	protocol     = "AMQP\x00\x01\x00\x00"
	saslProtocol = "AMQP\x03\x01\x00\x00"
)

// peer connects without TLS, or with it.
func (s *site) peer(t testing.TB, secure bool) *peer {
	t.Helper()
	port := s.hub.Info.Ports.AMQP
	if secure {
		port = s.hub.Info.Ports.AMQPS
	}
	conn, err := net.Dial("tcp", s.hubAddress(port))
	if err != nil {
		t.Fatal(err)
	}
	if secure {
		conn = tls.Client(conn, &tls.Config{RootCAs: s.roots(), ServerName: s.hub.Info.HostName})
	}
	t.Cleanup(func() { _ = conn.Close() })
	_ = conn.SetDeadline(time.Now().Add(patience))
	return &peer{t: t, conn: conn, frames: amqp10.NewFrameReader(conn, amqp10.MaxFrameSize)}
}

// open does the handshake and begins a session on channel 0.
func (p *peer) open() {
	p.t.Helper()
	p.send(protocol)
	var header [8]byte
	if _, err := io.ReadFull(p.conn, header[:]); err != nil || string(header[:]) != protocol {
		p.t.Fatalf("greeted with %q, %v", header, err)
	}
	p.send(frame(0, &amqp10.Open{ContainerID: "broken"}), frame(0, &amqp10.Begin{IncomingWindow: 100, OutgoingWindow: 100}))
	for range 2 {
		if _, err := p.frames.Next(); err != nil {
			p.t.Fatalf("no answer to open and begin: %v", err)
		}
	}
}

func (p *peer) send(parts ...string) {
	p.t.Helper()
	if _, err := io.WriteString(p.conn, strings.Join(parts, "")); err != nil {
		p.t.Fatal(err)
	}
}

// ended reads until the hub closes and hangs up, and returns the error that it gave, nil for none.
func (p *peer) ended() (told *amqp10.Error) {
	p.t.Helper()
	for {
		f, err := p.frames.Next()
		var late net.Error
		switch {
		case errors.As(err, &late) && late.Timeout():
			p.t.Fatal("the connection stays open")
		case err != nil:
			return told
		case len(f.Body) == 0:
			continue
		}
		switch performative, _, _ := amqp10.DecodePerformative(f.Body); e := performative.(type) {
		case *amqp10.Close:
			if told == nil { // else it is the answer to ours
				told = e.Error
			}
			_ = p.conn.(interface{ CloseWrite() error }).CloseWrite()
		case *amqp10.End:
			told = e.Error
			p.send(frame(0, &amqp10.Close{}))
		}
	}
}

// frame is a whole frame as text.
func frame(channel uint16, p amqp10.Performative, payload ...byte) string {
	return string(amqp10.AppendFrame(nil, amqp10.FrameAMQP, channel, p, payload))
}

func TestBrokenBytesAtTheAMQPPortsEndTheirConnectionAloneAndTheHubsLogSaysWhy(t *testing.T) {
	c := newLive(t)
	nested := "\x00\x53\x10" + strings.Repeat("\xc0\x03\x01", 1000)
	for _, b := range []struct {
		name   string
		opened bool // after a good handshake
		bytes  string
		hangUp bool
		told   amqp10.Symbol // condition in the hub's close or end
		logged string        // reason in the hub's log; "" where the peer is told and the connection goes on
	}{
		{"another protocol", false, "GET / HTTP/1.1\r\n\r\n", false, "", "protocol header"},
		{"another version", false, "AMQP\x00\x00\x09\x01", false, "", "protocol header"},
		{"garbage after the header", false, protocol + strings.Repeat("\xff", 64), false, "", "frame over the agreed size"},
		{"garbage for SASL", false, saslProtocol + "\x00\x00\x00\x0c\x02\x01\x00\x00\xff\xff\xff\xff", false, "", "read SASL init"},
		{"AMQP where SASL is due", false, saslProtocol + frame(0, &amqp10.Open{ContainerID: "x"}), false, "", "read SASL init"},
		{"another frame where open is due", false, protocol + frame(0, &amqp10.Begin{}), false, "", "read open"},
		{"a frame that is cut", true, "\x00\x00\x00\x64\x02\x00\x00\x00cut", true, "", "unexpected EOF"},
		{"a frame of 4 GB", true, "\xff\xff\xff\xff\x02\x00\x00\x00", false, amqp10.CondFramingError, "frame over the agreed size"},
		{"a frame shorter than its header", true, "\x00\x00\x00\x04\x02\x00\x00\x00", false, amqp10.CondFramingError, "frame of 4 bytes"},
		{"a body that begins behind its frame", true, "\x00\x00\x00\x0c\xff\x00\x00\x00\x00\x00\x00\x00", false, amqp10.CondFramingError, "its body at 1020"},
		{"a frame of an unknown type", true, "\x00\x00\x00\x09\x02\x07\x00\x00\x00", false, amqp10.CondFramingError, "frame of type 7"},
		{"a body of garbage", true, "\x00\x00\x00\x10\x02\x00\x00\x00\xff\xff\xff\xff\xff\xff\xff\xff", false, amqp10.CondDecodeError, "malformed"},
		{"a performative that is none", true, "\x00\x00\x00\x0c\x02\x00\x00\x00\x00\x53\x7f\x45", false, amqp10.CondDecodeError, "malformed"},
		{"a list with more fields than bytes", true, "\x00\x00\x00\x14\x02\x00\x00\x00\x00\x53\x10\xd0\x00\x00\x00\x05\xff\xff\xff\xff\x40", false, amqp10.CondDecodeError, "malformed"},
		{"a thousand lists one in the other", true, string(amqp10.EndFrame(append([]byte{0, 0, 0, 0, 2, 0, 0, 0}, nested...), 0)), false, amqp10.CondDecodeError, "malformed"},
		{"a frame on a channel without a session", true, frame(9, &amqp10.Transfer{Handle: 0}), false, amqp10.CondNotAllowed, "channel 9, which has no session"},
		{"a session that is begun twice", true, frame(0, &amqp10.Begin{IncomingWindow: 1, OutgoingWindow: 1}), false, amqp10.CondNotAllowed, "channel 0"},
		{"a second open", true, frame(0, &amqp10.Open{ContainerID: "again"}), false, amqp10.CondNotAllowed, "not due on an open connection"},
		{"a message for an unknown handle", true, frame(0, &amqp10.Transfer{Handle: 7, DeliveryID: amqp10.Some[uint32](0)}, 1, 2, 3), false, amqp10.CondUnattachedHandle, ""},
		{"credit for an unknown handle", true, frame(0, &amqp10.Flow{Handle: amqp10.Some[uint32](7)}), false, amqp10.CondUnattachedHandle, ""},
	} {
		for _, secure := range []bool{false, true} {
			name := map[bool]string{false: b.name, true: b.name + ", over TLS"}[secure]
			t.Run(name, func(t *testing.T) {
				boundedMemory(t, func() {
					p := c.peer(t, secure)
					if b.opened {
						p.open()
					}
					p.send(b.bytes)
					if b.hangUp {
						_ = p.conn.Close()
					} else if told := p.toldUntilEnd(b.opened); conditionOf(told) != b.told {
						t.Errorf("told %v, want %s", told, b.told)
					}
					if b.logged != "" {
						c.log.until(t, "AMQP connection", "remote="+p.conn.LocalAddr().String(), b.logged)
					}
				})
				c.neighbourArrives(t)
			})
		}
	}
	c.finish(t)
}

// toldUntilEnd reads to the end of the connection. Before the handshake is done there are no frames to read.
func (p *peer) toldUntilEnd(opened bool) *amqp10.Error {
	p.t.Helper()
	if opened {
		return p.ended()
	}
	_ = p.conn.(interface{ CloseWrite() error }).CloseWrite()
	if _, err := io.Copy(io.Discard, p.conn); err != nil {
		var late net.Error
		if errors.As(err, &late) && late.Timeout() {
			p.t.Fatal("the connection stays open")
		}
	}
	return nil
}

func conditionOf(e *amqp10.Error) amqp10.Symbol {
	if e == nil {
		return ""
	}
	return e.Condition
}

func TestBrokenBytesAtTheMQTTPortEndTheirConnectionAloneAndTheHubsLogSaysWhy(t *testing.T) {
	s := newSite(t)
	neighbour := s.newDevice("neighbour")
	for i, b := range []struct{ name, bytes, logged string }{
		{"another protocol", "GET / HTTP/1.1\r\n\r\n", "MQTT connection closed"},
		{"a message before CONNECT", "\x30\x04\x00\x01a1", "MQTT connection closed"},
		{"a length without an end", "\x10\xff\xff\xff\xff\xff", "MQTT connection closed"},
		{"a packet of 256 MB", "\x10\xff\xff\xff\x7f", "packet too large"},
		{"a CONNECT of garbage", "\x10\x08\x00\x04MQTT\x04\xff", "MQTT connection closed"},
		{"another version of MQTT", "\x10\x0d\x00\x04MQTT\x05\x02\x00\x3c\x00\x00\x00", "not MQTT 3.1.1"},
	} {
		t.Run(b.name, func(t *testing.T) {
			boundedMemory(t, func() {
				conn, err := tls.Dial("tcp", s.hubAddress(s.hub.Info.Ports.MQTT), &tls.Config{RootCAs: s.roots(), ServerName: s.hub.Info.HostName})
				if err != nil {
					t.Fatal(err)
				}
				defer conn.Close()
				_ = conn.SetDeadline(time.Now().Add(patience))
				if _, err := io.WriteString(conn, b.bytes); err != nil {
					t.Fatal(err)
				}
				_, err = io.Copy(io.Discard, bufio.NewReader(conn))
				var late net.Error
				if errors.As(err, &late) && late.Timeout() {
					t.Error("the connection stays open")
				}
				s.log.until(t, "level=WARN", b.logged, "remote="+conn.LocalAddr().String())
			})
			neighbour.send(said(), fmt.Sprintf(`{"n":%d}`, i))
		})
	}
}
