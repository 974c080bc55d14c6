package serve

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"azx/internal/local/iothub"
	"azx/internal/local/iothub/control"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func start(t *testing.T, o Options) *Running {
	t.Helper()
	r, err := Start(context.Background(), o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { stop(t, r) })
	return r
}

func stop(t *testing.T, r *Running) {
	t.Helper()
	r.Stop()
	if err := r.Wait(); err != nil {
		t.Errorf("the hub ended with %v", err)
	}
}

func (r *Running) dialTLS(port int, name string) (*tls.Conn, error) {
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(r.CA)
	return tls.Dial("tcp", fmt.Sprintf("127.0.0.1:%d", port), &tls.Config{ServerName: name, RootCAs: roots})
}

func TestEveryTLSPortShowsACertificateForEveryName(t *testing.T) {
	r := start(t, Options{Host: "plant1.azure-devices.net"})
	names := r.Hub.Names()
	p := r.Info.Ports
	for _, port := range []int{p.MQTT, p.AMQPS, p.HTTPS} {
		for _, name := range []string{"localhost", names.Host, names.Namespace, "127.0.0.1", "::1"} {
			conn, err := r.dialTLS(port, name)
			if err != nil {
				t.Errorf("port %d as %s: %v", port, name, err)
				continue
			}
			_ = conn.Close()
		}
		if conn, err := r.dialTLS(port, "plant2.azure-devices.net"); err == nil {
			_ = conn.Close()
			t.Errorf("port %d has a certificate for a name that is not the hub's", port)
		}
	}
}

func TestHTTPSWantsAToken(t *testing.T) {
	r := start(t, Options{})
	conn, err := r.dialTLS(r.Info.Ports.HTTPS, "localhost")
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	fmt.Fprint(conn, "GET /devices/d1 HTTP/1.0\r\n\r\n")
	answer, err := io.ReadAll(conn)
	if err != nil || !strings.HasPrefix(string(answer), "HTTP/1.0 401") || !strings.Contains(string(answer), "ErrorCode:IotHubUnauthorizedAccess") {
		t.Fatalf("got %q, %v", answer, err)
	}
}

func TestHubJSONSaysHowToReachTheHub(t *testing.T) {
	dir := t.TempDir()
	r := start(t, Options{Dir: dir})
	info, err := ReadInfo(dir)
	if err != nil || info != r.Info {
		t.Fatalf("read %+v, %v; want %+v", info, err, r.Info)
	}
	if _, err := info.Roots(); err != nil {
		t.Error(err)
	}
	text, _ := os.ReadFile(filepath.Join(dir, infoFile))
	var keys map[string]any
	if err := json.Unmarshal(text, &keys); err != nil {
		t.Fatal(err)
	}
	for _, key := range []string{"hostName", "ca", "ports", "serviceConnectionString", "eventHubsConnectionString", "control"} {
		if keys[key] == nil || keys[key] == "" {
			t.Errorf("hub.json has no %s", key)
		}
	}
	for _, file := range []string{infoFile, caKeyFile} {
		if stat, err := os.Stat(filepath.Join(dir, file)); err != nil || stat.Mode().Perm() != 0o600 {
			t.Errorf("%s: mode %v, %v; want 0600", file, stat.Mode(), err)
		}
	}
}

func TestTheAuthorityAndTheKeysOutliveAStop(t *testing.T) {
	dir := t.TempDir()
	first := start(t, Options{Dir: dir})
	stop(t, first)
	second := start(t, Options{Dir: dir})
	if string(first.CA) != string(second.CA) {
		t.Error("the authority changed")
	}
	if first.Info.ServiceConnectionString != second.Info.ServiceConnectionString {
		t.Error("the keys changed")
	}
	if first.Info.Control == second.Info.Control {
		t.Error("the secret of the control interface stayed the same")
	}
}

