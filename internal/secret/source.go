package secret

import (
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// maxFile bounds what is read of a secret's file, in bytes.
const maxFile = 64 << 10

// credentialsDirectory is the variable in which systemd tells a unit where its credentials are.
const credentialsDirectory = "CREDENTIALS_DIRECTORY"

// Forms says how a reference is written, for people.
const Forms = "${env:NAME}, ${file:/path}, ${credential:NAME} or ${keyvault:VAULT/NAME}"

// Source says where a credential comes from: a text in which ${env:NAME}, ${file:/path} and ${credential:NAME} stand for
// an environment variable, for a file's content without its last line end, and for a credential that systemd hands to the
// unit; ${keyvault:VAULT/NAME} for what Vaults has. $${ is the text ${. Variables and files are read again at every Value, so a
// credential may be replaced while the process runs, unless Pinned holds them. Like Secret it always prints as "***". The
// zero value is an absent credential.
type Source struct{ parts []part }

// part is one stretch of a Source: exactly one of the fields is set, or the last two, beside pinned.
type part struct {
	pinned     *Secret // what a file had when it was read; nil: it is read each time
	literal    Secret
	env        string
	file       string
	credential string
	vaults     *Vaults
	inVault    InVault // of vaults
}

// Literal is a Source with a fixed text.
func Literal(text string) Source { return Source{parts: []part{{literal: New(text)}}} }

// Parse reads the text of a Source. Relative files are taken from dir. The errors never show text
// outside a reference, since that may be the credential itself.
func Parse(text, dir string) (Source, error) { return ParseWith(nil, text, dir) }

// ParseWith is Parse for a text that may refer to secrets of vaults.
func ParseWith(vaults *Vaults, text, dir string) (Source, error) {
	var s Source
	for text != "" {
		before, rest, found := strings.Cut(text, "${")
		escaped := found && strings.HasSuffix(before, "$")
		if escaped {
			before += "{"
		}
		if before != "" {
			s.parts = append(s.parts, part{literal: New(before)})
		}
		if !found {
			break
		}
		if escaped {
			text = rest
			continue
		}
		reference, after, closed := strings.Cut(rest, "}")
		if !closed {
			return Source{}, errors.New("a reference that starts with ${ has no closing }")
		}
		p, err := parseReference(vaults, reference, dir)
		if err != nil {
			return Source{}, err
		}
		s.parts = append(s.parts, p)
		text = after
	}
	return s, nil
}

func parseReference(vaults *Vaults, reference, dir string) (part, error) {
	kind, name, _ := strings.Cut(reference, ":")
	switch {
	case kind != "env" && kind != "file" && kind != "credential" && kind != "keyvault":
		return part{}, errors.New("a reference is " + Forms)
	case strings.TrimSpace(name) == "":
		return part{}, fmt.Errorf("the reference ${%s:} names nothing", kind)
	case kind == "keyvault":
		r, err := vaults.refer(name)
		return part{vaults: vaults, inVault: r}, err
	case kind == "env":
		return part{env: name}, nil
	case kind == "credential" && (strings.ContainsAny(name, `/\`) || name == "." || name == ".."):
		return part{}, errors.New("the name in ${credential:NAME} is that of LoadCredential=, without a folder")
	case kind == "credential":
		return part{credential: name}, nil
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

// Pinned reads the files as of now, also those that are pinned already, and returns a Source that keeps their text whatever
// becomes of them. Variables and vaults are as before. Errors are those of Value.
func (s Source) Pinned() (Source, error) {
	now := Source{parts: slices.Clone(s.parts)}
	for i := range now.parts {
		p := &now.parts[i]
		if p.file == "" && p.credential == "" {
			continue
		}
		p.pinned = nil
		text, err := p.value()
		if err != nil {
			return s, fmt.Errorf("read secret: %w", err)
		}
		read := New(text)
		p.pinned = &read
	}
	return now, nil
}

func (p part) value() (string, error) {
	switch {
	case p.pinned != nil:
		return p.pinned.Reveal(), nil
	case p.vaults != nil:
		return p.vaults.value(p.inVault)
	case p.env != "":
		text := os.Getenv(p.env)
		if text == "" {
			return "", fmt.Errorf("environment variable %s is not set", p.env)
		}
		return text, nil
	case p.file != "":
		return readFile(p.file)
	case p.credential != "":
		dir := os.Getenv(credentialsDirectory)
		if dir == "" {
			return "", fmt.Errorf("there is no credential %s: %s is not set, which systemd does for a unit with LoadCredential=", p.credential, credentialsDirectory)
		}
		return readFile(filepath.Join(dir, p.credential))
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
		if p.refers() {
			return false
		}
	}
	return len(s.parts) > 0
}

// Shown is the Source for people: its references as they are, "***" for every text beside them, "" if it is absent.
func (s Source) Shown() string {
	var b strings.Builder
	for _, p := range s.parts {
		switch {
		case p.env != "":
			b.WriteString("${env:" + p.env + "}")
		case p.file != "":
			b.WriteString("${file:" + p.file + "}")
		case p.credential != "":
			b.WriteString("${credential:" + p.credential + "}")
		case p.vaults != nil:
			b.WriteString("${keyvault:" + p.inVault.String() + "}")
		case !strings.HasSuffix(b.String(), mask):
			b.WriteString(mask)
		}
	}
	return b.String()
}

func (p part) refers() bool {
	return p.env != "" || p.file != "" || p.credential != "" || p.vaults != nil
}

// Vaults has the parts of the credential that are in vaults; nil if none is.
func (s Source) Vaults() *Vaults {
	for _, p := range s.parts {
		if p.vaults != nil {
			return p.vaults
		}
	}
	return nil
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
