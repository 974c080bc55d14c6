package e2e

import (
	"bufio"
	"fmt"
	"io"
	"slices"
	"strings"
	"testing"
	"time"
)

// block is a fenced block of a document whose info string begins with "sh". After that word come
// its attributes:
//
//	test=NAME     blocks of one document with the same name run in order, in one fresh clone
//	background    the command stays; the next block waits until it prints a line that begins with
//	              until=TEXT (default: ready)
//	retry         repeated until it succeeds and prints what the document shows, for at most 30 s
//
// A block "text output" after it shows lines that it must print, in that order; "..." stands for any text.
type block struct {
	Test       string
	Background bool
	Until      string
	Retry      bool
	Line       int // of the opening fence, from 1
	Script     string
	Output     []string
}

// blocks reads the runnable blocks of a Markdown document. A block of shell that names no test is an
// error: what nobody runs rots.
func blocks(document io.Reader) ([]block, error) {
	var found []block
	lines := bufio.NewScanner(document)
	for n := 1; lines.Scan(); n++ {
		info, fenced := strings.CutPrefix(strings.TrimSpace(lines.Text()), "```")
		if !fenced {
			continue
		}
		body, read, closed := fence(lines)
		if !closed {
			return nil, fmt.Errorf("line %d: block without an end", n)
		}
		switch {
		case info == "text output" && len(found) > 0:
			found[len(found)-1].Output = strings.Split(strings.TrimSpace(body), "\n")
		case info == "sh" || strings.HasPrefix(info, "sh "):
			b, err := parseBlock(info, n)
			if err != nil {
				return nil, err
			}
			b.Script = body
			found = append(found, b)
		}
		n += read
	}
	return found, lines.Err()
}

// fence reads the lines of a block up to its closing fence.
func fence(lines *bufio.Scanner) (body string, read int, closed bool) {
	for lines.Scan() {
		read++
		if strings.TrimSpace(lines.Text()) == "```" {
			return body, read, true
		}
		body += lines.Text() + "\n"
	}
	return body, read, false
}

func parseBlock(info string, line int) (block, error) {
	b := block{Line: line, Until: "ready"}
	for _, attribute := range strings.Fields(info)[1:] {
		key, value, _ := strings.Cut(attribute, "=")
		switch key {
		case "test":
			b.Test = value
		case "background":
			b.Background = true
		case "until":
			b.Until = value
		case "retry":
			b.Retry = true
		default:
			return b, fmt.Errorf("line %d: attribute %q of a sh block: want test, background, until or retry", line, attribute)
		}
	}
	if b.Test == "" {
		return b, fmt.Errorf("line %d: a sh block without test=NAME; mark it, or use ```console for what only a reader can run", line)
	}
	return b, nil
}

// shows tells whether the output holds the expected lines in their order; the error names the first
// that is missing.
func shows(output string, expected []string) error {
	rest := output
	for _, want := range expected {
		found := false
		for !found && rest != "" {
			var line string
			line, rest, _ = strings.Cut(rest, "\n")
			found = matches(strings.TrimSpace(line), strings.TrimSpace(want))
		}
		if !found {
			return fmt.Errorf("not printed: %s", want)
		}
	}
	return nil
}

// matches compares a line with a pattern in which "..." stands for any text.
func matches(line, pattern string) bool {
	parts := strings.Split(pattern, "...")
	line, ok := strings.CutPrefix(line, parts[0])
	if !ok {
		return false
	}
	if len(parts) == 1 {
		return line == ""
	}
	last := parts[len(parts)-1]
	for _, part := range parts[1 : len(parts)-1] {
		if _, line, ok = strings.Cut(line, part); !ok {
			return false
		}
	}
	return strings.HasSuffix(line, last)
}

func TestBlocksOfADocument(t *testing.T) {
	const fenced = "```"
	for _, c := range []struct {
		name, document string
		want           []block
		problem        string
	}{
		{
			name:     "commands of a test are read with the line they stand on",
			document: "# Title\n\n" + fenced + "sh test=first\necho 1\necho 2\n" + fenced + "\n",
			want:     []block{{Test: "first", Until: "ready", Line: 3, Script: "echo 1\necho 2\n"}},
		},
		{
			name:     "what a command shows belongs to it",
			document: fenced + "sh test=a retry\nls\n" + fenced + "\ntext\n" + fenced + "text output\na ...\nb\n" + fenced + "\n",
			want:     []block{{Test: "a", Until: "ready", Retry: true, Line: 1, Script: "ls\n", Output: []string{"a ...", "b"}}},
		},
		{
			name:     "a command that stays says what to wait for",
			document: fenced + "sh test=a background until=page:\nazx demo\n" + fenced + "\n",
			want:     []block{{Test: "a", Background: true, Until: "page:", Line: 1, Script: "azx demo\n"}},
		},
		{name: "blocks of other languages are not run", document: fenced + "go\nx\n" + fenced + "\n" + fenced + "\ny\n" + fenced + "\n"},
		{name: "shell without a test is refused", document: fenced + "sh\nls\n" + fenced + "\n", problem: "line 1: a sh block without test=NAME"},
		{name: "an unknown attribute is refused", document: fenced + "sh test=a retrry\nls\n" + fenced + "\n", problem: `line 1: attribute "retrry"`},
		{name: "a block without an end is refused", document: "\n" + fenced + "sh test=a\nls\n", problem: "line 2: block without an end"},
	} {
		t.Run(c.name, func(t *testing.T) {
			got, err := blocks(strings.NewReader(c.document))
			if c.problem != "" {
				if err == nil || !strings.HasPrefix(err.Error(), c.problem) {
					t.Fatalf("got %v, want an error that begins with %q", err, c.problem)
				}
				return
			}
			same := func(a, b block) bool { return fmt.Sprintf("%+v", a) == fmt.Sprintf("%+v", b) }
			if err != nil || !slices.EqualFunc(got, c.want, same) {
				t.Fatalf("got %+v, %v\nwant %+v", got, err, c.want)
			}
		})
	}
}

func TestShownOutput(t *testing.T) {
	for _, c := range []struct {
		name, output, expected string
		ok                     bool
	}{
		{"a line stands for itself", "one\n", "one", true},
		{"other lines may stand between", "one\ntwo\nthree\n", "one\nthree", true},
		{"the order counts", "three\none\n", "one\nthree", false},
		{"dots stand for any text", "page: http://127.0.0.1:8080/x here\n", "page: http://...:.../x here", true},
		{"dots do not hide what follows them", "page: http://127.0.0.1:8080/x\n", "page: ...y", false},
		{"a beginning is not the whole line", "one more\n", "one", false},
	} {
		t.Run(c.name, func(t *testing.T) {
			if err := shows(c.output, strings.Split(c.expected, "\n")); (err == nil) != c.ok {
				t.Fatalf("got %v, want ok = %v", err, c.ok)
			}
		})
	}
}

// retryFor is how long a block marked "retry" may take until it shows what it should.
const retryFor = 30 * time.Second
