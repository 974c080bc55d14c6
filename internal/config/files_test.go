package config

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

const (
	mainFile = "platform: {urls: [ws://127.0.0.1:8080/Thingworx/WS], appKey: \"${env:AZX_TEST_APP_KEY}\"}\ncheckpoint: {file: c}\n" +
		"quarantine: {dir: q}\nhubs:\n  - thing: Plant1Hub\n"
	withoutHub = "platform: {urls: [ws://127.0.0.1:8080/Thingworx/WS], appKey: \"${env:AZX_TEST_APP_KEY}\"}\ncheckpoint: {file: c}\nquarantine: {dir: q}\n"
)

// folder makes a folder of files, given as name and text, and returns the path of azx.yaml in it.
func folder(t *testing.T, files ...string) string {
	t.Helper()
	t.Setenv("AZX_TEST_APP_KEY", "an-application-key")
	dir := t.TempDir()
	for i := 0; i < len(files); i += 2 {
		name := filepath.Join(dir, files[i])
		if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
			t.Fatal(err)
		}
		put(t, name, files[i+1])
	}
	return filepath.Join(dir, "azx.yaml")
}

func TestTheFilesOfTheFolderBesideAreMergedInTheOrderOfTheirNames(t *testing.T) {
	path := folder(t,
		"azx.yaml", withoutHub,
		"conf.d/20-hub.yaml", "hubs:\n  - thing: Plant1Hub\n    caFile: ca.pem\n",
		"conf.d/10-limits.yaml", "lanes: 7\nlog: {level: warn}\nplatform:\n  caFile: ca.pem\n",
		"conf.d/30-empty.yaml", "# nothing yet\n",
		"conf.d/.hidden.yaml", "no: such key\n",
		"conf.d/README", "no YAML: [",
		"conf.d/late.yml", "lanes: 9\n",
		"ca.pem", "")
	ca, err := os.ReadFile("testdata/ca.pem")
	if err != nil {
		t.Fatal(err)
	}
	put(t, filepath.Join(filepath.Dir(path), "ca.pem"), string(ca))
	cfg, warnings, err := Load(path)
	if err != nil {
		t.Fatal(err)
	}
	if cfg.Lanes != 7 || cfg.Log.Level != "warn" || cfg.Hubs[0].Thing != "Plant1Hub" || cfg.Hubs[0].CAFile != filepath.Join(filepath.Dir(path), "ca.pem") ||
		cfg.Platform.CAFile != cfg.Hubs[0].CAFile || cfg.Checkpoint.File != filepath.Join(filepath.Dir(path), "c") {
		t.Errorf("got %+v", cfg)
	}
	if len(warnings) != 1 || !strings.HasSuffix(warnings[0].String(), "late.yml: is not read; give it a name that ends in .yaml") {
		t.Errorf("warnings are %v", warnings)
	}
	if got := cfg.originOf("log.level"); !strings.HasSuffix(got, filepath.Join("conf.d", "10-limits.yaml")+":2:14") {
		t.Errorf("log.level is from %s", got)
	}
	if got := cfg.originOf("hubs[0].thing"); !strings.HasSuffix(got, filepath.Join("conf.d", "20-hub.yaml")+":2:12") {
		t.Errorf("the hub is from %s", got)
	}
}

