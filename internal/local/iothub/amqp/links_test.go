package amqp

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	goamqp "github.com/Azure/go-amqp"

	"azx/internal/amqp10"
	"azx/internal/local/iothub"
)

// session opens a connection over TLS to the host, with SASL as given (nil: anonymous), and a session.
func (f *fixture) session(host string, sasl goamqp.SASLType) (*goamqp.Session, error) {
	f.t.Helper()
	if sasl == nil {
		sasl = goamqp.SASLTypeAnonymous()
	}
	conn, err := goamqp.NewConn(f.ctx, f.dial(host), &goamqp.ConnOptions{HostName: host, SASLType: sasl})
	if err != nil {
		return nil, err
	}
	f.t.Cleanup(func() { conn.Close() })
	return conn.NewSession(f.ctx, nil)
}

func (f *fixture) mustSession(host string) *goamqp.Session {
	f.t.Helper()
	s, err := f.session(host, nil)
	if err != nil {
		f.t.Fatal(err)
	}
	return s
}

// putToken puts a token and returns the answer's status and description.
func (f *fixture) putToken(s *goamqp.Session, resource, token string) (int32, string) {
	f.t.Helper()
	receiver, err := s.NewReceiver(f.ctx, "$cbs", &goamqp.ReceiverOptions{TargetAddress: "cbs"})
	if err != nil {
		f.t.Fatal(err)
	}
	defer receiver.Close(f.ctx)
	sender, err := s.NewSender(f.ctx, "$cbs", nil)
	if err != nil {
		f.t.Fatal(err)
	}
	defer sender.Close(f.ctx)
	reply := "cbs"
	err = sender.Send(f.ctx, &goamqp.Message{
		Properties:            &goamqp.MessageProperties{MessageID: uint64(7), ReplyTo: &reply},
		ApplicationProperties: map[string]any{"operation": "put-token", "type": "azure-devices.net:sastoken", "name": resource},
		Value:                 token,
	}, nil)
	if err != nil {
		f.t.Fatal(err)
	}
	m, err := receiver.Receive(f.ctx, nil)
	if err != nil {
		f.t.Fatal(err)
	}
	status, ok := m.ApplicationProperties["status-code"].(int32)
	if !ok || m.Properties.CorrelationID != uint64(7) {
		f.t.Errorf("answer %+v to %v", m.ApplicationProperties, m.Properties.CorrelationID)
	}
	return status, fmt.Sprint(m.ApplicationProperties["status-description"])
}

func (f *fixture) hubToken(resource, policy string, valid time.Duration) string {
	f.t.Helper()
	p, _ := f.hub.Policy(policy)
	token, err := iothub.SignToken(resource, policy, p.PrimaryKey, f.hub.Now().Add(valid))
	if err != nil {
		f.t.Fatal(err)
	}
	return token
}

func (f *fixture) eventHubToken(resource string, valid time.Duration) string {
	p, _ := f.hub.Policy("service")
	return iothub.SignEventHubToken(resource, "service", p.PrimaryKey, f.hub.Now().Add(valid))
}

// partitionZero is the address of partition 0, and the resource of a token for it.
func (f *fixture) partitionZero() (address, resource string) {
	address = f.hub.Names().EventHub + "/ConsumerGroups/$Default/Partitions/0"
	return address, "amqps://" + f.hub.Names().Namespace + "/" + address
}

