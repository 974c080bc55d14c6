package e2e

import (
	"bufio"
	"fmt"
	"io"
	"reflect"
	"strings"
	"testing"
)

// block is a fenced block of a document whose info string is "sh" or "sh test=NAME". Blocks of one document
// with the same name run in order, in one fresh clone; those without a name are shown, not run.
//
// A block "text output" after it shows lines that it must print, in that order; "..." stands for any text.
type block struct {
	Test   string
	Line   int // of the opening fence, from 1
	Script string
	Output []string
}

// blocks reads the shell blocks of a Markdown document.
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
		language, rest, _ := strings.Cut(info, " ")
		switch {
		case info == "text output" && len(found) > 0:
			found[len(found)-1].Output = strings.Split(strings.TrimSpace(body), "\n")
		case language == "sh":
			name, ok := strings.CutPrefix(rest, "test=")
			if rest != "" && (!ok || name == "" || strings.Contains(name, " ")) {
				return nil, fmt.Errorf("line %d: %q behind sh: want test=NAME or nothing", n, rest)
			}
			found = append(found, block{Test: name, Line: n, Script: body})
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

// command is one command of a block.
type command struct {
	Text  string
	Stays bool // it ended with "&"
}

// commands takes a script apart: a command is a line with those it continues on.
func commands(script string) (all []command) {
	for line := range strings.Lines(strings.ReplaceAll(script, "\\\n", "")) {
		line, _, _ = strings.Cut(line, "  # ")
		line = strings.TrimSpace(line)
		if line == "" || strings.HasPrefix(line, "#") {
			continue
		}
		text, stays := strings.CutSuffix(line, " &")
		all = append(all, command{Text: text, Stays: stays})
	}
	return all
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
			want:     []block{{Test: "first", Line: 3, Script: "echo 1\necho 2\n"}},
		},
		{
			name:     "what a command shows belongs to it",
			document: fenced + "sh test=a\nls\n" + fenced + "\ntext\n" + fenced + "text output\na ...\nb\n" + fenced + "\n",
			want:     []block{{Test: "a", Line: 1, Script: "ls\n", Output: []string{"a ...", "b"}}},
		},
		{
			name:     "shell without a test has no name",
			document: fenced + "sh\nls\n" + fenced + "\n",
			want:     []block{{Line: 1, Script: "ls\n"}},
		},
		{name: "blocks of other languages are passed over", document: fenced + "go\nx\n" + fenced + "\n" + fenced + "\ny\n" + fenced + "\n"},
		{name: "a slip in the name is refused", document: fenced + "sh tset=a\nls\n" + fenced + "\n", problem: `line 1: "tset=a" behind sh`},
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
			if err != nil || !reflect.DeepEqual(got, c.want) {
				t.Fatalf("got %+v, %v\nwant %+v", got, err, c.want)
			}
		})
	}
}

func TestCommandsOfABlock(t *testing.T) {
	for _, c := range []struct {
		name, script string
		want         []command
	}{
		{"every line is a command", "a 1\nb\n", []command{{Text: "a 1"}, {Text: "b"}}},
		{"a backslash continues a line", "curl -s \\\n  http://x\n", []command{{Text: "curl -s   http://x"}}},
		{"an ampersand says that a command stays", "azx hub &\n", []command{{Text: "azx hub", Stays: true}}},
		{"an ampersand in an address is part of it", "curl 'x?a=1&b=2'\n", []command{{Text: "curl 'x?a=1&b=2'"}}},
		{"remarks are left out", "# why\nazx demo     # all of it\n\n", []command{{Text: "azx demo"}}},
	} {
		t.Run(c.name, func(t *testing.T) {
			if got := commands(c.script); !reflect.DeepEqual(got, c.want) {
				t.Fatalf("got %+v, want %+v", got, c.want)
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
