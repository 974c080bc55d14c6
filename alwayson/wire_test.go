package alwayson

import (
	"bufio"
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"io"
	"net"
	"net/http"
	"reflect"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"azx/alwayson/infotable"

	"github.com/gobwas/ws"
)

// wire is a client that speaks bytes, as the C SDK does.
type wire struct {
	t  testing.TB
	c  net.Conn
	in *bufio.Reader
}

// upgradeAsSDK connects and upgrades with the header lines of the captured request.
func upgradeAsSDK(t testing.TB, l *pipeListener, extra string) *wire {
	t.Helper()
	conn, err := l.dial(t.Context(), "", "")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	w := &wire{t: t, c: conn, in: bufio.NewReader(conn)}
	w.write([]byte("GET /Thingworx/WS HTTP/1.1\r\nUser-Agent: ThingWorx C SDK\r\nUpgrade: websocket\r\n" +
		"Connection: Upgrade\r\nHost: 127.0.0.1\r\nSec-WebSocket-Version: 13\r\n" +
		"Sec-WebSocket-Key: hV9aD6f5SC98j6dvZau/ig==\r\nSec-WebSocket-Extensions: permessage-deflate\r\n" + extra + "\r\n"))
	var head bytes.Buffer
	for !strings.HasSuffix(head.String(), "\r\n\r\n") {
		line, err := w.in.ReadString('\n')
		if err != nil {
			t.Fatalf("upgrade: %q, %v", head.String(), err)
		}
		head.WriteString(line)
	}
	want := "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n" +
		"Sec-WebSocket-Accept: qWjNC0VPJ16eehOkfg/ND9NRaNo=\r\n\r\n"
	if head.String() != want {
		t.Fatalf("answer to the upgrade\n%q\nwant\n%q", head.String(), want)
	}
	return w
}

func (w *wire) write(b []byte) {
	w.t.Helper()
	if _, err := w.c.Write(b); err != nil {
		w.t.Fatal(err)
	}
}

// send writes each message as a masked frame with mask key zero.
func (w *wire) send(messages ...[]byte) {
	w.t.Helper()
	for _, m := range messages {
		w.write(ws.MustCompileFrame(ws.MaskFrameWith(ws.NewBinaryFrame(m), [4]byte{})))
	}
}

// frame reads one frame and checks what every frame of a server must be.
func (w *wire) frame() ws.Frame {
	w.t.Helper()
	f, err := ws.ReadFrame(w.in)
	if err != nil {
		w.t.Fatal(err)
	}
	if f.Header.Masked || !f.Header.Fin || f.Header.Rsv != 0 || f.Header.Length > maxFrameSize {
		w.t.Errorf("server frame %+v", f.Header)
	}
	return f
}

// answer reads one response.
func (w *wire) answer() (Header, Response) {
	w.t.Helper()
	f := w.frame()
	if f.Header.OpCode != ws.OpBinary {
		code, text := ws.ParseCloseFrameData(f.Payload)
		w.t.Fatalf("opcode %#x, close code %d %q", f.Header.OpCode, code, text)
	}
	h, body, err := DecodeHeader(f.Payload)
	if err != nil {
		w.t.Fatal(err)
	}
	r, err := DecodeResponse(h.Code, body, infotable.Limits{})
	if err != nil {
		w.t.Fatal(err)
	}
	return h, r
}

func (w *wire) auth(key string) (Header, Response) {
	w.t.Helper()
	w.send(AppendAuth(AppendHeader(nil, Header{Code: Auth, Request: 2, Session: noID}), []Pair{{appKeyName, key}}))
	return w.answer()
}

// closed reads the close frame and returns its code.
func (w *wire) closed() ws.StatusCode {
	w.t.Helper()
	f := w.frame()
	if f.Header.OpCode != ws.OpClose {
		w.t.Fatalf("opcode %#x instead of a close", f.Header.OpCode)
	}
	code, _ := ws.ParseCloseFrameData(f.Payload)
	if _, err := w.in.ReadByte(); !errors.Is(err, io.EOF) && !errors.Is(err, io.ErrClosedPipe) {
		w.t.Errorf("after the close: %v", err)
	}
	return code
}

