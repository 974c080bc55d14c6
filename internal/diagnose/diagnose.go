// Package diagnose runs a list of checks, of which some need others, and tells what each of them found.
package diagnose

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"azx/internal/fault"
)

// Status is how a check ended.
type Status string

// How a check may end.
const (
	OK   Status = "ok"
	Warn Status = "warn" // it works in part, or not for long
	Fail Status = "fail"
	Skip Status = "skip" // it was not tried, and the text says why
)

// Check is one thing to look at. It changes nothing in any other system.
type Check struct {
	Name  string
	Needs []string // names of checks before it in the list: if one of them does not pass, this one is skipped
	// Run returns what is good, in a few words. Its error is a failure, unless it is one of Warning or Skipped.
	Run func(ctx context.Context) (good string, err error)
}

// Finding is what a check found.
type Finding struct {
	Check  string `json:"check"`
	Status Status `json:"status"`
	Text   string `json:"text"`           // on one line
	Hint   string `json:"hint,omitempty"` // what to do
	Err    error  `json:"-"`              // of a failure
}

// mild is an error that is no failure.
type mild struct {
	status     Status
	text, hint string
}

func (m *mild) Error() string { return m.text }

// Warning makes the error of a check that passes with a reservation.
func Warning(hint, format string, args ...any) error {
	return &mild{Warn, fmt.Sprintf(format, args...), hint}
}

// Skipped makes the error of a check that was not tried.
func Skipped(format string, args ...any) error {
	return &mild{Skip, fmt.Sprintf(format, args...), ""}
}

// Run runs the checks in their order, each for as long as within, and tells each finding at once. It stops when ctx ends.
func Run(ctx context.Context, checks []Check, within time.Duration, tell func(Finding)) []Finding {
	var findings []Finding
	passed := map[string]bool{}
	for _, c := range checks {
		if ctx.Err() != nil {
			return findings
		}
		f := c.find(ctx, passed, within)
		passed[c.Name] = f.Status == OK || f.Status == Warn
		findings = append(findings, f)
		tell(f)
	}
	return findings
}

func (c Check) find(ctx context.Context, passed map[string]bool, within time.Duration) Finding {
	if at := slices.IndexFunc(c.Needs, func(name string) bool { return !passed[name] }); at >= 0 {
		return Finding{Check: c.Name, Status: Skip, Text: "needs " + c.Needs[at]}
	}
	limited, cancel := context.WithTimeout(ctx, within)
	defer cancel()
	good, err := c.Run(limited)
	var m *mild
	switch {
	case err == nil:
		return Finding{Check: c.Name, Status: OK, Text: line(good)}
	case errors.As(err, &m):
		return Finding{Check: c.Name, Status: m.status, Text: line(m.text), Hint: m.hint}
	}
	return Finding{Check: c.Name, Status: Fail, Text: line(err.Error()), Hint: fault.HintOf(err), Err: err}
}

// line makes one line of a text.
func line(text string) string { return strings.Join(strings.Fields(text), " ") }

// Count is how many findings have a status.
func Count(findings []Finding, s Status) (n int) {
	for _, f := range findings {
		if f.Status == s {
			n++
		}
	}
	return n
}
