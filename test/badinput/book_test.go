package badinput

import (
	"bytes"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"testing"

	"azx/test/process"
)

// book is a log at its most talkative level, kept in memory. It knows the secrets of its test, which no line
// may hold.
type book struct {
	*slog.Logger

	mu      sync.Mutex
	text    bytes.Buffer
	secrets map[string]string // what each is, by its text
}

// newBook returns a log that is searched for secrets when the test ends, and shown if the test failed.
func newBook(t testing.TB) *book {
	b := &book{secrets: map[string]string{}}
	b.Logger = slog.New(slog.NewTextHandler(b, &slog.HandlerOptions{Level: slog.LevelDebug}))
	t.Cleanup(func() {
		for _, told := range b.betrayed() {
			t.Errorf("the log has %s", told)
		}
		if t.Failed() {
			t.Logf("--- log\n%s", b.read())
		}
	})
	return b
}

// hide plants a secret.
func (b *book) hide(what, text string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if len(text) < 12 {
		panic("not a secret: " + what)
	}
	b.secrets[text] = what
}

// betrayed names the secrets that the log holds.
func (b *book) betrayed() []string { return b.betrayedBy(b.read()) }

// betrayedBy names the secrets in a text.
func (b *book) betrayedBy(text string) (told []string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for secret, what := range b.secrets {
		if strings.Contains(text, secret) {
			told = append(told, what)
		}
	}
	if strings.Contains(text, "SharedAccessSignature ") || strings.Contains(text, "SharedAccessKey=") {
		told = append(told, "a token or a connection string")
	}
	return told
}

// Write is the log's.
func (b *book) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.text.Write(p)
}

func (b *book) read() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.text.String()
}

// line returns the first line that has all of the parts, "" if there is none. The quotes of a text within a text
// are read as they were written.
func (b *book) line(parts ...string) string {
	for line := range strings.Lines(b.read()) {
		line = strings.ReplaceAll(line, `\"`, `"`)
		if has(line, parts...) {
			return line
		}
	}
	return ""
}

// until waits for a line that has all of the parts.
func (b *book) until(t testing.TB, parts ...string) (line string) {
	t.Helper()
	process.Eventually(t, patience, fmt.Sprintf("a line of the log with %q", parts), func() error {
		if line = b.line(parts...); line == "" {
			return fmt.Errorf("not logged")
		}
		return nil
	})
	return line
}

func has(text string, parts ...string) bool {
	for _, part := range parts {
		if !strings.Contains(text, part) {
			return false
		}
	}
	return true
}

// The search for secrets has to find one.
func TestASecretInTheLogWouldBeSeen(t *testing.T) {
	b := &book{secrets: map[string]string{}}
	b.Logger = slog.New(slog.NewTextHandler(b, nil))
	b.hide("the application key", "0123456789abcdef")
	b.Info("connected", "url", "ws://example")
	if told := b.betrayed(); len(told) != 0 {
		t.Fatalf("nothing was told, found %v", told)
	}
	b.Info("connected", "header", "appKey: 0123456789abcdef")
	b.Info("connected", "with", "SharedAccessSignature sr=x&sig=y")
	if told := b.betrayed(); len(told) != 2 {
		t.Fatalf("found %v", told)
	}
}
