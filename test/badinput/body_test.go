package badinput

import (
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"azx/internal/checkpoint"
	"azx/internal/delivery"
	"azx/internal/local/iothub"
	"azx/internal/quarantine"
)

// badMessage is a message that the hub accepts and that a connector cannot simply write, and what becomes of it.
type badMessage struct {
	name string
	id   string     // of the device, default one of its own
	said properties // default JSON in UTF-8
	body string

	written     []string // what the platform acknowledges of it
	skipped     string   // the rule, if it is skipped
	quarantined string   // the reason, if it is quarantined
	says        string   // in the error of the quarantine record
}

// thingProperties are those of every device's Thing here.
var thingProperties = [...]string{
	"temperature:NUMBER", "count:INTEGER", "label:STRING", "on:BOOLEAN", "table:INFOTABLE", "own:NUMBER:lastConnection", "m1::level:NUMBER",
}

func badMessages() []badMessage {
	return slices.Concat(brokenBodies(), oddBodies(), brokenStatements(), wrongValues(), foreignKeys(), passing())
}

// brokenBodies are no JSON.
func brokenBodies() []badMessage {
	const reason = "undecodable"
	var keys strings.Builder
	for i := 0; keys.Len() < iothub.MaxMessageSize-100; i++ {
		fmt.Fprintf(&keys, `,"%x":0`, i)
	}
	return []badMessage{
		{name: "text that ends too early", body: `{"temperature": 21.5`, quarantined: reason, says: "expected ',' or '}'"},
		{name: "text that is no JSON", body: `temperature=21.5`, quarantined: reason, says: "decode body"},
		{name: "bytes that are no text", body: "\x00\x01\xfe\xff\x00", quarantined: reason, says: "invalid UTF-8"},
		{name: "text behind the object", body: `{"temperature":1} {"temperature":2}`, quarantined: reason, says: "text after the object"},
		{name: "quotes as in a script", body: `{'temperature':1}`, quarantined: reason, says: "decode body"},
		{name: "a comma too many", body: `{"temperature":1,}`, quarantined: reason, says: "decode body"},
		{name: "a number that JSON does not know", body: `{"temperature":NaN}`, quarantined: reason, says: "decode body"},
		{name: "a number with a leading zero", body: `{"temperature":01}`, quarantined: reason, says: "decode body"},
		{name: "a control character in a text", body: "{\"label\":\"a\nb\"}", quarantined: reason, says: "decode body"},
		{name: "invalid UTF-8 in a value", body: "{\"label\":\"a\xff\"}", quarantined: reason, says: "invalid UTF-8"},
		{name: "invalid UTF-8 in a key", body: "{\"\xc3\x28\":1}", quarantined: reason, says: "invalid UTF-8"},
		{name: "10,000 arrays one in the other", body: `{"temperature":` + strings.Repeat("[", 10_000) + strings.Repeat("]", 10_000) + `}`,
			quarantined: reason, says: "64"},
		{name: "10,000 objects one in the other, without an end", body: strings.Repeat(`{"a":`, 10_000), quarantined: reason, says: "64"},
		{name: "as many keys as fit", body: `{"temperature":1` + keys.String() + `}`, quarantined: reason, says: "more than 10000 members"},
	}
}

// oddBodies are JSON, or nothing at all, but no object with values.
func oddBodies() []badMessage {
	return []badMessage{
		{name: "an empty body", body: "", skipped: "heartbeat"},
		{name: "a body of blanks", body: " \r\n\t", skipped: "heartbeat"},
		{name: "an empty object", body: `{}`, skipped: "no-property"},
		{name: "null as the body", body: `null`, quarantined: "undecodable", says: "not an object"},
		{name: "a number as the body", body: `21.5`, quarantined: "undecodable", says: "not an object"},
		{name: "an array as the body", body: `[{"temperature":1}]`, quarantined: "undecodable", says: "not an object"},
		{name: "null as a value", body: `{"temperature":null}`, skipped: "no-property"},
		{name: "null beside a value", body: `{"temperature":null,"count":3}`, written: []string{"count=3"}},
	}
}

