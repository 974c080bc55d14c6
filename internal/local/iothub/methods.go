package iothub

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"strings"
	"time"
	"unicode"
)

// Bounds of direct methods (read).
const (
	// MaxMethodPayload is the largest payload of a method, and of its answer, in bytes.
	MaxMethodPayload = 128 << 10
	// minResponseTimeout and maxResponseTimeout bound the time a caller may give the device.
	minResponseTimeout = 5 * time.Second
	maxResponseTimeout = 300 * time.Second
	// defaultResponseTimeout is used when the caller says nothing.
	defaultResponseTimeout = 30 * time.Second
	// maxMethodName bounds a name (inferred).
	maxMethodName = 100
)

// MethodCall is a direct method that a back end calls.
type MethodCall struct {
	Name string
	// Payload is a JSON value; empty is null.
	Payload json.RawMessage
	// ResponseTimeout is how long the device may take: 5 to 300 s; 0 is 30 s.
	ResponseTimeout time.Duration
	// ConnectTimeout is how long to wait for a device that is not there: 0 to 300 s.
	ConnectTimeout time.Duration
}

// MethodResult is the device's answer.
type MethodResult struct {
	// Status is what the device says, by convention like HTTP.
	Status int
	// Payload is a JSON value.
	Payload json.RawMessage
}

// MethodRequest is a call as the device gets it.
type MethodRequest struct {
	// RequestID is to be handed back with the answer: a UUID of version 4 as text, since the AMQP device client wants a
	// valid one (tried).
	RequestID string
	Name      string
	Payload   []byte
}

// Invoke calls a method of a device or module and waits for the answer. Errors: DeviceNotFound, ArgumentInvalid,
// MessageTooLarge, DeviceNotOnline (nobody takes methods within the connect time-out), GatewayTimeout (no answer within
// the response time-out), DeviceClosed (the connection ended meanwhile), ServerError (an answer that is not JSON), those
// of Admit, and that of ctx.
func (h *Hub) Invoke(ctx context.Context, id ID, call MethodCall) (MethodResult, error) {
	if err := call.Check(); err != nil {
		return MethodResult{}, err
	}
	if err := h.Admit(OpMethod, len(call.Payload)); err != nil {
		return MethodResult{}, err
	}
	if _, err := h.registry.Get(id); err != nil {
		return MethodResult{}, fmt.Errorf("call method: %w", err)
	}
	s, feed, err := h.awaitListener(ctx, id, call.ConnectTimeout)
	if err != nil {
		return MethodResult{}, err
	}
	return s.invoke(ctx, feed, call)
}

// Check gives what is not said its default. Errors: ArgumentInvalid, MessageTooLarge.
func (c *MethodCall) Check() error {
	if c.ResponseTimeout == 0 {
		c.ResponseTimeout = defaultResponseTimeout
	}
	switch {
	case c.Name == "" || len(c.Name) > maxMethodName || strings.ContainsAny(c.Name, "/#+?") || strings.ContainsFunc(c.Name, unicode.IsControl):
		return refusal(ArgumentInvalid, "method name %q: want 1 to %d characters, none of them / # + ? or a control character", c.Name, maxMethodName)
	case c.ResponseTimeout < minResponseTimeout || c.ResponseTimeout > maxResponseTimeout:
		return refusal(ArgumentInvalid, "response time-out of %s: want %s to %s", c.ResponseTimeout, minResponseTimeout, maxResponseTimeout)
	case c.ConnectTimeout < 0 || c.ConnectTimeout > maxResponseTimeout:
		return refusal(ArgumentInvalid, "connect time-out of %s: want 0 to %s", c.ConnectTimeout, maxResponseTimeout)
	case len(c.Payload) > MaxMethodPayload:
		return refusal(MessageTooLarge, "method payload of %d bytes: at most %d", len(c.Payload), MaxMethodPayload)
	case len(c.Payload) == 0:
		c.Payload = json.RawMessage("null")
	case !json.Valid(c.Payload):
		return refusal(ArgumentInvalid, "the payload is not JSON")
	}
	return nil
}

