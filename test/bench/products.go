package main

import (
	"bytes"
	"context"
	_ "embed"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

const (
	telegrafPeer = "telegraf"
	nodePeer     = "node-put"
	buildFolder  = "bin" // of the module; what is built there stays
	nodeFolder   = "test/bench/node"
)

//go:embed telegraf.conf
var telegrafConfig string

// missingPeer says why a program of somebody else could not be had: its row tells that, and is no failure.
type missingPeer struct{ why string }

func (m missingPeer) Error() string { return m.why }

// buildTelegraf returns the binary, of only the plugins that are needed. The first build takes a minute or two and needs the
// module proxy; later ones find everything in Go's cache.
func (b *bench) buildTelegraf(ctx context.Context) (string, error) {
	if b.telegraf != "" {
		return b.telegraf, nil
	}
	target, err := filepath.Abs(filepath.Join(buildFolder, "telegraf"))
	if err != nil {
		return "", err
	}
	fmt.Fprintln(os.Stderr, "building Telegraf, which takes minutes the first time")
	build := exec.CommandContext(ctx, "go", "build", "-C", "test/bench/telegraf", "-trimpath", "-o", target,
		"-tags", "custom,inputs.eventhub_consumer,outputs.http,parsers.json,serializers.json", "github.com/influxdata/telegraf/cmd/telegraf")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		return "", missingPeer{fmt.Sprintf("Telegraf could not be built: %v: %s", err, lastLine(out))}
	}
	b.telegraf = target
	return target, nil
}

// telegrafCommand writes a configuration and returns the command that runs with it.
func (st *stage) telegrafCommand(ctx context.Context, r *row) ([]string, error) {
	binary, err := st.bench.buildTelegraf(ctx)
	if err != nil {
		return nil, err
	}
	var texts []string // what its parser would leave out: it takes numbers alone unless told
	for _, p := range r.body.Properties {
		if p.BaseType == "STRING" || p.BaseType == "BOOLEAN" {
			texts = append(texts, fmt.Sprintf("%q", p.Name))
		}
	}
	text := strings.NewReplacer("SOURCE", st.address, "SINK", st.rest, "TEXTS", strings.Join(texts, ", ")).Replace(telegrafConfig)
	file := filepath.Join(st.bench.dir, "telegraf.conf")
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		return nil, err
	}
	// It has no option for roots. Env becomes what it starts, so the process is Telegraf's.
	return []string{"env", "SSL_CERT_FILE=" + st.bench.caFile(), binary, "--config", file}, nil
}

// installNode installs the packages of the lock file unless they are there.
func (b *bench) installNode(ctx context.Context) error {
	if b.node {
		return nil
	}
	lock, err := os.ReadFile(filepath.Join(nodeFolder, "package-lock.json"))
	if err != nil {
		return err
	}
	mark := filepath.Join(nodeFolder, "node_modules", ".azx-installed")
	if there, err := os.ReadFile(mark); err != nil || !bytes.Equal(there, lock) {
		fmt.Fprintln(os.Stderr, "installing with npm in "+nodeFolder)
		install := exec.CommandContext(ctx, "npm", "--prefix", nodeFolder, "ci", "--loglevel=error")
		if out, err := install.CombinedOutput(); err != nil {
			return missingPeer{fmt.Sprintf("the Node packages could not be installed: %v: %s", err, lastLine(out))}
		}
		if err := os.WriteFile(mark, lock, 0o644); err != nil {
			return err
		}
	}
	if _, err := exec.LookPath("node"); err != nil {
		return missingPeer{"Node.js is not installed"}
	}
	b.node = true
	return nil
}

// nodeCommand is the command that runs Microsoft's reader for Node with a PUT for each message.
func (st *stage) nodeCommand(ctx context.Context) ([]string, error) {
	if err := st.bench.installNode(ctx); err != nil {
		return nil, err
	}
	return []string{"env", "NODE_EXTRA_CA_CERTS=" + st.bench.caFile(), "node", "--no-deprecation", filepath.Join(nodeFolder, "put.js"),
		st.address, eventHubsString, st.rest}, nil
}

func lastLine(out []byte) string {
	lines := strings.Split(strings.TrimSpace(string(out)), "\n")
	return lines[len(lines)-1]
}
