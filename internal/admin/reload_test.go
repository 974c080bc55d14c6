package admin

import (
	"context"
	"errors"
	"io"
	"net/http"
	"testing"
)

func TestOnlyAzxReloadCanAskForAReload(t *testing.T) {
	reloads, fails := 0, false
	s := serve(t, Options{Reload: func(context.Context) (any, error) {
		reloads++
		if fails {
			return nil, errors.New("not now")
		}
		return map[string]string{"connector": "azx-1"}, nil
	}})
	for _, c := range []struct {
		name, method, host string
		header             map[string]string
		fails              bool
		code               int
		body               string
	}{
		{"azx reload", "POST", "localhost", map[string]string{"X-Azx": "reload"}, false, 200, "{\"connector\":\"azx-1\"}\n"},
		{"a connector that cannot now", "POST", "localhost", map[string]string{"X-Azx": "reload"}, true, 503, "not now\n"},
		{"a form of any page", "POST", "localhost", nil, false, 403, "ask with: azx reload\n"},
		{"a page of elsewhere", "POST", "localhost", map[string]string{"X-Azx": "reload", "Origin": "http://evil.example.com"}, false, 403, "ask with: azx reload\n"},
		{"a name of elsewhere", "POST", "evil.example.com", map[string]string{"X-Azx": "reload"}, false, 403, "the Host header must be a loopback address or localhost\n"},
		{"a look", "GET", "localhost", map[string]string{"X-Azx": "reload"}, false, 405, "Method Not Allowed\n"},
	} {
		t.Run(c.name, func(t *testing.T) {
			before := reloads
			fails = c.fails
			request, err := http.NewRequestWithContext(t.Context(), c.method, "http://"+s.Addr()+"/reload", http.NoBody)
			if err != nil {
				t.Fatal(err)
			}
			request.Host, request.Close = c.host, true
			for name, value := range c.header {
				request.Header.Set(name, value)
			}
			answer, err := http.DefaultClient.Do(request)
			if err != nil {
				t.Fatal(err)
			}
			defer answer.Body.Close()
			body, err := io.ReadAll(answer.Body)
			if err != nil || answer.StatusCode != c.code || string(body) != c.body {
				t.Errorf("got %d %q, %v; want %d %q", answer.StatusCode, body, err, c.code, c.body)
			}
			if asked := reloads > before; asked != (c.code == 200 || c.code == 503) {
				t.Errorf("it was asked: %v", asked)
			}
		})
	}
}

func TestWithoutAFileThereIsNoReload(t *testing.T) {
	if code, _ := ask(t, serve(t, Options{}), "POST", "/reload", "localhost"); code != http.StatusNotFound {
		t.Errorf("got %d", code)
	}
}
