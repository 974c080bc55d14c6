package iothub

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"net/http/httptrace"
	"net/url"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"azx/internal/fault"
)

const (
	tries        = 4
	pauseMin     = 500 * time.Millisecond
	pauseMax     = 10 * time.Second
	pauseLongest = 2 * time.Minute // that a hub may ask for with Retry-After
	callWithin   = 30 * time.Second
	answerLimit  = 1 << 20  // bytes
	pageLimit    = 32 << 20 // bytes of a page of a query: 100 of the largest twins have 12 MiB with their metadata
)

// call is one REST call.
type call struct {
	op      string // for errors
	kind    Kind
	method  string
	path    string     // escaped
	body    []byte     // JSON; nil for none
	query   url.Values // beside the version; nil for none
	headers map[string]string
	etag    string // of If-Match; "" leaves the header out

	// repeatable says that the outcome is the same if the hub does it twice. Any other call is repeated only if it
	// surely did not start.
	repeatable bool

	cost   float64       // tokens of its bucket; 0 is 1
	within time.Duration // for each try; 0 is 30 s
	limit  int           // bytes of the answer; 0 is 1 MiB

	bill    func(answer []byte) int              // messages that the hub bills for it; nil: none
	accepts func(status int, answer []byte) bool // statuses besides 2xx that are no refusal; nil: none
}

// reply is the answer to a call that the hub accepted.
type reply struct {
	header http.Header
	body   []byte
}

// attempt is how one try of a call ended, if not well.
type attempt struct {
	problem *fault.Problem
	started bool          // the hub may have begun with it
	passing bool          // it is worth another try
	after   time.Duration // what the hub asked for; 0 if nothing
}

// do makes a call, repeats it if that may help, and counts it.
func (c *Client) do(ctx context.Context, k call) (reply, error) {
	start := time.Now()
	answer, waited, err := c.repeat(ctx, k)
	usage := Usage{Kind: k.kind, Result: resultOf(err), Waited: waited}
	if err == nil && k.bill != nil {
		usage.Messages = k.bill(answer.body)
	}
	usage.Took = time.Since(start)
	c.options.Meter.Used(usage)
	return answer, err
}

func (c *Client) repeat(ctx context.Context, k call) (answer reply, waited time.Duration, err error) {
	if err := c.refusals.check(k.op, k.kind); err != nil {
		return reply{}, 0, err
	}
	pause := fault.Backoff{Min: pauseMin, Max: pauseMax}
	for try := 1; ; try++ {
		d, err := c.buckets[k.kind].wait(ctx, max(1, k.cost))
		waited += d
		if err != nil {
			return reply{}, waited, &fault.Problem{Op: k.op, Class: fault.Transient, Cause: err, Hint: hintOfWait(err)}
		}
		answer, failed := c.once(ctx, k)
		if failed == nil {
			c.refusals.learn(k.kind, nil)
			return answer, waited, nil
		}
		c.refusals.learn(k.kind, failed.problem)
		if try == tries || !failed.passing || failed.started && !k.repeatable || ctx.Err() != nil {
			return reply{}, waited, failed.problem
		}
		if !c.pause(ctx, k.kind, failed, pause.Next()) {
			return reply{}, waited, failed.problem
		}
	}
}

func hintOfWait(err error) string {
	if errors.Is(err, ErrThrottled) {
		return hintSlow
	}
	return ""
}

