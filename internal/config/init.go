package config

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"text/template"

	"azx/internal/fault"
)

// hubInfo is what `azx hub` writes to hub.json, as far as it is needed here.
type hubInfo struct {
	CA                      string         `json:"ca"`    // PEM file
	Ports                   map[string]int `json:"ports"` // by protocol: mqtt, amqps, amqp, https
	ServiceConnectionString string         `json:"serviceConnectionString"`
}

// platformInfo is what `azx platform` writes to platform.json, as far as it is needed here.
type platformInfo struct {
	WS     string `json:"ws"`
	AppKey string `json:"appKey"`
}

// Local is what Init writes a file for: a hub and a platform on this machine.
type Local struct {
	HubDir      string // folder of the hub
	PlatformDir string // folder of the platform
	// HubThing is the hub Thing on the platform, through which it reaches devices. Without one messages
	// travel from the hub to the platform only, to any Thing that has the device's name.
	HubThing string
}

// Init writes a working, commented file, and returns the files it wrote. Credentials go into files of
// their own, that only the owner may read, unless the hub or the platform keeps such a file already.
// Existing files are an error unless overwrite is set.
func Init(from Local, file string, overwrite bool) ([]string, error) {
	hubDir, platformDir := from.HubDir, from.PlatformDir
	var hub hubInfo
	var platform platformInfo
	if err := readInfo(filepath.Join(hubDir, "hub.json"), "azx hub --dir "+hubDir, &hub); err != nil {
		return nil, err
	}
	if err := readInfo(filepath.Join(platformDir, "platform.json"), "azx platform --dir "+platformDir, &platform); err != nil {
		return nil, err
	}
	w := &initWriter{dir: filepath.Dir(file), overwrite: overwrite}
	values := map[string]string{
		"HubThing":   from.HubThing,
		"URL":        platform.WS,
		"AppKey":     w.credential(filepath.Join(platformDir, "app-key"), "app-key", platform.AppKey),
		"Connection": w.credential(filepath.Join(hubDir, "connection-string"), "hub-connection-string", hub.ServiceConnectionString),
		"CA":         w.relative(absoluteIn(hubDir, hub.CA)),
		"AMQPS":      loopbackPort(hub.Ports["amqps"]),
		"HTTPS":      loopbackPort(hub.Ports["https"]),
	}
	var text strings.Builder
	if err := initTemplate.Execute(&text, values); err != nil {
		return nil, fmt.Errorf("write configuration: %w", err)
	}
	w.write(file, text.String(), 0o644)
	w.schema()
	if w.err != nil {
		return w.written, w.err
	}
	_, _, err := Load(file)
	return w.written, err
}

// readInfo reads what a local hub or platform wrote about itself.
func readInfo(file, start string, into any) error {
	text, err := readFile(file)
	if err == nil {
		err = json.Unmarshal(text, into)
	}
	if err != nil {
		return &fault.Problem{Op: "read " + file, Class: fault.Fatal, Cause: err, Hint: "start it first: " + start}
	}
	return nil
}

// initWriter writes files until the first error.
type initWriter struct {
	dir       string // of the configuration
	overwrite bool
	written   []string
	err       error
}

// credential returns a reference to the file at, or else to a new file with the value.
func (w *initWriter) credential(at, name, value string) string {
	if info, err := os.Stat(at); err == nil && info.Mode().IsRegular() {
		return "${file:" + w.relative(at) + "}"
	}
	if w.err == nil && value == "" {
		w.err = &fault.Problem{Op: "write " + name, Class: fault.Fatal, Cause: errors.New("the value is missing"),
			Hint: "stop the local hub and platform, start them again, then try again"}
	}
	w.write(filepath.Join(w.dir, name), value+"\n", 0o600)
	return "${file:" + name + "}"
}

// schema writes the schema for editors, also over one of another version.
func (w *initWriter) schema() {
	if w.err != nil {
		return
	}
	text, err := Schema()
	if err == nil {
		err = os.WriteFile(filepath.Join(w.dir, SchemaFile), text, 0o644)
	}
	if w.err = err; err == nil {
		w.written = append(w.written, filepath.Join(w.dir, SchemaFile))
	}
}

