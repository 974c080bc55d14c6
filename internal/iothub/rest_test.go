package iothub

import (
	"bytes"
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"azx/internal/access"
	"azx/internal/dial"
	"azx/internal/fault"
	"azx/internal/secret"
)

func isError(err, want error) bool { return errors.Is(err, want) }

var dev1 = Target{Device: "dev-1"}

func TestEveryCallIsOnTheWireAsTheHubWantsIt(t *testing.T) {
	later := Identity{DeviceID: "dev-1", ETag: "AAA=", Status: "disabled",
		Authentication: &Authentication{Type: "sas", Primary: secret.New("cHJpbWFyeQ=="), Secondary: secret.New("c2Vjb25k")}}
	tests := map[string]struct {
		call    func(ctx context.Context, c *Client) error
		line    string
		ifMatch string
		body    string
	}{
		"a device is read": {func(ctx context.Context, c *Client) error { _, err := c.Get(ctx, dev1); return err },
			"GET /devices/dev-1", "", ""},
		"a module is read, with its ids escaped": {func(ctx context.Context, c *Client) error {
			_, err := c.Get(ctx, Target{"dev#1?", "$edgeAgent"})
			return err
		}, "GET /devices/dev%231%3F/modules/%24edgeAgent", "", ""},
		"characters that a path may have are escaped too": {func(ctx context.Context, c *Client) error {
			_, err := c.Get(ctx, Target{Device: "a+b:c=d@e"})
			return err
		}, "GET /devices/a%2Bb%3Ac%3Dd%40e", "", ""},
		"an etag with its quotes is not quoted twice": {func(ctx context.Context, c *Client) error { return c.Delete(ctx, dev1, `"BBB="`) },
			"DELETE /devices/dev-1", `"BBB="`, ""},
		"a device is created": {func(ctx context.Context, c *Client) error {
			_, err := c.Create(ctx, Identity{DeviceID: "dev-1", ETag: "old", Capabilities: &Capabilities{IoTEdge: true}})
			return err
		}, "PUT /devices/dev-1", "", `{"deviceId":"dev-1","capabilities":{"iotEdge":true}}`},
		"a device is replaced if it is still the same": {func(ctx context.Context, c *Client) error {
			_, err := c.Replace(ctx, later)
			return err
		}, "PUT /devices/dev-1", `"AAA="`, `{"deviceId":"dev-1","etag":"AAA=","status":"disabled","authentication":{"type":"sas","symmetricKey":{"primaryKey":"cHJpbWFyeQ==","secondaryKey":"c2Vjb25k"}}}`},
		"a device is deleted whatever it is": {func(ctx context.Context, c *Client) error { return c.Delete(ctx, dev1, "") },
			"DELETE /devices/dev-1", `"*"`, ""},
		"a module is deleted if it is still the same": {func(ctx context.Context, c *Client) error { return c.Delete(ctx, Target{"dev-1", "m"}, "BBB=") },
			"DELETE /devices/dev-1/modules/m", `"BBB="`, ""},
		"a twin is read": {func(ctx context.Context, c *Client) error { _, err := c.Twin(ctx, dev1); return err },
			"GET /twins/dev-1", "", ""},
		"a module's twin is patched": {func(ctx context.Context, c *Client) error {
			_, err := c.PatchTwin(ctx, Target{"dev-1", "m"}, TwinChange{Desired: json.RawMessage(`{"rate":5,"old":null}`)}, "")
			return err
		}, "PATCH /twins/dev-1/modules/m", `"*"`, `{"properties":{"desired":{"rate":5,"old":null}}}`},
		"a twin is replaced if it is still the same": {func(ctx context.Context, c *Client) error {
			_, err := c.ReplaceTwin(ctx, dev1, TwinChange{Tags: json.RawMessage(`{"site":"a"}`)}, "CCC=")
			return err
		}, "PUT /twins/dev-1", `"CCC="`, `{"tags":{"site":"a"}}`},
		"a method is called with the usual time-outs": {func(ctx context.Context, c *Client) error {
			_, err := c.Call(ctx, dev1, Method{Name: "reboot", Payload: json.RawMessage(`{"in":5}`)})
			return err
		}, "POST /twins/dev-1/methods", "", `{"methodName":"reboot","payload":{"in":5},"responseTimeoutInSeconds":30,"connectTimeoutInSeconds":0}`},
		"a module's method is called with time-outs rounded up": {func(ctx context.Context, c *Client) error {
			_, err := c.Call(ctx, Target{"dev-1", "m"}, Method{Name: "ping", Connect: 1500 * time.Millisecond, Response: 5 * time.Second})
			return err
		}, "POST /twins/dev-1/modules/m/methods", "", `{"methodName":"ping","responseTimeoutInSeconds":5,"connectTimeoutInSeconds":2}`},
		"devices are changed in bulk": {func(ctx context.Context, c *Client) error {
			_, err := c.Bulk(ctx, []Change{{Mode: "delete", Identity: Identity{DeviceID: "a"}}, {Mode: "updateTwin", Identity: Identity{DeviceID: "b", ETag: "x"}, Tags: json.RawMessage(`{}`), Desired: json.RawMessage(`{"k":1}`)}})
			return err
		}, "POST /devices", "", `[{"id":"a","importMode":"delete"},{"id":"b","twinETag":"x","importMode":"updateTwin","tags":{},"properties":{"desired":{"k":1}}}]`},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			scripted(t, ok, nil, func(t *testing.T, c *Client, s *script) {
				if err := test.call(t.Context(), c); err != nil {
					t.Fatal(err)
				}
				got := s.requests()[0]
				if want := test.line + "?api-version=2021-04-12"; got.line != want {
					t.Errorf("asked %s, want %s", got.line, want)
				}
				if got.header.Get("If-Match") != test.ifMatch || got.body != test.body || got.host != testHost {
					t.Errorf("at %s with If-Match %q sent\n%s, want %q and\n%s", got.host, got.header.Get("If-Match"), got.body, test.ifMatch, test.body)
				}
				if !strings.HasPrefix(got.header.Get("Authorization"), "SharedAccessSignature sr="+testHost+"&sig=") {
					t.Errorf("signed in with %q", got.header.Get("Authorization"))
				}
			})
		})
	}
}

