package platform

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"azx/alwayson"
	"azx/alwayson/infotable"
	"azx/internal/fault"
	"azx/internal/message"
)

// scriptedSocket answers each request with what is written for "entity/service".
type scriptedSocket struct {
	bindPlatform
	answers map[string]alwayson.Response
	seen    []alwayson.Request
	hang    bool
}

func (s *scriptedSocket) Call(ctx context.Context, r alwayson.Request) (alwayson.Response, error) {
	s.mu.Lock()
	s.seen = append(s.seen, r)
	answer, ok := s.answers[r.Name+"/"+r.Target]
	s.mu.Unlock()
	if s.hang {
		<-ctx.Done()
		return alwayson.Response{}, ctx.Err()
	}
	if !ok {
		return alwayson.Refuse(alwayson.NotFound, "no "+r.Target+" of "+r.Name), nil
	}
	return answer, nil
}

func newSetup(answers map[string]alwayson.Response) (*Setup, *scriptedSocket) {
	s := &scriptedSocket{bindPlatform: *newBindPlatform("azx-1"), answers: answers}
	return NewSetup(s, 30*time.Second, nil), s
}

func table(columns string, cells ...infotable.Value) alwayson.Response {
	t := infotable.New()
	names := strings.Fields(columns)
	for _, name := range names {
		t.Fields = append(t.Fields, infotable.Column(name, infotable.TypeString))
	}
	for i := 0; i < len(cells); i += len(names) {
		t.Add(cells[i : i+len(names)]...)
	}
	return alwayson.Response{Code: alwayson.Success, Content: t}
}

func str(text string) infotable.Value { return infotable.String(text) }

func TestPackagesAndSettingsAreRead(t *testing.T) {
	setup, socket := newSetup(map[string]alwayson.Response{
		"PlatformSubsystem/GetExtensionPackageList":     table("name vendor packageVersion", str("azx-azure-iot"), str("azx"), str("0.1.0"), str("other"), str("x"), infotable.Nothing()),
		"Hub/GetConfiguration":                          table("name value", str("consumerGroup"), str("g"), str("timeField"), infotable.Nothing()),
		"Blob/GetConfiguration":                         table("name value"),
		"AzureServices/AddAdapterServices":              alwayson.Result(infotable.Boolean(true)),
		"ConnectionServicesHub/RegisterProtocolAdapter": alwayson.Result(str("azx-1")),
	})
	versions, err := setup.Packages(t.Context())
	if err != nil || fmt.Sprint(versions) != "map[azx-azure-iot:0.1.0 other:]" || socket.seen[0].Entity != alwayson.Subsystem {
		t.Errorf("packages are %v, %v", versions, err)
	}
	settings, err := setup.Configuration(t.Context(), "Hub")
	if err != nil || fmt.Sprint(settings) != "[{consumerGroup g}]" {
		t.Errorf("settings are %v, %v", settings, err)
	}
	if err := setup.Storage(t.Context(), "fileRepositoryBlobThing", "Blob"); err != nil {
		t.Error(err)
	}
	if err := setup.AddAdapterServices(t.Context()); err != nil {
		t.Error(err)
	}
	thing, err := setup.Register(t.Context(), "azx-1", "", "me", "1.2")
	if err != nil || thing != "azx-1" {
		t.Errorf("registered as %q, %v", thing, err)
	}
	r := socket.seen[len(socket.seen)-1]
	if fmt.Sprint(r.Param("name"), r.Param("instanceId"), r.Param("version")) != "azx-1 me 1.2" || len(r.Params.Fields) != 3 {
		t.Errorf("registered with %v", r.Params.Rows)
	}
	if _, err := setup.Register(t.Context(), "azx-1", "hall 3", "me", "1.2"); err != nil {
		t.Error(err)
	}
	if group := socket.seen[len(socket.seen)-1].Param("availabilityGroup").String(); group != "hall 3" {
		t.Errorf("registered in the group %q", group)
	}
}

