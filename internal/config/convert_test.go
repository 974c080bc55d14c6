package config

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"azx/internal/fault"
	"azx/internal/hocon"
)

// leastConf is what a file of the reference product has to have, without the application key.
const leastConf = `cx-server.transport.websockets.platforms = "wss://h/Thingworx/WS"
cx-server.protocol.hub-thing-name = Plant1Hub
`

// convertText converts a file with the text in a folder of its own, which it returns.
func convertText(t *testing.T, text string) (string, Converted, error) {
	t.Helper()
	dir := t.TempDir()
	put(t, filepath.Join(dir, "azure-iot.conf"), text)
	made, err := Convert(filepath.Join(dir, "azure-iot.conf"), filepath.Join(dir, "azx.yaml"), false)
	return dir, made, err
}

func TestConvertWritesAFileThatLoads(t *testing.T) {
	for _, name := range []string{"least", "sample"} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			to := filepath.Join(dir, "azx.yaml")
			made, err := Convert("testdata/convert/"+name+".conf", to, false)
			if err != nil || len(made.Open) > 0 || len(made.Written) != 2 {
				t.Fatalf("%v, %+v", err, made)
			}
			text, err := os.ReadFile(to)
			if err != nil {
				t.Fatal(err)
			}
			same(t, "testdata/convert/"+name+".golden.yaml", string(text))
			same(t, "testdata/convert/"+name+".golden.txt", strings.Join(made.Warnings, "\n")+"\n")
			if all := string(text) + strings.Join(made.Warnings, ""); strings.Contains(all, "canary") {
				t.Errorf("a credential is shown in\n%s", all)
			}
			cfg, warnings, err := Load(to)
			if err != nil || len(warnings) > 0 {
				t.Fatalf("%v, %v", err, warnings)
			}
			if key, err := cfg.Platform.AppKey.Value(); err != nil || key != "canary-key" {
				t.Errorf("application key: %v", err)
			}
			if info, err := os.Stat(filepath.Join(dir, "app-key")); err != nil || info.Mode().Perm() != 0o600 {
				t.Errorf("file of the application key: %v, %v", info, err)
			}
		})
	}
}

func TestConvertTakesBothSpellingsOfAKey(t *testing.T) {
	for _, key := range []string{"request.default_timeout-ms", "request.default_timeout.ms", "request { default-timeout { ms", "request.defaultTimeoutMs"} {
		text := leastConf + "cx-server.transport.websockets { app.key = k, " + key + " = 12000 }" + strings.Repeat("}", strings.Count(key, "{"))
		dir, _, err := convertText(t, text)
		if err != nil {
			t.Fatal(err)
		}
		cfg, _, err := Load(filepath.Join(dir, "azx.yaml"))
		if err != nil || cfg.RequestTimeout.Seconds() != 12 {
			t.Errorf("%s: %v, %+v", key, err, cfg)
		}
	}
}

func TestConvertTakesOneOrSeveralPlatforms(t *testing.T) {
	const a, b = "wss://a/Thingworx/WS", "wss://b/Thingworx/WS"
	for text, want := range map[string]string{
		`= "` + a + `"`: a, `= "` + a + `, ` + b + `"`: a + " " + b, `= ["` + a + `", "` + b + `"]`: a + " " + b,
		`{ 1 = "` + b + `", 0 = "` + a + `" }`: a + " " + b, `+= "` + a + `"`: a,
	} {
		dir, _, err := convertText(t, "cx-server { transport.websockets { app-key = k\nplatforms "+text+" }\nprotocol.hub-thing-name = H }")
		if err != nil {
			t.Fatal(err)
		}
		cfg, _, err := Load(filepath.Join(dir, "azx.yaml"))
		if err != nil {
			t.Fatal(err)
		}
		if got := strings.Join(cfg.Platform.URLs, " "); got != want {
			t.Errorf("%s: got %s, want %s", text, got, want)
		}
	}
}

func TestConvertTakesTheRoutingGroupFromWhereverItIs(t *testing.T) {
	for text, want := range map[string]string{
		"cx-server.protocol.routing-group = Group1":                      "Group1",
		"cx-server.protocol { routing.group.name = 7 }":                  "7",
		"cx-server.routing-group = ${cx-server.protocol.hub-thing-name}": "Plant1Hub",
		`cx-server.protocol.routing-group = "${hub-thing-name}"`:         "",
		"cx-server.protocol.routing-group = ${?NO_SUCH_VARIABLE_OF_AZX}": "",
		"cx-server.protocol.routing-group-other = x":                     "",
	} {
		dir, _, err := convertText(t, leastConf+"cx-server.transport.websockets.app-key = k\n"+text)
		if err != nil {
			t.Fatal(err)
		}
		cfg, _, err := Load(filepath.Join(dir, "azx.yaml"))
		if err != nil || cfg.Hubs[0].RoutingGroup != want {
			t.Errorf("%s: %v, %+v", text, err, cfg)
		}
	}
}

