package adapter

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"

	"azx/alwayson/infotable"
	"azx/internal/fault"
	"azx/internal/message"
	"azx/internal/observe"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// fakePlatform has one connector Thing.
type fakePlatform struct {
	mu       sync.Mutex
	holder   string // who has bound it; "" for nobody
	dead     bool   // that one does not answer
	away     bool   // there is no connection
	listed   bool   // Bind was called, so that each connection binds
	log      []string
	reported []message.Write
}

var errAway = errors.New("not connected")

func (p *fakePlatform) with(change func()) {
	p.mu.Lock()
	defer p.mu.Unlock()
	change()
}

func (p *fakePlatform) Register(_ context.Context, name, group, instance, version string) (string, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.away {
		return "", errAway
	}
	p.log = append(p.log, "register "+name+" "+instance+" "+version+" "+group)
	return name, nil
}

func (p *fakePlatform) Holder(context.Context, string) (string, bool, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.away {
		return "", false, errAway
	}
	p.log = append(p.log, "who")
	return p.holder, p.holder != "" && !p.dead, nil
}

func (p *fakePlatform) Bind(_ context.Context, thing string) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.listed = true
	p.log = append(p.log, "bind "+thing)
	return p.bound()
}

func (p *fakePlatform) bound() error {
	switch {
	case p.away:
		return errAway
	case p.holder == "":
		p.holder = "me"
	}
	if p.holder != "me" {
		return fmt.Errorf("bound already")
	}
	return nil
}

func (p *fakePlatform) Bound(string) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if !p.listed {
		return nil
	}
	if p.away || p.holder != "me" {
		return errAway
	}
	return nil
}

func (p *fakePlatform) Unbind(_ context.Context, thing string) error {
	p.with(func() { p.log = append(p.log, "unbind "+thing); p.holder = "" })
	return nil
}

func (p *fakePlatform) Report(_ context.Context, _ string, writes []message.Write) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.away {
		return errAway
	}
	p.reported = writes
	for _, w := range writes {
		if w.Property == "healthState" {
			p.log = append(p.log, w.Value.String())
		}
	}
	return nil
}

func (p *fakePlatform) calls() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	all := strings.Join(p.log, ", ")
	p.log = nil
	return all
}

// stand is an Adapter at a fake platform.
type stand struct {
	*Adapter
	platform *fakePlatform
	log      *bytes.Buffer
	sick     error
	cleared  []string
	changed  []string
	rebound  int
}

func newStand(t *testing.T) *stand {
	t.Helper()
	s := &stand{platform: &fakePlatform{}, log: &bytes.Buffer{}}
	handler, err := observe.NewLogger(s.log, "text", "info")
	if err != nil {
		t.Fatal(err)
	}
	book := observe.NewLogbook(handler.Handler())
	s.Adapter = New(Config{
		Name: "azx-1", Group: "hall 3", Instance: "me", Version: "1.2", Platform: s.platform, Logbook: book, Log: slog.New(book),
		Checks: func() []Check {
			s.platform.mu.Lock()
			defer s.platform.mu.Unlock()
			return []Check{{Name: "hub open", Err: s.sick}, {Name: "loops turn"}}
		},
		Groups:  func() map[string]string { return map[string]string{"Plant1Hub": "plant"} },
		Bound:   func() []string { return []string{"plant"} },
		Samples: observe.NewMetrics().Gather,
		Changed: func(hub string) { s.changed = append(s.changed, hub) },
		Clear: func(cache, key, context string) error {
			if cache == "cookies" {
				return errors.New("there is no such cache")
			}
			s.cleared = append(s.cleared, cache+"/"+key+context)
			return nil
		},
		Rebind: func(context.Context) error {
			s.platform.mu.Lock()
			defer s.platform.mu.Unlock()
			if s.platform.away {
				return errAway
			}
			s.rebound++
			return nil
		},
		Facts: func() map[string]string { return map[string]string{"host": "h"} },
	})
	return s
}

