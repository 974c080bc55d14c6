package amqp

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	goamqp "github.com/Azure/go-amqp"

	"azx/internal/local/iothub"
)

var (
	pump   = iothub.ID{Device: "pump-1"}
	fan    = iothub.ID{Device: "fan-1"}
	press  = iothub.ID{Device: "pump-1", Module: "press"}
	either = map[string]iothub.ID{"a device": pump, "a module": press}
)

// plant is a hub with devices and modules, and how to connect as them.
type plant struct {
	*fixture
	keys map[iothub.ID]string
}

func newPlant(t *testing.T, cfg iothub.Config) *plant {
	t.Helper()
	cfg.Host, cfg.Partitions = cloud, 1
	p := &plant{newFixture(t, cfg), map[iothub.ID]string{}}
	p.populate()
	return p
}

// newPlantInMemory is a plant whose connections are in memory, for tests of time.
func newPlantInMemory(t *testing.T) *plant {
	t.Helper()
	hub, err := iothub.Open(iothub.Config{Host: cloud, Partitions: 1})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	p := &plant{&fixture{t: t, ctx: ctx, hub: hub}, map[iothub.ID]string{}}
	var served sync.WaitGroup
	front := New()
	p.dial = func(string) net.Conn {
		ours, theirs := net.Pipe()
		served.Go(func() { front.ServeConn(ctx, ours, hub, slog.New(slog.DiscardHandler)) })
		return theirs
	}
	t.Cleanup(func() { cancel(); served.Wait() })
	p.populate()
	return p
}

func (p *plant) populate() {
	p.t.Helper()
	added, err := p.hub.Registry().Add(iothub.Spec{ID: pump}, iothub.Spec{ID: fan}, iothub.Spec{ID: press})
	if err != nil {
		p.t.Fatal(err)
	}
	for _, identity := range added {
		p.keys[identity.ID] = identity.PrimaryKey
	}
}

func (p *plant) deviceToken(id iothub.ID, valid time.Duration) string {
	p.t.Helper()
	token, err := iothub.SignToken(cloud+"/"+id.Path(), "", p.keys[id], p.hub.Now().Add(valid))
	if err != nil {
		p.t.Fatal(err)
	}
	return token
}

// as opens a connection on which the tokens of these devices and modules are put.
func (p *plant) as(ids ...iothub.ID) *goamqp.Session {
	p.t.Helper()
	s := p.mustSession(cloud)
	for _, id := range ids {
		if status, why := p.putToken(s, cloud+"/"+id.Path(), p.deviceToken(id, time.Hour)); status != 200 {
			p.t.Fatalf("token of %s: %d %s", id, status, why)
		}
	}
	return s
}

// asService opens a connection of a back end.
func (p *plant) asService() *goamqp.Session {
	p.t.Helper()
	s := p.mustSession(cloud)
	if status, why := p.putToken(s, cloud, p.hubToken(cloud, "service", time.Hour)); status != 200 {
		p.t.Fatalf("%d %s", status, why)
	}
	return s
}

func (p *plant) sender(s *goamqp.Session, address string) *goamqp.Sender {
	p.t.Helper()
	l, err := s.NewSender(p.ctx, address, nil)
	if err != nil {
		p.t.Fatal(err)
	}
	return l
}

func (p *plant) receiver(s *goamqp.Session, address string, o *goamqp.ReceiverOptions) *goamqp.Receiver {
	p.t.Helper()
	l, err := s.NewReceiver(p.ctx, address, o)
	if err != nil {
		p.t.Fatal(err)
	}
	return l
}

// eventually waits for what another goroutine brings about.
func (p *plant) eventually(what string, holds func() bool) {
	p.t.Helper()
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	for !holds() {
		select {
		case <-tick.C:
		case <-p.ctx.Done():
			p.t.Fatalf("never: %s", what)
		}
	}
}

func (p *plant) connected(id iothub.ID) func() bool {
	return func() bool { return p.hub.Presence(id).Connected }
}

// attach asks for a link that must be refused.
func (p *plant) attach(s *goamqp.Session, receives bool, address string) error {
	var err error
	if receives {
		_, err = s.NewReceiver(p.ctx, address, nil)
	} else {
		_, err = s.NewSender(p.ctx, address, nil)
	}
	return err
}