func TestAnApplicationKeyThatCannotBeReadIsLeftToBeSet(t *testing.T) {
	for name, c := range map[string]struct{ line, why string }{
		"by the security tool":    {`app-key = "encrypt.canary-app-key"`, "is encrypted there"},
		"by an edge's tool":       {`app-key = "AES:canary"`, "is encrypted there"},
		"in the style of Jasypt":  {`app-key = "ENC(canary)"`, "is encrypted there"},
		"absent":                  {`other = 1`, "is not in"},
		"null":                    {`app-key = null`, "is not in"},
		"empty":                   {`app-key = " "`, "is empty there"},
		"from a variable not set": {`app-key = ${?NO_SUCH_VARIABLE_OF_AZX}`, "is not in"},
	} {
		t.Run(name, func(t *testing.T) {
			dir, made, err := convertText(t, leastConf+"cx-server.transport.websockets."+c.line)
			if err != nil || len(made.Written) != 1 || len(made.Open) != 1 || !strings.Contains(made.Open[0], c.why) {
				t.Fatalf("%v, %+v", err, made)
			}
			if strings.Contains(fmt.Sprint(made), "canary") {
				t.Errorf("shows the value: %+v", made)
			}
			if _, _, err := Load(filepath.Join(dir, "azx.yaml")); err == nil || !strings.Contains(err.Error(), "app-key") {
				t.Errorf("without the key: %v", err)
			}
			put(t, filepath.Join(dir, "app-key"), "set by hand")
			if _, _, err := Load(filepath.Join(dir, "azx.yaml")); err != nil {
				t.Error(err)
			}
		})
	}
}

func TestAnApplicationKeyFromTheEnvironmentStaysThere(t *testing.T) {
	t.Setenv("AZX_TEST_APP_KEY", "canary")
	dir, made, err := convertText(t, leastConf+"cx-server.transport.websockets.app-key = ${AZX_TEST_APP_KEY}")
	if err != nil || len(made.Written) != 1 || len(made.Open) > 0 {
		t.Fatalf("%v, %+v", err, made)
	}
	text, err := os.ReadFile(filepath.Join(dir, "azx.yaml"))
	if err != nil || !strings.Contains(string(text), "${env:AZX_TEST_APP_KEY}") || strings.Contains(string(text), "canary") {
		t.Errorf("%v:\n%s", err, text)
	}
}

func TestConvertRefusesWhatIsWrongAndWritesNothing(t *testing.T) {
	key := "cx-server.transport.websockets.app-key = canary\n"
	for name, c := range map[string]struct {
		text string
		want []string
	}{
		"no hub Thing and no platform": {key, []string{": cx-server.protocol.hub-thing-name: missing; name the Thing",
			": cx-server.transport.websockets.platforms: missing; name the addresses"}},
		"an empty file":         {"", []string{"hub-thing-name: missing"}},
		"a blank hub Thing":     {leastConf + key + `cx-server.protocol.hub-thing-name = " "`, []string{":4:1: cx-server.protocol.hub-thing-name: missing"}},
		"a hub Thing in a list": {leastConf + key + `cx-server.protocol.hub-thing-name = [x]`, []string{":4:1: cx-server.protocol.hub-thing-name: want a text"}},
		"an encrypted hub Thing": {leastConf + key + `cx-server.protocol.hub-thing-name = "encrypt.canary"`,
			[]string{":4:1: cx-server.protocol.hub-thing-name: is encrypted; write it in plain text"}},
		"a name with a line end": {leastConf + key + `cx-server.thing.name = "a\nb"`, []string{":4:1: cx-server.thing.name: has characters that cannot be printed"}},
		"a name with blanks":     {leastConf + key + `cx-server.thing.name = " a"`, []string{":4:1: cx-server.thing.name: has blanks around it"}},
		"a web address": {key + "cx-server { protocol.hub-thing-name = H\ntransport.websockets.platforms = \"https://h/Thingworx/WS\" }",
			[]string{`:3:1: cx-server.transport.websockets.platforms: the scheme is "https"; AlwaysOn runs over ws:// or wss://`}},
		"no address in the list": {key + "cx-server { protocol.hub-thing-name = H\ntransport.websockets.platforms = [] }",
			[]string{":3:1: cx-server.transport.websockets.platforms: is empty"}},
		"objects as addresses": {key + "cx-server { protocol.hub-thing-name = H\ntransport.websockets.platforms = [{ host = h }] }",
			[]string{":3:1: cx-server.transport.websockets.platforms: want a text"}},
		"a blank routing group": {leastConf + key + `cx-server.protocol.routing-group = ""`, []string{":4:1: cx-server.protocol.routing-group: is null or blank"}},
		"a null routing group":  {leastConf + key + `cx-server.protocol.routing-group = null`, []string{":4:1: cx-server.protocol.routing-group: is null or blank"}},
		"blanks around a group": {leastConf + key + `cx-server.protocol.routing-group = " x"`, []string{":4:1: cx-server.protocol.routing-group: has blanks around it"}},
		"no time":               {leastConf + key + `cx-server.transport.websockets.request.default_timeout-ms = soon`, []string{"default_timeout-ms: not a number with a unit"}},
		"two spellings, two values": {leastConf + key + "cx-server.transport.websockets { request { default_timeout-ms = 1000\ndefault_timeout.ms = 2000 } }",
			[]string{":5:1: cx-server.transport.websockets.request.default_timeout.ms: has another value than cx-server.transport.websockets.request.default_timeout-ms in line 4"}},
		"an application key of lines": {leastConf + `cx-server.transport.websockets.app-key = "canary\n1"`, []string{":3:1: cx-server.transport.websockets.app-key: has characters"}},
		"a long application key":      {leastConf + `cx-server.transport.websockets.app-key = ` + strings.Repeat("canary", 1000), []string{"app-key: is too long"}},
		"a fault in the format":       {leastConf + key + "x = canary:y", []string{":4:11: want a value, got ':'; a text with ':' needs double quotes"}},
		"the class path":              {`include classpath("x.conf")`, []string{":1:1: an include from the class path"}},
		"an encrypted file":           {strings.Repeat("QUJD", 40) + "==\n", []string{"the file is encrypted, or no text"}},
		"a file of bytes":             {"\x00\x01\xff", []string{"the file is encrypted, or no text"}},
	} {
		t.Run(name, func(t *testing.T) {
			dir, made, err := convertText(t, c.text)
			if err == nil {
				t.Fatalf("no error, %+v", made)
			}
			for _, want := range c.want {
				if !strings.Contains(err.Error(), want) {
					t.Errorf("got  %v\nwant %s", err, want)
				}
			}
			if fault.ClassOf(err) != fault.Fatal || strings.Contains(err.Error(), "canary") {
				t.Errorf("class %s, %v", fault.ClassOf(err), err)
			}
			if entries, err := os.ReadDir(dir); err != nil || len(entries) != 1 {
				t.Errorf("%v, %v", entries, err)
			}
		})
	}
}

