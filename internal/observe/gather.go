package observe

import (
	"errors"
	"slices"
	"strings"
)

// Sample is one number of the metrics as of now.
type Sample struct {
	Name  string // with its labels: azx_messages_received_total{hub="H",partition="0"}
	Help  string
	Value float64
}

// Gather returns the connector's own metrics, sorted by name: of a histogram how often and how long altogether. The
// error tells of metrics that could not be read; the others are returned all the same.
func (m *Metrics) Gather() ([]Sample, error) {
	families, err := m.registry.Gather()
	var all []Sample
	for _, family := range families {
		if !strings.HasPrefix(family.GetName(), "azx_") && !strings.HasPrefix(family.GetName(), "process_") {
			continue
		}
		for _, one := range family.GetMetric() {
			var labels []string
			for _, pair := range one.GetLabel() {
				labels = append(labels, pair.GetName()+`="`+pair.GetValue()+`"`)
			}
			add := func(suffix string, value float64) {
				name := family.GetName() + suffix
				if len(labels) > 0 {
					name += "{" + strings.Join(labels, ",") + "}"
				}
				all = append(all, Sample{Name: name, Help: family.GetHelp(), Value: value})
			}
			switch {
			case one.Counter != nil:
				add("", one.GetCounter().GetValue())
			case one.Gauge != nil:
				add("", one.GetGauge().GetValue())
			case one.Histogram != nil:
				add("_count", float64(one.GetHistogram().GetSampleCount()))
				add("_sum", one.GetHistogram().GetSampleSum())
			}
		}
	}
	slices.SortFunc(all, func(a, b Sample) int { return strings.Compare(a.Name, b.Name) })
	if err != nil {
		err = errors.New("some metrics could not be read")
	}
	return all, err
}
