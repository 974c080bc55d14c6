// Package verify reads the entities of packages back from a platform, over REST, and lists what of them is missing there.
//
// It makes these requests and no others, all of them below the URL that ends with /Thingworx, with the header appKey:
//
//	POST Subsystems/PlatformSubsystem/Services/GetExtensionPackageList   once: names and versions of packages
//	GET  Exporter/<Collection>/<Name>   Accept: text/xml                 each entity, as it would be exported
//	GET  <Collection>/<Name>            Accept: application/json         only where the export has nothing of use
//	POST Resources/ScriptServices/Services/CheckScriptWithLinesAndColumns   each script, so that one that cannot run is named
package verify

import (
	"context"
	"fmt"
	"strings"

	"azx/extension/entity"
)

// Package is what is looked for. The scripts are in the set.
type Package struct {
	Info entity.Package
	Set  *entity.Set
}

// Loss is something that the package has and the platform has not, or has otherwise.
type Loss struct {
	Package string `json:"package"`
	Entity  string `json:"entity,omitempty"` // "Collection/Name"; "" for the package itself
	What    string `json:"what"`
}

// String is "package: Collection/Name: what".
func (l Loss) String() string {
	if l.Entity == "" {
		return l.Package + ": " + l.What
	}
	return l.Package + ": " + l.Entity + ": " + l.What
}

// Report is the outcome.
type Report struct {
	Entities int      `json:"entities"` // that were looked for
	Scripts  int      `json:"scripts"`  // that the platform's own parser has read
	Losses   []Loss   `json:"losses"`
	Notes    []string `json:"notes,omitempty"` // what could not be looked at, and why
}

// Verify looks for everything in packages. An error says that the platform cannot be asked at all: *AccessError.
func Verify(ctx context.Context, c *Client, packages []Package) (*Report, error) {
	r := &run{client: c, report: &Report{Losses: []Loss{}}, scripts: map[string]string{}}
	if err := r.versions(ctx, packages); err != nil {
		return nil, err
	}
	for _, p := range packages {
		r.pkg = p.Info.Name
		for collection, e := range p.Set.All() {
			if err := r.entity(ctx, p.Set, collection, e.Name); err != nil {
				return nil, err
			}
		}
	}
	return r.report, nil
}

// run is one Verify.
type run struct {
	client  *Client
	report  *Report
	pkg     string
	scripts map[string]string // scripts that were checked, with what is wrong with them
	blind   bool              // the platform checks no scripts for us
}

func (r *run) lose(entity, format string, args ...any) {
	r.report.Losses = append(r.report.Losses, Loss{r.pkg, entity, fmt.Sprintf(format, args...)})
}

func (r *run) note(format string, args ...any) {
	r.report.Notes = append(r.report.Notes, fmt.Sprintf(format, args...))
}

// versions looks whether the packages are installed.
func (r *run) versions(ctx context.Context, packages []Package) error {
	installed, err := r.client.packages(ctx)
	if refused, ok := asRefusal(err); ok {
		r.note("the packages of the platform were not listed: %v", refused)
		return nil
	}
	if err != nil {
		return err
	}
	for _, p := range packages {
		r.pkg = p.Info.Name
		switch version, ok := installed[p.Info.Name]; {
		case p.Info.Name == "":
		case !ok:
			r.lose("", "the package is not installed")
		case version != p.Info.Version:
			r.lose("", "version %s is installed, and this is %s", version, p.Info.Version)
		}
	}
	return nil
}

// entity looks for one entity.
func (r *run) entity(ctx context.Context, want *entity.Set, collection, name string) error {
	r.report.Entities++
	key := collection + "/" + name
	got, err := r.client.entity(ctx, collection, name)
	if refused, ok := asRefusal(err); ok {
		r.lose(key, "cannot be read: %v", refused)
		return nil
	}
	if err != nil {
		return err
	}
	if !has(got.set, collection, name) {
		r.lose(key, "is missing")
		return nil
	}
	c := &comparer{lose: func(format string, args ...any) { r.lose(key, format, args...) }, summary: got.summary}
	c.compare(want, got.set, collection, name)
	return r.checkScripts(ctx, want, key)
}

// checkScripts has the platform read the scripts of an entity: it imports those that it cannot run without a word.
func (r *run) checkScripts(ctx context.Context, want *entity.Set, key string) error {
	for name, m := range want.AllMembers() {
		if name != key {
			continue
		}
		for _, s := range m.Services {
			if err := r.checkScript(ctx, key, "service", s.Name, s.Code); err != nil {
				return err
			}
		}
		for _, s := range m.Subscriptions {
			if err := r.checkScript(ctx, key, "subscription", s.Name, s.Code); err != nil {
				return err
			}
		}
	}
	return nil
}

func (r *run) checkScript(ctx context.Context, key, kind, name, code string) error {
	if code == "" || r.blind {
		return nil
	}
	why, known := r.scripts[code]
	if !known {
		var err error
		why, err = r.client.checkScript(ctx, code)
		if refused, ok := asRefusal(err); ok {
			r.blind = true
			r.note("the scripts were not read by the platform's own parser: %v", refused)
			return nil
		}
		if err != nil {
			return err
		}
		r.scripts[code] = why
		r.report.Scripts++
	}
	if why != "" {
		r.lose(key, "the script of %s %q cannot run: %s", kind, name, why)
	}
	return nil
}

func has(s *entity.Set, collection, name string) bool {
	for c, e := range s.All() {
		if c == collection && e.Name == name {
			return true
		}
	}
	return false
}

// oneLine makes a text of the platform fit into a line.
func oneLine(text string) string {
	text = strings.Join(strings.Fields(text), " ")
	const most = 200
	if len(text) > most {
		text = strings.ToValidUTF8(text[:most], "") + "..."
	}
	return text
}
