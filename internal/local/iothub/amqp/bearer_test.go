package amqp

import (
	"testing"
	"time"

	goamqp "github.com/Azure/go-amqp"

	tenants "azx/internal/local/entra"
	"azx/internal/local/iothub"
)

// entraAudience is the name under which a token of Entra is put.
const entraAudience = "https://iothubs.azure.net/.default"

func TestATokenOfEntraOpensTheWayToDevicesAndNoEvents(t *testing.T) {
	f := newFixture(t, iothub.Config{Host: cloud})
	tenant, err := tenants.New("11111111-2222-3333-4444-555555555555")
	if err != nil {
		t.Fatal(err)
	}
	trust := iothub.EntraTrust{Issuer: tenant.Issuer(), Key: tenant.PublicKey(), Roles: map[string][]string{
		"owner": {"IoT Hub Data Contributor"}, "reader": {"IoT Hub Data Reader"},
	}}
	if err := f.hub.TrustEntra(trust); err != nil {
		t.Fatal(err)
	}
	token := func(object string) string {
		return "Bearer " + tenant.Token(tenants.App{ObjectID: object}, "https://iothubs.azure.net", time.Now())
	}
	send := func(s *goamqp.Session) error {
		l, err := s.NewSender(f.ctx, "/messages/devicebound", nil)
		if err == nil {
			_ = l.Close(f.ctx)
		}
		return err
	}
	s := f.mustSession(cloud)
	if status, text := f.putToken(s, entraAudience, token("owner")); status != 200 {
		t.Fatalf("status %d %s", status, text)
	}
	if err := send(s); err != nil {
		t.Errorf("an owner may not send: %v", err)
	}
	if _, err := s.NewReceiver(f.ctx, "/messages/events/ConsumerGroups/$Default/Partitions/0", nil); err == nil {
		t.Error("events are read with a token of Entra")
	}
	s = f.mustSession(cloud)
	if status, text := f.putToken(s, entraAudience, token("reader")); status != 200 {
		t.Fatalf("status %d %s", status, text)
	}
	if err := send(s); err == nil {
		t.Error("a reader may send")
	}
	events := f.mustSession(f.hub.Names().Namespace)
	resource := "amqps://" + f.hub.Names().Namespace + "/" + f.hub.Names().EventHub
	if status, text := f.putToken(events, resource, token("owner")); status != 401 {
		t.Errorf("the event endpoint takes it: status %d %s", status, text)
	}
	if status, _ := f.putToken(f.mustSession(cloud), entraAudience, "Bearer x.y.z"); status != 401 {
		t.Errorf("anything is taken: status %d", status)
	}
}
