package devices

import (
	"strings"

	"azx/internal/mapping"
)

// Verdict is what became of a device, or in a dry run what would.
type Verdict string

// The verdicts.
const (
	Created Verdict = "created"
	Updated Verdict = "updated"
	Skipped Verdict = "skipped" // its Thing is there and was to be left
	Failed  Verdict = "failed"
)

// Outcome is what became of a device.
type Outcome struct {
	Device   string
	Thing    string
	Template string // of a Thing that was created
	Verdict  Verdict
	Reason   string // of one that failed or was skipped, or why some of what its device sends is not declared
	Declared Declared
}

// Declared are the remote properties that a Thing was given, or would be.
type Declared []mapping.Property

// String names them for people: "mode STRING, temperature NUMBER"; "" without any.
func (d Declared) String() string {
	texts := make([]string, len(d))
	for i, p := range d {
		texts[i] = p.EdgeName + " " + p.Type.String()
	}
	return strings.Join(texts, ", ")
}

// Counts of outcomes.
type Counts struct {
	Created int `json:"created"`
	Updated int `json:"updated"`
	Skipped int `json:"skipped"`
	Failed  int `json:"failed"`

	Declared int `json:"declared,omitempty"` // properties
}

// Done is how many devices there were.
func (c Counts) Done() int { return c.Created + c.Updated + c.Skipped + c.Failed }

// Reason is why devices failed, with the first of them.
type Reason struct {
	Device string `json:"device"`
	Text   string `json:"text"`
}

// Result is what became of an import, however often it was killed.
type Result struct {
	Counts
	Reasons []Reason // of the first hundred that failed
}

// maxReasons bounds what is kept; Import.Each hears of all.
const maxReasons = 100

// Place is how far an import is.
type Place struct {
	About    string `json:"about"`
	Position string `json:"position"` // of the source
	// Making are the names of the Things that the page behind the position makes: those of them that are there after a kill may
	// lack something.
	Making  []string `json:"making,omitempty"`
	Over    bool     `json:"over,omitempty"`
	Reasons []Reason `json:"reasons,omitempty"`
	Counts
}

func (p *Place) count(o Outcome) {
	p.Declared += len(o.Declared)
	switch o.Verdict {
	case Created:
		p.Created++
	case Updated:
		p.Updated++
	case Skipped:
		p.Skipped++
	case Failed:
		p.Failed++
		if len(p.Reasons) < maxReasons {
			p.Reasons = append(p.Reasons, Reason{o.Device, o.Reason})
		}
	}
}

// refused is the outcome for a device whose Thing the platform, or the import itself, refuses.
func refused(t Thing, err error) Outcome {
	return Outcome{Device: t.Device.ID, Thing: t.Name, Verdict: Failed, Reason: reasonOf(err)}
}