func TestANameIsTakenUnlessAnotherConnectorAnswersForIt(t *testing.T) {
	for name, c := range map[string]struct {
		holder string
		dead   bool
		want   string
	}{
		"nobody has it":                         {"", false, ""},
		"this connector has it already":         {"me", false, ""},
		"a connector that is dead has it":       {"other", true, ""},
		"another one has it and answers for it": {"other", false, `take the connector Thing azx-1: the connector "other" has it, and answers; this one is "me"`},
	} {
		t.Run(name, func(t *testing.T) {
			s := newStand(t)
			s.platform.holder, s.platform.dead = c.holder, c.dead
			err := s.Take(t.Context())
			if c.want == "" && err != nil || c.want != "" && (err == nil || err.Error() != c.want || fault.ClassOf(err) != fault.Fatal || fault.HintOf(err) == "") {
				t.Errorf("got %v", err)
			}
			if got := s.platform.calls(); got != "register azx-1 me 1.2 hall 3, who" {
				t.Errorf("the platform saw %s", got)
			}
		})
	}
}

// running runs an Adapter that has taken its name, in synthetic time; it ends with what Run returns.
func (s *stand) running(t *testing.T, test func()) (err error) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		s.wake = make(chan struct{}, 1) // of the bubble
		if err := s.Take(t.Context()); err != nil {
			t.Fatal(err)
		}
		s.platform.calls()
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan error, 1)
		go func() { ended <- s.Run(ctx) }()
		synctest.Wait()
		test()
		cancel()
		err = <-ended
	})
	return err
}

// pass lets virtual time go by.
func pass(d time.Duration) {
	<-time.After(d)
	synctest.Wait()
}

func TestTheHealthIsToldEveryTenSecondsAndWhenItChangesAndTheEnd(t *testing.T) {
	s := newStand(t)
	if err := s.running(t, func() {
		if got := s.platform.calls(); got != "who, bind azx-1, healthy" {
			t.Errorf("at first the platform saw %s", got)
		}
		var shown []string
		for _, w := range s.platform.reported {
			shown = append(shown, w.Property+"="+w.Value.Type().String()+" "+w.Value.String())
		}
		want := []string{"instanceId=STRING me", "version=STRING 1.2", `hubThings=STRING ["Plant1Hub"]`, `routingGroups=JSON {"Plant1Hub":"plant"}`, "healthState=STRING healthy"}
		if !slices.Equal(shown[:5], want) || s.platform.reported[5].Property != "healthStateUpdated" {
			t.Errorf("it is told %q", shown)
		}
		s.platform.with(func() { s.sick = errors.New("the hub is away") })
		pass(time.Second)
		if got := s.platform.calls(); got != "degraded" {
			t.Errorf("a second after the trouble began it has seen %s", got)
		}
		pass(24 * time.Second)
		s.platform.with(func() { s.sick = nil })
		pass(time.Second)
		if got := s.platform.calls(); got != "degraded, degraded, healthy" {
			t.Errorf("later it saw %s", got)
		}
		pass(9 * time.Second)
		if got := s.platform.calls(); got != "healthy" {
			t.Errorf("then it saw %s", got)
		}
		s.Wake()
		synctest.Wait()
		if got := s.platform.calls(); got != "healthy" || !s.State().Bound || s.State().Thing != "azx-1" || s.State().Err != nil {
			t.Errorf("woken, it saw %s, state %+v", got, s.State())
		}
	}); err != nil {
		t.Error(err)
	}
	if got := s.platform.calls(); got != "stopping, unbind azx-1" {
		t.Errorf("at the end it saw %s", got)
	}
}

func TestANameThatADeadConnectionHoldsIsTakenOnceThePlatformLetsGo(t *testing.T) {
	s := newStand(t)
	s.platform.holder, s.platform.dead = "other", true
	if err := s.running(t, func() {
		pass(30 * time.Second)
		if got := s.platform.calls(); strings.Contains(got, "healthy") || s.State().Bound || s.State().Err == nil {
			t.Errorf("the platform saw %s, state %+v", got, s.State())
		}
		s.platform.with(func() { s.platform.holder = "" })
		pass(10 * time.Second)
		if got := s.platform.calls(); !strings.HasSuffix(got, "who, bind azx-1, healthy") {
			t.Errorf("then it saw %s", got)
		}
	}); err != nil {
		t.Error(err)
	}
	if n := strings.Count(s.log.String(), "event=connector-thing "); n != 1 {
		t.Errorf("the trouble was told %d times: %s", n, s.log)
	}
}

