package hub

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"strings"

	"github.com/Azure/azure-sdk-for-go/sdk/messaging/azeventhubs/v2"
	"github.com/Azure/go-amqp"

	"azx/internal/amqp10"
	"azx/internal/delivery"
	"azx/internal/fault"
)

var (
	// ErrNoConsumerGroup: the endpoint exists and has no such consumer group. Class Fatal.
	ErrNoConsumerGroup = errors.New("the consumer group does not exist")
	// ErrNotFound: the endpoint has no such event hub any more, as after a failover of the hub: resolve
	// again. Class Transient.
	ErrNotFound = errors.New("the event hub does not exist")
	// ErrStolen: another reader took the partition. Class Transient.
	ErrStolen = delivery.ErrStolen
	// ErrBusy: the hub throttles. Class Transient.
	ErrBusy = errors.New("the hub is busy")
	// ErrOffset: the hub does not know the offset to begin after. Class Transient: begin at the
	// checkpoint's enqueued time instead.
	ErrOffset = delivery.ErrPosition
)

// AMQP conditions of Event Hubs beyond those of the standard (read: azeventhubs' internal/errors.go).
const (
	condGeoOffset amqp.ErrCond = "com.microsoft:georeplication:invalid-offset"
	condArgument  amqp.ErrCond = "com.microsoft:argument-error"
	condBusy      amqp.ErrCond = "com.microsoft:server-busy"
	condRedirect  amqp.ErrCond = amqp.ErrCondLinkRedirect
)

// classify makes a fault.Problem of an error of either AMQP library. Policy is named in the hints. An
// error that says only that ctx ended stays recognisable as that.
func classify(op, policy string, err error) error {
	p := &fault.Problem{Op: op, Class: fault.Transient, Cause: err}
	var known *fault.Problem
	switch {
	case errors.Is(err, context.Canceled):
	case errors.As(err, &known): // there is no connection
		p.Class, p.Hint = known.Class, fault.HintOf(known)
	case errors.Is(err, context.DeadlineExceeded):
		p.Hint = "is the hub reachable from here at port 5671?"
	case isUnauthorized(err):
		p.Class = fault.Credential
		p.Hint = fmt.Sprintf("the policy %q needs the right ServiceConnect, its key must be the hub's current one, and this machine's clock right", policy)
	case fault.IsCertificate(err):
		p.Class = fault.Credential
		p.Hint = fault.CertificateHint(err, "endpoints.amqps", "caFile")
	case isNetwork(err):
		p.Hint = networkHint(err)
	default:
		classifyCondition(p, err)
	}
	return p
}

func classifyCondition(p *fault.Problem, err error) {
	switch condition, description := conditionOf(err); {
	case isStolen(err, condition):
		p.Cause = mark(ErrStolen, err)
		p.Hint = "give every application its own consumer group"
	case condition == amqp.ErrCondNotFound || condition == condRedirect || rpcCode(err) == http.StatusNotFound:
		p.Cause = mark(ErrNotFound, err)
	case condition == condBusy:
		p.Cause = mark(ErrBusy, err)
		p.Hint = "the hub throttles: nothing to do, unless it goes on for long, when it needs more units"
	case condition == condGeoOffset, condition == condArgument && strings.Contains(strings.ToLower(description), "offset"):
		p.Cause = mark(ErrOffset, err)
		p.Hint = "was the hub made anew? it is read on from the time of the checkpoint"
	case condition == amqp.ErrCondResourceLimitExceeded:
		p.Hint = "too many readers of this consumer group; give every application its own"
	}
}

// mark puts one of this package's errors in front of the cause it was told by.
func mark(sentinel, cause error) error { return fmt.Errorf("%w: %w", sentinel, cause) }

// conditionOf returns condition and description of what the hub said. azeventhubs hides the cause of
// its own errors, all but the text; there the condition is cut out of "Condition: x, Description: y".
func conditionOf(err error) (amqp.ErrCond, string) {
	var e *amqp.Error
	if errors.As(err, &e) {
		return e.Condition, e.Description
	}
	var own *amqp10.Error
	if errors.As(err, &own) {
		return amqp.ErrCond(own.Condition), own.Description
	}
	_, rest, found := strings.Cut(err.Error(), "*Error{Condition: ")
	condition, description, ok := strings.Cut(rest, ", Description: ")
	if !found || !ok {
		return "", ""
	}
	return amqp.ErrCond(condition), description
}

func isStolen(err error, condition amqp.ErrCond) bool {
	var e *azeventhubs.Error
	return errors.As(err, &e) && e.Code == azeventhubs.ErrorCodeOwnershipLost || condition == amqp.ErrCondStolen
}

// isUnauthorized also knows the texts of go-amqp for a refused SASL exchange, which has no type.
func isUnauthorized(err error) bool {
	var e *azeventhubs.Error
	if errors.As(err, &e) && e.Code == azeventhubs.ErrorCodeUnauthorizedAccess {
		return true
	}
	condition, _ := conditionOf(err)
	code := rpcCode(err)
	return condition == amqp.ErrCondUnauthorizedAccess ||
		code == http.StatusUnauthorized || code == http.StatusForbidden ||
		strings.Contains(err.Error(), "SASL PLAIN auth failed")
}

// rpcCode is the status of a refused management or token request, 0 for other errors.
func rpcCode(err error) int {
	var e interface{ RPCCode() int }
	if errors.As(err, &e) {
		return e.RPCCode()
	}
	return 0
}

// isNetwork also knows the texts of the net package, since azeventhubs hides the error itself.
func isNetwork(err error) bool {
	if errors.As(err, new(net.Error)) || errors.As(err, new(*fault.Problem)) {
		return true
	}
	text := err.Error()
	return strings.Contains(text, "dial tcp") || strings.Contains(text, "read tcp") || strings.Contains(text, "write tcp")
}

func networkHint(err error) string {
	var dns *net.DNSError
	if errors.As(err, &dns) && dns.IsNotFound {
		return "is HostName spelt right?"
	}
	return "is the hub reachable from here at port 5671?"
}
