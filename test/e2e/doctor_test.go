package e2e

import (
	"encoding/json"
	"fmt"
	"net"
	"strings"
	"testing"
	"time"

	"azx/test/process"
)

// finding is a line of azx doctor.
type finding struct{ Check, Status, Text, Hint string }

// doctor runs azx doctor for a connector's file, and returns its exit code and what it found.
func doctor(t *testing.T, stack *process.Stack, connector string, flags ...string) (code int, found map[string]finding) {
	t.Helper()
	child := stack.Start(append([]string{"doctor", "-c", connector + ".yaml", "--json"}, flags...)...)
	code = child.Wait(2 * time.Minute)
	var report struct{ Findings []finding }
	if err := json.Unmarshal([]byte(child.Stdout()), &report); err != nil {
		t.Fatalf("exit code %d: %v: %s%s", code, err, child.Stdout(), child.Stderr())
	}
	found = map[string]finding{}
	for _, f := range report.Findings {
		found[f.Check] = f
	}
	return code, found
}

// expectFinding wants a check with this status, and the words in its text or hint.
func expectFinding(t *testing.T, found map[string]finding, check, status string, words ...string) {
	t.Helper()
	f := found[check]
	if f.Status != status {
		t.Errorf("%s: %q, want %s", check, f, status)
	}
	for _, w := range words {
		if !strings.Contains(f.Text+"\n"+f.Hint, w) {
			t.Errorf("%s: %q lacks %q", check, f, w)
		}
	}
}

// expectOnly wants no other check to have failed.
func expectOnly(t *testing.T, found map[string]finding, failed ...string) {
	t.Helper()
	for _, f := range found {
		if f.Status == "fail" && !strings.Contains(strings.Join(failed, ","), f.Check) {
			t.Errorf("%s failed, too: %q", f.Check, f)
		}
	}
}

// hubOf changes the only hub of a connector's file.
func hubOf(key string, value any) func(config map[string]any) {
	return func(config map[string]any) { config["hubs"].([]any)[0].(map[string]any)[key] = value }
}

// TestTheDoctorNamesEachFaultOfTheHubAndOfTheFile has one hub and one platform, and one fault at a time.
func TestTheDoctorNamesEachFaultOfTheHubAndOfTheFile(t *testing.T) {
	t.Parallel()
	stack := process.NewStack(t, azx)
	stack.AddHubThing(hubThing)
	stack.AddDevice("pump-7")
	stack.AddDeviceThing("pump-7", hubThing, "--property", "temperature:NUMBER")
	examine := func(name string, edit ...func(map[string]any)) (int, map[string]finding) {
		stack.ConfigureFor(hubThing, name, edit...)
		return doctor(t, stack, name)
	}

	code, found := examine("fresh")
	expectOnly(t, found)
	expectFinding(t, found, "event sources", "skip", "no message")
	expectFinding(t, found, "requests", "skip", "--two-way")
	if code != 0 {
		t.Errorf("a hub and a platform without any fault: exit code %d, %v", code, found)
	}
	code, found = doctor(t, stack, "fresh", "--two-way")
	expectFinding(t, found, "requests", "ok", "pump-7")
	if code != 0 {
		t.Errorf("both ways: exit code %d, %v", code, found)
	}

	stack.Send("pump-7", `{"temperature":21.5}`)
	code, found = examine("no-routes")
	expectFinding(t, found, "event sources", "warn", "none of: twin changes, lifecycle events, connection states",
		"az iot hub route create --hub-name localhost --route-name twinchangeevents --source twinchangeevents --endpoint-name events")
	if code != 5 {
		t.Errorf("no routes: exit code %d, want 5", code)
	}

	code, found = examine("no-group", hubOf("consumerGroup", "missing"))
	expectFinding(t, found, "consumer group", "fail", "does not exist", "az iot hub consumer-group create --hub-name localhost --name missing")
	expectFinding(t, found, "event sources", "skip", "needs consumer group")
	expectOnly(t, found, "consumer group")
	if code != 4 {
		t.Errorf("no consumer group: exit code %d, want 4", code)
	}

	code, found = examine("no-rights", hubOf("connectionString", policy(t, stack, "device")))
	expectFinding(t, found, "service right and tier", "fail", `lacks the right`, `the policy "device" needs the rights`)
	expectFinding(t, found, "event endpoint", "fail", `the policy "device" needs the right ServiceConnect`)
	expectFinding(t, found, "consumer group", "skip", "needs event endpoint")
	expectOnly(t, found, "service right and tier", "event endpoint")
	if code != 4 {
		t.Errorf("a policy without rights: exit code %d, want 4", code)
	}

	code, found = examine("wrong-key", func(config map[string]any) {
		config["platform"].(map[string]any)["appKey"] = "11111111-2222-3333-4444-555555555555"
	})
	expectFinding(t, found, "application key", "fail", "platform.appKey: is it this platform's key")
	expectFinding(t, found, "extension packages", "skip", "needs application key")
	expectFinding(t, found, "consumer group", "ok") // the hub is looked at all the same
	expectOnly(t, found, "application key")
	if code != 4 {
		t.Errorf("a wrong application key: exit code %d, want 4", code)
	}

	blocked := func(config map[string]any) {
		config["hubs"].([]any)[0].(map[string]any)["endpoints"].(map[string]any)["amqps"] = closedPort(t)
	}
	code, found = examine("around", blocked)
	expectFinding(t, found, "hub AMQP port", "warn", "connection refused; WebSocket at port 443 is used instead", "transport: websocket")
	expectFinding(t, found, "consumer group", "ok")
	expectOnly(t, found)
	if code != 5 {
		t.Errorf("a blocked port with a way around: exit code %d, want 5", code)
	}
	code, found = examine("blocked", blocked, hubOf("transport", "amqp"))
	expectFinding(t, found, "hub AMQP port", "fail", "connection refused", "blocks the port", "endpoints.amqps")
	expectFinding(t, found, "event endpoint", "skip", "needs hub AMQP certificate")
	expectOnly(t, found, "hub AMQP port")
	if code != 4 {
		t.Errorf("a blocked port: exit code %d, want 4", code)
	}

	stack.Control("PUT", "/limits", map[string]any{"basic": true})
	code, found = examine("basic")
	expectFinding(t, found, "service right and tier", "warn", "403010", "telemetry is carried", "tier: basic")
	expectOnly(t, found)
	if code != 5 {
		t.Errorf("the Basic tier: exit code %d, want 5", code)
	}
	stack.Control("PUT", "/limits", map[string]any{})

	stack.ConfigureFor(hubThing, "another")
	stack.ConnectAs("another")
	code, found = examine("shared")
	expectFinding(t, found, "consumer group", "fail", "another application reads partitions 0, 1, 2, 3 of 4",
		"az iot hub consumer-group create --hub-name localhost --name azx-2")
	expectOnly(t, found, "consumer group")
	if code != 3 {
		t.Errorf("a shared consumer group: exit code %d, want 3", code)
	}
	code, found = doctor(t, stack, "another") // whose group it is
	expectFinding(t, found, "connector", "ok", "runs on this machine: another (pid ")
	expectFinding(t, found, "consumer group", "ok", "as another (pid ")
	expectFinding(t, found, "event sources", "warn", "read through $Default")
	expectFinding(t, found, "requests", "ok", "pump-7")
	if code != 5 {
		t.Errorf("beside the connector: exit code %d, want 5", code)
	}
}

