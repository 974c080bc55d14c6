package dial

import (
	"bytes"
	"errors"
	"io"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/gobwas/ws"
	"pgregory.net/rapid"
)

// script is a connection whose peer has written everything already; what is written to it is kept.
type script struct {
	net.Conn
	in     io.Reader
	out    bytes.Buffer
	fails  error
	closed bool
}

func (s *script) Read(p []byte) (int, error)       { return s.in.Read(p) }
func (s *script) Close() error                     { s.closed = true; return nil }
func (s *script) SetWriteDeadline(time.Time) error { return nil }
func (s *script) Write(p []byte) (int, error) {
	if s.fails != nil {
		return 0, s.fails
	}
	return s.out.Write(p)
}

func scripted(t testing.TB, in []byte) (*webSocket, *script) {
	t.Helper()
	s := &script{in: bytes.NewReader(in)}
	w, err := newWebSocket(s, nil)
	if err != nil {
		t.Fatal(err)
	}
	return w, s
}

// wire is what a server sends: frames without a mask.
func wire(t testing.TB, frames ...ws.Frame) []byte {
	t.Helper()
	var b bytes.Buffer
	for _, f := range frames {
		if err := ws.WriteFrame(&b, f); err != nil {
			t.Fatal(err)
		}
	}
	return b.Bytes()
}

// answers are the frames that were written, without their mask.
func answers(t testing.TB, s *script) (frames []ws.Frame) {
	t.Helper()
	for s.out.Len() > 0 {
		f, err := ws.ReadFrame(&s.out)
		if err != nil {
			t.Fatal(err)
		}
		if !f.Header.Masked {
			t.Errorf("a frame without a mask: %+v", f.Header)
		}
		frames = append(frames, ws.UnmaskFrame(f))
	}
	return frames
}

func binary(fin bool, text string) ws.Frame { return ws.NewFrame(ws.OpBinary, fin, []byte(text)) }

func TestFramesAreAStream(t *testing.T) {
	rapid.Check(t, func(r *rapid.T) {
		var in []byte
		var want strings.Builder
		pings, fragmented := 0, false
		for range rapid.IntRange(0, 20).Draw(r, "frames") {
			if rapid.IntRange(0, 3).Draw(r, "kind") == 0 {
				in = append(in, wire(t, ws.NewPingFrame([]byte("are you there")))...)
				pings++
				continue
			}
			text := strings.Repeat("x", rapid.SampledFrom([]int{0, 1, 125, 126, 4095, 70_000}).Draw(r, "length"))
			f := binary(rapid.Bool().Draw(r, "fin"), text)
			if fragmented {
				f.Header.OpCode = ws.OpContinuation
			}
			fragmented = !f.Header.Fin
			in = append(in, wire(t, f)...)
			want.WriteString(text)
		}
		w, s := scripted(t, in)
		var got bytes.Buffer
		size := rapid.SampledFrom([]int{1, 100, 1 << 20}).Draw(r, "reads")
		if _, err := io.CopyBuffer(struct{ io.Writer }{&got}, struct{ io.Reader }{w}, make([]byte, size)); err != nil {
			r.Fatalf("got %v", err)
		}
		if got.String() != want.String() {
			r.Errorf("got %d bytes, want %d", got.Len(), want.Len())
		}
		for _, f := range answers(t, s) {
			if f.Header.OpCode != ws.OpPong || string(f.Payload) != "are you there" {
				r.Errorf("it answers %+v", f)
			}
			pings--
		}
		if pings != 0 {
			r.Errorf("%d pings have no answer", pings)
		}
	})
}

func TestWhatIsWrittenIsWhatTheServerReads(t *testing.T) {
	w, s := scripted(t, nil)
	given := []byte(strings.Repeat("0123456789", 20_000))
	for _, p := range [][]byte{given[:1], given[:126], nil, given} {
		before := string(p)
		if n, err := w.Write(p); n != len(p) || err != nil || string(p) != before {
			t.Fatalf("got %d, %v; the caller's bytes are as they were: %v", n, err, string(p) == before)
		}
	}
	frames := answers(t, s)
	if len(frames) != 3 || string(frames[1].Payload) != string(given[:126]) || string(frames[2].Payload) != string(given) || frames[0].Header.OpCode != ws.OpBinary {
		t.Errorf("got %d frames", len(frames))
	}
	if w.out != nil {
		t.Errorf("a buffer of %d bytes is kept", cap(w.out))
	}
}

