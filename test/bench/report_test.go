package main

import (
	"errors"
	"os"
	"strings"
	"testing"
	"time"
)

func TestAReportHasMediansSpreadRatiosAndFailures(t *testing.T) {
	r := newReport(&bench{rounds: 3, window: time.Second})
	pipeline, bare := &row{key: "connector-200", title: "pipeline"}, &row{key: "go-amqp-200-tls", title: "bare"}
	for _, perCPU := range []float64{30, 10, 20} {
		r.add(pipeline, sample{CPUPerM: 1e6 / perCPU, PerCPU: perCPU}, nil)
		r.add(bare, sample{CPUPerM: 1e6 / 40, PerCPU: 40}, nil)
	}
	r.add(bare, sample{}, errors.New("2 messages were lost"))
	var out strings.Builder
	err := r.print(&out)
	if err == nil || !strings.Contains(err.Error(), "bare: 2 messages were lost") {
		t.Errorf("a row that failed is not told: %v", err)
	}
	for _, want := range []string{"50000.00", "[33333.33-100000.00]", "0.50x | [0.25-0.75]"} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("%q is missing in\n%s", want, out.String())
		}
	}
}

func TestPercentilesAreThoseOfTheSortedValues(t *testing.T) {
	var d []time.Duration
	for i := 1000; i > 0; i-- {
		d = append(d, time.Duration(i)*time.Millisecond)
	}
	if p50, p99 := percentiles(d); p50 != 500 || p99 != 990 {
		t.Errorf("p50 %v, p99 %v", p50, p99)
	}
}

func TestAProcessTellsItsCPUTimeAndMemory(t *testing.T) {
	before, err := cpuSeconds(os.Getpid())
	if err != nil {
		t.Fatal(err)
	}
	for own := ownCPU(); ownCPU() < own+0.05; { // five clock ticks of work
	}
	after, err := cpuSeconds(os.Getpid())
	if err != nil || after-before < 0.03 || after-before > 5 {
		t.Errorf("from %v to %v s, %v", before, after, err)
	}
	if mib, err := rssMiB(os.Getpid()); err != nil || mib < 1 || mib > 4096 {
		t.Errorf("%v MiB, %v", mib, err)
	}
}

func TestEveryLayerWorks(t *testing.T) {
	for _, l := range layers() {
		s, err := l.measure(time.Millisecond)
		if err != nil || s.CPUPerM <= 0 {
			t.Errorf("%s: %+v, %v", l.title, s, err)
		}
	}
}
