package config

import (
	"cmp"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"azx/internal/fault"
	"azx/internal/hocon"
)

// Converted is what Convert made.
type Converted struct {
	Written  []string // files
	Warnings []string // what a person should look at, with its place
	Open     []string // what has to be set before the file can be used
}

// Convert reads the file of the reference product, azure-iot.conf, and writes one for azx, with a comment for each key
// that has no counterpart. The application key goes into a file of its own beside it, that only the owner may read.
// Existing files are an error unless overwrite is set. If something is wrong, the error is a fault.Problem of class
// Fatal; if it is in the file, its cause is a Problems with the places there, and nothing is written.
func Convert(from, to string, overwrite bool) (Converted, error) {
	if same, err := isSame(from, to); same || err != nil {
		return Converted{}, &fault.Problem{Op: "convert the configuration", Class: fault.Fatal, Cause: cmp.Or(err, errSame)}
	}
	c := &converter{file: from, settings: map[string]setting{}}
	doc, err := hocon.Read(from, hocon.Source{ReadFile: c.readPlain, LookupEnv: os.LookupEnv})
	if err != nil {
		return Converted{}, asProblem(err)
	}
	text, err := c.convert(doc, to)
	if err != nil {
		return Converted{}, err
	}
	w := &initWriter{dir: filepath.Dir(to), overwrite: overwrite}
	if c.key != "" {
		w.write(filepath.Join(w.dir, appKeyFile), c.key+"\n", 0o600)
	}
	w.write(to, text, 0o644)
	return Converted{w.written, c.warnings, c.open}, w.err
}

var errSame = errors.New("it would be written over itself")

func isSame(from, to string) (bool, error) {
	a, err := os.Stat(from)
	if err != nil {
		return false, err
	}
	b, err := os.Stat(to)
	return err == nil && os.SameFile(a, b), nil
}

// appKeyFile is the file for the application key.
const appKeyFile = "app-key"

// converter turns the settings of the reference product into ours.
type converter struct {
	file     string
	settings map[string]setting // by normal form
	order    []string
	out      output
	key      string // the application key, if it goes into a file
	problems Problems
	warnings []string
	open     []string
}

// setting is a key of the reference product with its value.
type setting struct {
	key   string // as it is written
	at    hocon.Position
	value *hocon.Value
	used  bool // it has a counterpart
}

// convert makes the text of the file at to.
func (c *converter) convert(doc *hocon.Document, to string) (string, error) {
	c.gather(doc.Root, nil, hocon.Position{})
	c.fill()
	for _, m := range doc.Missing {
		c.warn(m.At, "an include is ignored, because its file is not there: "+quote(m.Name))
	}
	return c.render(to)
}

// readPlain reads a file that is not encrypted.
func (c *converter) readPlain(path string) ([]byte, error) {
	text, err := readFile(path)
	if err == nil && looksEncrypted(string(text)) {
		return nil, &fault.Problem{Op: "read " + path, Class: fault.Fatal, Cause: errors.New("the file is encrypted, or no text"),
			Hint: "take the file as it was before it was encrypted: the one that is read with -Dconfig.plaintext=true"}
	}
	return text, err
}

// looksEncrypted reports whether a file is no text, or one long row of base64.
func looksEncrypted(text string) bool {
	if !utf8.ValidString(text) || strings.ContainsRune(text, 0) {
		return true
	}
	row := strings.TrimRight(strings.TrimSpace(text), "=")
	return len(row) >= 64 && !strings.ContainsFunc(row, func(r rune) bool {
		return !strings.ContainsRune("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/-_\r\n", r)
	})
}

// asProblem makes an error of the reader one with a hint, and one of the document a list of problems.
func asProblem(err error) error {
	var known *fault.Problem
	if errors.As(err, &known) {
		return err
	}
	var wrong *hocon.Error
	if errors.As(err, &wrong) {
		err = Problems{{wrong.At.File, wrong.At.Line, wrong.At.Column, "", wrong.What, wrong.Hint}}
	}
	return &fault.Problem{Op: "read the configuration to convert", Class: fault.Fatal, Cause: err}
}

// gather lists the settings of an object, dotted.
func (c *converter) gather(v *hocon.Value, path []string, at hocon.Position) {
	key := dotted(path)
	if _, list := v.Elements(); v.Kind == hocon.Object && !(list && normal(key) == normal(keyPlatforms)) {
		for _, f := range v.Fields {
			c.gather(f.Value, append(path, f.Name), f.At)
		}
		return
	}
	s := setting{key: key, at: at, value: v}
	before, twice := c.settings[normal(key)]
	switch {
	case !twice:
		c.settings[normal(key)] = s
		c.order = append(c.order, normal(key))
	case before.value.Kind != v.Kind || before.value.Text != v.Text || len(v.Items) > 0:
		c.report(s, fmt.Sprintf("has another value than %s in line %d", before.key, before.at.Line), "these are two spellings of one key: keep one")
	}
}

