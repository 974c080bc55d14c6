package iothub

import (
	"strings"
	"time"
)

// Right is a set of permissions of a shared access policy.
type Right uint8

// The permissions of an IoT Hub (read).
const (
	RegistryRead Right = 1 << iota
	RegistryWrite
	ServiceConnect
	DeviceConnect
)

// Policy is a shared access policy with its keys (base64 texts).
type Policy struct {
	Name         string
	Rights       Right
	PrimaryKey   string
	SecondaryKey string
}

// builtInPolicies are what a new hub comes with (read).
var builtInPolicies = [...]Policy{
	{Name: "iothubowner", Rights: RegistryRead | RegistryWrite | ServiceConnect | DeviceConnect},
	{Name: "service", Rights: ServiceConnect},
	{Name: "device", Rights: DeviceConnect},
	{Name: "registryRead", Rights: RegistryRead},
	{Name: "registryReadWrite", Rights: RegistryRead | RegistryWrite},
}

// Principal is who a verified token speaks for.
type Principal struct {
	// Policy is the name of the shared access policy, empty when the token was signed with a device's own key.
	Policy string
	// Object is the object id of a principal of Microsoft Entra ID; empty for any other.
	Object string
	// Rights are the policy's permissions; a device's own key has DeviceConnect, a principal of Entra ID ServiceConnect if
	// it may send messages to devices.
	Rights Right
	// ID is the device or module the token was verified for; zero for a service token.
	ID ID
	// GenerationID is the generation of ID; empty for a service token.
	GenerationID string
	// Audience is the token's sr, unescaped, without scheme and port: "host/devices/d1".
	Audience string
	// Expires is when the token ends; links and connections end with it.
	Expires time.Time

	actions []string // of a principal of Entra ID
}

// Can reports whether the principal has all of rights.
func (p Principal) Can(rights Right) bool { return p.Rights&rights == rights }

// Covers reports whether the token's audience covers resource, as a segment prefix compared without case.
// The resource may carry a scheme, a port and percent escapes, as in the addresses of AMQP links.
func (p Principal) Covers(resource string) bool {
	return covers(p.Audience, plainResource(resource))
}

// AuthMethod is the JSON text the hub stamps on messages as iothub-connection-auth-method (shape: read).
func (p Principal) AuthMethod() string {
	switch {
	case p.Policy != "":
		return `{"scope":"hub","type":"sas","issuer":"iothub","acceptingIpFilterRule":null}`
	case p.ID.Module != "":
		return `{"scope":"module","type":"sas","issuer":"iothub","acceptingIpFilterRule":null}`
	default:
		return `{"scope":"device","type":"sas","issuer":"iothub","acceptingIpFilterRule":null}`
	}
}

// covers reports whether prefix is resource or a leading run of its segments.
func covers(prefix, resource string) bool {
	if len(resource) < len(prefix) || !strings.EqualFold(resource[:len(prefix)], prefix) {
		return false
	}
	return len(resource) == len(prefix) || resource[len(prefix)] == '/'
}
