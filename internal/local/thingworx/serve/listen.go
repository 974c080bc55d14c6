package serve

import (
	"errors"
	"fmt"
	"net"
	"strconv"
)

// portsAhead is how many ports behind a busy one are tried.
const portsAhead = 100

// listen opens the port of o.Listen, or the next free one behind it when the options say so.
func listen(o Options) (net.Listener, error) {
	host, text, err := net.SplitHostPort(o.Listen)
	if err != nil {
		return nil, fmt.Errorf("--listen %q: want an address with a port, such as %s", o.Listen, DefaultListen)
	}
	if ip := net.ParseIP(host); ip == nil || !ip.IsLoopback() {
		return nil, fmt.Errorf("--listen %q: want a loopback address such as %s; a local platform is not for the network",
			o.Listen, DefaultListen)
	}
	wanted, err := strconv.Atoi(text)
	if err != nil || wanted < 0 || wanted > 65535 {
		return nil, fmt.Errorf("--listen %q: %q is no port", o.Listen, text)
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
