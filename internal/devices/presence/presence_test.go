package presence

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"azx/internal/message"
)

// The tests' hub began at epoch, and its devices may be silent for a minute, then for two.
var epoch = time.Date(2026, 3, 1, 0, 0, 0, 0, time.UTC)

const minute = time.Minute

// site is a connector that reads partition "0".
type site struct {
	*testing.T
	*Partition
	next int64
	told []string
}

func newSite(t *testing.T) *site {
	s := &site{T: t}
	s.restart(nil, NoMessage)
	return s
}

// restart goes on with another connector.
func (s *site) restart(snapshot []byte, from int64) {
	table, err := NewTable(Timeouts{Late: minute, Offline: 2 * minute})
	if err != nil {
		s.Fatal(err)
	}
	if s.Partition, err = table.Take("0", snapshot, from); err != nil {
		s.Fatal(err)
	}
}

func (s *site) message(after time.Duration, device, module string) {
	s.event(&message.Message{Enqueued: epoch.Add(after), DeviceID: device, ModuleID: module, Body: []byte("{}")})
}

func (s *site) event(m *message.Message) {
	s.Helper()
	m.Sequence = s.next
	s.next++
	if err := s.Saw(m); err != nil {
		s.Fatal(err)
	}
}

func (s *site) connection(after time.Duration, device, what, number string) {
	s.event(&message.Message{Enqueued: epoch.Add(after), Source: sourceConnection, DeviceID: device,
		Properties: map[string]string{"opType": what}, Body: fmt.Appendf(nil, `{"sequenceNumber":"%064s"}`, number)})
}

func (s *site) clients(after time.Duration, device, clients string) {
	s.event(&message.Message{Enqueued: epoch.Add(after), Source: message.SourceTwinChanges, DeviceID: device, ModuleID: edgeHub,
		Body: fmt.Appendf(nil, `{"version":3,"properties":{"reported":{"clients":%s,"$metadata":{}}}}`, clients)})
}

// at advances; caught says that the hub was asked and has no more messages.
func (s *site) at(after time.Duration, caught bool) {
	if caught {
		s.Head(s.next-1, epoch.Add(after))
	}
	for _, c := range s.table.Advance(epoch.Add(after)) {
		again := ""
		if c.Again {
			again = " again"
		}
		s.told = append(s.told, fmt.Sprintf("%s %s>%s at %s by %s%s", c.Target, c.From, c.State, c.Since.Sub(epoch), c.Evidence.Kind, again))
	}
}

func (s *site) wants(lines ...string) {
	s.Helper()
	if got, want := strings.Join(s.told, "\n"), strings.Join(lines, "\n"); got != want {
		s.Fatalf("told:\n%s\nwant:\n%s", got, want)
	}
	s.told = nil
}

func TestADeviceThatFallsSilentIsLateAndThenOfflineAtItsTimes(t *testing.T) {
	s := newSite(t)
	s.message(0, "pump", "")
	for after := time.Duration(0); after < 10*minute; after += time.Second {
		s.at(after, true)
	}
	s.wants("pump unknown>online at 0s by message", "pump online>late at 1m0s by message", "pump late>offline at 2m0s by message")
	s.message(10*minute, "pump", "")
	s.at(10*minute, true)
	s.wants("pump offline>online at 10m0s by message")
}

func TestADisconnectMakesLateAtOnceButOfflineInItsTime(t *testing.T) {
	s := newSite(t)
	s.message(0, "pump", "")
	s.connection(10*time.Second, "pump", "deviceDisconnected", "2")
	s.at(11*time.Second, true)
	s.at(119*time.Second, true)
	s.wants("pump unknown>late at 10s by connection event")
	s.at(2*minute, true)
	s.wants("pump late>offline at 2m0s by connection event")
}

func TestAConnectionEventThatComesLateDoesNotFlipTheState(t *testing.T) {
	s := newSite(t)
	s.connection(0, "pump", "deviceConnected", "A1")
	s.connection(time.Second, "pump", "deviceDisconnected", "A3")
	s.at(2*time.Second, true)
	s.wants("pump unknown>late at 1s by connection event")
	s.connection(3*time.Second, "pump", "deviceConnected", "A2")
	s.connection(3*time.Second, "pump", "deviceConnected", "A3")
	s.at(4*time.Second, true)
	s.wants()
	s.connection(5*time.Second, "pump", "deviceConnected", "B0")
	s.at(5*time.Second, true)
	s.wants("pump late>online at 5s by connection event")
}