func TestWhatTheHubRefusesHasItsMeaning(t *testing.T) {
	named := func(code, text string) string {
		return fmt.Sprintf(`{"Message":"ErrorCode:%s;%s","ExceptionMessage":"Tracking ID:1"}`, code, text)
	}
	tests := map[string]struct {
		status int
		name   string // of the header
		body   string
		err    error
		class  fault.Class
		hint   string
		result string
	}{
		"no device":             {404, "DeviceNotFound", named("DeviceNotFound", "x"), ErrNotFound, fault.Rejected, "registered", "not_found"},
		"no module":             {404, "", named("ModuleNotFound", "x"), ErrNotFound, fault.Rejected, "module", "not_found"},
		"offline, as it is":     {404, "DeviceNotOnline", `{"Message":"{\"errorCode\":404103,\"trackingId\":\"x\",\"message\":\"Timed out waiting for device to connect.\"}","ExceptionMessage":""}`, ErrOffline, fault.Transient, "connected", "offline"},
		"offline without name":  {404, "", `{"Message":"{\"errorCode\":404103,\"message\":\"x\"}"}`, ErrOffline, fault.Transient, "connected", "offline"},
		"hung up":               {404, "", `{"Message":"{\"errorCode\":404104,\"message\":\"x\"}"}`, ErrOffline, fault.Transient, "hung up", "offline"},
		"no answer":             {504, "", `{"Message":"{\"errorCode\":504101,\"message\":\"x\"}"}`, ErrNoAnswer, fault.Transient, "may have done", "no_answer"},
		"Basic tier":            {403, "", `{"Message":"{\"errorCode\":403010,\"message\":\"x\"}"}`, ErrBasicTier, fault.Rejected, "Standard", "basic_tier"},
		"Basic tier by name":    {403, "OperationNotAllowedInCurrentState", "", ErrBasicTier, fault.Rejected, "Standard", "basic_tier"},
		"a number beats a name": {404, "DeviceNotFound", `{"Message":"{\"errorCode\":404103,\"message\":\"x\"}"}`, ErrOffline, fault.Transient, "connected", "offline"},
		"daily quota":           {403, "IotHubQuotaExceeded", named("IotHubQuotaExceeded", "Total number of messages exceeded"), ErrDailyQuota, fault.Transient, "00:00 UTC", "daily_quota"},
		"queue full":            {403, "DeviceMaximumQueueDepthExceeded", "", ErrQueueFull, fault.Rejected, "50", "queue_full"},
		"suspended":             {403, "IotHubSuspended", "", errSuspended, fault.Credential, "portal", "credential"},
		"a wrong key":           {401, "IotHubUnauthorizedAccess", named("IotHubUnauthorizedAccess", "Unauthorized"), errRefused, fault.Credential, `"service"`, "credential"},
		"a missing right":       {403, "", "", errRefused, fault.Credential, `"service"`, "credential"},
		"exists":                {409, "DeviceAlreadyExists", named("DeviceAlreadyExists", "x"), ErrExists, fault.Rejected, "", "exists"},
		"changed":               {412, "PreconditionFailed", named("PreconditionFailed", "x"), ErrChanged, fault.Rejected, "read it again", "changed"},
		"too large":             {413, "MessageTooLarge", "", ErrTooLarge, fault.Rejected, "", "too_large"},
		"throttled":             {429, "ThrottlingException", named("ThrottlingException", "x"), ErrThrottled, fault.Transient, "units", "throttled"},
		"not well":              {503, "ServiceUnavailable", "", errUnavailable, fault.Transient, "", "transient"},
		"broken":                {500, "ServerError", "", errUnavailable, fault.Transient, "", "transient"},
		"nonsense asked":        {400, "ArgumentInvalid", named("ArgumentInvalid", "x"), errInvalid, fault.Rejected, "", "rejected"},
		"an unknown status":     {302, "", "", errStrange, fault.Transient, "", "transient"},
		"a page of a proxy":     {502, "", "<html>Bad Gateway</html>", errUnavailable, fault.Transient, "", "transient"},
		"a number in the text":  {404, "", named("404001", "x"), ErrNotFound, fault.Rejected, "registered", "not_found"},
		"a code in the details": {404, "", `{"Message":"","ExceptionMessage":"ErrorCode:404010;x"}`, ErrNotFound, fault.Rejected, "module", "not_found"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			meter := &used{}
			steps := []step{{status: test.status, header: map[string]string{"iothub-errorcode": test.name}, body: test.body}}
			scripted(t, steps, func(o *Options) { o.Meter = meter }, func(t *testing.T, c *Client, _ *script) {
				_, err := c.Call(t.Context(), dev1, Method{Name: "reboot"})
				checkProblem(t, err, test.err, test.class)
				var refusal *Refusal
				if !errors.As(err, &refusal) || refusal.Status != test.status {
					t.Errorf("%v has no refusal with its status", err)
				}
				if hint := fault.HintOf(err); !strings.Contains(hint, test.hint) {
					t.Errorf("hint %q, want %q", hint, test.hint)
				}
				if u := meter.last(t); u.Kind != KindMethod || u.Result != test.result || u.Messages != 0 {
					t.Errorf("metered %+v, want %s", u, test.result)
				}
				if !strings.HasPrefix(err.Error(), "call reboot of dev-1: ") {
					t.Errorf("%q does not begin with the operation", err)
				}
			})
		})
	}
}

