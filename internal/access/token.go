package access

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"net/url"
	"strconv"
	"strings"
	"time"

	"azx/internal/secret"
)

// Token signs a shared access signature for a resource such as "host/messages/events", valid until
// expires. The key is the base64-decoded one (read: iot-hub-dev-guide-sas.md), unlike in Event Hubs.
func (s Service) Token(resource string, expires time.Time) secret.Secret {
	// ParseService has checked the key; one that is no base64 gives a signature nobody accepts.
	key, _ := base64.StdEncoding.DecodeString(s.Key.Reveal())
	return sign(key, resource, s.Policy, expires)
}

// Token signs a shared access signature for a resource such as "sb://host/event hub", valid until expires. The key is the
// text of the key, not what it decodes to; the resource is written in lower case (read: azeventhubs' internal/sas).
func (e Endpoint) Token(resource string, expires time.Time) secret.Secret {
	return sign([]byte(e.Key.Reveal()), strings.ToLower(resource), e.Policy, expires)
}

func sign(key []byte, resource, policy string, expires time.Time) secret.Secret {
	audience, until := url.QueryEscape(resource), strconv.FormatInt(expires.Unix(), 10)
	mac := hmac.New(sha256.New, key)
	mac.Write([]byte(audience + "\n" + until))
	signature := base64.StdEncoding.EncodeToString(mac.Sum(nil))
	return secret.New("SharedAccessSignature sr=" + audience +
		"&sig=" + url.QueryEscape(signature) + "&se=" + until + "&skn=" + url.QueryEscape(policy))
}