func TestAConnectorThatTakesTheNameFirstEndsTheOther(t *testing.T) {
	s := newStand(t)
	s.platform.holder, s.platform.dead = "other", true // both have asked, the other has bound first
	err := s.running(t, func() {
		s.platform.with(func() { s.platform.dead = false })
		pass(10 * time.Second)
	})
	if fault.ClassOf(err) != fault.Fatal || !strings.Contains(err.Error(), `"other"`) || !strings.Contains(err.Error(), `"me"`) {
		t.Errorf("got %v", err)
	}
}

func TestAThingThatIsLostWhileTheConnectorWasAwayEndsNothing(t *testing.T) {
	s := newStand(t)
	if err := s.running(t, func() {
		s.platform.with(func() { s.platform.holder, s.platform.log = "other", nil })
		pass(time.Minute)
		if got := s.platform.calls(); strings.Contains(got, "bind") || fault.ClassOf(s.State().Err) != fault.Fatal {
			t.Errorf("the platform saw %s, state %+v", got, s.State())
		}
		s.platform.with(func() { s.platform.holder = "" })
		pass(10 * time.Second)
		if got := s.platform.calls(); !strings.HasSuffix(got, "who, bind azx-1, healthy") || s.State().Err != nil {
			t.Errorf("then it saw %s, state %+v", got, s.State())
		}
	}); err != nil {
		t.Error(err)
	}
}

func TestWithoutAConnectionNothingIsLeftBehind(t *testing.T) {
	s := newStand(t)
	if err := s.running(t, func() {
		s.platform.with(func() { s.platform.away = true })
		pass(time.Minute)
		s.platform.calls()
	}); err != nil {
		t.Error(err)
	}
	if got := s.platform.calls(); got != "" {
		t.Errorf("at the end the platform saw %s", got)
	}
	s = newStand(t)
	s.platform.away = true
	if err := s.Take(t.Context()); !errors.Is(err, errAway) {
		t.Errorf("got %v", err)
	}
}

func (s *stand) ask(service string, cells ...infotable.Cell) (infotable.Value, error) {
	return s.Handle(context.Background(), message.Request{Thing: "azx-1", Verb: message.VerbCall, Name: service, Params: infotable.OneRow(cells...)})
}

func text(name, value string) infotable.Cell {
	return infotable.Cell{Name: name, Value: infotable.String(value)}
}

func TestWhatIsAskedOfTheConnectorIsAnswered(t *testing.T) {
	s := newStand(t)
	if err := s.Take(t.Context()); err != nil {
		t.Fatal(err)
	}
	s.sick = errors.New("not\nyet")
	s.Log.Warn("something", "device", "pump")
	for _, tc := range []struct {
		service string
		params  []infotable.Cell
		want    string // rows as cells with | between, or the value
	}{
		{"GetInstanceId", nil, "me"},
		{"Ping", nil, "NOTHING"},
		{"GetSystemStatus", nil, "hub open|not yet|degraded;loops turn||healthy"},
		{"GetBoundEntities", nil, "plant||Thing"},
		{"GetLogLevel", nil, "INFO"},
		{"SetLogLevel", []infotable.Cell{text("level", "debug")}, "NOTHING"},
		{"GetLogLevel", nil, "DEBUG"},
		{"ConfigurationChanged", []infotable.Cell{text("hubThingName", "Plant1Hub")}, "NOTHING"},
		{"ClearCacheEntry", []infotable.Cell{text("cacheName", "twins"), text("cacheKey", "pump"), text("context", `{"a":1}`)}, "NOTHING"},
		{"ClearExternallyBoundThings", nil, "NOTHING"},
	} {
		v, err := s.ask(tc.service, tc.params...)
		if got := shown(v); got != tc.want || err != nil {
			t.Errorf("%s: %q, %v; want %q", tc.service, got, err, tc.want)
		}
	}
	if fmt.Sprint(s.changed, s.cleared, s.rebound) != `[Plant1Hub] [twins/pump{"a":1}] 1` {
		t.Errorf("heard were %v and %v; bound anew %d times", s.changed, s.cleared, s.rebound)
	}
	if !strings.Contains(s.log.String(), "event=log-level from=INFO to=DEBUG") {
		t.Errorf("the log has %s", s.log)
	}
}

