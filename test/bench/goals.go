package main

import (
	"fmt"
	"slices"
)

// series is a value for each round in which it could be measured.
type series map[int]float64

// over divides what was measured in the same rounds: on a shared machine only that can be compared.
func (s series) over(other series) series {
	ratios := series{}
	for round, value := range s {
		if base, ok := other[round]; ok && base > 0 {
			ratios[round] = value / base
		}
	}
	return ratios
}

func (s series) values() []float64 {
	var all []float64
	for _, value := range s {
		all = append(all, value)
	}
	return all
}

// goal is what is to be reached, and what this run gave.
type goal struct {
	Title    string  `json:"goal"`
	Unit     string  `json:"unit"`
	Most     bool    `json:"at_most"` // less is better
	Floor    float64 `json:"floor"`
	Aim      float64 `json:"aim"`
	Measured float64 `json:"measured"` // median of the rounds
	Least    float64 `json:"least"`
	Greatest float64 `json:"greatest"`
	Verdict  verdict `json:"verdict"`
}

// verdict says how far a goal was reached.
type verdict string

const (
	notMeasured verdict = "not measured"
	missed      verdict = "missed"
	met         verdict = "met"
	aimMet      verdict = "aim met"
)

// judged fills in what was measured.
func (g goal) judged(measured series) goal {
	values := measured.values()
	if len(values) == 0 {
		g.Verdict = notMeasured
		return g
	}
	g.Measured, g.Least, g.Greatest = median(values), slices.Min(values), slices.Max(values)
	reached := func(limit float64) bool {
		if g.Most {
			return g.Measured <= limit
		}
		return g.Measured >= limit
	}
	switch {
	case !reached(g.Floor):
		g.Verdict = missed
	case !reached(g.Aim):
		g.Verdict = met
	default:
		g.Verdict = aimMet
	}
	return g
}

// judge compares the run with all goals. Aim is the floor where there is none.
func (r *report) judge() []goal {
	rss := func(key string) series { return r.of(key, func(s sample) float64 { return s.RSSMiB }) }
	p99 := func(key string) series { return r.of(key, func(s sample) float64 { return s.P99Ms }) }
	least := func(title string, floor, aim float64, measured series) goal {
		return goal{Title: title, Unit: "x", Floor: floor, Aim: aim}.judged(measured)
	}
	most := func(title, unit string, floor, aim float64, measured series) goal {
		return goal{Title: title, Unit: unit, Most: true, Floor: floor, Aim: aim}.judged(measured)
	}
	pipeline, paced := r.perCPU("connector-200-fast"), "connector-paced-60k"
	goals := []goal{
		least("msgs/CPU-s against Telegraf, 200 B", 10, 20, pipeline.over(r.perCPU("telegraf-200"))),
		least("msgs/CPU-s against Node @azure/event-hubs + PUT, 200 B", 10, 20, pipeline.over(r.perCPU("node-put-200"))),
		least("msgs/CPU-s against azeventhubs + PUT, 200 B", 10, 20, pipeline.over(r.perCPU("azeventhubs-put-200"))),
		least("msgs/CPU-s against Telegraf, 2 KB", 10, 20, r.perCPU("connector-2k-fast").over(r.perCPU("telegraf-2k"))),
		least("whole pipeline against bare go-amqp receive, 200 B", 1.5, 3, pipeline.over(r.perCPU("go-amqp-200-tls"))),
	}
	for _, body := range []string{"200 B", "2 KB"} {
		ours := "layer-json-" + body
		goals = append(goals,
			least("decode against encoding/json into a map, "+body, 5, 8, r.perLayer(ours).over(r.perLayer("layer-json-map-"+body))),
			most("decode, allocations a message, "+body, "", 2, 0, r.layerOf(ours, func(s layerSample) float64 { return s.Allocs })))
	}
	return append(goals,
		most("latency p99 at 2,000 msg/s", " ms", 3, 1, p99("connector-paced")),
		most("the same against go-amqp + PUT", "x", 2, 2, p99("connector-paced").over(p99("go-amqp-put-paced"))),
		most("RSS at saturation, 1,000 Things, against Telegraf", "x", 0.6, 0.6, rss("connector-200-fast").over(rss("telegraf-200"))),
		most("RSS at saturation, 1,000 Things", " MiB", 40, 30, rss("connector-200-fast")),
		most("RSS at saturation, 100,000 Things", " MiB", 200, 100, rss("connector-200-100k")),
		most("process start to first message", " ms", 150, 80, r.firstMs()),
		most("60,000 msg/s for a minute, nothing lost: cores", "", 0.5, 0.25, r.of(paced, func(s sample) float64 { return s.Cores })),
		most("checkpoints, share of CPU at 60,000 msg/s", " %", 5, 2, r.checkpointShare(paced)),
		most("checkpoints, writes a partition and interval", "", 1, 1, r.saves(paced)),
	)
}

// goalsTable is what was asked for next to what was measured.
func goalsTable(goals []goal) table {
	t := table{{"goal", "asked", "aim", "measured", "spread", "verdict"}}
	for _, g := range goals {
		sign := ">= "
		if g.Most {
			sign = "<= "
		}
		line := []string{g.Title, fmt.Sprintf("%s%g%s", sign, g.Floor, g.Unit), fmt.Sprintf("%g%s", g.Aim, g.Unit), "-", "-", string(g.Verdict)}
		if g.Verdict != notMeasured {
			line[3], line[4] = fmt.Sprintf("%.2f%s", g.Measured, g.Unit), spread("%.2f", []float64{g.Least, g.Greatest})
		}
		t = append(t, line)
	}
	return t
}