func TestASecondHubInTheSameFolderIsRefused(t *testing.T) {
	dir := t.TempDir()
	start(t, Options{Dir: dir})
	if _, err := Start(context.Background(), Options{Dir: dir}); err == nil || !strings.Contains(err.Error(), "another hub is running") {
		t.Fatalf("got %v", err)
	}
}

func TestABusyPortIsNamedWithItsFlagOrStepped(t *testing.T) {
	busy, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer busy.Close()
	taken := port(busy)
	for flag, ports := range map[string]Ports{"--mqtt": {MQTT: taken}, "--amqps": {AMQPS: taken}, "--amqp": {AMQP: taken}, "--https": {HTTPS: taken}} {
		_, err := Start(context.Background(), Options{Ports: ports})
		if err == nil || !strings.Contains(err.Error(), fmt.Sprint(taken)) || !strings.Contains(err.Error(), flag+" PORT") {
			t.Errorf("got %v, want the port %d and the flag %s", err, taken, flag)
		}
	}
	var notices []string
	r := start(t, Options{Ports: Ports{MQTT: taken}, NextFreePort: true, Notice: func(text string) { notices = append(notices, text) }})
	if got := r.Info.Ports.MQTT; got <= taken || got > taken+portsAhead || len(notices) != 1 {
		t.Errorf("MQTT is at %d, %d was taken; notices %q", got, taken, notices)
	}
}

func TestHTTPSFallsBackWhenItsPortNeedsPrivileges(t *testing.T) {
	var notices []string
	r := start(t, Options{
		Ports:  Ports{HTTPS: 443},
		Notice: func(text string) { notices = append(notices, text) },
		listen: func(network, address string) (net.Listener, error) {
			switch address {
			case "127.0.0.1:443":
				return nil, &net.OpError{Op: "listen", Err: os.ErrPermission}
			case "127.0.0.1:8443":
				address = "127.0.0.1:0" // stands for it, so that the test needs no particular port
			}
			return net.Listen(network, address)
		},
	})
	if r.Info.Ports.HTTPS == 443 || len(notices) != 1 || !strings.Contains(notices[0], "port 443 cannot be used") {
		t.Errorf("HTTPS is at %d, notices %q", r.Info.Ports.HTTPS, notices)
	}
}

func TestOnlyLoopbackIsListenedOn(t *testing.T) {
	for _, address := range []string{"0.0.0.0", "::", "192.0.2.1", "example"} {
		if _, err := Start(context.Background(), Options{Listen: address}); err == nil || !strings.Contains(err.Error(), "loopback") {
			t.Errorf("%s: got %v", address, err)
		}
	}
}

func TestTheServerCertificateIsRenewedBeforeItsEnd(t *testing.T) {
	now := time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)
	known, _ := iothub.NewNames("localhost")
	names := func() iothub.Names { return known }
	a, err := openAuthority("", names, func() time.Time { return now }, leafLife)
	if err != nil {
		t.Fatal(err)
	}
	first, err := a.certificate()
	if err != nil {
		t.Fatal(err)
	}
	now = now.Add(leafLife / 2)
	if same, _ := a.certificate(); same != first {
		t.Error("renewed at half of its life")
	}
	now = now.Add(leafLife / 4)
	second, err := a.certificate()
	if err != nil || second == first || !second.Leaf.NotAfter.After(first.Leaf.NotAfter) {
		t.Errorf("not renewed near its end: %v", err)
	}
}

