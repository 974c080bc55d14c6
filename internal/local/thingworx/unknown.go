package thingworx

import "fmt"

// UnknownMode is what becomes of a pushed value for which the Thing has no remote-bound property. What a real platform does
// is unknown.
type UnknownMode string

// Modes.
const (
	// UnknownStrict refuses the whole push, and names the property.
	UnknownStrict UnknownMode = "strict"
	// UnknownIgnored takes the push, and leaves such values out without a word.
	UnknownIgnored UnknownMode = "silent-ignore"
)

// CheckUnknownMode refuses what is no mode.
func CheckUnknownMode(m UnknownMode) error {
	if m != UnknownStrict && m != UnknownIgnored {
		return Refuse(Invalid, "%q: want %s or %s", string(m), UnknownStrict, UnknownIgnored)
	}
	return nil
}

// UnknownMode returns the present mode.
func (p *Platform) UnknownMode() UnknownMode { return *p.unknown.Load() }

// SetUnknownMode changes the mode for the pushes to come.
func (p *Platform) SetUnknownMode(m UnknownMode) error {
	if err := CheckUnknownMode(m); err != nil {
		return fmt.Errorf("set the mode for unknown properties: %w", err)
	}
	p.unknown.Store(&m)
	return nil
}

// known leaves out the values that the mode ignores.
func (p *Platform) known(t *thing, writes []Write) []Write {
	if p.UnknownMode() != UnknownIgnored {
		return writes
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	kept := make([]Write, 0, len(writes))
	for i := range writes {
		if _, err := t.pushTarget(writes[i].Property); err == nil {
			kept = append(kept, writes[i])
		}
	}
	return kept
}
