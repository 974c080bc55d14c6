package platform

import (
	"slices"
	"strings"
	"testing"

	"azx/alwayson"
	"azx/alwayson/infotable"
	"azx/internal/fault"
)

func TestAThingIsLookedForByItsGateway(t *testing.T) {
	for name, c := range map[string]struct {
		answer  alwayson.Response
		gateway string
		there   bool
		class   fault.Class // of the error
		fails   bool
	}{
		"one of a hub":            {table("gatewayThing", infotable.Text(infotable.TypeThingName, "Plant")), "Plant", true, 0, false},
		"one without a hub":       {table("gatewayThing", infotable.Text(infotable.TypeThingName, "")), "", true, 0, false},
		"none":                    {alwayson.Refuse(alwayson.NotFound, "no"), "", false, 0, false},
		"one that is disabled":    {alwayson.Refuse(alwayson.Forbidden, "disabled"), "", false, 0, false},
		"a platform that is busy": {alwayson.Refuse(alwayson.ServiceUnavailable, "busy"), "", false, fault.Transient, true},
		"a key that is refused":   {alwayson.Refuse(alwayson.Unauthorized, "no"), "", false, fault.Credential, true},
	} {
		t.Run(name, func(t *testing.T) {
			s, _ := newSetup(map[string]alwayson.Response{"pump/gatewayThing": c.answer})
			gateway, there, err := s.Gateway(t.Context(), "pump")
			if gateway != c.gateway || there != c.there || (err != nil) != c.fails || c.fails && fault.ClassOf(err) != c.class {
				t.Errorf("got %q, %v, %v", gateway, there, err)
			}
		})
	}
}

func TestTheHubOfAThingIsToldByOurTemplateOrElseByTheProperty(t *testing.T) {
	of := func(hub string) alwayson.Response {
		return table("gatewayThing", infotable.Text(infotable.TypeThingName, hub))
	}
	no := alwayson.Refuse(alwayson.NotFound, "no")
	for name, c := range map[string]struct {
		service, property alwayson.Response
		template          bool
		want              string
		fails             bool
	}{
		"the template tells":                  {of("Plant"), no, true, "Plant", false},
		"a Thing without remote properties":   {of(""), of("Plant"), true, "Plant", false},
		"a Thing of another template":         {no, of("Plant"), true, "Plant", false},
		"without our packages nobody asks it": {of("Other"), of("Plant"), false, "Plant", false},
		"no Thing of a hub":                   {no, no, true, "", false},
		"a platform that is busy":             {alwayson.Refuse(alwayson.ServiceUnavailable, "busy"), of("Plant"), true, "", true},
	} {
		t.Run(name, func(t *testing.T) {
			s, _ := newSetup(map[string]alwayson.Response{"pump/GetAzureRemoteProperties": c.service, "pump/gatewayThing": c.property})
			if got, err := s.Owner(t.Context(), "pump", c.template); got != c.want || (err != nil) != c.fails {
				t.Errorf("got %q, %v", got, err)
			}
		})
	}
}

func TestAThingIsMadeEnabledAndGivenItsGateway(t *testing.T) {
	done, exists := alwayson.Done(), alwayson.Refuse(alwayson.Forbidden, "it is there")
	for name, c := range map[string]struct {
		create, enable, gateway alwayson.Response
		want                    string // in the error; "" for none
		class                   fault.Class
	}{
		"a new one":                      {done, done, done, "", 0},
		"one that is there":              {exists, done, done, "", 0},
		"one that may not be made":       {alwayson.Refuse(alwayson.Forbidden, "no right"), alwayson.Refuse(alwayson.NotFound, "none"), done, "no right", fault.Rejected},
		"one that cannot be enabled":     {done, alwayson.Refuse(alwayson.Forbidden, "no right to enable"), done, "to enable", fault.Rejected},
		"one of another kind":            {exists, done, alwayson.Refuse(alwayson.NotFound, "no property"), "no such property", fault.Rejected},
		"while the platform is busy":     {alwayson.Refuse(alwayson.ServiceUnavailable, "busy"), done, done, "busy", fault.Transient},
		"while the platform gets busy":   {done, alwayson.Refuse(alwayson.ServiceUnavailable, "busy"), done, "busy", fault.Transient},
		"with a key that is refused now": {alwayson.Refuse(alwayson.Unauthorized, "no"), done, done, "no", fault.Credential},
	} {
		t.Run(name, func(t *testing.T) {
			s, socket := newSetup(map[string]alwayson.Response{"EntityServices/CreateThing": c.create, "pump/EnableThing": c.enable, "pump/gatewayThing": c.gateway})
			err := s.MakeThing(t.Context(), "pump", "AzureIotThing", "Plant")
			if c.want == "" && err != nil || c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want) || fault.ClassOf(err) != c.class) {
				t.Fatalf("got %v, want %s %q", err, c.class, c.want)
			}
			made := socket.seen[0]
			template, _ := made.Param("thingTemplateName").Text()
			gateway, _ := made.Param("gatewayThing").Text()
			if made.Entity != alwayson.Resource || template != "AzureIotThing" || gateway != "Plant" {
				t.Errorf("asked for %+v", made)
			}
		})
	}
}

