package verify

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"

	"azx/extension/entity"
)

// Options say where the platform is.
type Options struct {
	URL    string         // such as https://thingworx.example.com/Thingworx
	AppKey string         // of a user who may read the entities; it is sent as a header and never shown
	Roots  *x509.CertPool // nil for those of the system
}

// Client asks a platform over REST.
type Client struct {
	base   *url.URL
	appKey string
	http   *http.Client
}

// AccessError says that the platform cannot be asked: it does not answer, or does not let us in.
type AccessError struct {
	Op  string
	Err error
}

// Error is "operation: cause".
func (e *AccessError) Error() string { return e.Op + ": " + e.Err.Error() }

// Unwrap gives the cause.
func (e *AccessError) Unwrap() error { return e.Err }

// refusal is an answer that is not the one we want.
type refusal struct {
	status int
	text   string
}

func (r *refusal) Error() string {
	if r.text == "" {
		return fmt.Sprintf("the platform answers %d %s", r.status, http.StatusText(r.status))
	}
	return fmt.Sprintf("the platform answers %d %s: %s", r.status, http.StatusText(r.status), r.text)
}

func asRefusal(err error) (*refusal, bool) {
	var r *refusal
	return r, errors.As(err, &r)
}

// Bounds of a request.
const (
	requestTimeout = time.Minute
	maxAnswer      = entity.MaxBytes
)

// NewClient checks the options. It asks nothing yet.
func NewClient(o Options) (*Client, error) {
	base, err := url.Parse(o.URL)
	switch {
	case err != nil:
		return nil, errors.New("the URL of the platform cannot be read; expected https://HOST/Thingworx")
	case base.Scheme != "http" && base.Scheme != "https" || base.Host == "":
		return nil, errors.New("the URL of the platform is not one of http or https; expected https://HOST/Thingworx")
	case base.User != nil:
		return nil, errors.New("the URL of the platform has a user in it; give an application key")
	case o.AppKey == "" || strings.ContainsFunc(o.AppKey, func(r rune) bool { return r < ' ' || r == 0x7f }):
		return nil, errors.New("the application key is empty, or has characters that no header may have")
	}
	if base.Path = strings.TrimRight(base.Path, "/"); base.Path == "" {
		base.Path = "/Thingworx"
	}
	base.RawQuery, base.Fragment = "", ""
	return &Client{base, o.AppKey, &http.Client{
		Timeout:   requestTimeout,
		Transport: &http.Transport{Proxy: http.ProxyFromEnvironment, TLSClientConfig: &tls.Config{RootCAs: o.Roots, MinVersion: tls.VersionTLS12}},
		// A platform sends those who are not logged in to a page. The key must not follow.
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}}, nil
}

// Close lets go of the connections.
func (c *Client) Close() { c.http.CloseIdleConnections() }

// ask makes a request below the base. body is nil, or what is sent as JSON.
func (c *Client) ask(ctx context.Context, accept string, body any, path ...string) ([]byte, error) {
	op := "ask the platform for " + strings.Join(path, "/")
	method, reader := http.MethodGet, io.Reader(nil)
	if body != nil {
		data, err := json.Marshal(body)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", op, err)
		}
		method, reader = http.MethodPost, bytes.NewReader(data)
	}
	escaped := make([]string, len(path))
	for i, part := range path {
		escaped[i] = url.PathEscape(part)
	}
	request, err := http.NewRequestWithContext(ctx, method, c.base.JoinPath(escaped...).String(), reader)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", op, err)
	}
	request.Header.Set("appKey", c.appKey)
	request.Header.Set("Accept", accept)
	request.Header.Set("Content-Type", "application/json") // also without a body: some calls want it
	request.Header.Set("X-XSRF-TOKEN", "TWX-XSRF-TOKEN-VALUE")
	request.Header.Set("x-thingworx-session", "false")
	answer, err := c.http.Do(request)
	if err != nil {
		return nil, &AccessError{op, withoutURL(err)}
	}
	defer answer.Body.Close()
	data, err := io.ReadAll(io.LimitReader(answer.Body, maxAnswer+1))
	switch {
	case err != nil:
		return nil, &AccessError{op, err}
	case answer.StatusCode == http.StatusUnauthorized:
		return nil, &AccessError{op, errors.New("the application key is not accepted (401)")}
	case answer.StatusCode >= 300 && answer.StatusCode < 400:
		return nil, &AccessError{op, fmt.Errorf("the platform sends us elsewhere (%d), as it does to those who are not logged in", answer.StatusCode)}
	case answer.StatusCode != http.StatusOK:
		return nil, &refusal{answer.StatusCode, excerpt(answer.Header.Get("Content-Type"), data, c.appKey)}
	case len(data) > maxAnswer:
		return nil, &refusal{answer.StatusCode, fmt.Sprintf("more than %d bytes", maxAnswer)}
	}
	return data, nil
}

