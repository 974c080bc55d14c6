package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"time"
)

// report is what a run found.
type report struct {
	Machine string         `json:"machine"`
	Date    time.Time      `json:"date"`
	Rounds  int            `json:"rounds"`
	Window  float64        `json:"window_s"`
	Rows    []*reportRow   `json:"rows"`
	Layers  []*reportLayer `json:"layers"`
	Whole   []whole        `json:"hub_and_platform"`
	Calls   []calls        `json:"method_calls"`
	Imports []imports      `json:"imports"`
	Starts  []starts       `json:"starts"`

	failures []string
	Ratios   []ratio `json:"ratios"`
	Goals    []goal  `json:"goals"`
}

type reportRow struct {
	Key    string   `json:"key"`
	Title  string   `json:"title"`
	Median sample   `json:"median"`
	Rounds []sample `json:"rounds"`
	Errors []string `json:"errors,omitempty"`
	// Missing says why a program of somebody else could not be had.
	Missing string `json:"missing,omitempty"`
}

type reportLayer struct {
	Key    string        `json:"key"`
	Title  string        `json:"title"`
	Median layerSample   `json:"median"`
	Rounds []layerSample `json:"rounds"`
	Errors []string      `json:"errors,omitempty"`
}

// ratio compares two rows within the run: the median of the rounds' ratios of messages per CPU-second.
type ratio struct {
	Title string  `json:"title"`
	Value float64 `json:"ratio"`
	Least float64 `json:"least"`
	Most  float64 `json:"most"`
}

func newReport(b *bench) *report {
	return &report{Machine: machine(), Date: time.Now().UTC().Truncate(time.Second), Rounds: b.rounds, Window: b.window.Seconds()}
}

func (r *report) add(measured *row, s sample, err error) {
	at := slices.IndexFunc(r.Rows, func(known *reportRow) bool { return known.Key == measured.key })
	if at < 0 {
		at = len(r.Rows)
		r.Rows = append(r.Rows, &reportRow{Key: measured.key, Title: measured.title})
	}
	if missing, ok := errors.AsType[missingPeer](err); ok {
		r.Rows[at].Missing = missing.why
		return
	}
	if err != nil {
		r.Rows[at].Errors = append(r.Rows[at].Errors, err.Error())
		return
	}
	r.Rows[at].Rounds = append(r.Rows[at].Rounds, s)
}

func (r *report) addLayer(measured layer, s layerSample, err error) {
	at := slices.IndexFunc(r.Layers, func(known *reportLayer) bool { return known.Key == measured.key })
	if at < 0 {
		at = len(r.Layers)
		r.Layers = append(r.Layers, &reportLayer{Key: measured.key, Title: measured.title})
	}
	if err != nil {
		r.Layers[at].Errors = append(r.Layers[at].Errors, err.Error())
		return
	}
	r.Layers[at].Rounds = append(r.Layers[at].Rounds, s)
}

func (r *report) addWhole(w whole, err error) {
	if err != nil {
		r.failures = append(r.failures, "azx hub and azx platform: "+err.Error())
		return
	}
	r.Whole = append(r.Whole, w)
}

func (r *report) addCalls(c calls, err error) {
	if err != nil {
		r.failures = append(r.failures, "method calls: "+err.Error())
		return
	}
	r.Calls = append(r.Calls, c)
}

func (r *report) addStarts(s starts, err error) {
	if err != nil {
		r.failures = append(r.failures, "starts: "+err.Error())
		return
	}
	r.Starts = append(r.Starts, s)
}

// callsTable is about direct methods.
func (r *report) callsTable() table {
	t := table{{fmt.Sprintf("%d method calls/s, ms", callsPerSec), "median", "spread"}}
	if len(r.Calls) == 0 {
		return t
	}
	for _, line := range []struct {
		title string
		of    func(calls) float64
	}{
		{"bare HTTPS, p50", func(c calls) float64 { return c.BareP50 }},
		{"bare HTTPS, p99", func(c calls) float64 { return c.BareP99 }},
		{"through azx, p50", func(c calls) float64 { return c.AzxP50 }},
		{"through azx, p99", func(c calls) float64 { return c.AzxP99 }},
		{"added p99", func(c calls) float64 { return c.AddedP99 }},
		{"connector, cores", func(c calls) float64 { return c.Cores }},
	} {
		values := column(r.Calls, line.of)
		t = append(t, []string{line.title, fmt.Sprintf("%.2f", median(values)), spread("%.2f", values)})
	}
	return t
}

