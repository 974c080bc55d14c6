package observe

import (
	"net/http"
	"runtime/debug"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"
)

// Metrics holds every metric of the connector, in a registry of its own. Labels are hub, partition,
// reason, result and outcome: never a device, whose number has no bound. All methods may be called
// from any goroutine. NewMetrics makes one.
type Metrics struct {
	registry *prometheus.Registry
	reasons  bounded

	requests       *prometheus.CounterVec
	requestSeconds prometheus.Histogram
	retries        *prometheus.CounterVec
	lookups        *prometheus.CounterVec
	connections    prometheus.Gauge

	skipped      *prometheus.CounterVec
	quarantined  *prometheus.CounterVec
	values       *prometheus.CounterVec
	creationTime *prometheus.CounterVec
	receive      *prometheus.CounterVec
	hubConnected *prometheus.GaugeVec
}

// NewMetrics returns metrics at zero, with those of the Go runtime and of the process beside them.
func NewMetrics() *Metrics {
	m := &Metrics{
		registry:       prometheus.NewRegistry(),
		requests:       counter(nameRequests, "outcome"),
		retries:        counter(nameRetries, "reason"),
		lookups:        counter(nameLookups, "result"),
		connections:    prometheus.NewGauge(prometheus.GaugeOpts(options(nameConnections))),
		skipped:        counter(nameSkipped, "hub", "reason"),
		quarantined:    counter(nameQuarantined, "hub", "reason"),
		values:         counter(nameValues, "hub"),
		creationTime:   counter(nameCreationTime, "hub"),
		receive:        counter(nameReceiveErrors, "hub", "reason"),
		hubConnected:   prometheus.NewGaugeVec(prometheus.GaugeOpts(options(nameHubConnected)), []string{"hub"}),
		requestSeconds: requestHistogram(),
	}
	m.registry.MustRegister(m.requests, m.requestSeconds, m.retries, m.lookups, m.connections,
		m.skipped, m.quarantined, m.values, m.creationTime, m.receive, m.hubConnected, buildInfo(),
		collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	return m
}

func requestHistogram() prometheus.Histogram {
	return prometheus.NewHistogram(prometheus.HistogramOpts{
		Name: nameRequestSeconds, Help: help[nameRequestSeconds],
		Buckets: prometheus.ExponentialBuckets(0.0005, 2, 16), // 0.5 ms to 16 s
	})
}

// buildInfo is the constant 1 with the version the binary was built from.
func buildInfo() prometheus.Collector {
	version := "unknown"
	if info, ok := debug.ReadBuildInfo(); ok {
		version = info.Main.Version
	}
	o := options(nameBuildInfo)
	o.ConstLabels = prometheus.Labels{"version": version}
	return prometheus.NewGaugeFunc(prometheus.GaugeOpts(o), func() float64 { return 1 })
}

// Handler serves the metrics in the Prometheus text format.
func (m *Metrics) Handler() http.Handler {
	return promhttp.HandlerFor(m.registry, promhttp.HandlerOpts{MaxRequestsInFlight: 4, Timeout: 10 * time.Second})
}

// PlatformRequest counts one request to the platform with its outcome ("ok", "rejected",
// "transient", "credential", "timeout") and how long the answer took.
func (m *Metrics) PlatformRequest(outcome string, took time.Duration) {
	m.requests.WithLabelValues(m.reasons.bound(outcome)).Inc()
	m.requestSeconds.Observe(took.Seconds())
}

// PlatformRetry counts one request that is tried again, and why.
func (m *Metrics) PlatformRetry(reason string) {
	m.retries.WithLabelValues(m.reasons.bound(reason)).Inc()
}

// TableLookup counts one question for a Thing's properties, with its result ("found", "unknown",
// "refused", "error").
func (m *Metrics) TableLookup(result string) {
	m.lookups.WithLabelValues(m.reasons.bound(result)).Inc()
}

// PlatformConnections says how many authenticated connections to the platform there are now.
func (m *Metrics) PlatformConnections(n int) { m.connections.Set(float64(n)) }
