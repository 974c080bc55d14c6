// Package devices simulates devices of an IoT hub over MQTT, for the demo and for load.
package devices

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/url"
	"strconv"
	"sync"
	"time"

	paho "github.com/eclipse/paho.mqtt.golang"
	"github.com/eclipse/paho.mqtt.golang/packets"

	"azx/internal/local/iothub"
)

// tokenLife is how long a device's token lasts; a new one is made at each connection.
const tokenLife = time.Hour

// Config says how a device connects.
type Config struct {
	// Credentials are the device's connection string, parsed.
	Credentials iothub.Credentials
	// Address to dial instead of the host and port of the credentials, "127.0.0.1:8883"; the name in the certificate
	// and in tokens stays that of the credentials. Empty dials the host, at port 8883 unless the credentials say else.
	Address string
	// Roots are the certificate authorities to trust; nil trusts the system's.
	Roots *x509.CertPool
	// Clock stamps messages and tokens; default time.Now.
	Clock func() time.Time
	// Method answers a direct method: status is 200 for success, answer is JSON. It must not wait. With nil the
	// device has no methods, and the hub says so.
	Method func(d *Device, name string, payload []byte) (status int, answer []byte)
	// Message takes the body of a cloud-to-device message; messages come one after the other. It must not wait: to
	// answer it may Post. With nil messages stay at the hub. Modules get none.
	Message func(d *Device, body []byte)
}

// Device is a connected device or module. It connects again by itself when the connection is lost.
type Device struct {
	id       iothub.ID
	clock    func() time.Time
	client   paho.Client
	receipts *receipts
	method   func(d *Device, name string, payload []byte) (int, []byte)
	message  func(d *Device, body []byte)
	listens  chan error // gets what became of the first subscriptions
	listened sync.Once
}

// Connect connects a device and waits until the hub accepted it, was found to refuse it, or ctx ends.
func Connect(ctx context.Context, cfg Config) (*Device, error) {
	d := newDevice(cfg)
	err := wait(ctx, d.client.Connect())
	if err == nil {
		err = d.listening(ctx)
	}
	if err != nil {
		d.Close()
		return nil, fmt.Errorf("connect device %q: %w", d.id, err)
	}
	return d, nil
}

// newDevice prepares a device that is not connected yet.
func newDevice(cfg Config) *Device {
	if cfg.Clock == nil {
		cfg.Clock = time.Now
	}
	c := cfg.Credentials
	d := &Device{id: c.ID, clock: cfg.Clock, method: cfg.Method, message: cfg.Message,
		receipts: newReceipts(), listens: make(chan error, 1)}
	user := c.Host + "/" + c.ID.String() + "/?api-version=2021-04-12&DeviceClientType=azx"
	o := paho.NewClientOptions().AddBroker("ssl://" + cfg.address()).SetClientID(c.ID.String()).
		SetTLSConfig(&tls.Config{MinVersion: tls.VersionTLS12, ServerName: c.Host, RootCAs: cfg.Roots}).
		SetProtocolVersion(4).SetKeepAlive(3 * time.Minute).SetCleanSession(false).SetStore(d.receipts).
		SetOnConnectHandler(d.listen).SetDefaultPublishHandler(d.receive).
		SetAutoReconnect(true).SetMaxReconnectInterval(10 * time.Second).SetConnectTimeout(10 * time.Second).
		SetCredentialsProvider(func() (string, string) {
			// A key that is no base64 text gives no token, and the hub says so.
			token, _ := iothub.SignToken(c.Host+"/"+c.ID.Path(), "", c.Key, cfg.Clock().Add(tokenLife))
			return user, token
		})
	d.client = paho.NewClient(o)
	return d
}

// Send sends a JSON body, stamped with the time, and returns when the hub has acknowledged it. Meanwhile the
// connection may be lost and come back; the hub may then have the message twice.
func (d *Device) Send(ctx context.Context, body []byte) error {
	sent := d.client.Publish(d.topic(), 1, false, body)
	err := wait(ctx, sent)
	if published, ok := sent.(*paho.PublishToken); ok && err == nil {
		err = d.receipts.acknowledged(ctx, published.MessageID())
	}
	if err != nil {
		return fmt.Errorf("send as %q: %w", d.id, err)
	}
	return nil
}

// Post sends a JSON body like Send, but does not wait for the hub.
func (d *Device) Post(body []byte) { d.client.Publish(d.topic(), 1, false, body) }

// Close says goodbye to the hub.
func (d *Device) Close() { d.client.Disconnect(250) }

// topic is where a message goes now: content type, encoding and creation time are part of it.
func (d *Device) topic() string {
	created := d.clock().UTC().Format("2006-01-02T15:04:05.000Z")
	return d.id.Path() + "/messages/events/%24.ct=application%2Fjson&%24.ce=utf-8&iothub-creation-time-utc=" + url.QueryEscape(created)
}

func (c Config) address() string {
	if c.Address != "" {
		return c.Address
	}
	port := c.Credentials.Port
	if port == 0 {
		port = 8883
	}
	return net.JoinHostPort(c.Credentials.Host, strconv.Itoa(port))
}

func wait(ctx context.Context, token paho.Token) error {
	select {
	case <-token.Done():
	case <-ctx.Done():
		return ctx.Err()
	}
	if err := token.Error(); err != nil {
		return withHint(err)
	}
	return nil
}

// withHint adds what to look at when a hub refuses a device.
func withHint(err error) error {
	var unknown x509.UnknownAuthorityError
	switch {
	case errors.As(err, &unknown):
		return fmt.Errorf("%w; trust the hub's ca.pem", err)
	case errors.Is(err, packets.ErrorRefusedNotAuthorised):
		return errors.New("not authorised; the hub's log says why (unknown or disabled device, wrong key, clock)")
	}
	return err
}
