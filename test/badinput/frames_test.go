package badinput

import (
	"bufio"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/gobwas/ws"

	"azx/alwayson"
	"azx/alwayson/infotable"
)

// most is how much memory a broken frame may make the process allocate, its own test included, in bytes.
const most = 24 << 20

// boundedMemory runs a case and measures. What runs at the same time counts too, so tests with it are not parallel.
func boundedMemory(t *testing.T, run func()) {
	t.Helper()
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	run()
	runtime.ReadMemStats(&after)
	if took := after.TotalAlloc - before.TotalAlloc; took > most {
		t.Errorf("it allocated %d KiB", took>>10)
	}
}

// edge is a connection to a platform's AlwaysOn port that sends whatever it is told.
type edge struct {
	t    testing.TB
	conn net.Conn
	in   *bufio.Reader
}

// edge connects, with the key's AUTH unless the key is "".
func (s *site) edge(t testing.TB, key string) *edge {
	t.Helper()
	dialer := ws.Dialer{Timeout: patience}
	conn, in, _, err := dialer.Dial(context.Background(), s.platform.Info.WS)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	if err := conn.SetDeadline(time.Now().Add(patience)); err != nil {
		t.Fatal(err)
	}
	e := &edge{t: t, conn: conn, in: in}
	if in == nil {
		e.in = bufio.NewReader(conn)
	}
	if key == "" {
		return e
	}
	e.send(masked(message(alwayson.Auth, 1, alwayson.AppendAuth(nil, []alwayson.Pair{{Name: "appKey", Value: key}}))))
	if code, _ := e.answerTo(1); code != alwayson.Success {
		t.Fatalf("AUTH was answered with %s", code)
	}
	return e
}

func (e *edge) send(b []byte) {
	e.t.Helper()
	if _, err := e.conn.Write(b); err != nil {
		e.t.Fatal(err)
	}
}

// frame reads the next frame; the error is that of a connection that has ended.
func (e *edge) frame() (ws.Frame, error) { return ws.ReadFrame(e.in) }

// answerTo reads until a request is answered.
func (e *edge) answerTo(id uint32) (alwayson.Code, string) {
	e.t.Helper()
	for {
		f, err := e.frame()
		if err != nil {
			e.t.Fatalf("instead of an answer: %v", err)
		}
		if f.Header.OpCode == ws.OpClose {
			code, text := ws.ParseCloseFrameData(f.Payload)
			e.t.Fatalf("instead of an answer: closed with %d %q", code, text)
		}
		if h, body, err := alwayson.DecodeHeader(f.Payload); err == nil && h.Code.IsResponse() && h.Request == id {
			r, err := alwayson.DecodeResponse(h.Code, body, infotable.Limits{})
			if err != nil {
				e.t.Fatal(err)
			}
			return r.Code, r.Reason
		}
	}
}

// closed reads until the other end closes, and returns its WebSocket code; 0 when it only hung up.
func (e *edge) closed() ws.StatusCode {
	e.t.Helper()
	for {
		f, err := e.frame()
		var late net.Error
		switch {
		case errors.As(err, &late) && late.Timeout():
			e.t.Fatal("the connection stays open")
		case err != nil:
			return 0
		case f.Header.OpCode == ws.OpClose:
			code, _ := ws.ParseCloseFrameData(f.Payload)
			return code
		}
	}
}

// message is an AlwaysOn message.
func message(code alwayson.Code, id uint32, body []byte) []byte {
	return append(alwayson.AppendHeader(nil, alwayson.Header{Code: code, Request: id}), body...)
}

// chunk is one part of an AlwaysOn message in several.
func chunk(id uint32, number, count, size uint16, data string) []byte {
	h := alwayson.Header{Code: alwayson.Put, Request: id, Chunk: alwayson.Chunk{Number: number, Count: count, Size: size}}
	return masked(append(alwayson.AppendHeader(nil, h), data...))
}

