package iothub

import (
	"errors"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"azx/internal/access"
	"azx/internal/fault"
	"azx/internal/secret"
)

// keyring is where the tests' key is.
type keyring struct {
	now atomic.Pointer[access.Service]
}

func newKeyring(key string) *keyring {
	k := &keyring{}
	k.set("service", key)
	return k
}

func (k *keyring) set(policy, key string) {
	k.now.Store(&access.Service{Host: testHost, Policy: policy, Key: secret.New(key)})
}

func (k *keyring) current() (access.Service, error) {
	if s := k.now.Load(); s.Policy != "" {
		return *s, nil
	}
	return access.Service{}, errors.New("the file is not there")
}

const otherKey = "YW5vdGhlciBrZXkgZm9yIHRlc3Rz"

func TestAChangedKeySignsTheNextCall(t *testing.T) {
	k := newKeyring(testKey)
	scripted(t, ok, func(o *Options) { o.Current = k.current }, func(t *testing.T, c *Client, s *script) {
		get := func() string {
			if _, err := c.Get(t.Context(), dev1); err != nil {
				t.Fatal(err)
			}
			all := s.requests()
			return all[len(all)-1].header.Get("Authorization")
		}
		before := get()
		k.set("other", otherKey)
		if get() != before {
			t.Error("a token was made that nobody needed")
		}
		c.Renew()
		after := get()
		if after == before || !strings.HasSuffix(after, "&skn=other") || after == strings.Replace(before, "skn=service", "skn=other", 1) {
			t.Errorf("it is signed with %s", after)
		}
		k.set("", "")
		c.Renew()
		if get() != after {
			t.Error("while there is no key, the old token is not used on")
		}
		k.now.Store(&access.Service{Host: "other.example", Policy: "service", Key: secret.New(otherKey)})
		<-time.After(2 * time.Hour)
		_, err := c.Get(t.Context(), dev1)
		checkProblem(t, err, nil, fault.Credential)
		if !strings.Contains(err.Error(), "the key is for other.example") {
			t.Error(err)
		}
	})
}

func TestAChangedKeyIsTakenOnTheSameConnection(t *testing.T) {
	p, k := &peer{}, newKeyring(testKey)
	connected(t, p, func(o *Options) { o.Current = k.current }, func(t *testing.T, c *Client) {
		if err := c.Send(within(t, time.Minute), hello); err != nil {
			t.Fatal(err)
		}
		k.set("other", otherKey)
		c.Renew()
		synctest.Wait()
		if err := c.Send(within(t, time.Minute), hello); err != nil {
			t.Fatal(err)
		}
		dials, tokens, messages := p.count()
		if dials != 1 || tokens != 2 || messages != 2 || !strings.HasSuffix(p.tokens[1].token, "&skn=other") {
			t.Errorf("%d connections, %d tokens, %d messages", dials, tokens, messages)
		}
	})
}

func TestAConnectionThatRestsAfterARefusedKeyIsMadeAtOnceWithAnother(t *testing.T) {
	k := newKeyring(testKey)
	p := &peer{sign: func(n int) (int32, string) {
		if n == 1 {
			return 401, "the key is wrong"
		}
		return 200, "OK"
	}}
	var ended atomic.Int32
	connected(t, p, func(o *Options) {
		o.Current = k.current
		o.Ended = func(err error) {
			if fault.ClassOf(err) == fault.Credential {
				ended.Add(1)
			}
		}
	}, func(t *testing.T, c *Client) {
		<-time.After(time.Minute)
		if n := ended.Load(); n != 1 {
			t.Errorf("%d refusals were told", n)
		}
		k.set("service", otherKey)
		c.Renew()
		synctest.Wait()
		if err := c.Send(within(t, time.Second), hello); err != nil {
			t.Error(err)
		}
	})
}

func TestARightIsCheckedByAQuestionThatChangesNothing(t *testing.T) {
	for name, test := range map[string]struct {
		step step
		err  error
	}{
		"the hub answers that there is no such device": {step{status: 404, body: `{"Message":"ErrorCode:DeviceNotFound;x"}`}, nil},
		"somebody has the device":                      {step{status: 200, body: "{}"}, nil},
		"the hub lets nobody in":                       {step{status: 401}, errRefused},
		"a Basic hub has no twins":                     {step{status: 403, body: `{"Message":"{\"errorCode\":403010}"}`}, ErrBasicTier},
	} {
		t.Run(name, func(t *testing.T) {
			scripted(t, []step{test.step}, nil, func(t *testing.T, c *Client, s *script) {
				for what, err := range map[string]error{"registry": c.CheckRegistry(t.Context()), "service": c.CheckService(t.Context())} {
					if !errors.Is(err, test.err) || test.err == nil && err != nil {
						t.Errorf("%s: %v", what, err)
					}
				}
				for _, r := range s.requests() {
					if !strings.HasPrefix(r.line, "GET ") {
						t.Errorf("it asked %s", r.line)
					}
				}
			})
		})
	}
}
