package main

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"azx/test/bench/source"
	built "azx/test/process"
	"azx/test/rig"
)

// The fault cases send some hundreds of messages a second. Here as many come as go through, so that all that saves time has its
// turn, memory that is used again and requests that travel together, while connections to the platform end in the middle of
// whatever they carry.
func TestNothingIsLostAtFullSpeedThoughConnectionsEnd(t *testing.T) {
	const between, within = 10_000, 30 * time.Second
	for name, body := range map[string]source.Body{"200 B": source.Small(), "2 KB": source.Large()} {
		t.Run(name, func(t *testing.T) {
			b := &bench{connector: string(azx)}
			t.Cleanup(b.clear)
			if err := b.prepare(t.Context()); err != nil {
				t.Fatal(err)
			}
			r := &row{body: body, tls: true, receiver: "fast"}
			st, err := b.open(t.Context(), r)
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { _ = st.close() }) // its peers are gone
			wire := rig.StartWire(t, strings.TrimSuffix(strings.TrimPrefix(st.url, "ws://"), "/Thingworx/WS"))
			st.url = "ws://" + wire.Address + "/Thingworx/WS"
			command, err := st.command(t.Context(), r)
			if err != nil {
				t.Fatal(err)
			}
			connector := built.Start(t, built.Command{Name: command[0], Args: command[1:]})
			for n := range 4 {
				if n%2 == 1 { // what was sent arrives, and its answers do not
					wire.CutAfter(rig.Back, 1000*n)
				}
				before := st.sink.Counts().Messages
				connector.Until(within, "messages flow", func() error {
					if n := st.sink.Counts().Messages - before; n < between {
						return fmt.Errorf("%d came", n)
					}
					return nil
				})
				if n%2 == 0 {
					wire.Cut()
				}
			}
			if code := connector.Stop(); code != 0 {
				t.Errorf("it ended with %d", code)
			}
			c := st.sink.Counts()
			t.Logf("%d messages in %d requests, %d times something came again", c.Messages, c.Pushes, c.Repeated)
			if c.Lost > 0 || c.Refused > 0 || c.Repeated == 0 {
				t.Errorf("%d are lost, %d requests are unknown, %d times something came again", c.Lost, c.Refused, c.Repeated)
			}
		})
	}
}
