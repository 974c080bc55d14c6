package main

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"time"

	hubserve "azx/internal/local/iothub/serve"
	"azx/internal/supervise"
	"azx/test/bench/certs"
	"azx/test/bench/sink"
	"azx/test/bench/source"
)

const (
	settleTime      = 1500 * time.Millisecond // from the first message to the window: Things are learnt, buffers grow
	settleLimit     = 15 * time.Second        // for a backlog to stop growing
	startLimit      = 30 * time.Second        // for the first message to come
	eventHubsString = "Endpoint=sb://" + hostName + "/;SharedAccessKeyName=bench;SharedAccessKey=YmVuY2g=;EntityPath=events"
)

// bench is one run.
type bench struct {
	rounds    int
	window    time.Duration
	connector string // binary
	profile   string // file
	smoke     bool   // rows of ours alone, once, for a moment: figures are worth nothing
	telegraf  string // binary, once it is built
	node      bool   // the packages are there

	self      string // this program
	dir       string // temporary files
	authority *certs.Authority
	registry  *hubserve.Running // the hub of many devices, once it is needed
}

// prepare builds the connector, unless one was given, and makes what all rows share.
func (b *bench) prepare(ctx context.Context) (err error) {
	if b.self, err = os.Executable(); err != nil {
		return err
	}
	if b.dir, err = os.MkdirTemp("", "azx-bench-"); err != nil {
		return err
	}
	if b.authority, err = certs.New(hostName); err != nil {
		return err
	}
	if err := os.WriteFile(b.caFile(), b.authority.PEM, 0o600); err != nil {
		return err
	}
	if b.connector != "" {
		return nil
	}
	b.connector = filepath.Join(b.dir, "azx")
	build := exec.CommandContext(ctx, "go", "build", "-trimpath", "-tags", "connector", "-o", b.connector, "./cmd/azx")
	build.Stderr, build.Env = os.Stderr, append(os.Environ(), "CGO_ENABLED=0")
	if err := build.Run(); err != nil {
		return fmt.Errorf("build the connector (run this from the module's root, or give -azx): %w", err)
	}
	return nil
}

func (b *bench) clear() {
	if b.registry != nil {
		b.registry.Stop()
		_ = b.registry.Wait() // nothing is measured any more
	}
	_ = os.RemoveAll(b.dir) // it is in the folder of temporary files
}

func (b *bench) caFile() string { return filepath.Join(b.dir, "ca.pem") }

// stage is a source and a sink that run for one measurement.
type stage struct {
	bench        *bench
	group        *supervise.Group
	source       *source.Source
	sink         *sink.Sink
	tls          bool
	address, url string
	rest         string // URL of the sink's REST side
	folder       string // of the connector's files
}

// open starts the two ends.
func (b *bench) open(ctx context.Context, r *row) (*stage, error) {
	st := &stage{bench: b, group: supervise.New(ctx), tls: r.tls}
	cfg := source.Config{Body: r.body, Partitions: r.partitionCount(), Things: r.thingCount(), Rate: r.rate}
	if r.tls {
		cfg.TLS = &tls.Config{Certificates: []tls.Certificate{b.authority.Leaf}}
	}
	st.source, st.sink = source.New(cfg), sink.New(hubThing, r.thingCount(), r.partitionCount(), r.body)
	from, err := source.Listen()
	if err != nil {
		return nil, err
	}
	to, err := sink.Listen()
	if err != nil {
		return nil, errors.Join(err, from.Close())
	}
	rest, err := sink.Listen()
	if err != nil {
		return nil, errors.Join(err, from.Close(), to.Close())
	}
	st.rest = sink.RESTURL(rest)
	st.address, st.url = from.Addr().String(), sink.URL(to)
	st.serve("source", from, st.source.Serve)
	st.serve("sink", to, st.sink.Serve)
	st.serve("rest", rest, st.sink.ServeREST)
	return st, nil
}

func (st *stage) serve(name string, l net.Listener, serve func(context.Context, net.Listener) error) {
	st.group.Go(name, func(ctx context.Context) error { return serve(ctx, l) })
}

func (st *stage) close() error {
	st.group.Stop()
	return st.group.Wait()
}

const hubThing = "BenchHub"

