package access

import (
	"fmt"
	"net/url"
	"strings"
	"testing"
	"time"

	"azx/internal/fault"
)

const (
	someKey       = "c29tZSBrZXkgZm9yIHRlc3Rz" // "some key for tests"
	goodService   = "HostName=plant1.azure-devices.net;SharedAccessKeyName=service;SharedAccessKey=" + someKey
	goodEventHubs = "Endpoint=sb://ihsuprod.servicebus.windows.net/;SharedAccessKeyName=service;SharedAccessKey=" + someKey +
		";EntityPath=iothub-ehub-plant1-1"
)

func TestParseService(t *testing.T) {
	for name, text := range map[string]string{
		"as the portal shows it":      goodService,
		"with a semicolon at the end": goodService + ";",
		"with spaces around it":       " " + goodService + "\n",
		"in another order": "SharedAccessKey=" + someKey + ";HostName=plant1.azure-devices.net;" +
			"SharedAccessKeyName=service",
	} {
		t.Run(name, func(t *testing.T) {
			s, err := ParseService(text)
			if err != nil {
				t.Fatal(err)
			}
			if s.Host != "plant1.azure-devices.net" || s.Policy != "service" || s.Key.Reveal() != someKey || s.Name() != "plant1" {
				t.Errorf("got %q %q", s.Host, s.Policy)
			}
		})
	}
}

func TestParseServiceRefuses(t *testing.T) {
	tests := map[string]struct{ text, want, hint string }{
		"nothing":                         {"", "part 1 has no '='", "HostName"},
		"a missing host":                  {"SharedAccessKeyName=service;SharedAccessKey=" + someKey, "HostName is missing", "HostName"},
		"a missing policy":                {"HostName=h.example;SharedAccessKey=" + someKey, "SharedAccessKeyName is missing", ""},
		"a missing key":                   {"HostName=h.example;SharedAccessKeyName=service", "SharedAccessKey is missing", ""},
		"a part twice":                    {goodService + ";HostName=other.example", "HostName is given twice", ""},
		"the key twice":                   {goodService + ";SharedAccessKey=" + someKey, "SharedAccessKey is given twice", ""},
		"an empty part":                   {"HostName=;SharedAccessKeyName=service;SharedAccessKey=" + someKey, "HostName is empty", ""},
		"a name in other letters":         {strings.Replace(goodService, "HostName", "hostname", 1), "HostName is not written as such", ""},
		"a device's string":               {"HostName=h.example;DeviceId=d;SharedAccessKey=" + someKey, "DeviceId does not belong", "ServiceConnect"},
		"an Event Hubs string":            {goodEventHubs, "Endpoint does not belong", ""},
		"a token instead of a key":        {"HostName=h.example;SharedAccessSignature=SharedAccessSignature", "SharedAccessSignature does not belong", "expires"},
		"a host with a port":              {strings.Replace(goodService, ".net", ".net:5671", 1), "HostName has a port", "endpoints.amqps"},
		"a URL instead of a host":         {strings.Replace(goodService, "plant1", "https://plant1", 1), "HostName is no host name", ""},
		"a host with a user":              {strings.Replace(goodService, "plant1", "a@plant1", 1), "HostName is no host name", ""},
		"a host with an empty label":      {strings.Replace(goodService, "plant1", "plant1.", 1), "HostName is no host name", ""},
		"a key that is no base64":         {"HostName=h.example;SharedAccessKeyName=service;SharedAccessKey=?????", "SharedAccessKey is not base64", ""},
		"a key cut off":                   {goodService[:len(goodService)-1], "SharedAccessKey is not base64", ""},
		"white space within":              {strings.Replace(goodService, "=service", "=ser vice", 1), "SharedAccessKeyName contains white space", ""},
		"an equals sign outside the key":  {strings.Replace(goodService, "=service", "=ser=vice", 1), "SharedAccessKeyName contains '='", ""},
		"much too long":                   {strings.Repeat("x", maxString+1), "more than 4096", ""},
		"a key without its name in front": {"HostName=h.example;SharedAccessKeyName=service;" + someKey, "part 3 has no '='", ""},
		"a padded key without its name":   {"HostName=h.example;SharedAccessKeyName=service;" + someKey + "==", "part 3: its name is unknown", ""},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			_, err := ParseService(test.text)
			checkRefusal(t, err, test.want, test.hint)
		})
	}
}

