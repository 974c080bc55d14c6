package thingworx

import (
	"errors"
	"fmt"
	"sync"
	"time"
)

// Kind classes a Refusal; each front translates it to its own codes.
type Kind uint8

// Kinds of refusals.
const (
	Invalid       Kind = iota // the request itself is wrong: bad name, wrong base type, missing parameter
	NotFound                  // no such Thing, property, service, event, template or shape
	Exists                    // a Thing or property of that name is there already
	Forbidden                 // not allowed in this state: Thing disabled, property read-only, bound by another
	Unsupported               // the local platform does not do this (yet)
	Denied                    // application key missing or wrong
	Unbound                   // no edge is there to ask, it takes no requests now, or nobody waits for its answer
	TimedOut                  // an edge was asked and did not answer in time, or says so of its device
	Failed                    // an edge was asked and refused, answered what does not fit, or went away
	NotAcceptable             // an import that a platform answers without a reason, in silent mode
)

// Refusal is why the platform did not do what it was asked.
type Refusal struct {
	Kind   Kind
	Reason string // for people: says what was wrong and, where possible, what would be right
}

// Error returns the reason.
func (r *Refusal) Error() string { return r.Reason }

// KindOf returns the kind of the Refusal in err, and whether there is one.
func KindOf(err error) (Kind, bool) {
	var r *Refusal
	if errors.As(err, &r) {
		return r.Kind, true
	}
	return Invalid, false
}

// Refuse returns a Refusal with a formatted reason.
func Refuse(kind Kind, format string, args ...any) *Refusal {
	return &Refusal{Kind: kind, Reason: fmt.Sprintf(format, args...)}
}

// Caller says on whose behalf a call is made.
type Caller struct {
	User string // name of the user whose application key it was; "" when unknown
	Via  string // the front: "rest", "alwayson", "page"
}

// Refused is one entry of the list of recent refusals.
type Refused struct {
	Last   time.Time // when it happened last
	Count  int       // how often, equal ones counted together
	Caller Caller
	What   string // what was asked, such as "GET Things/Pump-1/Properties/temp"
	Reason string
}

// keptRefusals is how many different refusals the platform remembers.
const keptRefusals = 100

type refusalLog struct {
	mu      sync.Mutex
	entries []Refused // oldest first
}

// Refused remembers a refusal for the list that Refusals returns. The fronts call it at one place each.
func (p *Platform) Refused(c Caller, what string, err error) {
	reason := err.Error()
	l := &p.refusals
	l.mu.Lock()
	defer l.mu.Unlock()
	p.stats.refused.Add(1)
	e := Refused{Caller: c, What: what, Reason: reason}
	for i := range l.entries {
		if old := &l.entries[i]; old.Caller == c && old.What == what && old.Reason == reason {
			e = *old
			l.entries = append(l.entries[:i], l.entries[i+1:]...)
			break
		}
	}
	if len(l.entries) == keptRefusals {
		l.entries = append(l.entries[:0], l.entries[1:]...)
	}
	e.Count++
	e.Last = p.now()
	l.entries = append(l.entries, e)
}

// Refusals returns the recent refusals, newest first.
func (p *Platform) Refusals() []Refused {
	l := &p.refusals
	l.mu.Lock()
	defer l.mu.Unlock()
	out := make([]Refused, 0, len(l.entries))
	for i := len(l.entries) - 1; i >= 0; i-- {
		out = append(out, l.entries[i])
	}
	return out
}