// finish works out medians and ratios.
func (r *report) finish() {
	for _, row := range r.Rows {
		row.Median = medianSample(row.Rounds)
	}
	for _, l := range r.Layers {
		l.Median = layerSample{
			CPUPerM: median(column(l.Rounds, func(s layerSample) float64 { return s.CPUPerM })),
			Allocs:  median(column(l.Rounds, func(s layerSample) float64 { return s.Allocs })),
		}
	}
	r.Ratios = nil
	for _, pair := range []struct{ title, of, to string }{
		{"pipeline (TLS) against bare go-amqp over TLS, 200 B", "connector-200", "go-amqp-200-tls"},
		{"the fast receiver's against that of azeventhubs, 200 B", "connector-200-fast", "connector-200"},
		{"the fast receiver's against that of azeventhubs, 2 KB", "connector-2k-fast", "connector-2k"},
		{"100,000 Things against 1,000", "connector-200-100k", "connector-200-fast"},
		{"1 partition against 4", "connector-200-1p", "connector-200-fast"},
		{"8 partitions against 4", "connector-200-8p", "connector-200-fast"},
		{"2 KB (149 values) against 200 B (9 values)", "connector-2k-fast", "connector-200-fast"},
		{"pipeline (TLS) against bare go-amqp, plain, 200 B", "connector-200", "go-amqp-200-plain"},
		{"pipeline (TLS) against azeventhubs receive alone, 200 B", "connector-200", "azeventhubs-200-tls"},
		{"pipeline (TLS) against bare go-amqp over TLS, 2 KB", "connector-2k", "go-amqp-2k-tls"},
		{"AlwaysOn writes: shared against a write each", "push", "push-flush"},
	} {
		r.compare(pair.title, r.perCPU(pair.of), r.perCPU(pair.to))
	}
	for _, body := range []string{"200 B", "2 KB"} {
		r.compare("JSON decode against encoding/json into a map, "+body, r.perLayer("layer-json-"+body), r.perLayer("layer-json-map-"+body))
	}
	r.Goals = r.judge()
}

func (r *report) compare(title string, of, to series) {
	if ratios := of.over(to).values(); len(ratios) > 0 {
		r.Ratios = append(r.Ratios, ratio{Title: title, Value: median(ratios), Least: slices.Min(ratios), Most: slices.Max(ratios)})
	}
}

// of is a figure of a row in each round.
func (r *report) of(key string, figure func(sample) float64) series {
	values := series{}
	for _, row := range r.Rows {
		if row.Key == key {
			for _, s := range row.Rounds {
				values[s.Round] = figure(s)
			}
		}
	}
	return values
}

func (r *report) perCPU(key string) series {
	return r.of(key, func(s sample) float64 { return s.PerCPU })
}

// layerOf is a figure of a layer in each round.
func (r *report) layerOf(key string, figure func(layerSample) float64) series {
	values := series{}
	for _, l := range r.Layers {
		if l.Key == key {
			for _, s := range l.Rounds {
				values[s.Round] = figure(s)
			}
		}
	}
	return values
}

func (r *report) perLayer(key string) series {
	return r.layerOf(key, func(s layerSample) float64 { return 1e6 / s.CPUPerM })
}

func column[S any](rounds []S, of func(S) float64) []float64 {
	values := make([]float64, len(rounds))
	for i, s := range rounds {
		values[i] = of(s)
	}
	return values
}

// median of no values is 0.
func median(values []float64) float64 {
	if len(values) == 0 {
		return 0
	}
	values = slices.Sorted(slices.Values(values))
	middle := len(values) / 2
	if len(values)%2 == 0 {
		return (values[middle-1] + values[middle]) / 2
	}
	return values[middle]
}

func medianSample(rounds []sample) sample {
	of := func(field func(sample) float64) float64 { return median(column(rounds, field)) }
	return sample{
		Rate:      of(func(s sample) float64 { return s.Rate }),
		CPUPerM:   of(func(s sample) float64 { return s.CPUPerM }),
		PerCPU:    of(func(s sample) float64 { return s.PerCPU }),
		Cores:     of(func(s sample) float64 { return s.Cores }),
		RSSMiB:    of(func(s sample) float64 { return s.RSSMiB }),
		FirstMs:   of(func(s sample) float64 { return s.FirstMs }),
		P50Ms:     of(func(s sample) float64 { return s.P50Ms }),
		P99Ms:     of(func(s sample) float64 { return s.P99Ms }),
		PerPush:   of(func(s sample) float64 { return s.PerPush }),
		Saves:     of(func(s sample) float64 { return s.Saves }),
		EndsCores: of(func(s sample) float64 { return s.EndsCores }),
		Growth:    of(func(s sample) float64 { return s.Growth }),
	}
}

