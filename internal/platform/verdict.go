package platform

import (
	"context"
	"errors"
	"time"

	"azx/alwayson"
	"azx/alwayson/infotable"
)

// verdict is what the platform's answer to a request, or the lack of one, means for the request.
type verdict uint8

const (
	// accepted: carried out.
	accepted verdict = iota
	// rejected: the same request would fail again.
	rejected
	// unavailable: the platform answers that it, or what it needs, is not able to right now.
	unavailable
	// doubtful: a server error that blames nobody. It is tried again a few times; if others succeed
	// meanwhile it was the request's fault after all.
	doubtful
	// noReply: the time for an answer is over; the request may still be carried out.
	noReply
	// badCredential: the platform does not accept the connector's credential.
	badCredential
	// disconnected: there is no connection, or it ended without an answer.
	disconnected
	// unwanted: nobody wants it carried out any more. It was not sent, or not again.
	unwanted
)

// String names the verdict as metrics do.
func (v verdict) String() string {
	return [...]string{"accepted", "rejected", "unavailable", "server-error", "no-reply", "credential", "disconnected", "unwanted"}[v]
}

// judge is the one place that says what a reply code means. That 80, 83, 84 and 8D are the request's fault
// and that 81 is the credential's is inferred from the codes' names; how a real platform uses A0 is unknown.
func judge(code alwayson.Code) verdict {
	switch {
	case code.IsSuccess():
		return accepted
	case code == alwayson.Unauthorized:
		return badCredential
	case code == alwayson.InternalServerError:
		return doubtful
	case code.IsCallerFault():
		return rejected
	}
	return unavailable
}

// judgeError says what it means that a request got no answer that can be read.
func judgeError(err error) verdict {
	switch {
	case errors.Is(err, context.DeadlineExceeded):
		return noReply
	case alwayson.IsCredentialRefused(err):
		return badCredential
	case errors.Is(err, alwayson.ErrNotConnected), errors.Is(err, alwayson.ErrClosed):
		return disconnected
	}
	for _, cause := range [...]error{alwayson.ErrTooLarge, infotable.ErrLimit, infotable.ErrMalformed, infotable.ErrTruncated, infotable.ErrUnsupportedType} {
		if errors.Is(err, cause) {
			return rejected
		}
	}
	return disconnected
}

const (
	doubtfulTries = 3                // server errors before the request is taken to be at fault
	silentTries   = 3                // time-outs before the Thing is taken to be stuck
	unableTries   = 5                // "unavailable" before that,
	unableFor     = 45 * time.Second // and for how long: a Thing may be restarting
)

// patience counts the failures of one request that may turn out to be its own fault: only those since the last of
// which requests of other lanes succeeded. Else the platform itself is in trouble, and no Thing is to blame.
type patience struct {
	probe                     bool // one failure is enough
	doubts, silences, excuses int
	unable                    time.Time // of the first "unavailable"
	seen                      int64     // requests of all lanes that had succeeded at the last failure, or the start
}

// exhausted counts the verdict and reports whether it is the request that is at fault.
func (p *patience) exhausted(v verdict, successes int64) bool {
	others := successes > p.seen
	p.seen = successes
	if v == unavailable && p.unable.IsZero() {
		p.unable = time.Now()
	}
	if !others {
		return false
	}
	switch v {
	case doubtful:
		p.doubts++
		return p.doubts >= doubtfulTries
	case noReply:
		p.silences++
		return p.probe || p.silences >= silentTries
	case unavailable:
		p.excuses++
		return p.probe || p.excuses >= unableTries && time.Since(p.unable) >= unableFor
	}
	return false
}

// isStuck reports whether a request that ended so says that its Thing keeps requests waiting.
func (v verdict) isStuck() bool { return v == noReply || v == unavailable }

// reasonOf names a rejection in a few fixed words.
func reasonOf(code alwayson.Code) string {
	switch code {
	case alwayson.BadRequest:
		return "bad-request"
	case alwayson.Forbidden:
		return "forbidden"
	case alwayson.NotFound:
		return "not-found"
	case alwayson.EntityTooLarge:
		return "too-large"
	case alwayson.InternalServerError:
		return "server-error"
	case alwayson.NotImplemented, alwayson.BadGateway, alwayson.ServiceUnavailable, alwayson.GatewayTimeout:
		return "unavailable"
	case 0:
		return "no-reply"
	}
	return "rejected"
}
