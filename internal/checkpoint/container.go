package checkpoint

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/runtime"
	"github.com/Azure/azure-sdk-for-go/sdk/storage/azblob/container"

	"azx/internal/dial"
	"azx/internal/fault"
	"azx/internal/secret"
)

const (
	dialWithin  = 15 * time.Second // TCP, what a proxy does, and TLS
	idleWithin  = 90 * time.Second
	headersMost = 64 << 10 // bytes of an answer's head; metadata of a blob has 8 KiB at most
)

// Container is a container of blobs and how it is reached. Its account is named by ConnectionString or by URL: exactly one
// of them is set.
type Container struct {
	Name             string
	ConnectionString secret.Source // of the storage account: with its key, or with a SAS
	URL              secret.Source // of the account or the container; with a SAS, unless there is a Credential
	Credential       azcore.TokenCredential

	Dial dial.Func                   // opens TCP connections; nil does so directly
	TLS  func() (*tls.Config, error) // asked at each handshake; nil is the system's roots
}

// isContainerName reports whether Azure takes a name for a container.
func isContainerName(name string) bool {
	const taken = "abcdefghijklmnopqrstuvwxyz0123456789-"
	return 3 <= len(name) && len(name) <= 63 && strings.Trim(name, taken) == "" && !strings.Contains("-"+name+"-", "--")
}

// check refuses what no service has to be asked for.
func (c Container) check() error {
	switch {
	case !isContainerName(c.Name):
		return c.wrong("a name has 3 to 63 lower-case letters, digits and single hyphens", "%q is no container's name", c.Name)
	case c.ConnectionString.IsSet() == c.URL.IsSet():
		return c.wrong("set either connectionString or url", "its account is not named once")
	}
	return nil
}

// text is the credential as it is now: it may be replaced while the process runs.
func (c Container) text() (string, error) {
	source := c.URL
	if c.ConnectionString.IsSet() {
		source = c.ConnectionString
	}
	text, err := source.Value()
	if err != nil {
		return "", &fault.Problem{Op: c.op(), Class: fault.Credential, Cause: err, Hint: "see checkpoint.blob"}
	}
	return strings.TrimSpace(text), nil
}

// client makes a client of what text returned. No error shows the text.
func (c Container) client(text string, transport *http.Transport) (client *container.Client, err error) {
	options := &container.ClientOptions{ClientOptions: policy.ClientOptions{
		Retry:     policy.RetryOptions{MaxRetries: -1}, // each call is one try: see Store
		Transport: &http.Client{Transport: transport, CheckRedirect: noRedirects},
		Telemetry: policy.TelemetryOptions{ApplicationID: "azx"},
	}}
	if c.ConnectionString.IsSet() {
		client, err = container.NewClientFromConnectionString(text, c.Name, options)
	} else {
		client, err = c.clientOfURL(text, options)
	}
	if err != nil {
		if errors.As(err, new(*fault.Problem)) {
			return nil, err
		}
		return nil, c.wrong("copy it from the page Access keys of the storage account", "its connection string is none")
	}
	if at, err := url.Parse(client.URL()); err != nil || at.Host == "" || !dial.Safe(at) {
		return nil, c.wrong("use https", "its address is none, or credentials would be sent in the clear")
	}
	return client, nil
}

func (c Container) clientOfURL(text string, options *container.ClientOptions) (*container.Client, error) {
	at, err := url.Parse(text)
	if err != nil || at.Host == "" || at.User != nil { // the error would show the text
		return nil, c.wrong("it looks like https://ACCOUNT.blob.core.windows.net", "its url is none")
	}
	if path := strings.TrimSuffix(at.Path, "/"); !strings.HasSuffix(path, "/"+c.Name) {
		text = runtime.JoinPaths(text, c.Name)
	}
	switch {
	case at.Query().Has("sig"):
		return container.NewClientWithNoCredential(text, options)
	case c.Credential == nil:
		return nil, c.wrong("append a SAS that allows to read, create, write, delete and list, or set connectionString instead",
			"its url has no shared access signature")
	}
	return container.NewClient(text, c.Credential, options)
}

func (c Container) wrong(hint, format string, args ...any) error {
	return &fault.Problem{Op: c.op(), Class: fault.Fatal, Cause: fmt.Errorf(format, args...), Hint: hint + "; see checkpoint.blob"}
}

func (c Container) op() string { return "open container " + c.Name }

// transport opens connections as the rest of the connector does.
func (c Container) transport() *http.Transport {
	open := c.Dial
	if open == nil {
		open = (&dial.Dialer{}).DialContext
	}
	return &http.Transport{
		DialContext: open,
		DialTLSContext: func(ctx context.Context, network, address string) (net.Conn, error) {
			return c.dialTLS(ctx, open, network, address)
		},
		IdleConnTimeout:        idleWithin,
		MaxResponseHeaderBytes: headersMost,
	}
}

func (c Container) dialTLS(ctx context.Context, open dial.Func, network, address string) (net.Conn, error) {
	config := &tls.Config{}
	if c.TLS != nil {
		given, err := c.TLS()
		if err != nil {
			return nil, err
		}
		config = given.Clone()
	}
	host, _, err := net.SplitHostPort(address)
	if err != nil {
		return nil, err
	}
	config.ServerName, config.MinVersion = host, tls.VersionTLS12
	ctx, cancel := context.WithTimeout(ctx, dialWithin)
	defer cancel()
	conn, err := open(ctx, network, address)
	if err != nil {
		return nil, err
	}
	secured := tls.Client(conn, config)
	if err := secured.HandshakeContext(ctx); err != nil {
		_ = conn.Close() // the handshake's error is what matters
		return nil, err
	}
	return secured, nil
}

// noRedirects keeps the credential where it was sent: a storage account never redirects.
func noRedirects(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