func TestAThingIsMadeOnlyIfItIsNotThere(t *testing.T) {
	done := alwayson.Done()
	for name, c := range map[string]struct {
		create alwayson.Response
		want   []string // services that were called
		class  fault.Class
		fails  bool
	}{
		"a new one":                   {done, []string{"CreateThing", "EnableThing", "gatewayThing"}, 0, false},
		"one that is there":           {alwayson.Refuse(alwayson.Forbidden, "it is there"), []string{"CreateThing"}, fault.Rejected, true},
		"while the platform is busy":  {alwayson.Refuse(alwayson.ServiceUnavailable, "busy"), []string{"CreateThing"}, fault.Transient, true},
		"with a key that was refused": {alwayson.Refuse(alwayson.Unauthorized, "no"), []string{"CreateThing"}, fault.Credential, true},
	} {
		t.Run(name, func(t *testing.T) {
			s, socket := newSetup(map[string]alwayson.Response{"EntityServices/CreateThing": c.create, "pump/EnableThing": done, "pump/gatewayThing": done})
			err := s.NewThing(t.Context(), "pump", "Pumps", "Plant")
			if got := targets(socket.seen); !slices.Equal(got, c.want) {
				t.Errorf("called %q, want %q", got, c.want)
			}
			if (err != nil) != c.fails || c.fails && fault.ClassOf(err) != c.class {
				t.Errorf("got %v", err)
			}
		})
	}
}

func targets(requests []alwayson.Request) (names []string) {
	for _, r := range requests {
		names = append(names, r.Target)
	}
	return names
}

func TestAThingIsEnabledAndDisabled(t *testing.T) {
	done, none, busy := alwayson.Done(), alwayson.Refuse(alwayson.NotFound, "no such Thing"), alwayson.Refuse(alwayson.ServiceUnavailable, "busy")
	no := alwayson.Refuse(alwayson.Forbidden, "no right")
	enable := func(s *Setup) (bool, error) { return s.Enable(t.Context(), "pump") }
	disable := func(s *Setup) (bool, error) { return false, s.Disable(t.Context(), "pump") }
	enabled := func(s *Setup) (bool, error) { return s.Enabled(t.Context(), "pump") }
	for name, c := range map[string]struct {
		do     func(s *Setup) (bool, error)
		answer alwayson.Response
		want   bool
		class  fault.Class
		fails  bool
	}{
		"it is enabled":                          {enable, done, true, 0, false},
		"there is none to enable":                {enable, none, false, 0, false},
		"nobody may enable it":                   {enable, no, false, fault.Rejected, true},
		"it is enabled later":                    {enable, busy, false, fault.Transient, true},
		"it is disabled":                         {disable, done, false, 0, false},
		"there is none to disable":               {disable, none, false, fault.Rejected, true},
		"nobody may disable it":                  {disable, no, false, fault.Rejected, true},
		"it is disabled later":                   {disable, busy, false, fault.Transient, true},
		"it says that it is enabled":             {enabled, alwayson.Result(infotable.Boolean(true)), true, 0, false},
		"it says that it is not":                 {enabled, alwayson.Result(infotable.Boolean(false)), false, 0, false},
		"it says nothing":                        {enabled, done, true, 0, false},
		"nobody may ask whether it is enabled":   {enabled, no, true, 0, false},
		"nobody knows now whether it is enabled": {enabled, busy, false, fault.Transient, true},
	} {
		t.Run(name, func(t *testing.T) {
			s, _ := newSetup(map[string]alwayson.Response{"pump/EnableThing": c.answer, "pump/DisableThing": c.answer, "pump/IsEnabled": c.answer})
			if got, err := c.do(s); got != c.want || (err != nil) != c.fails || c.fails && fault.ClassOf(err) != c.class {
				t.Errorf("got %v, %v", got, err)
			}
		})
	}
}

func TestALifeCycleEventIsFiredOnceWithItsColumns(t *testing.T) {
	for name, c := range map[string]struct {
		answer alwayson.Response
		class  fault.Class
		fails  bool
	}{
		"taken":                       {alwayson.Done(), 0, false},
		"refused":                     {alwayson.Refuse(alwayson.Forbidden, "no right"), fault.Rejected, true},
		"while the platform is busy":  {alwayson.Refuse(alwayson.ServiceUnavailable, "busy"), fault.Transient, true},
		"with a key that was refused": {alwayson.Refuse(alwayson.Unauthorized, "no"), fault.Credential, true},
	} {
		t.Run(name, func(t *testing.T) {
			s, socket := newSetup(map[string]alwayson.Response{"ConnectionServicesHub/AzureThingLifecycleEvent": c.answer})
			err := s.TellLife(t.Context(), "pump", "deviceMoved", `{"tags":{}}`)
			if (err != nil) != c.fails || c.fails && fault.ClassOf(err) != c.class {
				t.Errorf("got %v", err)
			}
			if len(socket.seen) != 1 {
				t.Fatalf("fired %d times", len(socket.seen))
			}
			r := socket.seen[0]
			for column, want := range map[string]string{"deviceId": "pump", "status": "deviceMoved", "twin": `{"tags":{}}`} {
				if got, _ := r.Param(column).Text(); got != want {
					t.Errorf("%s is %q", column, got)
				}
			}
			if r.Kind != alwayson.Event || r.Name != "ConnectionServicesHub" || r.Param("twin").Type() != infotable.TypeJSON {
				t.Errorf("fired %+v", r)
			}
		})
	}
}
