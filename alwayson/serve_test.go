package alwayson

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"azx/alwayson/infotable"
)

func TestTheServerIsAHandlerAmongOthersAlsoBehindTLS(t *testing.T) {
	server, err := NewServer(ServerConfig{Authenticate: authenticateTestKey, Request: echo})
	if err != nil {
		t.Fatal(err)
	}
	mux := http.NewServeMux()
	mux.Handle(Path, server)
	front := httptest.NewUnstartedServer(mux)
	front.Config.ErrorLog = log.New(io.Discard, "", 0) // the client without roots is expected
	front.StartTLS()
	defer front.Close()
	defer func() {
		if err := server.Close(); err != nil {
			t.Error(err)
		}
	}()
	roots := x509.NewCertPool()
	roots.AddCert(front.Certificate())
	cfg := DialConfig{
		URL:    strings.Replace(front.URL, "https://", "wss://", 1),
		AppKey: func(context.Context) (string, error) { return testKey, nil },
		TLS:    &tls.Config{RootCAs: roots},
	}
	conn := dialTest(t, cfg)
	v := infotable.String(strings.Repeat("x", 100_000))
	if r, err := conn.Call(t.Context(), callX(v)); err != nil || !r.Result().Equal(v) {
		t.Errorf("call: %v, %v", r.Code, err)
	}
	if err := server.Close(); err != nil {
		t.Error(err)
	}
	var refused *UpgradeError
	if _, err := Dial(t.Context(), cfg); !errors.As(err, &refused) || refused.Status != http.StatusServiceUnavailable {
		t.Errorf("dial after close: %v", err)
	}
	cfg.TLS = nil
	if _, err := Dial(t.Context(), cfg); err == nil || !strings.Contains(err.Error(), "certificate") {
		t.Errorf("dial without the right roots: %v", err)
	}
}

func TestAnUpgradeThatIsRefusedNamesItsStatus(t *testing.T) {
	for status, credential := range map[int]bool{401: true, 403: true, 404: false, 503: false} {
		front := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(status) }))
		_, err := Dial(t.Context(), DialConfig{
			URL:    strings.Replace(front.URL, "http://", "ws://", 1),
			AppKey: func(context.Context) (string, error) { return testKey, nil },
		})
		front.Close()
		var refused *UpgradeError
		if !errors.As(err, &refused) || refused.Status != status || IsCredentialRefused(err) != credential {
			t.Errorf("status %d: %v", status, err)
		}
	}
}

func TestASocketOverTheLimitAndOneAfterCloseAreRefused(t *testing.T) {
	server, l := startServer(t, ServerConfig{MaxSessions: 1})
	first := dialTest(t, dialConfig(l))
	var refused *UpgradeError
	if _, err := Dial(t.Context(), dialConfig(l)); !errors.As(err, &refused) || refused.Status != http.StatusServiceUnavailable {
		t.Errorf("second socket: %v", err)
	}
	if err := server.Close(); err != nil {
		t.Fatal(err)
	}
	<-first.Done()
	if !strings.Contains(first.Err().Error(), "1001") {
		t.Errorf("first socket ended with %v", first.Err())
	}
	if _, err := Dial(t.Context(), dialConfig(l)); err == nil {
		t.Error("a closed server took a connection")
	}
}

func TestAMaxFrameSizeThatMakesNoSenseIsABadRequest(t *testing.T) {
	server, _ := startServer(t, ServerConfig{})
	for _, told := range []string{"none", "-1", "12"} {
		r := httptest.NewRequest(http.MethodGet, Path, nil)
		r.Header.Set("Max-Frame-Size", told)
		w := httptest.NewRecorder()
		server.ServeHTTP(w, r)
		if w.Code != http.StatusBadRequest {
			t.Errorf("%q: status %d", told, w.Code)
		}
	}
}

func TestAnAnswerOfTheSDKThatIsCutOrLostItsReasonIsUnderstood(t *testing.T) {
	server, l := startServer(t, ServerConfig{})
	w := upgradeAsSDK(t, l, "Max-Frame-Size: 8192\r\n")
	w.auth(testKey)
	s := server.Sessions()[0]
	type answer struct {
		r   Response
		err error
	}
	answers := make(chan answer, 1)
	call := func() uint32 {
		go func() {
			r, err := s.Call(context.Background(), CallService("Pump-1", "FailWithReason", nil))
			answers <- answer{r, err}
		}()
		h, _, err := DecodeHeader(w.frame().Payload)
		if err != nil {
			t.Fatal(err)
		}
		return h.Request
	}
	reply := func(code Code, id uint32, body []byte) []byte {
		return append(AppendHeader(nil, Header{Code: code, Request: id, Session: s.ID()}), body...)
	}

	captured := loadVectors(t).Messages
	for _, v := range captured {
		if v.ID == "service-fails-with-reason-reply" {
			w.send(reply(InternalServerError, call(), unhex(t, v.Hex)[headerSize:]))
		}
	}
	if a := <-answers; a.err != nil || a.r.Code != InternalServerError || a.r.Reason != "disk full" {
		t.Errorf("lost reason: %+v, %v", a.r, a.err)
	}

	ok := Result(infotable.String("in two parts"))
	whole := reply(Success, call(), AppendResponse(nil, &ok))
	w.send(whole[:30], append(bytes.Clone(whole[:headerSize]), whole[30:]...))
	if a := <-answers; a.err != nil || !a.r.Result().Equal(infotable.String("in two parts")) {
		t.Errorf("cut answer: %+v, %v", a.r, a.err)
	}

	w.send(reply(Success, call(), []byte("\x00\x05\x01\x01x\x00\x01\x00\x00\x00\x01\x00\x01\x99")))
	if a := <-answers; !errors.Is(a.err, infotable.ErrUnsupportedType) {
		t.Errorf("unreadable answer: %+v, %v", a.r, a.err)
	}
}

