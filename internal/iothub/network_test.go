package iothub

import (
	"context"
	"errors"
	"net"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"azx/internal/dial"
	"azx/internal/fault"
	"azx/internal/secret"
	"azx/test/process"
)

func TestTheHopThatFailsIsNamedByCallsAndByTheConnection(t *testing.T) {
	refused := &fault.Problem{Op: "sign in to the proxy p:3128", Class: fault.Credential, Cause: errors.New("407"), Hint: "its password"}
	synctest.Test(t, func(t *testing.T) {
		o := options()
		o.Network.Dial = func(context.Context, string, string) (net.Conn, error) { return nil, refused }
		ended := make(chan error, 1)
		o.Ended = func(err error) { ended <- err }
		c, err := New(o)
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		_, called := c.Get(ctx, dev1)
		if err := c.Run(ctx); err != nil {
			t.Error(err)
		}
		for what, err := range map[string]error{"call": called, "connection": <-ended} {
			checkProblem(t, err, refused, fault.Credential)
			if fault.HintOf(err) != "its password" || !strings.Contains(err.Error(), "sign in to the proxy p:3128") {
				t.Errorf("%s: got %v (%s)", what, err, fault.HintOf(err))
			}
		}
	})
}

func TestCallsGoThroughAProxy(t *testing.T) {
	server, network := tlsServer(t, &script{steps: ok})
	proxy := process.StartProxy(t, process.ProxyOptions{User: "azx", Password: "x", Names: map[string]string{testHost + ":443": server}})
	through, err := dial.NewProxy(secret.Literal(proxy.URL()), "none.example")
	if err != nil {
		t.Fatal(err)
	}
	o := options()
	o.Network = network
	o.Network.Dial = (&dial.Dialer{Proxy: through}).DialContext
	c, err := New(o)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	for range 3 {
		if _, err := c.Get(t.Context(), dev1); err != nil {
			t.Error(err)
		}
	}
	if got := proxy.Tunnels(); len(got) != 1 || got[0] != testHost+":443" {
		t.Errorf("tunnels: %v", got)
	}
}
