package https

import (
	"encoding/base64"
	"fmt"
	"strings"
	"testing"
	"time"

	"azx/internal/local/iothub"
)

// sent returns the events in the log, by one partition.
func (c *caller) sent() []*iothub.Event {
	c.t.Helper()
	var all []*iothub.Event
	for p := range c.hub.Partitions() {
		next, err := c.hub.Seek(p, iothub.Earliest())
		if err != nil {
			c.t.Fatal(err)
		}
		events, _, _, err := c.hub.Poll(p, next, 1000)
		if err != nil {
			c.t.Fatal(err)
		}
		all = append(all, events...)
	}
	return all
}

func TestAnEventHasItsPropertiesInHeaders(t *testing.T) {
	c := newCaller(t)
	d := c.device("d1")
	c.ask(c.own(d), "POST /devices/d1/messages/events", `{"t":1}`,
		"iothub-to", "/devices/d1/messages/events", "IoTHub-MessageId", "m-1", "IoTHub-CorrelationId", "c-1", "IoTHub-UserId", "u-1",
		"iothub-contenttype", "application/json", "iothub-contentencoding", "utf-8", "iothub-interface-id", "i-1", "dt-subject", "s-1",
		"iothub-app-line", "a/b c", "Content-Type", "text/plain").is(204, nil)
	got := c.sent()
	if len(got) != 1 {
		t.Fatalf("%d events", len(got))
	}
	want := iothub.Message{Body: []byte(`{"t":1}`), Properties: map[string]string{"line": "a/b c"}, MessageID: "m-1", CorrelationID: "c-1", UserID: "u-1",
		ContentType: "application/json", ContentEncoding: "utf-8", InterfaceID: "i-1", Subject: "s-1"}
	if e := got[0]; fmt.Sprintf("%+v", e.Message) != fmt.Sprintf("%+v", want) || e.From != d.ID || e.Source != iothub.SourceTelemetry {
		t.Errorf("got %+v", e)
	}
}

func TestAModuleSendsInItsOwnName(t *testing.T) {
	c := newCaller(t)
	c.device("d1")
	m := c.add(iothub.Spec{ID: iothub.ID{Device: "d1", Module: "m1"}})
	c.ask(c.own(m), "POST /devices/d1/modules/m1/messages/events", "x", "iothub-to", "elsewhere").is(204, nil)
	if got := c.sent(); len(got) != 1 || got[0].From != m.ID || got[0].To != "elsewhere" {
		t.Errorf("got %+v", got)
	}
	c.ask(c.own(m), "GET /devices/d1/modules/m1/messages/devicebound", "").refuses(400, "InvalidOperation", "go to devices, not to modules")
}

func TestABatchIsSeveralEvents(t *testing.T) {
	c := newCaller(t)
	d := c.device("d1")
	send := func(body string) answered {
		return c.ask(c.own(d), "POST /devices/d1/messages/events", body, "Content-Type", batchType+"; charset=utf-8")
	}
	send(`[{"body": "aGVsbG8=", "properties": {"iothub-app-Line": "1", "IoTHub-MessageId": "m-1", "else": "x"}}, {"body": "a+b", "base64Encoded": false}]`).is(204, nil)
	got := c.sent()
	if len(got) != 2 || string(got[0].Body) != "hello" || got[0].Properties["Line"] != "1" || len(got[0].Properties) != 1 || got[0].MessageID != "m-1" ||
		string(got[1].Body) != "a+b" {
		t.Errorf("got %+v", got)
	}
	large := `{"body": "` + base64.StdEncoding.EncodeToString(make([]byte, 100<<10)) + `"}`
	send("["+large+","+large+","+large+"]").refuses(413, "MessageTooLarge", "")
	send(`[{"body": "`+strings.Repeat("x", messagesBody)).refuses(413, "MessageTooLarge", "")
	for name, body := range map[string]string{"no list": `{}`, "empty": `[]`, "no base64": `[{"body": "?"}]`, "a property that is a number": `[{"body": "", "properties": {"a": 1}}]`,
		"501 messages": "[" + strings.Repeat(`{"body": ""},`, 500) + `{"body": ""}]`} {
		t.Run(name, func(t *testing.T) { send(body).refuses(400, "ArgumentInvalid", "batch") })
	}
	c.ask(c.own(d), "POST /devices/d1/messages/events", strings.Repeat("x", iothub.MaxMessageSize+1)).refuses(413, "MessageTooLarge", "262144")
	if n := len(c.sent()); n != 2 {
		t.Errorf("%d events, of which 2 were good", n)
	}
}

// deliver queues a message and has the device receive it.
func (c *caller) deliver(d iothub.Identity, m iothub.CloudMessage) (token string, a answered) {
	c.t.Helper()
	if err := c.hub.SendToDevice(d.ID, m); err != nil {
		c.t.Fatal(err)
	}
	a = c.ask(c.own(d), "GET /devices/d1/messages/devicebound", "").is(200, nil)
	return strings.Trim(a.Header()["ETag"][0], `"`), a
}