// Places are told without the folder, as azx.yaml and conf.d/x.yaml.
func TestWhatIsWrongInSeveralFilesIsToldAtOnceWithItsPlace(t *testing.T) {
	for _, c := range []struct {
		name  string
		files []string
		want  string
	}{
		{"a key in two files", []string{"azx.yaml", mainFile + "lanes: 7\n", "conf.d/a.yaml", "memory: 64MiB\nlanes: 8\n"},
			"conf.d/a.yaml:2:1: lanes: the key is here twice, first at azx.yaml:6:1; keep one"},
		{"a key below another in two files", []string{"azx.yaml", mainFile, "conf.d/a.yaml", "platform:\n  appKey: canary\n"},
			"conf.d/a.yaml:2:3: platform.appKey: the key is here twice, first at azx.yaml:1:54; keep one"},
		{"a key in two files of the folder", []string{"azx.yaml", mainFile, "conf.d/a.yaml", "lanes: 7\n", "conf.d/b.yaml", "\n\nlanes: 7\n"},
			"conf.d/b.yaml:3:1: lanes: the key is here twice, first at conf.d/a.yaml:1:1; keep one"},
		{"a key twice in one file of the folder", []string{"azx.yaml", mainFile, "conf.d/a.yaml", "lanes: 7\nlanes: 7\n"},
			"conf.d/a.yaml:2:1: lanes: the key is here twice, first in line 1; keep one"},
		{"a list in two files", []string{"azx.yaml", mainFile, "conf.d/a.yaml", "platform: {urls: [ws://127.0.0.1:1/Thingworx/WS]}\n"},
			"conf.d/a.yaml:1:12: platform.urls: the key is here twice, first at azx.yaml:1:12; keep one"},
		{"a section that is a text elsewhere", []string{"azx.yaml", mainFile, "conf.d/a.yaml", "checkpoint: c\n"},
			"conf.d/a.yaml:1:1: checkpoint: the key is here twice, first at azx.yaml:2:1; keep one"},
		{"one hub in each of two files", []string{"azx.yaml", mainFile, "conf.d/a.yaml", "hubs: [{thing: Plant1Hub}]\n"},
			"conf.d/a.yaml:1:16: hubs[1].thing: is that of hubs[0], too; each hub has a hub Thing of its own"},
		{"something wrong in each", []string{"azx.yaml", strings.Replace(mainFile, "quarantine: {dir: q}\n", "", 1) + "lans: 7\n", "conf.d/a.yaml", "lanes: many\nlog: {level: loud}\n"},
			"azx.yaml:1:1: quarantine.dir: missing; name a folder for messages put aside, such as /var/lib/azx/quarantine\n" +
				"azx.yaml:5:1: lans: unknown key; did you mean lanes?\n" +
				"conf.d/a.yaml:1:8: lanes: want a whole number, got text\n" +
				"conf.d/a.yaml:2:14: log.level: \"loud\" is not valid here; want debug, info, warn or error"},
		{"no YAML", []string{"azx.yaml", mainFile, "conf.d/a.yaml", "a: [\n"},
			"conf.d/a.yaml:2:1: not valid YAML: did not find expected node content"},
		{"no keys", []string{"azx.yaml", mainFile, "conf.d/a.yaml", "- lanes\n"},
			"conf.d/a.yaml:1:1: want keys and values, got a list"},
		{"an anchor", []string{"azx.yaml", mainFile, "conf.d/a.yaml", "&x\nlanes: 7\n"},
			"conf.d/a.yaml:1:1: anchors and aliases are not supported; write the value out"},
		{"an anchor at a section", []string{"azx.yaml", mainFile, "conf.d/a.yaml", "checkpoint: &x {file: c}\n"},
			"conf.d/a.yaml:1:1: checkpoint: the key is here twice, first at azx.yaml:2:1; keep one"},
	} {
		t.Run(c.name, func(t *testing.T) {
			path := folder(t, c.files...)
			_, _, err := Load(path)
			var problems Problems
			if !errors.As(err, &problems) {
				t.Fatalf("want problems, got %v", err)
			}
			if got := strings.ReplaceAll(problems.String(), filepath.Dir(path)+"/", ""); got != c.want {
				t.Errorf("got\n%s\nwant\n%s", got, c.want)
			}
		})
	}
}

func TestAFolderOfTooManyOrTooLargeFilesIsRefused(t *testing.T) {
	many := []string{"azx.yaml", mainFile}
	for i := range mostFiles + 1 {
		many = append(many, fmt.Sprintf("conf.d/%03d.yaml", i), "")
	}
	if _, _, err := Load(folder(t, many...)); err == nil || !strings.Contains(err.Error(), "has more than 100 files") {
		t.Errorf("got %v", err)
	}
	if _, _, err := Load(folder(t, "azx.yaml", mainFile, "conf.d/a.yaml", strings.Repeat("#\n", maxFile))); err == nil || !strings.Contains(err.Error(), "larger than 1 MiB") {
		t.Errorf("got %v", err)
	}
	if _, _, err := Load(folder(t, "azx.yaml", mainFile, "conf.d", "a file")); err == nil || !strings.Contains(err.Error(), "conf.d") {
		t.Errorf("got %v", err)
	}
}

func TestTheAdminSurfaceIsFoundInAFileThatHasProblems(t *testing.T) {
	for name, c := range map[string]struct{ text, want string }{
		"a right file":             {mainFile + "admin: {listen: \"127.0.0.1:7\"}\n", "127.0.0.1:7"},
		"a wrong one":              {"lans: 7\nadmin: {listen: \"127.0.0.1:7\"}\n", "127.0.0.1:7"},
		"one that says nothing":    {"lans: 7\n", "127.0.0.1:9464"},
		"one with a wrong address": {"admin: {listen: \"10.0.0.1:7\"}\n", "127.0.0.1:9464"},
		"no YAML":                  {"a: [", "127.0.0.1:9464"},
	} {
		if got, err := AdminOf(folder(t, "azx.yaml", c.text)); err != nil || got != c.want {
			t.Errorf("%s: got %s, %v; want %s", name, got, err, c.want)
		}
	}
	if _, err := AdminOf(filepath.Join(t.TempDir(), "azx.yaml")); err == nil {
		t.Error("a file that is not there has an admin surface")
	}
}
