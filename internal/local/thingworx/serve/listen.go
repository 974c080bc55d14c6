package serve

import (
	"errors"
	"fmt"
	"net"
	"strconv"
)

// portsAhead is how many ports behind a busy one are tried.
const portsAhead = 100

// CheckListen refuses what is no loopback address with a port.
func CheckListen(listen string) error {
	_, _, err := splitListen(listen)
	return err
}

func splitListen(listen string) (host string, port int, err error) {
	host, text, err := net.SplitHostPort(listen)
	if err != nil {
		return "", 0, fmt.Errorf("--listen %q: want an address with a port, such as %s", listen, DefaultListen)
	}
	if ip := net.ParseIP(host); ip == nil || !ip.IsLoopback() {
		return "", 0, fmt.Errorf("--listen %q: want a loopback address such as %s; a local platform is not for the network",
			listen, DefaultListen)
	}
	port, err = strconv.Atoi(text)
	if err != nil || port < 0 || port > 65535 {
		return "", 0, fmt.Errorf("--listen %q: %q is no port", listen, text)
	}
	return host, port, nil
}

// listen opens the port of o.Listen, or the next free one behind it when the options say so.
func listen(o Options) (net.Listener, error) {
	host, wanted, err := splitListen(o.Listen)
	if err != nil {
		return nil, err
	}
	l, err := listenAt(host, wanted)
	for p := wanted + 1; err != nil && o.NextFreePort && p <= min(wanted+portsAhead, 65535); p++ {
		if l, err = listenAt(host, p); err == nil {
			o.Notice(fmt.Sprintf("port %d cannot be used, the platform is at %d", wanted, p))
		}
	}
	if err != nil {
		return nil, fmt.Errorf("listen: port %d cannot be used: %w; choose another with --listen %s:PORT", wanted, cause(err), host)
	}
	return l, nil
}

func listenAt(host string, port int) (net.Listener, error) {
	return net.Listen("tcp", net.JoinHostPort(host, strconv.Itoa(port)))
}

// cause drops "listen tcp 127.0.0.1:8080: bind:" from an error that is about to say so.
func cause(err error) error {
	var op *net.OpError
	if errors.As(err, &op) {
		return op.Err
	}
	return err
}