func TestOfTwoSignsOfTheSameMomentTheMoreTrustedCounts(t *testing.T) {
	s := newSite(t)
	s.connection(0, "pump", "deviceDisconnected", "1")
	s.message(0, "pump", "")
	s.at(0, true)
	s.table.Pinged(message.Target{Device: "pump"}, epoch, false)
	s.at(time.Second, true)
	s.wants("pump unknown>online at 0s by message")
}

func TestConnectionEventsOfTheSameMomentAreInTheOrderOfTheirNumbers(t *testing.T) {
	s := newSite(t)
	s.connection(0, "pump", "deviceConnected", "1")
	s.connection(0, "pump", "deviceDisconnected", "2")
	s.connection(0, "pump", "deviceConnected", "3")
	s.at(0, true)
	s.connection(0, "pump", "deviceDisconnected", "4")
	s.at(0, true)
	s.restart(s.Snapshot(), s.next-1)
	s.at(time.Second, true)
	s.wants("pump unknown>online at 0s by connection event", "pump online>late at 0s by connection event")
}

func TestChangesOfManyDevicesComeInParts(t *testing.T) {
	p, _ := crowd(t)
	table, told := p.table, 0
	for {
		changes := table.Advance(epoch.Add(time.Hour))
		told += len(changes)
		if len(changes) > MaxChanges {
			t.Fatalf("%d changes at once", len(changes))
		}
		if len(changes) < MaxChanges {
			break
		}
	}
	if want := [4]int{Unknown: many}; told != many || table.Count() != want {
		t.Fatalf("%d of %d were told, %v", told, many, table.Count())
	}
}

func TestAModuleLivesByItsMessagesAndSoDoesItsDevice(t *testing.T) {
	s := newSite(t)
	s.message(0, "edge", "meter")
	s.at(0, true)
	s.wants("edge/meter unknown>online at 0s by message", "edge unknown>online at 0s by message")
}

func TestEdgeHubSpeaksForTheModulesOfItsDeviceOnly(t *testing.T) {
	s := newSite(t)
	s.clients(0, "edge.1", `{"edge%2E1/me%24ter":{"status":"Connected"},"other/meter":{"status":"Connected"},"leaf":{"status":"Connected"},"edge%2E1/gone":null,"$metadata":{}}`)
	s.at(0, true)
	s.wants("edge.1/me$ter unknown>online at 0s by edge hub", "edge.1 unknown>online at 0s by edge hub")
	s.clients(10*time.Second, "edge.1", `{"edge%2E1/me%24ter":{"status":"Disconnected"}}`)
	s.at(10*time.Second, true)
	s.wants("edge.1/me$ter online>late at 10s by edge hub")
}

func TestAPingIsAnswered(t *testing.T) {
	s := newSite(t)
	s.message(0, "edge", "")
	s.at(90*time.Second, true)
	s.table.Pinged(message.Target{Device: "edge"}, epoch.Add(91*time.Second), true)
	s.table.Pinged(message.Target{Device: "nobody"}, epoch.Add(91*time.Second), true)
	s.at(91*time.Second, true)
	s.table.Pinged(message.Target{Device: "edge"}, epoch.Add(95*time.Second), false)
	s.at(92*time.Second, false)
	s.wants("edge unknown>late at 1m0s by message", "edge late>online at 1m31s by ping", "edge online>late at 1m35s by ping")
}

func TestTenTimeoutsAwayMakeNobodyOfflineWhoKeptSending(t *testing.T) {
	s := newSite(t)
	s.message(0, "pump", "")
	s.message(0, "dead", "")
	s.at(0, true)
	s.at(20*minute, false) // ten time-outs without reading anything
	s.wants("pump unknown>online at 0s by message", "dead unknown>online at 0s by message",
		"pump online>unknown at 2m0s by message", "dead online>unknown at 2m0s by message")
	for after := minute; after <= 20*minute; after += minute {
		s.message(after, "pump", "")
		s.at(20*minute+after/100, false)
	}
	s.at(20*minute+15*time.Second, true)
	// 19 minutes are read when less than a time-out is missing.
	s.wants("pump unknown>online at 19m0s by message", "dead unknown>offline at 2m0s by message")
}

func TestOneThatIsOfflineBecomesSoAgainAfterALag(t *testing.T) {
	s := newSite(t)
	s.message(0, "pump", "")
	s.at(2*minute, true)
	s.at(5*minute, false)
	s.at(6*minute, true)
	s.wants("pump unknown>offline at 2m0s by message", "pump offline>unknown at 4m0s by message", "pump unknown>offline at 2m0s by message again")
	s.at(9*minute, false)
	s.message(6*minute+time.Second, "pump", "")
	s.at(9*minute, true)
	s.wants("pump offline>unknown at 8m0s by message", "pump unknown>offline at 8m1s by message")
}

