package platform

import (
	"context"
	"errors"
	"time"

	"azx/alwayson"
	"azx/internal/fault"
)

// caller is what most need of a Socket.
type caller interface {
	// Wait and Call are Socket's.
	Wait(ctx context.Context) error
	Call(ctx context.Context, r alwayson.Request) (alwayson.Response, error)
}

// call sends a request once, without ever repeating it, and says what the answer means. Without an answer the response
// has code 0 and says why.
func call(ctx context.Context, socket caller, r alwayson.Request, timeout time.Duration) (alwayson.Response, verdict) {
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	resp, err := socket.Call(ctx, r)
	if err != nil {
		return alwayson.Response{Reason: err.Error()}, judgeError(err)
	}
	return resp, judge(resp.Code)
}

// failure is the error of a request that was sent once.
func failure(op string, r alwayson.Response, v verdict) error {
	p := &fault.Problem{Op: op, Cause: r.Err()}
	if r.Code == 0 {
		p.Cause = errors.New(r.Reason)
	}
	switch v {
	case rejected:
		p.Class, p.Hint = fault.Rejected, hintOf(r.Code)
	case badCredential:
		p.Class, p.Hint = fault.Credential, "check the application key, and that its user may call services of the Thing"
	case noReply:
		p.Cause, p.Hint = context.DeadlineExceeded, hintOf(0)
	}
	return p
}