func TestAMessageToTheDeviceHasItsPropertiesInHeaders(t *testing.T) {
	c := newCallerOf(t, iothub.Config{Clock: func() time.Time { return time.Date(2026, 5, 4, 3, 2, 1, 0, time.UTC) }})
	d := c.device("d1")
	c.ask(c.own(d), "GET /devices/d1/messages/devicebound", "").is(204, nil)
	_, got := c.deliver(d, iothub.CloudMessage{Message: iothub.Message{Body: []byte("go"), MessageID: "m-1", CorrelationID: "c-1", UserID: "u-1",
		ContentType: "text/plain", ContentEncoding: "utf-8", Properties: map[string]string{"Level": "high"}}, Ack: iothub.AckFull})
	for name, want := range map[string]string{"iothub-messageid": "m-1", "iothub-correlationid": "c-1", "iothub-userid": "u-1", "iothub-ack": "full",
		"iothub-to": "/devices/d1/messages/devicebound", "iothub-expiry": "2026-05-04T04:02:01.0000000Z", "iothub-enqueuedtime": "2026-05-04T03:02:01.0000000Z",
		"iothub-sequencenumber": "1", "iothub-deliverycount": "0", "iothub-contenttype": "text/plain", "iothub-contentencoding": "utf-8",
		"iothub-app-Level": "high"} {
		if value := got.Header()[name]; len(value) != 1 || value[0] != want {
			t.Errorf("%s: %q, want %q", name, value, want)
		}
	}
	if got.Body.String() != "go" {
		t.Errorf("body %q", got.Body)
	}
	c.ask(c.own(d), "GET /devices/d1/messages/devicebound", "").is(204, nil) // it is locked
}

func TestEachOutcomeOfAMessageIsTold(t *testing.T) {
	now := time.Now()
	c := newCallerOf(t, iothub.Config{Clock: func() time.Time { return now }, FeedbackDelay: time.Second})
	d := c.device("d1")
	message := func(id string) iothub.CloudMessage {
		return iothub.CloudMessage{Message: iothub.Message{MessageID: id}, Ack: iothub.AckFull}
	}
	token, _ := c.deliver(d, message("done"))
	c.ask(c.own(d), "DELETE /devices/d1/messages/devicebound/"+token, "").is(204, nil)
	c.ask(c.own(d), "DELETE /devices/d1/messages/devicebound/"+token, "").refuses(412, "DeviceMessageLockLost", "")
	token, _ = c.deliver(d, message("unwanted"))
	c.ask(c.own(d), "DELETE /devices/d1/messages/devicebound/"+token+"?api-version=2021-04-12&reject", "").is(204, nil)
	token, _ = c.deliver(d, message("later"))
	c.ask(c.own(d), "POST /devices/d1/messages/devicebound/"+token+"/abandon", "").is(204, nil)
	if again := c.ask(c.own(d), "GET /devices/d1/messages/deviceBound", "").is(200, nil); again.Header()["iothub-deliverycount"][0] != "1" {
		t.Errorf("delivered again with %v", again.Header())
	}
	var purged struct {
		DeviceID            string
		TotalMessagesPurged int
	}
	c.ask(c.policy("service", ""), "DELETE /devices/d1/commands", "").is(200, &purged)
	if purged.DeviceID != "d1" || purged.TotalMessagesPurged != 1 {
		t.Errorf("purged %+v", purged)
	}

	feedback := "/messages/serviceBound/feedback"
	c.ask(c.policy("service", ""), "GET "+feedback, "").is(204, nil) // the records wait for others
	now = now.Add(2 * time.Second)
	var records []iothub.FeedbackRecord
	batch := c.ask(c.policy("service", ""), "GET "+feedback, "").is(200, &records)
	if got := fmt.Sprintln(len(records), records[0].StatusCode, records[1].StatusCode, records[2].StatusCode); got != "3 Success Rejected Purged\n" {
		t.Errorf("feedback %s", batch.Body)
	}
	token = strings.Trim(batch.Header()["ETag"][0], `"`)
	c.ask(c.policy("service", ""), "POST "+feedback+"/"+token+"/abandon", "").is(204, nil)
	again := c.ask(c.policy("service", ""), "GET "+feedback, "").is(200, nil)
	token = strings.Trim(again.Header()["ETag"][0], `"`)
	c.ask(c.policy("service", ""), "DELETE "+feedback+"/"+token, "").is(204, nil)
	c.ask(c.policy("service", ""), "DELETE "+feedback+"/"+token, "").refuses(412, "DeviceMessageLockLost", "")
	c.ask(c.policy("service", ""), "GET "+feedback, "").is(204, nil)
}

// FuzzReadBatch looks for batches that break the reader, or get past its limits.
func FuzzReadBatch(f *testing.F) {
	f.Add([]byte(`[{"body": "aGVsbG8=", "properties": {"iothub-app-line": "1", "iothub-messageid": "m"}}]`))
	f.Add([]byte(`[{"body": "x", "base64Encoded": false}, null]`))
	f.Fuzz(func(t *testing.T, text []byte) {
		messages, err := readBatch(text)
		if err != nil {
			if e := iothub.AsError(err); e.Code != iothub.ArgumentInvalid && e.Code != iothub.MessageTooLarge {
				t.Fatalf("%s: %v", text, err)
			}
			return
		}
		size := 0
		for _, m := range messages {
			size += m.Size()
		}
		if len(messages) == 0 || len(messages) > maxBatch || size > iothub.MaxMessageSize {
			t.Fatalf("%d messages of %d bytes", len(messages), size)
		}
	})
}