func events(id iothub.ID) string        { return "/" + id.Path() + "/messages/events" }
func deviceBoundOf(id iothub.ID) string { return "/" + id.Path() + "/messages/devicebound" }
func twinOf(id iothub.ID) string        { return "/" + id.Path() + "/twin" }
func methodsOf(id iothub.ID) string     { return "/" + id.Path() + "/methods/devicebound" }

func TestWhoMayUseTheLinksOfADevice(t *testing.T) {
	p := newPlant(t, iothub.Config{})
	for _, v := range []struct {
		name    string
		put     func(s *goamqp.Session)
		id      iothub.ID
		allowed bool
	}{
		{"nobody without a token", func(*goamqp.Session) {}, pump, false},
		{"the device", func(s *goamqp.Session) { p.putToken(s, cloud+"/"+pump.Path(), p.deviceToken(pump, time.Hour)) }, pump, true},
		{"not another device", func(s *goamqp.Session) { p.putToken(s, cloud+"/"+fan.Path(), p.deviceToken(fan, time.Hour)) }, pump, false},
		{"not the device for its module", func(s *goamqp.Session) { p.putToken(s, cloud+"/"+pump.Path(), p.deviceToken(pump, time.Hour)) }, press, false},
		{"the module", func(s *goamqp.Session) { p.putToken(s, cloud+"/"+press.Path(), p.deviceToken(press, time.Hour)) }, press, true},
		{"not the module for its device", func(s *goamqp.Session) { p.putToken(s, cloud+"/"+press.Path(), p.deviceToken(press, time.Hour)) }, pump, false},
		{"the policy device", func(s *goamqp.Session) { p.putToken(s, cloud, p.hubToken(cloud, "device", time.Hour)) }, pump, true},
		{"not the policy service", func(s *goamqp.Session) { p.putToken(s, cloud, p.hubToken(cloud, "service", time.Hour)) }, pump, false},
	} {
		t.Run(v.name, func(t *testing.T) {
			s := p.mustSession(cloud)
			v.put(s)
			for _, address := range []string{events(v.id), twinOf(v.id), methodsOf(v.id)} {
				err := p.attach(s, false, address)
				if v.allowed && err != nil {
					t.Errorf("%s: %v", address, err)
				}
				if !v.allowed {
					wantCondition(t, err, goamqp.ErrCondUnauthorizedAccess)
				}
			}
		})
	}
	t.Run("a device with SASL PLAIN", func(t *testing.T) {
		s, err := p.session(cloud, goamqp.SASLTypePlain("pump-1@sas.plant1", p.deviceToken(pump, time.Hour)))
		if err != nil {
			t.Fatal(err)
		}
		if err := p.attach(s, false, events(pump)); err != nil {
			t.Error(err)
		}
		wantCondition(t, p.attach(s, false, events(fan)), goamqp.ErrCondUnauthorizedAccess)
	})
	t.Run("not a device at the event hub's name", func(t *testing.T) {
		s := p.mustSession(p.hub.Names().Namespace)
		p.putToken(s, cloud+"/"+pump.Path(), p.deviceToken(pump, time.Hour))
		wantCondition(t, p.attach(s, false, events(pump)), goamqp.ErrCondNotFound)
	})
}

