package main

import (
	"encoding/json"
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
		readings, _ := decode.Body(m) // the layer below tells if it fails
		table := tableOf(body)
		var writes []message.Write
		writes, _, _ = table.Map(message.Telemetry{Message: m, Readings: readings, Time: 1}, nil)
		values := make([]alwayson.PropertyValue, len(writes))
		for i, w := range writes {
			values[i] = alwayson.PropertyValue{Name: w.Property, Value: w.Value, TimeMs: w.Time}
		}
		var encoded []byte
		all = append(all,
			layer{"layer-json-" + body.Name, "JSON decode: decode.Body, " + body.Name, func() error {
				_, err := decode.Body(m)
				return err
			}},
			layer{"layer-json-map-" + body.Name, "JSON decode: encoding/json into a map, " + body.Name, func() error {
				var into map[string]any
				return json.Unmarshal(m.Body, &into)
			}},
			layer{"layer-map-" + body.Name, "readings to writes: mapping.Table.Map, " + body.Name, func() (err error) {
				writes, _, err = table.Map(message.Telemetry{Message: m, Readings: readings, Time: 1}, writes[:0])
				return err
			}},
			layer{"layer-push-" + body.Name, "AlwaysOn push encode: AppendPropertyPush, " + body.Name, func() error {
				encoded = alwayson.AppendPropertyPush(encoded[:0], values)
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
