package app

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"azx/alwayson/infotable"
	"azx/internal/egress"
	"azx/internal/fault"
	"azx/internal/ingress"
	"azx/internal/iothub"
	"azx/internal/message"
	"azx/internal/platform"
)

// untilFired waits for an event about somebody whose message has a part.
func (s *site) untilFired(kind, who, part string) {
	s.t.Helper()
	eventually(s.t, kind+" is fired", func() error {
		for _, e := range s.platform.fired(kind) {
			if strings.HasPrefix(e, who+": ") && strings.Contains(e, part) {
				return nil
			}
		}
		return fmt.Errorf("fired are %q", s.platform.fired(kind))
	})
}

func TestEachEventIsFiredByItsCause(t *testing.T) {
	s := newSite(t)
	p := s.run(s.config())
	s.untilReady(p)
	text := func(name, value string) infotable.Cell {
		return infotable.Cell{Name: name, Value: infotable.String(value)}
	}

	s.send("pump-1", `{"temp":`, "temp:NUMBER")
	s.untilFired("ProtocolError", "pump-1", "undecodable")

	s.send("pump-1", `{"temp":"hot"}`)
	s.untilFired("WritePropertyError", "pump-1", "wrong-type")

	s.send("nobody", `{"temp":1}`)
	s.untilFired("ThingNotFoundError", "nobody", "there is no Thing")

	s.platform.invoke("Plant1Hub", "AzureIotSendMessage", text("thingName", "pump-1"), text("payload", "5"))
	s.untilFired("UserError", "Plant1Hub", "it is a JSON number, not an object")

	s.platform.invoke("pump-1", "reboot")
	s.untilFired("EdgeError", "pump-1", "the device is not connected")

	s.platform.invoke("pump-1", "GetFileInfo", text("path", "/logs/today.txt"))
	s.untilFired("FileNotFoundError", "pump-1", "no files")

	s.write("pump-1", "temp", infotable.String(strings.Repeat("x", 70<<10)))
	s.untilFired("WritePropertyError", "pump-1", "the value takes")

	s.platform.invoke("azx-1", "ClearCacheEntry", text("cacheName", "twins"), text("cacheKey", "pump-1"), text("context", `{"why":"test"}`))
	s.untilFired("ClearCacheEntry", "NOTHING", "asks again")

	s.platform.mu.Lock()
	defer s.platform.mu.Unlock()
	for _, e := range s.platform.events {
		switch {
		case e.Target == "ClearCacheEntry" && fmt.Sprint(e.Param("cacheName"), e.Param("cacheKey"), e.Param("context")) != `twins pump-1 {"why":"test"}`:
			t.Errorf("cleared is %v", e.Params.Rows)
		case e.Target == "FileNotFoundError" && (e.Param("filePath").String() != "/logs/" || e.Param("fileName").String() != "today.txt"):
			t.Errorf("the file is %s of %s", e.Param("fileName"), e.Param("filePath"))
		case e.Target == "WritePropertyError":
			if rows, ok := e.Param("properties").Table(); !ok || rows.Len() != 1 || rows.First("name").String() != "temp" || rows.First("quality").String() != "BAD" {
				t.Errorf("properties are %v", e.Param("properties"))
			}
		}
	}
}

func TestAKeyThatTheHubRefusesIsTold(t *testing.T) {
	s := newSite(t)
	policy, _ := s.hub.Hub.Policy("service")
	s.platform.settings["connectionString"] = strings.Replace(s.hub.Info.ServiceConnectionString, policy.PrimaryKey, "d3Jvbmcga2V5IG9mIGEgdGVzdA==", 1)
	s.run(s.config())
	s.untilFired("AuthenticationError", "Plant1Hub", "resolve the event endpoint")
	s.untilFired("AuthenticationError", "Plant1Hub", "sign in to the hub for messages")
	s.change("connectionString", s.hub.Info.ServiceConnectionString)
	s.log.until(t, "event=partition-open")
	s.keepsSecrets()
}

// teller is a connector that only tells, with the events that it fires.
func teller(t *testing.T) (*hubSide, func() string) {
	t.Helper()
	s := &site{t: t, platform: newFakePlatform(t), dir: t.TempDir(), log: &diary{}}
	link, err := platform.NewLink(platform.LinkConfig{URLs: []string{s.platform.url}, AppKey: func(context.Context) (string, error) { return testKey, nil }, Sockets: 1})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 2)
	events := platform.NewAnnouncer(link.Client(), nil, nil)
	go func() { ended <- link.Run(ctx) }()
	go func() { ended <- events.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		<-ended
		<-ended
	})
	if err := link.Wait(t.Context()); err != nil {
		t.Fatal(err)
	}
	c := newTeller(events)
	return c, func() (last string) {
		eventually(t, "an event is fired", func() error {
			s.platform.mu.Lock()
			defer s.platform.mu.Unlock()
			if len(s.platform.events) == 0 {
				return errors.New("none")
			}
			e := s.platform.events[0]
			last = fmt.Sprintf("%s of %s: %s", e.Target, e.Param("ThingName"), e.Param("message"))
			s.platform.events = nil
			return nil
		})
		return last
	}
}

