package e2e

import (
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

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

// TestNoCredentialThatIsRefusedIsShown plants a canary in each field of the file that holds a credential, in every form that
// is wrong in another way, and reads what each command says about it.
func TestNoCredentialThatIsRefusedIsShown(t *testing.T) {
	t.Parallel()
	const keyed = "SharedAccessKeyName=service;SharedAccessKey=" + canary
	hubs := func(config map[string]any) map[string]any { return config["hubs"].([]any)[0].(map[string]any) }
	stack := newPlant(t)
	look := canaries{t: t, secrets: map[string]string{}}
	look.add("a planted credential", canary)
	for name, plant := range map[string]func(config map[string]any){
		"application key":              func(c map[string]any) { c["platform"].(map[string]any)["appKey"] = canary },
		"application key of two parts": func(c map[string]any) { c["platform"].(map[string]any)["appKey"] = canary + "${env:NOT_SET_AT_ALL}" },
		"connection string":            func(c map[string]any) { hubs(c)["connectionString"] = "HostName=127.0.0.1;" + keyed },
		"connection string, no host":   func(c map[string]any) { hubs(c)["connectionString"] = keyed },
		"connection string, bad host":  func(c map[string]any) { hubs(c)["connectionString"] = "HostName=no host;" + keyed },
		"no connection string at all":  func(c map[string]any) { hubs(c)["connectionString"] = canary },
		"connection string, a list":    func(c map[string]any) { hubs(c)["connectionString"] = []string{canary} },
		"events": func(c map[string]any) {
			hubs(c)["eventHubsConnectionString"] = "Endpoint=sb://127.0.0.1/;EntityPath=e;" + keyed
		},
		"events, no entity":            func(c map[string]any) { hubs(c)["eventHubsConnectionString"] = "Endpoint=sb://127.0.0.1/;" + keyed },
		"events, no connection string": func(c map[string]any) { hubs(c)["eventHubsConnectionString"] = canary },
		"proxy":                        func(c map[string]any) { c["proxy"] = "http://azx:" + canary + "@127.0.0.1:1" },
		"proxy that is no URL":         func(c map[string]any) { c["proxy"] = "http://azx:" + canary + "@[::1" },
		"tracing":                      func(c map[string]any) { c["tracing"] = map[string]any{"otlp": "http://azx:" + canary + "@127.0.0.1:1"} },
		"an address with a credential": func(c map[string]any) {
			c["platform"].(map[string]any)["urls"] = []string{"ws://azx:" + canary + "@127.0.0.1:1/WS"}
		},
		"a reference that does not end": func(c map[string]any) { c["platform"].(map[string]any)["appKey"] = "${file:" + canary },
	} {
		t.Run(name, func(t *testing.T) {
			look := look
			look.t = t
			stack.ConfigureFor(hubThing, "azx-2", plant)
			for _, args := range [][]string{{"validate"}, {"config", "print", "--origin"}, {"doctor"}} {
				look.ran(stack.Start(append(args, "-c", "azx-2.yaml")...))
			}
		})
	}
}
