package iothub

import (
	"context"
	"encoding/json"
	"net/http"
	"time"

	"azx/internal/fault"
)

const (
	responseDefault = 30 * time.Second
	responseLeast   = 5 * time.Second
	longestWait     = 300 * time.Second
	maxPayload      = 128 << 10        // bytes, each way (read)
	methodSlack     = 10 * time.Second // for the hub itself, beyond both time-outs
)

// Method is a direct method of a device or module.
type Method struct {
	Name    string
	Payload json.RawMessage // nil for none; at most 128 KiB
	// Connect is how long to wait for the device to connect: 0 to 300 s; 0: it must be connected.
	Connect time.Duration
	// Response is how long to wait for the answer: 5 to 300 s; 0: 30 s.
	Response time.Duration
}

// Answer is what the device answered.
type Answer struct {
	Status  int             `json:"status"` // the device's own; 2xx by convention for success
	Payload json.RawMessage `json:"payload"`
}

// Call runs a direct method and waits for its answer. It is never repeated unless it surely did not start.
//
// ErrOffline: the device is not connected. ErrNoAnswer: it did not answer in time, and may have run the method.
// ErrUncertain: the connection to the hub ended meanwhile.
func (c *Client) Call(ctx context.Context, t Target, m Method) (Answer, error) {
	k := call{op: "call " + short(m.Name) + " of " + t.String(), kind: KindMethod, method: http.MethodPost}
	if err := m.check(k.op); err != nil {
		return Answer{}, err
	}
	path, err := t.path(k.op, "/twins/")
	if err != nil {
		return Answer{}, err
	}
	k.path = path + "/methods"
	if k.body, err = encode(k.op, m.wire()); err != nil {
		return Answer{}, err
	}
	k.cost = float64(pieces(len(m.Payload), methodChunk))
	k.within = m.Connect + m.response() + methodSlack
	k.limit = 2 * maxPayload // the envelope, and what JSON escapes
	var answer Answer
	var unreadable error
	k.bill = func(body []byte) int {
		unreadable = decode(k.op, body, &answer)
		return pieces(len(m.Payload), c.chunk) + pieces(len(answer.Payload), c.chunk)
	}
	if _, err := c.do(ctx, k); err != nil {
		return Answer{}, err
	}
	return answer, unreadable
}

func (m Method) check(op string) error {
	switch {
	case m.Name == "":
		return fault.Reject(op, "", "the method has no name")
	case len(m.Payload) > maxPayload:
		return fault.Reject(op, "", "the payload has %d bytes, more than %d", len(m.Payload), maxPayload)
	case len(m.Payload) > 0 && !json.Valid(m.Payload):
		return fault.Reject(op, "quote it if it is text", "the payload is no JSON")
	case m.Connect < 0 || m.Connect > longestWait:
		return fault.Reject(op, "", "the connect time-out of %s is not within 0 and %s", m.Connect, longestWait)
	case m.response() < responseLeast || m.response() > longestWait:
		return fault.Reject(op, "", "the response time-out of %s is not within %s and %s", m.Response, responseLeast, longestWait)
	}
	return nil
}

func (m Method) response() time.Duration {
	if m.Response == 0 {
		return responseDefault
	}
	return m.Response
}

func (m Method) wire() any {
	return struct {
		Name     string          `json:"methodName"`
		Payload  json.RawMessage `json:"payload,omitempty"`
		Response int             `json:"responseTimeoutInSeconds"`
		Connect  int             `json:"connectTimeoutInSeconds"`
	}{m.Name, m.Payload, seconds(m.response()), seconds(m.Connect)}
}

// seconds rounds up.
func seconds(d time.Duration) int { return int((d + time.Second - 1) / time.Second) }
