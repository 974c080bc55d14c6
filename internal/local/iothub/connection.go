package iothub

import (
	"fmt"
	"strconv"
	"strings"
)

// ServiceConnectionString is the connection string of the policy service, for back ends.
func (h *Hub) ServiceConnectionString() string { return h.PolicyConnectionString("service") }

// OwnerConnectionString is the connection string of the policy iothubowner, for tools that manage devices.
func (h *Hub) OwnerConnectionString() string { return h.PolicyConnectionString("iothubowner") }

// EventHubsConnectionString is the connection string of the Event Hubs-compatible endpoint, as the portal shows it.
func (h *Hub) EventHubsConnectionString() string {
	p, _ := h.Policy("service")
	return "Endpoint=sb://" + h.Names().Namespace + "/;SharedAccessKeyName=" + p.Name +
		";SharedAccessKey=" + p.PrimaryKey + ";EntityPath=" + h.Names().EventHub
}

// DeviceConnectionString is what a device or module needs to connect. A port other than 0 goes behind the host name,
// where the MQTT and AMQP transports of the SDKs read it (tried).
func (h *Hub) DeviceConnectionString(identity Identity, port int) string {
	return Credentials{Host: h.Names().Host, Port: port, ID: identity.ID, Key: identity.PrimaryKey}.String()
}

// PolicyConnectionString is the connection string of a policy; without key if there is none of that name.
func (h *Hub) PolicyConnectionString(name string) string {
	p, _ := h.Policy(name)
	return "HostName=" + h.Names().Host + ";SharedAccessKeyName=" + p.Name + ";SharedAccessKey=" + p.PrimaryKey
}

// Credentials are the parts of a device's connection string.
type Credentials struct {
	Host string
	Port int // 0 when the string has none
	ID   ID
	Key  string // base64 text
}

// String writes the connection string. It contains the key: print it only where it was asked for.
func (c Credentials) String() string {
	host := c.Host
	if c.Port != 0 {
		host += ":" + strconv.Itoa(c.Port)
	}
	s := "HostName=" + host + ";DeviceId=" + c.ID.Device
	if c.ID.Module != "" {
		s += ";ModuleId=" + c.ID.Module
	}
	return s + ";SharedAccessKey=" + c.Key
}

// ParseCredentials reads a device's connection string. Its errors never repeat the string.
func ParseCredentials(text string) (Credentials, error) {
	var c Credentials
	for part := range strings.SplitSeq(strings.TrimSpace(text), ";") {
		name, value, _ := strings.Cut(part, "=")
		switch name {
		case "HostName":
			host, port, found := strings.Cut(value, ":")
			c.Host = host
			if !found {
				continue
			}
			number, err := strconv.ParseUint(port, 10, 16)
			if err != nil {
				return Credentials{}, fmt.Errorf("device connection string: port %q of HostName is no port", port)
			}
			c.Port = int(number)
		case "DeviceId":
			c.ID.Device = value
		case "ModuleId":
			c.ID.Module = value
		case "SharedAccessKey":
			c.Key = value
		}
	}
	if c.Host == "" || c.ID.Device == "" || c.Key == "" {
		return Credentials{}, fmt.Errorf("device connection string: want HostName, DeviceId and SharedAccessKey")
	}
	return c, nil
}
