package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"slices"
	"strings"
	"time"

	"azx/internal/supervise"
	"azx/test/bench/sink"
	"azx/test/bench/source"
)

// row is one process between the two ends, or at one of them.
type row struct {
	key, title string
	body       source.Body
	tls        bool
	things     int           // 0: source.Things
	partitions int           // 0: the usual number
	window     time.Duration // 0: that of the run
	receiver   string        // of the connector; "": sdk
	memory     string        // of the connector; "": as much as it takes by default
	rate       int           // of the source; 0: as fast as it is taken
	peer       string        // "" for the connector
	atSource   bool          // messages are counted where they leave, since none arrives
}

func (r *row) thingCount() int { return cmp.Or(r.things, source.Things) }

func (r *row) partitionCount() int { return cmp.Or(r.partitions, partitions) }

func (r *row) receiverName() string { return cmp.Or(r.receiver, "sdk") }

// rows are measured in this order in each round.
func rows() []row {
	small, large := source.Small(), source.Large()
	return []row{
		{key: "connector-200", title: "azx run, receiver sdk, 200 B, TLS", body: small, tls: true, receiver: "sdk"},
		{key: "connector-200-fast", title: "azx run, fast receiver, 200 B, TLS", body: small, tls: true, receiver: "fast"},
		{key: "connector-200-100k", title: "azx run, fast receiver, 200 B, TLS, 100,000 Things", body: small, tls: true, receiver: "fast", things: 100_000},
		{key: "connector-200-16m", title: "azx run, fast receiver, 200 B, TLS, memory: 16MiB", body: small, tls: true, receiver: "fast", memory: "16MiB"},
		{key: "connector-200-100k-16m", title: "azx run, fast receiver, 200 B, TLS, 100,000 Things, memory: 16MiB", body: small, tls: true, receiver: "fast", things: 100_000, memory: "16MiB"},
		{key: "connector-200-1p", title: "azx run, fast receiver, 200 B, TLS, 1 partition", body: small, tls: true, receiver: "fast", partitions: 1},
		{key: "connector-200-8p", title: "azx run, fast receiver, 200 B, TLS, 8 partitions", body: small, tls: true, receiver: "fast", partitions: 8},
		{key: "go-amqp-put-200", title: "go-amqp and a PUT each, 200 B, TLS", body: small, tls: true, peer: "go-amqp-put"},
		{key: "node-put-200", title: "Node @azure/event-hubs and a PUT each, 200 B, TLS", body: small, tls: true, peer: nodePeer},
		{key: "telegraf-200", title: "Telegraf, 1,000 messages a POST, 200 B, TLS", body: small, tls: true, peer: telegrafPeer},
		{key: "azeventhubs-put-200", title: "azeventhubs and a PUT each, 200 B, TLS", body: small, tls: true, peer: "azeventhubs-put"},
		{key: "go-amqp-200-tls", title: "bare go-amqp receive, 200 B, TLS", body: small, tls: true, peer: "go-amqp", atSource: true},
		{key: "go-amqp-200-plain", title: "bare go-amqp receive, 200 B, plain", body: small, peer: "go-amqp", atSource: true},
		{key: "azeventhubs-200-tls", title: "azeventhubs receive, 200 B, TLS", body: small, tls: true, peer: "azeventhubs", atSource: true},
		{key: "amqp10-200-tls", title: "internal/amqp10 receive, 200 B, TLS", body: small, tls: true, peer: "amqp10", atSource: true},
		{key: "connector-2k", title: "azx run, receiver sdk, 2 KB, TLS", body: large, tls: true, receiver: "sdk"},
		{key: "connector-2k-fast", title: "azx run, fast receiver, 2 KB, TLS", body: large, tls: true, receiver: "fast"},
		{key: "telegraf-2k", title: "Telegraf, 1,000 messages a POST, 2 KB, TLS", body: large, tls: true, peer: telegrafPeer},
		{key: "go-amqp-2k-tls", title: "bare go-amqp receive, 2 KB, TLS", body: large, tls: true, peer: "go-amqp", atSource: true},
		{key: "amqp10-2k-tls", title: "internal/amqp10 receive, 2 KB, TLS", body: large, tls: true, peer: "amqp10", atSource: true},
		{key: "connector-paced", title: "azx run, fast receiver, 200 B, TLS, 2,000 msg/s", body: small, tls: true, receiver: "fast", rate: 2000},
		{key: "go-amqp-put-paced", title: "go-amqp and a PUT each, 200 B, TLS, 2,000 msg/s", body: small, tls: true, rate: 2000, peer: "go-amqp-put"},
		{key: "connector-paced-60k", title: "azx run, fast receiver, 200 B, TLS, 60,000 msg/s for a minute", body: small, tls: true, receiver: "fast", rate: 60_000, window: time.Minute},
		{key: "push", title: "alwayson push, a message each, shared writes", body: small, peer: "push"},
		{key: "push-flush", title: "the same push, a write each", body: small, peer: "push-flush"},
		{key: "scan", title: "frame scan: what the source can give, 200 B, plain", body: small, peer: "scan", atSource: true},
	}
}

