package serve

import (
	"errors"
	"fmt"
	"net"
	"strconv"
)

// portsAhead is how many ports behind a busy one are tried.
const portsAhead = 100

// listeners are the hub's open ports, without TLS yet.
type listeners struct {
	mqtt, amqps, amqp, https, control net.Listener
}

// listenAll opens every port or none.
func listenAll(o Options) (all listeners, err error) {
	defer func() {
		if err != nil {
			all.close()
		}
	}()
	for _, l := range [...]struct {
		into *net.Listener
		port int
		flag string
		name string
	}{
		{&all.mqtt, o.Ports.MQTT, "--mqtt", "MQTT"},
		{&all.amqps, o.Ports.AMQPS, "--amqps", "AMQP over TLS"},
		{&all.amqp, o.Ports.AMQP, "--amqp", "AMQP without TLS"},
	} {
		if *l.into, err = listen(o, l.port, l.flag, l.name); err != nil {
			return all, err
		}
	}
	if all.https, err = listenHTTPS(o); err != nil {
		return all, err
	}
	if all.control, err = open(o, 0); err != nil {
		return all, fmt.Errorf("listen: control interface: %w", err)
	}
	return all, nil
}

func (all listeners) close() {
	for _, l := range [...]net.Listener{all.mqtt, all.amqps, all.amqp, all.https, all.control} {
		if l != nil {
			_ = l.Close()
		}
	}
}

func (all listeners) ports() Ports {
	return Ports{MQTT: port(all.mqtt), AMQPS: port(all.amqps), AMQP: port(all.amqp), HTTPS: port(all.https)}
}

// listenHTTPS falls back from 443, which often needs privileges, to 8443.
func listenHTTPS(o Options) (net.Listener, error) {
	l, err := open(o, o.Ports.HTTPS)
	if err == nil {
		return l, nil
	}
	if o.Ports.HTTPS != 443 {
		return listen(o, o.Ports.HTTPS, "--https", "HTTPS")
	}
	if l, err = listen(o, 8443, "--https", "HTTPS"); err == nil {
		o.Notice(fmt.Sprintf("port 443 cannot be used, HTTPS is at %d (Microsoft's Node service SDK and WebSocket transports insist on 443)", port(l)))
	}
	return l, err
}

// listen opens a port, or the next free one behind it when the options say so.
func listen(o Options, wanted int, flag, name string) (net.Listener, error) {
	l, err := open(o, wanted)
	for p := wanted + 1; err != nil && o.NextFreePort && p <= min(wanted+portsAhead, 65535); p++ {
		if l, err = open(o, p); err == nil {
			o.Notice(fmt.Sprintf("port %d cannot be used, %s is at %d", wanted, name, p))
		}
	}
	if err != nil {
		return nil, fmt.Errorf("listen: port %d for %s cannot be used: %w; choose another with %s PORT", wanted, name, cause(err), flag)
	}
	return l, nil
}

func open(o Options, port int) (net.Listener, error) {
	return o.listen("tcp", net.JoinHostPort(o.Listen, strconv.Itoa(port)))
}

// cause drops "listen tcp 127.0.0.1:8883: bind:" from an error that is about to say so.
func cause(err error) error {
	var op *net.OpError
	if errors.As(err, &op) {
		return op.Err
	}
	return err
}

func port(l net.Listener) int { return l.Addr().(*net.TCPAddr).Port }
