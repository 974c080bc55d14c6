package observe

import (
	"encoding/hex"
	"encoding/json"
	"math/rand/v2"
	"strconv"
	"strings"
	"time"

	"azx/internal/message"
)

// Properties in which a device states the span that made a message (W3C Trace Context).
const (
	propertyTraceparent = "traceparent"
	propertyTracestate  = "tracestate"
)

// Bounds of a span.
const (
	maxLinks = 64  // of the messages of one request; those behind have none
	maxState = 512 // bytes of a tracestate that are passed on
)

// The form of spans in OTLP's JSON (read: opentelemetry-proto v1, "JSON Protobuf Encoding"): ids are hexadecimal, 64-bit
// numbers are texts, enumerations are numbers.
type span struct {
	TraceID    string      `json:"traceId"`
	SpanID     string      `json:"spanId"`
	Name       string      `json:"name"`
	Kind       int         `json:"kind"`
	Start      nanos       `json:"startTimeUnixNano"`
	End        nanos       `json:"endTimeUnixNano"`
	Attributes []attribute `json:"attributes"`
	Links      []link      `json:"links,omitempty"`
	Status     status      `json:"status"`
}

type link struct {
	TraceID    string `json:"traceId"`
	SpanID     string `json:"spanId"`
	TraceState string `json:"traceState,omitempty"`
}

type status struct {
	Code    int    `json:"code,omitempty"`
	Message string `json:"message,omitempty"`
}

const (
	spanKindClient  = 3
	statusCodeError = 2
)

// attribute has a text or a whole number.
type attribute struct {
	Key   string `json:"key"`
	Value any    `json:"value"`
}

type (
	textValue struct {
		Text string `json:"stringValue"`
	}
	numberValue struct {
		Number int64 `json:"intValue,string"`
	}
)

// nanos is a time in ns since 1970.
type nanos int64

// MarshalJSON makes a text.
func (n nanos) MarshalJSON() ([]byte, error) {
	return strconv.AppendQuote(nil, strconv.FormatInt(int64(n), 10)), nil
}

func textAttribute(key, value string) attribute { return attribute{key, textValue{value}} }

func numberAttribute(key string, value int64) attribute { return attribute{key, numberValue{value}} }

// newSpan makes the span of a request that carried messages.
func newSpan(thing string, messages []*message.Message, values int, began, ended time.Time, verdict string) span {
	s := span{
		TraceID: randomID(16), SpanID: randomID(8), Name: "write", Kind: spanKindClient,
		Start: nanos(began.UnixNano()), End: nanos(ended.UnixNano()),
		Attributes: []attribute{
			textAttribute("azx.thing", thing), textAttribute("azx.verdict", verdict), numberAttribute("azx.values", int64(values)),
			numberAttribute("messaging.batch.message_count", int64(len(messages))),
		},
	}
	if verdict != "accepted" {
		s.Status = status{Code: statusCodeError, Message: verdict}
	}
	if len(messages) > 0 {
		first := messages[0]
		s.Attributes = append(s.Attributes, textAttribute("azx.hub", first.Hub),
			textAttribute("messaging.destination.partition.id", first.Partition),
			numberAttribute("azx.waited_ms", max(0, began.Sub(first.Enqueued).Milliseconds())))
	}
	for _, m := range messages[:min(len(messages), maxLinks)] {
		if l, ok := linkTo(m.Properties); ok {
			s.Links = append(s.Links, l)
		}
	}
	return s
}

// linkTo is the span that a message's properties name; false if they name none.
func linkTo(properties map[string]string) (link, bool) {
	parent, ok := properties[propertyTraceparent]
	if !ok || len(parent) < 55 || len(parent) > 55 && (parent[:2] == "00" || parent[55] != '-') {
		return link{}, false
	}
	l := link{TraceID: parent[3:35], SpanID: parent[36:52]}
	if parent[2] != '-' || parent[35] != '-' || parent[52] != '-' || !isID(parent[:2]) || parent[:2] == "ff" || !isID(parent[53:55]) ||
		!isID(l.TraceID) || !isID(l.SpanID) || isZero(l.TraceID) || isZero(l.SpanID) {
		return link{}, false
	}
	if state := properties[propertyTracestate]; len(state) <= maxState {
		l.TraceState = state
	}
	return l, true
}

func isID(text string) bool { return strings.Trim(text, "0123456789abcdef") == "" }

func isZero(id string) bool { return strings.Trim(id, "0") == "" }

// randomID makes an id of so many bytes that is not zero.
func randomID(bytes int) string {
	id := make([]byte, 0, 16)
	for len(id) < bytes {
		n := rand.Uint64() | 1
		for range 8 {
			id = append(id, byte(n))
			n >>= 8
		}
	}
	return hex.EncodeToString(id)
}

// encode makes the body of a request.
func encode(instance string, spans []span) []byte {
	type scope struct {
		Name    string `json:"name"`
		Version string `json:"version"`
	}
	type scopeSpans struct {
		Scope scope  `json:"scope"`
		Spans []span `json:"spans"`
	}
	type resource struct {
		Attributes []attribute `json:"attributes"`
	}
	type resourceSpans struct {
		Resource   resource     `json:"resource"`
		ScopeSpans []scopeSpans `json:"scopeSpans"`
	}
	text, _ := json.Marshal(struct { // texts and numbers always have JSON
		ResourceSpans []resourceSpans `json:"resourceSpans"`
	}{[]resourceSpans{{
		Resource: resource{[]attribute{textAttribute("service.name", "azx"), textAttribute("service.instance.id", instance),
			textAttribute("service.version", Version())}},
		ScopeSpans: []scopeSpans{{scope{"azx", Version()}, spans}},
	}}})
	return text
}
