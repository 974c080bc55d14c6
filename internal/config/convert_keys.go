package config

import (
	"slices"
	"strconv"
	"strings"

	"azx/internal/hocon"
)

// Keys of the reference product that have a counterpart.
const (
	keyName           = "cx-server.thing.name"
	keyHubThing       = "cx-server.protocol.hub-thing-name"
	keyAppKey         = "cx-server.transport.websockets.app-key"
	keyPlatforms      = "cx-server.transport.websockets.platforms"
	keyRequestTimeout = "cx-server.transport.websockets.request.default_timeout-ms"
)

// ours are the counterparts by our keys, to tell where a value of the written file comes from.
var ours = map[string]string{
	"name": keyName, "hubs[0].thing": keyHubThing, "platform.appKey": keyAppKey, "platform.urls": keyPlatforms,
	"requestTimeout": keyRequestTimeout,
}

// reason is why keys have no counterpart.
type reason struct {
	in    string // what the normal form of such a key has
	why   string
	shown bool // the value is no credential and may stand in a comment
	warn  bool // a person should know before the first start
}

// reasons are looked through in order: the first that fits counts.
var reasons = []reason{
	{"truststore", "azx reads PEM files: make one with keytool -list -rfc -keystore FILE > platform-ca.pem, and name it in platform.caFile", false, true},
	{"tlsenabled", "the address says it: wss:// or ws:// in platform.urls", true, false},
	{"sslenabled", "the address says it: wss:// or ws:// in platform.urls", true, false},
	{"hostnamev", "names in certificates are always checked", true, true},
	{"validatehost", "names in certificates are always checked", true, true},
	{"verifyhost", "names in certificates are always checked", true, true},
	{"servicediscovery", "azx finds the platform by its addresses: name every instance in platform.urls", false, true},
	{"zookeeper", "azx finds the platform by its addresses: name every instance in platform.urls", false, true},
	{"security", "azx reads no key store: a credential is a file or a variable, ${file:...} or ${env:...}", false, false},
	{"metrics", "azx shows its metrics to Prometheus, at /metrics of admin.listen, and reports to nothing else", false, false},
	{"logback", "azx run --log-level and --log-format say what is logged; it goes to the standard error stream", false, false},
	{"logging", "azx run --log-level and --log-format say what is logged; it goes to the standard error stream", false, false},
	{"loglevel", "azx run --log-level and --log-format say what is logged; it goes to the standard error stream", false, false},
	{"cxserverhubthing", "the Connection Services Hub is a Thing of the packages, under their name", true, false},
	{"cxserverprotocolport", "azx listens nowhere but at admin.listen", true, false},
	{"cxserverprotocolclassname", "azx does one thing", true, false},
	{"websocketsauthenticationtimeout", "signing in may take 15s, then it is tried again", true, false},
	{"websocketsrequest", "requestTimeout is the only time-out of requests", true, false},
	{"websocketsiothread", "azx needs no such number", true, false},
	{"websocketsconnectionspipecount", "azx chooses the number of its connections; lanes are the queues behind them", true, false},
	{"watermark", "memory bounds what is in flight", true, false},
	{"websocketsconnections", "azx watches its connections by itself", true, false},
	{"maxmsgsize", "a message may have 1 MiB", true, false},
	{"alivenesscheck", "azx has no connections to devices", true, false},
	{"cxserverprotocol", "the settings of the hub are on the hub Thing; what has to be in the file is in docs/configuration.md", false, true},
	{"", "azx does not know this key", false, true},
}

// reasonFor returns why a key has no counterpart.
func reasonFor(key string) reason {
	for _, r := range reasons {
		if strings.Contains(normal(key), r.in) {
			return r
		}
	}
	return reason{}
}

// normal is a key without what its spellings differ in: authentication.timeout-ms and authentication.timeout.ms are
// one key.
func normal(key string) string {
	return strings.ToLower(separators.Replace(key))
}

var separators = strings.NewReplacer(".", "", "-", "", "_", "")

func isPlainName(name string) bool {
	const plain = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_-"
	return 1 <= len(name) && len(name) <= 64 && strings.Trim(name, plain) == ""
}

// dotted joins the names of a path; what is not plain is in quotes, and can be printed.
func dotted(path []string) string {
	names := make([]string, len(path))
	for i, name := range path {
		switch {
		case isPlainName(name):
			names[i] = name
		case len(name) > 64:
			names[i] = strconv.Quote(name[:64]) + "..."
		default:
			names[i] = strconv.Quote(name)
		}
	}
	return strings.Join(names, ".")
}

// encryptions are how values begin that a tool has encrypted, in small letters.
var encryptions = []string{"encrypt.", "encrypted:", "enc(", "aes:", "{aes", "{cipher}", "secret:"}

func isEncrypted(text string) bool {
	text = strings.ToLower(strings.TrimSpace(text))
	for _, start := range encryptions {
		if strings.HasPrefix(text, start) {
			return true
		}
	}
	return false
}

// secretNames are in the normal form of keys whose value no comment shows, whatever the reason.
var secretNames = []string{"password", "passphrase", "secret", "token", "credential", "key", "sas", "connectionstring", "user"}

func isSecretName(key string) bool {
	return slices.ContainsFunc(secretNames, func(name string) bool { return strings.Contains(normal(key), name) })
}

// show is the value as a comment may have it: "" if it may not.
func (r reason) show(s setting) string {
	v := s.value
	switch {
	case isEncrypted(v.Text):
		return " (encrypted)"
	case !r.shown || v.Kind == hocon.List || v.Kind == hocon.Object || len(v.Text) > 40 || isSecretName(s.key):
		return ""
	case r.in == "watermark" || r.in == "maxmsgsize":
		if n, err := v.Bytes(); err == nil {
			return " = " + strconv.FormatInt(n, 10) + " bytes"
		}
	}
	return " = " + strconv.Quote(v.Text)
}
