package amqp

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"errors"
	"fmt"
	"log/slog"
	"math/big"
	"net"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/messaging/azeventhubs/v2"
	goamqp "github.com/Azure/go-amqp"
	"go.uber.org/goleak"

	"azx/internal/local/iothub"
)

func TestMain(m *testing.M) {
	// azeventhubs v2.0.2 leaves the goroutine that renews a claim behind when the link it is for is refused.
	goleak.VerifyTestMain(m, goleak.IgnoreTopFunction(
		"github.com/Azure/azure-sdk-for-go/sdk/messaging/azeventhubs/v2/internal.(*Namespace).startNegotiateClaimRenewer.func3"))
}

// cloud is the host name of hubs whose namespace has another name, as in the cloud.
const cloud = "plant1.azure-devices.net"

// fixture is a hub with its front on a TLS and a plain port.
type fixture struct {
	t     *testing.T
	ctx   context.Context
	hub   *iothub.Hub
	roots *x509.CertPool
	tls   string // addresses
	plain string
	dial  func(host string) net.Conn // to the TLS port, under that name
}

func newFixture(t *testing.T, cfg iothub.Config) *fixture {
	t.Helper()
	hub, err := iothub.Open(cfg)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	f := &fixture{t: t, ctx: ctx, hub: hub}
	f.dial = func(host string) net.Conn {
		nc, err := tls.Dial("tcp", f.tls, &tls.Config{RootCAs: f.roots, ServerName: host})
		if err != nil {
			t.Fatal(err)
		}
		return nc
	}
	certificate, roots := selfSigned(t, hub.Names().Host, hub.Names().Namespace)
	f.roots = roots
	front := New()
	serve := func(wrap func(net.Listener) net.Listener) string {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		done := make(chan error, 1)
		go func() { done <- front.Serve(ctx, wrap(l), hub, slog.New(slog.DiscardHandler)) }()
		t.Cleanup(func() {
			cancel()
			if err := <-done; err != nil {
				t.Errorf("serve: %v", err)
			}
		})
		return l.Addr().String()
	}
	f.plain = serve(func(l net.Listener) net.Listener { return l })
	f.tls = serve(func(l net.Listener) net.Listener {
		return tls.NewListener(l, &tls.Config{Certificates: []tls.Certificate{certificate}})
	})
	return f
}

func selfSigned(t *testing.T, hosts ...string) (tls.Certificate, *x509.CertPool) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "test"}, DNSNames: hosts, IsCA: true, BasicConstraintsValid: true,
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	parsed, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	roots := x509.NewCertPool()
	roots.AddCert(parsed)
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}, roots
}

// device adds a device and returns how to send as it.
func (f *fixture) device(id iothub.ID) iothub.Principal {
	f.t.Helper()
	if id.Module != "" {
		f.device(iothub.ID{Device: id.Device})
	}
	added, err := f.hub.Registry().Add(iothub.Spec{ID: id})
	if err != nil {
		f.t.Fatal(err)
	}
	resource := f.hub.Names().Host + "/" + id.Path()
	token, err := iothub.SignToken(resource, "", added[0].PrimaryKey, f.hub.Now().Add(time.Hour))
	if err != nil {
		f.t.Fatal(err)
	}
	p, err := f.hub.VerifyHub(token, resource)
	if err != nil {
		f.t.Fatal(err)
	}
	return p
}

func (f *fixture) accept(p iothub.Principal, m iothub.Message) *iothub.Event {
	f.t.Helper()
	e, err := f.hub.Accept(p, m)
	if err != nil {
		f.t.Fatal(err)
	}
	return e
}

// consumer opens the SDK's client with the hub's own connection string, dialling the TLS port.
func (f *fixture) consumer(group string) *azeventhubs.ConsumerClient {
	f.t.Helper()
	return f.consumerOf(f.hub.EventHubsConnectionString(), group, f.tls)
}

func (f *fixture) consumerOf(connectionString, group, address string) *azeventhubs.ConsumerClient {
	f.t.Helper()
	c, err := azeventhubs.NewConsumerClientFromConnectionString(connectionString, "", group, &azeventhubs.ConsumerClientOptions{
		CustomEndpoint: address,
		TLSConfig:      &tls.Config{RootCAs: f.roots},
		RetryOptions:   azeventhubs.RetryOptions{MaxRetries: -1},
	})
	if err != nil {
		f.t.Fatal(err)
	}
	f.t.Cleanup(func() { _ = c.Close(context.Background()) })
	return c
}