func TestTokensAreJudgedByTheRuleOfTheirResource(t *testing.T) {
	for _, host := range []string{cloud, "localhost"} {
		t.Run(host, func(t *testing.T) {
			f := newFixture(t, iothub.Config{Host: host, Partitions: 1})
			names := f.hub.Names()
			f.device(iothub.ID{Device: "d1"})
			identity, err := f.hub.Registry().Get(iothub.ID{Device: "d1"})
			if err != nil {
				t.Fatal(err)
			}
			deviceToken, err := iothub.SignToken(names.Host+"/devices/d1", "", identity.PrimaryKey, f.hub.Now().Add(time.Hour))
			if err != nil {
				t.Fatal(err)
			}
			_, partition := f.partitionZero()
			for _, v := range []struct {
				name, resource, token string
				want                  int32
			}{
				{"event hub", partition, f.eventHubToken(partition, time.Hour), 202},
				{"event hub, written in another case", strings.ToUpper(partition), f.eventHubToken(strings.ToLower(partition), time.Hour), 202},
				{"event hub, token for all of it", partition, f.eventHubToken("sb://"+names.Namespace+"/"+names.EventHub, time.Hour), 202},
				{"event hub, token for half a segment", partition, f.eventHubToken(strings.TrimSuffix(partition, "ions/0"), time.Hour), 401},
				{"event hub, signed by the rule of the hub", partition, f.hubToken(names.Namespace+"/"+names.EventHub, "service", time.Hour), 401},
				{"event hub, expired", partition, f.eventHubToken(partition, -time.Second), 401},
				{"hub", names.Host, f.hubToken(names.Host, "service", time.Hour), 200},
				{"hub, signed by the rule of the event hub", names.Host, f.eventHubToken(names.Host, time.Hour), 401},
				{"device, escaped as the device SDK does", names.Host + "%2Fdevices%2Fd1", deviceToken, 200},
				{"device, with another's token", names.Host + "/devices/d2", deviceToken, 401},
				{"no token", names.Host, "", 401},
			} {
				t.Run(v.name, func(t *testing.T) {
					if got, why := f.putToken(f.mustSession(names.Host), v.resource, v.token); got != v.want {
						t.Errorf("status %d (%s), want %d", got, why, v.want)
					}
				})
			}
		})
	}
}

func TestAPartitionIsClosedToThoseWithoutATokenForIt(t *testing.T) {
	f := newFixture(t, iothub.Config{Host: "localhost", Partitions: 2})
	address, resource := f.partitionZero()
	s := f.mustSession("localhost")
	_, err := s.NewReceiver(f.ctx, address, nil)
	wantCondition(t, err, goamqp.ErrCondUnauthorizedAccess)
	if got, why := f.putToken(s, "localhost", f.hubToken("localhost", "service", time.Hour)); got != 200 {
		t.Fatalf("status %d: %s", got, why)
	}
	_, err = s.NewReceiver(f.ctx, address, nil) // the hub has the same name, but its token is not the event hub's
	wantCondition(t, err, goamqp.ErrCondUnauthorizedAccess)
	f.putToken(s, resource, f.eventHubToken(resource, time.Hour))
	if _, err = s.NewReceiver(f.ctx, resource, nil); err != nil { // a full address will do
		t.Error(err)
	}
	_, err = s.NewReceiver(f.ctx, strings.TrimSuffix(address, "0")+"1", nil)
	wantCondition(t, err, goamqp.ErrCondUnauthorizedAccess)
	_, err = s.NewSender(f.ctx, f.hub.Names().EventHub, nil) // to read is not to send
	wantCondition(t, err, goamqp.ErrCondUnauthorizedAccess)
}

func TestEventsComeSettledUnlessTheReaderInsists(t *testing.T) {
	for _, v := range []struct {
		name    string
		options *goamqp.ReceiverOptions
		settled bool
	}{
		{"no wish", nil, true},
		{"settled", &goamqp.ReceiverOptions{RequestedSenderSettleMode: goamqp.SenderSettleModeSettled.Ptr()}, true},
		{"unsettled", &goamqp.ReceiverOptions{RequestedSenderSettleMode: goamqp.SenderSettleModeUnsettled.Ptr()}, false},
	} {
		t.Run(v.name, func(t *testing.T) {
			f := newFixture(t, iothub.Config{Host: cloud, Partitions: 1})
			d := f.device(iothub.ID{Device: "d"})
			address, resource := f.partitionZero()
			s := f.mustSession(f.hub.Names().Namespace)
			f.putToken(s, resource, f.eventHubToken(resource, time.Hour))
			receiver, err := s.NewReceiver(f.ctx, address, v.options)
			if err != nil {
				t.Fatal(err)
			}
			for range 3 {
				f.accept(d, iothub.Message{Body: []byte("x")})
				m, err := receiver.Receive(f.ctx, nil)
				if err != nil {
					t.Fatal(err)
				}
				if !v.settled {
					if err := receiver.AcceptMessage(f.ctx, m); err != nil {
						t.Fatal(err)
					}
				}
			}
		})
	}
}