func requestBytes(id uint32, r Request) []byte {
	return AppendRequest(AppendHeader(nil, Header{Code: r.Code, Request: id}), &r)
}

func TestTheServerIsSilentUntilAuthAndTakesItAgainAfterARefusal(t *testing.T) {
	_, l := startServer(t, ServerConfig{Request: echo})
	w := upgradeAsSDK(t, l, "Max-Frame-Size: 8192\r\nappKey: "+testKey+"\r\n")
	w.send(requestBytes(1, callX(infotable.Number(1))))
	if h, r := w.answer(); h.Request != 1 || r.Code != Unauthorized || h.Session != noID {
		t.Errorf("request before AUTH: %+v %+v", h, r)
	}
	w.send(AppendBinding(AppendHeader(nil, Header{Code: Bind, Request: 3}), &Binding{Names: []string{"Pump-1"}}))
	if h, r := w.answer(); h.Request != 3 || r.Code != Unauthorized {
		t.Errorf("bind before AUTH: %+v %+v", h, r)
	}
	if h, r := w.auth("wrong"); r.Code != Unauthorized || h.Session != noID || r.Reason != "Invalid credentials" {
		t.Errorf("wrong key: %+v %+v", h, r)
	}
	h, r := w.auth(testKey)
	if r.Code != Success || h.Session == noID || h.Session == 0 {
		t.Errorf("right key: %+v %+v", h, r)
	}
	if again, r := w.auth(testKey); r.Code != Success || again.Session == noID {
		t.Errorf("right key again: %+v %+v", again, r)
	}
	for range 2 {
		bind := AppendBinding(AppendHeader(nil, Header{Code: Bind, Request: 90}), &Binding{Names: []string{"Pump-1"}})
		w.send(bind)
		if h, r := w.answer(); r.Code != Success || h.Request != 90 {
			t.Errorf("bind: %+v %+v", h, r)
		}
	}
}

func TestTheClientUpgradesWithKeyAndFrameSizeAndNothingElse(t *testing.T) {
	l := newPipeListener()
	cfg := dialConfig(l)
	dialled := make(chan error, 1)
	go func() {
		_, err := Dial(context.Background(), cfg)
		dialled <- err
	}()
	conn, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	r, err := http.ReadRequest(bufio.NewReader(conn))
	if err != nil {
		t.Fatal(err)
	}
	if err := conn.Close(); err != nil {
		t.Fatal(err)
	}
	if err := <-dialled; err == nil {
		t.Error("dialled without an answer")
	}
	if r.Host != "platform.test" || r.URL.String() != Path {
		t.Errorf("host %q, URL %q", r.Host, r.URL)
	}
	r.Header.Del("Sec-WebSocket-Key")
	want := http.Header{
		"Upgrade": {"websocket"}, "Connection": {"Upgrade"}, "Sec-Websocket-Version": {"13"},
		"User-Agent": {"azx-alwayson"}, "Max-Frame-Size": {"8192"}, "Appkey": {testKey},
	}
	if !reflect.DeepEqual(r.Header, want) {
		t.Errorf("header %v, want %v", r.Header, want)
	}
}