func TestASilentDeviceTurnsOfflineOnceThoughEveryConnectorIsRestarted(t *testing.T) {
	s := newSite(t)
	s.message(0, "pump", "")
	for after := time.Duration(0); after < 10*minute; after += 10 * time.Second {
		s.at(after, true)
		s.restart(s.Snapshot(), s.next-1)
	}
	s.wants("pump unknown>online at 0s by message", "pump online>late at 1m0s by message", "pump late>offline at 2m0s by message")
}

func TestMissingEvidenceMakesUnknownAndNotOffline(t *testing.T) {
	begin := func(t *testing.T) (*site, []byte) {
		s := newSite(t)
		s.message(0, "pump", "")
		s.at(0, true)
		s.told = nil
		return s, s.Snapshot()
	}
	t.Run("the checkpoint is further on than the snapshot", func(t *testing.T) {
		s, snapshot := begin(t)
		s.next += 10
		s.restart(snapshot, s.next-1)
		s.at(100*time.Second, true)
		s.at(3*minute, true)
		s.wants("pump online>unknown at 1m40s by message", "pump unknown>late at 2m40s by message")
		s.at(4*minute, true)
		s.wants("pump late>offline at 3m40s by message")
	})
	t.Run("messages are gone from the hub", func(t *testing.T) {
		s, snapshot := begin(t)
		s.restart(snapshot, s.next-1)
		s.next += 10
		s.message(100*time.Second, "other", "")
		s.at(100*time.Second, false)
		s.wants("pump online>unknown at 1m40s by message", "other unknown>online at 1m40s by message")
	})
	t.Run("a device within its time-out is online whatever was missed", func(t *testing.T) {
		s, snapshot := begin(t)
		s.next += 10
		s.restart(snapshot, s.next-1)
		s.at(30*time.Second, true)
		s.wants()
	})
}

func TestADeviceBelongsToThePartitionOfItsLastMessage(t *testing.T) {
	s := newSite(t)
	s.message(0, "pump", "")
	old := s.Snapshot()
	one, err := s.table.Take("1", nil, NoMessage)
	if err != nil {
		t.Fatal(err)
	}
	if err := one.Saw(&message.Message{Enqueued: epoch.Add(minute), DeviceID: "pump", Body: []byte("1")}); err != nil {
		t.Fatal(err)
	}
	s.Release()
	if len(s.table.devices) != 1 {
		t.Fatal("the device went with the partition it had left")
	}
	if s.Partition, err = s.table.Take("0", old, 0); err != nil {
		t.Fatal(err)
	}
	s.message(30*time.Second, "pump", "") // older than what it said by the other one
	status, _ := s.table.Status(message.Target{Device: "pump"})
	if want := epoch.Add(minute); !status.LastSeen.Equal(want) || len(s.table.devices) != 1 {
		t.Fatalf("last seen %s, want %s: an older snapshot won", status.LastSeen, want)
	}
	one.Release()
	if len(s.table.devices) != 0 {
		t.Fatal("a device stays without a partition")
	}
}

func TestLastSeenIsToldOnceAQuarterOfTheTimeoutWhereAskedFor(t *testing.T) {
	s := newSite(t)
	s.message(0, "pump", "")
	s.message(0, "quiet", "")
	asked := Timeouts{Late: minute, Offline: 2 * minute, LastSeen: true}
	if known, err := s.table.SetTimeouts(message.Target{Device: "pump"}, asked); !known || err != nil {
		t.Fatal(known, err)
	}
	for after := time.Second; after <= 2*minute; after += time.Second {
		s.message(after, "pump", "")
		s.message(after, "quiet", "")
		s.at(after, false)
	}
	var moved int
	for _, line := range s.told[2:] {
		if !strings.HasPrefix(line, "pump online>online at 1s") {
			t.Fatal(line)
		}
		moved++
	}
	if moved != 3 {
		t.Fatalf("last seen moved %d times in 2 minutes, want 3: at 31 s, 61 s and 91 s", moved)
	}
}

func TestTimeoutsThatMakeNoSenseAreRefused(t *testing.T) {
	for _, bad := range []Timeouts{{}, {Late: minute, Offline: minute}, {Late: time.Millisecond, Offline: minute}, {Late: minute, Offline: 400 * 24 * time.Hour}} {
		if _, err := NewTable(bad); err == nil {
			t.Errorf("%v was taken", bad)
		}
	}
}

