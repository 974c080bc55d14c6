package devices

import (
	"context"
	"encoding/json"
	"fmt"
	"iter"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"testing"

	"azx/internal/mapping"
)

func write(t *testing.T, path, text string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

// stream makes its devices page by page out of JSON, as a hub's client does.
type stream struct {
	n     int
	after func() // each page; nil: nothing
}

func (s stream) Total() int { return s.n }

func (s stream) Pages(_ context.Context, from string) iter.Seq2[Page, error] {
	return func(yield func(Page, error) bool) {
		const size = 1000
		at, _ := strconv.Atoi(from)
		for ; at < s.n; at += size {
			devices := make([]Device, 0, size)
			for n := at; n < min(at+size, s.n); n++ {
				var twin struct {
					DeviceID   string          `json:"deviceId"`
					Tags       json.RawMessage `json:"tags"`
					Properties struct {
						Desired  json.RawMessage `json:"desired"`
						Reported json.RawMessage `json:"reported"`
					} `json:"properties"`
				}
				text := fmt.Appendf(nil, `{"deviceId": "device-%08d", "etag": "AAAAAAAAAAE=", "tags": {"site": "Ulm", "kind": "pump", "n": %d},
					"properties": {"desired": {"rate": 5, "$metadata": {"$lastUpdated": "2026-05-04T03:02:01.5Z"}, "$version": 3},
					"reported": {"fw": {"major": 10}, "$metadata": {"$lastUpdated": "2026-05-04T03:02:01.5Z"}, "$version": 3}}}`, n, n)
				err := json.Unmarshal(text, &twin)
				devices = append(devices, Device{ID: twin.DeviceID, Tags: twin.Tags, Desired: twin.Properties.Desired, Report: twin.Properties.Reported, Bad: err})
			}
			if !yield(Page{devices, strconv.Itoa(at + len(devices))}, nil) {
				return
			}
			if s.after != nil {
				s.after()
			}
		}
	}
}

// instant is a platform that has no Things and takes all at once.
type instant struct{}

func (instant) Find(context.Context, []string) (map[string]Found, error) { return nil, nil }
func (instant) Create(context.Context, Thing) error                      { return nil }
func (instant) Update(context.Context, Thing) error                      { return nil }
func (instant) Declare(context.Context, Thing, []mapping.Property, bool) ([]mapping.Property, error) {
	return nil, nil
}
func (instant) TemplateProperties(context.Context, string) (map[string]bool, error) { return nil, nil }

// BenchmarkImport imports 100,000 devices into a platform that takes no time, with its place in a file. The issue wants
// 5,000 devices a second.
func BenchmarkImport(b *testing.B) {
	const n = 100_000
	rules := Rules{{Template: "EdgeThing", Edge: true}, {Template: "PumpThing", Tag: "kind", Value: "pump"}}
	for b.Loop() {
		i := &Import{Hub: "Hub", Source: stream{n: n}, Things: instant{}, Rules: rules, State: File(filepath.Join(b.TempDir(), "import.json"))}
		if r, err := i.Run(b.Context()); err != nil || r.Created != n {
			b.Fatal(r, err)
		}
	}
	b.ReportMetric(float64(n)*float64(b.N)/b.Elapsed().Seconds(), "devices/s")
}

// TestALargeImportIsNotCollected measures what an import of 100,000 devices adds to the memory that the process holds: the
// issue allows 32 MiB.
func TestALargeImportIsNotCollected(t *testing.T) {
	const n, allowed = 100_000, 32 << 20
	runtime.GC()
	before := held()
	most := before
	i := &Import{Hub: "Hub", Source: stream{n, func() { most = max(most, held()) }}, Things: instant{}}
	if r, err := i.Run(t.Context()); err != nil || r.Created != n {
		t.Fatal(r, err)
	}
	t.Logf("%d KiB before, %d KiB at most", before>>10, most>>10)
	if most-before > allowed {
		t.Errorf("the process holds %d MiB more", (most-before)>>20)
	}
}

// held is what the process has from the system and has not given back.
func held() uint64 {
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.Sys - m.HeapReleased
}
