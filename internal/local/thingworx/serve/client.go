package serve

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
)

// Client asks a platform by REST. It is what the commands of a person use.
type Client struct {
	info Info
	http http.Client
}

// NewClient returns a Client of the platform that Info describes.
func NewClient(i Info) *Client { return &Client{info: i} }

// Open returns a Client of the platform whose folder is dir.
func Open(dir string) (*Client, error) {
	info, err := ReadInfo(dir)
	if err != nil {
		return nil, err
	}
	return NewClient(info), nil
}

// do sends a request with a JSON body and decodes the answer into out, unless that is nil.
func (c *Client) do(ctx context.Context, method, path string, body map[string]any, out any) error {
	raw, err := json.Marshal(body)
	if err != nil {
		return fmt.Errorf("encode request: %w", err)
	}
	r, err := http.NewRequestWithContext(ctx, method, c.info.URL+path, bytes.NewReader(raw))
	if err != nil {
		return fmt.Errorf("make request: %w", err)
	}
	r.Close = true // one request per command
	r.Header.Set("appKey", c.info.AppKey)
	r.Header.Set("Content-Type", "application/json")
	r.Header.Set("Accept", "application/json")
	answer, err := c.http.Do(r)
	if err != nil {
		return fmt.Errorf("ask platform: %w", err)
	}
	text, err := io.ReadAll(io.LimitReader(answer.Body, 64<<20))
	if err = errors.Join(err, answer.Body.Close()); err != nil {
		return fmt.Errorf("read answer of platform: %w", err)
	}
	if answer.StatusCode != http.StatusOK {
		return &statusError{answer.StatusCode, strings.TrimSpace(string(text))}
	}
	if out == nil {
		return nil
	}
	if err := json.Unmarshal(text, out); err != nil {
		return fmt.Errorf("read answer of platform: %w", err)
	}
	return nil
}

// IsRefusal reports whether the platform answered and refused, so that it is there at least.
func IsRefusal(err error) bool {
	var status *statusError
	return errors.As(err, &status)
}

// ThingRow is one Thing of Client.Things.
type ThingRow struct {
	Name        string `json:"name"`
	Description string `json:"description"`
	System      bool   `json:"isSystemObject"`
}

// Things returns all Things, sorted by name.
func (c *Client) Things(ctx context.Context) ([]ThingRow, error) {
	var list struct{ Rows []ThingRow }
	if err := c.do(ctx, http.MethodGet, "/Things", nil, &list); err != nil {
		return nil, fmt.Errorf("list Things: %w", err)
	}
	return list.Rows, nil
}