func TestOnlyWhatMayBeRepeatedIsRepeated(t *testing.T) {
	get := func(ctx context.Context, c *Client) error { _, err := c.Get(ctx, dev1); return err }
	call := func(ctx context.Context, c *Client) error { _, err := c.Call(ctx, dev1, Method{Name: "m"}); return err }
	create := func(ctx context.Context, c *Client) error {
		_, err := c.Create(ctx, Identity{DeviceID: "dev-1"})
		return err
	}
	patch := func(etag string) func(ctx context.Context, c *Client) error {
		return func(ctx context.Context, c *Client) error {
			_, err := c.PatchTwin(ctx, dev1, TwinChange{}, etag)
			return err
		}
	}
	for name, test := range map[string]struct {
		call  func(ctx context.Context, c *Client) error
		first step
		tries int
	}{
		"a read after 500":                        {get, step{status: 500}, 2},
		"a read after 503":                        {get, step{status: 503}, 2},
		"a read after 504":                        {get, step{status: 504}, 2},
		"a read after 429":                        {get, step{status: 429}, 2},
		"a read after a cut":                      {get, step{cut: true}, 2},
		"a read that is refused":                  {get, step{status: 404}, 1},
		"a read after 502":                        {get, step{status: 502}, 1},
		"a method after 503":                      {call, step{status: 503}, 1},
		"a method after 504":                      {call, step{status: 504}, 1},
		"a method after a cut":                    {call, step{cut: true}, 1},
		"a method after 429":                      {call, step{status: 429}, 2},
		"a creation after 500":                    {create, step{status: 500}, 1},
		"a creation after 429":                    {create, step{status: 429}, 2},
		"a patch of whatever is there, after 503": {patch(""), step{status: 503}, 2},
		"a patch of a version after 503":          {patch("AAA="), step{status: 503}, 1},
	} {
		t.Run(name, func(t *testing.T) {
			scripted(t, []step{test.first, ok[0]}, nil, func(t *testing.T, c *Client, s *script) {
				err := test.call(t.Context(), c)
				if got := len(s.requests()); got != test.tries {
					t.Errorf("%d tries, want %d", got, test.tries)
				}
				if (err == nil) != (test.tries == 2) {
					t.Errorf("it ended with %v", err)
				}
			})
		})
	}
}

