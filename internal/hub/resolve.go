package hub

import (
	"context"
	"errors"
	"fmt"
	"math"
	"net"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/Azure/go-amqp"

	"azx/internal/access"
	"azx/internal/dial"
)

const (
	amqpsPort      = 5671
	tokenLife      = 10 * time.Minute // only one connection is opened with it
	resolveTimeout = 30 * time.Second
)

// Resolver asks an IoT Hub for its Event Hubs endpoint, whose name changes at a failover of the hub.
type Resolver struct {
	Service access.Service
	Network *dial.Network    // nil: directly
	Now     func() time.Time // nil for time.Now
}

// Resolve attaches to the hub's event endpoint and takes the answer from the redirect it is refused
// with (read: iot-hub-amqp-support.md). Its errors are fault.Problems: Credential when the policy or the
// certificate is not accepted, Transient when the hub is not reached.
func (r Resolver) Resolve(ctx context.Context) (access.Endpoint, error) {
	op := "resolve the event endpoint of " + r.Service.Host
	ctx, cancel := context.WithTimeout(ctx, resolveTimeout)
	defer cancel()
	conn, err := r.dial(ctx)
	if err != nil {
		return access.Endpoint{}, classify(op, r.Service.Policy, err)
	}
	defer func() { _ = conn.Close() }() // the answer is known; the hub closes its side anyway
	err = attach(ctx, conn, "amqps://"+r.Service.Host+"/messages/events/$management")
	var refusal *amqp.Error
	if !errors.As(err, &refusal) || refusal.Condition != amqp.ErrCondLinkRedirect {
		return access.Endpoint{}, classify(op, r.Service.Policy, err)
	}
	target, err := parseRedirect(refusal.Info)
	if err != nil {
		return access.Endpoint{}, fmt.Errorf("%s: %w", op, err)
	}
	target.Policy, target.Key = r.Service.Policy, r.Service.Key
	return target, nil
}

func (r Resolver) dial(ctx context.Context) (*amqp.Conn, error) {
	now := time.Now
	if r.Now != nil {
		now = r.Now
	}
	host := r.Service.Host
	token := r.Service.Token(host+"/messages/events", now().Add(tokenLife))
	network := r.Network
	if network == nil {
		network = &dial.Network{}
	}
	conn, err := network.Connect(ctx, dial.Target{Host: host, Path: dial.PathHub})
	if err != nil {
		return nil, err
	}
	return amqp.NewConn(ctx, conn, &amqp.ConnOptions{
		HostName: host,
		SASLType: amqp.SASLTypePlain(r.Service.Policy+"@sas.root."+r.Service.Name(), token.Reveal()),
	})
}

// attach opens a receiver that is expected to be refused. It never returns nil.
func attach(ctx context.Context, conn *amqp.Conn, source string) error {
	session, err := conn.NewSession(ctx, nil)
	if err != nil {
		return err
	}
	receiver, err := session.NewReceiver(ctx, source, &amqp.ReceiverOptions{Credit: 1})
	if err != nil {
		return err
	}
	// The refusal may come after the attach was answered.
	if _, err := receiver.Receive(ctx, nil); err != nil {
		return err
	}
	return errors.New("it sent a message instead of a redirect")
}

// parseRedirect reads the info of an amqp:link:redirect error: hostname, network-host, port and
// address "amqps://host:5671/<event hub>/$management" (read).
func parseRedirect(info map[string]any) (access.Endpoint, error) {
	host := redirectText(info, "hostname")
	if !access.ValidHost(host) {
		return access.Endpoint{}, errors.New("the redirect has no host name")
	}
	address, err := url.Parse(redirectText(info, "address"))
	if err != nil {
		return access.Endpoint{}, errors.New("the redirect's address is no URL")
	}
	eventHub, _, _ := strings.Cut(strings.TrimPrefix(address.Path, "/"), "/")
	if eventHub == "" || strings.ContainsAny(eventHub, ";=$ ") {
		return access.Endpoint{}, errors.New("the redirect's address names no event hub")
	}
	port, err := redirectPort(info)
	if err != nil {
		return access.Endpoint{}, err
	}
	e := access.Endpoint{Host: host, EventHub: eventHub}
	dial := redirectText(info, "network-host")
	if dial == "" {
		dial = host
	}
	if !access.ValidHost(dial) {
		return access.Endpoint{}, errors.New("the redirect's network host is no host name")
	}
	if port != amqpsPort || !strings.EqualFold(dial, host) {
		e.Address = net.JoinHostPort(dial, strconv.Itoa(port))
	}
	return e, nil
}

func redirectText(info map[string]any, key string) string {
	if s, ok := info[key].(string); ok {
		return s
	}
	if v := info[key]; v != nil {
		return text(v) // a symbol, say
	}
	return ""
}

// redirectPort accepts any AMQP integer; an absent port is 5671.
func redirectPort(info map[string]any) (int, error) {
	s := redirectText(info, "port")
	if s == "" {
		return amqpsPort, nil
	}
	port, err := strconv.Atoi(s)
	if err != nil || port < 1 || port > math.MaxUint16 {
		return 0, errors.New("the redirect's port is no port number")
	}
	return port, nil
}