// brokenStatements say of a body what it is not, or what is not supported.
func brokenStatements() []badMessage {
	const reason, good = "undecodable", `{"temperature":1}`
	return []badMessage{
		{name: "an unknown content type", said: properties{"$.ct": "text/plain"}, body: good, quarantined: reason, says: `"text/plain" is not JSON`},
		{name: "a content type that is none", said: properties{"$.ct": "; ;\n="}, body: good, quarantined: reason, says: "is not JSON"},
		{name: "an unknown encoding", said: properties{"$.ct": "application/json", "$.ce": "utf-16"}, body: good, quarantined: reason, says: `"utf-16" is not supported`},
		{name: "a compressed body", said: properties{"$.ce": "gzip"}, body: "\x1f\x8b\x08\x00\x00", quarantined: reason, says: `"gzip" is not supported`},
		{name: "an unknown charset", said: properties{"$.ct": "application/json; charset=latin1"}, body: good, quarantined: reason, says: `"latin1" is not supported`},
		{name: "neither type nor encoding", said: properties{}, body: good, written: []string{"temperature=1"}},
		{name: "a creation time that is none", said: properties{"iothub-creation-time-utc": "yesterday"}, body: good, written: []string{"temperature=1"}},
	}
}

// wrongValues do not fit the base types of their properties. What fits beside them is written.
func wrongValues() []badMessage {
	const reason = "wrong-type"
	return []badMessage{
		{name: "1e400", body: `{"temperature":1e400}`, quarantined: reason, says: "beyond the range of a NUMBER"},
		{name: "text for a number", body: `{"temperature":"warm"}`, quarantined: reason, says: "want a number"},
		{name: "an object for a text", body: `{"label":{"a":1}}`, quarantined: reason, says: "want text"},
		{name: "a fraction for a whole number", body: `{"count":1.5}`, quarantined: reason, says: "want a whole number"},
		{name: "a whole number of 400 digits", body: `{"count":` + strings.Repeat("9", 400) + `}`, quarantined: reason, says: "whole number"},
		{name: "a wrong value beside a right one", body: `{"count":"many","temperature":7}`, written: []string{"temperature=7"},
			quarantined: reason, says: "want a whole number"},
		{name: "a table that is short as text and has millions of cells",
			body:        `{"table":[{` + manyColumns(256) + `}` + strings.Repeat(",{}", 9_000) + `]}`,
			quarantined: reason, says: "cells"},
	}
}

func manyColumns(n int) string {
	columns := make([]string, n)
	for i := range columns {
		columns[i] = fmt.Sprintf(`"c%d":1`, i)
	}
	return strings.Join(columns, ",")
}

// foreignKeys name what the device may not write.
func foreignKeys() []badMessage {
	return []badMessage{
		{name: "an unknown property", body: `{"humidity":3}`, skipped: "no-property"},
		{name: "an unknown property beside a known one", body: `{"humidity":3,"temperature":4}`, written: []string{"temperature=4"}},
		{name: "properties of the base template", body: `{"isConnected":true,"gatewayThing":"x","name":"x","tags":"x","identifier":"x"}`, skipped: "no-property"},
		{name: "a property of the Thing bound to a name of the base template", body: `{"lastConnection":1}`, skipped: "no-property"},
		{name: "the property of a module", body: `{"m1::level":3}`, quarantined: "module-key", says: `a key with "::" names a property of a module`},
		{name: "the property of a module beside its own", body: `{"m1::level":3,"temperature":5}`, written: []string{"temperature=5"},
			quarantined: "module-key", says: `"::"`},
		{name: "two colons alone", body: `{"::":1}`, quarantined: "module-key", says: `"::"`},
		{name: "an empty key", body: `{"":1}`, skipped: "no-property"},
		{name: "a key with an escaped zero", body: `{"temperature\u0000":1}`, skipped: "no-property"},
		{name: "a key of a script's objects", body: `{"__proto__":{"temperature":1},"constructor":1}`, skipped: "no-property"},
	}
}

// passing look bad and are good: they are written.
func passing() []badMessage {
	long := strings.Repeat("ä", (iothub.MaxMessageSize-100)/2)
	return []badMessage{
		{name: "a key twice", body: `{"temperature":1,"temperature":2}`, written: []string{"temperature=1", "temperature=2"}},
		{name: "a key with escapes", body: `{"temper\u0061ture":6}`, written: []string{"temperature=6"}},
		{name: "a mark of the byte order", body: "\ufeff{\"temperature\":8}", written: []string{"temperature=8"}},
		{name: "half of a character", body: `{"label":"\ud800"}`, written: []string{"label=\ufffd"}},
		{name: "a text of the largest size", body: `{"label":"` + long + `"}`, written: []string{"label=" + short(long)}},
		{name: "an id that no Thing can have", id: "$odd's(id)", body: `{"temperature":9}`, written: []string{"temperature=9"}},
	}
}