// sample is one measurement of a row.
type sample struct {
	Round     int     `json:"round"`
	Rate      float64 `json:"msgs_per_s"`
	CPUPerM   float64 `json:"cpu_s_per_million"`
	PerCPU    float64 `json:"msgs_per_cpu_s"`
	Cores     float64 `json:"cores"`
	RSSMiB    float64 `json:"rss_mib"`
	FirstMs   float64 `json:"start_to_first_message_ms"`
	P50Ms     float64 `json:"latency_p50_ms,omitempty"`
	P99Ms     float64 `json:"latency_p99_ms,omitempty"`
	PerPush   float64 `json:"messages_per_push,omitempty"`
	Saves     float64 `json:"checkpoints_per_partition_and_interval,omitempty"`
	EndsCores float64 `json:"source_and_sink_cores"` // what the two ends took beside it
	// Growth is how many more messages were taken than delivered within the window, as a share of these: near 0, or the
	// CPU time is also that of messages which are not counted.
	Growth float64 `json:"backlog_growth"`
}

// measure runs a row once.
func (b *bench) measure(ctx context.Context, r *row) (s sample, err error) {
	st, err := b.open(ctx, r)
	if err != nil {
		return s, err
	}
	defer func() { err = errors.Join(err, st.close()) }()
	command, err := st.command(ctx, r)
	if err != nil {
		return s, err
	}
	count := func() int64 { return st.sink.Counts().Messages }
	if r.atSource {
		count = st.source.Sent
	}
	p, err := launch(command)
	if err != nil {
		return s, err
	}
	defer p.kill()
	first, err := p.first(ctx, count)
	if err != nil {
		return s, err
	}
	s.FirstMs = first.Seconds() * 1000
	if !st.steady(ctx, r, count) {
		return s, ctx.Err()
	}
	if r.rate > 0 {
		st.sink.MeasureLatency()
	}
	before, sent := st.sink.Counts(), st.source.Sent()
	if err := st.observe(ctx, p, r, count, &s); err != nil {
		return s, err
	}
	after := st.sink.Counts()
	if n := after.Messages - before.Messages; n > 0 && !r.atSource && r.peer == "" {
		s.Growth = float64(st.source.Sent()-sent)/float64(n) - 1
	}
	if pushes := after.Pushes - before.Pushes; pushes > 0 {
		s.PerPush = float64(after.Messages-before.Messages) / float64(pushes)
	}
	if r.rate > 0 {
		s.P50Ms, s.P99Ms = percentiles(st.sink.Latencies())
	}
	if strings.HasSuffix(r.peer, "-put") {
		return s, nil // its PUTs overtake each other: their order tells nothing
	}
	return s, errors.Join(wrong(after), b.slow(r, s))
}

// observe is that of the process, and counts the saves of the connector's checkpoints beside it.
func (st *stage) observe(ctx context.Context, p *process, r *row, count func() int64, s *sample) (err error) {
	window := cmp.Or(r.window, st.bench.window)
	if r.peer != "" {
		return p.observe(ctx, window, count, s)
	}
	group, saved := supervise.New(ctx), countSaves(st.folder)
	group.Go("saves", saved.watch)
	err = p.observe(ctx, window, count, s)
	group.Stop()
	err = errors.Join(err, group.Wait())
	s.Saves = saved.perInterval()
	return err
}