func TestAReaderEndsWithItsTokenUnlessAnotherIsPut(t *testing.T) {
	for _, renewed := range []bool{false, true} {
		t.Run(fmt.Sprintf("renewed %v", renewed), func(t *testing.T) {
			var late atomic.Int64
			clock := func() time.Time { return time.Now().Add(time.Duration(late.Load())) }
			f := newFixture(t, iothub.Config{Host: cloud, Partitions: 1, Clock: clock})
			d := f.device(iothub.ID{Device: "d"})
			address, resource := f.partitionZero()
			s := f.mustSession(f.hub.Names().Namespace)
			f.putToken(s, resource, f.eventHubToken(resource, 2*time.Second))
			receiver, err := s.NewReceiver(f.ctx, address, nil)
			if err != nil {
				t.Fatal(err)
			}
			if renewed {
				f.putToken(s, resource, f.eventHubToken(resource, 3*time.Hour))
			}
			late.Store(int64(time.Hour))
			if renewed {
				f.accept(d, iothub.Message{Body: []byte("x")})
				if _, err := receiver.Receive(f.ctx, nil); err != nil {
					t.Error(err)
				}
				return
			}
			_, err = receiver.Receive(f.ctx, nil)
			wantCondition(t, err, goamqp.ErrCondUnauthorizedAccess)
		})
	}
}

func TestTheHubsOwnNameRedirectsToTheEventHub(t *testing.T) {
	f := newFixture(t, iothub.Config{Host: cloud, Partitions: 1})
	names := f.hub.Names()
	events := cloud + "/messages/events"
	port := int32(portOfAddress(t, f.tls))
	byToken := func(t *testing.T) *goamqp.Session {
		s := f.mustSession(cloud)
		if got, why := f.putToken(s, events, f.hubToken(events, "service", time.Hour)); got != 200 {
			t.Fatalf("status %d: %s", got, why)
		}
		return s
	}
	byPlain := func(t *testing.T) *goamqp.Session {
		s, err := f.session(cloud, goamqp.SASLTypePlain("service@sas.root.plant1", f.hubToken(events, "service", time.Hour)))
		if err != nil {
			t.Fatal(err)
		}
		return s
	}
	for _, v := range []struct {
		name, source, path string
		open               func(t *testing.T) *goamqp.Session
	}{
		{"token put, full address", "amqps://" + cloud + "/messages/events/$management", "$management", byToken},
		{"SASL PLAIN, full address", "amqps://" + cloud + ":5671/messages/events/$management", "$management", byPlain},
		{"SASL PLAIN, path", "/messages/events/$management", "$management", byPlain},
		{"SASL PLAIN, path in short", "messages/events", "$management", byPlain},
		{"SASL PLAIN, partition", "/messages/events/ConsumerGroups/$Default/Partitions/0", "ConsumerGroups/$Default/Partitions/0", byPlain},
	} {
		t.Run(v.name, func(t *testing.T) {
			receiver, err := v.open(t).NewReceiver(f.ctx, v.source, nil)
			if err == nil {
				_, err = receiver.Receive(f.ctx, nil)
			}
			var e *goamqp.LinkError
			if !errors.As(err, &e) || e.RemoteErr == nil || e.RemoteErr.Condition != goamqp.ErrCondLinkRedirect {
				t.Fatalf("error %v, want a redirect", err)
			}
			want := map[string]any{
				"hostname": names.Namespace, "network-host": names.Namespace, "port": port,
				"address": fmt.Sprintf("amqps://%s:%d/%s/%s", names.Namespace, port, names.EventHub, v.path),
			}
			if got := e.RemoteErr.Info; fmt.Sprint(got) != fmt.Sprint(want) {
				t.Errorf("info %v, want %v", got, want)
			}
		})
	}
}

func portOfAddress(t *testing.T, address string) (port int) {
	t.Helper()
	if _, err := fmt.Sscanf(address, "127.0.0.1:%d", &port); err != nil {
		t.Fatal(err)
	}
	return port
}

