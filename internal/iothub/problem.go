package iothub

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"strconv"
	"strings"
	"unicode/utf8"

	"azx/internal/fault"
)

// What the hub may say to a call. The class of the Problem around is given in brackets.
var (
	ErrNoJob       = errors.New("the hub has no such job")                               // [rejected]
	ErrBusy        = errors.New("the hub runs another export or import")                 // [transient]
	ErrNotFound    = errors.New("the hub has no such device or module")                  // [rejected]
	ErrOffline     = errors.New("the device is not connected")                           // [transient]
	ErrNoAnswer    = errors.New("the device did not answer in time")                     // [transient]
	ErrExists      = errors.New("it exists already")                                     // [rejected]
	ErrChanged     = errors.New("it has changed since it was read")                      // [rejected]
	ErrThrottled   = errors.New("the hub's throttle holds it back")                      // [transient]
	ErrDailyQuota  = errors.New("the hub's messages for today are used up")              // [transient]
	ErrBasicTier   = errors.New("the hub's tier does not offer this")                    // [rejected]
	ErrQueueFull   = errors.New("the device's queue is full")                            // [rejected]
	ErrTooLarge    = errors.New("it is too large for the hub")                           // [rejected]
	ErrUncertain   = errors.New("the hub has not said what became of it")                // [transient]
	errSuspended   = errors.New("the hub is suspended")                                  // [credential]
	errNoSuchHub   = errors.New("there is no such hub")                                  // [credential]
	errRefused     = errors.New("the hub does not accept the credential")                // [credential]
	errUnavailable = errors.New("the hub is not available")                              // [transient]
	errInvalid     = errors.New("the hub finds the request invalid")                     // [rejected]
	errLongAnswer  = errors.New("the hub's answer is longer than what is read of it")    // [rejected]
	errStrange     = errors.New("the hub's answer is none that the connector knows")     // [transient]
	errNoConnected = errors.New("there is no connection to the hub for messages as yet") // [transient]
)

// Refusal is what the hub itself said.
type Refusal struct {
	Status int    // of HTTP, or the one that an AMQP condition stands for
	Code   int    // Azure's six digits, 0 if it gave none
	Text   string // at most 300 characters, without credentials
}

// Error is "404103 Timed out waiting for device to connect.".
func (r *Refusal) Error() string {
	n := r.Status
	if r.Code != 0 {
		n = r.Code
	}
	return strings.TrimSpace(strconv.Itoa(n) + " " + r.Text)
}

// verdict is what one of Azure's codes means here.
type verdict struct {
	code  int // six digits, or a status of HTTP as the last resort
	err   error
	class fault.Class
	hint  string
}

// Hints that the policy is named in have it in place of %s.
const (
	hintPolicy = "the policy %q needs the rights for this, its key must be the hub's current one, and this machine's clock right"
	hintQuota  = "the count begins anew at 00:00 UTC; more units have more messages"
	hintBasic  = "twins, direct methods and cloud-to-device messages need a Standard tier"
	hintSlow   = "other back ends share the hub's throttle; more units raise it"
)

// verdicts has Azure's codes (read: ErrorCode.cs of the C# SDK, common-error-codes).
var verdicts = []verdict{
	{401001, errNoSuchHub, fault.Credential, "is HostName spelt right?"},
	{403001, errSuspended, fault.Credential, "see the hub's page in the Azure portal"},
	{403002, ErrDailyQuota, fault.Transient, hintQuota},
	{403003, ErrBusy, fault.Transient, "wait until it has ended: there is one at a time"},
	{403004, ErrQueueFull, fault.Rejected, "the device has not taken its last 50 messages; purge the queue or wait until they expire"},
	{403010, ErrBasicTier, fault.Rejected, hintBasic},
	{404001, ErrNotFound, fault.Rejected, "is it registered, and spelt the same? ids differ by case"},
	{404002, ErrNoJob, fault.Rejected, "a job is kept for 30 days"},
	{404010, ErrNotFound, fault.Rejected, "is the module registered, and spelt the same? ids differ by case"},
	{404103, ErrOffline, fault.Transient, "wait until the device is connected, or give a time-out for that"},
	{404104, ErrOffline, fault.Transient, "the device hung up during the call"},
	{409001, ErrExists, fault.Rejected, ""},
	{409301, ErrExists, fault.Rejected, ""},
	{412001, ErrChanged, fault.Rejected, "read it again, then change that"},
	{413001, ErrTooLarge, fault.Rejected, ""},
	{504101, ErrNoAnswer, fault.Transient, "it may have done what was asked; give it more time to answer"},

	{http.StatusUnauthorized, errRefused, fault.Credential, hintPolicy},
	{http.StatusForbidden, errRefused, fault.Credential, hintPolicy},
	{http.StatusNotFound, ErrNotFound, fault.Rejected, ""},
	{http.StatusConflict, ErrExists, fault.Rejected, ""},
	{http.StatusPreconditionFailed, ErrChanged, fault.Rejected, "read it again, then change that"},
	{http.StatusRequestEntityTooLarge, ErrTooLarge, fault.Rejected, ""},
	{http.StatusTooManyRequests, ErrThrottled, fault.Transient, hintSlow},
	{http.StatusGatewayTimeout, ErrNoAnswer, fault.Transient, ""},
	{http.StatusInternalServerError, errUnavailable, fault.Transient, ""},
	{http.StatusBadGateway, errUnavailable, fault.Transient, ""},
	{http.StatusServiceUnavailable, errUnavailable, fault.Transient, ""},
}