func checkRefusal(t *testing.T, err error, want, hint string) {
	t.Helper()
	if err == nil || !strings.Contains(err.Error(), want) || fault.ClassOf(err) != fault.Rejected {
		t.Fatalf("got %v, want %q", err, want)
	}
	if got := fault.HintOf(err); !strings.Contains(got, hint) || got == "" {
		t.Errorf("hint %q, want %q", got, hint)
	}
	if strings.Contains(err.Error(), someKey) {
		t.Errorf("the key is in %q", err)
	}
}

func TestParseEndpoint(t *testing.T) {
	e, err := ParseEndpoint(goodEventHubs)
	if err != nil {
		t.Fatal(err)
	}
	if e.Host != "ihsuprod.servicebus.windows.net" || e.EventHub != "iothub-ehub-plant1-1" || e.Policy != "service" || e.Key.Reveal() != someKey {
		t.Errorf("got %+v", e)
	}
	if e.ConnectionString().Reveal() != goodEventHubs {
		t.Errorf("it became %q", e.ConnectionString().Reveal())
	}
}

func TestParseEndpointRefuses(t *testing.T) {
	tests := map[string]struct{ text, want, hint string }{
		"a missing event hub":       {strings.Split(goodEventHubs, ";EntityPath")[0], "EntityPath is missing", ""},
		"an IoT Hub's string":       {goodService, "HostName does not belong", ""},
		"an emulator's string":      {goodEventHubs + ";UseDevelopmentEmulator=true", "UseDevelopmentEmulator does not belong", "TLS"},
		"another scheme":            {strings.Replace(goodEventHubs, "sb://", "amqps://", 1), "does not begin with sb://", "sb://"},
		"a port":                    {strings.Replace(goodEventHubs, ".net/", ".net:5671/", 1), "Endpoint has a port", "endpoints.amqps"},
		"a path behind the host":    {strings.Replace(goodEventHubs, ".net/", ".net/x/", 1), "Endpoint is no host name", ""},
		"a path instead of an hub":  {goodEventHubs + "/$management", "EntityPath is no name", ""},
		"white space in the string": {strings.Replace(goodEventHubs, "plant1-1", "plant1 1", 1), "EntityPath contains white space", ""},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			_, err := ParseEndpoint(test.text)
			checkRefusal(t, err, test.want, test.hint)
		})
	}
}

// The vector was computed with OpenSSL.
func TestATokenIsSignedWithTheDecodedKey(t *testing.T) {
	s, err := ParseService(goodService)
	if err != nil {
		t.Fatal(err)
	}
	got := s.Token("plant1.azure-devices.net/messages/events", time.Unix(1800000000, 0)).Reveal()
	// printf 'plant1.azure-devices.net%%2Fmessages%%2Fevents\n1800000000' |
	//   openssl dgst -sha256 -hmac 'some key for tests' -binary | base64
	const want = "SharedAccessSignature sr=plant1.azure-devices.net%2Fmessages%2Fevents&sig=s%2Fni6wv4VmRvTMMcxAbmAfy4xwzL939fBSiIL1dLSTc%3D&se=1800000000&skn=service"
	if got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
}

func TestNothingThatIsPrintedShowsTheKey(t *testing.T) {
	s, err := ParseService(goodService)
	if err != nil {
		t.Fatal(err)
	}
	e, err := ParseEndpoint(goodEventHubs)
	if err != nil {
		t.Fatal(err)
	}
	printed := fmt.Sprintf("%v %+v %#v %v %+v %#v", s, s, s, e, e, e)
	if strings.Contains(printed, someKey) {
		t.Error(printed)
	}
}

func FuzzParse(f *testing.F) {
	f.Add(goodService)
	f.Add(goodEventHubs)
	f.Add("a=b;;=;HostName=")
	f.Fuzz(func(t *testing.T, text string) {
		if s, err := ParseService(text); err == nil {
			if u, err := url.Parse("amqps://" + s.Host + ":5671"); err != nil || u.Hostname() != s.Host || s.Name() == "" {
				t.Fatalf("host %q: %v", s.Host, err)
			}
		}
		e, err := ParseEndpoint(text)
		if err != nil {
			return
		}
		again, err := ParseEndpoint(e.ConnectionString().Reveal())
		if err != nil || again.ConnectionString().Reveal() != e.ConnectionString().Reveal() {
			t.Fatalf("%q became %q: %v", e.ConnectionString().Reveal(), again.ConnectionString().Reveal(), err)
		}
	})
}
