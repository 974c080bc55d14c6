package iothub

import (
	"context"
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// online connects a device for the length of the test.
func online(t *testing.T, h *Hub, identity Identity) *Session {
	t.Helper()
	s, err := h.Enter(principalOf(identity), func(error) {})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Leave)
	return s
}

func TestMethodCallsAreChecked(t *testing.T) {
	h := newHub(t, Config{})
	d := mustAdd(t, h, ID{Device: "d1"})
	for name, c := range map[string]struct {
		call MethodCall
		want Code
	}{
		"without a name":                    {MethodCall{}, ArgumentInvalid},
		"with a name that is a path":        {MethodCall{Name: "a/b"}, ArgumentInvalid},
		"with a payload that is no JSON":    {MethodCall{Name: "m", Payload: json.RawMessage("x")}, ArgumentInvalid},
		"with a payload over 128 KB":        {MethodCall{Name: "m", Payload: json.RawMessage(`"` + strings.Repeat("x", MaxMethodPayload) + `"`)}, MessageTooLarge},
		"with a response time-out of 4 s":   {MethodCall{Name: "m", ResponseTimeout: 4 * time.Second}, ArgumentInvalid},
		"with a response time-out of 301 s": {MethodCall{Name: "m", ResponseTimeout: 301 * time.Second}, ArgumentInvalid},
		"with a connect time-out of 301 s":  {MethodCall{Name: "m", ConnectTimeout: 301 * time.Second}, ArgumentInvalid},
		"of a device that is not there":     {MethodCall{Name: "m"}, DeviceNotOnline},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := h.Invoke(t.Context(), d.ID, c.call)
			wantCode(t, err, c.want)
		})
	}
	_, err := h.Invoke(t.Context(), ID{Device: "no"}, MethodCall{Name: "m"})
	wantCode(t, err, DeviceNotFound)
	online(t, h, d)
	_, err = h.Invoke(t.Context(), d.ID, MethodCall{Name: "m"})
	wantCode(t, err, DeviceNotOnline)
}

func TestTheResponseTimeOutOfAMethod(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHub(t, Config{Clock: time.Now})
		s := online(t, h, mustAdd(t, h, ID{Device: "d1"}))
		feed := s.ServeMethods()
		start := time.Now()
		_, err := h.Invoke(t.Context(), s.ID(), MethodCall{Name: "m", ResponseTimeout: 7 * time.Second})
		wantCode(t, err, GatewayTimeout)
		if took := time.Since(start); took != 7*time.Second {
			t.Errorf("it took %s", took)
		}
		late, err := feed.Next(t.Context())
		if err != nil || s.AnswerMethod(late.RequestID, 200, nil) {
			t.Errorf("an answer after the deadline found somebody, %v", err)
		}
	})
}

func TestTheConnectTimeOutOfAMethod(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHub(t, Config{Clock: time.Now})
		d := mustAdd(t, h, ID{Device: "d1"})
		call := MethodCall{Name: "m", ConnectTimeout: 20 * time.Second}
		start := time.Now()
		_, err := h.Invoke(t.Context(), d.ID, call)
		wantCode(t, err, DeviceNotOnline)
		if took := time.Since(start); took != 20*time.Second {
			t.Errorf("it took %s", took)
		}
		go func() {
			<-time.After(10 * time.Second)
			s := online(t, h, d)
			<-time.After(5 * time.Second)
			request, err := s.ServeMethods().Next(t.Context())
			if err != nil || !s.AnswerMethod(request.RequestID, 200, []byte("1")) || s.AnswerMethod(request.RequestID, 200, []byte("2")) {
				t.Errorf("a request is answered once, %v", err)
			}
		}()
		result, err := h.Invoke(t.Context(), d.ID, call)
		if err != nil || string(result.Payload) != "1" {
			t.Errorf("a device that came in time: %+v, %v", result, err)
		}
	})
}

func TestTheAnswerOfAMethod(t *testing.T) {
	for name, c := range map[string]struct {
		payload string
		want    Code // 0: good
	}{
		"is JSON":        {`{"a":1}`, 0},
		"is empty":       {"", 0},
		"is no JSON":     {"{", ServerError},
		"is over 128 KB": {`"` + strings.Repeat("x", MaxMethodPayload) + `"`, MessageTooLarge},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				h := newHub(t, Config{Clock: time.Now})
				s := online(t, h, mustAdd(t, h, ID{Device: "d1"}))
				feed := s.ServeMethods()
				go func() {
					if request, err := feed.Next(t.Context()); err == nil {
						s.AnswerMethod(request.RequestID, 404, []byte(c.payload))
					}
				}()
				result, err := h.Invoke(t.Context(), s.ID(), MethodCall{Name: "m"})
				if c.want != 0 {
					wantCode(t, err, c.want)
				} else if err != nil || result.Status != 404 || !json.Valid(result.Payload) {
					t.Errorf("got %+v, %v", result, err)
				}
			})
		})
	}
}

func TestAMethodEndsWithTheConnectionOrItsCaller(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHub(t, Config{Clock: time.Now})
		s := online(t, h, mustAdd(t, h, ID{Device: "d1"}))
		s.ServeMethods()
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if _, err := h.Invoke(ctx, s.ID(), MethodCall{Name: "m"}); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("a caller that went: %v", err)
		}
		time.AfterFunc(time.Second, s.Leave)
		_, err := h.Invoke(t.Context(), s.ID(), MethodCall{Name: "m"})
		wantCode(t, err, DeviceClosed)
	})
}

func TestTheNewerConnectionIsTheOne(t *testing.T) {
	h := newHub(t, Config{})
	d := mustAdd(t, h, ID{Device: "d1"})
	var kicked error
	older, err := h.Enter(principalOf(d), func(reason error) { kicked = reason })
	if err != nil {
		t.Fatal(err)
	}
	newer := online(t, h, d)
	wantCode(t, kicked, ConnectionReplaced)
	feed := newer.WatchDesired()
	older.Leave()
	if !h.Presence(d.ID).Connected {
		t.Error("the end of the older connection ended the newer")
	}
	if _, err := h.PatchTwin(d.ID, "", TwinUpdate{Desired: map[string]any{"a": "b"}}); err != nil {
		t.Fatal(err)
	}
	if _, err := feed.Next(t.Context()); err != nil {
		t.Error(err)
	}
	newer.Leave()
	if _, err := feed.Next(t.Context()); !errors.Is(err, ErrFeedClosed) || h.Presence(d.ID).Connected {
		t.Errorf("after the end: %v, %+v", err, h.Presence(d.ID))
	}
}

func TestADeviceThatDoesNotReadIsDisconnected(t *testing.T) {
	h := newHub(t, Config{})
	d := mustAdd(t, h, ID{Device: "d1"})
	var kicked error
	s, err := h.Enter(principalOf(d), func(reason error) { kicked = reason })
	if err != nil {
		t.Fatal(err)
	}
	defer s.Leave()
	s.WatchDesired()
	for range feedLimit {
		h.presence.tellDesired(d.ID, DesiredChange{})
	}
	if kicked != nil {
		t.Fatalf("it is disconnected at once: %v", kicked)
	}
	h.presence.tellDesired(d.ID, DesiredChange{})
	if !errors.Is(kicked, errFeedFull) {
		t.Errorf("got %v", kicked)
	}
}
