package iothub

import (
	"context"
	"errors"
	"net/url"
	"strconv"
	"strings"
	"testing"
	"time"

	"azx/internal/fault"
	"azx/internal/secret"
)

// expiry is the time until which the token of a request holds.
func expiry(t *testing.T, r seen) time.Time {
	t.Helper()
	text, _ := strings.CutPrefix(r.header.Get("Authorization"), "SharedAccessSignature ")
	values, err := url.ParseQuery(text)
	if err != nil {
		t.Fatal(err)
	}
	n, err := strconv.ParseInt(values.Get("se"), 10, 64)
	if err != nil {
		t.Fatal(err)
	}
	return time.Unix(n, 0)
}

func TestATokenIsUsedUntilFourFifthsOfItsLife(t *testing.T) {
	scripted(t, ok, nil, func(t *testing.T, c *Client, s *script) {
		for range 100 {
			if _, err := c.Get(t.Context(), dev1); err != nil {
				t.Fatal(err)
			}
			<-time.After(time.Minute)
		}
		tokens := map[string]int{}
		for _, r := range s.requests() {
			tokens[r.header.Get("Authorization")]++
			if left := expiry(t, r).Sub(r.at); left < 12*time.Minute-time.Second || left > time.Hour {
				t.Errorf("a token was used with %s of its life left", left)
			}
		}
		if len(tokens) != 3 {
			t.Errorf("%d tokens in 100 minutes, want 3: one for each 48 minutes", len(tokens))
		}
	})
}

func TestATokenThatIsRefusedIsNotUsedAgain(t *testing.T) {
	scripted(t, []step{{status: 401}, ok[0]}, nil, func(t *testing.T, c *Client, s *script) {
		_, err := c.Get(t.Context(), dev1)
		checkProblem(t, err, errRefused, fault.Credential)
		<-time.After(time.Second)
		if _, err := c.Get(t.Context(), dev1); err != nil {
			t.Fatal(err)
		}
		if r := s.requests(); len(r) != 2 || r[0].header.Get("Authorization") == r[1].header.Get("Authorization") {
			t.Errorf("%d requests, and the same token", len(r))
		}
	})
}

// source is a fake of a source of bearer tokens.
type source struct {
	err   error
	life  time.Duration
	asked int
}

func (s *source) Token(context.Context) (Token, error) {
	s.asked++
	return Token{Text: secret.New("bearer-" + strconv.Itoa(s.asked)), Expires: time.Now().Add(s.life)}, s.err
}

func TestABearerTokenOutlivesAFailureOfItsSource(t *testing.T) {
	src := &source{life: time.Hour}
	change := func(o *Options) { o.Bearer, o.Service.Key = src, secret.Secret{} }
	scripted(t, ok, change, func(t *testing.T, c *Client, s *script) {
		get := func() error { _, err := c.Get(t.Context(), dev1); return err }
		if err := get(); err != nil || s.requests()[0].header.Get("Authorization") != "Bearer bearer-1" {
			t.Fatalf("%v with %q", err, s.requests()[0].header.Get("Authorization"))
		}
		src.err = errors.New("login.example does not answer")
		<-time.After(50 * time.Minute)
		if err := get(); err != nil || src.asked != 2 {
			t.Errorf("within the token's life: %v, asked %d times", err, src.asked)
		}
		if err := get(); err != nil || src.asked != 2 {
			t.Errorf("at once again: %v, asked %d times", err, src.asked)
		}
		<-time.After(10 * time.Minute)
		checkProblem(t, get(), src.err, fault.Credential)
		src.err = &fault.Problem{Op: "ask login.example", Class: fault.Transient, Cause: errors.New("no route")}
		checkProblem(t, get(), src.err, fault.Transient)
		src.err, src.life = nil, -time.Second
		checkProblem(t, get(), nil, fault.Credential)
		if n := len(s.requests()); n != 3 {
			t.Errorf("%d requests", n)
		}
	})
}
