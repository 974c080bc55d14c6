package config

import (
	"cmp"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"text/template"

	"azx/internal/fault"
)

// output is what the written file has of the file that is converted.
type output struct {
	From, To       string
	Name           string // "" for none
	URLs           []string
	AppKey         string
	KeyToSet       bool // the application key's file is still to be written
	Thing          string
	RoutingGroup   string // "" for none
	RequestTimeout string // "" for none
	Without        []without
}

// without are keys that have no counterpart for one reason.
type without struct {
	Why  string
	Keys []string
}

// render makes the text of the file and checks it.
func (c *converter) render(to string) (string, error) {
	c.out.From, c.out.To = filepath.Base(c.file), filepath.Base(to)
	c.leaveOut()
	var text strings.Builder
	if err := convertTemplate.Execute(&text, c.out); err != nil {
		return "", fmt.Errorf("write configuration: %w", err)
	}
	c.check(text.String(), to)
	if len(c.problems) > 0 {
		return "", &fault.Problem{Op: "convert the configuration", Class: fault.Fatal, Cause: c.problems.sorted()}
	}
	return text.String(), nil
}

// leaveOut lists what has no counterpart, by reason.
func (c *converter) leaveOut() {
	index := map[string]int{}
	unknown := 0
	for _, name := range c.order {
		s := c.settings[name]
		if s.used {
			continue
		}
		r := reasonFor(s.key)
		i, ok := index[r.why]
		if !ok {
			i = len(c.out.Without)
			index[r.why] = i
			c.out.Without = append(c.out.Without, without{Why: r.why})
		}
		line := fmt.Sprintf("%s%s (%s:%d)", s.key, r.show(s), quote(filepath.Base(s.at.File)), s.at.Line)
		c.out.Without[i].Keys = append(c.out.Without[i].Keys, line)
		unknown++
		if r.warn && !ok { // the first of them: the file lists all
			c.warn(s.at, s.key+" has no counterpart: "+r.why)
		}
	}
	if unknown > 0 {
		c.warnings = append(c.warnings, fmt.Sprintf("%d of the keys in %s have no counterpart: the end of %s says why", unknown, c.file, c.out.To))
	}
}

// check reads what is to be written as azx will, and tells problems by the keys they come from, unless there is one
// with the key already. The application key is not there yet.
func (c *converter) check(text, to string) {
	_, warnings, problems := parse([]file{{to, []byte(text)}})
	for _, p := range problems {
		s := c.origin(p.Path)
		known := slices.ContainsFunc(c.problems, func(p Problem) bool { return p.Path == s.key })
		if p.Path != "platform.appKey" && !known {
			c.report(s, p.What, p.Hint)
		}
	}
	for _, p := range warnings {
		if p.Path != "platform.appKey" {
			s := c.origin(p.Path)
			c.warn(s.at, s.key+": "+p.What+"; "+p.Hint)
		}
	}
}

// origin is the setting that the value at one of our paths is from.
func (c *converter) origin(path string) setting {
	key := ours[path]
	if strings.HasPrefix(path, "platform.urls") {
		key = keyPlatforms
	}
	if s, ok := c.settings[normal(key)]; ok {
		return s
	}
	for _, s := range c.settings {
		if path == "hubs[0].routingGroup" && s.used && s.value.Text == c.out.RoutingGroup && strings.Contains(normal(s.key), "routinggroup") {
			return s
		}
	}
	return setting{key: cmp.Or(key, path)}
}

var convertTemplate = template.Must(template.New("azx.yaml").Funcs(template.FuncMap{"quote": quote}).Parse(
	`# Configuration of the azx connector, made from {{quote .From}} by: azx config convert
# Check it with: azx validate -c {{quote .To}}      Start with: azx run -c {{quote .To}}
# Relative paths start at the folder of this file. Unknown keys are errors.

{{if .Name -}}
name: {{quote .Name}}   # the connector Thing: stop the other connector first, or choose another name
{{- else -}}
# name: azx-1                  # the connector Thing; without it azx-<host name>
{{- end}}

platform:
  urls:
{{- range .URLs}}
    - {{quote .}}
{{- end}}
{{- if .KeyToSet}}
  # Still to do: write the application key to this file, which only its owner may read.
{{- end}}
  appKey: {{quote .AppKey}}   # tried before it is used, so the key may be replaced in its place

hubs:
  - thing: {{quote .Thing}}   # the hub Thing
{{- if .RoutingGroup}}
    routingGroup: {{quote .RoutingGroup}}
{{- end}}
    extensions: other          # the packages on the platform: azx once they are replaced by those of azx
    # What the hub Thing does not tell goes here; what is here counts before what it tells.
    # connectionString: ${file:hub-connection-string}
    # consumerGroup: azx       # one of its own, so that both connectors can run side by side
    # start: earliest          # where to begin: the checkpoints of the other connector stay with it
{{- if .RequestTimeout}}

requestTimeout: {{.RequestTimeout}}
{{- end}}

checkpoint:
  file: azx-data/checkpoints   # how far each partition has come

quarantine:
  dir: azx-data/quarantine     # messages that cannot be delivered, with their original bytes

admin:
  listen: 127.0.0.1:9464       # /livez /readyz /status /metrics; loopback only
{{- if .Without}}

# Keys of {{quote .From}} that have no counterpart here, and why.
{{- range .Without}}
#
# {{.Why}}:
{{- range .Keys}}
#   {{.}}
{{- end}}
{{- end}}
{{- end}}
`))
