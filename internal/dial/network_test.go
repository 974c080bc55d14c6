package dial_test

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"azx/internal/dial"
	"azx/internal/fault"
)

func TestATransportGoesToItsPort(t *testing.T) {
	certificate() // made outside of synthetic time
	for name, c := range map[string]struct {
		transport    dial.Transport
		amqps, https state
		got          string
		dialled      string
		says, hint   string // of the error, if there is one
		class        fault.Class
	}{
		"by default AMQP":      {transport: "", got: "amqp", dialled: "[plant1.azure-devices.net:5671]"},
		"AMQP":                 {transport: dial.TransportAMQP, got: "amqp", dialled: "[plant1.azure-devices.net:5671]"},
		"WebSocket":            {transport: dial.TransportWebSocket, amqps: refuses, got: "websocket", dialled: "[plant1.azure-devices.net:443]"},
		"auto where both work": {transport: dial.TransportAuto, got: "amqp", dialled: "[plant1.azure-devices.net:5671]"},
		"auto where 5671 is refused": {transport: dial.TransportAuto, amqps: refuses, got: "websocket",
			dialled: "[plant1.azure-devices.net:5671 plant1.azure-devices.net:443]"},
		"auto where 5671 is dropped": {transport: dial.TransportAuto, amqps: drops, got: "websocket",
			dialled: "[plant1.azure-devices.net:5671 plant1.azure-devices.net:443]"},
		"auto where TLS is cut off": {transport: dial.TransportAuto, amqps: hangsUp, got: "websocket",
			dialled: "[plant1.azure-devices.net:5671 plant1.azure-devices.net:443]"},
		"auto where nothing works": {transport: dial.TransportAuto, amqps: drops, https: refuses, dialled: "[plant1.azure-devices.net:5671 plant1.azure-devices.net:443]",
			says: "websocket: reach plant1.azure-devices.net:443: dial tcp: connection refused", hint: "5671 or at 443"},
		"auto where the certificate is wrong, which is no blocked port": {transport: dial.TransportAuto, amqps: stranger, dialled: "[plant1.azure-devices.net:5671]",
			says: "TLS with plant1.azure-devices.net", hint: "caFile", class: fault.Credential},
		"AMQP where it is refused": {transport: dial.TransportAMQP, amqps: refuses, dialled: "[plant1.azure-devices.net:5671]",
			says: "reach plant1.azure-devices.net:5671", hint: "transport: websocket"},
		"AMQP where TLS is cut off": {transport: dial.TransportAMQP, amqps: hangsUp, dialled: "[plant1.azure-devices.net:5671]",
			says: "TLS with plant1.azure-devices.net", hint: "endpoints.amqps"},
		"WebSocket where it is refused": {transport: dial.TransportWebSocket, https: refuses, dialled: "[plant1.azure-devices.net:443]",
			says: "reach plant1.azure-devices.net:443", hint: "port 443"},
		"WebSocket where the certificate is wrong": {transport: dial.TransportWebSocket, https: stranger, dialled: "[plant1.azure-devices.net:443]",
			says: "TLS with plant1.azure-devices.net", hint: "caFile", class: fault.Credential},
		"WebSocket where there is none": {transport: dial.TransportWebSocket, https: deaf, dialled: "[plant1.azure-devices.net:443]",
			says: "it answers 404 Not Found", hint: "let WebSockets through"},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				h := &hub{amqps: c.amqps, https: c.https}
				defer h.close()
				got, err := over(t, h.network(c.transport))
				if got != c.got || fmt.Sprint(h.dialled) != c.dialled {
					t.Errorf("got %q, %v over %v", got, err, h.dialled)
				}
				if c.got == "" && (err == nil || !strings.Contains(err.Error(), c.says) || !strings.Contains(fault.HintOf(err), c.hint) || fault.ClassOf(err) != c.class) {
					t.Errorf("got %v, class %v, hint %q", err, fault.ClassOf(err), fault.HintOf(err))
				}
			})
		})
	}
}

func TestAddressesOfTheFileAreDialledUnderTheHubsName(t *testing.T) {
	certificate()
	synctest.Test(t, func(t *testing.T) {
		h := &hub{amqps: refuses}
		defer h.close()
		n := h.network(dial.TransportAuto)
		n.AMQPS, n.HTTPS = "10.0.0.1:15671", "10.0.0.2:443"
		if got, err := over(t, n); got != "websocket" || fmt.Sprint(h.dialled) != "[10.0.0.1:15671 10.0.0.2:443]" {
			t.Errorf("got %q, %v over %v", got, err, h.dialled)
		}
	})
	synctest.Test(t, func(t *testing.T) { // a redirect's address is one for AMQPS
		h := &hub{amqps: refuses}
		defer h.close()
		conn, err := h.network(dial.TransportAuto).Connect(t.Context(), dial.Target{Host: testHost, Address: "10.0.0.3:15671", Path: dial.PathHub})
		if err != nil || fmt.Sprint(h.dialled) != "[10.0.0.3:15671 plant1.azure-devices.net:443]" {
			t.Fatalf("got %v over %v", err, h.dialled)
		}
		_ = conn.Close()
	})
}

