package thingworx

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"slices"
	"strings"
	"time"

	"azx/alwayson/infotable"
	"azx/internal/folder"
)

// Store keeps what survives a restart. It is the seam for another way of keeping.
type Store interface {
	// Load returns what was saved last, an empty State if nothing was.
	Load() (*State, error)
	// Save keeps s instead of what was saved before: all of it or, with an error, nothing.
	Save(s *State) error
}

// State is what survives a restart.
type State struct {
	Version int          `json:"version"` // 1
	Things  []ThingState `json:"things"`
}

// ThingState is a Thing in State.
type ThingState struct {
	Name        string                `json:"name"`
	Template    string                `json:"template"`
	Description string                `json:"description,omitempty"`
	Tags        string                `json:"tags,omitempty"`
	Project     string                `json:"project,omitempty"`
	Shapes      []string              `json:"shapes,omitempty"`
	Enabled     bool                  `json:"enabled"`
	Properties  []PropertyState       `json:"properties,omitempty"`
	Services    []ServiceState        `json:"services,omitempty"`
	Tables      map[string][]byte     `json:"configurationTables,omitempty"` // those that were set, in AlwaysOn form
	Values      map[string]ValueState `json:"values,omitempty"`
}

// PropertyState is an own property in State.
type PropertyState struct {
	Name        string   `json:"name"`
	Type        string   `json:"type"`
	Description string   `json:"description,omitempty"`
	Category    string   `json:"category,omitempty"`
	DataShape   string   `json:"dataShape,omitempty"`
	ReadOnly    bool     `json:"readOnly,omitempty"`
	Persistent  bool     `json:"persistent,omitempty"`
	Logged      bool     `json:"logged,omitempty"`
	Remote      *Binding `json:"remote,omitempty"`
}

// ValueState is a last value in State; Value is its AlwaysOn form, which loses nothing.
type ValueState struct {
	Value   []byte `json:"value"`
	Time    int64  `json:"time"`
	Quality string `json:"quality"`
}

// FileStore keeps the State as one JSON file, replaced in one step, readable by its owner only.
type FileStore struct{ Path string }

// Load reads the file.
func (f FileStore) Load() (*State, error) {
	raw, err := os.ReadFile(f.Path)
	if errors.Is(err, fs.ErrNotExist) {
		return &State{Version: 1}, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read state: %w", err)
	}
	var s State
	if err := json.Unmarshal(raw, &s); err != nil {
		return nil, fmt.Errorf("read state %s: %w", f.Path, err)
	}
	if s.Version != 1 {
		return nil, fmt.Errorf("read state %s: it has version %d, this program knows version 1", f.Path, s.Version)
	}
	return &s, nil
}

// Save replaces the file.
func (f FileStore) Save(s *State) error {
	raw, err := json.MarshalIndent(s, "", " ")
	if err != nil {
		return fmt.Errorf("write state: %w", err)
	}
	if err := folder.Replace(f.Path, raw); err != nil {
		return fmt.Errorf("write state: %w", err)
	}
	return nil
}

// savePause spaces the saves that changes cause: what is lost when the process is killed is that young.
const savePause = 50 * time.Millisecond

// Run saves changed definitions until ctx ends, and then once more with the last values.
func (p *Platform) Run(ctx context.Context) error {
	if p.opts.Store == nil {
		<-ctx.Done()
		return nil
	}
	pause := time.NewTimer(0)
	defer pause.Stop()
	for {
		select {
		case <-ctx.Done():
			return p.Save()
		case <-p.dirty:
		}
		if err := p.Save(); err != nil {
			p.opts.Log.Error("state not saved", "error", err)
		}
		pause.Reset(savePause)
		select {
		case <-ctx.Done():
		case <-pause.C:
		}
	}
}

// Save keeps definitions and last values in the store.
func (p *Platform) Save() error {
	if p.opts.Store == nil {
		return nil
	}
	s := &State{Version: 1}
	for _, t := range p.all() {
		t.mu.Lock()
		s.Things = append(s.Things, t.state())
		t.mu.Unlock()
	}
	if err := p.opts.Store.Save(s); err != nil {
		return fmt.Errorf("save platform: %w", err)
	}
	return nil
}

func (t *thing) state() ThingState {
	s := ThingState{
		Name: t.name, Template: t.template, Description: t.description, Tags: t.tags, Project: t.project,
		Shapes: append([]string(nil), t.shapes...), Enabled: t.enabled, Values: map[string]ValueState{},
	}
	for _, name := range slices.Sorted(maps.Keys(t.props)) {
		prop := t.props[name]
		d := prop.def
		if d.From == "" {
			s.Properties = append(s.Properties, PropertyState{
				Name: name, Type: d.Type.String(), Description: d.Description, Category: d.Category, DataShape: d.DataShape,
				ReadOnly: d.ReadOnly, Persistent: d.Persistent, Logged: d.Logged, Remote: d.Remote,
			})
		}
		if !prop.now.Value.IsNothing() && name != propConnected {
			s.Values[name] = ValueState{infotable.AppendValue(nil, prop.now.Value), prop.now.Time, prop.now.Quality}
		}
	}
	s.Services, s.Tables = t.serviceStates(), t.tableStates()
	return s
}

// restore adds what a store kept to the built-in entities.
func (p *Platform) restore(s *State) error {
	for i := range s.Things {
		in := &s.Things[i]
		spec := ThingSpec{
			Name: in.Name, Template: in.Template, Description: in.Description, Tags: in.Tags, Project: in.Project,
			Shapes: in.Shapes, Enabled: in.Enabled, system: in.Name == ConnectionServicesHub,
		}
		for _, d := range in.Properties {
			base, err := infotable.ParseBaseType(d.Type)
			if err != nil {
				return fmt.Errorf("restore Thing %s, property %s: %w", in.Name, d.Name, err)
			}
			spec.Properties = append(spec.Properties, Definition{
				Name: d.Name, Type: base, Description: d.Description, Category: d.Category, DataShape: d.DataShape,
				ReadOnly: d.ReadOnly, Persistent: d.Persistent, Logged: d.Logged, Remote: d.Remote,
			})
		}
		var err error
		if spec.Services, err = servicesOf(in); err != nil {
			return fmt.Errorf("restore Thing %s: %w", in.Name, err)
		}
		if spec.system { // seeded already: what was kept replaces it, but for shapes that are new since
			spec.Shapes = append(spec.Shapes, ShapeHubAdapter)
			p.mu.Lock()
			delete(p.things, in.Name)
			delete(p.folded, strings.ToLower(in.Name))
			p.mu.Unlock()
		}
		if err := p.CreateThing(spec); err != nil {
			return fmt.Errorf("restore: %w", err)
		}
		if err := p.restoreValues(in); err != nil {
			return fmt.Errorf("restore: %w", err)
		}
	}
	return nil
}

func (p *Platform) restoreValues(in *ThingState) error {
	t, err := p.find(in.Name)
	if err != nil {
		return err
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	for name, kept := range in.Values {
		prop := t.props[name]
		if prop == nil {
			continue
		}
		v, _, err := infotable.DecodeValue(kept.Value, infotable.Limits{})
		if err != nil {
			return fmt.Errorf("value of %s of Thing %s: %w", name, in.Name, err)
		}
		prop.now = VTQ{v, kept.Time, kept.Quality}
	}
	return t.restoreTables(in.Tables)
}
