package observe

import (
	"net/http"
	"runtime/debug"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"azx/alwayson"
	"azx/internal/delivery"
)

// Metrics holds every metric of the connector, in a registry of its own. Labels are hub, partition,
// service, reason, result, outcome, verb, kind, via, status, event, mode and check: never a device, whose number has no bound. All methods may be
// called from any goroutine. NewMetrics makes one.
type Metrics struct {
	registry *prometheus.Registry
	labels   bounded
	twoWay   twoWay

	requests       *prometheus.CounterVec
	lastRequest    atomic.Pointer[answered]
	requestSeconds prometheus.Histogram
	retries        *prometheus.CounterVec
	lookups        *prometheus.CounterVec
	values         prometheus.Counter
	unknownKeys    prometheus.Counter
	announced      *prometheus.CounterVec
	events         *prometheus.CounterVec
	reloads        *prometheus.CounterVec
	expired        *prometheus.CounterVec
	replayed       *prometheus.CounterVec
	spans          *prometheus.CounterVec
	keyExpires     *prometheus.GaugeVec

	skipped          *prometheus.CounterVec
	quarantined      *prometheus.CounterVec
	evicted          *prometheus.CounterVec
	creationTime     *prometheus.CounterVec
	receiveErrors    *prometheus.CounterVec
	checkpointErrors *prometheus.CounterVec
	unknownPositions *prometheus.CounterVec
	missed           *prometheus.CounterVec
	stalls           *prometheus.CounterVec
	leases           *prometheus.CounterVec
	leaseErrors      *prometheus.CounterVec
}