// awaitListener waits until the device takes methods.
func (h *Hub) awaitListener(ctx context.Context, id ID, patience time.Duration) (*Session, *Feed[MethodRequest], error) {
	timer := time.NewTimer(patience)
	defer timer.Stop()
	for {
		s, feed, ready := h.presence.listener(id)
		if feed != nil {
			return s, feed, nil
		}
		select {
		case <-ready:
			continue
		case <-timer.C:
		case <-ctx.Done():
			return nil, nil, ctx.Err()
		}
		if s != nil {
			return nil, nil, refusal(DeviceNotOnline, "device %q is connected and does not take methods", id)
		}
		return nil, nil, refusal(DeviceNotOnline, "device %q is not online", id)
	}
}

func (p *presence) listener(id ID) (*Session, *Feed[MethodRequest], <-chan struct{}) {
	p.mu.Lock()
	s, ready := p.sessions[id], p.ready
	p.mu.Unlock()
	if s == nil {
		return nil, nil, ready
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	return s, s.methods, ready
}

func (s *Session) invoke(ctx context.Context, feed *Feed[MethodRequest], call MethodCall) (MethodResult, error) {
	id := newUUID()
	answer := make(chan MethodResult, 1)
	s.mu.Lock()
	s.calls[id] = answer
	s.mu.Unlock()
	defer s.endCall(id)
	timer := time.NewTimer(call.ResponseTimeout)
	defer timer.Stop()
	if err := feed.put(MethodRequest{id, call.Name, call.Payload}); err != nil {
		return MethodResult{}, refusal(DeviceNotOnline, "device %q takes no more methods: %v", s.identity.ID, err)
	}
	select {
	case result := <-answer:
		return result.checked()
	case <-s.done:
	case <-timer.C:
		return MethodResult{}, refusal(GatewayTimeout, "device %q did not answer the method within %s", s.identity.ID, call.ResponseTimeout)
	case <-ctx.Done():
		return MethodResult{}, ctx.Err()
	}
	select {
	case result := <-answer: // and then it went
		return result.checked()
	default:
		return MethodResult{}, refusal(DeviceClosed, "device %q closed its connection before it answered", s.identity.ID)
	}
}

func (r MethodResult) checked() (MethodResult, error) {
	switch {
	case len(r.Payload) > MaxMethodPayload:
		return MethodResult{}, refusal(MessageTooLarge, "the device's answer has %d bytes: at most %d", len(r.Payload), MaxMethodPayload)
	case len(r.Payload) == 0:
		r.Payload = json.RawMessage("null")
	case !json.Valid(r.Payload):
		return MethodResult{}, refusal(ServerError, "the device's answer is not JSON")
	}
	return r, nil
}

func (s *Session) endCall(id string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.calls, id)
}

// ServeMethods says that the device takes methods from now on. The feed before it is closed. Each request is to be
// answered with AnswerMethod; closing the feed ends the taking.
func (s *Session) ServeMethods() *Feed[MethodRequest] {
	var feed *Feed[MethodRequest]
	feed = newFeed[MethodRequest](func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		if s.methods == feed {
			s.methods = nil
		}
	})
	s.mu.Lock()
	older, left := s.methods, s.left
	s.methods = feed
	s.mu.Unlock()
	if older != nil {
		older.Close()
	}
	if left {
		feed.Close()
	}
	p := s.hub.presence
	p.mu.Lock()
	defer p.mu.Unlock()
	close(p.ready)
	p.ready = make(chan struct{})
	return feed
}

// AnswerMethod hands the device's answer to the caller. It is false when nobody waits for it: it came late, twice, or
// from another connection.
func (s *Session) AnswerMethod(requestID string, status int, payload []byte) bool {
	s.mu.Lock()
	answer, waits := s.calls[requestID]
	delete(s.calls, requestID)
	s.mu.Unlock()
	if waits {
		answer <- MethodResult{status, payload}
		s.hub.touch(s.identity.ID, false)
	}
	return waits
}

// newUUID makes a random UUID, version 4.
func newUUID() string {
	var b [16]byte
	_, _ = rand.Read(b[:])
	b[6], b[8] = b[6]&0x0f|0x40, b[8]&0x3f|0x80
	return fmt.Sprintf("%x-%x-%x-%x-%x", b[:4], b[4:6], b[6:8], b[8:10], b[10:])
}