// masked is a binary frame of a client; the mask key is zero.
func masked(payload []byte) []byte {
	return ws.MustCompileFrame(ws.MaskFrameWith(ws.NewBinaryFrame(payload), [4]byte{}))
}

// head is the head of a frame that may break every rule.
func head(first byte, isMasked bool, length uint64) []byte {
	b := binary.BigEndian.AppendUint64([]byte{first, 127}, length)
	if isMasked {
		b[1] |= 0x80
		b = append(b, 0, 0, 0, 0)
	}
	return b
}

// deadlyFrames end the connection on which they come, and no other. They are what either end may send; a client
// masks its frames.
func deadlyFrames(client bool) []deadlyFrame {
	final := func(first byte, payload string) []byte {
		return append(head(first, client, uint64(len(payload))), payload...)
	}
	return []deadlyFrame{
		{"a text frame", final(0x81, `{"appKey":"x"}`), ws.StatusProtocolError, "text frame"},
		{"an unknown opcode", final(0x83, "x"), ws.StatusProtocolError, "opcode 0x3"},
		{"reserved bits", final(0xC2, "x"), ws.StatusProtocolError, "reserved bits"},
		{"a frame masked on the wrong side", append(head(0x82, !client, 1), 'x'), ws.StatusProtocolError, "masked on the wrong side"},
		{"the rest of a message that did not begin", final(0x80, "x"), ws.StatusProtocolError, "continuation frame out of order"},
		{"a message within a message", append(final(0x02, "x"), final(0x82, "y")...), ws.StatusProtocolError, "continuation frame out of order"},
		{"a long ping", final(0x89, strings.Repeat("x", 200)), ws.StatusProtocolError, "control frame"},
		{"a frame of 2 GB", append(head(0x82, client, 2<<30), "x"...), ws.StatusMessageTooBig, "at most"},
		{"a frame of all bytes there are", append(head(0x82, client, 1<<63-1), "x"...), ws.StatusMessageTooBig, "at most"},
		{"a message shorter than its header", final(0x82, "\x01\x01\x00"), ws.StatusProtocolError, "shorter than its header"},
		{"a frame that is cut", append(head(0x82, client, 100), "cut"...), 0, "without a farewell"},
	}
}

type deadlyFrame struct {
	name   string
	bytes  []byte
	code   ws.StatusCode // of the farewell; 0: the sender hangs up after the bytes
	reason string        // in the log
}

// live is a site through which a neighbour's messages flow while others misbehave.
func newLive(t *testing.T) *chain {
	c := newChain(t)
	c.neighbourArrives(t)
	return c
}

// neighbourArrives sends a message of the neighbour and waits for it at the platform.
func (c *chain) neighbourArrives(t *testing.T) {
	t.Helper()
	c.neighbourSends(t)
	c.accepted++
	c.connector.untilSettled(t, c.accepted)
	c.neighbourHasAll(t)
}

func TestABrokenFrameOfAnEdgeEndsItsConnectionAloneAndThePlatformsLogSaysWhy(t *testing.T) {
	c := newLive(t)
	for _, f := range deadlyFrames(true) {
		for who, key := range map[string]string{"with a key": c.platform.Info.AppKey, "without a key": ""} {
			t.Run(f.name+", "+who, func(t *testing.T) {
				boundedMemory(t, func() {
					e := c.edge(t, key)
					e.send(f.bytes)
					if f.code == 0 {
						_ = e.conn.Close()
					} else if code := e.closed(); code != f.code {
						t.Errorf("closed with %d, want %d", code, f.code)
					}
					c.log.until(t, "msg=disconnected", "remote="+e.conn.LocalAddr().String(), f.reason)
				})
				c.neighbourArrives(t)
			})
		}
	}
	c.finish(t)
}