func TestTheClientTakesBothIdsOfTheAuthAnswerAndRefusesWhatAnEdgeDoesNotServe(t *testing.T) {
	l := newPipeListener()
	asked := make(chan Header, 1)
	refused := make(chan struct{})
	var platform sync.WaitGroup
	platform.Go(func() {
		conn, err := l.Accept()
		if err != nil {
			t.Error(err)
			return
		}
		defer func() { _ = conn.Close() }()
		if _, err = ws.Upgrade(conn); err != nil {
			t.Error(err)
			return
		}
		read := func() (Header, []byte) {
			f, err := ws.ReadFrame(conn)
			if err != nil || !f.Header.Masked || f.Header.Mask != [4]byte{} {
				t.Errorf("frame %+v, %v", f.Header, err)
				return Header{}, nil
			}
			h, body, err := DecodeHeader(f.Payload)
			if err != nil {
				t.Error(err)
			}
			return h, body
		}
		write := func(h Header, body []byte) {
			m := ws.MustCompileFrame(ws.NewBinaryFrame(append(AppendHeader(nil, h), body...)))
			if _, err := conn.Write(m); err != nil {
				t.Error(err)
			}
		}
		h, body := read()
		if claims, err := DecodeAuth(body); err != nil || h.Code != Auth || h.Session != noID || h.Endpoint != 0 || claims[0].Value != testKey {
			t.Errorf("AUTH %+v, %v", h, err)
		}
		write(Header{Code: Success, Request: h.Request, Endpoint: 0x77, Session: 0x1b3f}, []byte{0, 0xFF})
		write(Header{Code: Auth, Request: 9999, Endpoint: 5, Session: 0x1b3f}, AppendAuth(nil, []Pair{{"appKey", "x"}}))
		if h, _ := read(); h.Code != BadRequest || h.Request != 9999 || h.Endpoint != 5 {
			t.Errorf("answer to AUTH %+v", h)
		}
		close(refused)
		write(Header{Code: KeepAlive, Request: 9998}, nil)
		h, _ = read()
		asked <- h
		write(Header{Code: Success, Request: h.Request}, []byte{0, 0xFF})
		_, _ = ws.ReadFrame(conn) // the close
	})
	defer platform.Wait()
	conn := dialTest(t, dialConfig(l))
	<-refused
	if _, err := conn.Call(t.Context(), ReadProperty("Pump-1", "Temp")); err != nil {
		t.Fatal(err)
	}
	if h := <-asked; h.Session != 0x1b3f || h.Endpoint != 0x77 || h.Code != Get {
		t.Errorf("request %+v", h)
	}
	if err := conn.Close(); err != nil {
		t.Error(err)
	}
}

func TestResponsesEchoTheEndpointId(t *testing.T) {
	_, l := startServer(t, ServerConfig{Request: echo})
	w := upgradeAsSDK(t, l, "")
	w.auth(testKey)
	r := callX(infotable.Number(1))
	w.send(AppendRequest(AppendHeader(nil, Header{Code: Post, Request: 7, Endpoint: 0x01020304}), &r))
	if h, _ := w.answer(); h.Endpoint != 0x01020304 || h.Request != 7 {
		t.Errorf("header %+v", h)
	}
}

func TestNoFrameToAClientIsLargerThanItCanTake(t *testing.T) {
	_, l := startServer(t, ServerConfig{Request: echo})
	w := upgradeAsSDK(t, l, "Max-Frame-Size: 1024\r\n")
	w.auth(testKey)
	long := infotable.String(strings.Repeat("x", 5000))
	request := callX(long)
	body := AppendRequest(nil, &request)
	var chunks [][]byte
	h := Header{Code: Post, Request: 9, Chunk: Chunk{Size: 1024}}
	splitBody(h, body, request.entityPrefixSize(), sliceSize(1024, request.entityPrefixSize()), func(h Header, repeated, data []byte) {
		chunks = append(chunks, append(append(AppendHeader(nil, h), repeated...), data...))
	})
	w.send(chunks...)
	j := joiner{maxMessage: 1 << 20}
	for {
		f := w.frame()
		if f.Header.Length > 1024 {
			t.Errorf("frame of %d bytes", f.Header.Length)
		}
		h, data, err := DecodeHeader(f.Payload)
		if err != nil {
			t.Fatal(err)
		}
		joined, err := j.add(h, data, time.Time{})
		if err != nil {
			t.Fatal(err)
		}
		if joined == nil {
			continue
		}
		r, err := DecodeResponse(h.Code, joined, infotable.Limits{})
		if err != nil || !r.Result().Equal(long) {
			t.Errorf("answer %v, %v", r.Code, err)
		}
		return
	}
}

