package iothub

import (
	"encoding/base64"
	"errors"
	"net/url"
	"strings"
	"testing"
	"time"
)

// noon is the injected time of the tests.
var noon = time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)

func newHub(t *testing.T, cfg Config) *Hub {
	t.Helper()
	if cfg.Clock == nil {
		cfg.Clock = func() time.Time { return noon }
	}
	h, err := Open(cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { mustClose(t, h) })
	return h
}

func mustClose(t *testing.T, h *Hub) {
	t.Helper()
	if err := h.Close(); err != nil {
		t.Error(err)
	}
}

func mustAdd(t *testing.T, h *Hub, id ID) Identity {
	t.Helper()
	added, err := h.Registry().Add(Spec{ID: id})
	if err != nil {
		t.Fatal(err)
	}
	return added[0]
}

func mustSign(t *testing.T, resource, policy, key string, expires time.Time) string {
	t.Helper()
	token, err := SignToken(resource, policy, key, expires)
	if err != nil {
		t.Fatal(err)
	}
	return token
}

func TestATokenIsTheGoldenTextOfItsParts(t *testing.T) {
	key := base64.StdEncoding.EncodeToString([]byte("0123456789abcdef0123456789abcdef"))
	// The signature was computed with openssl dgst -sha256 -mac HMAC.
	const sig = "ODr5hbBOd79Qv1S49TKWj8JUNcUPaNLvnSNPiiHKL4Y%3D"
	want := "SharedAccessSignature sr=localhost%2Fdevices%2Fd1&sig=" + sig + "&se=1700000000&skn=device"
	if got := mustSign(t, "localhost/devices/d1", "device", key, time.Unix(1700000000, 0)); got != want {
		t.Fatalf("got\n%s\nwant\n%s", got, want)
	}
}

func TestParseTokenRefuses(t *testing.T) {
	sig := url.QueryEscape(base64.StdEncoding.EncodeToString(make([]byte, 32)))
	for name, c := range map[string]struct{ token, says string }{
		"an empty text":                {"", "does not start"},
		"another scheme":               {"Bearer abc", "does not start"},
		"a missing sr":                 {"SharedAccessSignature sig=" + sig + "&se=1", "no field sr"},
		"a missing sig":                {"SharedAccessSignature sr=a&se=1", "no field sig"},
		"a missing se":                 {"SharedAccessSignature sr=a&sig=" + sig, "no field se"},
		"a field twice":                {"SharedAccessSignature sr=a&sr=b&sig=" + sig + "&se=1", "sr twice"},
		"an unknown field":             {"SharedAccessSignature sr=a&sig=" + sig + "&se=1&x=1", "other than"},
		"a field without value":        {"SharedAccessSignature sr=a&sig=" + sig + "&se=1&", "without a value"},
		"a time that is no number":     {"SharedAccessSignature sr=a&sig=" + sig + "&se=soon", "Unix seconds"},
		"a negative time":              {"SharedAccessSignature sr=a&sig=" + sig + "&se=-1", "Unix seconds"},
		"a time beyond reason":         {"SharedAccessSignature sr=a&sig=" + sig + "&se=99999999999999999", "Unix seconds"},
		"a signature that is short":    {"SharedAccessSignature sr=a&sig=AAAA&se=1", "32 bytes"},
		"a signature not in base64":    {"SharedAccessSignature sr=a&sig=!!&se=1", "32 bytes"},
		"a resource with a bad escape": {"SharedAccessSignature sr=%zz&sig=" + sig + "&se=1", "sr is not url-escaped"},
		"a text beyond the limit":      {"SharedAccessSignature " + strings.Repeat("a", maxTokenLength), "at most"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := ParseToken(c.token)
			if err == nil || !strings.Contains(err.Error(), c.says) {
				t.Fatalf("got %v, want an error with %q", err, c.says)
			}
		})
	}
}

