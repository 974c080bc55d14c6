package dial_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"

	"azx/internal/dial"
	"azx/internal/fault"
	"azx/internal/secret"
	"azx/test/process"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const canary = "canary-5up3r@/:%"

// hears is a server that says what it is sent back, after "at ".
func hears(t *testing.T) string {
	t.Helper()
	return serves(t, func(conn net.Conn) {
		p := make([]byte, 5)
		if _, err := io.ReadFull(conn, p); err == nil {
			_, _ = conn.Write(append([]byte("at "), p...))
		}
	})
}

// serves answers each connection, one after the other, and closes it.
func serves(t *testing.T, answer func(conn net.Conn)) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			answer(conn)
			_ = conn.Close()
		}
	}()
	t.Cleanup(func() { _ = l.Close(); <-done })
	return l.Addr().String()
}

func nobody(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}

// through makes a dialer of a proxy's text, without an environment.
func through(t *testing.T, text, except string) *dial.Dialer {
	t.Helper()
	for _, name := range []string{"HTTPS_PROXY", "https_proxy", "NO_PROXY", "no_proxy"} {
		t.Setenv(name, "")
	}
	source, err := secret.Parse(text, t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	proxy, err := dial.NewProxy(source, except)
	if err != nil {
		t.Fatal(err)
	}
	return &dial.Dialer{Proxy: proxy}
}

func say(t *testing.T, d *dial.Dialer, address string) (string, error) {
	t.Helper()
	conn, err := d.DialContext(t.Context(), "tcp", address)
	if err != nil {
		return "", err
	}
	defer conn.Close()
	if _, err := conn.Write([]byte("hello")); err != nil {
		t.Fatal(err)
	}
	answer, err := io.ReadAll(conn)
	return string(answer), err
}

func TestATunnelLeadsWhereOnlyTheProxyKnowsTheWay(t *testing.T) {
	for name, o := range map[string]process.ProxyOptions{
		"anybody may": {}, "with a password": {User: "azx", Password: "secret"}, "with strange letters in it": {User: "plant\\azx", Password: canary + "xé"},
	} {
		t.Run(name, func(t *testing.T) {
			o.Names = map[string]string{"plant1.example:5671": hears(t)}
			proxy := process.StartProxy(t, o)
			url := "http://" + proxy.Address
			if o.User != "" {
				url = "http://" + o.User + ":" + strings.ReplaceAll(o.Password, "%", "%25") + "@" + proxy.Address
			}
			if answer, err := say(t, through(t, url, ""), "plant1.example:5671"); err != nil || answer != "at hello" {
				t.Errorf("got %q, %v", answer, err)
			}
		})
	}
}

func TestWhatNeedsNoProxyGoesDirectly(t *testing.T) {
	server := hears(t)
	proxy := process.StartProxy(t, process.ProxyOptions{Names: map[string]string{server: server}})
	for name, d := range map[string]*dial.Dialer{
		"the loopback": through(t, proxy.URL(), ""), "the word none": through(t, " none\n", ""), "no proxy at all": {},
	} {
		if answer, err := say(t, d, server); err != nil || answer != "at hello" {
			t.Errorf("%s: got %q, %v", name, answer, err)
		}
	}
	if got := proxy.Tunnels(); len(got) > 0 {
		t.Errorf("the proxy was asked for %v", got)
	}
}

func TestNoProxySaysWhatIsReachedDirectly(t *testing.T) {
	asked := errors.New("asked")
	for _, c := range []struct {
		file, environment, address string
		direct                     bool
	}{
		{"", "", "plant1.example:443", false},
		{".example", "", "plant1.example:443", true},
		{"example", "", "plant1.example:443", true},
		{"", ".example", "plant1.example:443", true},
		{"other", ".example", "plant1.example:443", false},
		{"plant1.example:5671", "", "plant1.example:443", false},
		{"10.0.0.0/8", "", "10.1.2.3:443", true},
		{"10.0.0.0/8", "", "11.1.2.3:443", false},
		{"*", "", "plant1.example:443", true},
		{"", "", "localhost:443", true},
		{"", "", "[::1]:443", true},
	} {
		t.Run(fmt.Sprintf("%s,%s,%s", c.file, c.environment, c.address), func(t *testing.T) {
			through(t, "none", "") // an empty environment
			t.Setenv("NO_PROXY", c.environment)
			proxy, err := dial.NewProxy(secret.Literal("http://proxy.example:3128"), c.file)
			if err != nil {
				t.Fatal(err)
			}
			var dialled string
			d := &dial.Dialer{Proxy: proxy, Base: func(_ context.Context, _, address string) (net.Conn, error) {
				dialled = address
				return nil, asked
			}}
			_, err = d.DialContext(t.Context(), "tcp", c.address)
			if direct := dialled == c.address; direct != c.direct || !errors.Is(err, asked) {
				t.Errorf("dialled %s: %v", dialled, err)
			}
		})
	}
}

func TestTheEnvironmentNamesTheProxyThatTheFileLeavesOut(t *testing.T) {
	server := hears(t)
	proxy := process.StartProxy(t, process.ProxyOptions{User: "azx", Password: "secret", Names: map[string]string{"plant1.example:443": server}})
	through(t, "none", "") // an empty environment
	if p, err := dial.NewProxy(secret.Source{}, ""); p != nil || err != nil {
		t.Errorf("without one: got %v, %v", p, err)
	}
	t.Setenv("HTTPS_PROXY", "azx:secret@"+proxy.Address)
	p, err := dial.NewProxy(secret.Source{}, "")
	if err != nil {
		t.Fatal(err)
	}
	if answer, err := say(t, &dial.Dialer{Proxy: p}, "plant1.example:443"); err != nil || answer != "at hello" {
		t.Errorf("got %q, %v", answer, err)
	}
	t.Setenv("HTTPS_PROXY", "ftp://azx:"+canary+"@proxy.example")
	_, err = dial.NewProxy(secret.Source{}, "")
	if err == nil || fault.ClassOf(err) != fault.Fatal || !strings.Contains(err.Error(), "HTTPS_PROXY") || leaks(err) {
		t.Errorf("got %v", err)
	}
}

func TestAPasswordReplacedInItsFileIsUsedAtTheNextConnection(t *testing.T) {
	file := filepath.Join(t.TempDir(), "password")
	proxy := process.StartProxy(t, process.ProxyOptions{User: "azx", Password: "new", Names: map[string]string{"plant1.example:443": hears(t)}})
	put := func(password string) {
		if err := os.WriteFile(file, []byte(password+"\n"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	put("old")
	d := through(t, "http://azx:${file:"+file+"}@"+proxy.Address, "")
	if _, err := say(t, d, "plant1.example:443"); fault.ClassOf(err) != fault.Credential {
		t.Errorf("got %v", err)
	}
	put("new")
	if _, err := say(t, d, "plant1.example:443"); err != nil {
		t.Error(err)
	}
	if err := os.Remove(file); err != nil {
		t.Fatal(err)
	}
	if _, err := say(t, d, "plant1.example:443"); fault.ClassOf(err) != fault.Credential || !strings.Contains(err.Error(), file) {
		t.Errorf("got %v", err)
	}
}

func TestRefusedCredentialsAreNotSentAgainForAWhile(t *testing.T) {
	through(t, "none", "") // an empty environment
	password := filepath.Join(t.TempDir(), "password")
	put := func(text string) {
		if err := os.WriteFile(password, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	put("wrong")
	source, err := secret.Parse("http://azx:${file:"+password+"}@proxy.example:3128", "")
	if err != nil {
		t.Fatal(err)
	}
	synctest.Test(t, func(t *testing.T) {
		proxy, err := dial.NewProxy(source, "")
		if err != nil {
			t.Fatal(err)
		}
		asked := 0
		d := &dial.Dialer{Proxy: proxy, Base: func(context.Context, string, string) (net.Conn, error) {
			asked++
			near, far := net.Pipe()
			go func() {
				_, _ = far.Read(make([]byte, 4096))
				_, _ = io.WriteString(far, "HTTP/1.1 407 No\r\n\r\n")
				_ = far.Close()
			}()
			return near, nil
		}}
		try := func(want int) {
			t.Helper()
			for range 10 {
				if _, err := d.DialContext(t.Context(), "tcp", "plant1.example:443"); fault.ClassOf(err) != fault.Credential {
					t.Errorf("got %v", err)
				}
			}
			if asked != want {
				t.Errorf("the proxy was asked %d times, want %d", asked, want)
			}
		}
		try(1)
		<-time.After(4 * time.Minute)
		try(1)
		<-time.After(time.Minute)
		try(2)
		put("another")
		try(3)
	})
}

func leaks(err error) bool {
	all := fmt.Sprintf("%v %+v %#v %s", err, err, err, fault.HintOf(err))
	for e := err; e != nil; e = errors.Unwrap(e) {
		all += fmt.Sprintf("%v %+v %#v", e, e, e)
	}
	return strings.Contains(all, "canary") || strings.Contains(all, "Y2FuYXJ5") // also in base64, at any of its beginnings
}

func TestEachHopThatFailsIsNamed(t *testing.T) {
	ours := process.StartProxy(t, process.ProxyOptions{User: "azx", Password: "secret", Names: map[string]string{"gone.example:443": nobody(t)}})
	head := func(text string) string {
		return serves(t, func(conn net.Conn) {
			_, _ = conn.Read(make([]byte, 4096))
			_, _ = io.WriteString(conn, text)
		})
	}
	mirror := serves(t, func(conn net.Conn) {
		p := make([]byte, 4096)
		n, _ := conn.Read(p)
		_, _ = conn.Write(p[:n])
	})
	secured := httptest.NewUnstartedServer(http.NotFoundHandler())
	secured.Config.ErrorLog = log.New(io.Discard, "", 0)
	secured.StartTLS()
	defer secured.Close()
	for name, c := range map[string]struct {
		proxy, target string
		class         fault.Class
		says, hint    string
	}{
		"nobody is the proxy":           {nobody(t), "plant1.example:443", fault.Transient, "connect to the proxy 127.0.0.1:", "is the proxy running"},
		"it asks for other credentials": {ours.Address, "plant1.example:443", fault.Credential, "sign in to the proxy " + ours.Address, "are user and password right in proxy in the connector's file"},
		"it has no Basic": {head("HTTP/1.1 407 No\r\nProxy-Authenticate: Negotiate\r\nProxy-Authenticate: NTLM\r\n\r\n"), "plant1.example:443",
			fault.Credential, "sign in to the proxy", "offers no Basic"},
		"it lets nobody to that port": {head("HTTP/1.1 403 canary\r\n\r\n"), "plant1.example:5671", fault.Transient,
			"reach plant1.example:5671 through the proxy", "transport: websocket"},
		"it does not get there": {head("HTTP/1.0 503 canary\r\nContent-Length: 99\r\n\r\n"), "plant1.example:443", fault.Transient,
			"it answers 503 Service Unavailable", "is the name right"},
		"it is something else":         {head("220 canary ESMTP\r\n"), "plant1.example:443", fault.Transient, "answer is none of an HTTP proxy", "is it an HTTP proxy"},
		"it sends back what it got":    {mirror, "plant1.example:443", fault.Transient, "answer is none of an HTTP proxy", "is it an HTTP proxy"},
		"it sends back headers":        {head("HTTP/1.1 200 OK\r\nBasic canary\r\n\r\n"), "plant1.example:443", fault.Transient, "answer is none", ""},
		"it never ends":                {head("HTTP/1.1 200 OK\r\nX: " + strings.Repeat("canary", 16<<10)), "plant1.example:443", fault.Transient, "answer is none", ""},
		"it says nothing":              {head(""), "plant1.example:443", fault.Transient, "it does not answer", ""},
		"what is behind it speaks":     {head("HTTP/1.1 200 OK\r\n\r\ncanary"), "plant1.example:443", fault.Transient, "speaks before it is asked", ""},
		"the target has a line break":  {ours.Address, "plant1.example\r\nX: y:443", fault.Rejected, "characters that none has", ""},
		"the proxy is not trusted":     {"https://" + secured.Listener.Addr().String(), "plant1.example:443", fault.Credential, "TLS with the proxy", ""},
		"the proxy does not speak TLS": {"https://" + ours.Address, "plant1.example:443", fault.Credential, "TLS with the proxy", "does not speak TLS"},
	} {
		t.Run(name, func(t *testing.T) {
			url := "http://azx:" + canary + "@" + c.proxy
			if scheme, rest, found := strings.Cut(c.proxy, "://"); found {
				url = scheme + "://azx:" + canary + "@" + rest
			}
			_, err := say(t, through(t, url, ""), c.target)
			if err == nil || fault.ClassOf(err) != c.class || !strings.Contains(err.Error(), c.says) {
				t.Fatalf("got %v, class %v", err, fault.ClassOf(err))
			}
			if hint := fault.HintOf(err); hint == "" || !strings.Contains(hint, c.hint) {
				t.Errorf("hint %q", hint)
			}
			if leaks(err) {
				t.Errorf("the credentials are in %v (%s)", err, fault.HintOf(err))
			}
		})
	}
	t.Run("nobody behind it", func(t *testing.T) {
		_, err := say(t, through(t, ours.URL(), ""), "gone.example:443")
		if err == nil || !strings.Contains(err.Error(), "it answers 502 Bad Gateway") {
			t.Errorf("got %v", err)
		}
	})
	t.Run("it asks for credentials and there are none", func(t *testing.T) {
		_, err := say(t, through(t, "http://"+ours.Address, ""), "gone.example:443")
		if err == nil || !strings.Contains(err.Error(), "asks for credentials (407)") || !strings.Contains(fault.HintOf(err), "http://user:") {
			t.Errorf("got %v, %s", err, fault.HintOf(err))
		}
	})
}

func TestNoTextOfAProxyThatIsWrongIsShown(t *testing.T) {
	for _, text := range []string{
		"", "canary", "://canary", "ftp://canary@proxy.example", "http://canary@", "http://a:canary@:3128", "http://a:canary@proxy.example:0",
		"http://a:canary@proxy.example:canary", "http://a:canary@proxy.example/path", "socks5://a:canary@proxy.example:1080", "http://canary:x@y:1@",
		"http://a:b@ho st:3128", "http://a:b@host\r\nX: canary:3128",
	} {
		_, err := dial.CheckProxy(text)
		if text == "canary" { // a host name
			if err != nil {
				t.Errorf("%q: %v", text, err)
			}
			continue
		}
		if err == nil || strings.Contains(err.Error(), "canary") {
			t.Errorf("%q: got %v", text, err)
		}
	}
	for text, credentials := range map[string]bool{
		"none": false, "proxy.example": false, "http://proxy.example/": false, "https://a@proxy.example": true, "HTTP://a:b@[::1]:3128": true, "a:b@[::1]": true,
	} {
		if got, err := dial.CheckProxy(text); err != nil || got != credentials {
			t.Errorf("%q: got %v, %v", text, got, err)
		}
	}
}

func TestADialThatIsCancelledEndsAtOnce(t *testing.T) {
	held, release := make(chan struct{}), make(chan struct{})
	silent := serves(t, func(net.Conn) { close(held); <-release })
	defer close(release)
	d := through(t, "http://"+silent, "")
	ctx, cancel := context.WithCancel(t.Context())
	go func() { <-held; cancel() }()
	if _, err := d.DialContext(ctx, "tcp", "plant1.example:443"); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
}