func TestAMessageThatTheSDKSendsInTwoIsActedOnOnce(t *testing.T) {
	var served atomic.Int32
	_, l := startServer(t, ServerConfig{Request: func(_ context.Context, _ *Session, r Request) Response {
		served.Add(1)
		return Result(infotable.String(r.Target))
	}})
	w := upgradeAsSDK(t, l, "Max-Frame-Size: 1024\r\n")
	w.auth(testKey)

	for _, v := range loadVectors(t).TwoFrameDefect {
		w.send(unhex(t, v.Frames[0]), unhex(t, v.Frames[1]))
		if h, r := w.answer(); h.Request != 21 || r.Code != Success {
			t.Errorf("cut request: %+v %+v", h, r)
		}
		found, again := recoded(t, unhex(t, v.JoinedHex))
		sameShape(t, found, v.Decoded)
		if !bytes.Equal(again, unhex(t, v.JoinedHex)) {
			t.Error("the joined message encodes to other bytes")
		}
	}

	// The other half of the defect: a complete message, then its bare header.
	whole := requestBytes(30, callX(infotable.Number(1)))
	w.send(whole, whole[:headerSize], requestBytes(31, callX(infotable.Number(1))))
	got := map[uint32]Code{}
	for range 2 {
		h, r := w.answer()
		got[h.Request] = r.Code
	}
	if got[30] != Success || got[31] != Success || served.Load() != 3 {
		t.Errorf("answers %v, %d requests served", got, served.Load())
	}
}

func TestACutMessageWithoutItsRestIsRefused(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		_, l := startServer(t, ServerConfig{Request: echo})
		w := upgradeAsSDK(t, l, "")
		w.auth(testKey)
		whole := requestBytes(40, callX(infotable.Number(1)))
		w.send(whole[:len(whole)-5], requestBytes(41, callX(infotable.Number(1))))
		got := map[uint32]Code{}
		for range 2 {
			h, r := w.answer()
			got[h.Request] = r.Code
		}
		if got[40] != BadRequest || got[41] != Success {
			t.Errorf("followed by another message: %v", got)
		}
		w.send(whole[:len(whole)-5])
		if h, r := w.answer(); h.Request != 40 || r.Code != BadRequest {
			t.Errorf("followed by nothing: %+v %+v", h, r)
		}
	})
}

func TestOneBadMessageIsRefusedAndTheConnectionLives(t *testing.T) {
	_, l := startServer(t, ServerConfig{Request: echo})
	w := upgradeAsSDK(t, l, "")
	w.auth(testKey)
	unknownType := requestBytes(50, CallService("Pump-1", "Echo", nil))
	unknownType = append(unknownType[:len(unknownType)-1], "\x05\x01\x01x\x00\x99\x00\x00\x00\x01\x00\x01\x99\x01\x00"...)
	badMarker := requestBytes(51, CallService("Pump-1", "Echo", nil))
	badMarker[14] = 7
	badChunk := AppendHeader(nil, Header{Code: Post, Request: 52, Chunk: Chunk{Number: 1, Count: 60_000, Size: 8192}})
	trailing := append(requestBytes(53, callX(infotable.Number(1))), 0, 0, 0)
	keepAlive := AppendHeader(nil, Header{Code: KeepAlive, Request: 54})
	unknownCode := AppendHeader(nil, Header{Code: 0x1E, Request: 55})
	w.send(unknownType, badMarker, badChunk, trailing, keepAlive, keepAlive, unknownCode)
	want := map[uint32]Code{50: UnsupportedContent, 51: BadRequest, 52: EntityTooLarge, 53: Success, 55: BadRequest}
	got := map[uint32]Code{}
	for range want {
		h, r := w.answer()
		got[h.Request] = r.Code
	}
	for id, code := range want {
		if got[id] != code {
			t.Errorf("request %d answered with %s, want %s", id, got[id], code)
		}
	}
}

