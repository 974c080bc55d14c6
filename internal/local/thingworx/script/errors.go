package script

import (
	"errors"
	"fmt"
)

// Reasons why a run ends before its script does, to be matched with errors.Is.
var (
	// ErrDeadline: the script did not end in time.
	ErrDeadline = errors.New("the script did not end in time")
	// ErrMemory: the script keeps more memory than it may.
	ErrMemory = errors.New("the script keeps more memory than it may")
	// ErrDepth: services, or functions, call each other without end.
	ErrDepth = errors.New("calls go too deep")
)

// SyntaxError is code that is not a service's code. Lines and columns start at 1; 0 means unknown.
type SyntaxError struct {
	Service      string
	Line, Column int
	Reason       string
}

func (e *SyntaxError) Error() string {
	return e.Service + ": " + where(e.Line, e.Column) + e.Reason
}

// Error is a script that failed: by an exception that it did not catch, by a bound, or by a result of the wrong type.
// If the exception came from the platform, errors.As and errors.Is find the platform's own error in it.
type Error struct {
	Service      string // such as Things/Pump/Services/Start
	Line, Column int    // in the service's own code, from 1; 0 if it failed outside
	Text         string // the exception's text
	Err          error  // the platform's error, or one of this package; nil for an exception of the script
}

func (e *Error) Error() string {
	return e.Service + ": " + where(e.Line, e.Column) + e.Text
}

// Unwrap returns the error of the platform behind the exception.
func (e *Error) Unwrap() error { return e.Err }

func where(line, column int) string {
	if line <= 0 {
		return ""
	}
	return fmt.Sprintf("line %d, column %d: ", line, column)
}