// withoutURL takes the URL off an error, which names the operation instead.
func withoutURL(err error) error {
	var wrapped *url.Error
	if errors.As(err, &wrapped) {
		return wrapped.Err
	}
	return err
}

// excerpt is the beginning of what the platform says, if it is not a page. A key that it repeats is not.
func excerpt(contentType string, data []byte, secret string) string {
	if strings.Contains(contentType, "html") {
		return ""
	}
	return oneLine(strings.ReplaceAll(string(data[:min(len(data), 2000)]), secret, "***"))
}

// rows is the answer of a service: a table.
func (c *Client) rows(ctx context.Context, body any, path ...string) ([]map[string]any, error) {
	data, err := c.ask(ctx, "application/json", body, path...)
	if err != nil {
		return nil, err
	}
	var table struct {
		Rows []map[string]any `json:"rows"`
	}
	if err := json.Unmarshal(data, &table); err != nil {
		return nil, &refusal{http.StatusOK, "with something that is no table"}
	}
	return table.Rows, nil
}

// packages gives the versions of the installed packages.
func (c *Client) packages(ctx context.Context) (map[string]string, error) {
	rows, err := c.rows(ctx, struct{}{}, "Subsystems", "PlatformSubsystem", "Services", "GetExtensionPackageList")
	if err != nil {
		return nil, err
	}
	found := map[string]string{}
	for _, row := range rows {
		found[textOf(row["name"])] = textOf(row["packageVersion"])
	}
	return found, nil
}

// checkScript has the platform's own parser read a script. It gives what is wrong with it, "" for nothing.
func (c *Client) checkScript(ctx context.Context, code string) (string, error) {
	rows, err := c.rows(ctx, map[string]string{"script": code}, "Resources", "ScriptServices", "Services", "CheckScriptWithLinesAndColumns")
	if err != nil {
		return "", err
	}
	if len(rows) != 1 {
		return "", &refusal{http.StatusOK, fmt.Sprintf("with %d rows", len(rows))}
	}
	if textOf(rows[0]["status"]) == "true" {
		return "", nil
	}
	return fmt.Sprintf("%s (line %s, column %s)", oneLine(textOf(rows[0]["message"])), textOf(rows[0]["lineNumber"]), textOf(rows[0]["columnNumber"])), nil
}

// found is an entity as the platform has it.
type found struct {
	set     *entity.Set
	summary bool // not all of it could be read: members of groups and units of organizations are missing
}

// entity reads one entity: its export first, which holds everything. A set without it says that it is not there.
func (c *Client) entity(ctx context.Context, collection, name string) (found, error) {
	data, err := c.ask(ctx, "text/xml", nil, "Exporter", collection, name)
	if _, refused := asRefusal(err); err != nil && !refused {
		return found{}, err
	}
	if err == nil {
		if set, err := entity.Parse(collection+"/"+name, data); err == nil && has(set, collection, name) {
			return found{set, false}, nil
		}
	}
	data, err = c.ask(ctx, "application/json", nil, collection, name)
	if refused, ok := asRefusal(err); ok && refused.status == http.StatusNotFound {
		return found{&entity.Set{}, false}, nil
	}
	if err != nil {
		return found{}, err
	}
	set, err := parseJSON(collection, data)
	if err != nil {
		return found{}, &refusal{http.StatusOK, "with something that is no entity"}
	}
	return found{set, true}, nil
}
