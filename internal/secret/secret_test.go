package secret

import (
	"bytes"
	"encoding/json"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"go.yaml.in/yaml/v4"
)

const canary = "canary-5up3r"

// holder has secrets where fmt can and cannot call methods.
type holder struct {
	Shown  Secret
	Source Source
	hidden Secret
	source Source
}

func TestNoWayOfPrintingShowsTheText(t *testing.T) {
	h := holder{New(canary), Literal(canary), New(canary), Literal(canary)}
	values := map[string]any{"secret": h.Shown, "source": h.Source, "struct": h, "pointer": &h,
		"slice": []Secret{h.Shown}, "map": map[string]Source{"a": h.Source}, "error": fmt.Errorf("with %v", h)}
	for name, value := range values {
		for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%X", "%d", "%10s", "%T"} {
			if out := fmt.Sprintf(verb, value); leaks(out) {
				t.Errorf("%s with %s shows the text: %s", name, verb, out)
			}
		}
		for kind, out := range marshalled(t, value) {
			if leaks(out) {
				t.Errorf("%s as %s shows the text: %s", name, kind, out)
			}
		}
	}
}

func leaks(out string) bool {
	return strings.Contains(out, canary) || strings.Contains(strings.ToLower(out), fmt.Sprintf("%x", canary))
}

func marshalled(t *testing.T, value any) map[string]string {
	t.Helper()
	asJSON, err := json.Marshal(value)
	if err != nil {
		t.Fatal(err)
	}
	asYAML, err := yaml.Marshal(value)
	if err != nil {
		t.Fatal(err)
	}
	var text, lines bytes.Buffer
	slog.New(slog.NewTextHandler(&text, nil)).Info("x", "value", value)
	slog.New(slog.NewJSONHandler(&lines, nil)).Info("x", "value", value)
	return map[string]string{"JSON": string(asJSON), "YAML": string(asYAML), "slog text": text.String(), "slog JSON": lines.String()}
}

func TestASecretPrintsAsThreeStars(t *testing.T) {
	for _, value := range []any{New(canary), Literal(canary), New(""), Secret{}, Source{}} {
		for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q"} {
			if got := fmt.Sprintf(verb, value); got != "***" {
				t.Errorf("%T with %s: %s", value, verb, got)
			}
		}
		if got, err := json.Marshal(value); err != nil || string(got) != `"***"` {
			t.Errorf("%T as JSON: %s, %v", value, got, err)
		}
		if got, err := yaml.Marshal(value); err != nil || strings.Trim(string(got), "'\"\n") != "***" {
			t.Errorf("%T as YAML: %s, %v", value, got, err)
		}
	}
}

func TestRevealGivesTheText(t *testing.T) {
	if got := New(canary).Reveal(); got != canary {
		t.Errorf("got %q", got)
	}
	if got := (Secret{}).Reveal(); got != "" {
		t.Errorf("the zero value reveals %q", got)
	}
}

func TestASourceReadsItsReferences(t *testing.T) {
	dir := t.TempDir()
	t.Setenv("AZX_TEST_KEY", "from-env")
	t.Setenv("CREDENTIALS_DIRECTORY", filepath.Join(dir, "credentials"))
	if err := os.Mkdir(filepath.Join(dir, "credentials"), 0o700); err != nil {
		t.Fatal(err)
	}
	write(t, filepath.Join(dir, "credentials", "key"), "from-systemd\n")
	write(t, filepath.Join(dir, "unix"), "from-file\n")
	write(t, filepath.Join(dir, "windows"), "from-file\r\n")
	write(t, filepath.Join(dir, "lines"), "one\ntwo\n\n")
	for text, want := range map[string]string{
		"plain":                    "plain",
		"${env:AZX_TEST_KEY}":      "from-env",
		"${file:unix}":             "from-file",
		"${file:windows}":          "from-file",
		"${file:lines}":            "one\ntwo\n",
		"${file:" + dir + "/unix}": "from-file",
		"Key=${env:AZX_TEST_KEY};File=${file:unix};": "Key=from-env;File=from-file;",
		"a$b{c}":                      "a$b{c}",
		"${credential:key}":           "from-systemd",
		"$${env:X}$$":                 "${env:X}$$",
		"a$$${env:AZX_TEST_KEY}$${b}": "a$${env:AZX_TEST_KEY}${b}",
	} {
		source, err := Parse(text, dir)
		if err != nil {
			t.Errorf("%s: %v", text, err)
			continue
		}
		if got, err := source.Value(); err != nil || got != want {
			t.Errorf("%s: got %q, %v; want %q", text, got, err, want)
		}
	}
}

func TestAKeyReplacedInItsFileIsSeenAtTheNextValue(t *testing.T) {
	file := filepath.Join(t.TempDir(), "key")
	source, err := Parse("${file:"+file+"}", "")
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"first", "second"} {
		write(t, file, want+"\n")
		if got, err := source.Value(); err != nil || got != want {
			t.Errorf("got %q, %v; want %q", got, err, want)
		}
	}
}

