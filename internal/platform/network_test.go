package platform

import (
	"context"
	"errors"
	"net"
	"strings"
	"testing"

	"azx/internal/dial"
	"azx/internal/fault"
	"azx/internal/secret"
	"azx/test/process"
)

func TestThePlatformIsReachedThroughAProxyOnly(t *testing.T) {
	s := serve(t, nil)
	address := strings.TrimSuffix(strings.TrimPrefix(s.url, "ws://"), "/Thingworx/WS")
	proxy := process.StartProxy(t, process.ProxyOptions{User: "azx", Password: "canary", Names: map[string]string{"platform.example:8080": address}})
	for name, c := range map[string]struct{ url, says, hint string }{
		"with its password": {proxy.URL(), "", ""},
		"without":           {"http://" + proxy.Address, "asks for credentials", "in proxy of the connector's file"},
		"with another":      {"http://azx:canary2@" + proxy.Address, "does not accept the credentials", "user and password"},
	} {
		t.Run(name, func(t *testing.T) {
			through, err := dial.NewProxy(secret.Literal(c.url), "none.example")
			if err != nil {
				t.Fatal(err)
			}
			link, err := NewLink(LinkConfig{
				URLs: []string{"ws://platform.example:8080/Thingworx/WS"}, AppKey: key("right"), Dial: (&dial.Dialer{Proxy: through}).DialContext,
			})
			if err != nil {
				t.Fatal(err)
			}
			ctx, cancel := context.WithCancel(context.Background())
			ended := make(chan error, 1)
			go func() { ended <- link.Run(ctx) }()
			defer func() { cancel(); <-ended }()
			if c.says == "" {
				if err := link.Wait(t.Context()); err != nil {
					t.Error(err)
				}
				return
			}
			eventually(t, "it says why", func() bool { return fault.HintOf(link.Health().Err) != "" })
			err = link.Health().Err
			if !strings.Contains(err.Error(), "platform.example:8080") || !strings.Contains(err.Error(), "sign in to the proxy "+proxy.Address) ||
				!strings.Contains(err.Error(), c.says) || !strings.Contains(hintOfLink(err), c.hint) || strings.Contains(err.Error()+hintOfLink(err), "canary") {
				t.Errorf("got %v (%s)", err, hintOfLink(err))
			}
		})
	}
}

func TestAHintOfTheWayComesBeforeOthers(t *testing.T) {
	err := error(&fault.Problem{Op: "connect to the proxy", Cause: &net.OpError{Op: "dial", Err: errors.New("refused")}, Hint: "the way"})
	if got := hintOfLink(err); got != "the way" {
		t.Errorf("got %q", got)
	}
}
