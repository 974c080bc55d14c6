package config

import (
	"crypto/x509"
	"encoding/base64"
	"fmt"
	"net"
	"net/url"
	"os"
	"path"
	"path/filepath"
	"strconv"
	"strings"
	"unicode"

	"azx/internal/secret"
)

// check applies what the types alone do not say, and makes paths relative to the file's folder.
func (d *decoder) check(cfg *Config) {
	d.text("name", cfg.Name)
	if d.has("availabilityGroup") {
		d.text("availabilityGroup", cfg.AvailabilityGroup)
	}
	d.checkPlatform(&cfg.Platform)
	d.checkIdentity(&cfg.Identity)
	d.proxy("proxy", cfg.Proxy)
	if d.has("noProxy") {
		d.text("noProxy", cfg.NoProxy)
	}
	d.checkHubs(cfg)
	d.checkCheckpoint(cfg)
	d.folder("quarantine.dir", &cfg.Quarantine.Dir, "name a folder for messages put aside, such as /var/lib/azx/quarantine")
	if cfg.Checkpoint.File != "" && cfg.Checkpoint.File == cfg.Quarantine.Dir {
		d.report("quarantine.dir", "is the folder of the checkpoints", "give each its own folder")
	}
	d.listen("admin.listen", cfg.Admin.Listen)
	d.checkTracing(cfg.Tracing)
	d.within("memory", "memory", int64(cfg.Memory))
	d.within("lanes", "lanes", int64(cfg.Lanes))
	d.within("gather", "gather", int64(cfg.Gather))
	d.within("quarantine.limit", "quarantine.limit", int64(cfg.Quarantine.Limit))
	if cfg.Quarantine.LimitPerReason != 0 {
		d.within("quarantine.limitPerReason", "quarantine.limitPerReason", int64(cfg.Quarantine.LimitPerReason))
	}
	if d.has("quarantine.maxAge") {
		d.within("quarantine.maxAge", "quarantine.maxAge", int64(cfg.Quarantine.MaxAge))
	}
	d.within("quarantine.pauseAfter", "quarantine.pauseAfter", int64(cfg.Quarantine.PauseAfter))
	d.within("requestTimeout", "requestTimeout", int64(cfg.RequestTimeout))
}

func (d *decoder) checkPlatform(p *Platform) {
	if len(p.URLs) == 0 {
		d.report("platform.urls", "missing", "such as ws://127.0.0.1:8080/Thingworx/WS")
	}
	for i, text := range p.URLs {
		d.platformURL(fmt.Sprintf("platform.urls[%d]", i), text)
	}
	if !p.AppKey.IsSet() {
		d.report("platform.appKey", "missing", "such as ${file:/etc/azx/app-key}")
	}
	d.credential("platform.appKey", p.AppKey)
	if d.has("platform.appKeyName") {
		d.text("platform.appKeyName", p.AppKeyName)
	}
	d.certificates("platform.caFile", &p.CAFile)
	d.ownCertificate("platform.", &p.CertFile, &p.KeyFile)
}

func (d *decoder) platformURL(at, text string) {
	u, err := url.Parse(text)
	switch {
	case err != nil:
		d.report(at, "not a URL", "such as wss://thingworx.example.com/Thingworx/WS")
	case u.Scheme != "ws" && u.Scheme != "wss":
		d.report(at, fmt.Sprintf("the scheme is %q", u.Scheme), "AlwaysOn runs over ws:// or wss://")
	case u.Hostname() == "":
		d.report(at, "has no host", "such as wss://thingworx.example.com/Thingworx/WS")
	case u.User != nil || u.RawQuery != "" || u.Fragment != "":
		d.report(at, "has more than scheme, host and path", "credentials go into platform.appKey")
	case u.Path == "" || u.Path == "/":
		d.report(at, "has no path", "the platform listens at /Thingworx/WS")
	case u.Scheme == "ws" && !isLoopback(u.Hostname()):
		d.warn(at, "the application key and all values travel unencrypted", "use wss://")
	}
}

