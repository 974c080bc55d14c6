package e2e

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"azx/internal/config"
	"azx/internal/secret"
	"azx/test/process"
)

// canary is in every credential that a test plants.
const canary = "Y2FuYXJ5LW9mLWEtc2VjcmV0" // also base64, so that it is a key in form

// canaryWithin is how long a command may take that asks a hub and a platform.
const canaryWithin = time.Minute

// canaries looks for credentials in all that somebody could read.
type canaries struct {
	t       *testing.T
	secrets map[string]string // by what they are
	looked  int
}

func (c *canaries) add(what, secret string) {
	c.t.Helper()
	if len(secret) < 12 {
		c.t.Fatalf("%s: %q is too short to be looked for", what, secret)
	}
	c.secrets[secret] = what
}

// keysOf adds the keys of a connection string.
func (c *canaries) keysOf(what, text string) {
	c.t.Helper()
	for field := range strings.SplitSeq(text, ";") {
		if key, ok := strings.CutPrefix(field, "SharedAccessKey="); ok {
			c.add(what, key)
		}
	}
}

func (c *canaries) look(where, text string) {
	c.t.Helper()
	c.looked++
	for secret, what := range c.secrets {
		if at := strings.Index(text, secret); at >= 0 {
			c.t.Errorf("%s shows %s: %q", where, what, text[max(0, at-80):min(len(text), at+len(secret)+20)])
		}
	}
	if at := strings.Index(text, "SharedAccessSignature sr="); at >= 0 {
		c.t.Errorf("%s shows a token: %q", where, text[at:min(len(text), at+80)])
	}
}

// ran looks at all that a command printed, and at its arguments.
func (c *canaries) ran(child *process.Child) {
	c.t.Helper()
	child.Wait(canaryWithin)
	c.look(child.String(), child.String()+"\n"+child.Stdout()+"\n"+child.Stderr())
}

// TestNoCredentialInUseIsShown runs a connector with its credentials, lets them be replaced by wrong ones, and reads all
// that it says: log, pages, metrics, commands, its arguments, what the platform hears, and the dump of a crash.
func TestNoCredentialInUseIsShown(t *testing.T) {
	t.Parallel()
	stack := newPlant(t)
	stack.AddDeviceThing("pump", hubThing, "--property", "n:INTEGER")
	stack.AddDeviceThing("odd", hubThing, "--property", "n:INTEGER")
	stack.ConfigureFor(hubThing, "azx-1", func(config map[string]any) {
		config["log"] = map[string]any{"level": "debug"}
		config["admin"] = map[string]any{"listen": "127.0.0.1:0", "pprof": "on"}
	})
	look := canaries{t: t, secrets: map[string]string{}}
	look.keysOf("the key of the hub's service policy", stack.Hub.ServiceConnectionString)
	look.keysOf("the key of the event endpoint", stack.Hub.EventHubsConnectionString)
	key, err := os.ReadFile(filepath.Join(stack.Dir, "platform", "app-key"))
	if err != nil {
		t.Fatal(err)
	}
	look.add("the application key", strings.TrimSpace(string(key)))
	look.add("a planted credential", canary)

	connector := stack.ConnectAs("azx-1")
	admin := strings.TrimSuffix(connector.UntilPrinted(canaryWithin, "ready: ")[len("ready: "):], "/readyz")
	device := connectDevice(t, stack, "pump")
	stop := startSender(t, device, 0)
	stack.AddDevice("odd")
	stack.Send("odd", `{"n": "a text"}`)
	for _, replaced := range []struct{ file, text string }{
		{"platform/app-key", canary},
		{"hub-connection-string", "HostName=" + stack.Hub.HostName + ";SharedAccessKeyName=service;SharedAccessKey=" + canary},
		{"hub-connection-string", canary},
	} {
		old, err := os.ReadFile(filepath.Join(stack.Dir, replaced.file))
		if err != nil {
			t.Fatal(err)
		}
		stack.WriteFile(replaced.file, []byte(replaced.text))
		for _, args := range [][]string{{"reload", "--admin", strings.TrimPrefix(admin, "http://")}, {"doctor", "-c", "azx-1.yaml"}, {"validate", "-c", "azx-1.yaml"}} {
			look.ran(stack.Start(args...))
		}
		stack.WriteFile(replaced.file, old)
	}
	stop()

	for _, page := range []string{"/metrics", "/status", "/livez?verbose", "/readyz?verbose", "/", "/debug/pprof/cmdline", "/debug/pprof/goroutine?debug=2"} {
		look.look(page, fetched(t, admin+page))
	}
	for _, args := range [][]string{
		{"config", "print", "-c", "azx-1.yaml", "--origin", "--hub-thing"}, {"config", "diff", "azx-1.yaml", "azx-1.yaml"}, {"doctor", "-c", "azx-1.yaml", "--json"},
		{"dry-run", "-c", "azx-1.yaml", "--consumer-group", "$Default", "--start", "earliest", "--json"}, {"--version"},
	} {
		look.ran(stack.Start(args...))
	}
	events, err := stack.Platform.Events("ConnectionServicesHub")
	if err != nil {
		t.Fatal(err)
	}
	look.look("what the platform was told", fmt.Sprint(events))
	look.look("the arguments of the process", connector.Arguments())
	connector.Quit()
	if !strings.Contains(connector.Stderr(), "goroutine ") {
		t.Error("there is no crash dump")
	}
	look.look("the log with the crash dump", connector.Stdout()+connector.Stderr())
	if look.looked < 20 {
		t.Errorf("looked at %d places only", look.looked)
	}
}

