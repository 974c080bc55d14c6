package iothub

import (
	"encoding/base64"
	"errors"
	"fmt"
	"net/url"
	"strings"
	"time"
)

// ErrUnauthorized is behind every refused token; test with errors.Is. The text says what is wrong with the token.
var ErrUnauthorized = errors.New("unauthorized")

// Verify checks a token for a resource of either kind: of the Event Hubs-compatible endpoint when the resource's host
// is the namespace's own or its path starts with the event hub's name, else of the hub. The resource may be written
// as in put-token: with a scheme, a port, and url-escaped.
func (h *Hub) Verify(token, resource string) (Principal, error) {
	if h.isEventHub(plainResource(resource)) {
		return h.VerifyEventHub(token, resource)
	}
	return h.VerifyHub(token, resource)
}

// VerifyHub checks a token for a resource of the hub ("{host}", "{host}/devices/d1", "{host}/messages/events"),
// signed by the rule of IoT Hub with the key of a policy or of the very device or module the resource names.
// A token for a device's resource is refused when the device is unknown or disabled. Which rights a service token
// must have depends on what it is for: the caller asks Principal.Can.
func (h *Hub) VerifyHub(token, resource string) (Principal, error) {
	resource = plainResource(resource)
	t, p, err := h.admit(token, resource)
	if err != nil {
		return Principal{}, err
	}
	if host, _, _ := strings.Cut(p.Audience, "/"); !h.Names().IsHost(host) {
		return Principal{}, refuse("the token is for host %q, this hub is %q", host, h.Names().Host)
	}
	p.ID = idOfResource(resource)
	if p.ID.Device == "" {
		return h.signedByPolicy(t, p, decodedKey)
	}
	identity, err := h.registry.Get(p.ID)
	if err != nil {
		return Principal{}, refuse("%w", err)
	}
	if identity.Disabled {
		return Principal{}, refuse("device %q: %w", p.ID, ErrDisabled)
	}
	p.GenerationID = identity.GenerationID
	if t.Policy != "" {
		if p, err = h.signedByPolicy(t, p, decodedKey); err == nil && !p.Can(DeviceConnect) {
			return Principal{}, refuse("policy %q does not let devices connect", t.Policy)
		}
		return p, err
	}
	p.Rights = DeviceConnect
	if !signedByOne(t, decodedKey, identity.PrimaryKey, identity.SecondaryKey) {
		return Principal{}, refuse("the signature was not made with a key of %q", p.ID)
	}
	return p, nil
}

// VerifyEventHub checks a token for a resource of the Event Hubs-compatible endpoint ("amqps://{namespace}/{event
// hub}/ConsumerGroups/..."), signed by the rule of the Event Hubs SDKs with the key of a policy with ServiceConnect.
func (h *Hub) VerifyEventHub(token, resource string) (Principal, error) {
	t, p, err := h.admit(token, plainResource(resource))
	if err != nil {
		return Principal{}, err
	}
	if host, _, _ := strings.Cut(p.Audience, "/"); !h.Names().IsNamespace(host) {
		return Principal{}, refuse("the token is for host %q, the event hub is at %q", host, h.Names().Namespace)
	}
	if p, err = h.signedByPolicy(t, p, textKey); err == nil && !p.Can(ServiceConnect) {
		return Principal{}, refuse("policy %q lacks ServiceConnect, which reading events needs", t.Policy)
	}
	return p, err
}

// VerifyPlain checks SASL PLAIN: user "{policy}@sas.root.{hub}" or "{device}@sas.{hub}" (read), where hub is the first
// label of the host name, and a token as the password.
func (h *Hub) VerifyPlain(user, password string) (Principal, error) {
	at := strings.LastIndex(user, "@sas.")
	if at < 0 {
		return Principal{}, refuse("user name %q: want {policy}@sas.root.{hub} or {device}@sas.{hub}", user)
	}
	name, hub := user[:at], user[at+len("@sas."):]
	policyHub, byPolicy := strings.CutPrefix(hub, "root.")
	if byPolicy {
		hub = policyHub
	}
	if !strings.EqualFold(hub, h.Names().Label()) {
		return Principal{}, refuse("user name %q is for hub %q, this one is %q", user, hub, h.Names().Label())
	}
	if !byPolicy {
		return h.VerifyHub(password, h.Names().Host+"/"+ID{Device: name}.Path())
	}
	t, err := ParseToken(password)
	if err != nil {
		return Principal{}, refuse("%w", err)
	}
	if t.Policy != name {
		return Principal{}, refuse("user name is for policy %q, the token for %q", name, t.Policy)
	}
	return h.VerifyHub(password, t.Resource)
}