func TestACutMethodIsUncertain(t *testing.T) {
	scripted(t, []step{{cut: true}}, nil, func(t *testing.T, c *Client, _ *script) {
		_, err := c.Call(t.Context(), dev1, Method{Name: "m"})
		checkProblem(t, err, ErrUncertain, fault.Transient)
	})
}

func TestAMethodThatNeverLeftIsTriedAgain(t *testing.T) {
	scripted(t, ok, nil, func(t *testing.T, c *Client, s *script) {
		transport := c.http.Transport.(*http.Transport)
		dial, fails := transport.DialContext, 2
		transport.DialContext = func(ctx context.Context, network, address string) (net.Conn, error) {
			if fails--; fails >= 0 {
				return nil, io.ErrUnexpectedEOF
			}
			return dial(ctx, network, address)
		}
		if _, err := c.Call(t.Context(), dev1, Method{Name: "m"}); err != nil || len(s.requests()) != 1 {
			t.Errorf("%v after %d requests", err, len(s.requests()))
		}
	})
}

func TestTheClientGivesUpAfterFourTries(t *testing.T) {
	scripted(t, []step{{status: 503}}, nil, func(t *testing.T, c *Client, s *script) {
		start := time.Now()
		_, err := c.Get(t.Context(), dev1)
		checkProblem(t, err, errUnavailable, fault.Transient)
		if n, took := len(s.requests()), time.Since(start); n != 4 || took < 1750*time.Millisecond || took > 3500*time.Millisecond {
			t.Errorf("%d tries in %s; the pauses are 0.5, 1 and 2 s less up to a half", n, took)
		}
	})
}

