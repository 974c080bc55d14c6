package iothub

import (
	"errors"
	"net/http"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/Azure/go-amqp"

	"azx/internal/access"
	"azx/internal/fault"
)

// Whatever a hub, or what stands in its place, says to a call: the error is short, on one line and shows no credential.
func FuzzRefusal(f *testing.F) {
	f.Add(404, "DeviceNotOnline", `{"Message":"{\"errorCode\":404103,\"trackingId\":\"x\",\"message\":\"Timed out\"}","ExceptionMessage":""}`, "5")
	f.Add(403, "", `{"Message":"ErrorCode:IotHubQuotaExceeded;Total number of messages","ExceptionMessage":"Tracking ID:1"}`, "Tue, 25 Nov 2031 05:00:00 GMT")
	f.Add(401, "", `{"Message":"SharedAccessSignature sr=x&sig=secret"}`, "-1")
	f.Add(401, "", `{"Message":"ErrorCode:x;s`+"\xff"+`ig=secret"}`, "")
	f.Add(502, "", "<html>\n\xff</html>", "99999999999999999999")
	c := &Client{options: Options{Current: func() (access.Service, error) { return access.Service{Policy: "service"}, nil }}}
	f.Fuzz(func(t *testing.T, status int, name, body, after string) {
		r := readRefusal(status, http.Header{"Iothub-Errorcode": {name}}, []byte(body))
		if len(r.Text) > maxText+len("...") || strings.ContainsAny(r.Text, "\r\n") || !utf8.ValidString(r.Text) || strings.Contains(r.Text, "sig=") {
			t.Errorf("text %q", r.Text)
		}
		if r.Code != 0 && (r.Code < 100_000 || r.Code > 999_999) {
			t.Errorf("code %d", r.Code)
		}
		p := c.problem("call", r)
		if resultOf(p) == "" || fault.ClassOf(p) == fault.Fatal || !errors.As(p, new(*Refusal)) {
			t.Errorf("%v", p)
		}
		if d := retryAfter(after, time.Unix(1900000000, 0)); d < 0 {
			t.Errorf("%q is %s", after, d)
		}
	})
}

// Whatever stands in a message of the feedback queue: records or an error, never a panic.
func FuzzFeedback(f *testing.F) {
	f.Add([]byte(`[{"originalMessageId":"m-1","deviceId":"d","statusCode":"Success","enqueuedTimeUtc":"2026-05-04T03:02:01.5Z"}]`))
	f.Add([]byte(`[{"enqueuedTimeUtc":"0001-01-01T00:00:00"},{"enqueuedTimeUtc":7}]`))
	f.Add([]byte(`{}`))
	f.Fuzz(func(t *testing.T, body []byte) {
		half := len(body) / 2
		records, err := parseFeedback(&amqp.Message{Data: [][]byte{body[:half], body[half:]}})
		if err != nil && records != nil {
			t.Errorf("%d records and %v", len(records), err)
		}
	})
}