func (f *fixture) partition(c *azeventhubs.ConsumerClient, id string, o azeventhubs.PartitionClientOptions) *azeventhubs.PartitionClient {
	f.t.Helper()
	p, err := c.NewPartitionClient(id, &o)
	if err != nil {
		f.t.Fatal(err)
	}
	f.t.Cleanup(func() { _ = p.Close(context.Background()) })
	return p
}

func earliest() azeventhubs.StartPosition { return azeventhubs.StartPosition{Earliest: new(true)} }

// receive takes n events of a partition.
func (f *fixture) receive(p *azeventhubs.PartitionClient, n int) []*azeventhubs.ReceivedEventData {
	f.t.Helper()
	var all []*azeventhubs.ReceivedEventData
	for len(all) < n {
		events, err := p.ReceiveEvents(f.ctx, n-len(all), nil)
		if err != nil {
			f.t.Fatalf("received %d of %d: %v", len(all), n, err)
		}
		all = append(all, events...)
	}
	return all
}

func bodies(events []*azeventhubs.ReceivedEventData) string {
	var all []string
	for _, e := range events {
		all = append(all, string(e.Body))
	}
	return strings.Join(all, " ")
}

func wantCode(t *testing.T, err error, code azeventhubs.ErrorCode) {
	t.Helper()
	var e *azeventhubs.Error
	if !errors.As(err, &e) || e.Code != code {
		t.Errorf("error %v, want code %s", err, code)
	}
}

func wantCondition(t *testing.T, err error, condition goamqp.ErrCond) {
	t.Helper()
	if err == nil || !strings.Contains(err.Error(), string(condition)) { // azeventhubs unwraps to no AMQP error
		t.Errorf("error %v, want condition %s", err, condition)
	}
}

func TestTheSDKReadsThePropertiesOfTheEventHub(t *testing.T) {
	f := newFixture(t, iothub.Config{Host: cloud, Partitions: 3})
	got, err := f.consumer("$Default").GetEventHubProperties(f.ctx, nil)
	if err != nil {
		t.Fatal(err)
	}
	if got.Name != f.hub.Names().EventHub || fmt.Sprint(got.PartitionIDs) != "[0 1 2]" || got.GeoReplicationEnabled || got.CreatedOn.UnixMilli() != f.hub.Created().UnixMilli() {
		t.Errorf("properties %+v", got)
	}
}

func TestTheSDKReadsThePropertiesOfAPartition(t *testing.T) {
	f := newFixture(t, iothub.Config{Host: cloud, Partitions: 1})
	c := f.consumer("$Default")
	empty, err := c.GetPartitionProperties(f.ctx, "0", nil)
	if err != nil || !empty.IsEmpty || empty.LastEnqueuedOffset != "-1" {
		t.Fatalf("empty partition: %+v (%v)", empty, err)
	}
	p := f.device(iothub.ID{Device: "d1"})
	f.accept(p, iothub.Message{Body: []byte("1")})
	last := f.accept(p, iothub.Message{Body: []byte("2")})
	got, err := c.GetPartitionProperties(f.ctx, "0", nil)
	if err != nil {
		t.Fatal(err)
	}
	if got.IsEmpty || got.LastEnqueuedSequenceNumber != last.SequenceNumber || got.BeginningSequenceNumber != last.SequenceNumber-1 ||
		got.LastEnqueuedOffset != last.Offset || got.LastEnqueuedOn.UnixMilli() != last.EnqueuedTime.UnixMilli() {
		t.Errorf("properties %+v, last event %+v", got, last)
	}
	if _, err := c.GetPartitionProperties(f.ctx, "1", nil); err == nil {
		t.Error("a partition that does not exist has properties")
	}
}

