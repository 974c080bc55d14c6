package hub

import (
	"testing"

	"github.com/Azure/go-amqp"

	"azx/internal/access"
)

// redirect is the info that a hub sends, as go-amqp decodes it.
func redirect(change func(map[string]any)) map[string]any {
	info := map[string]any{
		"hostname":                  "ihsuprod.servicebus.windows.net",
		"network-host":              "ihsuprod.servicebus.windows.net",
		"port":                      uint16(5671),
		"address":                   "amqps://ihsuprod.servicebus.windows.net:5671/iothub-ehub-plant1-1/$management",
		"com.microsoft:tracking-id": "x",
	}
	if change != nil {
		change(info)
	}
	return info
}

func TestARedirectNamesTheEndpoint(t *testing.T) {
	const host = "ihsuprod.servicebus.windows.net"
	tests := map[string]struct {
		change func(map[string]any)
		want   access.Endpoint
	}{
		"as the hub sends it": {nil, access.Endpoint{Host: host, EventHub: "iothub-ehub-plant1-1"}},
		"without a port": {func(m map[string]any) { delete(m, "port") },
			access.Endpoint{Host: host, EventHub: "iothub-ehub-plant1-1"}},
		"with a port as text": {func(m map[string]any) { m["port"] = "5671" },
			access.Endpoint{Host: host, EventHub: "iothub-ehub-plant1-1"}},
		"to another port": {func(m map[string]any) { m["port"] = int32(15671) },
			access.Endpoint{Host: host, EventHub: "iothub-ehub-plant1-1", Address: host + ":15671"}},
		"by way of another host": {func(m map[string]any) { m["network-host"] = "127.0.0.1" },
			access.Endpoint{Host: host, EventHub: "iothub-ehub-plant1-1", Address: "127.0.0.1:5671"}},
		"without a network host": {func(m map[string]any) { delete(m, "network-host") },
			access.Endpoint{Host: host, EventHub: "iothub-ehub-plant1-1"}},
		"with the address of a partition": {func(m map[string]any) {
			m["address"] = "amqps://" + host + ":5671/eh/ConsumerGroups/$Default/Partitions/0"
		}, access.Endpoint{Host: host, EventHub: "eh"}},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			got, err := parseRedirect(redirect(test.change))
			if err != nil || got != test.want {
				t.Errorf("got %+v, %v; want %+v", got, err, test.want)
			}
		})
	}
}

func TestARedirectToNowhereIsRefused(t *testing.T) {
	for name, change := range map[string]func(map[string]any){
		"nothing at all":             func(m map[string]any) { clear(m) },
		"no host name":               func(m map[string]any) { delete(m, "hostname") },
		"a host with a second part":  func(m map[string]any) { m["hostname"] = "h.example/;SharedAccessKey=x" },
		"a network host with a port": func(m map[string]any) { m["network-host"] = "h.example:1" },
		"no address":                 func(m map[string]any) { delete(m, "address") },
		"an address without a path":  func(m map[string]any) { m["address"] = "amqps://h.example:5671" },
		"an address of the hub":      func(m map[string]any) { m["address"] = "amqps://h.example:5671/$management" },
		"an address that adds parts": func(m map[string]any) { m["address"] = "amqps://h.example:5671/eh;x=y/$management" },
		"an address that is no URL":  func(m map[string]any) { m["address"] = "amqps://h.example:port/eh" },
		"a port of 0":                func(m map[string]any) { m["port"] = int32(0) },
		"a port beyond the last":     func(m map[string]any) { m["port"] = uint32(70000) },
		"a port that is none":        func(m map[string]any) { m["port"] = "amqps" },
	} {
		t.Run(name, func(t *testing.T) {
			if got, err := parseRedirect(redirect(change)); err == nil {
				t.Errorf("got %+v", got)
			}
		})
	}
}

func TestARedirectIsFoundInALinkError(t *testing.T) {
	err := error(&amqp.LinkError{RemoteErr: &amqp.Error{Condition: amqp.ErrCondLinkRedirect, Info: redirect(nil)}})
	if condition, _ := conditionOf(err); condition != amqp.ErrCondLinkRedirect {
		t.Errorf("got %q", condition)
	}
}
