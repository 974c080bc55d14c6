package serve

import (
	"context"
	"crypto/x509"
	"fmt"
	"net"
	"strconv"

	"azx/internal/local/iothub"
	"azx/internal/local/iothub/control"
)

// Client works with a running hub through its folder.
type Client struct {
	// Info is the hub's hub.json.
	Info Info

	control *control.Client
}

// Open finds the hub that runs in dir.
func Open(ctx context.Context, dir string) (*Client, error) {
	info, err := ReadInfo(dir)
	if err != nil {
		return nil, err
	}
	c := &Client{Info: info, control: control.NewClient(info.Control)}
	if _, err := c.control.Partitions(ctx); err != nil {
		return nil, fmt.Errorf("the hub in %s does not answer: %w", dir, err)
	}
	return c, nil
}

// AddDevice makes sure that a device or module exists, and returns its connection string. For a module with Edge
// set it makes sure of the edge device too.
func (c *Client) AddDevice(ctx context.Context, spec iothub.Spec) (string, error) {
	specs := []iothub.Spec{spec}
	if spec.Edge && spec.Module != "" {
		specs = []iothub.Spec{{ID: iothub.ID{Device: spec.Device}, Edge: true}, {ID: spec.ID}}
	}
	devices, err := c.control.AddDevices(ctx, specs...)
	if err != nil {
		return "", err
	}
	return devices[len(devices)-1].ConnectionString, nil
}

// AddConsumerGroup makes sure that the hub's events can be read with a consumer group of this name.
func (c *Client) AddConsumerGroup(ctx context.Context, name string) error {
	return c.control.AddConsumerGroup(ctx, name)
}

// Access is what a device of this machine needs to connect.
type Access struct {
	Credentials iothub.Credentials
	// Address is the hub's MQTT port, as host:port.
	Address string
	// Roots hold the hub's certificate authority.
	Roots *x509.CertPool
}

// Access returns what the device or module id needs to connect.
func (c *Client) Access(ctx context.Context, id iothub.ID) (Access, error) {
	device, err := c.control.Device(ctx, id)
	if err != nil {
		return Access{}, err
	}
	credentials, err := iothub.ParseCredentials(device.ConnectionString)
	if err != nil {
		return Access{}, err
	}
	roots, err := c.Info.Roots()
	if err != nil {
		return Access{}, err
	}
	return Access{credentials, net.JoinHostPort(c.Info.Listen, strconv.Itoa(c.Info.Ports.MQTT)), roots}, nil
}

// DeviceRow is a line of the list of devices.
type DeviceRow struct {
	ID       iothub.ID
	Edge     bool
	Status   string // "enabled" or "disabled"
	Accepted uint64 // messages since the hub was started
}

// Devices lists devices and modules, sorted.
func (c *Client) Devices(ctx context.Context) ([]DeviceRow, error) {
	devices, err := c.control.Devices(ctx)
	if err != nil {
		return nil, err
	}
	counters, err := c.control.Counters(ctx)
	if err != nil {
		return nil, err
	}
	accepted := make(map[iothub.ID]uint64, len(counters))
	for _, counter := range counters {
		accepted[counter.ID] = counter.Accepted
	}
	rows := make([]DeviceRow, len(devices))
	for i, d := range devices {
		rows[i] = DeviceRow{ID: d.ID, Edge: d.Edge, Status: "enabled", Accepted: accepted[d.ID]}
		if d.Disabled {
			rows[i].Status = "disabled"
		}
	}
	return rows, nil
}