func TestLinksThatAreNotThereAreRefused(t *testing.T) {
	p := newPlant(t, iothub.Config{})
	owner := p.mustSession(cloud)
	if status, why := p.putToken(owner, cloud, p.hubToken(cloud, "iothubowner", time.Hour)); status != 200 {
		t.Fatalf("%d %s", status, why)
	}
	for _, v := range []struct {
		name      string
		receives  bool
		address   string
		condition goamqp.ErrCond
		code      string
	}{
		{"messages from the cloud for a module", true, deviceBoundOf(press), goamqp.ErrCondNotAllowed, "400003"},
		{"messages from the cloud for nobody", true, deviceBoundOf(iothub.ID{Device: "nobody"}), goamqp.ErrCondNotFound, "404001"},
		{"telemetry of nobody", false, events(iothub.ID{Device: "nobody"}), goamqp.ErrCondNotFound, "404001"},
		{"the twin of a module that is not there", true, twinOf(iothub.ID{Device: "pump-1", Module: "no"}), goamqp.ErrCondNotFound, "404010"},
		{"telemetry from the cloud", true, events(pump), goamqp.ErrCondNotFound, ""},
		{"messages from the cloud by the device", false, deviceBoundOf(pump), goamqp.ErrCondNotFound, ""},
		{"streams", true, "/devices/pump-1/streams", goamqp.ErrCondNotFound, ""},
		{"a node without a name", true, "/devices/pump-1/", goamqp.ErrCondNotFound, ""},
	} {
		t.Run(v.name, func(t *testing.T) {
			err := p.attach(owner, v.receives, v.address)
			wantCondition(t, err, v.condition)
			if err != nil && !strings.Contains(err.Error(), v.code) {
				t.Errorf("error %v, want the code %s", err, v.code)
			}
		})
	}
	if p.hub.Presence(press).Connected || p.hub.Presence(pump).Connected {
		t.Error("a link that was refused counts as a connection")
	}
}

func TestTheWordsOfAnAddressMayBeWrittenOtherwise(t *testing.T) {
	p := newPlant(t, iothub.Config{})
	odd := iothub.ID{Device: "a+b#c%2B=@:;'"}
	added, err := p.hub.Registry().Add(iothub.Spec{ID: odd})
	if err != nil {
		t.Fatal(err)
	}
	p.keys[odd] = added[0].PrimaryKey
	s := p.as(pump, odd)
	for _, address := range []string{
		"amqps://" + cloud + "/devices/pump-1/messages/events", "devices/pump-1/messages/events/", "/Devices/pump-1/Messages/Events",
		events(odd), "/devices/a%2Bb%23c%252B%3D%40%3A%3B%27/messages/events",
	} {
		if err := p.attach(s, false, address); err != nil {
			t.Errorf("%s: %v", address, err)
		}
	}
}

func TestADeviceIsConnectedFromItsFirstLinkToItsLast(t *testing.T) {
	p := newPlant(t, iothub.Config{})
	s := p.as(pump, fan)
	if p.hub.Presence(pump).Connected {
		t.Error("a token alone connects")
	}
	first, second := p.sender(s, events(pump)), p.sender(s, methodsOf(pump))
	p.sender(s, events(fan))
	if !p.hub.Presence(pump).Connected || !p.hub.Presence(fan).Connected || p.hub.Presence(press).Connected {
		t.Error("who has a link is not who is connected")
	}
	if err := first.Close(p.ctx); err != nil {
		t.Fatal(err)
	}
	if !p.hub.Presence(pump).Connected {
		t.Error("disconnected with a link left")
	}
	if err := second.Close(p.ctx); err != nil {
		t.Fatal(err)
	}
	p.eventually("disconnected", func() bool { return !p.hub.Presence(pump).Connected })
	if !p.hub.Presence(fan).Connected {
		t.Error("the other device of the connection went too")
	}
	p.sender(s, events(pump))
	p.eventually("connected again", p.connected(pump))
}

func TestANewConnectionTakesTheDeviceAndLeavesTheOthers(t *testing.T) {
	p := newPlant(t, iothub.Config{})
	old := p.as(pump, fan)
	stolen := p.receiver(old, deviceBoundOf(pump), nil)
	stays := p.sender(old, events(fan))
	p.sender(p.as(pump), events(pump))
	_, err := stolen.Receive(p.ctx, nil)
	wantCondition(t, err, goamqp.ErrCondStolen)
	if err == nil || !strings.Contains(err.Error(), "400027") {
		t.Errorf("error %v, want the code 400027", err)
	}
	if err := stays.Send(p.ctx, goamqp.NewMessage([]byte("x")), nil); err != nil {
		t.Errorf("the other device of the connection: %v", err)
	}
	p.sender(old, events(pump)) // and it comes back
	p.eventually("connected", p.connected(pump))
}