// connectorCommand writes a configuration of its own and returns the command that runs with it.
func (st *stage) connectorCommand(r *row, binary ...string) ([]string, error) {
	dir, err := os.MkdirTemp(st.bench.dir, "connector-")
	if err != nil {
		return nil, err
	}
	st.folder = dir
	file := filepath.Join(dir, "azx.yaml")
	text := fmt.Sprintf(`name: azx-bench
platform: {urls: [%q], appKey: bench}
hubs:
  - thing: %s
    eventHubsConnectionString: %q
    endpoints: {amqps: %q}
    caFile: %q
    routingGroup: %s
    extensions: none
    receiver: %s
    allowThings: ["bench-*"]
checkpoint: {file: %q}
quarantine: {dir: %q}
admin: {listen: "127.0.0.1:0"}
`, st.url, hubThing, eventHubsString, st.address, st.bench.caFile(), hubThing, r.receiverName(), filepath.Join(dir, "checkpoints"), filepath.Join(dir, "quarantine"))
	if r.memory != "" {
		text += "memory: " + r.memory + "\n"
	}
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		return nil, err
	}
	return append(binary, "-c", file), nil
}

// command is what runs between the two ends in a row.
func (st *stage) command(ctx context.Context, r *row) ([]string, error) {
	switch r.peer {
	case "":
		return st.connectorCommand(r, st.bench.connector, "run", "--log-level", "error")
	case telegrafPeer:
		return st.telegrafCommand(ctx, r)
	case nodePeer:
		return st.nodeCommand(ctx)
	}
	return st.peerCommand(r.peer), nil
}

// peerCommand is the command that runs a peer.
func (st *stage) peerCommand(kind string) []string {
	command := []string{st.bench.self, "peer", kind, "-source", st.address, "-sink", st.url, "-rest", st.rest}
	if st.tls {
		command = append(command, "-ca", st.bench.caFile())
	}
	return command
}

// all measures all rows round by round, and then the layers.
func (b *bench) all(ctx context.Context, words []string) (*report, error) {
	rep := newReport(b)
	for round := range b.rounds {
		for i := range b.rows() {
			r := &b.rows()[i]
			if !wanted(r.key, words) {
				continue
			}
			fmt.Fprintf(os.Stderr, "round %d of %d: %s\n", round+1, b.rounds, r.key)
			s, err := b.measure(ctx, r)
			if ctx.Err() != nil {
				return nil, ctx.Err()
			}
			s.Round = round
			rep.add(r, s, err)
		}
		b.processes(ctx, rep, round, words)
		b.layers(rep, round, words)
	}
	return rep, nil
}

// processes measures what has a report of its own.
func (b *bench) processes(ctx context.Context, rep *report, round int, words []string) {
	if b.smoke {
		return // other tests run them
	}
	if wanted(wholeKey, words) {
		fmt.Fprintf(os.Stderr, "round %d of %d: azx hub and azx platform\n", round+1, b.rounds)
		w, err := b.measureWhole(ctx)
		rep.addWhole(w, err)
	}
	for _, local := range []bool{false, true} {
		if title, key := importTitle(local); wanted(key, words) {
			fmt.Fprintf(os.Stderr, "round %d of %d: %s\n", round+1, b.rounds, title)
			s, err := b.measureImports(ctx, local)
			rep.addImport(title, s, err)
		}
	}
	if wanted(startsKey, words) {
		fmt.Fprintf(os.Stderr, "round %d of %d: %d starts\n", round+1, b.rounds, startTimes)
		s, err := b.measureStarts(ctx)
		s.Round = round
		rep.addStarts(s, err)
	}
	if wanted(callsKey, words) {
		fmt.Fprintf(os.Stderr, "round %d of %d: %d method calls a second\n", round+1, b.rounds, callsPerSec)
		c, err := b.measureCalls(ctx)
		rep.addCalls(c, err)
	}
}

// layers measures what runs in this process.
func (b *bench) layers(rep *report, round int, words []string) {
	for _, l := range layers() {
		if wanted(l.key, words) {
			s, err := l.measure(b.window / 15)
			s.Round = round
			rep.addLayer(l, s, err)
		}
	}
	if wanted(checkpointKey, words) {
		s, err := b.measureSaves(b.window / 15)
		s.Round = round
		rep.addLayer(layer{key: checkpointKey, title: "a save of a partition's checkpoint, to a file"}, s, err)
	}
}

// rows are all, or with smoke those of the connector and its parts, at a rate that any machine keeps up with.
func (b *bench) rows() []row {
	if !b.smoke {
		return rows()
	}
	var ours []row
	for _, r := range rows() {
		if slices.Contains([]string{"", "amqp10", "push", "push-flush", "scan"}, r.peer) {
			r.window, r.rate, r.things = b.window, min(r.rate, 2000), 0
			ours = append(ours, r)
		}
	}
	return ours
}

// wanted reports whether a key contains one of the words; no words want everything.
func wanted(key string, words []string) bool {
	return len(words) == 0 || slices.ContainsFunc(words, func(word string) bool { return strings.Contains(key, word) })
}