func TestReferencesThatCannotWorkAreRefused(t *testing.T) {
	for text, want := range map[string]string{
		"${env:}":                   "the reference ${env:} names nothing",
		"${file: }":                 "the reference ${file:} names nothing",
		"${vault:x}":                "a reference is " + Forms,
		"${}":                       "a reference is " + Forms,
		"${credential:}":            "the reference ${credential:} names nothing",
		"${credential:/etc/shadow}": "the name in ${credential:NAME} is that of LoadCredential=, without a folder",
		"${credential:..}":          "the name in ${credential:NAME} is that of LoadCredential=, without a folder",
		"${keyvault:v/s}":           "${keyvault:...} works in the connector's file only",
		canary + "${env:A":          "a reference that starts with ${ has no closing }",
	} {
		_, err := Parse(text, "")
		if err == nil || err.Error() != want {
			t.Errorf("%s: got %v, want %s", text, err, want)
		}
	}
}

func TestValuesThatAreMissingAreErrorsWithTheirPlace(t *testing.T) {
	dir := t.TempDir()
	t.Setenv("CREDENTIALS_DIRECTORY", "")
	write(t, filepath.Join(dir, "empty"), "\n")
	write(t, filepath.Join(dir, "large"), strings.Repeat("x", maxFile+1))
	for text, want := range map[string]string{
		"":                         "none is given",
		"${env:AZX_TEST_NO_SUCH}":  "environment variable AZX_TEST_NO_SUCH is not set",
		"${file:absent}":           "no such file",
		"${file:empty}":            "empty is empty",
		"${file:large}":            "is larger than 64 KiB",
		canary + "${file:absent2}": "absent2",
		"${credential:azx}":        "there is no credential azx: CREDENTIALS_DIRECTORY is not set",
	} {
		source, err := Parse(text, dir)
		if err != nil {
			t.Fatal(err)
		}
		if _, err = source.Value(); err == nil || !strings.Contains(err.Error(), want) || leaks(err.Error()) {
			t.Errorf("%s: got %v, want %s", text, err, want)
		}
	}
}

func TestASourceKnowsWhetherItIsPlain(t *testing.T) {
	for text, want := range map[string][2]bool{ // set, plain
		"": {false, false}, "plain": {true, true}, "${env:A}": {true, false}, "k=${file:f}": {true, false},
	} {
		source, err := Parse(text, "/dir")
		if err != nil {
			t.Fatal(err)
		}
		if got := [2]bool{source.IsSet(), source.IsPlain()}; got != want {
			t.Errorf("%q: got %v, want %v", text, got, want)
		}
	}
	source, _ := Parse("k=${file:f}${file:/g}", "/dir")
	if got := source.Files(); len(got) != 2 || got[0] != filepath.Join("/dir", "f") || got[1] != "/g" {
		t.Errorf("files: %v", got)
	}
}

func TestWhatIsShownOfASourceHasItsReferencesAndNoText(t *testing.T) {
	for text, want := range map[string]string{
		"": "", canary: "***", "$${" + canary: "***", "${env:A}": "${env:A}", "${file:f}": "${file:/dir/f}",
		"K=" + canary + ";F=${credential:c};" + canary: "***${credential:c}***",
	} {
		source, err := Parse(text, "/dir")
		if err != nil {
			t.Fatal(err)
		}
		if got := source.Shown(); got != want {
			t.Errorf("%q: got %s, want %s", text, got, want)
		}
	}
}

func write(t *testing.T, file, text string) {
	t.Helper()
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

func TestAPinnedSourceKeepsTheTextOfItsFile(t *testing.T) {
	dir := t.TempDir()
	put := func(text string) {
		t.Helper()
		if err := os.WriteFile(filepath.Join(dir, "key"), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	put("first")
	source, err := Parse("a${file:key}b", dir)
	if err != nil {
		t.Fatal(err)
	}
	pinned, err := source.Pinned()
	if err != nil {
		t.Fatal(err)
	}
	is := func(s Source, want string) {
		t.Helper()
		if got, err := s.Value(); got != want || err != nil {
			t.Errorf("got %q, %v; want %q", got, err, want)
		}
	}
	put("second")
	is(pinned, "afirstb")
	is(source, "asecondb")
	again, err := pinned.Pinned()
	if err != nil {
		t.Fatal(err)
	}
	is(again, "asecondb")
	if err := os.Remove(filepath.Join(dir, "key")); err != nil {
		t.Fatal(err)
	}
	kept, err := again.Pinned()
	if err == nil || !strings.Contains(err.Error(), "no such file") {
		t.Errorf("a file that is gone: %v", err)
	}
	is(kept, "asecondb")
	if pinned.Shown() != source.Shown() || pinned.IsPlain() {
		t.Errorf("it is shown as %s", pinned.Shown())
	}
}
