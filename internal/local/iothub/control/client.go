package control

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"

	"azx/internal/local/iothub"
)

// Client calls the control interface of a running hub.
type Client struct {
	base string
	http http.Client
}

// NewClient makes a client for the control URL of DIR/hub.json.
func NewClient(base string) *Client {
	return &Client{
		base: strings.TrimRight(base, "/"),
		// Never through a proxy: the interface is on loopback, and its URL is a secret.
		http: http.Client{Timeout: 10 * time.Second, Transport: &http.Transport{DisableKeepAlives: true}},
	}
}

// AddDevices makes sure that devices and modules exist and returns them in order, with their connection strings.
func (c *Client) AddDevices(ctx context.Context, specs ...iothub.Spec) ([]Device, error) {
	var devices []Device
	err := c.call(ctx, http.MethodPost, "/devices", specs, &devices)
	return devices, err
}

// Devices lists all devices and modules.
func (c *Client) Devices(ctx context.Context) ([]Device, error) {
	var devices []Device
	err := c.call(ctx, http.MethodGet, "/devices", nil, &devices)
	return devices, err
}

// Device returns one device or module.
func (c *Client) Device(ctx context.Context, id iothub.ID) (Device, error) {
	query := url.Values{"device": {id.Device}, "module": {id.Module}}
	var devices []Device
	if err := c.call(ctx, http.MethodGet, "/devices?"+query.Encode(), nil, &devices); err != nil {
		return Device{}, err
	}
	if len(devices) != 1 {
		return Device{}, fmt.Errorf("hub control: %d devices in the answer, want one", len(devices))
	}
	return devices[0], nil
}

// SetDisabled refuses or allows connections and messages of a device or module.
func (c *Client) SetDisabled(ctx context.Context, id iothub.ID, disabled bool) error {
	return c.call(ctx, http.MethodPost, "/devices/status", Device{ID: id, Disabled: disabled}, nil)
}

// AddConsumerGroup makes sure that the event hub has a consumer group of this name.
func (c *Client) AddConsumerGroup(ctx context.Context, name string) error {
	return c.call(ctx, http.MethodPost, "/groups", group{name}, nil)
}

// Counters returns the number of accepted messages of every device and module.
func (c *Client) Counters(ctx context.Context) ([]Counter, error) {
	var counters []Counter
	err := c.call(ctx, http.MethodGet, "/counters", nil, &counters)
	return counters, err
}

// Partitions returns the heads of all partitions.
func (c *Client) Partitions(ctx context.Context) ([]Partition, error) {
	var partitions []Partition
	err := c.call(ctx, http.MethodGet, "/partitions", nil, &partitions)
	return partitions, err
}

// call does one request. Its errors never repeat the URL, whose path is a secret.
func (c *Client) call(ctx context.Context, method, path string, body, into any) error {
	var reader io.Reader
	if body != nil {
		text, err := json.Marshal(body)
		if err != nil {
			return fmt.Errorf("hub control: %w", err)
		}
		reader = bytes.NewReader(text)
	}
	request, err := http.NewRequestWithContext(ctx, method, c.base+path, reader)
	if err != nil {
		return fmt.Errorf("hub control: the control URL is not well formed")
	}
	response, err := c.http.Do(request)
	if err != nil {
		if wrapped, ok := err.(*url.Error); ok {
			err = wrapped.Err
		}
		return fmt.Errorf("hub control: %w; is the hub running?", err)
	}
	defer response.Body.Close()
	decoder := json.NewDecoder(io.LimitReader(response.Body, 64<<20))
	if response.StatusCode != http.StatusOK {
		p := problem{Error: response.Status}
		_ = decoder.Decode(&p) // without a reason in the answer, its status is the reason
		return fmt.Errorf("hub: %s", p.Error)
	}
	if into == nil {
		return nil
	}
	if err := decoder.Decode(into); err != nil {
		return fmt.Errorf("hub control: answer: %w", err)
	}
	return nil
}

// TrustEntra makes the hub take the tokens of a tenant of Microsoft Entra ID.
func (c *Client) TrustEntra(ctx context.Context, t iothub.EntraTrust) error {
	return c.call(ctx, http.MethodPut, "/entra", t, nil)
}