// results are the words for errors in metrics.
var results = []struct {
	err  error
	word string
}{
	{ErrNoJob, "not_found"}, {ErrBusy, "busy"}, {ErrNotFound, "not_found"}, {ErrOffline, "offline"}, {ErrNoAnswer, "no_answer"}, {ErrExists, "exists"},
	{ErrChanged, "changed"}, {ErrThrottled, "throttled"}, {ErrDailyQuota, "daily_quota"}, {ErrBasicTier, "basic_tier"},
	{ErrQueueFull, "queue_full"}, {ErrTooLarge, "too_large"}, {context.Canceled, "stopped"},
	{context.DeadlineExceeded, "deadline"},
}

// codes are the names under which the hub gives codes in a header or in the text (read).
var codes = map[string]int{
	"IotHubNotFound": 401001, "IotHubUnauthorizedAccess": 401002, "IotHubUnauthorized": 401003,
	"IotHubSuspended": 403001, "IotHubQuotaExceeded": 403002, "JobQuotaExceeded": 403003, "DeviceMaximumQueueDepthExceeded": 403004,
	"OperationNotAllowedInCurrentState": 403010, "OperationNotAllowedInCurrentTier": 403010, // both names are inferred
	"DeviceNotFound": 404001, "JobNotFound": 404002, "ModuleNotFound": 404010,
	"DeviceNotOnline": 404103, "DeviceConnectionClosedRemotely": 404104, "DeviceAlreadyExists": 409001,
	"ModuleAlreadyExistsOnDevice": 409301, "PreconditionFailed": 412001, "MessageTooLarge": 413001,
	"ThrottlingException": 429001, "ThrottleBacklogLimitExceeded": 429002, "ThrottlingBacklogTimeout": 429003,
	"GatewayTimeout": 504101,
}

// problem makes a fault.Problem of what the hub said.
func (c *Client) problem(op string, r *Refusal) *fault.Problem {
	p := &fault.Problem{Op: op, Class: fault.Transient, Cause: fmt.Errorf("%w: %w", errStrange, r)}
	if r.Status >= 400 && r.Status < 500 {
		p.Class, p.Cause = fault.Rejected, fmt.Errorf("%w: %w", errInvalid, r)
	}
	for _, v := range verdicts {
		if v.code == r.Code || v.code == r.Status {
			p.Class, p.Cause, p.Hint = v.class, fmt.Errorf("%w: %w", v.err, r), v.hint
			break // codes come before statuses
		}
	}
	if p.Hint == hintPolicy {
		service, _ := c.options.Current() // without one there would be no answer
		p.Hint = fmt.Sprintf(hintPolicy, service.Policy)
		if service.Policy == "" {
			p.Hint = "the identity needs a role on the hub that allows this: IoT Hub Data Contributor has all, IoT Hub Twin Contributor twins, IoT Hub Data Reader what only reads"
		}
	}
	return p
}

// readRefusal reads the answer to a refused REST call: the code from a number in the text, else from the name in the
// header iothub-errorcode or in the text: {"Message":"ErrorCode:<name>;..."} or {"Message":"{\"errorCode\":404103,...}"} (read).
func readRefusal(status int, header http.Header, body []byte) *Refusal {
	var outer struct{ Message, ExceptionMessage string }
	_ = json.Unmarshal(body, &outer) // what is no JSON has no code
	r := &Refusal{Status: status, Code: codes[header.Get("iothub-errorcode")]}
	r.read(outer.Message)
	if r.Text == "" {
		r.read(outer.ExceptionMessage)
	}
	return r
}

// read takes code and text from a message of the hub.
func (r *Refusal) read(message string) {
	var inner struct {
		ErrorCode json.RawMessage `json:"errorCode"`
		Message   string          `json:"message"`
	}
	name, text := "", message
	switch err := json.Unmarshal([]byte(message), &inner); {
	case err == nil && inner.ErrorCode != nil:
		name, text = strings.Trim(string(inner.ErrorCode), `"`), inner.Message
	case strings.HasPrefix(message, "ErrorCode:"):
		name, text, _ = strings.Cut(strings.TrimPrefix(message, "ErrorCode:"), ";")
	}
	if n, err := strconv.Atoi(name); err == nil && n >= 100_000 && n <= 999_999 {
		r.Code = n
	}
	if r.Code == 0 {
		r.Code = codes[name]
	}
	r.Text = clean(text)
}

const maxText = 300

// clean makes text of the hub fit for an error: short, on one line, and cut before anything like a credential.
func clean(text string) string {
	text = strings.ToValidUTF8(text, "")
	for _, mark := range []string{"SharedAccessSignature", "SharedAccessKey", "Bearer ", "sig="} {
		if before, _, found := strings.Cut(text, mark); found {
			text = before + "..."
		}
	}
	text = strings.Join(strings.Fields(text), " ")
	if len(text) > maxText {
		cut := maxText
		for !utf8.RuneStart(text[cut]) {
			cut--
		}
		text = text[:cut] + "..."
	}
	return text
}

// unreached makes a fault.Problem of a call that got no answer. address is the setting that leads to the endpoint.
func (c *Client) unreached(op, address string, err error) *fault.Problem {
	p := &fault.Problem{Op: op, Class: fault.Transient, Cause: err}
	var known *fault.Problem
	var dns *net.DNSError
	switch {
	case errors.As(err, &known):
		p.Class, p.Hint = known.Class, fault.HintOf(known)
	case errors.Is(err, context.Canceled), errors.Is(err, context.DeadlineExceeded):
	case fault.IsCertificate(err):
		p.Class, p.Hint = fault.Credential, fault.CertificateHint(err, address, "caFile")
	case errors.As(err, &dns) && dns.IsNotFound:
		p.Hint = "is HostName spelt right?"
	case errors.As(err, new(net.Error)):
		p.Hint = "is the hub reachable from here? see " + address
	}
	return p
}