func (d *decoder) checkHub(h *Hub, at string) {
	if h.Thing == "" {
		d.report(at+".thing", "missing", "name the hub Thing")
	}
	d.text(at+".thing", h.Thing)
	d.text(at+".consumerGroup", h.ConsumerGroup)
	if d.has(at + ".routingGroup") {
		d.text(at+".routingGroup", h.RoutingGroup)
	}
	if d.has(at + ".timeField") {
		d.text(at+".timeField", h.TimeField)
	}
	d.hubConnection(at+".connectionString", h.ConnectionString)
	d.eventsConnection(at+".eventHubsConnectionString", h.EventHubsConnectionString)
	d.certificates(at+".caFile", &h.CAFile)
	d.endpoint(at+".endpoints.amqps", h.Endpoints.AMQPS)
	d.endpoint(at+".endpoints.https", h.Endpoints.HTTPS)
	d.within(at+".retention", "hubs[].retention", int64(h.Retention))
	for i, glob := range h.AllowThings {
		if _, err := path.Match(glob, ""); err != nil || strings.TrimSpace(glob) == "" {
			d.report(fmt.Sprintf("%s.allowThings[%d]", at, i), "not a pattern", `such as "*", "pump-*" or "line[1-4]-*"`)
		}
	}
	for i, rule := range h.Lifecycle.Rules {
		which, template, named := strings.Cut(rule, "=")
		if which == "" || named && template == "" {
			d.report(fmt.Sprintf("%s.lifecycle.rules[%d]", at, i), "not a rule", "want TEMPLATE, edge=TEMPLATE, TAG=TEMPLATE or TAG:VALUE=TEMPLATE")
		}
	}
	if h.Extensions != ExtensionsAzx && h.Follows() {
		d.report(at+".lifecycle", "Things are made and changed with this project's packages alone", "leave onUnknownThing: create and lifecycle out, or set extensions: azx")
	}
	if h.Extensions == ExtensionsNone {
		d.checkBareHub(h, at)
	}
	d.checkTwoWay(h, at)
	d.checkPresence(h, at+".presence")
}

// checkBareHub asks for what only an extension on the platform could otherwise tell.
func (d *decoder) checkBareHub(h *Hub, at string) {
	if len(h.AllowThings) == 0 {
		d.report(at+".allowThings", "missing, and extensions is none",
			`say which Things the hub may write to, such as ["*"]`)
	}
	if !h.HasService() && !h.EventHubsConnectionString.IsSet() {
		d.report(at+".connectionString", "missing, and extensions is none",
			"without an extension no hub Thing can be asked for it")
	}
}

// text refuses what is blank, has blanks around it, or cannot be printed.
func (d *decoder) text(at, text string) {
	hint := "give a value, or leave the key out"
	if strings.HasSuffix(at, ".routingGroup") || text == "" {
		hint = hintForEmpty(at)
	}
	switch {
	case strings.TrimSpace(text) == "":
		d.report(at, "is blank", hint)
	case strings.TrimSpace(text) != text:
		d.report(at, "has blanks around it", "remove them")
	case strings.ContainsFunc(text, func(r rune) bool { return !unicode.IsPrint(r) }):
		d.report(at, "has characters that cannot be printed", "remove them")
	case strings.Contains(text, "${"):
		d.report(at, "a reference does not work here", secret.Forms+" are for credentials")
	}
}

// credential reads a credential once, and warns when it stands in the file or anybody may read it.
func (d *decoder) credential(at string, s secret.Source) (text string, ok bool) {
	if !s.IsSet() || d.checked[at] {
		return "", false
	}
	if s.IsPlain() && !d.fromThing {
		d.warn(at, "the credential itself stands in this file", "move it out: ${file:/path} or ${env:NAME}")
	}
	for _, file := range s.Files() {
		if info, err := os.Stat(file); err == nil && info.Mode().Perm()&0o004 != 0 {
			d.warn(at, "everybody on this machine may read "+file, "chmod 600 "+file)
		}
	}
	if s.Vaults() != nil { // which is not asked before there is an identity, and a way to it
		return "", false
	}
	text, err := s.Value()
	if err != nil {
		d.report(at, err.Error(), "")
		return "", false
	}
	return text, true
}