// TestTheDoctorTellsAWrongClockFromAnExpiredCertificate has hubs that are wrong themselves.
func TestTheDoctorTellsAWrongClockFromAnExpiredCertificate(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name         string
		flag, value  string
		check, words string
		hint         string
		code         int
	}{
		{"this machine is behind", "--clock-offset", "30m", "hub clock", "behind the hub's", "NTP", 3},
		{"the certificate has expired", "--certificate-life", "-1h", "hub AMQP certificate", "certificate has expired", "renew the server's certificate", 4},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			stack := process.NewStack(t, azx, process.Flags{Hub: []string{c.flag, c.value}})
			stack.AddHubThing(hubThing)
			stack.ConfigureFor(hubThing, "azx-1")
			code, found := doctor(t, stack, "azx-1")
			expectFinding(t, found, c.check, "fail", c.words, c.hint)
			expectFinding(t, found, "event endpoint", "skip", "needs hub ")
			expectOnly(t, found, c.check, strings.Replace(c.check, "AMQP", "HTTPS", 1))
			if c.check != "hub clock" {
				expectFinding(t, found, "hub clock", "ok", "within a second")
			}
			if code != c.code {
				t.Errorf("exit code %d, want %d", code, c.code)
			}
		})
	}
}

// TestTheDoctorNamesMissingPackages has a platform without any.
func TestTheDoctorNamesMissingPackages(t *testing.T) {
	t.Parallel()
	stack := process.NewStack(t, azx, process.Flags{Platform: []string{"--bare"}})
	stack.ConfigureFor(hubThing, "azx-1")
	code, found := doctor(t, stack, "azx-1")
	expectFinding(t, found, "extension packages", "fail", "azx-connection-services is missing; azx-azure-iot is missing", "azx extension build")
	expectFinding(t, found, "hub Thing", "skip", "needs extension packages")
	expectFinding(t, found, "consumer group", "ok")
	expectOnly(t, found, "extension packages")
	if code != 3 {
		t.Errorf("exit code %d, want 3", code)
	}
}

// policy is the connection string of a shared access policy.
func policy(t *testing.T, stack *process.Stack, name string) string {
	t.Helper()
	var policies []struct{ Name, ConnectionString string }
	if err := json.Unmarshal(stack.Control("GET", "/policies", nil), &policies); err != nil {
		t.Fatal(err)
	}
	for _, p := range policies {
		if p.Name == name {
			return p.ConnectionString
		}
	}
	t.Fatalf("the hub has no policy %s", name)
	return ""
}

// closedPort is an address where nobody listens.
func closedPort(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	return fmt.Sprint(l.Addr())
}

// TestTheDoctorShowsEdgeDevicesWhoseMessagesStayThere has two: the routes of one lead to the hub.
func TestTheDoctorShowsEdgeDevicesWhoseMessagesStayThere(t *testing.T) {
	t.Parallel()
	stack := process.NewStack(t, azx)
	stack.AddHubThing(hubThing)
	stack.AddDevice("press-1", "--edge")
	stack.AddDevice("leaf-1", "--parent", "press-1")
	stack.ConfigureFor(hubThing, "owner", hubOf("connectionString", stack.Hub.OwnerConnectionString))
	_, found := doctor(t, stack, "owner")
	expectFinding(t, found, "edge devices", "warn", "no route leads to $upstream", "press-1, the parent of leaf-1", "FROM /messages/* INTO $upstream")

	stack.Control("PATCH", "/twin?device=press-1&module=$edgeHub", map[string]any{"properties": map[string]any{"desired": map[string]any{
		"routes": map[string]any{"up": "FROM /messages/* INTO $upstream"}}}})
	_, found = doctor(t, stack, "owner")
	expectFinding(t, found, "edge devices", "ok", "press-1, the parent of leaf-1")

	stack.ConfigureFor(hubThing, "connector")
	_, found = doctor(t, stack, "connector")
	expectFinding(t, found, "edge devices", "skip", "RegistryRead")
}