func TestADeviceThatIsRemovedOrDisabledLosesItsLinks(t *testing.T) {
	for name, v := range map[string]struct {
		how       func(r *iothub.Registry) error
		condition goamqp.ErrCond
	}{
		"removed":  {func(r *iothub.Registry) error { return r.Remove(fan) }, goamqp.ErrCondNotFound},
		"disabled": {func(r *iothub.Registry) error { return r.SetDisabled(fan, true) }, goamqp.ErrCondUnauthorizedAccess},
	} {
		t.Run(name, func(t *testing.T) {
			p := newPlant(t, iothub.Config{})
			s := p.as(fan)
			l := p.receiver(s, deviceBoundOf(fan), nil)
			if err := v.how(p.hub.Registry()); err != nil {
				t.Fatal(err)
			}
			_, err := l.Receive(p.ctx, nil)
			wantCondition(t, err, v.condition)
			wantCondition(t, p.attach(s, false, events(fan)), v.condition)
		})
	}
}

func TestADroppedConnectionEndsWithoutAWord(t *testing.T) {
	p := newPlant(t, iothub.Config{})
	l := p.receiver(p.as(pump, fan), deviceBoundOf(pump), nil)
	if !p.hub.Drop(pump) {
		t.Fatal("nothing to drop")
	}
	_, err := l.Receive(p.ctx, nil)
	var e *goamqp.ConnError
	if !errors.As(err, &e) || e.RemoteErr != nil {
		t.Errorf("error %v, want that of a lost connection", err)
	}
	p.eventually("disconnected", func() bool { return !p.hub.Presence(pump).Connected })
}

func TestADeviceThatDoesNotReadItsChangesLosesItsConnection(t *testing.T) {
	p := newPlant(t, iothub.Config{})
	s := p.as(pump)
	answers := p.receiver(s, twinOf(pump), &goamqp.ReceiverOptions{Credit: -1})
	requests := p.sender(s, twinOf(pump))
	if err := answers.IssueCredit(1); err != nil {
		t.Fatal(err)
	}
	p.askTwin(requests, "1", "PUT", resourceDesired, "")
	if _, err := answers.Receive(p.ctx, nil); err != nil {
		t.Fatal(err)
	}
	for n := range 1100 {
		if _, err := p.hub.PatchTwin(pump, "", iothub.TwinUpdate{Desired: map[string]any{"n": float64(n)}}); err != nil {
			t.Fatal(err)
		}
	}
	_, err := answers.Receive(p.ctx, nil)
	wantCondition(t, err, goamqp.ErrCondConnectionForced)
}

func TestLinksEndWithTheTokenUnlessAnotherIsPut(t *testing.T) {
	for name, renewed := range map[string]bool{"renewed": true, "not renewed": false} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				p := newPlantInMemory(t)
				device, service := p.mustSession(cloud), p.mustSession(cloud)
				put := func(valid time.Duration) {
					p.putToken(device, cloud+"/"+pump.Path(), p.deviceToken(pump, valid))
					p.putToken(service, cloud, p.hubToken(cloud, "service", valid))
				}
				put(time.Minute)
				messages := p.receiver(device, deviceBoundOf(pump), nil)
				feedback := p.receiver(service, feedbackOf, nil)
				began, lasts := time.Now(), time.Minute
				if renewed {
					put(time.Hour)
					lasts = time.Hour
				}
				for what, l := range map[string]*goamqp.Receiver{"messages": messages, "feedback": feedback} {
					_, err := l.Receive(p.ctx, nil)
					wantCondition(t, err, goamqp.ErrCondUnauthorizedAccess)
					if passed := time.Since(began); passed != lasts {
						t.Errorf("the link of %s ended after %s, want %s", what, passed, lasts)
					}
				}
			})
		})
	}
}

func TestMoreConnectionsThanTheHubTakesAreRefused(t *testing.T) {
	p := newPlant(t, iothub.Config{})
	if err := p.hub.SetFaults(iothub.Fault{Operation: iothub.OpConnect, Status: 429}); err != nil {
		t.Fatal(err)
	}
	s := p.as(pump)
	wantCondition(t, p.attach(s, false, events(pump)), "com.microsoft:device-container-throttled")
	if err := p.attach(s, false, events(pump)); err != nil {
		t.Errorf("the next time: %v", err)
	}
}
