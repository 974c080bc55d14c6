package observe

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"azx/test/process"
)

// collector takes spans; internal/observe has them read by the OpenTelemetry Collector's own code.
type collector struct {
	mu    sync.Mutex
	spans []struct {
		Name  string
		Links []struct{ TraceID, SpanID string }
	}
}

// ServeHTTP takes a request as OTLP has it.
func (c *collector) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	var body struct {
		ResourceSpans []struct {
			ScopeSpans []struct{ Spans json.RawMessage }
		}
	}
	if err := json.NewDecoder(r.Body).Decode(&body); err != nil || r.URL.Path != "/v1/traces" {
		http.Error(w, "no traces", http.StatusBadRequest)
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	spans := c.spans[len(c.spans):]
	if err := json.Unmarshal(body.ResourceSpans[0].ScopeSpans[0].Spans, &spans); err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	c.spans = append(c.spans, spans...)
	fmt.Fprint(w, "{}")
}

func TestAWriteIsTracedWithALinkToTheDevicesSpan(t *testing.T) {
	const trace, span = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"
	c := &collector{}
	server := httptest.NewServer(c)
	defer server.Close()
	stack := process.NewStack(t, azx)
	stack.AddThing("pump", "n:INTEGER")
	d := connect(t, stack, "pump")
	stack.Configure(func(config map[string]any) {
		config["tracing"] = map[string]any{"otlp": server.URL}
		config["admin"].(map[string]any)["pprof"] = "on"
	})
	connector := stack.Connect()
	admin := adminOf(connector)
	works(t, stack, d, 1, "traceparent=00-"+trace+"-"+span+"-01")
	process.Eventually(t, 30*time.Second, "a span with the link", func() error {
		c.mu.Lock()
		defer c.mu.Unlock()
		for _, s := range c.spans {
			for _, l := range s.Links {
				if s.Name == "write" && l.TraceID == trace && l.SpanID == span {
					return nil
				}
			}
		}
		return fmt.Errorf("there are %v", c.spans)
	})
	process.Eventually(t, 10*time.Second, "the span in the metrics", func() error {
		for _, s := range scrape(t, admin)["azx_spans_total"] {
			if s.labels["result"] == "sent" && s.value > 0 {
				return nil
			}
		}
		return errors.New("not counted")
	})
	if code, text := get(t, admin, "/debug/pprof/"); code != http.StatusOK || !strings.Contains(text, "goroutine") {
		t.Errorf("/debug/pprof/ answers %d", code)
	}
	server.Close() // a collector that is away changes nothing for messages
	works(t, stack, d, 2)
	if code := connector.Stop(); code != 0 {
		t.Errorf("exit code %d: %s", code, connector.Stderr())
	}
}

func TestWithoutACollectorThereAreNoSpans(t *testing.T) {
	stack := process.NewStack(t, azx)
	stack.AddThing("pump", "n:INTEGER")
	d := connect(t, stack, "pump")
	stack.Configure()
	admin := adminOf(stack.Connect())
	works(t, stack, d, 1)
	if spans := scrape(t, admin)["azx_spans_total"]; len(spans) > 0 {
		t.Errorf("there are %v", spans)
	}
}