func (w *initWriter) write(file, text string, mode fs.FileMode) {
	if w.err != nil {
		return
	}
	flags := os.O_WRONLY | os.O_CREATE | os.O_EXCL
	if w.overwrite {
		flags = os.O_WRONLY | os.O_CREATE | os.O_TRUNC
	}
	if w.err = writeFile(file, text, flags, mode); w.err == nil {
		w.written = append(w.written, file)
		return
	}
	hint := ""
	if errors.Is(w.err, fs.ErrExist) {
		hint = "--force writes it anew"
	}
	w.err = &fault.Problem{Op: "write configuration", Class: fault.Fatal, Cause: w.err, Hint: hint}
}

func writeFile(name, text string, flags int, mode fs.FileMode) error {
	file, err := os.OpenFile(name, flags, mode)
	if err != nil {
		return err
	}
	_, err = file.WriteString(text)
	if mode.Perm() == 0o600 { // also when the file was there, with another mode
		err = errors.Join(err, file.Chmod(mode))
	}
	return errors.Join(err, file.Close())
}

// relative makes a path relative to the configuration if it is below it, else absolute.
func (w *initWriter) relative(file string) string {
	if file == "" {
		return ""
	}
	base, errBase := filepath.Abs(w.dir)
	whole, errWhole := filepath.Abs(file)
	if errBase != nil || errWhole != nil {
		return file
	}
	if short, err := filepath.Rel(base, whole); err == nil && filepath.IsLocal(short) {
		return filepath.ToSlash(short)
	}
	return whole
}

func absoluteIn(dir, file string) string {
	if file == "" || filepath.IsAbs(file) {
		return file
	}
	return filepath.Join(dir, file)
}

// loopbackPort is where the local hub listens; "" for a port it does not have.
func loopbackPort(port int) string {
	if port == 0 {
		return ""
	}
	return net.JoinHostPort("127.0.0.1", strconv.Itoa(port))
}

// plainYAML matches text that YAML reads as that text without quotes.
var plainYAML = regexp.MustCompile(`^[A-Za-z/$][A-Za-z0-9/._${}:-]*[A-Za-z0-9/}]$`)

// wordsOfYAML are no texts without quotes.
var wordsOfYAML = map[string]bool{
	"true": true, "false": true, "null": true, "yes": true, "no": true, "on": true, "off": true, "y": true, "n": true,
}

// quote writes text as YAML, in double quotes if it needs any: JSON strings are YAML.
func quote(text string) string {
	if plainYAML.MatchString(text) && !wordsOfYAML[strings.ToLower(text)] {
		return text
	}
	quoted, err := json.Marshal(text)
	if err != nil { // cannot be: strings always have a JSON form
		return `""`
	}
	return string(quoted)
}

var initTemplate = template.Must(template.New("azx.yaml").Funcs(template.FuncMap{"quote": quote}).Parse(
	`# yaml-language-server: $schema=azx.schema.json
# Configuration of the azx connector, made by: azx config init
# Check it with: azx validate -c azx.yaml      Start with: azx run -c azx.yaml
# Relative paths start at the folder of this file. Unknown keys are errors.

name: azx-1                    # the connector Thing

platform:
  urls:
    - {{quote .URL}}
  appKey: {{quote .AppKey}}   # read again at every sign-in, so the key may be replaced in its file

hubs:
{{- if .HubThing}}
  - thing: {{quote .HubThing}}   # the hub Thing
{{- else}}
  - thing: LocalHub            # the hub Thing
{{- end}}
    connectionString: {{quote .Connection}}
    consumerGroup: azx
    start: earliest            # where to begin without a checkpoint: earliest, latest or a time
{{- if .CA}}
    caFile: {{quote .CA}}
{{- end}}
{{- if or .AMQPS .HTTPS}}
    endpoints:                 # dial here; names in certificates and tokens stay the hub's
{{- if .AMQPS}}
      amqps: {{quote .AMQPS}}
{{- end}}
{{- if .HTTPS}}
      https: {{quote .HTTPS}}
{{- end}}
{{- end}}
{{- if .HubThing}}
    extensions: azx            # what is installed on the platform: azx, other or none
{{- else}}
    extensions: none           # what is installed on the platform: azx, other or none
    allowThings: ["*"]         # which Things the devices of this hub may write to
{{- end}}
    onUnknownThing: keep       # a device without a Thing: keep, skip or quarantine its messages
    tier: S3                   # edition of the hub: its quotas space what is sent to devices; the local hub has none

checkpoint:
  file: azx-data/checkpoints   # how far each partition has come

quarantine:
  dir: azx-data/quarantine     # messages that cannot be delivered, with their original bytes

admin:
  listen: 127.0.0.1:9464       # /livez /readyz /status /metrics, azx reload; loopback only
`))