func fetched(t *testing.T, url string) string {
	t.Helper()
	client := http.Client{Timeout: 30 * time.Second}
	answer, err := client.Get(url)
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	text, err := io.ReadAll(answer.Body)
	if err != nil || len(text) == 0 {
		t.Fatalf("%s: %s, %d bytes, %v", url, answer.Status, len(text), err)
	}
	return string(text)
}

// plantedAt is a canary at a path of the file; hubs[] is the first hub.
type plantedAt struct {
	path, what string
	text       any
}

// planted are canaries in the fields of the file that hold a credential, each wrong in another way, and in fields where
// somebody may put one by mistake.
var planted = []plantedAt{
	{"platform.appKey", "a key", canary},
	{"platform.appKey", "two parts", canary + "${env:NOT_SET_AT_ALL}"},
	{"platform.appKey", "a reference that does not end", "${file:" + canary},
	{"platform.urls", "an address with a credential", []string{"ws://azx:" + canary + "@127.0.0.1:1/WS"}},
	{"hubs[].connectionString", "a hub that is not there", "HostName=127.0.0.1;" + keyed},
	{"hubs[].connectionString", "no host", keyed},
	{"hubs[].connectionString", "no host's name", "HostName=no host;" + keyed},
	{"hubs[].connectionString", "nothing but the key", canary},
	{"hubs[].connectionString", "a list", []string{canary}},
	{"hubs[].eventHubsConnectionString", "an endpoint that is not there", "Endpoint=sb://127.0.0.1/;EntityPath=e;" + keyed},
	{"hubs[].eventHubsConnectionString", "no entity", "Endpoint=sb://127.0.0.1/;" + keyed},
	{"hubs[].eventHubsConnectionString", "nothing but the key", canary},
	{"checkpoint", "an account that is not there", containerAt("connectionString",
		"AccountName=plant;BlobEndpoint=http://127.0.0.1:1/plant;AccountKey="+canary)},
	{"checkpoint.blob.connectionString", "no account", "AccountKey=" + canary},
	{"checkpoint", "a signature for an account that is not there", containerAt("url", "http://127.0.0.1:1/plant?sv=2025-01-05&sig="+canary)},
	{"checkpoint.blob.url", "no URL", "://" + canary + "?sig=" + canary},
	{"identity", "an authority that is not there", map[string]any{
		"kind": "secret", "tenant": "plant", "clientId": "azx", "clientSecret": canary, "authority": "https://127.0.0.1:1",
	}},
	{"identity.clientSecret", "without the rest", canary},
	{"proxy", "one that is not there", "http://azx:" + canary + "@127.0.0.1:1"},
	{"proxy", "no URL", "http://azx:" + canary + "@[::1"},
	{"tracing.otlp", "a collector with a credential", "http://azx:" + canary + "@127.0.0.1:1"},
}