func TestTheSDKReceivesEveryEventOfEveryPartitionInOrder(t *testing.T) {
	for _, v := range []struct {
		name string
		host string
		read func(f *fixture) *azeventhubs.ConsumerClient
	}{
		{"over TLS with the names of the cloud", cloud, func(f *fixture) *azeventhubs.ConsumerClient { return f.consumer("$Default") }},
		{"over TLS on localhost", "", func(f *fixture) *azeventhubs.ConsumerClient { return f.consumer("azx") }},
		{"in the emulator mode", "", func(f *fixture) *azeventhubs.ConsumerClient {
			_, port, _ := net.SplitHostPort(f.plain)
			text := strings.Replace(f.hub.EventHubsConnectionString(), "sb://localhost/", "sb://localhost:"+port, 1)
			return f.consumerOf(text+";UseDevelopmentEmulator=true", "$default", "")
		}},
	} {
		t.Run(v.name, func(t *testing.T) {
			f := newFixture(t, iothub.Config{Host: v.host})
			const each = 500
			sent := map[int]string{}
			for d := range 6 {
				id := iothub.ID{Device: fmt.Sprintf("device%d", d)}
				p, n := f.device(id), f.hub.PartitionOf(id.Device)
				for i := range each {
					body := fmt.Sprintf("%d/%d", d, i)
					f.accept(p, iothub.Message{Body: []byte(body)})
					sent[n] += " " + body
				}
			}
			c := v.read(f)
			for n, want := range sent {
				p := f.partition(c, fmt.Sprint(n), azeventhubs.PartitionClientOptions{StartPosition: earliest()})
				if got := " " + bodies(f.receive(p, strings.Count(want, " "))); got != want {
					t.Errorf("partition %d differs", n)
				}
			}
		})
	}
}

func TestAnEventHasTheAnnotationsAndPropertiesOfTheHub(t *testing.T) {
	f := newFixture(t, iothub.Config{Host: cloud, Partitions: 1})
	id := iothub.ID{Device: "edge.1", Module: "m"}
	sent := f.accept(f.device(id), iothub.Message{
		Body: []byte(`{"t":1}`), Properties: map[string]string{"b": "2", "a": "1", "iothub-creation-time-utc": "2026-01-02T03:04:05Z"},
		MessageID: "m-1", CorrelationID: "c-1", UserID: "u", To: "/x", ContentType: "application/json", ContentEncoding: "utf-8",
		Subject: "thermostat", DataSchema: "dtmi:x;1", InterfaceID: "urn:i",
	})
	p := f.partition(f.consumer("$Default"), "0", azeventhubs.PartitionClientOptions{StartPosition: earliest()})
	got := f.receive(p, 1)[0]
	if got.SequenceNumber != sent.SequenceNumber || got.Offset != sent.Offset || got.EnqueuedTime.UnixMilli() != sent.EnqueuedTime.UnixMilli() {
		t.Errorf("stamps %d %q %v, want those of %+v", got.SequenceNumber, got.Offset, got.EnqueuedTime, sent)
	}
	for name, want := range map[string]any{
		"iothub-connection-device-id":          "edge.1",
		"iothub-connection-module-id":          "m",
		"iothub-connection-auth-method":        `{"scope":"module","type":"sas","issuer":"iothub","acceptingIpFilterRule":null}`,
		"iothub-connection-auth-generation-id": sent.GenerationID,
		"iothub-enqueuedtime":                  time.UnixMilli(sent.HubTime.UnixMilli()),
		"iothub-message-source":                "Telemetry",
		"dt-subject":                           "thermostat",
		"dt-dataschema":                        "dtmi:x;1",
		"iothub-interface-id":                  "urn:i",
	} {
		if got.SystemProperties[name] != want {
			t.Errorf("%s is %#v, want %#v", name, got.SystemProperties[name], want)
		}
	}
	if len(got.SystemProperties) != 9 {
		t.Errorf("annotations %v", got.SystemProperties)
	}
	if fmt.Sprint(got.Properties) != "map[a:1 b:2 iothub-creation-time-utc:2026-01-02T03:04:05Z]" {
		t.Errorf("application properties %v", got.Properties)
	}
	raw := got.RawAMQPMessage.Properties
	if *got.MessageID != "m-1" || got.CorrelationID != any("c-1") || string(raw.UserID) != "u" || *raw.To != "/x" || *got.ContentType != "application/json" || *raw.ContentEncoding != "utf-8" {
		t.Errorf("properties %+v", raw)
	}
	if string(got.Body) != `{"t":1}` {
		t.Errorf("body %q", got.Body)
	}
}

