package config

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"

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

// Ends are what Init writes a file for. Either of the two may be on this machine, and then its folder says the rest.
type Ends struct {
	HubDir      string // folder of azx hub; or what follows
	HubCA       string // PEM file of extra roots for the hub; "" for the system's
	Connection  string // file with the hub's connection string; "" if the hub Thing has it
	PlatformDir string // folder of azx platform; or what follows
	URL         string // AlwaysOn address of the platform
	AppKey      string // file with the application key
	// HubThing is the hub Thing on the platform, through which it reaches devices. Without one messages
	// travel from the hub to the platform only, to any Thing that has the device's name.
	HubThing string
}

// Init writes a working, commented file, and returns the files it wrote. Credentials go into files of
// their own, that only the owner may read, unless there is such a file already.
// Existing files are an error unless overwrite is set.
func Init(ends Ends, file string, overwrite bool) ([]string, error) {
	w := &initWriter{dir: filepath.Dir(file), overwrite: overwrite}
	values, err := w.values(ends)
	if err != nil {
		return nil, err
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
	_, _, err = Load(file)
	return w.written, err
}

// initValues are what the file's template shows; "" leaves a key out.
type initValues struct {
	HubThing, URL, AppKey, Connection, CA, AMQPS, HTTPS string
	Local                                               bool // the hub is on this machine
}

// values reads what is known of the ends, and puts their credentials into files.
func (w *initWriter) values(ends Ends) (v initValues, err error) {
	v.HubThing = ends.HubThing
	if err := w.hub(ends, &v); err != nil {
		return v, err
	}
	return v, w.platform(ends, &v)
}

func (w *initWriter) hub(ends Ends, v *initValues) error {
	if ends.HubDir == "" {
		v.Connection, v.CA = w.reference(ends.Connection), w.relative(ends.HubCA)
		return nil
	}
	var info hubInfo
	if err := readInfo(filepath.Join(ends.HubDir, "hub.json"), "azx hub --dir "+ends.HubDir, &info); err != nil {
		return err
	}
	v.Local = true
	v.Connection = w.credential(filepath.Join(ends.HubDir, "connection-string"), "hub-connection-string", info.ServiceConnectionString)
	v.CA = w.relative(absoluteIn(ends.HubDir, info.CA))
	v.AMQPS, v.HTTPS = loopbackPort(info.Ports["amqps"]), loopbackPort(info.Ports["https"])
	return nil
}

func (w *initWriter) platform(ends Ends, v *initValues) error {
	if ends.PlatformDir == "" {
		v.URL, v.AppKey = ends.URL, w.reference(ends.AppKey)
		return nil
	}
	var info platformInfo
	if err := readInfo(filepath.Join(ends.PlatformDir, "platform.json"), "azx platform --dir "+ends.PlatformDir, &info); err != nil {
		return err
	}
	v.URL = info.WS
	v.AppKey = w.credential(filepath.Join(ends.PlatformDir, "app-key"), "app-key", info.AppKey)
	return nil
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
		return w.reference(at)
	}
	if w.err == nil && value == "" {
		w.err = &fault.Problem{Op: "write " + name, Class: fault.Fatal, Cause: errors.New("the value is missing"),
			Hint: "stop the local hub and platform, start them again, then try again"}
	}
	w.write(filepath.Join(w.dir, name), value+"\n", 0o600)
	return "${file:" + name + "}"
}

// reference refers to a credential's file, if there is one.
func (w *initWriter) reference(file string) string {
	if file == "" {
		return ""
	}
	return "${file:" + w.relative(file) + "}"
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

// isPlainYAML reports whether YAML reads text as that text without quotes.
func isPlainYAML(text string) bool {
	const letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
	const inside = letters + "0123456789/._${}:-"
	return len(text) > 1 && strings.Trim(text, inside) == "" &&
		strings.Contains(letters+"/$", text[:1]) && strings.Contains(letters+"0123456789/}", text[len(text)-1:])
}

// wordsOfYAML are no texts without quotes.
var wordsOfYAML = map[string]bool{
	"true": true, "false": true, "null": true, "yes": true, "no": true, "on": true, "off": true, "y": true, "n": true,
}

// quote writes text as YAML, in double quotes if it needs any: JSON strings are YAML.
func quote(text string) string {
	if isPlainYAML(text) && !wordsOfYAML[strings.ToLower(text)] {
		return text
	}
	quoted, err := json.Marshal(text)
	if err != nil { // cannot be: strings always have a JSON form
		return `""`
	}
	return string(quoted)
}
