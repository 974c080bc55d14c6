package app

import (
	"strings"

	"azx/internal/fault"
	"azx/internal/platform"
)

// mostThings is how many Things' tables are kept, over all hubs.
const mostThings = 100_000

// openWriter makes what writes to Things over the connections to the platform: each hub has lanes of its own.
func (k *carrier) openWriter() (err error) {
	sockets := k.link.Sockets()
	for i := range sockets {
		sockets[i] = tap(sockets[i])
	}
	writer := k.writerConfig(sockets)
	writer.Learned, writer.Events, writer.Backlog, writer.Written = k.learned, k.events, k.aside, tapped{&k.tail}.Written
	k.followLife(&writer)
	if k.tracer != nil {
		writer.Tracer = k.tracer
	}
	if k.hub.HasService() {
		writer.LastBytes = lastBytes / len(k.hubs)
	}
	k.writer, err = platform.NewWriter(writer)
	if err != nil {
		return &fault.Problem{Op: "open platform", Class: fault.Fatal, Cause: err}
	}
	return nil
}

// writerConfig says what may be written, and where.
func (k *carrier) writerConfig(sockets []platform.Socket) platform.WriterConfig {
	return platform.WriterConfig{
		Sockets: sockets, Lanes: k.Config.Lanes, Gather: k.Config.Gather, MaxThings: mostThings / len(k.hubs), ReplyTimeout: k.Config.RequestTimeout,
		AzxExtension: k.azx(), AllowThings: k.hub.AllowThings, DenyThings: k.denied(),
		Meter: k.meter, Log: k.Log,
	}
}

// denied are patterns of Things that no device writes to: those of the system, the connector's own and the hub Things.
func (c *connector) denied() []string {
	all := append(platform.SystemThings(), literally(c.Config.Name))
	for _, h := range c.hubs {
		all = append(all, literally(h.thing))
	}
	return all
}

// literally is the pattern that matches a name and no other.
func literally(name string) string {
	return strings.NewReplacer(`\`, `\\`, `*`, `\*`, `?`, `\?`, `[`, `\[`).Replace(name)
}