func TestAReaderStartsWhereItsFilterSays(t *testing.T) {
	var step atomic.Int64 // seconds
	base := time.Now().Add(-time.Hour).Truncate(time.Millisecond)
	clock := func() time.Time { return base.Add(time.Duration(step.Load()) * time.Second) }
	f := newFixture(t, iothub.Config{Host: cloud, Partitions: 1, Clock: clock})
	p := f.device(iothub.ID{Device: "d"})
	var events []*iothub.Event
	for _, letter := range "abcde" {
		events = append(events, f.accept(p, iothub.Message{Body: []byte(string(letter))}))
		step.Add(1)
	}
	c := f.consumer("$Default")
	for _, v := range []struct {
		name string
		from azeventhubs.StartPosition
		want string
	}{
		{"earliest", earliest(), "a b c d e"},
		{"after an offset", azeventhubs.StartPosition{Offset: &events[1].Offset}, "c d e"},
		{"at an offset", azeventhubs.StartPosition{Offset: &events[1].Offset, Inclusive: true}, "b c d e"},
		{"after a sequence number", azeventhubs.StartPosition{SequenceNumber: &events[2].SequenceNumber}, "d e"},
		{"at a sequence number", azeventhubs.StartPosition{SequenceNumber: &events[2].SequenceNumber, Inclusive: true}, "c d e"},
		{"after a time", azeventhubs.StartPosition{EnqueuedTime: &events[3].EnqueuedTime}, "e"},
		{"at a time", azeventhubs.StartPosition{EnqueuedTime: &events[3].EnqueuedTime, Inclusive: true}, "d e"},
	} {
		t.Run(v.name, func(t *testing.T) {
			pc := f.partition(c, "0", azeventhubs.PartitionClientOptions{StartPosition: v.from})
			if got := bodies(f.receive(pc, strings.Count(v.want, " ")+1)); got != v.want {
				t.Errorf("received %q, want %q", got, v.want)
			}
			if err := pc.Close(f.ctx); err != nil {
				t.Error(err)
			}
		})
	}
}

func TestAReaderAtTheEndSeesOnlyWhatComesLater(t *testing.T) {
	f := newFixture(t, iothub.Config{Host: cloud, Partitions: 1})
	d := f.device(iothub.ID{Device: "d"})
	f.accept(d, iothub.Message{Body: []byte("old")})
	p := f.partition(f.consumer("$Default"), "0", azeventhubs.PartitionClientOptions{StartPosition: azeventhubs.StartPosition{Latest: new(true)}, Prefetch: -1})
	// The link is made by the first receive, so ask once in vain before the new event comes.
	ctx, cancel := context.WithTimeout(f.ctx, time.Second)
	defer cancel()
	if events, err := p.ReceiveEvents(ctx, 1, nil); err == nil {
		t.Fatalf("received %q", bodies(events))
	}
	f.accept(d, iothub.Message{Body: []byte("new")})
	if got := bodies(f.receive(p, 1)); got != "new" {
		t.Errorf("received %q, want the new event", got)
	}
}

func TestAReaderThatIsSilencedGetsNothingUntilItIsOpenedAgain(t *testing.T) {
	f := newFixture(t, iothub.Config{Host: cloud, Partitions: 1})
	d := f.device(iothub.ID{Device: "d"})
	f.accept(d, iothub.Message{Body: []byte("1")})
	reader := func(group string) *azeventhubs.PartitionClient {
		return f.partition(f.consumer(group), "0", azeventhubs.PartitionClientOptions{StartPosition: earliest(), OwnerLevel: new(int64(1))})
	}
	silent, other := reader("$Default"), reader("azx")
	f.receive(silent, 1)
	f.receive(other, 1)
	if err := f.hub.Silence(iothub.Reading{ConsumerGroup: "$default"}); err != nil {
		t.Fatal(err)
	}
	f.accept(d, iothub.Message{Body: []byte("2")})
	if got := bodies(f.receive(other, 1)); got != "2" {
		t.Errorf("another consumer group received %q", got)
	}
	ctx, cancel := context.WithTimeout(f.ctx, 200*time.Millisecond)
	defer cancel()
	if events, err := silent.ReceiveEvents(ctx, 1, nil); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("the silenced reader received %q, %v", bodies(events), err)
	}
	if got := bodies(f.receive(reader("$Default"), 2)); got != "1 2" {
		t.Errorf("the next reader received %q", got)
	}
}

