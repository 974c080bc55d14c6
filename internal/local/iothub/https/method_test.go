package https

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"azx/internal/local/iothub"
)

// online connects a device that takes methods.
func (c *caller) online(i iothub.Identity) (*iothub.Session, *iothub.Feed[iothub.MethodRequest]) {
	c.t.Helper()
	s, err := c.hub.Enter(iothub.Principal{ID: i.ID, GenerationID: i.GenerationID, Rights: iothub.DeviceConnect}, func(error) {})
	if err != nil {
		c.t.Fatal(err)
	}
	c.t.Cleanup(s.Leave)
	return s, s.ServeMethods()
}

func TestAMethodIsCalledAtDevicesAndModules(t *testing.T) {
	c := newCaller(t)
	d := c.device("d1")
	m := c.add(iothub.Spec{ID: iothub.ID{Device: "d1", Module: "m1"}})
	for path, identity := range map[string]iothub.Identity{"/twins/d1/methods": d, "/twins/d1/modules/m1/methods": m} {
		session, feed := c.online(identity)
		done := make(chan answered, 1)
		go func() {
			done <- c.ask(c.policy("service", ""), "POST "+path, `{"methodName": "reboot", "payload": {"in": 5}, "responseTimeoutInSeconds": 30, "connectTimeoutInSeconds": 0}`)
		}()
		request, err := feed.Next(t.Context())
		if err != nil || request.Name != "reboot" || string(request.Payload) != `{"in": 5}` {
			t.Fatalf("%s: got %+v, %v", path, request, err)
		}
		session.AnswerMethod(request.RequestID, 202, []byte(`{"ok": [1, null]}`))
		if got := (<-done).is(200, nil).Body.String(); got != `{"status":202,"payload":{"ok":[1,null]}}` {
			t.Errorf("%s: answer %s", path, got)
		}
	}
}

func TestAMethodNobodyTakesIsRefused(t *testing.T) {
	c := newCaller(t)
	c.device("d1")
	call := func(path, body string) answered { return c.ask(c.policy("service", ""), "POST "+path, body) }
	call("/twins/d1/methods", `{"methodName": "m"}`).refuses(404, "DeviceNotOnline", `"errorCode":404103`)
	call("/twins/no/methods", `{"methodName": "m"}`).refuses(404, "DeviceNotFound", "ErrorCode:DeviceNotFound;")
	call("/twins/d1/methods", `{"methodName": "m", "payload": "`+strings.Repeat("x", methodBody)+`"}`).refuses(413, "MessageTooLarge", "")
	call("/twins/d1/methods", `{"methodName": "m", "payload": "`+strings.Repeat("x", iothub.MaxMethodPayload)+`"}`).refuses(413, "MessageTooLarge", "")
}

// pipe is a listener with one connection in memory, so that time may be synthetic.
type pipe struct {
	conns  chan net.Conn
	closed chan struct{}
}

func (p *pipe) Accept() (net.Conn, error) {
	select {
	case conn := <-p.conns:
		return conn, nil
	case <-p.closed:
		return nil, net.ErrClosed
	}
}

func (p *pipe) Close() error {
	close(p.closed)
	return nil
}

func (p *pipe) Addr() net.Addr { return &net.UnixAddr{Name: "memory"} }

// overPipe serves the handler with the time limits of the local hub; dial makes a connection to it.
func overPipe(t *testing.T, handler http.Handler) (dial func() net.Conn, stop func()) {
	l := &pipe{conns: make(chan net.Conn, 1), closed: make(chan struct{})}
	server := &http.Server{Handler: handler, ReadHeaderTimeout: 10 * time.Second, ReadTimeout: 30 * time.Second}
	ended := make(chan error, 1)
	go func() { ended <- server.Serve(l) }()
	dial = func() net.Conn {
		near, far := net.Pipe()
		l.conns <- far
		return near
	}
	return dial, func() {
		_ = server.Close()
		if err := <-ended; err != http.ErrServerClosed {
			t.Error(err)
		}
	}
}

// TestAMethodMayTakeLongerThanItsRequest waits for an answer beyond the time in which a request must be read.
func TestAMethodMayTakeLongerThanItsRequest(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCallerOf(t, iothub.Config{Clock: time.Now})
		session, feed := c.online(c.device("d1"))
		dial, stop := overPipe(t, c.handler)
		defer stop()
		transport := &http.Transport{DialContext: func(context.Context, string, string) (net.Conn, error) { return dial(), nil }}
		defer transport.CloseIdleConnections()
		client := &http.Client{Transport: transport}
		done := make(chan string, 1)
		go func() {
			done <- post(client, c.policy("service", ""), `{"methodName": "m", "responseTimeoutInSeconds": 300}`)
		}()
		request, err := feed.Next(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		<-time.After(200 * time.Second)
		session.AnswerMethod(request.RequestID, 200, []byte(`"late"`))
		if got, want := <-done, `200 {"status":200,"payload":"late"}`; got != want {
			t.Errorf("got %s, want %s", got, want)
		}
	})
}

func post(client *http.Client, token, body string) string {
	r, err := http.NewRequest(http.MethodPost, "http://hub/twins/d1/methods?api-version=2021-04-12", strings.NewReader(body))
	if err != nil {
		return err.Error()
	}
	r.Header.Set("Authorization", token)
	answer, err := client.Do(r)
	if err != nil {
		return err.Error()
	}
	defer answer.Body.Close()
	text, err := io.ReadAll(answer.Body)
	if err != nil {
		return err.Error()
	}
	return fmt.Sprint(answer.StatusCode, " ", string(text))
}

// TestAClientThatDoesNotReadIsHungUpOn asks and never reads the answer.
func TestAClientThatDoesNotReadIsHungUpOn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCallerOf(t, iothub.Config{Clock: time.Now})
		dial, stop := overPipe(t, c.handler)
		defer stop()
		near := dial()
		start := time.Now()
		if _, err := io.WriteString(near, "GET /devices/d1 HTTP/1.1\r\nHost: hub\r\n\r\n"); err != nil {
			t.Fatal(err)
		}
		<-time.After(writeTime + time.Second)
		if text, err := io.ReadAll(near); err != nil || len(text) != 0 {
			t.Errorf("after %s there is still %q, %v", time.Since(start), text, err)
		}
	})
}