func TestConvertSaysHowAnEncryptedFileIsRead(t *testing.T) {
	_, _, err := convertText(t, "\xff\xfe")
	if !strings.Contains(fault.HintOf(err), "-Dconfig.plaintext=true") {
		t.Errorf("hint %q", fault.HintOf(err))
	}
}

func TestConvertWarnsOfWhatChanges(t *testing.T) {
	for text, want := range map[string]string{
		"cx-server.transport.websockets.request.default_timeout-ms = 500": "is 500ms, and azx takes 1s to 10m: it stays at the default of 30s",
		`include "gone.conf"`: `an include is ignored, because its file is not there: gone.conf`,
		`cx-server.transport.websockets.platforms = "ws://far.example.com/Thingworx/WS"`: "platforms: the application key and all values travel unencrypted; use wss://",
		"cx-server.tls.verify-host = false":                                              "names in certificates are always checked",
	} {
		_, made, err := convertText(t, leastConf+"cx-server.transport.websockets.app-key = k\n"+text)
		if err != nil || !strings.Contains(strings.Join(made.Warnings, "\n"), want) {
			t.Errorf("%s: %v, %q", text, err, made.Warnings)
		}
	}
}

func TestConvertOverwritesOnlyWhenTold(t *testing.T) {
	dir, _, err := convertText(t, leastConf+"cx-server.transport.websockets.app-key = k1")
	if err != nil {
		t.Fatal(err)
	}
	from, to := filepath.Join(dir, "azure-iot.conf"), filepath.Join(dir, "azx.yaml")
	if _, err := Convert(from, to, false); !errors.Is(err, fs.ErrExist) || !strings.Contains(fault.HintOf(err), "--force") {
		t.Errorf("got %v with hint %q", err, fault.HintOf(err))
	}
	if _, err := Convert(from, to, true); err != nil {
		t.Error(err)
	}
	if _, err := Convert(from, from, true); !errors.Is(err, errSame) {
		t.Errorf("onto itself: %v", err)
	}
	if _, err := Convert(filepath.Join(dir, "gone.conf"), to, true); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("without a file: %v", err)
	}
}

// Whatever the file says: no panic, and either problems or a file that azx reads.
func FuzzConvert(f *testing.F) {
	for _, file := range glob(f, "testdata/convert/*.conf") {
		text, err := os.ReadFile(file)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(string(text))
	}
	f.Fuzz(func(t *testing.T, text string) {
		c := &converter{file: "azure-iot.conf", settings: map[string]setting{}}
		doc, err := hocon.Read(c.file, hocon.Source{LookupEnv: func(string) (string, bool) { return "x", true },
			ReadFile: func(path string) ([]byte, error) {
				if path != c.file {
					return nil, fs.ErrNotExist
				}
				return []byte(text), nil
			}})
		if err != nil {
			return
		}
		made, err := c.convert(doc, "testdata/azx.yaml")
		var problems Problems
		if err != nil && (!errors.As(err, &problems) || len(problems) == 0) {
			t.Errorf("an error without a problem: %v", err)
		}
		if err == nil {
			if _, _, problems := parse([]file{{"testdata/azx.yaml", []byte(made)}}); len(problems) > 1 || len(problems) == 1 && problems[0].Path != "platform.appKey" {
				t.Errorf("%v in\n%s", problems, made)
			}
		}
	})
}