func TestABlockedPortIsToldOnceAndTriedAgainLater(t *testing.T) {
	certificate()
	synctest.Test(t, func(t *testing.T) {
		h := &hub{amqps: drops}
		defer h.close()
		var out bytes.Buffer
		n := h.network(dial.TransportAuto)
		n.Log = slog.New(slog.NewTextHandler(&out, nil))
		expect := func(want string, dials int, took time.Duration) {
			t.Helper()
			before, began := len(h.dialled), time.Now()
			got, err := over(t, n)
			if got != want || len(h.dialled)-before != dials || time.Since(began) != took {
				t.Errorf("got %q, %v, over %v, after %v", got, err, h.dialled[before:], time.Since(began))
			}
		}
		expect("websocket", 2, 5*time.Second)
		for range 20 {
			expect("websocket", 1, 0)
		}
		<-time.After(10 * time.Minute)
		expect("websocket", 2, 5*time.Second) // still blocked
		expect("websocket", 1, 0)
		if lines := strings.Count(out.String(), "\n"); lines != 1 || !strings.Contains(out.String(), "transport-changed") || !strings.Contains(out.String(), "deadline") {
			t.Errorf("it says %s", out.String())
		}
		h.amqps = takes
		expect("websocket", 1, 0) // not looked at yet
		<-time.After(10 * time.Minute)
		expect("amqp", 1, 0)
		expect("amqp", 1, 0)
		if lines := strings.Count(out.String(), "\n"); lines != 2 || !strings.Contains(out.String(), "again") {
			t.Errorf("it says %s", out.String())
		}
	})
}

func TestWhenWebSocketFailsAMQPIsTriedAtOnce(t *testing.T) {
	certificate()
	synctest.Test(t, func(t *testing.T) {
		h := &hub{amqps: refuses}
		defer h.close()
		n := h.network(dial.TransportAuto)
		for _, step := range []struct {
			amqps, https state
			want         string
		}{
			{refuses, takes, "websocket"}, {refuses, refuses, ""}, {refuses, takes, "websocket"}, {takes, refuses, "amqp"}, {takes, takes, "amqp"},
			{refuses, refuses, ""}, {takes, takes, "amqp"}, {hangsUp, takes, "websocket"}, {takes, deaf, "amqp"},
		} {
			h.amqps, h.https = step.amqps, step.https
			if got, err := over(t, n); got != step.want {
				t.Errorf("%+v: got %q, %v", step, got, err)
			}
		}
	})
}

func TestAConnectionThatIsGivenUpIsNoBlockedPort(t *testing.T) {
	certificate()
	synctest.Test(t, func(t *testing.T) {
		h := &hub{amqps: drops}
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		_, err := h.network(dial.TransportAuto).Connect(ctx, dial.Target{Host: testHost, Path: dial.PathHub})
		if !errors.Is(err, context.DeadlineExceeded) || len(h.dialled) != 1 {
			t.Errorf("got %v over %v", err, h.dialled)
		}
	})
}

func TestTheSystemsRootsAreLeftAloneUntilAHostNeedsThem(t *testing.T) {
	_, roots := certificate()
	var asked string
	trust := func(name string, pool *x509.CertPool) func() (*tls.Config, error) {
		return func() (*tls.Config, error) {
			asked += name
			return &tls.Config{RootCAs: pool}, nil
		}
	}
	none := x509.NewCertPool()
	for name, c := range map[string]struct {
		own, all *x509.CertPool
		does     state
		got      string // of two connections
		asked    string
	}{
		"a host of one's own":                        {own: roots, all: none, got: "amqp amqp", asked: "own own "},
		"another's, which is found once":             {own: none, all: roots, got: "amqp amqp", asked: "own all all "},
		"one whom nobody knows":                      {own: none, all: none, got: " ", asked: "own all all "},
		"one who ends the handshake is dialled once": {own: roots, all: roots, does: hangsUp, got: " ", asked: "own own "},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				h := &hub{amqps: c.does}
				defer h.close()
				n, before := h.network(""), asked
				n.Own, n.TLS = trust("own ", c.own), trust("all ", c.all)
				first, _ := over(t, n)
				second, err := over(t, n)
				if got := first + " " + second; got != c.got || asked != before+c.asked {
					t.Errorf("got %q with %q, %v", got, asked[len(before):], err)
				}
				if second == "" && c.does == takes && fault.ClassOf(err) != fault.Credential {
					t.Errorf("got %v", err)
				}
			})
		})
	}
}

func TestCertificatesAreReadAtEachHandshake(t *testing.T) {
	pair, _ := certificate()
	key, err := x509.MarshalPKCS8PrivateKey(pair.PrivateKey)
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	put := func(name, kind string, der []byte) string {
		file := filepath.Join(dir, name)
		if err := os.WriteFile(file, pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}), 0o600); err != nil {
			t.Fatal(err)
		}
		return file
	}
	files := dial.Files{CA: put("ca.pem", "CERTIFICATE", pair.Certificate[0]), Cert: put("cert.pem", "CERTIFICATE", pair.Certificate[0]),
		Key: put("key.pem", "PRIVATE KEY", key)}
	config, err := files.Config()
	if err != nil || config.RootCAs == nil || len(config.Certificates) != 1 {
		t.Fatalf("got %v, %v", config, err)
	}
	_, alone := certificate()
	if own, err := files.Own(); err != nil || !own.RootCAs.Equal(alone) || len(own.Certificates) != 1 {
		t.Errorf("without the system's: %v, %v", own, err)
	}
	for _, name := range []string{"key.pem", "cert.pem", "ca.pem"} { // that of the one read first comes last
		put(name, "NOTHING", []byte("canary"))
		if _, err := files.Own(); err == nil || !strings.Contains(err.Error(), name) {
			t.Errorf("%s, without the system's: got %v", name, err)
		}
		if _, err := files.Config(); err == nil || fault.ClassOf(err) != fault.Credential || fault.HintOf(err) == "" || !strings.Contains(err.Error(), name) {
			t.Errorf("%s: got %v", name, err)
		}
	}
	if config, err := (dial.Files{}).Config(); err != nil || config.RootCAs != nil || config.Certificates != nil {
		t.Errorf("without files: got %v, %v", config, err)
	}
}
