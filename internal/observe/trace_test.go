package observe

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"go.opentelemetry.io/collector/pdata/ptrace"

	"azx/internal/message"
)

const (
	deviceTrace = "4bf92f3577b34da6a3ce929d0e0e4736"
	deviceSpan  = "00f067aa0ba902b7"
	traceparent = "00-" + deviceTrace + "-" + deviceSpan + "-01"
)

// collector takes traces as the OpenTelemetry Collector does: with its own reader.
type collector struct {
	*httptest.Server
	mu     sync.Mutex
	spans  []ptrace.ResourceSpans
	answer func(w http.ResponseWriter)
}

func newCollector(t *testing.T) *collector {
	t.Helper()
	c := &collector{answer: func(w http.ResponseWriter) { fmt.Fprint(w, `{"partialSuccess":{}}`) }}
	c.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil || r.Method != http.MethodPost || r.URL.Path != "/v1/traces" || r.Header.Get("Content-Type") != "application/json" {
			t.Errorf("%s %s %s: %v", r.Method, r.URL, r.Header, err)
		}
		traces, err := (&ptrace.JSONUnmarshaler{}).UnmarshalTraces(body)
		if err != nil {
			t.Errorf("the collector does not read it: %v\n%s", err, body)
		}
		c.mu.Lock()
		defer c.mu.Unlock()
		for i := range traces.ResourceSpans().Len() {
			c.spans = append(c.spans, traces.ResourceSpans().At(i))
		}
		c.answer(w)
	}))
	t.Cleanup(c.Close)
	return c
}

func (c *collector) seen() (all []ptrace.Span) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, r := range c.spans {
		spans := r.ScopeSpans().At(0).Spans()
		for i := range spans.Len() {
			all = append(all, spans.At(i))
		}
	}
	return all
}

// tracing runs a Tracer; what it returns ends it.
func tracing(t *testing.T, url string) (tracer *Tracer, m *Metrics, log *bytes.Buffer, stop func()) {
	t.Helper()
	m, log = NewMetrics(), &bytes.Buffer{}
	tracer = NewTracer(TracerOptions{URL: url, Instance: "azx-1", Metrics: m, Log: slog.New(slog.NewTextHandler(log, nil))})
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- tracer.Run(ctx) }()
	return tracer, m, log, func() {
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	}
}

func TestASpanOfAWriteIsReadByTheCollector(t *testing.T) {
	c := newCollector(t)
	tracer, m, log, stop := tracing(t, c.URL)
	began := time.Now().Add(-time.Second)
	tracer.Wrote("Pump", []*message.Message{
		{Hub: "Plant", Partition: "3", Enqueued: began.Add(-40 * time.Millisecond), Properties: map[string]string{"traceparent": traceparent, "tracestate": "a=b"}},
		{Hub: "Plant", Partition: "3"},
	}, 7, began, "accepted")
	tracer.Wrote("Pump", nil, 0, began, "rejected")
	stop() // sends what waits

	spans := c.seen()
	if len(spans) != 2 {
		t.Fatalf("%d spans", len(spans))
	}
	one := spans[0]
	if one.Name() != "write" || one.Kind() != ptrace.SpanKindClient || one.Status().Code() != ptrace.StatusCodeUnset ||
		one.TraceID().IsEmpty() || one.SpanID().IsEmpty() || !one.StartTimestamp().AsTime().Equal(began) ||
		one.EndTimestamp().AsTime().Sub(began) < time.Second || one.Links().Len() != 1 {
		t.Errorf("the span is %s %v, %d links", one.Name(), one.Kind(), one.Links().Len())
	}
	if l := one.Links().At(0); l.TraceID().String() != deviceTrace || l.SpanID().String() != deviceSpan || l.TraceState().AsRaw() != "a=b" {
		t.Errorf("the link is %s %s %s", l.TraceID(), l.SpanID(), l.TraceState().AsRaw())
	}
	want := map[string]any{"azx.thing": "Pump", "azx.hub": "Plant", "azx.verdict": "accepted", "azx.values": int64(7),
		"messaging.batch.message_count": int64(2), "messaging.destination.partition.id": "3", "azx.waited_ms": int64(40)}
	if got := one.Attributes().AsRaw(); fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("attributes %v, want %v", got, want)
	}
	if two := spans[1]; two.Status().Code() != ptrace.StatusCodeError || two.Status().Message() != "rejected" || two.TraceID() == one.TraceID() {
		t.Errorf("the span of a refused write has status %s", two.Status().Message())
	}
	resource := c.spans[0].Resource().Attributes().AsRaw()
	if resource["service.name"] != "azx" || resource["service.instance.id"] != "azx-1" {
		t.Errorf("the resource is %v", resource)
	}
	expect(t, scrape(t, m), map[string]string{`azx_spans_total{result="sent"}`: "2"})
	if log.Len() > 0 {
		t.Errorf("logged: %s", log)
	}
}