func (d *decoder) hubConnection(at string, s secret.Source) {
	text, ok := d.credential(at, s)
	if !ok {
		return
	}
	parts := d.connection(at, text, "HostName", "SharedAccessKeyName", "SharedAccessKey")
	if parts == nil {
		return
	}
	if _, device := parts["DeviceId"]; device {
		d.report(at, "is the connection string of a device", "take the one of a shared access policy such as service")
	}
	if _, err := base64.StdEncoding.DecodeString(parts["SharedAccessKey"]); err != nil {
		d.report(at, "SharedAccessKey is not base64", "copy the connection string again, whole")
	}
}

func (d *decoder) eventsConnection(at string, s secret.Source) {
	text, ok := d.credential(at, s)
	if !ok {
		return
	}
	parts := d.connection(at, text, "Endpoint", "SharedAccessKeyName", "SharedAccessKey", "EntityPath")
	if parts == nil {
		return
	}
	if u, err := url.Parse(parts["Endpoint"]); err != nil || u.Scheme != "sb" || u.Hostname() == "" {
		d.report(at, "Endpoint is not an sb:// address", "copy the Event Hub-compatible endpoint of the hub, whole")
	}
}

// connection splits a connection string and reports what it lacks; nil if anything is wrong.
func (d *decoder) connection(at, text string, want ...string) map[string]string {
	parts, ok := splitConnection(text)
	if !ok {
		d.report(at, "not a connection string", "its parts are key=value with ; between")
		return nil
	}
	var lacks []string
	for _, key := range want {
		if parts[key] == "" {
			lacks = append(lacks, key)
		}
	}
	if len(lacks) > 0 {
		d.report(at, "lacks "+strings.Join(lacks, ", "), "it has the form "+strings.Join(want, "=...;")+"=...")
		return nil
	}
	return parts
}

// splitConnection returns the parts of a connection string; false if it is none.
func splitConnection(text string) (map[string]string, bool) {
	parts := map[string]string{}
	for piece := range strings.SplitSeq(strings.TrimSuffix(text, ";"), ";") {
		key, value, ok := strings.Cut(piece, "=")
		if !ok {
			return nil, false
		}
		parts[strings.TrimSpace(key)] = strings.TrimSpace(value)
	}
	return parts, true
}

// certificates makes a path relative to the file's folder and reads the certificates once.
func (d *decoder) certificates(at string, file *string) {
	if *file == "" || d.checked[at] {
		return
	}
	*file = d.resolve(*file)
	text, err := os.ReadFile(*file)
	if err != nil {
		d.report(at, err.Error(), "a relative path starts at the folder of this file")
	} else if !x509.NewCertPool().AppendCertsFromPEM(text) {
		d.report(at, "no certificate in "+*file, "want PEM: -----BEGIN CERTIFICATE-----")
	}
}

func (d *decoder) folder(at string, dir *string, hint string) {
	if strings.TrimSpace(*dir) == "" {
		what := "missing"
		if d.has(at) {
			what = "is blank"
		}
		d.report(at, what, hint)
		*dir = ""
		return
	}
	d.text(at, *dir)
	*dir = d.resolve(*dir)
}

// resolve makes a path relative to the folder of the file.
func (d *decoder) resolve(file string) string {
	if filepath.IsAbs(file) {
		return filepath.Clean(file)
	}
	return filepath.Join(d.dir, file)
}

func (d *decoder) endpoint(at, address string) {
	if address == "" {
		return
	}
	if host, port, err := net.SplitHostPort(address); err != nil || host == "" || !isPort(port, 1) {
		d.report(at, "not an address", "want host:port, such as 127.0.0.1:5671")
	}
}

func (d *decoder) listen(at, address string) {
	host, port, err := net.SplitHostPort(address)
	switch {
	case err != nil || !isPort(port, 0):
		d.report(at, "not an address", "want host:port, such as 127.0.0.1:9464")
	case !isLoopback(host):
		d.report(at, "not a loopback address", "the admin surface has no sign-in: use 127.0.0.1 and a proxy that has one")
	}
}

func isPort(text string, least int) bool {
	port, err := strconv.Atoi(text)
	return err == nil && port >= least && port <= 65535
}

func isLoopback(host string) bool {
	return host == "localhost" || net.ParseIP(host).IsLoopback()
}

// within checks the value at a place against the limits of its key.
func (d *decoder) within(at, key string, value int64) {
	if k := keyAt(key); value < k.low || value > k.high {
		d.report(at, "out of range", "want "+k.want)
	}
}
