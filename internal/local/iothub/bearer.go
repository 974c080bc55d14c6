package iothub

import (
	"crypto"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"
)

// bearerPrefix starts a token of Microsoft Entra ID, over HTTPS and on $cbs.
const bearerPrefix = "Bearer "

// entraAudience is what a token for IoT hubs is made for (read).
const entraAudience = "https://iothubs.azure.net"

// EntraTrust is a tenant of Microsoft Entra ID whose tokens the hub takes, and who has which roles on the hub. A new hub
// trusts none.
type EntraTrust struct {
	Issuer string `json:"issuer"` // iss of its tokens, such as https://sts.windows.net/{tenant}/
	Key    string `json:"key"`    // the public RSA key that its tokens are signed with, in PEM
	// Roles are those of principals, by object id: names of IoT Hub's own roles, or single data actions such as
	// directMethods/invoke/action.
	Roles map[string][]string `json:"roles"`
}

// entraRoles are IoT Hub's own roles with the data actions that they give, below Microsoft.Devices/IotHubs/ (read).
var entraRoles = map[string]string{
	"IoT Hub Data Contributor":     "*",
	"IoT Hub Data Reader":          "*/read",
	"IoT Hub Registry Contributor": "devices/*",
	"IoT Hub Twin Contributor":     "twins/*",
}

type trust struct {
	EntraTrust
	key *rsa.PublicKey
}

// TrustEntra makes the hub take the tokens of a tenant, in place of another; the zero value of none.
func (h *Hub) TrustEntra(t EntraTrust) error {
	if t.Issuer == "" && t.Key == "" {
		h.trusted.Store(nil)
		return nil
	}
	block, _ := pem.Decode([]byte(t.Key))
	if block == nil {
		return fmt.Errorf("trust a tenant: %w: key is not PEM", ErrBadID)
	}
	parsed, err := x509.ParsePKIXPublicKey(block.Bytes)
	key, ok := parsed.(*rsa.PublicKey)
	if err != nil || !ok {
		return fmt.Errorf("trust a tenant: %w: key is no public RSA key", ErrBadID)
	}
	h.trusted.Store(&trust{t, key})
	return nil
}

// IsBearer reports whether a token is one of Microsoft Entra ID, not a shared access signature.
func IsBearer(token string) bool { return strings.HasPrefix(token, bearerPrefix) }

// VerifyBearer checks a token of Microsoft Entra ID, with the word Bearer in front. Its audience is the whole hub; what it
// may do there, the caller asks Principal.May. The event endpoint takes no such tokens (read).
func (h *Hub) VerifyBearer(token string) (Principal, error) {
	t := h.trusted.Load()
	if t == nil {
		return Principal{}, refuse("this hub trusts no tenant of Entra ID: see PUT /entra of its control interface")
	}
	claims, err := t.read(strings.TrimPrefix(token, bearerPrefix))
	if err != nil {
		return Principal{}, refuse("%w", err)
	}
	p := Principal{Object: claims.Oid, Audience: h.Names().Host, Expires: time.Unix(claims.Exp, 0)}
	switch now := h.clock(); {
	case claims.Iss != t.Issuer:
		return Principal{}, refuse("the token is of another tenant: %q", claims.Iss)
	case strings.TrimSuffix(claims.Aud, "/") != entraAudience:
		return Principal{}, refuse("the token is for %q, not for %s", claims.Aud, entraAudience)
	case !now.Before(p.Expires):
		return Principal{}, refuse("the token expired %s ago", now.Sub(p.Expires).Round(time.Second))
	case now.Before(time.Unix(claims.Nbf, 0).Add(-5 * time.Minute)):
		return Principal{}, refuse("the token is not good yet")
	}
	for _, role := range t.Roles[claims.Oid] {
		if actions, known := entraRoles[role]; known {
			role = actions
		}
		p.actions = append(p.actions, role)
	}
	if p.May("cloudToDeviceMessages/send/action") {
		p.Rights |= ServiceConnect
	}
	return p, nil
}

// entraClaims are those of a token that count here.
type entraClaims struct {
	Iss, Aud, Oid string
	Exp, Nbf      int64
}

// read takes a signed token apart; RS256 is what Entra ID signs with.
func (t *trust) read(token string) (c entraClaims, err error) {
	parts := strings.Split(token, ".")
	if len(parts) != 3 || len(token) > maxTokenLength {
		return c, errors.New("the token is no signed JWT")
	}
	var head struct{ Alg string }
	if err := readPart(parts[0], &head); err != nil || head.Alg != "RS256" {
		return c, errors.New("the token is not signed with RS256")
	}
	signature, err := base64.RawURLEncoding.DecodeString(parts[2])
	if err != nil {
		return c, errors.New("the token's signature is not base64")
	}
	digest := sha256.Sum256([]byte(parts[0] + "." + parts[1]))
	if rsa.VerifyPKCS1v15(t.key, crypto.SHA256, digest[:], signature) != nil {
		return c, errors.New("the tenant did not sign the token")
	}
	return c, readPart(parts[1], &c)
}

func readPart(part string, into any) error {
	text, err := base64.RawURLEncoding.DecodeString(part)
	if err != nil {
		return errors.New("the token is not base64")
	}
	if err := json.Unmarshal(text, into); err != nil {
		return errors.New("the token is not JSON")
	}
	return nil
}

// May reports whether a role of the principal has a data action, such as twins/read. A policy has rights instead.
func (p Principal) May(action string) bool {
	return slices.ContainsFunc(p.actions, func(have string) bool {
		before, after, any := strings.Cut(have, "*")
		return have == action || any && strings.HasPrefix(action, before) && strings.HasSuffix(action, after)
	})
}