// NewMetrics returns metrics at zero, with those of the Go runtime and of the process beside them.
func NewMetrics() *Metrics {
	m := &Metrics{
		registry:       prometheus.NewRegistry(),
		twoWay:         newTwoWay(),
		requests:       counter(nameRequests, "service", "outcome"),
		requestSeconds: requestHistogram(),
		retries:        counter(nameRetries, "reason"),
		lookups:        counter(nameLookups, "result"),
		values:         prometheus.NewCounter(prometheus.CounterOpts(options(nameValues))),
		unknownKeys:    prometheus.NewCounter(prometheus.CounterOpts(options(nameUnknownKeys))),
		announced:      counter(nameAnnounced, "result"),
		events:         counter(nameEvents, "event", "result"),
		reloads:        counter(nameReloads, "hub", "result"),
		expired:        counter(nameExpired, "hub", "reason"),
		replayed:       counter(nameReplayed, "hub", "result"),
		spans:          counter(nameSpans, "result"),
		keyExpires:     prometheus.NewGaugeVec(prometheus.GaugeOpts(options(nameKeyExpires)), nil),

		skipped:          counter(nameSkipped, "hub", "reason"),
		quarantined:      counter(nameQuarantined, "hub", "reason"),
		evicted:          counter(nameEvicted, "hub"),
		creationTime:     counter(nameCreationTime, "hub"),
		receiveErrors:    counter(nameReceiveErrors, "hub", "partition"),
		checkpointErrors: counter(nameCheckpointErrors, "hub", "partition"),
		unknownPositions: counter(namePositionUnknown, "hub", "partition"),
		missed:           counter(nameMissed, "hub", "partition"),
		stalls:           counter(nameStalls, "hub", "partition"),
		leases:           counter(nameLeases, "hub", "partition", "result", "reason"),
		leaseErrors:      counter(nameLeaseErrors, "hub", "partition"),
	}
	m.registry.MustRegister(m.requests, m.requestSeconds, m.retries, m.lookups, m.values, m.unknownKeys,
		m.announced, m.events, m.reloads, m.expired, m.replayed, m.spans, m.keyExpires, m.skipped, m.quarantined, m.evicted, m.creationTime, m.receiveErrors,
		m.checkpointErrors, m.unknownPositions, m.missed, m.stalls, m.leases, m.leaseErrors, buildInfo(),
		collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	m.registry.MustRegister(m.twoWay.all()...)
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
	o := options(nameBuildInfo)
	o.ConstLabels = prometheus.Labels{"version": Version()}
	return prometheus.NewGaugeFunc(prometheus.GaugeOpts(o), func() float64 { return 1 })
}

// Version is the version the binary was built from; "unknown" if that was not noted.
func Version() string {
	if info, ok := debug.ReadBuildInfo(); ok && info.Main.Version != "" {
		return info.Main.Version
	}
	return "unknown"
}

// Handler serves the metrics in the Prometheus text format.
func (m *Metrics) Handler() http.Handler {
	return promhttp.HandlerFor(m.registry, promhttp.HandlerOpts{MaxRequestsInFlight: 4, Timeout: 10 * time.Second})
}

// answered is the counter of one service and answer.
type answered struct {
	service string
	code    alwayson.Code
	counter prometheus.Counter
}

// Request counts an exchange with the platform: the service or event, the code of the answer (0: none
// came), and how long it took.
func (m *Metrics) Request(service string, code alwayson.Code, took time.Duration) {
	last := m.lastRequest.Load() // nearly all are writes that were accepted
	if last == nil || last.code != code || last.service != service {
		last = m.answered(service, code)
		m.lastRequest.Store(last)
	}
	last.counter.Inc()
	m.requestSeconds.Observe(took.Seconds())
}

func (m *Metrics) answered(service string, code alwayson.Code) *answered {
	outcome := "no answer"
	if code != 0 {
		outcome = code.String()
	}
	return &answered{service, code, m.requests.WithLabelValues(m.labels.bound(service), m.labels.bound(outcome))}
}

// Written counts property values that the platform acknowledged.
func (m *Metrics) Written(values int) { m.values.Add(float64(values)) }

// Retried counts a request to the platform that is tried again, and why.
func (m *Metrics) Retried(reason string) { m.retries.WithLabelValues(m.labels.bound(reason)).Inc() }

// LookedUp counts a question for a Thing's properties, with its result.
func (m *Metrics) LookedUp(result string) { m.lookups.WithLabelValues(m.labels.bound(result)).Inc() }

// UnknownKeys counts values left out because the Thing has no remote property of their name.
func (m *Metrics) UnknownKeys(keys int) { m.unknownKeys.Add(float64(keys)) }

// Announced counts a device without a Thing that the platform was told of, or was not.
func (m *Metrics) Announced(sent bool) {
	result := "held back"
	if sent {
		result = "sent"
	}
	m.announced.WithLabelValues(result).Inc()
}

// Event counts an event for people on the platform, and what became of it: "sent", "failed" or "held back".
func (m *Metrics) Event(event, result string) {
	m.events.WithLabelValues(m.labels.bound(event), result).Inc()
}

// Reloaded counts a look at the settings of a hub Thing: "same", "changed", "refused" or "failed".
func (m *Metrics) Reloaded(hub, result string) { m.reloads.WithLabelValues(hub, result).Inc() }

// Replayed counts a message of the quarantine that was tried again: "delivered", "superseded" or "refused".
func (m *Metrics) Replayed(hub, result string) { m.replayed.WithLabelValues(hub, result).Inc() }

// Expired counts a message of the quarantine that was removed for its age, by the reason it had been put aside for.
func (m *Metrics) Expired(hub, reason string) {
	m.expired.WithLabelValues(hub, m.labels.bound(reason)).Inc()
}

// KeyExpires notes when the application key does; the zero time if that is not known, or never.
func (m *Metrics) KeyExpires(at time.Time) {
	if at.IsZero() {
		m.keyExpires.Reset()
		return
	}
	m.keyExpires.WithLabelValues().Set(float64(at.Unix()))
}

// traced counts spans by what became of them.
func (m *Metrics) traced(result string, spans int) {
	if spans > 0 {
		m.spans.WithLabelValues(result).Add(float64(spans))
	}
}

// Ended counts why a message was skipped or quarantined. How many ended in which way is told by the
// partition's account (WatchPartitions), so a delivered message needs nothing here.
func (m *Metrics) Ended(hub, _ string, result delivery.Result, reason string) {
	switch result {
	case delivery.Skipped:
		m.skipped.WithLabelValues(hub, m.labels.bound(reason)).Inc()
	case delivery.Quarantined:
		m.quarantined.WithLabelValues(hub, m.labels.bound(reason)).Inc()
	}
}

// Evicted counts messages kept for a device without a Thing that newer ones pushed out.
func (m *Metrics) Evicted(hub string, messages int) {
	m.evicted.WithLabelValues(hub).Add(float64(messages))
}

// TimeReplaced counts a message whose creation time was not credible.
func (m *Metrics) TimeReplaced(hub string) { m.creationTime.WithLabelValues(hub).Inc() }

// ReceiveFailed counts an error while receiving from a partition.
func (m *Metrics) ReceiveFailed(hub, partition string) {
	m.receiveErrors.WithLabelValues(hub, partition).Inc()
}

// CheckpointFailed counts a checkpoint that was not stored.
func (m *Metrics) CheckpointFailed(hub, partition string) {
	m.checkpointErrors.WithLabelValues(hub, partition).Inc()
}

// PositionUnknown counts a position that the hub did not know, so that reading went on by time.
func (m *Metrics) PositionUnknown(hub, partition string) {
	m.unknownPositions.WithLabelValues(hub, partition).Inc()
}

// Missed counts messages that the hub did not have any more when they were to be read.
func (m *Metrics) Missed(hub, partition string, messages int64) {
	m.missed.WithLabelValues(hub, partition).Add(float64(messages))
}

// Stalled counts a partition that was silent although the hub had messages for it.
func (m *Metrics) Stalled(hub, partition string) { m.stalls.WithLabelValues(hub, partition).Inc() }

// Lease counts a lease of a partition that was gained or lost, and why.
func (m *Metrics) Lease(hub, partition, result, reason string) {
	m.leases.WithLabelValues(hub, partition, result, reason).Inc()
}

// LeaseStoreFailed counts a call to the store of leases that failed: for a partition, or for the list of all if it is "".
func (m *Metrics) LeaseStoreFailed(hub, partition string) {
	m.leaseErrors.WithLabelValues(hub, partition).Inc()
}