// Each bad message stands between two good ones of another device, in the same partition and the same lane, and
// before a good one of its own device.
func TestNothingIsLostOfWhatTheHubAccepted(t *testing.T) {
	t.Parallel()
	c := newChain(t)
	for i, m := range badMessages() {
		t.Run(m.name, func(t *testing.T) {
			if m.id == "" {
				m.id = fmt.Sprintf("bad-%d", i)
			}
			if m.said == nil {
				m.said = said()
			}
			thing := map[string]string{"$odd's(id)": "_x24_odd_x27_s_x28_id_x29_"}[m.id]
			if thing == "" {
				thing = m.id
			}
			c.addThing(thing, thingProperties[:]...)
			bad := c.on(t, m.id)
			c.neighbourSends(t)
			bad.send(m.said, m.body)
			c.neighbourSends(t)
			bad.send(said(), `{"on":true}`)
			c.accepted += 4
			c.connector.untilSettled(t, c.accepted)
			if got, want := c.written(thing), append(slices.Clone(m.written), "on=true"); !slices.Equal(got, want) {
				t.Errorf("written: %q, want %q", got, want)
			}
			c.neighbourHasAll(t)
			c.checkEnd(t, m)
		})
	}
	c.finish(t)
}

// chain is a site with a connector and a device that only sends what is good.
type chain struct {
	*site
	connector *connector
	neighbour *device
	sent      int   // by the neighbour
	accepted  int64 // by the hub, of all
	before    map[string]float64
	dead      map[string]quarantine.Record // what should be there at the end, by device
}

func newChain(t *testing.T) *chain {
	s := newSite(t)
	c := &chain{site: s, dead: map[string]quarantine.Record{}}
	s.addThing("neighbour", "n:INTEGER")
	c.neighbour = s.newDevice("neighbour")
	c.connector = s.run(s.config(t))
	c.connector.untilReady(t)
	return c
}

// on registers and connects a device for a subtest.
func (c *chain) on(t *testing.T, id string) *device {
	t.Helper()
	s := *c.site
	s.t = t
	return s.newDevice(id)
}

func (c *chain) neighbourSends(t *testing.T) {
	t.Helper()
	c.sent++
	d := *c.neighbour
	d.t = t
	d.send(said(), fmt.Sprintf(`{"n":%d}`, c.sent))
}

func (c *chain) neighbourHasAll(t *testing.T) {
	t.Helper()
	got := c.written("neighbour")
	for n := range c.sent {
		if n >= len(got) || got[n] != fmt.Sprintf("n=%d", n+1) {
			t.Fatalf("of %d messages of the neighbour, %d came, the last as %q", c.sent, len(got), got[max(0, len(got)-1):])
		}
	}
}

// checkEnd looks at what became of the bad message itself: the metrics count it by its reason, and the quarantine
// has its bytes.
func (c *chain) checkEnd(t *testing.T, m badMessage) {
	t.Helper()
	now := metrics(t, c.connector)
	c.before, now = now, changes(c.before, now)
	want := map[string]float64{"delivered": 3}
	switch {
	case m.quarantined != "":
		want["quarantined"], want["reason "+m.quarantined] = 1, 1
	case m.skipped != "":
		want["skipped"], want["reason "+m.skipped] = 1, 1
	default:
		want["delivered"] = 4
	}
	if fmt.Sprint(now) != fmt.Sprint(want) {
		t.Errorf("counted %v, want %v", now, want)
	}
	if m.quarantined == "" {
		return
	}
	all, err := deadLetters(c.dir)
	if err != nil {
		t.Fatal(err)
	}
	found := all[m.id]
	if len(found) != 1 {
		t.Fatalf("the quarantine has %d messages of the device", len(found))
	}
	r := found[0]
	if string(r.Body) != m.body || r.ContentType != m.said["$.ct"] || r.ContentEncoding != m.said["$.ce"] || r.Device != m.id {
		t.Errorf("the record is not the message: %s, %q, %q, body %q", r.Device, r.ContentType, r.ContentEncoding, short(string(r.Body)))
	}
	if r.Reason != m.quarantined || !strings.Contains(r.Error, m.says) || r.Hint == "" {
		t.Errorf("it says %q, %q, hint %q; want %q and %q", r.Reason, short(r.Error), r.Hint, m.quarantined, m.says)
	}
	if len(r.Error) > 1000 {
		t.Errorf("the error has %d bytes", len(r.Error))
	}
	c.dead[m.id] = r
}