func TestAHigherOwnerLevelTakesThePartitionOver(t *testing.T) {
	f := newFixture(t, iothub.Config{Host: cloud, Partitions: 1})
	d := f.device(iothub.ID{Device: "d"})
	f.accept(d, iothub.Message{Body: []byte("1")})
	c := f.consumer("$Default")
	reader := func(level *int64) *azeventhubs.PartitionClient {
		return f.partition(c, "0", azeventhubs.PartitionClientOptions{StartPosition: earliest(), OwnerLevel: level})
	}
	none, first, second, third := reader(nil), reader(new(int64(1))), reader(new(int64(1))), reader(new(int64(0)))
	f.receive(none, 1)
	f.receive(first, 1)
	_, err := none.ReceiveEvents(f.ctx, 1, nil)
	wantCode(t, err, azeventhubs.ErrorCodeOwnershipLost)
	f.receive(second, 1)
	_, err = first.ReceiveEvents(f.ctx, 1, nil)
	wantCode(t, err, azeventhubs.ErrorCodeOwnershipLost)
	for name, late := range map[string]*azeventhubs.PartitionClient{"a lower level": third, "no level": reader(nil)} {
		if _, err = late.ReceiveEvents(f.ctx, 1, nil); err == nil {
			t.Errorf("%s reads a partition that is owned", name)
		}
		wantCode(t, err, azeventhubs.ErrorCodeOwnershipLost)
	}
	f.accept(d, iothub.Message{Body: []byte("2")})
	if got := bodies(f.receive(second, 1)); got != "2" {
		t.Errorf("the owner received %q", got)
	}
	other := f.partition(f.consumer("azx"), "0", azeventhubs.PartitionClientOptions{StartPosition: earliest()})
	f.receive(other, 2) // another consumer group is another matter
}

func TestASixthReaderWithoutOwnerLevelIsRefused(t *testing.T) {
	f := newFixture(t, iothub.Config{Host: cloud, Partitions: 1})
	f.accept(f.device(iothub.ID{Device: "d"}), iothub.Message{})
	c := f.consumer("$Default")
	for range maxPlainReaders {
		f.receive(f.partition(c, "0", azeventhubs.PartitionClientOptions{StartPosition: earliest()}), 1)
	}
	p := f.partition(c, "0", azeventhubs.PartitionClientOptions{StartPosition: earliest()})
	_, err := p.ReceiveEvents(f.ctx, 1, nil)
	wantCondition(t, err, goamqp.ErrCondResourceLimitExceeded)
}

func TestWhatDoesNotExistIsRefused(t *testing.T) {
	f := newFixture(t, iothub.Config{Host: cloud, Partitions: 1})
	for _, v := range []struct {
		name, group, partition string
		want                   goamqp.ErrCond
	}{
		{"a consumer group", "nobody", "0", goamqp.ErrCondNotFound},
		{"a partition", "$Default", "1", "com.microsoft:argument-out-of-range"},
		{"a partition whose number is written otherwise", "$Default", "00", "com.microsoft:argument-out-of-range"},
	} {
		t.Run(v.name, func(t *testing.T) {
			p := f.partition(f.consumer(v.group), v.partition, azeventhubs.PartitionClientOptions{StartPosition: earliest()})
			_, err := p.ReceiveEvents(f.ctx, 1, nil)
			wantCondition(t, err, v.want)
		})
	}
	text := strings.Replace(f.hub.EventHubsConnectionString(), f.hub.Names().EventHub, "other", 1)
	if _, err := f.consumerOf(text, "$Default", f.tls).GetEventHubProperties(f.ctx, nil); err == nil {
		t.Error("another event hub has properties")
	}
	bad := "not-a-number"
	p := f.partition(f.consumer("$Default"), "0", azeventhubs.PartitionClientOptions{StartPosition: azeventhubs.StartPosition{Offset: &bad}})
	_, err := p.ReceiveEvents(f.ctx, 1, nil)
	wantCondition(t, err, "com.microsoft:argument-error")
}

func TestAKeyThatIsNotThePolicysIsRefused(t *testing.T) {
	f := newFixture(t, iothub.Config{Host: cloud, Partitions: 1})
	text := f.hub.EventHubsConnectionString()
	service, _ := f.hub.Policy("service")
	registry, _ := f.hub.Policy("registryRead")
	for name, text := range map[string]string{
		"another key":                        strings.Replace(text, service.PrimaryKey, "d3Jvbmc=", 1),
		"a policy that does not exist":       strings.Replace(text, "SharedAccessKeyName=service", "SharedAccessKeyName=nobody", 1),
		"a policy without the right to read": strings.Replace(strings.Replace(text, "=service;", "=registryRead;", 1), service.PrimaryKey, registry.PrimaryKey, 1),
	} {
		t.Run(name, func(t *testing.T) {
			c := f.consumerOf(text, "$Default", f.tls)
			if _, err := c.GetEventHubProperties(f.ctx, nil); err == nil || !strings.Contains(err.Error(), "401") {
				t.Errorf("error %v, want 401", err)
			}
			p := f.partition(c, "0", azeventhubs.PartitionClientOptions{StartPosition: earliest()})
			_, err := p.ReceiveEvents(f.ctx, 1, nil)
			wantCode(t, err, azeventhubs.ErrorCodeUnauthorizedAccess)
		})
	}
}
