package observe

import (
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"azx/internal/delivery"
)

// Hub is the part of Metrics that counts for one hub. Metrics.Hub makes one.
type Hub struct {
	metrics *Metrics
	name    string
	values  prometheus.Counter
	times   prometheus.Counter
	up      prometheus.Gauge
	parts   *partitions
}

// Hub returns the metrics of the hub with that hub Thing's name. Call it once for each hub. counts
// gives the account of every partition that the connector holds now, from delivery.Tracker.Counts;
// it is called at every scrape, and each partition's account must be taken in one call so that
// received = delivered + quarantined + skipped + in flight.
func (m *Metrics) Hub(name string, counts func() map[string]delivery.Counts) *Hub {
	h := &Hub{
		metrics: m,
		name:    name,
		values:  m.values.WithLabelValues(name),
		times:   m.creationTime.WithLabelValues(name),
		up:      m.hubConnected.WithLabelValues(name),
		parts:   &partitions{hub: name, counts: counts, notes: map[string]note{}},
	}
	m.registry.MustRegister(h.parts)
	return h
}

// Skipped counts a message left out by a rule. The settled result is counted by the receipt; this
// says why.
func (h *Hub) Skipped(reason string) {
	h.metrics.skipped.WithLabelValues(h.name, h.metrics.reasons.bound(reason)).Inc()
}

// Quarantined counts a message put aside, and why.
func (h *Hub) Quarantined(reason string) {
	h.metrics.quarantined.WithLabelValues(h.name, h.metrics.reasons.bound(reason)).Inc()
}

// ValuesWritten counts property values that the platform acknowledged.
func (h *Hub) ValuesWritten(n int) { h.values.Add(float64(n)) }

// CreationTimeReplaced counts a message whose creation time was not credible.
func (h *Hub) CreationTimeReplaced() { h.times.Inc() }

// ReceiveError counts an error while receiving, by the reason.
func (h *Hub) ReceiveError(reason string) {
	h.metrics.receive.WithLabelValues(h.name, h.metrics.reasons.bound(reason)).Inc()
}

// Connected says whether messages can be received from the hub now.
func (h *Hub) Connected(up bool) {
	if up {
		h.up.Set(1)
	} else {
		h.up.Set(0)
	}
}

// Lag says how far a partition is behind: messages that the hub holds after the last settled one, and
// the age of the oldest of them.
func (h *Hub) Lag(partition string, messages int64, age time.Duration) {
	h.parts.note(partition, func(n *note) { n.lagged, n.messages, n.age = true, messages, age })
}

// Checkpointed says when a partition's checkpoint was last stored.
func (h *Hub) Checkpointed(partition string, at time.Time) {
	h.parts.note(partition, func(n *note) { n.checkpointed = at })
}

// note is what was last said about a partition besides its counts.
type note struct {
	lagged       bool
	messages     int64
	age          time.Duration
	checkpointed time.Time
}

// partitions is the Collector of what is told per partition. It has only partitions that counts
// names: the series of a lost partition end with it.
type partitions struct {
	hub    string
	counts func() map[string]delivery.Counts

	mu    sync.Mutex
	notes map[string]note
}

func (p *partitions) note(partition string, change func(*note)) {
	p.mu.Lock()
	defer p.mu.Unlock()
	n := p.notes[partition]
	change(&n)
	p.notes[partition] = n
}

// Describe names nothing in advance, because several hubs share the names: their hub label differs.
func (p *partitions) Describe(chan<- *prometheus.Desc) {}

// Collect tells every partition as of now.
func (p *partitions) Collect(out chan<- prometheus.Metric) {
	counts := p.counts()
	for partition, c := range counts {
		p.send(out, nameReceived, prometheus.CounterValue, c.Received, partition)
		p.send(out, nameInFlight, prometheus.GaugeValue, c.InFlight, partition)
		for result, n := range map[delivery.Result]int64{
			delivery.Delivered: c.Delivered, delivery.Quarantined: c.Quarantined, delivery.Skipped: c.Skipped,
		} {
			p.settled(out, result, n, partition)
		}
	}
	for partition, n := range p.held(counts) {
		if n.lagged {
			p.send(out, nameLagMessages, prometheus.GaugeValue, n.messages, partition)
			p.float(out, nameLagSeconds, n.age.Seconds(), partition)
		}
		if !n.checkpointed.IsZero() {
			p.float(out, nameCheckpointAge, time.Since(n.checkpointed).Seconds(), partition)
		}
	}
}

// held returns the notes of the partitions that counts names and forgets the others.
func (p *partitions) held(counts map[string]delivery.Counts) map[string]note {
	p.mu.Lock()
	defer p.mu.Unlock()
	held := make(map[string]note, len(counts))
	for partition := range counts {
		if n, ok := p.notes[partition]; ok {
			held[partition] = n
		}
	}
	p.notes = make(map[string]note, len(held))
	for partition, n := range held {
		p.notes[partition] = n
	}
	return held
}

func (p *partitions) settled(out chan<- prometheus.Metric, result delivery.Result, n int64, partition string) {
	desc := prometheus.NewDesc(nameSettled, help[nameSettled], []string{"hub", "partition", "result"}, nil)
	out <- prometheus.MustNewConstMetric(desc, prometheus.CounterValue, float64(n), p.hub, partition, result.String())
}

func (p *partitions) send(out chan<- prometheus.Metric, name string, kind prometheus.ValueType, n int64, partition string) {
	desc := prometheus.NewDesc(name, help[name], []string{"hub", "partition"}, nil)
	out <- prometheus.MustNewConstMetric(desc, kind, float64(n), p.hub, partition)
}

func (p *partitions) float(out chan<- prometheus.Metric, name string, value float64, partition string) {
	desc := prometheus.NewDesc(name, help[name], []string{"hub", "partition"}, nil)
	out <- prometheus.MustNewConstMetric(desc, prometheus.GaugeValue, value, p.hub, partition)
}
