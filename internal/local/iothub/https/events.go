package https

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"mime"
	"net/http"
	"strings"

	"azx/internal/local/iothub"
)

const (
	// appPrefix is before the names of application properties (read).
	appPrefix = "iothub-app-"
	// batchType is the content type of several messages in one request (read).
	batchType = "application/vnd.microsoft.iothub.json"
	// maxBatch is how many those are at most (read).
	maxBatch = 500
)

// send takes one message of a device or module, or a batch.
func (f *front) send(r *request) error {
	messages, err := r.messages()
	if err != nil {
		return err
	}
	tickets := make([]*iothub.Ticket, 0, len(messages))
	for _, m := range messages {
		var ticket *iothub.Ticket
		if ticket, err = f.hub.Submit(r.principal, m); err != nil {
			break
		}
		tickets = append(tickets, ticket)
	}
	for _, ticket := range tickets {
		if _, waited := ticket.Wait(); err == nil {
			err = waited
		}
	}
	if err == nil {
		answer(r.w, http.StatusNoContent, nil)
	}
	return err
}

func (r *request) messages() ([]iothub.Message, error) {
	if kind, _, _ := mime.ParseMediaType(r.Header.Get("Content-Type")); kind == batchType {
		return readBatch(r.body)
	}
	m := iothub.Message{Body: r.body}
	for name, values := range r.Header {
		// The SDK sends iothub-to twice when the message has one: its own is the last. Go does not tell in what case a
		// header was written; in lower case is how the SDKs' own properties are.
		setProperty(&m, strings.ToLower(name), values[len(values)-1])
	}
	if m.To == "/"+r.id.Path()+"/messages/events" || m.To == r.URL.EscapedPath() {
		m.To = ""
	}
	return []iothub.Message{m}, nil
}

// setProperty sets what a header, or a property in a batch, says of the message (names: read from azure-iot-device-http
// and the C SDK). Others are passed over.
func setProperty(m *iothub.Message, name, value string) {
	if app, ok := cutPrefixFold(name, appPrefix); ok {
		if m.Properties == nil {
			m.Properties = map[string]string{}
		}
		m.Properties[app] = value
		return
	}
	switch strings.ToLower(name) {
	case "iothub-messageid":
		m.MessageID = value
	case "iothub-correlationid":
		m.CorrelationID = value
	case "iothub-userid":
		m.UserID = value
	case "iothub-to":
		m.To = value
	case "iothub-contenttype":
		m.ContentType = value
	case "iothub-contentencoding":
		m.ContentEncoding = value
	case "iothub-interface-id":
		m.InterfaceID = value
	case "dt-subject":
		m.Subject = value
	}
}

func cutPrefixFold(text, prefix string) (rest string, found bool) {
	if len(text) < len(prefix) || !strings.EqualFold(text[:len(prefix)], prefix) {
		return "", false
	}
	return text[len(prefix):], true
}

// batchEntry is a message of a batch. Its body is base64 unless it says that it is not (read: the C SDK).
type batchEntry struct {
	Body          string            `json:"body"`
	Base64Encoded *bool             `json:"base64Encoded"`
	Properties    map[string]string `json:"properties"`
}

// readBatch reads a batch; its messages together have at most the size of one (read). Errors: ArgumentInvalid,
// MessageTooLarge.
func readBatch(text []byte) ([]iothub.Message, error) {
	var entries []batchEntry
	if err := json.Unmarshal(text, &entries); err != nil {
		return nil, invalid("the batch is not what it should be: %v", err)
	}
	if len(entries) == 0 || len(entries) > maxBatch {
		return nil, invalid("a batch of %d messages: want 1 to %d", len(entries), maxBatch)
	}
	messages := make([]iothub.Message, len(entries))
	size := 0
	for i, entry := range entries {
		m, err := entry.message()
		if err != nil {
			return nil, invalid("message %d of the batch: %v", i+1, err)
		}
		if size += m.Size(); size > iothub.MaxMessageSize {
			return nil, fmt.Errorf("batch: %w", iothub.ErrTooLarge)
		}
		messages[i] = m
	}
	return messages, nil
}

func (e batchEntry) message() (iothub.Message, error) {
	m := iothub.Message{Body: []byte(e.Body)}
	if e.Base64Encoded == nil || *e.Base64Encoded {
		var err error
		if m.Body, err = base64.StdEncoding.DecodeString(e.Body); err != nil {
			return m, fmt.Errorf("its body: %w", err)
		}
	}
	for name, value := range e.Properties {
		setProperty(&m, name, value)
	}
	return m, nil
}