func TestTheHubSaysWhenToComeBack(t *testing.T) {
	for name, test := range map[string]struct {
		header  string
		timeout time.Duration
		least   time.Duration
		most    time.Duration
		err     error
	}{
		"in seconds":                         {"20", 0, 20 * time.Second, 22*time.Second + time.Millisecond, nil},
		"as a time":                          {"Sat, 01 Jan 2000 00:00:30 GMT", 0, 29 * time.Second, 33*time.Second + time.Millisecond, nil},
		"in no way that is known":            {"soon", 0, 250 * time.Millisecond, 500 * time.Millisecond, nil},
		"later than the caller waits":        {"20", 10 * time.Second, 0, 0, ErrThrottled},
		"later than anybody waits":           {"3600", 0, 0, 0, ErrThrottled},
		"in the past":                        {"Fri, 31 Dec 1999 00:00:30 GMT", 0, 250 * time.Millisecond, 500 * time.Millisecond, nil},
		"in a number that is none of theirs": {"-5", 0, 250 * time.Millisecond, 500 * time.Millisecond, nil},
	} {
		t.Run(name, func(t *testing.T) {
			steps := []step{{status: 429, header: map[string]string{"Retry-After": test.header}}, ok[0]}
			scripted(t, steps, nil, func(t *testing.T, c *Client, _ *script) {
				ctx := t.Context()
				if test.timeout > 0 {
					var cancel context.CancelFunc
					ctx, cancel = context.WithTimeout(ctx, test.timeout)
					defer cancel()
				}
				start := time.Now()
				_, err := c.Twin(ctx, dev1)
				if took := time.Since(start); !errors.Is(err, test.err) || took < test.least || took > test.most {
					t.Errorf("%v after %s, want %v after %s to %s", err, took, test.err, test.least, test.most)
				}
			})
		})
	}
}