func TestVerifyHub(t *testing.T) {
	h := newHub(t, Config{Host: "plant1.azure-devices.net"})
	device := mustAdd(t, h, ID{Device: "d1"})
	other := mustAdd(t, h, ID{Device: "d10"})
	module := mustAdd(t, h, ID{Device: "d1", Module: "m1"})
	off := mustAdd(t, h, ID{Device: "off"})
	if err := h.Registry().SetDisabled(off.ID, true); err != nil {
		t.Fatal(err)
	}
	policy := func(name string) Policy { p, _ := h.Policy(name); return p }
	later, past := noon.Add(time.Hour), noon.Add(-time.Second)
	const host = "plant1.azure-devices.net"
	const d1 = host + "/devices/d1"
	for name, c := range map[string]struct{ token, resource, says string }{
		"a device's primary key is accepted":         {mustSign(t, d1, "", device.PrimaryKey, later), d1, ""},
		"a device's secondary key is accepted":       {mustSign(t, d1, "", device.SecondaryKey, later), d1, ""},
		"the audience covers paths below it":         {mustSign(t, d1, "", device.PrimaryKey, later), d1 + "/messages/events", ""},
		"the audience is compared without case":      {mustSign(t, "Plant1.Azure-Devices.Net/DEVICES/d1", "", device.PrimaryKey, later), d1, ""},
		"the audience may carry a port":              {mustSign(t, host+":8883/devices/d1", "", device.PrimaryKey, later), d1, ""},
		"the resource may be escaped with a scheme":  {mustSign(t, d1, "", device.PrimaryKey, later), "amqps%3A%2F%2F" + host + "%2Fdevices%2Fd1", ""},
		"a module's key is accepted for the module":  {mustSign(t, d1+"/modules/m1", "", module.PrimaryKey, later), d1 + "/modules/m1", ""},
		"a policy with DeviceConnect speaks for any": {mustSign(t, host, "device", policy("device").PrimaryKey, later), d1, ""},
		"a service policy is accepted for the hub":   {mustSign(t, host, "service", policy("service").SecondaryKey, later), host + "/messages/events", ""},
		"another device's key is refused":            {mustSign(t, d1, "", other.PrimaryKey, later), d1, "not made with a key"},
		"a device's key is refused for its module":   {mustSign(t, d1, "", device.PrimaryKey, later), d1 + "/modules/m1", "not made with a key"},
		"another device's audience is refused":       {mustSign(t, host+"/devices/d10", "", other.PrimaryKey, later), d1, "does not cover"},
		"an id that begins alike is not covered":     {mustSign(t, d1, "", device.PrimaryKey, later), host + "/devices/d10", "does not cover"},
		"another hub's audience is refused":          {mustSign(t, "plant2.azure-devices.net/devices/d1", "", device.PrimaryKey, later), d1, "does not cover"},
		"another hub's name in both is refused":      {mustSign(t, "plant2/devices/d1", "", device.PrimaryKey, later), "plant2/devices/d1", "the token is for host"},
		"an expired token is refused":                {mustSign(t, d1, "", device.PrimaryKey, past), d1, "expired 1s ago"},
		"an unknown device is refused":               {mustSign(t, host+"/devices/no", "", device.PrimaryKey, later), host + "/devices/no", "not found"},
		"ids are compared with case":                 {mustSign(t, host+"/devices/D1", "", device.PrimaryKey, later), host + "/devices/D1", "not found"},
		"a disabled device is refused":               {mustSign(t, host+"/devices/off", "", off.PrimaryKey, later), host + "/devices/off", "disabled"},
		"a policy without DeviceConnect is refused":  {mustSign(t, d1, "service", policy("service").PrimaryKey, later), d1, "does not let devices connect"},
		"an unknown policy is refused":               {mustSign(t, host, "nobody", policy("service").PrimaryKey, later), host, "no policy"},
		"another policy's key is refused":            {mustSign(t, host, "service", policy("registryRead").PrimaryKey, later), host, "key of policy"},
		"a hub audience without a policy is refused": {mustSign(t, host, "", device.PrimaryKey, later), host, "names no policy"},
		"the key text is not the key of a hub token": {SignEventHubToken(host, "service", policy("service").PrimaryKey, later), host, "key of policy"},
	} {
		t.Run(name, func(t *testing.T) { checkVerdict(t, h.VerifyHub, c.token, c.resource, c.says) })
	}
}

func TestVerifyEventHub(t *testing.T) {
	h := newHub(t, Config{Host: "plant1.azure-devices.net"})
	service, _ := h.Policy("service")
	device, _ := h.Policy("device")
	later := noon.Add(time.Hour)
	n := h.Names()
	entity := "amqps://" + n.Namespace + "/" + n.EventHub
	partition := entity + "/ConsumerGroups/azx/Partitions/0"
	for name, c := range map[string]struct{ token, resource, says string }{
		"the event hub's audience covers its partitions":  {SignEventHubToken(entity, "service", service.PrimaryKey, later), partition, ""},
		"a lower-case audience is accepted":               {SignEventHubToken(strings.ToLower(partition), "service", service.PrimaryKey, later), partition, ""},
		"the namespace's audience covers the event hub":   {SignEventHubToken("sb://"+n.Namespace+"/", "service", service.PrimaryKey, later), partition, ""},
		"a port in the audience is ignored":               {SignEventHubToken("sb://"+n.Namespace+":5671/"+n.EventHub, "service", service.PrimaryKey, later), partition, ""},
		"a partition's audience covers no other":          {SignEventHubToken(partition, "service", service.PrimaryKey, later), entity + "/ConsumerGroups/azx/Partitions/1", "does not cover"},
		"the hub's key rule is refused":                   {mustSign(t, entity, "service", service.PrimaryKey, later), partition, "key of policy"},
		"a policy without ServiceConnect is refused":      {SignEventHubToken(entity, "device", device.PrimaryKey, later), partition, "lacks ServiceConnect"},
		"the hub's host name is refused as the namespace": {SignEventHubToken(n.Host+"/"+n.EventHub, "service", service.PrimaryKey, later), n.Host + "/" + n.EventHub, "the event hub is at"},
	} {
		t.Run(name, func(t *testing.T) { checkVerdict(t, h.VerifyEventHub, c.token, c.resource, c.says) })
	}
}

