package iothub

import (
	"errors"
	"fmt"
	"net/http"

	"github.com/Azure/go-amqp"

	"azx/internal/fault"
)

// conditions are the AMQP conditions of the hub by Azure's code or, where there is none, the status that they stand for
// (read: azure-iothub's and azure-iot-amqp-base's errors).
var conditions = map[amqp.ErrCond]int{
	amqp.ErrCondNotFound:              404001,
	amqp.ErrCondUnauthorizedAccess:    401002,
	amqp.ErrCondResourceLimitExceeded: 403004,
	amqp.ErrCondMessageSizeExceeded:   413001,
	amqp.ErrCondPreconditionFailed:    412001,
	amqp.ErrCondNotAllowed:            http.StatusBadRequest,
	amqp.ErrCondNotImplemented:        http.StatusBadRequest,
	amqp.ErrCondInvalidField:          http.StatusBadRequest,
	amqp.ErrCondDecodeError:           http.StatusBadRequest,
	amqp.ErrCondInternalError:         http.StatusInternalServerError,

	"com.microsoft:device-container-throttled": 429001,
	"com.microsoft:quota-exceeded":             403002,
	"com.microsoft:iot-hub-suspended":          403001,
	"com.microsoft:iot-hub-not-found-error":    401001,
	"com.microsoft:device-already-exists":      409001,
	"com.microsoft:precondition-failed":        412001,
	"com.microsoft:message-lock-lost":          412002,
	"com.microsoft:timeout":                    http.StatusServiceUnavailable,
	"com.microsoft:argument-error":             http.StatusBadRequest,
	"com.microsoft:argument-out-of-range":      http.StatusBadRequest,
}

// conditionOf is what the hub itself said in an error of go-amqp; nil if it said nothing.
func conditionOf(err error) *amqp.Error {
	var e *amqp.Error
	if errors.As(err, &e) {
		return e
	}
	return nil
}

// amqpProblem makes a fault.Problem of an error of go-amqp. A code in the description counts more than the condition,
// since one condition stands for several of them.
func (c *Client) amqpProblem(op string, err error) *fault.Problem {
	said := conditionOf(err)
	if said == nil {
		return c.unreached(op, "endpoints.amqps", err)
	}
	r := &Refusal{}
	r.read(said.Description)
	if r.Code == 0 {
		r.Code = conditions[said.Condition]
	}
	r.Status = r.Code
	if r.Code >= 100_000 {
		r.Status = r.Code / 1000
	} else {
		r.Code = 0
	}
	if r.Status == 0 { // a link or connection that the hub ended for reasons of its own
		return &fault.Problem{Op: op, Class: fault.Transient, Cause: fmt.Errorf("%w: %w", errUnavailable, &condition{said.Condition, clean(said.Description)})}
	}
	return c.problem(op, r)
}

// condition is an AMQP error without what may be secret in it.
type condition struct {
	name amqp.ErrCond
	text string
}

func (c *condition) Error() string {
	if c.text == "" {
		return string(c.name)
	}
	return string(c.name) + ": " + c.text
}
