package main

import (
	"errors"
	"maps"
	"os"
	"strings"
	"testing"
	"time"
)

func TestAReportHasMediansSpreadRatiosAndFailures(t *testing.T) {
	r := newReport(&bench{rounds: 3, window: time.Second})
	pipeline, bare := &row{key: "connector-200", title: "pipeline"}, &row{key: "go-amqp-200-tls", title: "bare"}
	for round, perCPU := range []float64{30, 10, 20} {
		r.add(pipeline, sample{Round: round, CPUPerM: 1e6 / perCPU, PerCPU: perCPU}, nil)
		r.add(bare, sample{Round: round, CPUPerM: 1e6 / 40, PerCPU: 40}, nil)
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

func TestAProgramThatCannotBeHadIsARowAndNoFailure(t *testing.T) {
	r := newReport(&bench{rounds: 1})
	r.add(&row{key: "telegraf-200", title: "Telegraf"}, sample{}, missingPeer{"no network"})
	var out strings.Builder
	if err := r.print(&out); err != nil || !strings.Contains(out.String(), "Telegraf: no network") {
		t.Errorf("%v\n%s", err, out.String())
	}
}

func TestRatiosAreOfWhatWasMeasuredInTheSameRound(t *testing.T) {
	of, to := series{0: 30, 1: 100, 2: 20}, series{0: 3, 2: 4, 3: 1}
	if got := of.over(to); !maps.Equal(got, series{0: 10, 2: 5}) {
		t.Errorf("%v", got)
	}
	if got := of.over(series{0: 0}); len(got) != 0 {
		t.Errorf("divided by nothing: %v", got)
	}
}

func TestAGoalIsJudgedByTheMedianOfItsRounds(t *testing.T) {
	for _, c := range []struct {
		name     string
		most     bool
		measured series
		want     verdict
	}{
		{"without a round nothing is said", false, series{}, notMeasured},
		{"below the floor it is missed", false, series{0: 9, 1: 30, 2: 9}, missed},
		{"at the floor it is met", false, series{0: 10}, met},
		{"at the aim that is met", false, series{0: 20, 1: 20, 2: 1}, aimMet},
		{"where less is better, above the floor it is missed", true, series{0: 11}, missed},
		{"where less is better, below both it is reached", true, series{0: 10}, aimMet},
	} {
		t.Run(c.name, func(t *testing.T) {
			if got := (goal{Most: c.most, Floor: 10, Aim: 20}).judged(c.measured); got.Verdict != c.want {
				t.Errorf("%+v, want %s", got, c.want)
			}
		})
	}
}

func TestSavesAreCountedByPartitionAndInterval(t *testing.T) {
	s, began := countSaves(""), time.Now()
	for n := range 11 { // half as often as may be
		s.seen("0.json", began.Add(2*time.Duration(n)*saveInterval))
		s.seen("0.json", began.Add(2*time.Duration(n)*saveInterval))
		s.seen("1.json", began)
	}
	if got := s.perInterval(); got != 0.5 {
		t.Errorf("%v", got)
	}
}

func TestTheShareOfCheckpointsIsTheirCostTimesTheirNumber(t *testing.T) {
	r := newReport(&bench{})
	r.add(&row{key: "paced"}, sample{Cores: 0.4, Saves: 1}, nil)
	r.addLayer(layer{key: checkpointKey}, layerSample{CPUPerM: 1000}, nil) // a millisecond each
	if got := r.checkpointShare("paced")[0]; got < 0.99 || got > 1.01 {    // four milliseconds a second, of 400
		t.Errorf("%v %%", got)
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