func TestAFrameThatBreaksTheRulesEndsTheConnection(t *testing.T) {
	huge := []byte{0x82, 0x80 | 127, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0}
	big := binary.BigEndian.AppendUint64([]byte{0x82, 0x80 | 127}, 2<<20)
	masked := func(f ws.Frame) []byte { return ws.MustCompileFrame(ws.MaskFrameWith(f, [4]byte{1, 2, 3, 4})) }
	for _, test := range []struct {
		name string
		wire []byte
		code ws.StatusCode
	}{
		{"a frame longer than any message", append(big, 0, 0, 0, 0), ws.StatusMessageTooBig},
		{"a frame longer than memory", huge, ws.StatusMessageTooBig},
		{"a frame without a mask", ws.MustCompileFrame(ws.NewBinaryFrame(make([]byte, 20))), ws.StatusProtocolError},
		{"a compressed frame", []byte{0xC2, 0x81, 0, 0, 0, 0, 0}, ws.StatusProtocolError},
		{"a text frame", masked(ws.NewTextFrame([]byte("hello"))), ws.StatusProtocolError},
		{"a continuation of nothing", masked(ws.NewFrame(ws.OpContinuation, true, []byte("x"))), ws.StatusProtocolError},
		{"a long ping", append([]byte{0x89, 0x80 | 126, 0, 126, 0, 0, 0, 0}, make([]byte, 126)...), ws.StatusProtocolError},
		{"a ping in parts", []byte{0x09, 0x80, 0, 0, 0, 0}, ws.StatusProtocolError},
		{"an unknown opcode", []byte{0x83, 0x80, 0, 0, 0, 0}, ws.StatusProtocolError},
		{"a message shorter than its header", masked(ws.NewBinaryFrame([]byte{1, 2, 3})), ws.StatusProtocolError},
		{"a close", masked(ws.NewCloseFrame(ws.NewCloseFrameBody(1000, "Normal Close Shutting down"))), ws.StatusNormalClosure},
	} {
		t.Run(test.name, func(t *testing.T) {
			_, l := startServer(t, ServerConfig{Request: echo})
			w := upgradeAsSDK(t, l, "")
			w.auth(testKey)
			w.write(test.wire)
			if code := w.closed(); code != test.code {
				t.Errorf("closed with %d, want %d", code, test.code)
			}
		})
	}
}

func TestFragmentsAndPingsBetweenThemAreUnderstood(t *testing.T) {
	_, l := startServer(t, ServerConfig{Request: echo})
	w := upgradeAsSDK(t, l, "")
	w.auth(testKey)
	m := requestBytes(60, callX(infotable.Number(60)))
	mask := [4]byte{9, 8, 7, 6}
	var stream []byte
	for _, f := range []ws.Frame{
		ws.NewFrame(ws.OpBinary, false, bytes.Clone(m[:10])),
		ws.NewPingFrame([]byte("20:18:14")),
		ws.NewFrame(ws.OpContinuation, false, bytes.Clone(m[10:40])),
		ws.NewFrame(ws.OpContinuation, true, bytes.Clone(m[40:])),
	} {
		stream = append(stream, ws.MustCompileFrame(ws.MaskFrameWith(f, mask))...)
	}
	w.write(stream)
	if f := w.frame(); f.Header.OpCode != ws.OpPong || string(f.Payload) != "20:18:14" {
		t.Errorf("answer to the ping: %+v %q", f.Header, f.Payload)
	}
	if h, r := w.answer(); h.Request != 60 || r.Code != Success {
		t.Errorf("answer %+v %+v", h, r)
	}
}

func TestAClientThatDoesNotAuthenticateIsClosed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		_, l := startServer(t, ServerConfig{})
		w := upgradeAsSDK(t, l, "")
		began := time.Now()
		if code := w.closed(); code != ws.StatusPolicyViolation {
			t.Errorf("closed with %d", code)
		}
		if took := time.Since(began); took < defaultAuthTimeout || took > defaultAuthTimeout+time.Second {
			t.Errorf("closed after %v", took)
		}
	})
}

func TestAClientThatIsRefusedLaterHasAsLongToAuthenticateAsAtFirst(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		_, l := startServer(t, ServerConfig{})
		w := upgradeAsSDK(t, l, "")
		w.auth(testKey)
		<-time.After(time.Minute)
		w.auth("wrong")
		began := time.Now()
		if code := w.closed(); code != ws.StatusPolicyViolation {
			t.Errorf("closed with %d", code)
		}
		if took := time.Since(began); took < defaultAuthTimeout || took > defaultAuthTimeout+time.Second {
			t.Errorf("closed after %v", took)
		}
	})
}