func TestHowAWebSocketEnds(t *testing.T) {
	masked := ws.MaskFrame(binary(true, "x"))
	for name, c := range map[string]struct {
		in     []byte
		is     error
		says   string
		answer ws.StatusCode
	}{
		"the server hangs up":               {nil, io.EOF, "", 0},
		"in the middle of a frame":          {wire(t, binary(true, "abc"))[:4], io.ErrUnexpectedEOF, "", 0},
		"in the middle of a ping":           {wire(t, ws.NewPingFrame([]byte("abc")))[:3], io.ErrUnexpectedEOF, "", 0},
		"with a goodbye":                    {wire(t, ws.NewCloseFrame(ws.NewCloseFrameBody(ws.StatusNormalClosure, ""))), io.EOF, "", ws.StatusNormalClosure},
		"with one without a code":           {wire(t, ws.NewCloseFrame(nil)), io.EOF, "", ws.StatusNoStatusRcvd},
		"with a reason":                     {wire(t, ws.NewCloseFrame(ws.NewCloseFrameBody(ws.StatusPolicyViolation, "idle"))), nil, `1008: "idle"`, ws.StatusPolicyViolation},
		"with a text":                       {wire(t, ws.NewTextFrame([]byte("x"))), nil, "a text frame", ws.StatusUnsupportedData},
		"with a mask":                       {wire(t, masked), nil, "not understood", ws.StatusProtocolError},
		"with a frame of an unknown kind":   {wire(t, ws.NewFrame(5, true, nil)), nil, "not understood", ws.StatusProtocolError},
		"with the middle of no message":     {wire(t, ws.NewFrame(ws.OpContinuation, true, nil)), nil, "not understood", ws.StatusProtocolError},
		"with a message within another":     {wire(t, binary(false, ""), binary(true, "")), nil, "not understood", ws.StatusProtocolError},
		"with a length beyond any":          {[]byte{0x82, 127, 0xFF, 0, 0, 0, 0, 0, 0, 0}, nil, "", 0},
		"with a ping of too great a length": {[]byte{0x89, 126, 1, 0}, nil, "not understood", ws.StatusProtocolError},
	} {
		t.Run(name, func(t *testing.T) {
			w, s := scripted(t, c.in)
			p := make([]byte, 10)
			n, err := 0, error(nil)
			for err == nil {
				n, err = w.Read(p)
			}
			if n != 0 || c.is != nil && !errors.Is(err, c.is) || !strings.Contains(err.Error(), c.says) {
				t.Errorf("got %d bytes, %v", n, err)
			}
			if _, again := w.Read(p); again == nil || again.Error() != err.Error() {
				t.Errorf("and then %v", again)
			}
			frames := answers(t, s)
			if c.answer == 0 && len(frames) > 0 || c.answer != 0 && len(frames) != 1 {
				t.Fatalf("it answers %v", frames)
			}
			if c.answer != 0 {
				if code, _ := ws.ParseCloseFrameData(frames[0].Payload); code != c.answer && (c.answer != ws.StatusNoStatusRcvd || len(frames[0].Payload) > 0) || frames[0].Header.OpCode != ws.OpClose {
					t.Errorf("it answers %v", frames[0])
				}
				if _, err := w.Write(p); !errors.Is(err, net.ErrClosed) {
					t.Errorf("after the goodbye: %v", err)
				}
			}
		})
	}
}

func TestCloseSaysGoodbyeOnceAndNeverWithinAFrame(t *testing.T) {
	w, s := scripted(t, nil)
	_ = w.Close()
	if frames := answers(t, s); len(frames) != 1 || frames[0].Header.OpCode != ws.OpClose || !s.closed {
		t.Errorf("it says %v", frames)
	}
	_ = w.Close()
	if s.out.Len() > 0 {
		t.Error("it says goodbye twice")
	}
	w, s = scripted(t, nil)
	w.writing.Lock() // somebody writes
	_ = w.Close()
	w.writing.Unlock()
	if s.out.Len() > 0 || !s.closed {
		t.Error("it writes into another's frame")
	}
	w, s = scripted(t, nil)
	s.fails = errors.New("cut")
	if _, err := w.Write([]byte("x")); !errors.Is(err, s.fails) {
		t.Error(err)
	}
	s.fails = nil
	_ = w.Close()
	if s.out.Len() > 0 {
		t.Error("it goes on after a part of a frame")
	}
}

func TestAPingDoesNotWaitForWhoWrites(t *testing.T) {
	w, s := scripted(t, wire(t, ws.NewPingFrame(nil), binary(true, "abc")))
	w.writing.Lock()
	p := make([]byte, 10)
	if n, err := w.Read(p); string(p[:n]) != "abc" || err != nil {
		t.Errorf("got %q, %v", p[:n], err)
	}
	w.writing.Unlock()
	if s.out.Len() > 0 {
		t.Error("it writes into another's frame")
	}
}

func FuzzRead(f *testing.F) {
	f.Add(wire(f, binary(true, "abc"), ws.NewPingFrame(nil)))
	f.Add([]byte{0x82, 127, 0x7F, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF})
	f.Fuzz(func(t *testing.T, in []byte) {
		w, _ := scripted(t, in)
		if n, _ := io.Copy(io.Discard, struct{ io.Reader }{w}); n > int64(len(in)) {
			t.Errorf("%d bytes of %d", n, len(in))
		}
	})
}
