package alwayson

import (
	"errors"
	"strings"
	"time"
)

// errMoved is in the error of a connection that Move ended.
var errMoved = errors.New("left for another URL")

// rota says which URL a Client tries next. It goes round all of them, from the one that worked last; a Client pauses
// between rounds, and not within one.
type rota struct {
	urls   []string
	at     int   // the one to try
	failed round // attempts of this round
	rounds int   // in a row, that failed; the loss of a connection counts as one
}

func (r *rota) url() string { return r.urls[r.at] }

// ended notes that a connection lived for some time, 0 if there was none, and why it ended. At the end of a round it
// returns why that failed, else nil.
func (r *rota) ended(lived time.Duration, err error) error {
	moved := errors.Is(err, errMoved)
	if lived >= steadyAfter {
		if moved {
			r.step()
		}
		r.failed, r.rounds = nil, 1
		return err
	}
	r.step()
	if r.failed = append(r.failed, err); len(r.failed) < len(r.urls) && !moved {
		return nil
	}
	err = r.failed.reason()
	r.failed = nil
	r.rounds++
	return err
}

func (r *rota) step() { r.at = (r.at + 1) % len(r.urls) }

// round is the errors of one round over the URLs.
type round []error

// reason is the error that stands for the round: a refused credential, since that needs somebody to mend it, else all.
func (r round) reason() error {
	for _, err := range r {
		if IsCredentialRefused(err) || len(r) == 1 {
			return err
		}
	}
	return r
}

// Error joins the texts.
func (r round) Error() string {
	texts := make([]string, len(r))
	for i, err := range r {
		texts[i] = err.Error()
	}
	return strings.Join(texts, "; ")
}

// Unwrap returns the errors.
func (r round) Unwrap() []error { return r }