func TestAClientThatFallsSilentIsClosedButOneThatPingsEach55SecondsIsNot(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		_, l := startServer(t, ServerConfig{})
		w := upgradeAsSDK(t, l, "")
		w.auth(testKey)
		for range 100 {
			<-time.After(55 * time.Second)
			w.write(ws.MustCompileFrame(ws.MaskFrameWith(ws.NewPingFrame([]byte("20:18:14")), [4]byte{})))
			if f := w.frame(); f.Header.OpCode != ws.OpPong {
				t.Fatalf("answer to a ping: %+v", f.Header)
			}
		}
		began := time.Now()
		w.closed()
		if took := time.Since(began); took < defaultIdleTimeout || took > 2*defaultIdleTimeout {
			t.Errorf("closed after %v", took)
		}
	})
}

func TestUnfinishedChunksAreGivenUpAndToldToTheSender(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		_, l := startServer(t, ServerConfig{Request: echo})
		w := upgradeAsSDK(t, l, "")
		w.auth(testKey)
		request := CallService("Pump-1", "Echo", nil)
		w.send(AppendRequest(AppendHeader(nil, Header{Code: Post, Request: 70, Chunk: Chunk{1, 2, 1024}}), &request))
		began := time.Now()
		if h, r := w.answer(); h.Request != 70 || r.Code != BadRequest {
			t.Errorf("answer %+v %+v", h, r)
		}
		if took := time.Since(began); took < staleAfter || took > 2*staleAfter {
			t.Errorf("given up after %v", took)
		}
	})
}

func TestAConnectionCutInTheMiddleOfAMessageEndsTheSession(t *testing.T) {
	ended := make(chan error, 1)
	_, l := startServer(t, ServerConfig{Request: echo, Closed: func(s *Session) { ended <- s.Err() }})
	w := upgradeAsSDK(t, l, "")
	w.auth(testKey)
	m := ws.MustCompileFrame(ws.MaskFrameWith(ws.NewBinaryFrame(requestBytes(1, callX(infotable.Number(1)))), [4]byte{}))
	w.write(m[:20])
	if err := w.c.Close(); err != nil {
		t.Fatal(err)
	}
	if err := <-ended; !errors.Is(err, ErrClosed) {
		t.Errorf("session ended with %v", err)
	}
}

func TestARefusedReAuthTakesTheNames(t *testing.T) {
	unbound := make(chan Binding, 1)
	server, l := startServer(t, ServerConfig{Unbind: func(_ context.Context, _ *Session, b Binding) error {
		unbound <- b
		return nil
	}})
	w := upgradeAsSDK(t, l, "")
	w.auth(testKey)
	w.send(AppendBinding(AppendHeader(nil, Header{Code: Bind, Request: 3}), &Binding{Names: []string{"Pump-1"}}))
	w.answer()
	if _, r := w.auth("wrong"); r.Code != Unauthorized {
		t.Errorf("answer %+v", r)
	}
	if b := <-unbound; len(b.Names) != 1 || b.Names[0] != "Pump-1" {
		t.Errorf("unbound %v", b)
	}
	if list := server.Sessions(); len(list) != 0 {
		t.Errorf("%d sessions are still authenticated", len(list))
	}
}

func TestASocketThatEndsBeforeItsAuthIsTold(t *testing.T) {
	dropped := make(chan error, 1)
	_, l := startServer(t, ServerConfig{
		Dropped: func(s *Session) { dropped <- s.Err() },
		Closed:  func(*Session) { t.Error("told as a session that was authenticated") },
	})
	w := upgradeAsSDK(t, l, "")
	w.write(ws.MustCompileFrame(ws.MaskFrameWith(ws.NewTextFrame([]byte("x")), [4]byte{})))
	if err := <-dropped; !errors.Is(err, ErrProtocol) {
		t.Errorf("told %v", err)
	}
}