func TestWhatGoesWrongInsideIsAnInternalError(t *testing.T) {
	c, last := teller(t)
	panicked := fault.Panicked("decode", "index out of range", []byte("goroutine 1"))
	dead := ingress.Dead{Message: &message.Message{Hub: "Plant1Hub", DeviceID: "pump-1"}, Stage: "decode", Reason: "undecodable", Err: panicked}
	for want, tell := range map[string]func(){
		"InternalError of azx-1: a request ended in a panic: call reboot of pump-1": func() {
			c.tellFailed(message.Request{Thing: "pump-1", Verb: message.VerbCall, Name: "reboot"}, fmt.Errorf("outer: %w", panicked))
		},
		"InternalError of azx-1: a message of device pump-1 was put into quarantine: undecodable": func() { c.tellPutAside(dead) },
		"InternalError of azx-1: store messages in quarantine: the disk is full":                  func() { c.tellInternal(errors.New("store messages in quarantine: the disk is full")) },
		"EdgeError of pump-1: a message to the device was not taken: Expired": func() {
			c.tellOutcomes([]egress.Outcome{{Device: "other", Status: "Success"}, {Device: "pump-1", Status: "Expired"}})
		},
		"AuthenticationError of Plant1Hub: sign in: refused": func() {
			c.tellRefused(&fault.Problem{Op: "dial", Cause: errors.New("no route")})
			c.tellRefused(&fault.Problem{Op: "sign in", Class: fault.Credential, Cause: errors.New("refused")})
		},
	} {
		tell()
		if got := last(); got != want {
			t.Errorf("got %s, want %s", got, want)
		}
	}
}

func TestAFailedRequestIsToldByItsCauseOrNotAtAll(t *testing.T) {
	c := newTeller(nil)
	problem := func(class fault.Class, cause error) error {
		return &fault.Problem{Op: "call x of pump-1", Class: class, Cause: cause, Hint: "h"}
	}
	call := message.Request{Thing: "pump-1", Verb: message.VerbCall, Name: "x"}
	write := message.Request{Thing: "pump-1", Verb: message.VerbWrite, Name: "temp"}
	for name, tc := range map[string]struct {
		request message.Request
		err     error
		want    platform.EventKind // "" for none
		thing   string
	}{
		"the device answers with an error":        {call, problem(fault.Rejected, &egress.StatusError{Status: 500}), platform.EdgeError, "pump-1"},
		"its answer is not what it has to be":     {call, problem(fault.Rejected, &egress.AnswerError{Result: "NUMBER", Cause: errors.New("x")}), platform.EdgeError, "pump-1"},
		"it is not connected":                     {call, problem(fault.Transient, iothub.ErrOffline), platform.EdgeError, "pump-1"},
		"it does not answer":                      {call, problem(fault.Transient, iothub.ErrNoAnswer), platform.EdgeError, "pump-1"},
		"it does not take its messages":           {write, problem(fault.Rejected, iothub.ErrQueueFull), platform.EdgeError, "pump-1"},
		"the hub does not know it":                {call, absent{problem(fault.Rejected, iothub.ErrNotFound)}, platform.EdgeError, "pump-1"},
		"the hub does not accept the key":         {call, problem(fault.Credential, errors.New("401")), platform.AuthenticationError, "Plant1Hub"},
		"the caller's parameters are wrong":       {call, problem(fault.Rejected, errors.New("no JSON")), platform.UserError, "pump-1"},
		"a value cannot be written":               {write, problem(fault.Rejected, errors.New("too large")), platform.WritePropertyError, "pump-1"},
		"a file is asked for":                     {call, problem(fault.Rejected, platform.ErrNoFile), platform.FileNotFoundError, "pump-1"},
		"the connector has too much to do":        {call, problem(fault.Transient, egress.ErrBusy), "", ""},
		"the hub is away":                         {call, problem(fault.Transient, errors.New("no route")), "", ""},
		"the hub has no more messages for today":  {write, problem(fault.Transient, iothub.ErrDailyQuota), "", ""},
		"nobody says what kind of error it is":    {call, errors.New("odd"), "", ""},
		"the time is over":                        {call, problem(fault.Transient, context.DeadlineExceeded), "", ""},
		"the connector itself breaks on the call": {call, fault.Panicked("call", "x", nil), platform.InternalError, "azx-1"},
	} {
		e, told := c.eventOfRequest(tc.request, tc.err)
		if told != (tc.want != "") || told && (e.Kind != tc.want || e.Thing != tc.thing || e.Message == "") {
			t.Errorf("%s: %t %+v", name, told, e)
		}
	}
}

func TestAFileIsNamedByItsPathOrByDirectoryAndFile(t *testing.T) {
	for _, c := range []struct{ column, value, file, wantPath, wantFile string }{
		{"path", "/a/b.txt", "", "/a/", "b.txt"},
		{"path", "b.txt", "", "", "b.txt"},
		{"path", `c:\x\y`, "", `c:\x\`, "y"},
		{"sourcePath", "/a", "b.txt", "/a", "b.txt"},
		{"other", "x", "", "", ""},
	} {
		params := infotable.OneRow(infotable.Cell{Name: c.column, Value: infotable.String(c.value)})
		if c.file != "" {
			params = infotable.OneRow(infotable.Cell{Name: c.column, Value: infotable.String(c.value)}, infotable.Cell{Name: "sourceFile", Value: infotable.String(c.file)})
		}
		if path, file := fileOf(message.Request{Params: params}); path != c.wantPath || file != c.wantFile {
			t.Errorf("%+v: %q %q", c, path, file)
		}
	}
}

func TestAMessageThatWasNotWrittenNamesItsProperties(t *testing.T) {
	at := time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)
	d := ingress.Dead{Message: &message.Message{DeviceID: "edge", ModuleID: "m", Body: []byte(`{"a":1,"b":"x"}`), Enqueued: at}, Stage: "write"}
	got := fmt.Sprint(propertiesOf(d))
	if want := fmt.Sprintf("[{m::a %d BAD} {m::b %d BAD}]", at.UnixMilli(), at.UnixMilli()); got != want {
		t.Errorf("got %s, want %s", got, want)
	}
	d.Body = []byte("{")
	if got := propertiesOf(d); got != nil {
		t.Errorf("of a body that cannot be read: %v", got)
	}
}
