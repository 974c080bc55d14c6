package observe

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"azx/internal/delivery"
)

// Partition is what a scrape tells about one partition.
type Partition struct {
	// Counts comes from one call of delivery.Tracker.Snapshot, so that in every scrape
	// received = delivered + quarantined + skipped + in flight.
	Counts delivery.Counts
	// Behind is how many messages the hub holds after the last settled one; negative: not known.
	Behind int64
	// Oldest is the enqueued time of the oldest message that is not settled; zero: none waits, or, with Behind other than 0,
	// not known.
	Oldest time.Time
	// Retention is how long the hub keeps a message; zero: not known.
	Retention time.Duration
	// Checkpointed is when a checkpoint was last stored; zero: not yet.
	Checkpointed time.Time
}

// Hub is what a scrape tells about the event side of a hub.
type Hub struct {
	Connected bool      // messages can be received
	Refused   bool      // the hub does not accept the credential
	Told      time.Time // when it last told how far its partitions reach, on which the lag depends; zero: not yet
}

// WatchPartitions adds the metrics per partition of a hub, by the name of the hub Thing. snapshot is
// called at every scrape, from any goroutine, and returns the partitions that the connector holds
// now by their ids: the series of a lost partition end with it. Call it once for each hub.
func (m *Metrics) WatchPartitions(hub string, snapshot func() map[string]Partition) {
	m.registry.MustRegister(&partitions{hub: hub, snapshot: snapshot})
}

// Platform is what a scrape tells about the connections to the platform.
type Platform struct {
	Connections int            // that are authenticated
	ByURL       map[string]int // the same by the URL of each instance, also those with none
	Refused     bool           // the platform does not accept the application key
	Parked      int            // Things that do not answer
}

// WatchPlatform adds the state of the platform's side, asked for at every scrape.
func (m *Metrics) WatchPlatform(state func() Platform) {
	m.registry.MustRegister(collect(func(out chan<- prometheus.Metric) {
		now := state()
		send(out, nameConnections, float64(now.Connections), nil)
		for url, n := range now.ByURL {
			send(out, nameURLConnections, float64(n), []string{"url"}, url)
		}
		send(out, namePlatformRefused, bit(now.Refused), nil)
		send(out, nameParked, float64(now.Parked), nil)
	}))
}

// WatchHub adds the state of the event side of a hub, asked for at every scrape; hub is the name of the hub Thing. Call it
// once for each hub.
func (m *Metrics) WatchHub(hub string, state func() Hub) {
	m.registry.MustRegister(collect(func(out chan<- prometheus.Metric) {
		now := state()
		send(out, nameHubConnected, bit(now.Connected), []string{"hub"}, hub)
		send(out, nameHubRefused, bit(now.Refused), []string{"hub"}, hub)
		if !now.Told.IsZero() {
			send(out, nameHeadsAge, age(time.Now(), now.Told), []string{"hub"}, hub)
		}
	}))
}

// Records is what a scrape tells about the records of the quarantine of one reason.
type Records struct {
	Number int
	Bytes  int64
}

// WatchQuarantine adds the records of the quarantine by their reasons, asked for at every scrape.
func (m *Metrics) WatchQuarantine(reasons func() map[string]Records) {
	m.registry.MustRegister(collect(func(out chan<- prometheus.Metric) {
		for reason, r := range reasons() {
			send(out, nameQuarantineRecords, float64(r.Number), []string{"reason"}, reason)
			send(out, nameQuarantineBytes, float64(r.Bytes), []string{"reason"}, reason)
		}
	}))
}

// WatchChecks adds the checks of /readyz by their names, asked for at every scrape.
func (m *Metrics) WatchChecks(checks func() map[string]bool) {
	m.registry.MustRegister(collect(func(out chan<- prometheus.Metric) {
		for name, ok := range checks() {
			send(out, nameCheck, bit(ok), []string{"check"}, name)
		}
	}))
}

// collect is a Collector that names nothing in advance: those of several hubs share their names.
type collect func(out chan<- prometheus.Metric)

// Describe tells nothing.
func (collect) Describe(chan<- *prometheus.Desc) {}

// Collect tells everything as of now.
func (c collect) Collect(out chan<- prometheus.Metric) { c(out) }

func send(out chan<- prometheus.Metric, name string, value float64, labels []string, values ...string) {
	out <- prometheus.MustNewConstMetric(prometheus.NewDesc(name, help[name], labels, nil), prometheus.GaugeValue, value, values...)
}

func bit(is bool) float64 {
	if is {
		return 1
	}
	return 0
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
		p.settled(out, delivery.Withdrawn, c.Withdrawn, id)
		p.lag(out, now, state, id)
		if !state.Checkpointed.IsZero() {
			p.send(out, nameCheckpointAge, prometheus.GaugeValue, age(now, state.Checkpointed), id)
		}
	}
}

// lag leaves out what is not known.
func (p *partitions) lag(out chan<- prometheus.Metric, now time.Time, state Partition, id string) {
	if state.Behind >= 0 {
		p.send(out, nameLagMessages, prometheus.GaugeValue, float64(state.Behind), id)
	}
	if state.Behind != 0 && state.Oldest.IsZero() {
		return
	}
	seconds := age(now, state.Oldest)
	p.send(out, nameLagSeconds, prometheus.GaugeValue, seconds, id)
	if state.Retention > 0 {
		p.send(out, nameLagRetention, prometheus.GaugeValue, seconds/state.Retention.Seconds(), id)
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