// slow is an error if a row did not keep up with the rate that it was given.
func (b *bench) slow(r *row, s sample) error {
	if r.rate == 0 || b.smoke || s.Rate > 0.99*float64(r.rate) {
		return nil
	}
	return fmt.Errorf("%.0f of %d messages a second were delivered, with %.2f cores", s.Rate, r.rate, s.Cores)
}

// steady waits until the connector has learnt all Things and no backlog grows any more: what was sent and not counted stays
// the same, within a tenth of what is counted meanwhile. It gives up on that after some time; sample.Growth tells. It returns false
// if ctx ends before.
func (st *stage) steady(ctx context.Context, r *row, count func() int64) bool {
	if st.bench.smoke {
		return true
	}
	if !pause(ctx, settleTime) {
		return false
	}
	for began := time.Now(); time.Since(began) < settleLimit; {
		n, backlog := count(), st.source.Sent()-count()
		if !pause(ctx, settleTime/3) {
			return false
		}
		learnt := r.peer != "" || st.sink.Counts().Things == int64(r.thingCount())
		if grown := st.source.Sent() - count() - backlog; learnt && grown*10 < count()-n {
			break
		}
	}
	return true
}

// wrong is an error if messages were lost on the way: then the figures are worth nothing.
func wrong(c sink.Counts) error {
	if c.Lost+c.Repeated > 0 {
		return fmt.Errorf("%d messages were lost and %d repeated or out of order, of %d", c.Lost, c.Repeated, c.Messages)
	}
	return nil
}

// percentiles returns the 50th and the 99th in milliseconds.
func percentiles(d []time.Duration) (p50, p99 float64) {
	if len(d) == 0 {
		return 0, 0
	}
	slices.Sort(d)
	at := func(share float64) float64 { return d[int(share*float64(len(d)-1))].Seconds() * 1000 }
	return at(0.5), at(0.99)
}

// process is what is measured, from outside.
type process struct {
	cmd   *exec.Cmd
	began time.Time
}

func launch(command []string) (*process, error) {
	cmd := exec.Command(command[0], command[1:]...)
	cmd.Stderr = os.Stderr
	p := &process{cmd: cmd, began: time.Now()}
	if err := cmd.Start(); err != nil {
		return nil, fmt.Errorf("start %s: %w", command[0], err)
	}
	return p, nil
}

// kill ends the process; what it leaves behind is of no use to anyone.
func (p *process) kill() {
	_ = p.cmd.Process.Kill()
	_ = p.cmd.Wait()
}

// first waits for the first message and returns how long after the start it came.
func (p *process) first(ctx context.Context, count func() int64) (time.Duration, error) {
	for time.Since(p.began) < startLimit {
		if count() > 0 {
			return time.Since(p.began), nil
		}
		if !pause(ctx, time.Millisecond/2) {
			return 0, ctx.Err()
		}
	}
	return 0, fmt.Errorf("no message within %v of the start", startLimit)
}

// observe takes count, CPU time and memory over a window.
func (p *process) observe(ctx context.Context, window time.Duration, count func() int64, s *sample) error {
	pid, self := p.cmd.Process.Pid, os.Getpid()
	cpu, err := cpuSeconds(pid)
	ends, endsErr := cpuSeconds(self)
	if err = errors.Join(err, endsErr); err != nil {
		return err
	}
	n, began := count(), time.Now()
	if !pause(ctx, window) {
		return ctx.Err()
	}
	n, took := count()-n, time.Since(began).Seconds()
	cpuAfter, err := cpuSeconds(pid)
	endsAfter, endsErr := cpuSeconds(self)
	if err = errors.Join(err, endsErr); err != nil {
		return err
	}
	if s.RSSMiB, err = rssMiB(pid); err != nil {
		return err
	}
	if n == 0 {
		return errors.New("no message in the whole window")
	}
	used := cpuAfter - cpu
	s.Rate, s.Cores, s.EndsCores = float64(n)/took, used/took, (endsAfter-ends)/took
	s.CPUPerM = used / float64(n) * 1e6
	if used > 0 {
		s.PerCPU = float64(n) / used
	}
	return nil
}
