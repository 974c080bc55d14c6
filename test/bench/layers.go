package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"runtime"
	"syscall"
	"time"

	"azx/alwayson"
	"azx/alwayson/infotable"
	"azx/internal/decode"
	"azx/internal/mapping"
	"azx/internal/message"
	"azx/test/bench/source"
)

// layer is a piece of the pipeline that runs alone, in this process.
type layer struct {
	key, title string
	work       func() error // one message
}

// layerSample is one measurement of a layer. CPU time, not wall time: other work on the machine does not count.
type layerSample struct {
	Round   int     `json:"round"`
	CPUPerM float64 `json:"cpu_s_per_million"`
	Allocs  float64 `json:"allocations_per_message"`
}

func layers() []layer {
	var all []layer
	for _, body := range []source.Body{source.Small(), source.Large()} {
		m := &message.Message{Body: body.Text(), ContentType: "application/json", ContentEncoding: "utf-8"}
		table := tableOf(body)
		var values, again mapping.Values
		_, _, _ = table.Encode(message.Telemetry{Message: m, Time: 1}, &values) // the layer below tells if it fails
		var encoded []byte
		all = append(all,
			layer{"layer-json-" + body.Name, "JSON decode: decode.Members, " + body.Name, func() error { return decode.Check(m) }},
			layer{"layer-json-map-" + body.Name, "JSON decode: encoding/json into a map, " + body.Name, func() error {
				var into map[string]any
				return json.Unmarshal(m.Body, &into)
			}},
			layer{"layer-values-" + body.Name, "JSON to values: mapping.Table.Encode, " + body.Name, func() error {
				again.Cut(0)
				_, unfit, err := table.Encode(message.Telemetry{Message: m, Time: 1}, &again)
				return errors.Join(unfit, err)
			}},
			layer{"layer-push-" + body.Name, "AlwaysOn push encode: AppendEncodedRow, " + body.Name, func() error {
				encoded = alwayson.BeginPropertyPush(encoded[:0])
				for i := range values.Len() {
					property, value, at := values.At(i)
					encoded = alwayson.AppendEncodedRow(encoded, property, value, at)
				}
				encoded = alwayson.EndPropertyPush(encoded)
				return nil
			}},
		)
	}
	return all
}

func tableOf(body source.Body) *mapping.Table {
	properties := make([]mapping.Property, len(body.Properties))
	for i, p := range body.Properties {
		base, err := infotable.ParseBaseType(p.BaseType)
		if err != nil {
			panic(fmt.Sprintf("bench: %v", err)) // a mistake in package source
		}
		properties[i] = mapping.Property{EdgeName: p.Name, Type: base}
	}
	return mapping.NewTable(properties, hubThing)
}

// measure repeats the work for about as long as least.
func (l layer) measure(least time.Duration) (layerSample, error) {
	runtime.GC()
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	cpu, began, n := ownCPU(), time.Now(), 0
	for time.Since(began) < least {
		for range 100 {
			if err := l.work(); err != nil {
				return layerSample{}, err
			}
		}
		n += 100
	}
	used := ownCPU() - cpu
	runtime.ReadMemStats(&after)
	return layerSample{CPUPerM: used / float64(n) * 1e6, Allocs: float64(after.Mallocs-before.Mallocs) / float64(n)}, nil
}

// ownCPU is the user and system time of this process, garbage collection included.
func ownCPU() float64 {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		panic(fmt.Sprintf("bench: own CPU time: %v", err)) // only a bad argument
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano()).Seconds()
}
