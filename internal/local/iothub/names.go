package iothub

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"net"
	"strings"
)

// cloudSuffix ends the host names of real IoT hubs.
const cloudSuffix = ".azure-devices.net"

// Names are the names a hub answers to. They follow from the host name and the failovers alone, so they are the same
// after every start and may be written into certificates and connection strings.
type Names struct {
	// Host is the hub's own name: "localhost", or as in the cloud "plant1.azure-devices.net".
	Host string
	// Namespace is the host name of the Event Hubs-compatible endpoint. It differs from Host when Host looks like
	// a cloud name, so that the redirect from one to the other is really exercised; otherwise it is Host itself.
	Namespace string
	// EventHub is the Event Hubs-compatible name, "iothub-ehub-<label>-<digits>-<hex>" (form: read).
	EventHub string
}

// NewNames derives all names from the hub's host name, and refuses a host that could not stand in a certificate.
func NewNames(host string) (Names, error) {
	host = strings.ToLower(strings.TrimSpace(host))
	if !validHost(host) {
		return Names{}, fmt.Errorf("hub host name %q: want localhost or a DNS name such as plant1.azure-devices.net, without a port", host)
	}
	return Names{Host: host}.after(0), nil
}

// after are the names of the same hub after so many failovers: another name of the event hub, and of its namespace where
// that is not the host's.
func (n Names) after(failovers int) Names {
	host, seed := n.Host, n.Host
	if failovers > 0 {
		seed = fmt.Sprintf("%s, failover %d", host, failovers)
	}
	label, _, _ := strings.Cut(host, ".")
	if net.ParseIP(host) != nil {
		label = "ip"
	}
	label = label[:min(len(label), 20)]
	sum := sha256.Sum256([]byte(seed))
	tail := fmt.Sprintf("%s-%07d-%s", label, binary.BigEndian.Uint32(sum[:4])%10_000_000, hex.EncodeToString(sum[4:9]))
	n = Names{Host: host, Namespace: host, EventHub: "iothub-ehub-" + tail}
	if strings.HasSuffix(host, cloudSuffix) {
		n.Namespace = "iothub-ns-" + tail + ".servicebus.windows.net"
	}
	return n
}

// Label is the first part of the host name; SASL PLAIN user names end in it ("service@sas.root.<label>").
func (n Names) Label() string {
	label, _, _ := strings.Cut(n.Host, ".")
	return label
}

// IsHost reports whether name, with or without a port, is the hub's own name.
func (n Names) IsHost(name string) bool { return strings.EqualFold(withoutPort(name), n.Host) }

// IsNamespace reports whether name, with or without a port, is the name of the Event Hubs-compatible endpoint.
func (n Names) IsNamespace(name string) bool {
	return strings.EqualFold(withoutPort(name), n.Namespace)
}

func validHost(host string) bool {
	if host == "" || len(host) > 253 {
		return false
	}
	if net.ParseIP(host) != nil {
		return true
	}
	for label := range strings.SplitSeq(host, ".") {
		if label == "" || len(label) > 63 || strings.Trim(label, "-") != label {
			return false
		}
		if strings.Trim(label, "abcdefghijklmnopqrstuvwxyz0123456789-") != "" {
			return false
		}
	}
	return true
}

func withoutPort(name string) string {
	if host, _, err := net.SplitHostPort(name); err == nil {
		return host
	}
	return name
}