func TestAThrottledCallHoldsOthersOfItsKindBack(t *testing.T) {
	steps := []step{{status: 429, header: map[string]string{"Retry-After": "30"}}, ok[0]}
	scripted(t, steps, nil, func(t *testing.T, c *Client, s *script) {
		done := make(chan error, 1)
		go func() { _, err := c.Twin(t.Context(), dev1); done <- err }()
		synctest.Wait()
		if len(s.requests()) != 1 {
			t.Fatal("the first call has not been made")
		}
		start := time.Now()
		if _, err := c.Get(t.Context(), dev1); err != nil || time.Since(start) > time.Second {
			t.Errorf("another kind waited %s, %v", time.Since(start), err)
		}
		if _, err := c.Twin(t.Context(), dev1); err != nil || time.Since(start) < 29*time.Second {
			t.Errorf("the same kind waited %s, %v", time.Since(start), err)
		}
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
}

func TestTheHubsDocumentsAreRead(t *testing.T) {
	const device = `{"deviceId":"dev-1","generationId":"6370","etag":"MA==","connectionState":"Connected","status":"enabled",
		"lastActivityTime":"0001-01-01T00:00:00","cloudToDeviceMessageCount":3,"capabilities":{"iotEdge":true},"deviceScope":"ms-azure-iot-edge://x",
		"authentication":{"type":"sas","symmetricKey":{"primaryKey":"` + testKey + `","secondaryKey":"` + testKey + `"},"x509Thumbprint":{"primaryThumbprint":null}}}`
	const twin = `{"deviceId":"dev-1","etag":"AAAAAAAAAAE=","version":7,"lastActivityTime":"2026-05-04T03:02:01.5Z","tags":{"site":"a"},
		"properties":{"desired":{"rate":5,"$version":2},"reported":{"temp":21.5}}}`
	scripted(t, []step{{body: device}, {body: twin}, {body: "[" + device + "]"}, {body: `{"status":202,"payload":[1,null]}`},
		{body: `{"totalDeviceCount":9,"enabledDeviceCount":7,"disabledDeviceCount":2}`}, {body: `{"connectedDeviceCount":4}`}}, nil,
		func(t *testing.T, c *Client, _ *script) {
			d, err := c.Get(t.Context(), dev1)
			if err != nil || d.ETag != "MA==" || !d.LastActivity.IsZero() || d.Waiting != 3 ||
				!d.Capabilities.IoTEdge || d.Authentication.Primary.Reveal() != testKey {
				t.Errorf("device %+v, %v", d, err)
			}
			if printed := fmt.Sprintf("%+v", d.Authentication); strings.Contains(printed, testKey) {
				t.Error("a key is printed")
			}
			w, err := c.Twin(t.Context(), dev1)
			if err != nil || w.Version != 7 || string(w.Properties.Desired) != `{"rate":5,"$version":2}` || w.LastActivity.Nanosecond() != 500_000_000 {
				t.Errorf("twin %+v, %v", w, err)
			}
			if all, err := c.Modules(t.Context(), "dev-1"); err != nil || len(all) != 1 || all[0].GenerationID != "6370" {
				t.Errorf("modules %+v, %v", all, err)
			}
			if a, err := c.Call(t.Context(), dev1, Method{Name: "m"}); err != nil || a.Status != 202 || string(a.Payload) != "[1,null]" {
				t.Errorf("answer %+v, %v", a, err)
			}
			if s, err := c.Statistics(t.Context()); err != nil || s != (Statistics{9, 7, 2, 4}) {
				t.Errorf("statistics %+v, %v", s, err)
			}
		})
}

func TestABulkNamesTheEntriesThatWereRefused(t *testing.T) {
	const body = `{"isSuccessful":false,"errors":[{"deviceId":"b","errorCode":"DeviceAlreadyExists","errorStatus":"there is one"}],"warnings":[]}`
	changes := []Change{{Mode: "create", Identity: Identity{DeviceID: "a"}}, {Mode: "create", Identity: Identity{DeviceID: "b"}}}
	scripted(t, []step{{status: 400, body: body}, {status: 400, body: `{"Message":"ErrorCode:ArgumentInvalid;x"}`}}, nil, func(t *testing.T, c *Client, _ *script) {
		failures, err := c.Bulk(t.Context(), changes)
		if err != nil || len(failures) != 1 || failures[0].DeviceID != "b" {
			t.Errorf("got %+v, %v", failures, err)
		}
		_, err = c.Bulk(t.Context(), changes)
		checkProblem(t, err, errInvalid, fault.Rejected)
		_, err = c.Bulk(t.Context(), make([]Change, MaxBulk+1))
		checkProblem(t, err, nil, fault.Rejected)
	})
}

func TestAQueryIsPagedByItsContinuation(t *testing.T) {
	next := func(token string) map[string]string {
		return map[string]string{"x-ms-continuation": token, "x-ms-item-type": "twin"}
	}
	scripted(t, []step{{header: next("t/1=="), body: `[1,2]`}, {header: next("t/2"), body: `[]`}, {header: next(""), body: `[3]`}}, nil,
		func(t *testing.T, c *Client, s *script) {
			var got bytes.Buffer
			for item, err := range c.All(t.Context(), Query{Text: "SELECT * FROM devices", PageSize: 2}) {
				if err != nil {
					t.Fatal(err)
				}
				got.Write(item)
			}
			var asked []string
			for _, r := range s.requests() {
				asked = append(asked, r.header.Get("x-ms-continuation")+" "+r.header.Get("x-ms-max-item-count")+" "+r.body)
			}
			const body = ` 2 {"query":"SELECT * FROM devices"}`
			if want := body + ";t/1==" + body + ";t/2" + body; got.String() != "123" || strings.Join(asked, ";") != want {
				t.Errorf("got %s by\n%s, want\n%s", &got, strings.Join(asked, ";"), want)
			}
		})
}

func TestWhatCannotWorkIsNotAsked(t *testing.T) {
	scripted(t, ok, nil, func(t *testing.T, c *Client, s *script) {
		method := func(m Method) func() error {
			return func() error { _, err := c.Call(t.Context(), dev1, m); return err }
		}
		get := func(id Target) func() error { return func() error { _, err := c.Get(t.Context(), id); return err } }
		for name, call := range map[string]func() error{
			"a method without a name":  method(Method{}),
			"a payload that is text":   method(Method{Name: "m", Payload: json.RawMessage("hello")}),
			"a payload too long":       method(Method{Name: "m", Payload: json.RawMessage(`"` + strings.Repeat("x", maxPayload) + `"`)}),
			"an answer in four s":      method(Method{Name: "m", Response: 4 * time.Second}),
			"an answer in six minutes": method(Method{Name: "m", Response: 6 * time.Minute}),
			"a negative wait":          method(Method{Name: "m", Connect: -1}),
			"no device":                get(Target{}),
			"a path as device":         get(Target{Device: "a/modules/b"}),
			"a step up":                get(Target{Device: ".."}),
			"a step up as module":      get(Target{"a", ".."}),
			"a very long id":           get(Target{Device: strings.Repeat("x", 129)}),
			"a huge page":              func() error { _, err := c.Page(t.Context(), Query{PageSize: 1001}); return err },
		} {
			err := call()
			if err == nil || fault.ClassOf(err) != fault.Rejected {
				t.Errorf("%s: got %v", name, err)
			}
		}
		if n := len(s.requests()); n != 0 {
			t.Errorf("%d requests were made", n)
		}
	})
}

func TestALongAnswerIsNotRead(t *testing.T) {
	long := `{"deviceId":"` + strings.Repeat("x", answerLimit) + `"}`
	for name, header := range map[string]map[string]string{"announced": nil, "in chunks": {"Transfer-Encoding": "chunked"}} {
		t.Run(name, func(t *testing.T) {
			scripted(t, []step{{body: long, header: header}}, nil, func(t *testing.T, c *Client, s *script) {
				_, err := c.Get(t.Context(), dev1)
				checkProblem(t, err, errLongAnswer, fault.Rejected)
				if len(s.requests()) != 1 {
					t.Error("it was asked for again")
				}
			})
		})
	}
}

func TestAnAnswerThatIsNoJSONIsStrange(t *testing.T) {
	scripted(t, []step{{body: "<html>"}}, nil, func(t *testing.T, c *Client, _ *script) {
		_, err := c.Get(t.Context(), dev1)
		checkProblem(t, err, errStrange, fault.Transient)
	})
}

func TestACallEndsWithItsContext(t *testing.T) {
	scripted(t, []step{{status: 503}}, nil, func(t *testing.T, c *Client, _ *script) {
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		_, err := c.Get(ctx, dev1)
		checkProblem(t, err, context.Canceled, fault.Transient)
	})
}

func TestTheHubIsBilledForWhatItDid(t *testing.T) {
	payload := json.RawMessage(`"` + strings.Repeat("x", 6<<10) + `"`)
	meter := &used{}
	for name, test := range map[string]struct {
		tier Tier
		body string
		call func(ctx context.Context, c *Client) error
		want int
	}{
		"a method with 6 KiB and an answer of 1": {"S1", `{"status":200,"payload":"` + strings.Repeat("y", 1<<10) + `"}`,
			func(ctx context.Context, c *Client) error {
				_, err := c.Call(ctx, dev1, Method{Name: "m", Payload: payload})
				return err
			}, 3},
		"a method without anything": {"S1", `{"status":200}`,
			func(ctx context.Context, c *Client) error { _, err := c.Call(ctx, dev1, Method{Name: "m"}); return err }, 2},
		"a twin of 5 KiB": {"S1", `{"tags":"` + strings.Repeat("y", 5<<10) + `"}`,
			func(ctx context.Context, c *Client) error { _, err := c.Twin(ctx, dev1); return err }, 2},
		"a twin of 5 KiB of a free hub": {"F1", `{"tags":"` + strings.Repeat("y", 5<<10) + `"}`,
			func(ctx context.Context, c *Client) error { _, err := c.Twin(ctx, dev1); return err }, 11},
		"a patch": {"S1", `{}`,
			func(ctx context.Context, c *Client) error {
				_, err := c.PatchTwin(ctx, dev1, TwinChange{Desired: payload}, "")
				return err
			}, 2},
		"an identity": {"S1", `{}`,
			func(ctx context.Context, c *Client) error { _, err := c.Get(ctx, dev1); return err }, 0},
	} {
		t.Run(name, func(t *testing.T) {
			change := func(o *Options) { o.Meter, o.Quota.Tier = meter, test.tier }
			scripted(t, []step{{body: test.body}}, change, func(t *testing.T, c *Client, _ *script) {
				if err := test.call(t.Context(), c); err != nil {
					t.Fatal(err)
				}
				if u := meter.last(t); u.Messages != test.want || u.Result != "ok" {
					t.Errorf("metered %+v, want %d messages", u, test.want)
				}
			})
		})
	}
}

func TestNoErrorShowsACredential(t *testing.T) {
	for name, body := range map[string]string{
		"in a message": `{"Message":"ErrorCode:IotHubUnauthorizedAccess;no good: %s"}`,
		"in a code":    `{"Message":"ErrorCode:%s;x"}`,
		"in JSON":      `{"Message":"{\"errorCode\":\"%s\",\"message\":\"%s\"}"}`,
	} {
		t.Run(name, func(t *testing.T) {
			s := access.Service{Host: testHost, Policy: "service", Key: secret.New(testKey)}
			token := s.Token(testHost, time.Date(2000, 1, 1, 1, 0, 0, 0, time.UTC)).Reveal()
			scripted(t, []step{{status: 401, body: strings.ReplaceAll(body, "%s", token)}}, nil, func(t *testing.T, c *Client, r *script) {
				_, err := c.Get(t.Context(), dev1)
				if r.requests()[0].header.Get("Authorization") != token {
					t.Fatal("the test does not know the token")
				}
				if text := fmt.Sprintf("%v %+v %#v %s", err, err, err, fault.HintOf(err)); strings.Contains(text, "sig=") || strings.Contains(text, "SharedAccess") || strings.Contains(text, testKey) {
					t.Error(text)
				}
			})
		})
	}
}

// tlsServer is a server on loopback with the hub's certificate, and a network that trusts it.
func tlsServer(t *testing.T, s *script) (address string, network *dial.Network) {
	t.Helper()
	server := httptest.NewUnstartedServer(s)
	pair, roots := certificate()
	server.TLS = &tls.Config{Certificates: []tls.Certificate{pair}}
	server.Config.ErrorLog = log.New(io.Discard, "", 0)
	server.StartTLS()
	t.Cleanup(server.Close)
	return server.Listener.Addr().String(), trusting(roots)
}

func TestAnotherAddressIsDialledUnderTheHubsName(t *testing.T) {
	s := &script{steps: ok}
	address, _ := tlsServer(t, s)
	_, roots := certificate()
	open := func(change func(*Options)) *Client {
		o := options()
		o.Network = trusting(roots)
		o.Network.HTTPS = address
		change(&o)
		c, err := New(o)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(c.Close)
		return c
	}
	if _, err := open(func(*Options) {}).Get(t.Context(), dev1); err != nil || s.requests()[0].host != testHost {
		t.Errorf("got %v, %+v", err, s.requests())
	}
	_, err := open(func(o *Options) { o.Network.TLS = nil }).Get(t.Context(), dev1)
	checkProblem(t, err, nil, fault.Credential)
	if hint := fault.HintOf(err); !strings.Contains(hint, "caFile") {
		t.Errorf("hint %q", hint)
	}
	_, err = open(func(o *Options) { o.Service.Host = "plant2.azure-devices.net" }).Get(t.Context(), dev1)
	checkProblem(t, err, nil, fault.Credential)
	if hint := fault.HintOf(err); !strings.Contains(hint, "endpoints.https") {
		t.Errorf("hint %q", hint)
	}
}

func TestAClientNeedsAHubAndACredential(t *testing.T) {
	for name, change := range map[string]func(*Options){
		"no host":      func(o *Options) { o.Service.Host = "" },
		"a URL":        func(o *Options) { o.Service.Host = "https://" + testHost },
		"no key":       func(o *Options) { o.Service.Key = secret.Secret{} },
		"another tier": func(o *Options) { o.Quota.Tier = "S4" },
		"no units":     func(o *Options) { o.Quota.Units = -1 },
	} {
		o := options()
		change(&o)
		if _, err := New(o); err == nil {
			t.Errorf("%s is accepted", name)
		}
	}
}