func TestWhatIsMissingOrNotAllowedOnThePlatformIsNamed(t *testing.T) {
	refused := func(code alwayson.Code) alwayson.Response { return alwayson.Refuse(code, "because") }
	ctx := context.Background()
	for name, c := range map[string]struct {
		answers map[string]alwayson.Response
		ask     func(*Setup) error
		class   fault.Class
		text    string
		hint    string
	}{
		"no hub Thing": {nil, func(s *Setup) error { _, err := s.Configuration(ctx, "Hub"); return err }, fault.Fatal,
			"read the settings of hub Thing Hub: there is no such Thing", "hubs[0].thing"},
		"a hub Thing of another template": {map[string]alwayson.Response{"Hub/GetPropertyDefinitions": table("name")},
			func(s *Setup) error { _, err := s.Configuration(ctx, "Hub"); return err }, fault.Fatal, "has no service GetConfiguration", "AzureIotHubTemplate"},
		"settings that may not be read": {map[string]alwayson.Response{"Hub/GetConfiguration": refused(alwayson.Forbidden)},
			func(s *Setup) error { _, err := s.Configuration(ctx, "Hub"); return err }, fault.Fatal, "because", "invoke its service GetConfiguration"},
		"a script that throws": {map[string]alwayson.Response{"Hub/GetConfiguration": refused(alwayson.InternalServerError)},
			func(s *Setup) error { _, err := s.Configuration(ctx, "Hub"); return err }, fault.Transient, "because", "script log"},
		"a platform that starts": {map[string]alwayson.Response{"Hub/GetConfiguration": refused(alwayson.ServiceUnavailable)},
			func(s *Setup) error { _, err := s.Configuration(ctx, "Hub"); return err }, fault.Transient, "because", ""},
		"a key that is refused": {map[string]alwayson.Response{"Hub/GetConfiguration": refused(alwayson.Unauthorized)},
			func(s *Setup) error { _, err := s.Configuration(ctx, "Hub"); return err }, fault.Credential, "because", "application key"},
		"no list of packages": {nil, func(s *Setup) error { _, err := s.Packages(ctx); return err }, fault.Fatal,
			"read the list of extension packages", "extensions: none"},
		"no storage Thing": {nil, func(s *Setup) error { return s.Storage(ctx, "fileRepositoryBlobThing", "Blob") }, fault.Fatal,
			"read the storage Thing Blob of fileRepositoryBlobThing", "fileRepositoryBlobThing of the hub Thing"},
		"no Thing to register at": {nil, func(s *Setup) error { _, err := s.Register(ctx, "a", "", "b", "c"); return err }, fault.Fatal,
			"register the connector Thing a", "azx-connection-services"},
		"a name that is taken by something else": {map[string]alwayson.Response{"ConnectionServicesHub/RegisterProtocolAdapter": refused(alwayson.BadRequest)},
			func(s *Setup) error { _, err := s.Register(ctx, "a", "", "b", "c"); return err }, fault.Fatal, "because", "look at"},
		"no services of Azure": {nil, func(s *Setup) error { return s.AddAdapterServices(ctx) }, fault.Fatal, "add the services", "azx-azure-iot"},
	} {
		t.Run(name, func(t *testing.T) {
			setup, _ := newSetup(c.answers)
			err := c.ask(setup)
			if err == nil || fault.ClassOf(err) != c.class || !strings.Contains(err.Error(), c.text) || !strings.Contains(fault.HintOf(err), c.hint) {
				t.Errorf("got %v (%s), hint %q", err, fault.ClassOf(err), fault.HintOf(err))
			}
			if errors.Is(err, ErrServer) != (name == "a script that throws") {
				t.Errorf("%v: is it the server's?", err)
			}
		})
	}
}

func TestTheHolderOfANameIsAskedForFiveSeconds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		setup, socket := newSetup(map[string]alwayson.Response{"azx-1/GetInstanceId": alwayson.Result(str("other"))})
		if id, answered, err := setup.Holder(t.Context(), "azx-1"); id != "other" || !answered || err != nil {
			t.Errorf("got %q, %t, %v", id, answered, err)
		}
		socket.answers = map[string]alwayson.Response{"azx-1/GetInstanceId": alwayson.Refuse(alwayson.ServiceUnavailable, "nobody has bound it")}
		if _, answered, err := setup.Holder(t.Context(), "azx-1"); answered || err != nil {
			t.Errorf("nobody holds it: %t, %v", answered, err)
		}
		socket.hang = true
		start := time.Now()
		if _, answered, err := setup.Holder(t.Context(), "azx-1"); answered || err != nil || time.Since(start) != holderWithin {
			t.Errorf("a dead one holds it: %t, %v after %s", answered, err, time.Since(start))
		}
	})
	away, _ := newSetup(nil)
	away.socket = awaySocket{away.socket}
	if _, _, err := away.Holder(t.Context(), "azx-1"); err == nil {
		t.Error("without a connection nobody holds it")
	}
}

// awaySocket has no connection.
type awaySocket struct{ BindSocket }

func (awaySocket) Call(context.Context, alwayson.Request) (alwayson.Response, error) {
	return alwayson.Response{}, alwayson.ErrNotConnected
}

func TestAThingIsBoundReportedAndGivenBack(t *testing.T) {
	setup, socket := newSetup(nil)
	socket.taken["azx-1"] = true
	if err := setup.Bind(t.Context(), "azx-1"); err == nil || fault.ClassOf(err) != fault.Transient || fault.HintOf(err) == "" {
		t.Errorf("of a name that is taken: %v", err)
	}
	if err := setup.Bound("azx-1"); fault.ClassOf(err) != fault.Rejected {
		t.Errorf("it counts as %v", err)
	}
	delete(socket.taken, "azx-1")
	if err := setup.Bind(t.Context(), "azx-1"); err != nil || setup.Bound("azx-1") != nil || socket.boundNames() != "azx-1" {
		t.Errorf("%v; bound is %q", err, socket.boundNames())
	}
	socket.drop()
	if err := setup.Bound("azx-1"); !errors.Is(err, alwayson.ErrNotConnected) {
		t.Errorf("without a connection it counts as %v", err)
	}
	writes := []message.Write{{Property: "healthState", Value: str("healthy"), Time: 5}}
	if err := setup.Report(t.Context(), "azx-1", writes); fault.ClassOf(err) != fault.Rejected {
		t.Errorf("a report that is refused: %v", err)
	}
	socket.answers = map[string]alwayson.Response{"azx-1/" + alwayson.PushService: alwayson.Done()}
	if err := setup.Report(t.Context(), "azx-1", writes); err != nil {
		t.Error(err)
	}
	values := pushed(socket.seen[len(socket.seen)-1])
	if len(values) != 1 || values[0].Name != "healthState" || values[0].TimeMs != 5 {
		t.Errorf("reported are %+v", values)
	}
	if err := setup.Unbind(t.Context(), "azx-1"); err != nil || socket.boundNames() != "" {
		t.Errorf("%v; bound is still %q", err, socket.boundNames())
	}
}