func TestABrokenMessageOfAnEdgeIsRefusedAndItsConnectionLivesOn(t *testing.T) {
	c := newLive(t)
	service := alwayson.AppendRequest(nil, new(alwayson.CallService("neighbour", "GetPropertyDefinitions", nil)))
	for _, m := range []struct {
		name string
		send func(e *edge)
		code alwayson.Code // of the answer to request 7; 0: there is none
		says string
	}{
		{"a body of garbage", func(e *edge) {
			e.send(masked(message(alwayson.Post, 7, []byte(strings.Repeat("\xff", 100)))))
			e.send(masked(message(alwayson.Post, 8, nil))) // it might have been the first half
		}, alwayson.BadRequest, ""},
		{"a body that is cut", func(e *edge) {
			e.send(masked(message(alwayson.Post, 7, service[:len(service)/2])))
			e.send(masked(message(alwayson.Post, 8, nil))) // it might have been the first half
		}, alwayson.BadRequest, "cut short"},
		{"a code that is none", func(e *edge) { e.send(masked(message(0x3F, 7, nil))) }, alwayson.BadRequest, "not served"},
		{"a BIND of a Thing that is unknown", func(e *edge) {
			e.send(masked(message(alwayson.Bind, 7, alwayson.AppendBinding(nil, &alwayson.Binding{Names: []string{"Nobody"}}))))
		}, alwayson.NotFound, "Nobody"},
		{"a BIND of more names than it has", func(e *edge) { e.send(masked(message(alwayson.Bind, 7, []byte{0, 0xff, 0xff, 1, 'a'}))) }, 0, ""},
		{"an answer that nobody waits for", func(e *edge) { e.send(masked(message(alwayson.Success, 7, []byte{0, 0}))) }, 0, ""},
		{"a part of a message without the others", func(e *edge) { e.send(chunk(7, 1, 3, 8192, "x")) }, 0, ""},
		{"the same part twice", func(e *edge) { e.send(append(chunk(7, 1, 3, 8192, "x"), chunk(7, 1, 3, 8192, "x")...)) }, alwayson.BadRequest, "twice"},
		{"parts that do not agree", func(e *edge) { e.send(append(chunk(7, 1, 3, 8192, "x"), chunk(7, 2, 4, 8192, "x")...)) }, alwayson.BadRequest, "another message"},
		{"65,535 parts", func(e *edge) { e.send(chunk(7, 1, 65535, 65535, "x")) }, alwayson.EntityTooLarge, "join 65535 chunks"},
		{"a part beyond the last", func(e *edge) { e.send(chunk(7, 4, 3, 8192, "x")) }, alwayson.BadRequest, "chunk 4 of 3"},
		{"a thousand messages that are begun", func(e *edge) {
			for id := range uint32(1000) {
				e.send(chunk(1000+id, 1, 2, 8192, strings.Repeat("x", 1000)))
			}
			e.send(chunk(7, 1, 2, 8192, "x"))
		}, alwayson.EntityTooLarge, "unfinished"},
	} {
		t.Run(m.name, func(t *testing.T) {
			boundedMemory(t, func() {
				e := c.edge(t, c.platform.Info.AppKey)
				m.send(e)
				if m.code != 0 {
					if code, reason := e.answerTo(7); code != m.code || !strings.Contains(reason, m.says) {
						t.Errorf("answered %s %q, want %s %q", code, reason, m.code, m.says)
					}
				}
				e.send(masked(message(alwayson.Post, 9, service)))
				if code, reason := e.answerTo(9); code != alwayson.Success {
					t.Errorf("the next request was answered with %s %q", code, reason)
				}
			})
			c.neighbourArrives(t)
		})
	}
	c.finish(t)
}

