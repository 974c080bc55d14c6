package websocket

import (
	"bufio"
	"bytes"
	"errors"
	"io"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/gobwas/ws"
	"go.uber.org/goleak"
	"pgregory.net/rapid"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// script is a connection whose peer has written everything already; what is written to it is kept.
type script struct {
	net.Conn
	in     io.Reader
	out    bytes.Buffer
	closed bool
}

func (s *script) Read(p []byte) (int, error)       { return s.in.Read(p) }
func (s *script) Write(p []byte) (int, error)      { return s.out.Write(p) }
func (s *script) Close() error                     { s.closed = true; return nil }
func (s *script) SetWriteDeadline(time.Time) error { return nil }

func scripted(in []byte) (*conn, *script) {
	s := &script{in: bytes.NewReader(in)}
	return newConn(s, bufio.NewReader(s)), s
}

// wire is what a client sends: masked frames.
func wire(t testing.TB, frames ...ws.Frame) []byte {
	t.Helper()
	var b bytes.Buffer
	for _, f := range frames {
		if err := ws.WriteFrame(&b, ws.MaskFrame(f)); err != nil {
			t.Fatal(err)
		}
	}
	return b.Bytes()
}

// answers are the frames a conn has written.
func answers(t testing.TB, s *script) (frames []ws.Frame) {
	t.Helper()
	for s.out.Len() > 0 {
		f, err := ws.ReadFrame(&s.out)
		if err != nil {
			t.Fatal(err)
		}
		frames = append(frames, f)
	}
	return frames
}

func binary(fin bool, text string) ws.Frame { return ws.NewFrame(ws.OpBinary, fin, []byte(text)) }

func more(fin bool, text string) ws.Frame {
	return ws.NewFrame(ws.OpContinuation, fin, []byte(text))
}

func TestFramesThatAreTakenAreOneStream(t *testing.T) {
	for name, c := range map[string]struct {
		frames []ws.Frame
		want   string
	}{
		"one frame":                     {[]ws.Frame{binary(true, "abc")}, "abc"},
		"two messages":                  {[]ws.Frame{binary(true, "ab"), binary(true, "c")}, "abc"},
		"a message in fragments":        {[]ws.Frame{binary(false, "a"), more(false, "b"), more(true, "c")}, "abc"},
		"empty frames":                  {[]ws.Frame{binary(true, ""), binary(false, ""), more(true, "abc")}, "abc"},
		"a ping between fragments":      {[]ws.Frame{binary(false, "a"), ws.NewPingFrame(nil), more(true, "bc")}, "abc"},
		"a pong that nobody waited for": {[]ws.Frame{ws.NewPongFrame([]byte("x")), binary(true, "abc")}, "abc"},
	} {
		t.Run(name, func(t *testing.T) {
			conn, _ := scripted(wire(t, append(c.frames, ws.NewCloseFrame(nil))...))
			got, err := io.ReadAll(conn)
			if err != nil || string(got) != c.want {
				t.Fatalf("read %q, %v; want %q", got, err, c.want)
			}
		})
	}
}

func TestAPingIsAnsweredWithItsOwnPayload(t *testing.T) {
	conn, s := scripted(wire(t, ws.NewPingFrame([]byte("there?")), binary(true, "x")))
	if _, err := conn.Read(make([]byte, 1)); err != nil {
		t.Fatal(err)
	}
	if got := answers(t, s); len(got) != 1 || got[0].Header.OpCode != ws.OpPong || string(got[0].Payload) != "there?" || got[0].Header.Masked {
		t.Fatalf("answered %+v", got)
	}
}

func TestFramesThatEndTheConnectionAreAnsweredWithACode(t *testing.T) {
	unmasked := func(f ws.Frame) []byte { return ws.MustCompileFrame(f) }
	header := func(h ws.Header) []byte {
		var b bytes.Buffer
		_ = ws.WriteHeader(&b, h)
		return b.Bytes()
	}
	masked := func(h ws.Header) []byte { h.Masked = true; return header(h) }
	for name, c := range map[string]struct {
		in   []byte
		code ws.StatusCode
	}{
		"a text frame":                         {wire(t, ws.NewTextFrame([]byte("x"))), ws.StatusUnsupportedData},
		"a frame beyond the limit":             {masked(ws.Header{Fin: true, OpCode: ws.OpBinary, Length: maxFrame + 1}), ws.StatusMessageTooBig},
		"a length with its sign set":           {[]byte{0x82, 0xff, 0x80, 0, 0, 0, 0, 0, 0, 1, 1, 2, 3, 4}, ws.StatusProtocolError},
		"a frame without a mask":               {unmasked(binary(true, "x")), ws.StatusProtocolError},
		"a reserved bit":                       {masked(ws.Header{Fin: true, Rsv: ws.Rsv(true, false, false), OpCode: ws.OpBinary}), ws.StatusProtocolError},
		"an unknown kind of frame":             {masked(ws.Header{Fin: true, OpCode: 3}), ws.StatusProtocolError},
		"a continuation of nothing":            {wire(t, more(true, "x")), ws.StatusProtocolError},
		"a new message before the end of one":  {wire(t, binary(false, ""), binary(true, "x")), ws.StatusProtocolError},
		"a ping in fragments":                  {masked(ws.Header{OpCode: ws.OpPing}), ws.StatusProtocolError},
		"a ping of 126 bytes":                  {masked(ws.Header{Fin: true, OpCode: ws.OpPing, Length: 126}), ws.StatusProtocolError},
		"a close with half a code":             {wire(t, ws.NewCloseFrame([]byte{3})), ws.StatusProtocolError},
		"a close with a code that is not used": {wire(t, ws.NewCloseFrame(ws.NewCloseFrameBody(999, ""))), ws.StatusProtocolError},
		"a close with a code":                  {wire(t, ws.NewCloseFrame(ws.NewCloseFrameBody(1001, "bye"))), 1001},
	} {
		t.Run(name, func(t *testing.T) {
			conn, s := scripted(c.in)
			if n, err := conn.Read(make([]byte, 16)); err == nil || n != 0 {
				t.Fatalf("read %d bytes, %v; want an error", n, err)
			}
			got := answers(t, s)
			if len(got) != 1 || got[0].Header.OpCode != ws.OpClose {
				t.Fatalf("answered %+v, want a close", got)
			}
			if code, _ := ws.ParseCloseFrameData(got[0].Payload); code != c.code {
				t.Errorf("closed with %d, want %d", code, c.code)
			}
			if _, err := conn.Write([]byte("x")); !errors.Is(err, net.ErrClosed) {
				t.Errorf("a write afterwards: %v, want net.ErrClosed", err)
			}
			if _, err := conn.Read(make([]byte, 1)); err == nil {
				t.Error("a read afterwards gave bytes")
			}
		})
	}
}

func TestAConnectionThatIsCutInAFrameIsNoEnd(t *testing.T) {
	whole := wire(t, ws.NewPingFrame([]byte("ab")), binary(true, "hello"))
	for _, cut := range []int{1, 7, len(whole) - 3} {
		conn, _ := scripted(whole[:cut])
		if _, err := io.ReadAll(conn); !errors.Is(err, io.ErrUnexpectedEOF) {
			t.Errorf("cut after %d bytes: %v, want %v", cut, err, io.ErrUnexpectedEOF)
		}
	}
}

func TestEachWriteIsOneBinaryMessage(t *testing.T) {
	conn, s := scripted(nil)
	large := strings.Repeat("x", 3*keptBuffer)
	for _, text := range []string{"a", "", large, "b"} {
		if n, err := conn.Write([]byte(text)); err != nil || n != len(text) {
			t.Fatalf("wrote %d, %v", n, err)
		}
	}
	if err := conn.Close(); err != nil || !s.closed {
		t.Fatalf("close: %v, the connection below is closed: %v", err, s.closed)
	}
	got := answers(t, s)
	if len(got) != 4 || got[3].Header.OpCode != ws.OpClose {
		t.Fatalf("wrote %d frames, want three and a close", len(got))
	}
	for i, want := range []string{"a", large, "b"} {
		if f := got[i]; f.Header.OpCode != ws.OpBinary || !f.Header.Fin || f.Header.Masked || string(f.Payload) != want {
			t.Errorf("frame %d: %+v", i, f.Header)
		}
	}
}

func TestCloseDoesNotWaitForAClientThatDoesNotRead(t *testing.T) {
	ours, theirs := net.Pipe()
	defer theirs.Close()
	c := newConn(ours, bufio.NewReader(ours))
	stuck := make(chan error, 1)
	began := make(chan struct{})
	go func() {
		close(began)
		_, err := c.Write([]byte("nobody reads this"))
		stuck <- err
	}()
	<-began
	if err := c.Close(); err != nil {
		t.Fatal(err)
	}
	if err := <-stuck; err == nil {
		t.Error("the write went through")
	}
}

// TestAnyCutIntoFramesGivesTheSameStream cuts a stream into messages and fragments with control frames between, and reads
// it in pieces of any size.
func TestAnyCutIntoFramesGivesTheSameStream(t *testing.T) {
	rapid.Check(t, func(r *rapid.T) {
		stream := rapid.SliceOfN(rapid.Byte(), 0, 2000).Draw(r, "stream")
		var frames []ws.Frame
		pings, open := 0, false
		for rest := stream; len(rest) > 0 || open; {
			n := rapid.IntRange(0, len(rest)).Draw(r, "frame")
			fin := len(rest) == n || rapid.Bool().Draw(r, "fin")
			op := ws.OpBinary
			if open {
				op = ws.OpContinuation
			}
			frames = append(frames, ws.NewFrame(op, fin, rest[:n]))
			open, rest = !fin, rest[n:]
			if rapid.Bool().Draw(r, "ping") {
				frames = append(frames, ws.NewPingFrame([]byte("p")))
				pings++
			}
		}
		conn, s := scripted(wire(t, append(frames, ws.NewCloseFrame(nil))...))
		var got []byte
		for {
			p := make([]byte, rapid.IntRange(0, 300).Draw(r, "read"))
			n, err := conn.Read(p)
			got = append(got, p[:n]...)
			if errors.Is(err, io.EOF) {
				break
			}
			if err != nil {
				r.Fatal(err)
			}
		}
		if !bytes.Equal(got, stream) {
			r.Fatalf("read %x, want %x", got, stream)
		}
		if n := len(answers(t, s)); n != pings+1 {
			r.Fatalf("%d answers, want %d pongs and a close", n, pings)
		}
	})
}

// FuzzConn reads any bytes: it ends with an error, gives no more bytes than came, and answers with frames that are well
// formed.
func FuzzConn(f *testing.F) {
	f.Add(wire(f, binary(false, "ab"), ws.NewPingFrame([]byte("p")), more(true, "c"), ws.NewCloseFrame(nil)))
	f.Add(wire(f, ws.NewTextFrame([]byte("x"))))
	f.Add([]byte{0x82, 0xff, 0x7f, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1, 2, 3, 4})
	f.Fuzz(func(t *testing.T, in []byte) {
		conn, s := scripted(in)
		got, _ := io.Copy(io.Discard, conn)
		if got > int64(len(in)) {
			t.Fatalf("%d bytes came out of %d", got, len(in))
		}
		if conn.failed == nil {
			t.Fatal("the connection goes on")
		}
		_ = conn.Close()
		all := answers(t, s)
		for i, a := range all {
			if err := ws.CheckHeader(a.Header, ws.StateClientSide); err != nil || a.Header.OpCode == ws.OpClose != (i == len(all)-1) {
				t.Fatalf("answer %d of %d: %+v, %v", i, len(all), a.Header, err)
			}
		}
	})
}