func TestTheLogTellsWhyAMessageWasPutAsideButNotOfEveryOne(t *testing.T) {
	t.Parallel()
	c := newChain(t)
	bad, lost := c.on(t, "bad-1"), c.on(t, "lost-1")
	c.addThing("bad-1", "temperature:NUMBER")
	for range 50 {
		bad.send(said(), `{"temperature":`)
		bad.send(said(), `{"temperature":"warm"}`)
		lost.send(said(), `{"temperature":1}`)
	}
	c.accepted += 150
	c.connector.untilSettled(t, c.accepted)
	for _, parts := range [][]string{
		{"event=quarantined", "device=bad-1", "reason=undecodable", "invalid JSON", "one JSON object"},
		{"event=quarantined", "device=bad-1", "reason=wrong-type", "want a number", "base type"},
		{"event=kept", "device=lost-1", "reason=no-thing", "no such Thing", "create the Thing"},
	} {
		c.log.until(t, parts...)
		if n := strings.Count(c.log.read(), parts[2]); n != 1 {
			t.Errorf("%d lines have %s", n, parts[2])
		}
	}
	c.connector.stop(t)
}

// finish stops the connector and looks at what it leaves behind: the checkpoint has passed everything, and the
// quarantine has what it had and nothing else.
func (c *chain) finish(t *testing.T) {
	t.Helper()
	c.connector.page(t, "/status")
	c.connector.page(t, "/readyz?verbose")
	c.connector.stop(t)
	if at := c.checkpoint(t); at.Sequence != c.accepted-1 { // the local hub counts from 0
		t.Errorf("the checkpoint is at %d of %d messages", at.Sequence, c.accepted)
	}
	all, err := deadLetters(c.dir)
	if err != nil || len(all) != len(c.dead) {
		t.Errorf("the quarantine has messages of %d devices, want %d: %v", len(all), len(c.dead), err)
	}
}

// deadLetters reads the quarantine of a site's connector, by device.
func deadLetters(dir string) (map[string][]quarantine.Record, error) {
	all := map[string][]quarantine.Record{}
	for r, err := range quarantine.List(filepath.Join(dir, "azx-data", "quarantine", "dead")) {
		if err != nil {
			return nil, err
		}
		all[r.Device] = append(all[r.Device], r)
	}
	return all, nil
}

// checkpoint is where the connector, which has ended, would begin again.
func (s *site) checkpoint(t *testing.T) delivery.Checkpoint {
	t.Helper()
	names := s.hub.Hub.Names()
	store, err := checkpoint.OpenFile(filepath.Join(s.dir, "azx-data", "checkpoints"), checkpoint.Identity{
		Hub: names.Host, Endpoint: names.Namespace, EventHub: names.EventHub, Group: "azx",
	}, "test")
	if err != nil {
		t.Fatal(err)
	}
	defer store.Close()
	at, _, err := store.Load(t.Context(), "0")
	if err != nil {
		t.Fatal(err)
	}
	return at
}

// metrics reads how many messages ended how, and why.
func metrics(t testing.TB, c *connector) map[string]float64 {
	_, text := c.page(t, "/metrics")
	counts := map[string]float64{}
	for line := range strings.Lines(text) {
		name, labels, _ := strings.Cut(strings.TrimSpace(line), "{")
		labels, value, _ := strings.Cut(labels, "} ")
		var n float64
		if _, err := fmt.Sscan(value, &n); err != nil {
			continue
		}
		switch name {
		case "azx_messages_settled_total":
			counts[label(labels, "result")] += n
		case "azx_messages_skipped_total", "azx_messages_quarantined_total":
			counts["reason "+label(labels, "reason")] += n
		}
	}
	return counts
}

func label(labels, name string) string {
	_, rest, _ := strings.Cut(labels, name+`="`)
	value, _, _ := strings.Cut(rest, `"`)
	return value
}

func changes(before, now map[string]float64) map[string]float64 {
	changed := map[string]float64{}
	for name, n := range now {
		if d := n - before[name]; d != 0 {
			changed[name] = d
		}
	}
	return changed
}
