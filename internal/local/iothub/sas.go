package iothub

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"net/url"
	"strconv"
	"strings"
	"time"
)

// tokenPrefix starts every shared access signature.
const tokenPrefix = "SharedAccessSignature "

// maxTokenLength bounds what is parsed; real tokens have a few hundred characters.
const maxTokenLength = 4096

// Token is a parsed shared access signature, not verified yet.
type Token struct {
	// Resource is sr, unescaped.
	Resource string
	// Policy is skn, unescaped; empty in a device's own token.
	Policy string
	// Expires is se.
	Expires time.Time

	signed    string // what the signature covers: sr as written, a newline, se as written
	signature []byte
}

// ParseToken reads "SharedAccessSignature sr=..&sig=..&se=..[&skn=..]" strictly: the fields in any order, each once,
// no others. Its errors never repeat the signature.
func ParseToken(text string) (Token, error) {
	if len(text) > maxTokenLength {
		return Token{}, fmt.Errorf("token has %d characters, at most %d are accepted", len(text), maxTokenLength)
	}
	rest, ok := strings.CutPrefix(text, tokenPrefix)
	if !ok {
		return Token{}, errors.New(`token does not start with "SharedAccessSignature "`)
	}
	fields, err := tokenFields(rest)
	if err != nil {
		return Token{}, err
	}
	var t Token
	if t.Resource, err = unescapeField(fields, "sr"); err != nil {
		return Token{}, err
	}
	if t.Policy, err = unescapeField(fields, "skn"); err != nil {
		return Token{}, err
	}
	signature, err := unescapeField(fields, "sig")
	if err != nil {
		return Token{}, err
	}
	if t.signature, err = base64.StdEncoding.DecodeString(signature); err != nil || len(t.signature) != sha256.Size {
		return Token{}, errors.New("token field sig is not the url-escaped base64 text of 32 bytes")
	}
	seconds, err := strconv.ParseUint(fields["se"], 10, 40)
	if err != nil {
		return Token{}, errors.New("token field se is not a time in Unix seconds")
	}
	t.Expires = time.Unix(int64(seconds), 0)
	t.signed = fields["sr"] + "\n" + fields["se"]
	return t, nil
}

// SignToken makes a token for resource (unescaped, such as "localhost/devices/d1") by the rule of IoT Hub: the key of
// the signature is the base64-decoded key text (read, tried). policy is empty for a device's own token.
func SignToken(resource, policy, key string, expires time.Time) (string, error) {
	secret, err := base64.StdEncoding.DecodeString(key)
	if err != nil || len(secret) == 0 {
		return "", errors.New("sign token: the shared access key is not base64 text")
	}
	return signToken(resource, policy, secret, expires), nil
}

// SignEventHubToken makes a token by the rule of the Event Hubs SDKs: the key of the signature is the key text itself,
// not its decoded bytes (read, tried).
func SignEventHubToken(resource, policy, key string, expires time.Time) string {
	return signToken(resource, policy, []byte(key), expires)
}

func signToken(resource, policy string, secret []byte, expires time.Time) string {
	sr, se := url.QueryEscape(resource), strconv.FormatInt(expires.Unix(), 10)
	sig := base64.StdEncoding.EncodeToString(signatureOf(secret, sr+"\n"+se))
	token := tokenPrefix + "sr=" + sr + "&sig=" + url.QueryEscape(sig) + "&se=" + se
	if policy != "" {
		token += "&skn=" + url.QueryEscape(policy)
	}
	return token
}

// signedWith reports in constant time whether secret made the token's signature.
func (t Token) signedWith(secret []byte) bool {
	return hmac.Equal(t.signature, signatureOf(secret, t.signed))
}

func signatureOf(secret []byte, text string) []byte {
	mac := hmac.New(sha256.New, secret)
	mac.Write([]byte(text))
	return mac.Sum(nil)
}

// tokenFields splits the fields and checks that exactly the known ones are there.
func tokenFields(text string) (map[string]string, error) {
	fields := make(map[string]string, 4)
	for field := range strings.SplitSeq(text, "&") {
		name, value, ok := strings.Cut(field, "=")
		if !ok {
			return nil, errors.New("token has a field without a value; want sr, sig, se and perhaps skn")
		}
		switch name {
		case "sr", "sig", "se", "skn":
		default:
			return nil, errors.New("token has a field other than sr, sig, se and skn")
		}
		if _, twice := fields[name]; twice {
			return nil, fmt.Errorf("token has the field %s twice", name)
		}
		fields[name] = value
	}
	for _, name := range [...]string{"sr", "sig", "se"} {
		if fields[name] == "" {
			return nil, fmt.Errorf("token has no field %s", name)
		}
	}
	return fields, nil
}

func unescapeField(fields map[string]string, name string) (string, error) {
	value, err := url.PathUnescape(fields[name]) // a plus sign stands for itself, as in ids and base64
	if err != nil {
		return "", fmt.Errorf("token field %s is not url-escaped", name)
	}
	return value, nil
}