const keyed = "SharedAccessKeyName=service;SharedAccessKey=" + canary

func containerAt(key, account string) map[string]any {
	return map[string]any{"blob": map[string]any{"container": "checkpoints", key: account}}
}

// plant sets the value at a path.
func plant(config map[string]any, path string, value any) {
	for {
		key, rest, more := strings.Cut(path, ".")
		if !more {
			config[key] = value
			return
		}
		if list, ok := strings.CutSuffix(key, "[]"); ok {
			config = config[list].([]any)[0].(map[string]any)
		} else {
			if config[key] == nil {
				config[key] = map[string]any{}
			}
			config = config[key].(map[string]any)
		}
		path = rest
	}
}

// TestNoCredentialThatIsRefusedIsShown plants them one after the other, and reads what each command says about it, and what
// a connector says that runs into it, also when it crashes.
func TestNoCredentialThatIsRefusedIsShown(t *testing.T) {
	t.Parallel()
	stack := newPlant(t)
	look := canaries{t: t, secrets: map[string]string{}}
	look.add("a planted credential", canary)
	for _, p := range planted {
		t.Run(p.path+", "+p.what, func(t *testing.T) {
			look := look
			look.t = t
			stack.ConfigureFor(hubThing, "azx-2", func(config map[string]any) { plant(config, p.path, p.text) })
			for _, args := range [][]string{{"validate"}, {"config", "print", "--origin"}, {"checkpoint", "show"}, {"doctor"}} {
				look.ran(stack.Start(append(args, "-c", "azx-2.yaml")...))
			}
			connector := stack.Start("run", "-c", "azx-2.yaml", "--log-level", "debug")
			process.Eventually(t, canaryWithin, "the connector has met it", func() error {
				if !connector.Ended() && !strings.Contains(connector.Stderr(), "level=WARN") && !strings.Contains(connector.Stdout(), "ready") {
					return errors.New("it says nothing yet")
				}
				return nil
			})
			connector.Quit()
			look.look("what the connector says", connector.Stdout()+connector.Stderr())
		})
	}
}

// TestEachCredentialOfTheFileIsPlanted has nobody forget a new one.
func TestEachCredentialOfTheFileIsPlanted(t *testing.T) {
	all := credentialsOf(reflect.TypeFor[config.Config](), "")
	if len(all) < 7 {
		t.Fatalf("the file has the credentials %v only?", all)
	}
	for _, path := range all {
		if !slices.ContainsFunc(planted, func(p plantedAt) bool { return p.path == path }) {
			t.Errorf("no canary is planted at %s", path)
		}
	}
}

// credentialsOf lists the paths of the credentials of a section of the file.
func credentialsOf(section reflect.Type, path string) (all []string) {
	for i := range section.NumField() {
		field := section.Field(i)
		at := strings.TrimPrefix(path+"."+field.Tag.Get("yaml"), ".")
		of := field.Type
		if of.Kind() == reflect.Slice {
			at, of = at+"[]", of.Elem()
		}
		switch {
		case !field.IsExported():
		case of == reflect.TypeFor[secret.Source]():
			all = append(all, at)
		case of.Kind() == reflect.Struct:
			all = append(all, credentialsOf(of, at)...)
		}
	}
	return all
}