func TestVerifyPicksTheKeyRuleByResource(t *testing.T) {
	later := noon.Add(time.Hour)
	for _, host := range []string{"localhost", "plant1.azure-devices.net"} {
		h := newHub(t, Config{Host: host})
		service, _ := h.Policy("service")
		n := h.Names()
		entity := n.Namespace + ":5671/" + n.EventHub
		checkVerdict(t, h.Verify, SignEventHubToken(entity, "service", service.PrimaryKey, later), "sb://"+entity+"/$management", "")
		checkVerdict(t, h.Verify, mustSign(t, host, "service", service.PrimaryKey, later), host+"/messages/events", "")
		checkVerdict(t, h.Verify, mustSign(t, entity, "service", service.PrimaryKey, later), entity, "key of policy")
	}
}

func TestVerifyPlain(t *testing.T) {
	h := newHub(t, Config{Host: "plant1.azure-devices.net"})
	device := mustAdd(t, h, ID{Device: "d1"})
	service, _ := h.Policy("service")
	later := noon.Add(time.Hour)
	byPolicy := mustSign(t, h.Names().Host+"/messages/events", "service", service.PrimaryKey, later)
	byDevice := mustSign(t, h.Names().Host+"/devices/d1", "", device.PrimaryKey, later)
	for name, c := range map[string]struct{ user, token, says string }{
		"a policy of this hub is accepted":  {"service@sas.root.plant1", byPolicy, ""},
		"a device of this hub is accepted":  {"d1@sas.plant1", byDevice, ""},
		"another hub's name is refused":     {"service@sas.root.plant2", byPolicy, "is for hub"},
		"another policy's token is refused": {"iothubowner@sas.root.plant1", byPolicy, "the token for"},
		"another device's token is refused": {"d2@sas.plant1", byDevice, "does not cover"},
		"any other user name is refused":    {"d1", byDevice, "user name"},
	} {
		t.Run(name, func(t *testing.T) {
			checkVerdict(t, func(token, user string) (Principal, error) { return h.VerifyPlain(user, token) }, c.token, c.user, c.says)
		})
	}
}

func TestAPrincipalCoversOnlyItsAudience(t *testing.T) {
	p := Principal{Audience: "localhost/devices/d1"}
	for resource, want := range map[string]bool{
		"amqps://localhost:5671/devices/d1/messages/events": true,
		"localhost/devices/d1":                              true,
		"localhost/devices/d2":                              false,
		"localhost":                                         false,
	} {
		if got := p.Covers(resource); got != want {
			t.Errorf("Covers(%q) = %v, want %v", resource, got, want)
		}
	}
}

func checkVerdict(t *testing.T, verify func(token, resource string) (Principal, error), token, resource, says string) {
	t.Helper()
	_, err := verify(token, resource)
	if says == "" {
		if err != nil {
			t.Fatalf("refused: %v", err)
		}
		return
	}
	if !errors.Is(err, ErrUnauthorized) || !strings.Contains(err.Error(), says) {
		t.Fatalf("got %v, want ErrUnauthorized with %q", err, says)
	}
	if parsed, parseErr := ParseToken(token); parseErr == nil {
		sig := base64.StdEncoding.EncodeToString(parsed.signature)
		if strings.Contains(err.Error(), sig) || strings.Contains(err.Error(), url.QueryEscape(sig)) {
			t.Fatalf("the error repeats the signature: %v", err)
		}
	}
}

func FuzzParseToken(f *testing.F) {
	f.Add("SharedAccessSignature sr=a&sig=AAAA&se=1")
	f.Add("SharedAccessSignature sr=localhost%2Fdevices%2Fd1&sig=" + strings.Repeat("A", 43) + "%3D&se=1700000000&skn=device")
	f.Fuzz(func(t *testing.T, text string) {
		token, err := ParseToken(text)
		if err != nil {
			return
		}
		if len(token.signature) != 32 || token.Expires.Before(time.Unix(0, 0)) || !strings.Contains(token.signed, "\n") {
			t.Fatalf("accepted %q as %+v", text, token)
		}
		plainResource(token.Resource)
	})
}