func (r *report) write(file string) error {
	r.finish()
	text, err := json.MarshalIndent(r, "", "  ")
	if err != nil {
		return fmt.Errorf("write report: %w", err)
	}
	return os.WriteFile(file, append(text, '\n'), 0o644)
}

// print writes tables in Markdown. The error is also one of any row that could not be measured.
func (r *report) print(out io.Writer) error {
	r.finish()
	fmt.Fprintf(out, "%s\n%s, medians of %d rounds, windows of %.1f s; in brackets the least and the most\n\n",
		r.Machine, r.Date.Format(time.RFC3339), r.Rounds, r.Window)
	processes := table{{"process", "msgs/s", "CPU-s/M", "spread", "msgs/CPU-s", "cores", "ends' cores", "RSS MiB", "first msg ms", "p50 ms", "p99 ms", "msgs/push", "backlog growth"}}
	failures := r.failures
	for _, row := range r.Rows {
		for _, e := range row.Errors {
			failures = append(failures, row.Title+": "+e)
		}
		if row.Missing != "" {
			processes = append(processes, append([]string{row.Title + ": " + row.Missing}, make([]string, len(processes[0])-1)...))
		}
		if len(row.Rounds) == 0 {
			continue
		}
		m, cpu := row.Median, column(row.Rounds, func(s sample) float64 { return s.CPUPerM })
		processes = append(processes, []string{
			row.Title, number("%.0f", m.Rate), number("%.2f", m.CPUPerM), spread("%.2f", cpu), number("%.0f", m.PerCPU), number("%.2f", m.Cores),
			number("%.2f", m.EndsCores), number("%.0f", m.RSSMiB), number("%.0f", m.FirstMs), number("%.2f", m.P50Ms), number("%.2f", m.P99Ms), number("%.2f", m.PerPush), number("%+.2f", m.Growth),
		})
	}
	alone := table{{"layer alone", "CPU-s/M", "spread", "allocations/msg"}}
	for _, l := range r.Layers {
		for _, e := range l.Errors {
			failures = append(failures, l.Title+": "+e)
		}
		if len(l.Rounds) > 0 {
			cpu := column(l.Rounds, func(s layerSample) float64 { return s.CPUPerM })
			alone = append(alone, []string{l.Title, number("%.3f", l.Median.CPUPerM), spread("%.3f", cpu), fmt.Sprintf("%.1f", l.Median.Allocs)})
		}
	}
	ratios := table{{"ratio of msgs/CPU-s, within each round", "median", "spread"}}
	for _, q := range r.Ratios {
		ratios = append(ratios, []string{q.Title, fmt.Sprintf("%.2fx", q.Value), spread("%.2f", []float64{q.Least, q.Most})})
	}
	for _, t := range []table{processes, alone, r.wholeTable(), r.startsTable(), r.callsTable(), r.importsTable(), ratios, goalsTable(r.Goals)} {
		if err := t.print(out); err != nil {
			return err
		}
	}
	if len(failures) > 0 {
		return fmt.Errorf("%d measurements failed:\n%s", len(failures), strings.Join(failures, "\n"))
	}
	return nil
}

// wholeTable is about the connector between azx hub and azx platform.
func (r *report) wholeTable() table {
	t := table{{"azx hub, azx run, azx platform, 20 devices over MQTT", "median", "spread"}}
	if len(r.Whole) == 0 {
		return t
	}
	for _, line := range []struct {
		title string
		of    func(whole) float64
	}{
		{"msgs/s", func(w whole) float64 { return w.Rate }},
		{"connector, CPU-s/M", func(w whole) float64 { return w.ConnectorCPU }},
		{"hub, CPU-s/M", func(w whole) float64 { return w.HubCPU }},
		{"platform, CPU-s/M", func(w whole) float64 { return w.PlatformCPU }},
		{"devices, CPU-s/M", func(w whole) float64 { return w.DevicesCPU }},
		{"connector, RSS MiB", func(w whole) float64 { return w.RSSMiB }},
	} {
		values := column(r.Whole, line.of)
		t = append(t, []string{line.title, number("%.0f", median(values)), spread("%.0f", values)})
	}
	return t
}
