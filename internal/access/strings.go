// Package access says who the connector is to an IoT Hub: connection strings, and the tokens signed with
// their keys.
package access

import (
	"encoding/base64"
	"net"
	"strconv"
	"strings"

	"azx/internal/fault"
	"azx/internal/secret"
)

// Service is a shared access policy of an IoT Hub.
type Service struct {
	Host   string        // "plant1.azure-devices.net", without a port
	Policy string        // "service"
	Key    secret.Secret // base64 text
}

// ParseService reads an IoT Hub's connection string:
//
//	HostName=<host>;SharedAccessKeyName=<policy>;SharedAccessKey=<base64>
//
// Its errors are of class Rejected, name the part at fault and never show the key.
func ParseService(text string) (Service, error) {
	const op = "read the IoT Hub connection string"
	p, err := splitParts(op, text, []string{partHost, partPolicy, partKey})
	if err != nil {
		return Service{}, err
	}
	if err := checkHost(op, partHost, p[partHost]); err != nil {
		return Service{}, err
	}
	if key, err := base64.StdEncoding.DecodeString(p[partKey]); err != nil || len(key) == 0 {
		return Service{}, fault.Reject(op, "copy the whole string from the Azure portal again",
			"SharedAccessKey is not base64 text")
	}
	return Service{Host: p[partHost], Policy: p[partPolicy], Key: secret.New(p[partKey])}, nil
}

// Name is the hub's name: the first label of its host name.
func (s Service) Name() string {
	name, _, _ := strings.Cut(s.Host, ".")
	return name
}

// Endpoint is an event hub and the key to read it.
type Endpoint struct {
	Host     string        // fully qualified name of the namespace, without a port
	EventHub string        // name of the event hub within it
	Policy   string        // name of the key
	Key      secret.Secret // used as text, not as base64 (unlike the hub's own tokens)

	// Address is where to dial (host:port) if that is not Host at port 5671; "" if it is.
	Address string
}

// ParseEndpoint reads an Event Hubs connection string with the name of its event hub:
//
//	Endpoint=sb://<host>/;SharedAccessKeyName=<policy>;SharedAccessKey=<key>;EntityPath=<event hub>
//
// Its errors are of class Rejected, name the part at fault and never show the key.
func ParseEndpoint(text string) (Endpoint, error) {
	const op = "read the Event Hubs connection string"
	p, err := splitParts(op, text, []string{partEndpoint, partPolicy, partKey, partEntity})
	if err != nil {
		return Endpoint{}, err
	}
	host, ok := strings.CutPrefix(p[partEndpoint], "sb://")
	if !ok {
		return Endpoint{}, fault.Reject(op, "it looks like sb://<namespace>.servicebus.windows.net/", "Endpoint does not begin with sb://")
	}
	host = strings.TrimSuffix(host, "/")
	if err := checkHost(op, partEndpoint, host); err != nil {
		return Endpoint{}, err
	}
	if strings.ContainsAny(p[partEntity], "/?#") {
		return Endpoint{}, fault.Reject(op, "it is the Event Hub-compatible name of the built-in endpoint",
			"EntityPath is no name of an event hub")
	}
	return Endpoint{Host: host, EventHub: p[partEntity], Policy: p[partPolicy], Key: secret.New(p[partKey])}, nil
}

// ConnectionString is the string that the Event Hubs client takes: what ParseEndpoint reads.
func (e Endpoint) ConnectionString() secret.Secret {
	return secret.New("Endpoint=sb://" + e.Host + "/;SharedAccessKeyName=" + e.Policy +
		";SharedAccessKey=" + e.Key.Reveal() + ";EntityPath=" + e.EventHub)
}

// checkHost accepts a DNS name or an IPv4 address.
func checkHost(op, part, host string) error {
	if name, port, err := net.SplitHostPort(host); err == nil && ValidHost(name) && validPort(port) {
		return fault.Reject(op, "leave the port out; to dial another address than the hub's own, set endpoints.amqps",
			"%s has a port", part)
	}
	if !ValidHost(host) {
		return fault.Reject(op, "it looks like plant1.azure-devices.net", "%s is no host name", part)
	}
	return nil
}

// ValidHost accepts a DNS name or an IPv4 address, without a port.
func ValidHost(s string) bool {
	if s == "" || len(s) > 253 {
		return false
	}
	for label := range strings.SplitSeq(s, ".") {
		if label == "" || len(label) > 63 || label[0] == '-' || label[len(label)-1] == '-' {
			return false
		}
		for _, c := range []byte(label) {
			if c != '-' && (c < '0' || c > '9') && (c < 'a' || c > 'z') && (c < 'A' || c > 'Z') {
				return false
			}
		}
	}
	return true
}

func validPort(s string) bool {
	n, err := strconv.ParseUint(s, 10, 16)
	return err == nil && n > 0
}