func TestAnAuthorityNearItsEndIsReplacedAndADamagedOneNamed(t *testing.T) {
	dir := t.TempDir()
	now := time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)
	clock := func() time.Time { return now }
	known, _ := iothub.NewNames("localhost")
	names := func() iothub.Names { return known }
	first, err := openAuthority(dir, names, clock, leafLife)
	if err != nil {
		t.Fatal(err)
	}
	now = now.Add(caLife - leafLife/2)
	second, err := openAuthority(dir, names, clock, leafLife)
	if err != nil || string(second.pem) == string(first.pem) {
		t.Fatalf("an authority near its end is kept: %v", err)
	}
	if err := os.WriteFile(filepath.Join(dir, caKeyFile), []byte("x"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := openAuthority(dir, names, clock, leafLife); err == nil || !strings.Contains(err.Error(), "remove") {
		t.Fatalf("damaged key: got %v", err)
	}
}

func TestControl(t *testing.T) {
	r := start(t, Options{})
	ctx := context.Background()
	c := control.NewClient(r.Info.Control)
	added, err := c.AddDevices(ctx, iothub.Spec{ID: iothub.ID{Device: "edge"}, Edge: true}, iothub.Spec{ID: iothub.ID{Device: "edge", Module: "m1"}})
	if err != nil || len(added) != 2 || !added[0].Edge || !strings.Contains(added[1].ConnectionString, ";ModuleId=m1;") ||
		!strings.HasPrefix(added[0].ConnectionString, fmt.Sprintf("HostName=localhost:%d;DeviceId=edge;", r.Info.Ports.MQTT)) {
		t.Fatalf("added %+v, %v", added, err)
	}
	again, err := c.AddDevices(ctx, iothub.Spec{ID: iothub.ID{Device: "edge"}, Edge: true})
	if err != nil || again[0] != added[0] {
		t.Errorf("adding what exists: %+v, %v", again, err)
	}
	if _, err := c.AddDevices(ctx, iothub.Spec{ID: iothub.ID{Device: "edge"}}); err != nil {
		t.Errorf("asking for an edge device without saying so: %v", err)
	}
	plain := iothub.ID{Device: "plain"}
	if _, err := r.Hub.Registry().Add(iothub.Spec{ID: plain}); err != nil {
		t.Fatal(err)
	}
	if _, err := c.AddDevices(ctx, iothub.Spec{ID: plain, Edge: true}); err == nil || !strings.Contains(err.Error(), "is not an edge device") {
		t.Errorf("adding a plain device as an edge device: %v", err)
	}
	if _, err := c.AddDevices(ctx, iothub.Spec{ID: iothub.ID{Device: "a b"}}); err == nil || !strings.Contains(err.Error(), "bad id") {
		t.Errorf("adding a bad id: %v", err)
	}
	if _, err := c.Device(ctx, iothub.ID{Device: "no"}); err == nil || !strings.Contains(err.Error(), "not found") {
		t.Errorf("asking for a device that is not there: %v", err)
	}
	if one, err := c.Device(ctx, iothub.ID{Device: "edge", Module: "m1"}); err != nil || one != added[1] {
		t.Errorf("asking for one: %+v, %v", one, err)
	}
	if err := c.SetDisabled(ctx, iothub.ID{Device: "edge"}, true); err != nil {
		t.Error(err)
	}
	if all, err := c.Devices(ctx); err != nil || len(all) != 5 || !all[0].Disabled {
		t.Errorf("list: %+v, %v", all, err)
	}
	if err := c.AddConsumerGroup(ctx, "mine"); err != nil || !r.Hub.HasConsumerGroup("mine") {
		t.Errorf("consumer group: %v", err)
	}
	if err := c.AddConsumerGroup(ctx, "mine"); err != nil {
		t.Errorf("consumer group again: %v", err)
	}
	if counters, err := c.Counters(ctx); err != nil || len(counters) != 5 {
		t.Errorf("counters: %+v, %v", counters, err)
	}
	if heads, err := c.Partitions(ctx); err != nil || len(heads) != 4 || !heads[3].Empty || heads[3].ID != 3 {
		t.Errorf("partitions: %+v, %v", heads, err)
	}
}

func TestControlAnswersOnlyThoseWhoKnowItsSecretAndItsName(t *testing.T) {
	r := start(t, Options{})
	for name, c := range map[string]struct{ url, host string }{
		"without the secret":                  {r.Info.Control[:strings.LastIndex(r.Info.Control, "/")] + "/devices", ""},
		"with another secret":                 {r.Info.Control + "x/devices", ""},
		"under a name a web page could bring": {r.Info.Control + "/devices", "evil.example"},
	} {
		t.Run(name, func(t *testing.T) {
			request, err := http.NewRequest(http.MethodGet, c.url, nil)
			if err != nil {
				t.Fatal(err)
			}
			request.Host, request.Close = c.host, true
			response, err := http.DefaultClient.Do(request)
			if err != nil {
				t.Fatal(err)
			}
			defer response.Body.Close()
			if response.StatusCode != http.StatusNotFound {
				t.Fatalf("answered %s", response.Status)
			}
		})
	}
	var gone error
	stop(t, r)
	_, gone = control.NewClient(r.Info.Control).Devices(context.Background())
	if gone == nil || strings.Contains(gone.Error(), r.Info.Control[len(r.Info.Control)-32:]) {
		t.Errorf("after the stop: %v, want an error without the secret", gone)
	}
}

func TestTheAMQPFrontGetsItsPortsAndTheWebSocketsOfHTTPS(t *testing.T) {
	var mu sync.Mutex
	var served []int
	all := make(chan struct{})
	r := start(t, Options{AMQP: func(ctx context.Context, l net.Listener, _ *iothub.Hub, _ *slog.Logger) error {
		mu.Lock()
		served = append(served, port(l))
		if len(served) == 3 {
			close(all)
		}
		mu.Unlock()
		<-ctx.Done()
		return l.Close()
	}})
	<-all
	slices.Sort(served)
	want := []int{r.Info.Ports.AMQP, r.Info.Ports.AMQPS, r.Info.Ports.HTTPS}
	if slices.Sort(want); !slices.Equal(served, want) {
		t.Errorf("serves %v, want %v", served, want)
	}
}

func TestAModuleOfAnEdgeDeviceBringsItsDevice(t *testing.T) {
	dir := t.TempDir()
	r, err := Start(context.Background(), Options{Dir: dir})
	if err != nil {
		t.Fatal(err)
	}
	defer r.Wait()
	defer r.Stop()
	c, err := Open(context.Background(), dir)
	if err != nil {
		t.Fatal(err)
	}
	text, err := c.AddDevice(context.Background(), iothub.Spec{ID: iothub.ID{Device: "edge", Module: "m1"}, Edge: true})
	if err != nil || !strings.Contains(text, "DeviceId=edge;ModuleId=m1;") {
		t.Fatalf("got %q, %v", text, err)
	}
	device, err := r.Hub.Registry().Get(iothub.ID{Device: "edge"})
	if err != nil || !device.Edge {
		t.Fatalf("its device: %+v, %v", device, err)
	}
}

func TestACertificateMayHaveExpiredAndAClockMayBeWrong(t *testing.T) {
	ahead := func() time.Time { return time.Now().Add(30 * time.Minute) }
	r := start(t, Options{Clock: ahead, CertificateLife: -time.Hour})
	address := net.JoinHostPort(r.Info.Listen, fmt.Sprint(r.Info.Ports.HTTPS))
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(r.CA)
	get := func(at time.Time) (*http.Response, error) {
		trust := &tls.Config{RootCAs: roots, Time: func() time.Time { return at }}
		client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true, TLSClientConfig: trust}}
		return client.Get("https://" + address + "/")
	}
	if _, err := get(time.Now()); err == nil || !strings.Contains(err.Error(), "expired") {
		t.Fatalf("the certificate is good: %v", err)
	}
	answer, err := get(time.Now().Add(-time.Hour))
	if err != nil {
		t.Fatal(err)
	}
	_ = answer.Body.Close()
	at, err := http.ParseTime(answer.Header.Get("Date"))
	if off := time.Until(at) - 30*time.Minute; err != nil || off.Abs() > time.Minute {
		t.Errorf("Date is %s, %v", answer.Header.Get("Date"), err)
	}
}
