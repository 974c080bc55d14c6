// Package secret keeps credentials out of logs, errors and printed configuration, and reads them
// from where the operator put them.
package secret

import (
	"fmt"
	"log/slog"
)

// mask is what every way of printing a secret shows.
const mask = "***"

// Secret is a credential in memory. Every way of printing it shows "***"; only Reveal gives the text.
// The text sits behind a pointer because fmt does not call the methods of values in unexported
// fields: there it shows an address instead of the text. The zero value is an empty secret.
type Secret struct{ text *string }

// New makes a Secret of text.
func New(text string) Secret { return Secret{text: &text} }

// Reveal returns the text: for the one place that needs it, such as a request header.
func (s Secret) Reveal() string {
	if s.text == nil {
		return ""
	}
	return *s.text
}

// String returns "***".
func (s Secret) String() string { return mask }

// Format writes "***" for every verb and flag.
func (s Secret) Format(f fmt.State, _ rune) { writeMask(f) }

// MarshalText returns "***": for JSON, map keys and flags.
func (s Secret) MarshalText() ([]byte, error) { return []byte(mask), nil }

// MarshalYAML returns "***".
func (s Secret) MarshalYAML() (any, error) { return mask, nil }

// LogValue returns "***".
func (s Secret) LogValue() slog.Value { return slog.StringValue(mask) }

func writeMask(f fmt.State) { _, _ = f.Write([]byte(mask)) }
