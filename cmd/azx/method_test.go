package main

import (
	"encoding/pem"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// answering is a hub that gives every call the same answer; it returns flags that lead there.
func answering(t *testing.T, answer string) (flags []string, asked *string) {
	t.Helper()
	asked = new(string)
	hub := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		*asked = fmt.Sprintf("%s %s %s", r.Method, r.URL.Path, body)
		_, _ = io.WriteString(w, answer)
	}))
	t.Cleanup(hub.Close)
	dir := t.TempDir()
	put := func(name, text string) string {
		file := filepath.Join(dir, name)
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return file
	}
	ca := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: hub.Certificate().Raw})
	return []string{"--https", hub.Listener.Addr().String(), "--ca-file", put("ca.pem", string(ca)),
		"--connection-string-file", put("service", "HostName=127.0.0.1;SharedAccessKeyName=service;SharedAccessKey=c2VjcmV0\n")}, asked
}

func TestTheStatusOfAMethodDecidesTheExitCode(t *testing.T) {
	for answer, code := range map[string]int{`{"status":200,"payload":{"a":1}}`: 0, `{"status":299,"payload":null}`: 0, `{"status":500,"payload":{"why":"dry"}}`: 1} {
		flags, asked := answering(t, answer)
		got, stdout, stderr := runWith(t, append([]string{"method", "gateway-1/modbus", "reboot", `{"delay":3}`, "--connect-timeout", "7s"}, flags...), methodCommand())
		if got != code || strings.Join(strings.Fields(stdout), "") != answer || (code != 0) != strings.Contains(stderr, "answered reboot with status 500") {
			t.Errorf("%s: exit code %d, printed %s, said %s", answer, got, stdout, stderr)
		}
		if want := `POST /twins/gateway-1/modules/modbus/methods {"methodName":"reboot","payload":{"delay":3},"responseTimeoutInSeconds":30,"connectTimeoutInSeconds":7}`; *asked != want {
			t.Errorf("asked %s, want %s", *asked, want)
		}
	}
}

func TestTimeoutsOfTheFileCountForTheServiceTheyAreGivenFor(t *testing.T) {
	flags, asked := answering(t, `{"status":200,"payload":null}`)
	connection, ca, address := flags[5], flags[3], flags[1]
	file := filepath.Join(t.TempDir(), "azx.yaml")
	text := fmt.Sprintf(`platform: {urls: ["ws://127.0.0.1:8080/Thingworx/WS"], appKey: key}
hubs:
  - thing: Plant1Hub
    connectionString: ${file:%s}
    caFile: %s
    endpoints: {https: %s}
    methods: {connectTimeout: 1s, responseTimeout: 11s, services: {"modbus::read": {responseTimeout: 22s}}}
checkpoint: {file: c}
quarantine: {dir: q}
`, connection, ca, address)
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct{ target, method, flags, want string }{
		{"pump-1", "read", "", `"responseTimeoutInSeconds":11,"connectTimeoutInSeconds":1}`},
		{"gateway-1/modbus", "read", "", `"responseTimeoutInSeconds":22,"connectTimeoutInSeconds":1}`},
		{"gateway-1/modbus", "read", "--timeout=9s --connect-timeout=2s", `"responseTimeoutInSeconds":9,"connectTimeoutInSeconds":2}`},
	} {
		args := append([]string{"method", c.target, c.method, "-c", file}, strings.Fields(c.flags)...)
		if code, _, stderr := runWith(t, args, methodCommand()); code != 0 || !strings.HasSuffix(*asked, c.want) {
			t.Errorf("%v: exit code %d, asked %s, said %s", args, code, *asked, stderr)
		}
	}
}