func (c *converter) report(s setting, what, hint string) {
	p := Problem{File: c.file, Path: s.key, What: what, Hint: hint}
	if s.value != nil {
		p.File, p.Line, p.Column = s.at.File, s.at.Line, s.at.Column
	}
	c.problems = append(c.problems, p)
}

func (c *converter) warn(at hocon.Position, what string) {
	c.warnings = append(c.warnings, at.String()+": "+what)
}

// use takes a setting that has a counterpart; not ok if it is absent or null.
func (c *converter) use(key string) (s setting, ok bool) {
	s, ok = c.settings[normal(key)]
	if !ok || s.value.Kind == hocon.Null {
		return setting{key: key}, false
	}
	s.used = true
	c.settings[normal(key)] = s
	return s, true
}

// text is the text of a setting, "" if it is absent or something is wrong with it.
func (c *converter) text(key string) string {
	s, ok := c.use(key)
	if !ok {
		return ""
	}
	return c.plainText(s, s.value)
}

func (c *converter) plainText(s setting, v *hocon.Value) string {
	switch {
	case v.Kind == hocon.List || v.Kind == hocon.Object:
		c.report(s, "want a text", "")
	case isEncrypted(v.Text):
		c.report(s, "is encrypted", "write it in plain text")
	case strings.ContainsFunc(v.Text, func(r rune) bool { return !unicode.IsPrint(r) }):
		c.report(s, "has characters that cannot be printed", "remove them")
	case len(v.Text) > 4096:
		c.report(s, "is too long", "")
	default:
		return v.Text
	}
	return ""
}

// fill takes what has a counterpart.
func (c *converter) fill() {
	c.out.Name = c.text(keyName)
	c.out.Thing = c.required(keyHubThing, "name the Thing of AzureIotHubTemplate that stands for the hub")
	c.platforms()
	c.appKey()
	c.routingGroup()
	c.requestTimeout()
}

func (c *converter) required(key, hint string) string {
	if s, ok := c.use(key); !ok || strings.TrimSpace(s.value.Text) == "" && s.value.Kind == hocon.String {
		c.report(s, "missing", hint)
		return ""
	}
	return c.text(key)
}

// platforms takes the addresses: a list, or a text with commas.
func (c *converter) platforms() {
	s, ok := c.use(keyPlatforms)
	if !ok {
		c.report(s, "missing", "name the addresses of the platform's instances, also when ZooKeeper tells them now")
		return
	}
	items, ok := s.value.Elements()
	if !ok {
		items = []*hocon.Value{s.value}
	}
	for _, item := range items {
		for address := range strings.SplitSeq(c.plainText(s, item), ",") {
			if address = strings.TrimSpace(address); address != "" {
				c.out.URLs = append(c.out.URLs, address)
			}
		}
	}
}

// appKey takes the application key: into a file, or as a reference if it is from the environment.
func (c *converter) appKey() {
	c.out.AppKey = "${file:" + appKeyFile + "}"
	s, ok := c.use(keyAppKey)
	why := ""
	switch {
	case !ok:
		why = "is not in " + c.file
	case s.value.Env != "":
		c.out.AppKey = "${env:" + s.value.Env + "}"
	case isEncrypted(s.value.Text):
		why = "is encrypted there, with a key store that azx does not read"
	case strings.TrimSpace(s.value.Text) == "" && s.value.Kind == hocon.String:
		why = "is empty there"
	default:
		c.key = c.plainText(s, s.value)
	}
	if why != "" {
		c.out.KeyToSet = true
		c.open = append(c.open, fmt.Sprintf("the application key (%s) %s: write it to the file %s beside the configuration, which only its owner may read",
			s.key, why, appKeyFile))
	}
}

// routingGroup takes the group, whose key has no known place. The product does not start with a blank one.
func (c *converter) routingGroup() {
	for _, name := range c.order {
		s := c.settings[name]
		if !strings.HasSuffix(name, "routinggroup") && !strings.HasSuffix(name, "routinggroupname") {
			continue
		}
		s.used = true
		c.settings[name] = s
		group := c.plainText(s, s.value)
		switch {
		case s.value.Kind == hocon.Null || strings.TrimSpace(group) == "" && s.value.Kind == hocon.String && !isEncrypted(s.value.Text):
			c.report(s, "is null or blank", "name the group, or leave the key out so that the hub Thing is asked")
		case group != "${hub-thing-name}":
			c.out.RoutingGroup = group
		}
	}
}

// requestTimeout takes the time-out if it is one that ours may have.
func (c *converter) requestTimeout() {
	s, ok := c.use(keyRequestTimeout)
	if !ok {
		return
	}
	timeout, err := s.value.Duration()
	switch {
	case err != nil:
		c.report(s, err.Error(), "want milliseconds, or a time such as 10s")
	case timeout < time.Second || timeout > 10*time.Minute:
		c.warn(s.at, fmt.Sprintf("%s is %s, and azx takes 1s to 10m: it stays at the default of 30s", s.key, timeout))
	default:
		c.out.RequestTimeout = timeout.String()
	}
}