func TestTheRedirectIsForThoseWhoMayReadEvents(t *testing.T) {
	f := newFixture(t, iothub.Config{Host: cloud, Partitions: 1})
	const source = "/messages/events/$management"
	_, err := f.mustSession(cloud).NewReceiver(f.ctx, source, nil)
	wantCondition(t, err, goamqp.ErrCondUnauthorizedAccess)
	for name, v := range map[string]struct{ user, policy, resource string }{
		"a policy without the right":      {"registryRead@sas.root.plant1", "registryRead", cloud},
		"a token for something else only": {"service@sas.root.plant1", "service", cloud + "/messages/devicebound"},
	} {
		t.Run(name, func(t *testing.T) {
			s, err := f.session(cloud, goamqp.SASLTypePlain(v.user, f.hubToken(v.resource, v.policy, time.Hour)))
			if err != nil {
				t.Fatal(err)
			}
			_, err = s.NewReceiver(f.ctx, source, nil)
			wantCondition(t, err, goamqp.ErrCondUnauthorizedAccess)
		})
	}
	if _, err := f.session(cloud, goamqp.SASLTypePlain("service@sas.root.other", f.hubToken(cloud, "service", time.Hour))); err == nil {
		t.Error("a user of another hub was let in")
	}
	address, _ := f.partitionZero()
	_, err = f.mustSession(cloud).NewReceiver(f.ctx, address, nil)
	wantCondition(t, err, goamqp.ErrCondNotFound)
}

func TestAReaderThatLeavesMakesRoomForOthers(t *testing.T) {
	f := newFixture(t, iothub.Config{Host: cloud, Partitions: 1})
	address, resource := f.partitionZero()
	s := f.mustSession(f.hub.Names().Namespace)
	f.putToken(s, resource, f.eventHubToken(resource, time.Hour))
	f.accept(f.device(iothub.ID{Device: "d"}), iothub.Message{Body: []byte("x")})
	owner, err := s.NewReceiver(f.ctx, address, &goamqp.ReceiverOptions{Properties: map[string]any{propertyEpoch: int64(5)}})
	if err != nil {
		t.Fatal(err)
	}
	if err := owner.Close(f.ctx); err != nil {
		t.Fatal(err)
	}
	for { // the server learns of the end a moment later
		next, err := s.NewReceiver(f.ctx, address, nil)
		if err != nil {
			t.Fatal(err)
		}
		_, err = next.Receive(f.ctx, nil)
		if err == nil {
			return
		}
		if !strings.Contains(err.Error(), string(amqp10.CondLinkStolen)) || f.ctx.Err() != nil {
			t.Fatal(err)
		}
	}
}

func TestRequestsThatCannotBeUnderstoodGetAnAnswer(t *testing.T) {
	f := newFixture(t, iothub.Config{Host: cloud, Partitions: 1})
	s := f.mustSession(f.hub.Names().Namespace)
	for _, v := range []struct {
		name, node string
		asked      map[string]any
		want       int32
	}{
		{"unknown operation at $cbs", "$cbs", map[string]any{"operation": "delete-token"}, 400},
		{"Entra token", "$cbs", map[string]any{"operation": "put-token", "type": "jwt"}, 401},
		{"unknown operation at $management", "$management", map[string]any{"operation": "WRITE"}, 400},
		{"another event hub", "$management", map[string]any{"operation": "READ", "name": "x"}, 404},
		{"no token", "$management", map[string]any{"operation": "READ", "name": f.hub.Names().EventHub, "type": "com.microsoft:eventhub"}, 401},
		{"no properties at all", "$management", nil, 400},
	} {
		t.Run(v.name, func(t *testing.T) {
			receiver, err := s.NewReceiver(f.ctx, v.node, &goamqp.ReceiverOptions{TargetAddress: "me"})
			if err != nil {
				t.Fatal(err)
			}
			defer receiver.Close(context.Background())
			sender, err := s.NewSender(f.ctx, v.node, nil)
			if err != nil {
				t.Fatal(err)
			}
			defer sender.Close(context.Background())
			if err := sender.Send(f.ctx, &goamqp.Message{ApplicationProperties: v.asked, Value: "x"}, nil); err != nil {
				t.Fatal(err)
			}
			m, err := receiver.Receive(f.ctx, nil)
			if err != nil {
				t.Fatal(err)
			}
			if got := m.ApplicationProperties["status-code"]; got != v.want {
				t.Errorf("status %v (%v), want %d", got, m.ApplicationProperties["status-description"], v.want)
			}
		})
	}
}