// admit parses the token and checks what needs no key: its time, and that its audience covers the resource.
func (h *Hub) admit(token, resource string) (Token, Principal, error) {
	t, err := ParseToken(token)
	if err != nil {
		return Token{}, Principal{}, refuse("%w", err)
	}
	if late := h.clock().Sub(t.Expires); late >= 0 {
		return Token{}, Principal{}, refuse("the token expired %s ago", late.Round(time.Second))
	}
	p := Principal{Policy: t.Policy, Audience: plainResource(t.Resource), Expires: t.Expires}
	switch {
	case covers(p.Audience, resource):
		return t, p, nil
	case idOfResource(p.Audience).Module == "$edgeHub":
		return Token{}, Principal{}, refuse("the token is for %q and does not cover %q: with this hub an edge device connects for itself "+
			"only, and a leaf device, also one with a parent, directly and with its own token", p.Audience, resource)
	default:
		return Token{}, Principal{}, refuse("the token is for %q and does not cover %q", p.Audience, resource)
	}
}

func (h *Hub) signedByPolicy(t Token, p Principal, rule keyRule) (Principal, error) {
	if t.Policy == "" {
		return Principal{}, refuse("the token names no policy (skn) and %q is no device", p.Audience)
	}
	policy, ok := h.Policy(t.Policy)
	if !ok {
		return Principal{}, refuse("the hub has no policy %q", t.Policy)
	}
	if !signedByOne(t, rule, policy.PrimaryKey, policy.SecondaryKey) {
		return Principal{}, refuse("the signature was not made with a key of policy %q", t.Policy)
	}
	p.Rights = policy.Rights
	return p, nil
}

func (h *Hub) isEventHub(resource string) bool {
	host, path, _ := strings.Cut(resource, "/")
	entity, _, _ := strings.Cut(path, "/")
	if strings.EqualFold(entity, h.Names().EventHub) {
		return true
	}
	return h.Names().IsNamespace(host) && !h.Names().IsHost(host)
}

// keyRule turns the text of a key into the secret of the signature.
type keyRule func(key string) []byte

func decodedKey(key string) []byte {
	secret, err := base64.StdEncoding.DecodeString(key)
	if err != nil {
		return nil
	}
	return secret
}

func textKey(key string) []byte { return []byte(key) }

// signedByOne tries both keys whatever the first one says, so that timing does not tell them apart.
func signedByOne(t Token, rule keyRule, primary, secondary string) bool {
	first, second := t.signedWith(rule(primary)), t.signedWith(rule(secondary))
	return first || second
}

func refuse(format string, args ...any) error {
	return fmt.Errorf("verify token: %w: %w", ErrUnauthorized, fmt.Errorf(format, args...))
}

// plainResource brings a resource as clients write it ("amqps://Host:5671/eh/", "host%2Fdevices%2Fd1") to
// "host/path". Ids may hold a percent sign, so a text that is no valid escape is taken as it is.
func plainResource(resource string) string {
	if strings.Contains(resource, "/") || !strings.Contains(resource, "%2") {
		return plainAudience(resource)
	}
	if text, err := url.PathUnescape(resource); err == nil {
		resource = text
	}
	return plainAudience(resource)
}

// plainAudience drops scheme, port and trailing slashes.
func plainAudience(resource string) string {
	if _, rest, ok := strings.Cut(resource, "://"); ok {
		resource = rest
	}
	host, path, _ := strings.Cut(strings.TrimRight(resource, "/"), "/")
	if path == "" {
		return withoutPort(host)
	}
	return withoutPort(host) + "/" + path
}

// idOfResource reads "host/devices/{d}[/modules/{m}][/...]"; the zero ID for any other resource.
func idOfResource(resource string) ID {
	parts := strings.Split(resource, "/")
	if len(parts) < 3 || parts[1] != "devices" {
		return ID{}
	}
	id := ID{Device: parts[2]}
	if len(parts) >= 5 && parts[3] == "modules" {
		id.Module = parts[4]
	}
	return id
}
