package secret

import (
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
)

// maxFile bounds what is read of a secret's file, in bytes.
const maxFile = 64 << 10

// Source says where a credential comes from: a text in which ${env:NAME} and ${file:/path} stand for
// an environment variable and for a file's content without its last line end. Variables and files
// are read again at every Value, so a credential may be replaced while the process runs.
// Like Secret it always prints as "***". The zero value is an absent credential.
type Source struct{ parts []part }

// part is one stretch of a Source: exactly one of the fields is set.
type part struct {
	literal Secret
	env     string
	file    string
}

// Literal is a Source with a fixed text.
func Literal(text string) Source { return Source{parts: []part{{literal: New(text)}}} }

// Parse reads the text of a Source. Relative files are taken from dir. The errors never show text
// outside a reference, since that may be the credential itself.
func Parse(text, dir string) (Source, error) {
	var s Source
	for text != "" {
		before, rest, found := strings.Cut(text, "${")
		if before != "" {
			s.parts = append(s.parts, part{literal: New(before)})
		}
		if !found {
			break
		}
		reference, after, closed := strings.Cut(rest, "}")
		if !closed {
			return Source{}, errors.New("a reference that starts with ${ has no closing }")
		}
		p, err := parseReference(reference, dir)
		if err != nil {
			return Source{}, err
		}
		s.parts = append(s.parts, p)
		text = after
	}
	return s, nil
}

func parseReference(reference, dir string) (part, error) {
	kind, name, _ := strings.Cut(reference, ":")
	switch {
	case kind != "env" && kind != "file":
		return part{}, errors.New("a reference is ${env:NAME} or ${file:/path}")
	case strings.TrimSpace(name) == "":
		return part{}, fmt.Errorf("the reference ${%s:} names nothing", kind)
	case kind == "env":
		return part{env: name}, nil
	case filepath.IsAbs(name):
		return part{file: name}, nil
	}
	return part{file: filepath.Join(dir, name)}, nil
}

// Value reads the credential as of now. An unset variable, an unreadable or empty file and an absent
// Source are errors; they name the variable or the file, never its content.
func (s Source) Value() (string, error) {
	if len(s.parts) == 0 {
		return "", errors.New("read secret: none is given")
	}
	var text strings.Builder
	for _, p := range s.parts {
		piece, err := p.value()
		if err != nil {
			return "", fmt.Errorf("read secret: %w", err)
		}
		text.WriteString(piece)
	}
	return text.String(), nil
}

func (p part) value() (string, error) {
	switch {
	case p.env != "":
		text := os.Getenv(p.env)
		if text == "" {
			return "", fmt.Errorf("environment variable %s is not set", p.env)
		}
		return text, nil
	case p.file != "":
		return readFile(p.file)
	}
	return p.literal.Reveal(), nil
}

func readFile(path string) (string, error) {
	file, err := os.Open(path)
	if err != nil {
		return "", err
	}
	defer file.Close()
	content, err := io.ReadAll(io.LimitReader(file, maxFile+1))
	if err != nil {
		return "", err
	}
	if len(content) > maxFile {
		return "", fmt.Errorf("%s is larger than %d KiB", path, maxFile>>10)
	}
	text := strings.TrimSuffix(strings.TrimSuffix(string(content), "\n"), "\r")
	if text == "" {
		return "", fmt.Errorf("%s is empty", path)
	}
	return text, nil
}

// IsSet reports whether there is a credential at all.
func (s Source) IsSet() bool { return len(s.parts) > 0 }

// IsPlain reports whether the credential itself stands in the configuration, without any reference.
func (s Source) IsPlain() bool {
	for _, p := range s.parts {
		if p.env != "" || p.file != "" {
			return false
		}
	}
	return len(s.parts) > 0
}

// Files lists the files the credential is read from.
func (s Source) Files() []string {
	var files []string
	for _, p := range s.parts {
		if p.file != "" {
			files = append(files, p.file)
		}
	}
	return files
}

// String returns "***".
func (s Source) String() string { return mask }

// Format writes "***" for every verb and flag.
func (s Source) Format(f fmt.State, _ rune) { writeMask(f) }

// MarshalText returns "***".
func (s Source) MarshalText() ([]byte, error) { return []byte(mask), nil }

// MarshalYAML returns "***".
func (s Source) MarshalYAML() (any, error) { return mask, nil }

// LogValue returns "***".
func (s Source) LogValue() slog.Value { return slog.StringValue(mask) }
