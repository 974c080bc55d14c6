package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/spf13/cobra"

	"azx/internal/config"
	"azx/internal/fault"
)

// runWith runs the given verbs below a root.
func runWith(t *testing.T, args []string, verbs ...*cobra.Command) (code int, stdout, stderr string) {
	t.Helper()
	root := &cobra.Command{Use: "azx", SilenceErrors: true, SilenceUsage: true, Args: cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error { return nil }}
	root.AddCommand(verbs...)
	var out, problems strings.Builder
	code = executeRoot(t.Context(), root, args, &out, &problems)
	return code, out.String(), problems.String()
}

func failing(err error) *cobra.Command {
	return &cobra.Command{Use: "verb", Args: cobra.NoArgs, RunE: func(*cobra.Command, []string) error { return err }}
}

func TestEveryErrorHasItsExitCodeAndItsHint(t *testing.T) {
	cause := errors.New("cause")
	for _, c := range []struct {
		name string
		err  error
		code int
		text string
	}{
		{"no error", nil, 0, ""},
		{"an error of no class", cause, 1, "Error: cause\n"},
		{"usage", usage(cause), 2, "Error: cause\nTry: azx verb --help\n"},
		{"usage below another operation", fmt.Errorf("op: %w", usage(cause)), 2, "Error: op: cause\nTry: azx verb --help\n"},
		{"problems of the file", config.Problems{{File: "f", Line: 1, Column: 2, What: "w"}}, 3, "Error: 1 problem\nf:1:2: w\n"},
		{"fatal", &fault.Problem{Op: "open", Class: fault.Fatal, Cause: cause, Hint: "do it"}, 3, "Error: open: cause\nTry: do it\n"},
		{"credential", &fault.Problem{Op: "sign in", Class: fault.Credential, Cause: cause}, 4, "Error: sign in: cause\n"},
		{"transient", &fault.Problem{Op: "dial", Class: fault.Transient, Cause: cause}, 4, "Error: dial: cause\n"},
		{"unreachable", unreachable(&fault.Problem{Op: "open", Class: fault.Fatal, Cause: cause, Hint: "h"}), 4, "Error: open: cause\nTry: h\n"},
		{"partial", partial(cause), 5, "Error: cause\n"},
	} {
		code, _, text := runWith(t, []string{"verb"}, failing(c.err))
		if code != c.code || text != c.text {
			t.Errorf("%s: got %d %q, want %d %q", c.name, code, text, c.code, c.text)
		}
	}
}

func TestAWrongCommandLineIsAnErrorOfUsage(t *testing.T) {
	for _, args := range [][]string{{"nonsense"}, {"verb", "--nonsense"}, {"verb", "extra"}, {"config", "init"}, {"--nonsense"}} {
		code, _, text := runWith(t, args, failing(nil), configCommand())
		if code != 2 || !strings.HasPrefix(text, "Error: ") || !strings.Contains(text, "--help") {
			t.Errorf("%v: got %d %q", args, code, text)
		}
	}
}

func TestValidatePrintsAllProblems(t *testing.T) {
	file := filepath.Join(t.TempDir(), "azx.yaml")
	if err := os.WriteFile(file, []byte("nam: x\nlanes: 0\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	code, _, text := runWith(t, []string{"validate", "-c", file}, validateCommand())
	if code != 3 || !strings.Contains(text, ":1:1: nam: unknown key; did you mean name?\n") ||
		!strings.Contains(text, ":2:8: lanes: out of range; want 1 to 1024\n") {
		t.Errorf("got %d %s", code, text)
	}
}

func TestInitThenValidateIsOK(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "azx.yaml")
	for name, text := range map[string]string{
		"hub.json":      `{"serviceConnectionString": "HostName=h;SharedAccessKeyName=service;SharedAccessKey=YQ==", "ports": {"amqps": 5671}}`,
		"platform.json": `{"ws": "ws://127.0.0.1:8080/Thingworx/WS", "appKey": "key"}`,
	} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	code, out, text := runWith(t, []string{"config", "init", "--hub", dir, "--platform", dir, "-o", file}, configCommand())
	if code != 0 || text != "" || !strings.HasSuffix(out, "next: azx run -c "+file+"\n") {
		t.Fatalf("init: %d %s%s", code, out, text)
	}
	code, out, text = runWith(t, []string{"validate", "-c", file}, validateCommand())
	if code != 0 || text != "" || out != file+": ok\n" {
		t.Errorf("validate: %d %s%s", code, out, text)
	}
	code, _, text = runWith(t, []string{"config", "init", "--hub", dir, "--platform", dir, "-o", file}, configCommand())
	if code != 3 || !strings.Contains(text, "Try: --force") {
		t.Errorf("init again: %d %s", code, text)
	}
}
