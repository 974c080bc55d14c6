package observe

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"azx/internal/delivery"
)

// Partition is what a scrape tells about one partition.
type Partition struct {
	// Counts comes from one call of delivery.Tracker.Counts, so that in every scrape
	// received = delivered + quarantined + skipped + in flight.
	Counts delivery.Counts
	// Behind is how many messages the hub holds after the last settled one; negative: not known.
	Behind int64
	// Oldest is the enqueued time of the oldest message that is not settled; zero: none waits.
	Oldest time.Time
	// Checkpointed is when a checkpoint was last stored; zero: not yet.
	Checkpointed time.Time
}

// WatchPartitions adds the metrics per partition of a hub, by the name of the hub Thing. snapshot is
// called at every scrape, from any goroutine, and returns the partitions that the connector holds
// now by their ids: the series of a lost partition end with it. Call it once for each hub.
func (m *Metrics) WatchPartitions(hub string, snapshot func() map[string]Partition) {
	m.registry.MustRegister(&partitions{hub: hub, snapshot: snapshot})
}

// WatchPlatform adds the number of authenticated connections to the platform, asked for at every scrape.
func (m *Metrics) WatchPlatform(connections func() int) {
	m.registry.MustRegister(prometheus.NewGaugeFunc(prometheus.GaugeOpts(options(nameConnections)),
		func() float64 { return float64(connections()) }))
}

// WatchHub adds whether messages can be received from a hub, asked for at every scrape; hub is the name
// of the hub Thing. Call it once for each hub.
func (m *Metrics) WatchHub(hub string, connected func() bool) {
	o := options(nameHubConnected)
	o.ConstLabels = prometheus.Labels{"hub": hub}
	m.registry.MustRegister(prometheus.NewGaugeFunc(prometheus.GaugeOpts(o), func() float64 {
		if connected() {
			return 1
		}
		return 0
	}))
}

// partitions is the Collector of one hub's partitions.
type partitions struct {
	hub      string
	snapshot func() map[string]Partition
}

// Describe names nothing in advance: the collectors of several hubs share their names.
func (p *partitions) Describe(chan<- *prometheus.Desc) {}

// Collect tells every partition as of now.
func (p *partitions) Collect(out chan<- prometheus.Metric) {
	now := time.Now()
	for id, state := range p.snapshot() {
		c := state.Counts
		p.send(out, nameReceived, prometheus.CounterValue, float64(c.Received), id)
		p.send(out, nameInFlight, prometheus.GaugeValue, float64(c.InFlight), id)
		p.settled(out, delivery.Delivered, c.Delivered, id)
		p.settled(out, delivery.Quarantined, c.Quarantined, id)
		p.settled(out, delivery.Skipped, c.Skipped, id)
		p.send(out, nameLagSeconds, prometheus.GaugeValue, age(now, state.Oldest), id)
		if state.Behind >= 0 {
			p.send(out, nameLagMessages, prometheus.GaugeValue, float64(state.Behind), id)
		}
		if !state.Checkpointed.IsZero() {
			p.send(out, nameCheckpointAge, prometheus.GaugeValue, age(now, state.Checkpointed), id)
		}
	}
}

// age is how long ago a time was, in seconds; 0 for no time, and for one ahead of this clock.
func age(now, then time.Time) float64 {
	if then.IsZero() {
		return 0
	}
	return max(0, now.Sub(then).Seconds())
}

func (p *partitions) send(out chan<- prometheus.Metric, name string, kind prometheus.ValueType, value float64, id string) {
	desc := prometheus.NewDesc(name, help[name], []string{"hub", "partition"}, nil)
	out <- prometheus.MustNewConstMetric(desc, kind, value, p.hub, id)
}

func (p *partitions) settled(out chan<- prometheus.Metric, result delivery.Result, n int64, id string) {
	desc := prometheus.NewDesc(nameSettled, help[nameSettled], []string{"hub", "partition", "result"}, nil)
	out <- prometheus.MustNewConstMetric(desc, prometheus.CounterValue, float64(n), p.hub, id, result.String())
}