func TestALinkIsMadeOfAValidTraceparentOnly(t *testing.T) {
	for name, c := range map[string]struct {
		parent string
		want   bool
	}{
		"as the standard has it":         {traceparent, true},
		"of a later version, longer":     {"01" + traceparent[2:] + "-more", true},
		"of this version, longer":        {traceparent + "-more", false},
		"of a later version, run on":     {"01" + traceparent[2:] + "more", false},
		"of no version":                  {"ff" + traceparent[2:], false},
		"cut off":                        {traceparent[:54], false},
		"with capitals":                  {strings.ToUpper(traceparent), false},
		"of a trace that is zero":        {"00-00000000000000000000000000000000-" + deviceSpan + "-01", false},
		"of a span that is zero":         {"00-" + deviceTrace + "-0000000000000000-01", false},
		"with other characters between":  {strings.ReplaceAll(traceparent, "-", "_"), false},
		"with flags that are no number":  {traceparent[:53] + "xy", false},
		"empty":                          {"", false},
		"of 55 characters of many bytes": {strings.Repeat("é", 27) + "e", false},
	} {
		if _, ok := linkTo(map[string]string{"traceparent": c.parent}); ok != c.want {
			t.Errorf("%s: %v", name, ok)
		}
	}
	if l, _ := linkTo(map[string]string{"traceparent": traceparent, "tracestate": strings.Repeat("x", maxState+1)}); l.TraceState != "" {
		t.Error("a tracestate without end is passed on")
	}
	many := make([]*message.Message, 3*maxLinks)
	for i := range many {
		many[i] = &message.Message{Properties: map[string]string{"traceparent": traceparent}}
	}
	if s := newSpan("T", many, 1, time.Now(), time.Now(), "accepted"); len(s.Links) != maxLinks {
		t.Errorf("%d links", len(s.Links))
	}
}

func TestASlowCollectorHoldsNobodyUp(t *testing.T) {
	m := NewMetrics()
	tracer := NewTracer(TracerOptions{URL: "http://127.0.0.1:1", Metrics: m, Log: slog.New(slog.DiscardHandler)})
	for range maxSpans + 7 { // it does not run, so nothing leaves
		tracer.Wrote("T", nil, 1, time.Now(), "accepted")
	}
	expect(t, scrape(t, m), map[string]string{`azx_spans_total{result="dropped"}`: "7", `azx_spans_total{result="sent"}`: ""})
}

func TestSpansThatDoNotArriveAreCountedAndToldOnce(t *testing.T) {
	c := newCollector(t)
	first := make(chan struct{})
	var once sync.Once
	c.answer = func(w http.ResponseWriter) {
		once.Do(func() { close(first) })
		w.WriteHeader(http.StatusServiceUnavailable)
	}
	tracer, m, log, stop := tracing(t, c.URL+"/v1/traces")
	tracer.Wrote("T", nil, 1, time.Now(), "accepted")
	<-first
	for deadline := time.Now().Add(10 * time.Second); scrape(t, m)[`azx_spans_total{result="failed"}`] != "1"; {
		if time.Now().After(deadline) {
			t.Fatalf("the spans are not counted: %v", scrape(t, m))
		}
	}
	tracer.Wrote("T", nil, 1, time.Now(), "accepted")
	stop()
	expect(t, scrape(t, m), map[string]string{`azx_spans_total{result="failed"}`: "1", `azx_spans_total{result="dropped"}`: "1"})
	if strings.Count(log.String(), "event=traces-failing") != 1 || !strings.Contains(log.String(), "503") {
		t.Errorf("logged: %s", log)
	}
}

func TestWhatTheCollectorRefusesOfARequestIsCounted(t *testing.T) {
	for answer, refused := range map[string]int{
		`{"partialSuccess":{"rejectedSpans":"2","errorMessage":"no"}}`: 2, `{"partialSuccess":{"rejectedSpans":3}}`: 3,
		`{}`: 0, ``: 0, `<html>`: 0, `{"partialSuccess":{"rejectedSpans":"-2"}}`: 0,
	} {
		if got := refusedSpans([]byte(answer)); got != refused {
			t.Errorf("%s refuses %d", answer, got)
		}
	}
	c := newCollector(t)
	c.answer = func(w http.ResponseWriter) { fmt.Fprint(w, `{"partialSuccess":{"rejectedSpans":"1"}}`) }
	tracer, m, _, stop := tracing(t, c.URL+"/")
	tracer.Wrote("T", nil, 1, time.Now(), "accepted")
	tracer.Wrote("T", nil, 1, time.Now(), "accepted")
	stop()
	expect(t, scrape(t, m), map[string]string{`azx_spans_total{result="failed"}`: "1", `azx_spans_total{result="sent"}`: "1"})
}
