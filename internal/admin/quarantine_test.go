package admin

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"azx/internal/fault"
)

// fakeDesk says what it was asked for.
type fakeDesk struct{}

func (fakeDesk) List(_ context.Context, q url.Values) (any, error) { return "list " + q.Encode(), nil }
func (fakeDesk) Replay(context.Context, url.Values) (any, error) {
	return nil, fault.Reject("replay", "name a record", "nothing is selected")
}
func (fakeDesk) Drop(_ context.Context, q url.Values) (any, error) { return "drop " + q.Encode(), nil }
func (fakeDesk) Resume(context.Context, url.Values) (any, error) {
	return nil, errors.New("the connector is starting")
}

func TestTheQuarantineIsForWhoHasTheKeyAndActsWantAHeader(t *testing.T) {
	s := serve(t, Options{Quarantine: fakeDesk{}, TailKey: "canary"})
	for name, c := range map[string]struct {
		method, path, key string
		headers           []string
		status            int
		body              string
	}{
		"a list":                 {"GET", "?reason=x", "canary", nil, 200, `"list reason=x"`},
		"a list with no key":     {"GET", "", "", nil, 401, "admin.json"},
		"an act":                 {"POST", "/drop?id=1", "canary", []string{"X-Azx", "quarantine"}, 200, `"drop id=1"`},
		"an act with no key":     {"POST", "/drop?id=1", "guess", []string{"X-Azx", "quarantine"}, 401, "admin.json"},
		"an act with no header":  {"POST", "/drop?id=1", "canary", nil, 403, "azx quarantine"},
		"an act from a page":     {"POST", "/drop?id=1", "canary", []string{"X-Azx", "quarantine", "Origin", "http://x"}, 403, "azx quarantine"},
		"an act by GET":          {"GET", "/drop?id=1", "canary", []string{"X-Azx", "quarantine"}, 405, ""},
		"a wrong selection":      {"POST", "/replay", "canary", []string{"X-Azx", "quarantine"}, 400, "nothing is selected\nname a record"},
		"a connector that can't": {"POST", "/resume", "canary", []string{"X-Azx", "quarantine"}, 503, "starting"},
	} {
		r, err := http.NewRequestWithContext(t.Context(), c.method, "http://"+s.Addr()+"/quarantine"+c.path, http.NoBody)
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set("Authorization", "Bearer "+c.key)
		for i := 0; i < len(c.headers); i += 2 {
			r.Header.Set(c.headers[i], c.headers[i+1])
		}
		r.Close = true
		answer, err := http.DefaultClient.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		body, _ := io.ReadAll(answer.Body)
		_ = answer.Body.Close()
		if answer.StatusCode != c.status || !strings.Contains(string(body), c.body) {
			t.Errorf("%s: %d %s", name, answer.StatusCode, body)
		}
	}
}