func shown(v infotable.Value) string {
	t, ok := v.Table()
	if !ok {
		return v.String()
	}
	var rows []string
	for _, r := range t.Rows {
		var cells []string
		for _, c := range r {
			cells = append(cells, c.String())
		}
		rows = append(rows, strings.Join(cells, "|"))
	}
	return strings.Join(rows, ";")
}

func TestABindThatFailsWithItsConnectionMayBeTriedAgain(t *testing.T) {
	s := newStand(t)
	s.platform.away = true
	_, err := s.ask("ClearExternallyBoundThings")
	if !errors.Is(err, errAway) || fault.ClassOf(err) != fault.Transient || fault.HintOf(err) == "" {
		t.Errorf("got %v, class %s", err, fault.ClassOf(err))
	}
}

func TestMetricsInformationAndLogHaveTheColumnsOfTheirShapes(t *testing.T) {
	s := newStand(t)
	if err := s.Take(t.Context()); err != nil {
		t.Fatal(err)
	}
	s.Log.Info("one")
	s.Log.Warn("two", "device", "Pump")
	hour := infotable.DateTime(time.Now().Add(time.Hour).UnixMilli())
	for _, tc := range []struct {
		service string
		params  []infotable.Cell
		columns string
		least   int
		most    int
		has     string
	}{
		{"GetPerformanceMetrics", nil, "name STRING, description STRING, value NUMBER", 2, 100, "azx_build_info"},
		{"GetSystemInformation", nil, "name STRING, description STRING, value STRING", 7, 7, "instanceId|this process|me"},
		{"GetLogEntries", nil, "timestamp DATETIME, level STRING, origin STRING, content STRING", 2, 2, "WARN|azx-1|two device=Pump"},
		{"GetLogEntries", []infotable.Cell{text("level", "WARN"), text("searchExpression", "pump")}, "", 1, 1, "two"},
		{"GetLogEntries", []infotable.Cell{{Name: "maxItems", Value: infotable.Number(1)}, {Name: "oldestFirst", Value: infotable.Boolean(true)}}, "", 1, 1, "two"},
		{"GetLogEntries", []infotable.Cell{{Name: "fromDate", Value: hour}}, "", 0, 0, ""},
	} {
		v, err := s.ask(tc.service, tc.params...)
		table, _ := v.Table()
		var columns []string
		for i := range table.Len() + 1 {
			if i == 0 {
				for _, f := range table.Fields {
					columns = append(columns, f.Name+" "+f.Type.String())
				}
			}
		}
		if err != nil || table.Len() < tc.least || table.Len() > tc.most || !strings.Contains(shown(v), tc.has) ||
			tc.columns != "" && strings.Join(columns, ", ") != tc.columns {
			t.Errorf("%s: %d rows of %q, %v: %s", tc.service, table.Len(), columns, err, shown(v))
		}
	}
}

func TestWhatTheConnectorThingDoesNotHaveIsRefused(t *testing.T) {
	s := newStand(t)
	var missing interface{ NotFound() bool }
	for name, r := range map[string]message.Request{
		"a property": {Thing: "azx-1", Verb: message.VerbRead, Name: "healthState"},
		"a service":  {Thing: "azx-1", Verb: message.VerbCall, Name: "Reboot"},
	} {
		if _, err := s.Handle(t.Context(), r); fault.ClassOf(err) != fault.Rejected || !errors.As(err, &missing) || fault.HintOf(err) == "" {
			t.Errorf("%s: %v", name, err)
		}
	}
	for service, cell := range map[string]infotable.Cell{
		"SetLogLevel": text("level", "loud"), "GetLogEntries": text("level", "loud"), "ClearCacheEntry": text("cacheName", "cookies"),
	} {
		if _, err := s.ask(service, cell); fault.ClassOf(err) != fault.Rejected || errors.As(err, &missing) {
			t.Errorf("%s: %v", service, err)
		}
	}
}