func TestEventsThatCannotBeUnderstoodAreRefused(t *testing.T) {
	event := func(device, kind, body string) *message.Message {
		return &message.Message{Enqueued: epoch, Source: sourceConnection, DeviceID: device,
			Properties: map[string]string{"opType": kind}, Body: []byte(body)}
	}
	for name, m := range map[string]*message.Message{
		"no device":          event("", "deviceConnected", `{"sequenceNumber":"1"}`),
		"another kind":       event("pump", "deviceSang", `{"sequenceNumber":"1"}`),
		"no JSON":            event("pump", "deviceConnected", `{`),
		"no number":          event("pump", "deviceConnected", `{}`),
		"no digits":          event("pump", "deviceConnected", `{"sequenceNumber":"xyz"}`),
		"too many digits":    event("pump", "deviceConnected", `{"sequenceNumber":"`+strings.Repeat("1", 65)+`"}`),
		"an id too long":     {Enqueued: epoch, DeviceID: strings.Repeat("x", 129)},
		"a twin of no JSON":  {Enqueued: epoch, Source: message.SourceTwinChanges, DeviceID: "edge", ModuleID: edgeHub, Body: []byte("[")},
		"an odd twin member": {Enqueued: epoch, Source: message.SourceTwinChanges, DeviceID: "edge", ModuleID: edgeHub, Body: []byte(`{"properties":3}`)},
	} {
		s := newSite(t)
		if err := s.Saw(m); err == nil {
			t.Errorf("%s: was taken", name)
		}
		if len(s.table.devices) != 0 {
			t.Errorf("%s: left a device behind", name)
		}
	}
}

func TestPingsStayWithinTheirShareOfAnyDay(t *testing.T) {
	for _, c := range []struct {
		quota int64
		share float64
		want  int
	}{{400_000, 0.01, 4000}, {8000, 0.01, 80}, {100, 0.01, 1}, {99, 0.01, 0}, {400_000, -1, 0}} {
		b := NewBudget(c.quota, c.share)
		var taken []time.Duration
		for after := time.Duration(0); after < 50*time.Hour; after += 10 * time.Second {
			for b.Take(epoch.Add(after)) {
				taken = append(taken, after)
			}
		}
		for i, from := range taken {
			if n := i + c.want; n < len(taken) && taken[n] < from+24*time.Hour {
				t.Fatalf("%d of %v: more than %d pings in the day from %s", c.quota, c.share, c.want, from)
			}
		}
		if len(taken) < c.want*2*23/24 {
			t.Errorf("%d of %v: %d pings in 50 hours, want about twice %d", c.quota, c.share, len(taken), c.want)
		}
	}
}

func TestWhatTheHubNoLongerHasIsForgotten(t *testing.T) {
	s := newSite(t)
	for i := range 20 {
		s.message(time.Duration(i)*time.Second, fmt.Sprint("d", i), "")
	}
	s.at(20*time.Second, true)
	s.told = nil
	for i := range 19 {
		s.table.Forget(message.Target{Device: fmt.Sprint("d", (i*7)%19)})
	}
	s.table.Forget(message.Target{Device: "d3"})
	s.at(10*minute, true)
	s.wants("d19 online>offline at 2m19s by message")
}

func TestOneThatCameBackAndWentAgainIsAbsentTwiceThoughItsConnectorIsKilled(t *testing.T) {
	for _, told := range []bool{true, false} {
		t.Run(fmt.Sprint("its return was told: ", told), func(t *testing.T) {
			s := newSite(t)
			s.message(0, "pump", "")
			s.at(2*minute, true)
			s.Snapshot()
			s.message(3*minute, "pump", "")
			if !s.Fresh() {
				t.Fatal("a checkpoint may pass the message")
			}
			snapshot := s.Snapshot()
			if told {
				s.at(3*minute, true)
			}
			s.told = nil
			s.restart(snapshot, s.next-1)
			s.at(5*minute, true)
			s.wants("pump unknown>offline at 5m0s by message")
		})
	}
}

func TestWhatWasNotSavedIsNotPassedByACheckpoint(t *testing.T) {
	s := newSite(t)
	s.message(0, "pump", "")
	s.Snapshot()
	if s.Fresh() {
		t.Fatal("nothing is new")
	}
	s.Unsaved()
	if !s.Fresh() {
		t.Fatal("what was not saved is known to nobody else")
	}
}
