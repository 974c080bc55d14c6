package observe

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"azx/internal/message"
)

// twoWay are the metrics of what the platform asks of devices, and of what that uses the hub for.
type twoWay struct {
	requests       *prometheus.CounterVec
	requestSeconds *prometheus.HistogramVec
	sent           *prometheus.CounterVec
	writes         *prometheus.CounterVec
	twinEvents     *prometheus.CounterVec
	outcomes       *prometheus.CounterVec
	lives          *prometheus.CounterVec
	rebinds        *prometheus.CounterVec
	presence       *prometheus.CounterVec
	snapshots      *prometheus.CounterVec
	pings          *prometheus.CounterVec

	operations *prometheus.CounterVec
	billed     *prometheus.CounterVec
	hubSeconds *prometheus.HistogramVec
	quotaWaits *prometheus.CounterVec
	quotaWait  *prometheus.CounterVec
}

func newTwoWay() twoWay {
	return twoWay{
		requests:       counter(nameEgress, "hub", "verb", "kind", "outcome"),
		requestSeconds: histogram(nameEgressSeconds, "hub", "verb", "kind"),
		sent:           counter(nameSent, "hub", "via"),
		writes:         counter(nameSentWrites, "hub", "via"),
		twinEvents:     counter(nameTwinEvents, "hub", "result"),
		outcomes:       counter(nameOutcomes, "hub", "status"),
		lives:          counter(nameLives, "hub", "kind", "result"),
		rebinds:        counter(nameBindFallbacks, "hub"),
		presence:       counter(namePresence, "hub", "state", "result"),
		snapshots:      counter(nameSnapshotsFailed, "hub", "partition"),
		pings:          counter(namePings, "hub", "result"),

		operations: counter(nameHubOperations, "hub", "kind", "result"),
		billed:     counter(nameHubBilled, "hub", "kind"),
		hubSeconds: histogram(nameHubSeconds, "hub", "kind"),
		quotaWaits: counter(nameQuotaWaits, "hub", "kind"),
		quotaWait:  counter(nameQuotaSeconds, "hub", "kind"),
	}
}

func (t twoWay) all() []prometheus.Collector {
	return []prometheus.Collector{t.requests, t.requestSeconds, t.sent, t.writes, t.twinEvents, t.outcomes, t.lives, t.rebinds, t.presence, t.snapshots, t.pings,
		t.operations, t.billed, t.hubSeconds, t.quotaWaits, t.quotaWait}
}

// Egress counts what the platform asks of one hub's devices: it is egress.Meter. Metrics.Egress makes one.
type Egress struct {
	metrics *Metrics
	hub     string
}

// Egress counts the requests to the devices of a hub, by the name of the hub Thing.
func (m *Metrics) Egress(hub string) Egress { return Egress{m, hub} }

// Ended counts a request that has its answer: what it was about, how it ended, and how long it took.
func (e Egress) Ended(verb message.Verb, kind, outcome string, took time.Duration) {
	kind = e.metrics.labels.bound(kind)
	e.metrics.twoWay.requests.WithLabelValues(e.hub, verb.String(), kind, e.metrics.labels.bound(outcome)).Inc()
	e.metrics.twoWay.requestSeconds.WithLabelValues(e.hub, verb.String(), kind).Observe(took.Seconds())
}

// Sent counts writes that went out together, and how they went.
func (e Egress) Sent(via string, writes int) {
	via = e.metrics.labels.bound(via)
	e.metrics.twoWay.sent.WithLabelValues(e.hub, via).Inc()
	e.metrics.twoWay.writes.WithLabelValues(e.hub, via).Add(float64(writes))
}

// TwinEvent counts what became of an event of a changed twin.
func (e Egress) TwinEvent(result string) {
	e.metrics.twoWay.twinEvents.WithLabelValues(e.hub, e.metrics.labels.bound(result)).Inc()
}

// Outcome counts what the hub's feedback says became of a message to a device.
func (e Egress) Outcome(status string) {
	e.metrics.twoWay.outcomes.WithLabelValues(e.hub, e.metrics.labels.bound(status)).Inc()
}

// Lived counts a device that was made, deleted or moved, or spoke without a Thing, and what was done about it.
func (e Egress) Lived(operation, result string) {
	e.metrics.twoWay.lives.WithLabelValues(e.hub, e.metrics.labels.bound(operation), e.metrics.labels.bound(result)).Inc()
}

// FellBack counts a routing group that brought no requests, so that the devices were bound one by one.
func (e Egress) FellBack() { e.metrics.twoWay.rebinds.WithLabelValues(e.hub).Inc() }

// HubUse is one use of a hub's service side.
type HubUse struct {
	Kind     string        // such as "method"
	Result   string        // "ok", or a word for what went wrong
	Messages int           // that the hub bills
	Took     time.Duration // all of it
	Waited   time.Duration // for the hub's quota
}

// HubUsed counts a use of a hub's service side, by the name of the hub Thing.
func (m *Metrics) HubUsed(hub string, u HubUse) {
	m.twoWay.operations.WithLabelValues(hub, u.Kind, m.labels.bound(u.Result)).Inc()
	m.twoWay.billed.WithLabelValues(hub, u.Kind).Add(float64(u.Messages))
	m.twoWay.hubSeconds.WithLabelValues(hub, u.Kind).Observe(u.Took.Seconds())
	if u.Waited > 0 {
		m.twoWay.quotaWaits.WithLabelValues(hub, u.Kind).Inc()
		m.twoWay.quotaWait.WithLabelValues(hub, u.Kind).Add(u.Waited.Seconds())
	}
}

// Binding is what of a hub is bound at the platform.
type Binding struct {
	Mode  string // "group" or "devices"; "" while that is not decided
	Names int    // that the platform has accepted on sockets that are up
}

// WatchBinding adds what is bound of a hub, by the name of the hub Thing, asked for at every scrape. Call it once for each
// hub.
func (m *Metrics) WatchBinding(hub string, binding func() Binding) {
	m.registry.MustRegister(collect(func(out chan<- prometheus.Metric) {
		now := binding()
		for _, mode := range []string{"group", "devices"} { // while the mode is not decided, both are 0
			bound := 0
			if now.Mode == mode {
				bound = now.Names
			}
			send(out, nameBound, float64(bound), []string{"hub", "mode"}, hub, mode)
		}
	}))
}

// Presence counts a device or module of a hub whose presence changed, by what became of telling it.
func (m *Metrics) Presence(hub, state, result string) {
	m.twoWay.presence.WithLabelValues(hub, state, result).Inc()
}

// Pinged counts a late edge device that was to be asked, by what came of it.
func (m *Metrics) Pinged(hub, result string) { m.twoWay.pings.WithLabelValues(hub, result).Inc() }

// SnapshotFailed counts a snapshot of a partition's devices that could not be saved.
func (m *Metrics) SnapshotFailed(hub, partition string) {
	m.twoWay.snapshots.WithLabelValues(hub, partition).Inc()
}