// pause waits until the next try, if that is before ctx's deadline. A throttled kind of call is held back as a whole.
func (c *Client) pause(ctx context.Context, kind Kind, failed *attempt, d time.Duration) bool {
	if failed.after > 0 {
		d = failed.after + rand.N(failed.after/10+1) // not all at the same moment
	}
	if deadline, ok := ctx.Deadline(); d > pauseLongest || ok && time.Until(deadline) < d {
		return false
	}
	if errors.Is(failed.problem, ErrThrottled) {
		c.buckets[kind].hold(d)
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}

// once tries a call.
func (c *Client) once(parent context.Context, k call) (reply, *attempt) {
	within := k.within
	if within == 0 {
		within = callWithin
	}
	ctx, cancel := context.WithTimeout(parent, within)
	defer cancel()
	token, _, err := c.credential.token(ctx)
	if err != nil {
		return reply{}, &attempt{problem: c.unreached(k.op, "the source of tokens", err)}
	}
	var started atomic.Bool
	trace := &httptrace.ClientTrace{GotConn: func(httptrace.GotConnInfo) { started.Store(true) }}
	request, err := http.NewRequestWithContext(httptrace.WithClientTrace(ctx, trace), k.method, c.url(k.path, k.query), bytes.NewReader(k.body))
	if err != nil {
		return reply{}, &attempt{problem: &fault.Problem{Op: k.op, Class: fault.Rejected, Cause: err}}
	}
	k.describe(request)
	request.Header.Set("Authorization", token.Reveal())
	response, err := c.http.Do(request)
	if err != nil {
		return reply{}, c.interrupted(parent, k, err, started.Load())
	}
	defer response.Body.Close()
	body, err := k.read(response)
	if errors.Is(err, errLongAnswer) {
		return reply{}, &attempt{problem: &fault.Problem{Op: k.op, Class: fault.Rejected, Cause: err}}
	}
	if err != nil {
		return reply{}, c.interrupted(parent, k, err, true)
	}
	if response.StatusCode/100 == 2 || k.accepts != nil && k.accepts(response.StatusCode, body) {
		return reply{header: response.Header, body: body}, nil
	}
	if response.StatusCode == http.StatusUnauthorized {
		c.credential.forget(token)
	}
	return reply{}, c.refused(k, response, body)
}

// url is the address of a call. No path has a query of its own.
func (c *Client) url(path string, query url.Values) string {
	address := "https://" + c.host + path + "?api-version=" + apiVersion
	if len(query) == 0 {
		return address
	}
	return address + "&" + query.Encode()
}

// describe sets the headers of a request.
func (k call) describe(request *http.Request) {
	request.Header.Set("Accept", "application/json")
	request.Header.Set("User-Agent", "azx")
	if k.body != nil {
		request.Header.Set("Content-Type", "application/json; charset=utf-8")
	}
	if k.etag != "" {
		request.Header.Set("If-Match", k.etag)
	}
	for name, value := range k.headers {
		request.Header.Set(name, value)
	}
}

// read takes the body of an answer, up to the limit of the call.
func (k call) read(response *http.Response) ([]byte, error) {
	limit := k.limit
	if limit == 0 {
		limit = answerLimit
	}
	tooLong := fmt.Errorf("%w: more than %d bytes", errLongAnswer, limit)
	if response.ContentLength > int64(limit) {
		return nil, tooLong
	}
	body, err := io.ReadAll(io.LimitReader(response.Body, int64(limit)+1))
	if len(body) > limit {
		return nil, tooLong
	}
	return body, err
}

// interrupted is a try that got no whole answer.
func (c *Client) interrupted(parent context.Context, k call, err error, started bool) *attempt {
	var wrapped *url.Error
	if errors.As(err, &wrapped) {
		err = wrapped.Err // the operation says better what was asked for than the URL
	}
	if parent.Err() != nil {
		err = parent.Err()
	}
	p := c.unreached(k.op, "endpoints.https", err)
	if started && !k.repeatable && p.Class == fault.Transient {
		p.Cause = fmt.Errorf("%w: %w", ErrUncertain, p.Cause)
	}
	return &attempt{problem: p, started: started, passing: p.Class == fault.Transient}
}

// refused is a try that the hub answered with an error.
func (c *Client) refused(k call, response *http.Response, body []byte) *attempt {
	a := &attempt{problem: c.problem(k.op, readRefusal(response.StatusCode, response.Header, body)), started: true}
	switch response.StatusCode {
	case http.StatusTooManyRequests:
		a.passing, a.started = true, false
	case http.StatusInternalServerError, http.StatusServiceUnavailable, http.StatusGatewayTimeout:
		a.passing = true
	}
	a.after = retryAfter(response.Header.Get("Retry-After"), time.Now())
	return a
}

// retryAfter reads the header of that name: seconds, or a time (RFC 9110, 10.2.3). 0 for anything else.
func retryAfter(text string, now time.Time) time.Duration {
	if n, err := strconv.ParseUint(text, 10, 31); err == nil {
		return time.Duration(n) * time.Second
	}
	if at, err := http.ParseTime(text); err == nil {
		return max(0, at.Sub(now))
	}
	return 0
}

// encode makes the body of a call.
func encode(op string, value any) ([]byte, error) {
	body, err := json.Marshal(value)
	if err != nil {
		return nil, &fault.Problem{Op: op, Class: fault.Rejected, Cause: err}
	}
	return body, nil
}

// decode reads the body of an answer.
func decode(op string, body []byte, into any) error {
	if err := json.Unmarshal(body, into); err != nil {
		return &fault.Problem{Op: op, Class: fault.Transient, Cause: fmt.Errorf("%w: %w", errStrange, err)}
	}
	return nil
}

// quoted is an etag as If-Match has it, also one that comes with its quotes (read: azure-iothub's registry.js).
func quoted(etag string) string { return `"` + strings.Trim(etag, `"`) + `"` }

// matchOrAny is the If-Match for an etag; without one, anything that is there matches.
func matchOrAny(etag string) string {
	if etag == "" {
		return `"*"`
	}
	return quoted(etag)
}
