package observe

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"strconv"
	"strings"
	"time"

	"azx/internal/fault"
	"azx/internal/message"
)

// Bounds of what waits for the collector, and of how long it may take.
const (
	maxSpans      = 2048             // that wait; more are dropped and counted
	spansAtOnce   = 512              // in one request
	gatherFor     = time.Second      // how long a request waits for more spans
	exportTimeout = 5 * time.Second  // of one request
	closeTimeout  = 2 * time.Second  // of all requests at the end
	maxTracePause = 30 * time.Second // after requests that failed
	maxAnswer     = 64 << 10         // bytes that are read of an answer
)

// TracerOptions say where a Tracer sends its spans and who it is.
type TracerOptions struct {
	URL      string       // http or https address of a collector that takes OTLP over HTTP; /v1/traces is added
	Instance string       // name of this connector
	Metrics  *Metrics     // counts the spans; required
	Log      *slog.Logger // required
}

// Tracer makes a span of every request that carries messages to the platform, with links to the spans of the devices that
// sent them, and sends the spans to a collector in OTLP over HTTP, as JSON. It never holds up the messages: spans for which
// there is no room are dropped. NewTracer makes one; Run sends.
type Tracer struct {
	o      TracerOptions
	url    string
	client *http.Client
	spans  chan span
}

// NewTracer returns a Tracer that keeps spans until it runs.
func NewTracer(o TracerOptions) *Tracer {
	url := strings.TrimSuffix(o.URL, "/")
	if !strings.HasSuffix(url, "/v1/traces") {
		url += "/v1/traces"
	}
	transport := http.DefaultTransport.(*http.Transport).Clone() // with the environment's proxy
	client := &http.Client{Transport: transport, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	return &Tracer{o: o, url: url, client: client, spans: make(chan span, maxSpans)}
}

// Wrote is platform.Tracer's: it makes a span of a request that has its answer.
func (t *Tracer) Wrote(thing string, messages []*message.Message, values int, began time.Time, verdict string) {
	select {
	case t.spans <- newSpan(thing, messages, values, began, time.Now(), verdict):
	default:
		t.o.Metrics.traced("dropped", 1)
	}
}

// Run sends spans until ctx ends, and then, within a short time, those that wait. It returns nil.
func (t *Tracer) Run(ctx context.Context) error {
	defer t.client.CloseIdleConnections()
	pause := fault.Backoff{Min: time.Second, Max: maxTracePause}
	failing := false
	for {
		batch := t.gather(ctx)
		err := ctx.Err()
		if err == nil {
			err = t.export(ctx, batch)
		}
		if err != nil && ctx.Err() != nil {
			t.close(batch)
			return nil
		}
		if failing != (err != nil) {
			failing = !failing
			t.tell(err)
		}
		if err == nil {
			pause.Reset()
			continue
		}
		t.o.Metrics.traced("failed", len(batch))
		_ = pause.Pause(ctx) // the end of ctx is seen above
	}
}

// gather waits for spans, and after the first a moment for more.
func (t *Tracer) gather(ctx context.Context) (batch []span) {
	var full <-chan time.Time
	for len(batch) < spansAtOnce {
		select {
		case s := <-t.spans:
			if batch = append(batch, s); full == nil {
				timer := time.NewTimer(gatherFor)
				defer timer.Stop()
				full = timer.C
			}
		case <-full:
			return batch
		case <-ctx.Done():
			return batch
		}
	}
	return batch
}

// close sends a batch and what waits behind it, until the first error or for as long as there is.
func (t *Tracer) close(batch []span) {
	ctx, cancel := context.WithTimeout(context.Background(), closeTimeout)
	defer cancel()
	for {
		for len(batch) < spansAtOnce && len(t.spans) > 0 {
			batch = append(batch, <-t.spans)
		}
		if len(batch) == 0 {
			return
		}
		if t.export(ctx, batch) != nil {
			t.o.Metrics.traced("dropped", len(batch)+len(t.spans))
			return
		}
		batch = nil
	}
}

// export sends spans in one request and counts those that arrived.
func (t *Tracer) export(ctx context.Context, batch []span) error {
	ctx, cancel := context.WithTimeout(ctx, exportTimeout)
	defer cancel()
	refused, err := t.post(ctx, encode(t.o.Instance, batch))
	if err != nil {
		return err
	}
	refused = min(refused, len(batch))
	t.o.Metrics.traced("failed", refused)
	t.o.Metrics.traced("sent", len(batch)-refused)
	return nil
}

// post sends a request and returns how many of its spans the collector did not take.
func (t *Tracer) post(ctx context.Context, body []byte) (refused int, err error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, t.url, bytes.NewReader(body))
	if err != nil {
		return 0, fmt.Errorf("send traces: %w", err)
	}
	request.Header.Set("Content-Type", "application/json")
	request.Header.Set("User-Agent", "azx/"+Version())
	answer, err := t.client.Do(request)
	if err != nil {
		return 0, fmt.Errorf("send traces: %w", err)
	}
	defer answer.Body.Close()
	text, err := io.ReadAll(io.LimitReader(answer.Body, maxAnswer))
	if answer.StatusCode/100 != 2 {
		return 0, fmt.Errorf("send traces: the collector answers %s", answer.Status)
	}
	if err != nil {
		return 0, fmt.Errorf("send traces: read the answer: %w", err)
	}
	return refusedSpans(text), nil
}

// refusedSpans reads the partial success of an answer; one that cannot be read refuses nothing.
func refusedSpans(answer []byte) int {
	var a struct {
		PartialSuccess struct {
			RejectedSpans json.RawMessage `json:"rejectedSpans"` // a text, for it is an int64; some write a number
		} `json:"partialSuccess"`
	}
	if json.Unmarshal(answer, &a) != nil {
		return 0
	}
	n, err := strconv.Atoi(strings.Trim(string(a.PartialSuccess.RejectedSpans), `"`))
	if err != nil || n < 0 {
		return 0
	}
	return n
}

func (t *Tracer) tell(err error) {
	if err == nil {
		t.o.Log.Info("traces reach the collector again", "event", "traces-ok")
		return
	}
	t.o.Log.Warn("traces do not reach the collector; they are dropped, messages go on", "event", "traces-failing", "error", err,
		"hint", "tracing.otlp is the address of a collector that takes OTLP over HTTP, usually with port 4318")
}