func TestAnEdgeThatSpeaksNoWebSocketIsRefused(t *testing.T) {
	s := newSite(t)
	for name, hello := range map[string]string{
		"bytes that are no HTTP":       "\x00\x01\x02\x03\r\n\r\n",
		"TLS":                          "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + strings.Repeat("\x00", 64) + "\r\n\r\n",
		"a header without an end":      "GET /Thingworx/WS HTTP/1.1\r\nHost: x\r\nA: " + strings.Repeat("x", 100<<10),
		"a request without an upgrade": "GET /Thingworx/WS HTTP/1.1\r\nHost: x\r\n\r\n",
		"a frame size that is none":    "GET /Thingworx/WS HTTP/1.1\r\nHost: x\r\nMax-Frame-Size: -1\r\n\r\n",
	} {
		t.Run(name, func(t *testing.T) {
			boundedMemory(t, func() {
				conn, err := net.Dial("tcp", s.platformAddress())
				if err != nil {
					t.Fatal(err)
				}
				defer conn.Close()
				_ = conn.SetDeadline(time.Now().Add(patience))
				_, _ = io.WriteString(conn, hello) // it may hang up before the end
				answer, err := bufio.NewReader(conn).ReadString('\n')
				if !strings.HasPrefix(answer, "HTTP/1.1 4") {
					t.Errorf("answered %q, %v", answer, err)
				}
			})
		})
	}
}

// A platform that breaks the protocol is left, with the reason in the connector's log, and found again.
func TestABrokenFrameOfThePlatformEndsOneConnectionAndLosesNoMessage(t *testing.T) {
	for _, f := range deadlyFrames(false) {
		t.Run(f.name, func(t *testing.T) {
			s := newSite(t)
			s.addThing("pump-1", "temperature:NUMBER")
			tampering := s.tamper(t, f.bytes, f.code == 0)
			cfg := s.config(t)
			cfg.Platform.URLs = []string{"ws://" + tampering + "/Thingworx/WS"}
			s.newDevice("pump-1").send(said(), `{"temperature":1}`)
			c := s.run(cfg)
			boundedMemory(t, func() {
				s.log.until(t, "event=platform-unreachable", "connection ended", f.reason)
				s.untilWritten(t, "pump-1", "temperature=1")
			})
			c.untilReady(t)
			c.untilSettled(t, 1)
			c.stop(t)
			if got := s.written("pump-1"); len(got) != 1 {
				t.Errorf("written: %q", got)
			}
		})
	}
}

// tamper carries connections to the platform. Into each of the first two, those of a connector's first try, it puts
// bytes after the answer to AUTH, and hangs up if it is told to.
func (s *site) tamper(t testing.TB, bytes []byte, hangUp bool) (address string) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var p pipes
	p.open(func() { _ = l.Close() }, func() {
		for n := 0; ; n++ {
			near, err := l.Accept()
			if err != nil {
				return // closed at the end of the test
			}
			far, err := net.Dial("tcp", s.platformAddress())
			if err != nil {
				_ = near.Close()
				continue
			}
			both := func() { _ = near.Close(); _ = far.Close() }
			p.open(both, func() {
				_, _ = io.Copy(far, near) // ends when either side hangs up
				both()
			})
			tampers := n < 2
			p.open(both, func() {
				defer both()
				from := bufio.NewReader(far)
				if tampers && passAuth(near, from) == nil {
					_, _ = near.Write(bytes)
					if hangUp {
						return
					}
				}
				_, _ = io.Copy(near, from)
			})
		}
	})
	t.Cleanup(p.close)
	return l.Addr().String()
}

// passAuth passes on the answers to the upgrade and to AUTH.
func passAuth(to io.Writer, from *bufio.Reader) error {
	for line := ""; line != "\r\n"; {
		var err error
		if line, err = from.ReadString('\n'); err != nil {
			return err
		}
		if _, err = io.WriteString(to, line); err != nil {
			return err
		}
	}
	f, err := ws.ReadFrame(from)
	if err != nil {
		return fmt.Errorf("read the answer to AUTH: %w", err)
	}
	return ws.WriteFrame(to, f)
}
