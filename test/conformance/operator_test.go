package conformance

import (
	"encoding/json"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"azx/internal/local/iothub"
	"azx/test/process"
)

// operator runs the operator's verbs against a hub, to which only its service connection string leads.
type operator struct {
	t  *testing.T
	by []string // flags that say which hub
}

func newOperator(t *testing.T, c *core) operator {
	t.Helper()
	file := filepath.Join(t.TempDir(), "service")
	if err := os.WriteFile(file, []byte(c.Info.ServiceConnectionString+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	return operator{t, []string{"--connection-string-file", file, "--ca-file", c.ca,
		"--amqps", loopback(c.Info.Ports.AMQPS), "--https", loopback(c.Info.Ports.HTTPS)}}
}

func loopback(port int) string { return net.JoinHostPort("127.0.0.1", fmt.Sprint(port)) }

// does runs azx, which has to exit with the code, and returns the JSON that it prints, and what it says besides.
func (o operator) does(code int, args ...string) (printed object, said string) {
	o.t.Helper()
	child := process.Start(o.t, process.Command{Name: string(azx), Args: append(args, o.by...)})
	if got := child.Wait(time.Minute); got != code {
		o.t.Fatalf("%s: exit code %d, want %d\n%s", child, got, code, child.Stderr())
	}
	if child.Stdout() != "" {
		if err := json.Unmarshal([]byte(child.Stdout()), &printed); err != nil {
			o.t.Fatalf("%s: %v: %s", child, err, child.Stdout())
		}
	}
	return printed, child.Stderr()
}

// fails runs azx, which has to exit with the code and to say the texts instead of printing anything.
func (o operator) fails(code int, texts []string, args ...string) {
	o.t.Helper()
	printed, said := o.does(code, args...)
	if printed != nil {
		o.t.Errorf("azx %s prints %v", strings.Join(args, " "), printed)
	}
	for _, text := range texts {
		if !strings.Contains(said, text) {
			o.t.Errorf("azx %s says\n%swhich lacks %q", strings.Join(args, " "), said, text)
		}
	}
}

// inside follows members of JSON objects.
func inside(value any, members ...string) any {
	for _, m := range members {
		members, _ := value.(object)
		value = members[m]
	}
	return value
}

func TestAnOperatorReachesDevicesAndModulesOfTheSDK(t *testing.T) {
	t.Parallel()
	for _, v := range deviceKinds {
		t.Run(v.name, func(t *testing.T) {
			c := newCore(t)
			o, d := newOperator(t, c), c.device(v.id, v.transport)

			// A method is listened for once the hub has confirmed it: the connect time-out waits for that.
			answer, _ := o.does(0, "method", v.id.String(), "echo", `{"n":[1,null]}`, "--timeout", "10s", "--connect-timeout", "20s")
			if want := (object{"status": 207.0, "payload": object{"echo": object{"n": []any{1.0, nil}}}}); !reflect.DeepEqual(answer, want) {
				t.Errorf("azx method prints %v, want %v", answer, want)
			}

			twin, _ := o.does(0, "twin", "set", v.id.String(), "--desired", `{"rate":5}`)
			if inside(twin, "properties", "desired", "rate") != 5.0 {
				t.Errorf("azx twin set prints %v", twin)
			}
			d.says("desired", object{"$version": 1.0}, object{"$version": 2.0, "rate": 5.0})
			twin, _ = o.does(0, "twin", "get", v.id.String())
			if inside(twin, "properties", "reported", "firmware") != "1.0" || twin["deviceId"] != v.id.Device {
				t.Errorf("azx twin get prints %v", twin)
			}
			etag := fmt.Sprint(twin["etag"])
			o.does(0, "twin", "set", v.id.String(), "--desired", `{"rate":null}`, "--etag", etag)
			o.fails(3, []string{"it has changed since it was read", "Try: read it again"},
				"twin", "set", v.id.String(), "--desired", `{"rate":6}`, "--etag", etag)
		})
	}
}

func TestAnOperatorSendsToADeviceOfTheSDKAndHearsTheOutcome(t *testing.T) {
	t.Parallel()
	for _, v := range deviceKinds {
		if v.id.Module != "" {
			continue // has no messages
		}
		t.Run(v.name, func(t *testing.T) {
			c := newCore(t)
			o, d := newOperator(t, c), c.device(v.id, v.transport)
			sent, _ := o.does(0, "send", v.id.Device, "--body", `{"on":true}`, "--property", "line=a/b & c=d", "--wait")
			if sent["device"] != v.id.Device || sent["outcome"] != "Success" {
				t.Errorf("azx send prints %v", sent)
			}
			d.says("c2d", `{"on":true}`)
			d.says("id", sent["messageId"])
			if got := d.said("properties"); inside(got[0], "line") != "a/b & c=d" { // over MQTT also the ack
				t.Errorf("the device has the properties %v", got)
			}
			if v.transport == "mqtt" {
				return // cannot reject
			}
			rejected, said := o.does(5, "send", v.id.Device, "--body", "x", "--property", "settle=reject", "--wait")
			if rejected["outcome"] != "Rejected" || !strings.Contains(said, "the device did not take the message: Rejected") {
				t.Errorf("azx send prints %v and says %s", rejected, said)
			}
		})
	}
}

func TestAnOperatorHearsWhyTheHubRefuses(t *testing.T) {
	t.Parallel()
	c := newCore(t)
	o := newOperator(t, c)
	c.register(iothub.ID{Device: "pump-1"})
	o.fails(4, []string{"the device is not connected", "Try: wait until the device is connected"}, "method", "pump-1", "reboot")
	nobody := []string{"the hub has no such device or module", "Try: is it registered"}
	o.fails(3, nobody, "method", "pump-2", "reboot")
	o.fails(3, nobody, "twin", "get", "pump-2")
	o.fails(3, nobody[:1], "twin", "get", "pump-1/none")
	o.fails(3, nobody, "send", "pump-2", "--body", "x")

	expired, _ := o.does(5, "send", "pump-1", "--body", "x", "--ttl", "1s", "--wait=50s")
	if expired["outcome"] != "Expired" {
		t.Errorf("azx send prints %v", expired)
	}
	waiting, said := o.does(5, "send", "pump-1", "--body", "x", "--wait=1s")
	if _, told := waiting["outcome"]; told || waiting["messageId"] == nil || !strings.Contains(said, "the hub has the message; wait for the outcome") {
		t.Errorf("azx send prints %v and says %s", waiting, said)
	}
	for range 49 {
		o.does(0, "send", "pump-1", "--body", "x")
	}
	o.fails(3, []string{"the device's queue is full"}, "send", "pump-1", "--body", "x")
}

func TestAnOperatorWithAWrongKeyIsTold(t *testing.T) {
	t.Parallel()
	c := newCore(t)
	c.register(iothub.ID{Device: "pump-1"})
	c.Info.ServiceConnectionString = strings.Replace(c.Info.ServiceConnectionString, "SharedAccessKey=", "SharedAccessKey=AAAA", 1)
	o := newOperator(t, c)
	said := []string{"the hub does not accept the credential", `Try: the policy "service"`}
	o.fails(4, said, "twin", "get", "pump-1")
	o.fails(4, said, "method", "pump-1", "reboot")
	o.fails(4, said, "send", "pump-1", "--body", "x")
}

func TestAnOperatorIsToldOfWhatTheHubDoesNotGrant(t *testing.T) {
	t.Parallel()
	c := newCore(t)
	o := newOperator(t, c)
	c.register(iothub.ID{Device: "pump-1"})
	each := func(code int, said ...string) {
		t.Helper()
		o.fails(code, said, "twin", "get", "pump-1")
		o.fails(code, said, "twin", "set", "pump-1", "--tags", `{"site":"a"}`)
		o.fails(code, said, "method", "pump-1", "reboot")
		o.fails(code, said, "send", "pump-1", "--body", "x")
	}
	c.Hub.SetLimits(iothub.Limits{Basic: true})
	each(3, "the hub's tier does not offer this", "Try: twins, direct methods and cloud-to-device messages need a Standard tier")
	c.Hub.SetLimits(iothub.Limits{DailyMessages: 1})
	o.does(0, "send", "pump-1", "--body", "x")
	each(4, "the hub's messages for today are used up", "Try: the count begins anew at 00:00 UTC")
}

func TestAnOperatorsCommandIsRepeatedAtABusyHubOnlyIfItDidNotBegin(t *testing.T) {
	t.Parallel()
	c := newCore(t)
	o := newOperator(t, c)
	c.register(iothub.ID{Device: "pump-1"})
	if err := c.Hub.SetFaults(
		iothub.Fault{Operation: iothub.OpTwinRead, Times: 2, Status: 429, RetryAfterSeconds: 1},
		iothub.Fault{Operation: iothub.OpTwinUpdate, Times: 1, Status: 503},
		iothub.Fault{Operation: iothub.OpCloudToDevice, Times: 1, Status: 429},
		iothub.Fault{Operation: iothub.OpMethod, Times: 1, Status: 503},
	); err != nil {
		t.Fatal(err)
	}
	o.does(0, "twin", "get", "pump-1")
	o.does(0, "twin", "set", "pump-1", "--tags", `{"site":"a"}`)
	o.does(0, "send", "pump-1", "--body", "x")
	o.fails(4, []string{"the hub is not available"}, "method", "pump-1", "reboot")
	if left := c.Hub.Faults(); len(left) > 0 {
		t.Errorf("%+v did not happen", left)
	}
}
