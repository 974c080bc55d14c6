package iothub_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	tenants "azx/internal/local/entra"
	"azx/internal/local/iothub"
)

const hubsAudience = "https://iothubs.azure.net"

// trusting is a hub that takes the tokens of a tenant.
func trusting(t *testing.T, roles map[string][]string) (*iothub.Hub, *tenants.Tenant) {
	t.Helper()
	hub, err := iothub.Open(iothub.Config{Host: "plant1.azure-devices.net"})
	if err != nil {
		t.Fatal(err)
	}
	tenant, err := tenants.New("11111111-2222-3333-4444-555555555555")
	if err != nil {
		t.Fatal(err)
	}
	if err := hub.TrustEntra(iothub.EntraTrust{Issuer: tenant.Issuer(), Key: tenant.PublicKey(), Roles: roles}); err != nil {
		t.Fatal(err)
	}
	return hub, tenant
}

func TestARoleGivesItsDataActions(t *testing.T) {
	all := []string{"devices/read", "devices/write", "devices/delete", "twins/read", "twins/write", "directMethods/invoke/action",
		"cloudToDeviceMessages/send/action", "cloudToDeviceMessages/feedback/action"}
	for name, c := range map[string]struct {
		roles []string
		may   string // of all, in their order
		sends bool
	}{
		"all of them":               {[]string{"IoT Hub Data Contributor"}, "yyyyyyyy", true},
		"what reads":                {[]string{"IoT Hub Data Reader"}, "y--y----", false},
		"the registry":              {[]string{"IoT Hub Registry Contributor"}, "yyy-----", false},
		"twins":                     {[]string{"IoT Hub Twin Contributor"}, "---yy---", false},
		"single actions":            {[]string{"directMethods/invoke/action", "cloudToDeviceMessages/send/action"}, "-----yy-", true},
		"two roles":                 {[]string{"IoT Hub Twin Contributor", "devices/read"}, "y--yy---", false},
		"none":                      {nil, "--------", false},
		"a role of another service": {[]string{"Storage Blob Data Reader"}, "--------", false},
	} {
		t.Run(name, func(t *testing.T) {
			hub, tenant := trusting(t, map[string][]string{"principal": c.roles})
			p, err := hub.VerifyBearer("Bearer " + tenant.Token(tenants.App{ObjectID: "principal"}, hubsAudience, time.Now()))
			if err != nil {
				t.Fatal(err)
			}
			got := ""
			for _, action := range all {
				if p.May(action) {
					got += "y"
				} else {
					got += "-"
				}
			}
			if got != c.may || p.Can(iothub.ServiceConnect) != c.sends {
				t.Errorf("it may %s, sends %v; want %s, %v", got, p.Can(iothub.ServiceConnect), c.may, c.sends)
			}
		})
	}
}

func TestATokenOfEntraIsRefusedWithAReason(t *testing.T) {
	hub, tenant := trusting(t, nil)
	stranger, err := tenants.New("11111111-2222-3333-4444-555555555555")
	if err != nil {
		t.Fatal(err)
	}
	app := tenants.App{ObjectID: "principal"}
	good := tenant.Token(app, hubsAudience, time.Now())
	parts := strings.Split(good, ".")
	none := "eyJhbGciOiJub25lIn0" // {"alg":"none"}
	for name, c := range map[string]struct{ token, reason string }{
		"another tenant's key":       {stranger.Token(app, hubsAudience, time.Now()), "did not sign"},
		"another audience":           {tenant.Token(app, "https://vault.azure.net", time.Now()), "is for \"https://vault.azure.net\""},
		"over":                       {tenant.Token(app, hubsAudience, time.Now().Add(-2*time.Hour)), "expired"},
		"not yet":                    {tenant.Token(app, hubsAudience, time.Now().Add(time.Hour)), "not good yet"},
		"a changed claim":            {parts[0] + "." + strings.Replace(parts[1], "a", "b", 1) + "." + parts[2], "did not sign"},
		"no signature by its header": {none + "." + parts[1] + ".", "RS256"},
		"no token":                   {"x", "no signed JWT"},
		"too long":                   {strings.Repeat("x", 5000) + "..", "no signed JWT"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := hub.VerifyBearer("Bearer " + c.token)
			if !errors.Is(err, iothub.ErrUnauthorized) || !strings.Contains(err.Error(), c.reason) {
				t.Errorf("got %v", err)
			}
		})
	}
	if err := hub.TrustEntra(iothub.EntraTrust{}); err != nil {
		t.Fatal(err)
	}
	if _, err := hub.VerifyBearer("Bearer " + good); err == nil || !strings.Contains(err.Error(), "trusts no tenant") {
		t.Errorf("a hub that trusts none: %v", err)
	}
}

func TestATenantIsTrustedWithItsKeyOnly(t *testing.T) {
	hub, _ := trusting(t, nil)
	for name, key := range map[string]string{"none": "", "no PEM": "x", "something else": "-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----\n"} {
		if err := hub.TrustEntra(iothub.EntraTrust{Issuer: "i", Key: key}); err == nil {
			t.Errorf("%s is taken", name)
		}
	}
}