func TestACallWaitsForRoomAndAPeerThatOnlyAsksIsDropped(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ended := make(chan error, 1)
		server, l := startServer(t, ServerConfig{
			Limits: Limits{MaxQueued: 1024, WriteTimeout: time.Hour},
			Closed: func(s *Session) { ended <- s.Err() },
		})
		w := upgradeAsSDK(t, l, "")
		w.auth(testKey)
		s := server.Sessions()[0]

		// Nobody reads: one call is stuck in the socket, others fill the queue, the last has to wait for room.
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		errs := make(chan error, 3)
		for range 3 {
			go func() {
				_, err := s.Call(ctx, callX(infotable.String(strings.Repeat("x", 2000))))
				errs <- err
			}()
			synctest.Wait()
		}
		waited := 0
		for range 3 {
			err := <-errs
			if !errors.Is(err, context.DeadlineExceeded) {
				t.Errorf("call: %v", err)
			} else if strings.Contains(err.Error(), "room") {
				waited++
			}
		}
		if waited != 1 {
			t.Errorf("%d calls waited for room", waited)
		}

		// A peer that asks on without reading the refusals is slow, and does not fill the memory.
		unknown := append(AppendHeader(nil, Header{Code: 0x1E, Request: 1}), 0)
		var frames []byte
		for range 1000 {
			frames = append(frames, endFrame(append(beginFrame(nil, true), unknown...), 0, 2, true)...)
		}
		go func() { _, _ = w.c.Write(frames) }() // fails when the server has had enough
		if err := <-ended; !errors.Is(err, ErrSlowPeer) {
			t.Errorf("session ended with %v", err)
		}
	})
}

func TestASessionThatIsNotAuthenticatedCannotBeCalled(t *testing.T) {
	session := newSession(&Server{cfg: ServerConfig{IdleTimeout: time.Minute}}, defaultFrameSize, &http.Request{RemoteAddr: "127.0.0.1:1"})
	if _, err := session.Call(t.Context(), callX(infotable.Number(1))); !errors.Is(err, ErrNotConnected) {
		t.Errorf("call: %v", err)
	}
	if _, err := NewServer(ServerConfig{}); err == nil {
		t.Error("a server without Authenticate was accepted")
	}
	if _, err := NewServer(ServerConfig{Authenticate: authenticateTestKey, Limits: Limits{MaxMessageSize: 1}}); err == nil {
		t.Error("a server with impossible limits was accepted")
	}
}

func TestAnInjectedDialIsUsedAndItsErrorTold(t *testing.T) {
	away := errors.New("network is away")
	_, err := Dial(t.Context(), DialConfig{
		URL:     "ws://platform.test:1234",
		AppKey:  func(context.Context) (string, error) { return testKey, nil },
		NetDial: func(context.Context, string, string) (net.Conn, error) { return nil, away },
	})
	if !errors.Is(err, away) || !strings.Contains(err.Error(), "ws://platform.test:1234"+Path) {
		t.Errorf("error %v", err)
	}
	noKey := errors.New("no such file")
	_, err = Dial(t.Context(), DialConfig{URL: "ws://platform.test", AppKey: func(context.Context) (string, error) { return "", noKey }})
	if !errors.Is(err, noKey) {
		t.Errorf("error %v", err)
	}
}

func TestAnEndTellsHowManyRequestsItIsServing(t *testing.T) {
	entered, release := make(chan struct{}), make(chan struct{})
	server, l := startServer(t, ServerConfig{})
	dial := dialConfig(l)
	dial.Handler = func(context.Context, Request) Response {
		entered <- struct{}{}
		<-release
		return Done()
	}
	c := runClient(t, ClientConfig{Dial: dial})
	if got := c.Serving(); got != 0 {
		t.Errorf("without a connection it serves %d", got)
	}
	if err := c.Wait(t.Context()); err != nil {
		t.Fatal(err)
	}
	answered := make(chan error, 1)
	go func() {
		_, err := server.Sessions()[0].Call(t.Context(), CallService("Pump", "reboot", nil))
		answered <- err
	}()
	<-entered
	if got := c.Serving(); got != 1 {
		t.Errorf("it serves %d, want 1", got)
	}
	close(release)
	if err := <-answered; err != nil {
		t.Fatal(err)
	}
	eventually(t, "it serves none", func() bool { return c.Serving() == 0 })
}
