package main

import (
	"bufio"
	"cmp"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"regexp"
	"strconv"
	"strings"
	"time"
)

// result is what a case gave.
type result struct {
	name, id string // TestF01..., F01; no id: it is a test that is no case
	seed     string
	run      string // how it was run: receiver, length, commit, day
	passed   bool
	counted  bool // the rig has told what follows
	counts
	seconds float64
	said    string
}

// counts are those of the account of a case, or of all its parts.
type counts struct{ sent, accepted, written, again, checkpoints int }

// String tells the result in words.
func (r result) String() string {
	s := verdict(r.passed, "failed")
	if r.counted {
		s += fmt.Sprintf(", %s sent, %s accepted, %s written, %s again, %s checkpoints",
			number(r.sent), number(r.accepted), number(r.written), number(r.again), number(r.checkpoints))
	}
	return s + fmt.Sprintf(", %.0f s", r.seconds)
}

// cell tells it in the columns of the table: sent, written, again, checkpoints, seconds.
func (r result) cell() string {
	s := verdict(r.passed, "**failed**")
	if r.counted {
		s += fmt.Sprintf(" · %s · %s · %s · %s", number(r.sent), number(r.written), number(r.again), number(r.checkpoints))
	}
	return s + fmt.Sprintf(" · %.0f s", r.seconds)
}

func verdict(passed bool, failed string) string {
	if passed {
		return "passed"
	}
	return failed
}

// number is n with a comma at each thousand.
func number(n int) string {
	s := strconv.Itoa(n)
	for at := len(s) - 3; at > 0; at -= 3 {
		s = s[:at] + "," + s[at:]
	}
	return s
}

// What the cases say of themselves.
var (
	how      = regexp.MustCompile(`: seed (\d+)(?:, (.+))?\n`)
	balance  = regexp.MustCompile(`: (\d+) sent, (\d+) accepted by the hub, (\d+) written, (\d+) times again; (\d+) checkpoints\n`)
	caseName = regexp.MustCompile(`^Test(F\d\d)[A-Z]`)
)

// reader takes results out of a log of go test -json.
type reader struct {
	run   string            // how cases were run that do not tell it
	ended func(result)      // hears of each test
	other func(line string) // hears of lines that are none of go test -json, such as a compiler's; may be nil
	tests map[string]*part
}

// part is a test, or a part of one, that has not ended.
type part struct {
	result
	parts []*part
}

func (r *reader) read(log io.Reader) error {
	r.tests = map[string]*part{}
	lines := bufio.NewScanner(log)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		var e struct {
			Time                 time.Time
			Action, Test, Output string
			Elapsed              float64
		}
		switch err := json.Unmarshal(lines.Bytes(), &e); {
		case err != nil && r.other != nil:
			r.other(lines.Text())
		case err != nil || e.Test == "":
		case e.Action == "output":
			r.part(e.Test).say(e.Output)
		case e.Action == "pass" || e.Action == "fail":
			p := r.part(e.Test)
			p.passed, p.seconds = e.Action == "pass", e.Elapsed
			if !strings.Contains(e.Test, "/") {
				r.end(p, e.Time)
			}
		}
	}
	return lines.Err()
}

// part returns the test of a name, which is a part of the one whose name stands before its last slash.
func (r *reader) part(name string) *part {
	p := r.tests[name]
	if p == nil {
		p = &part{result: result{name: name}}
		r.tests[name] = p
		if at := strings.LastIndexByte(name, '/'); at >= 0 {
			whole := r.part(name[:at])
			whole.parts = append(whole.parts, p)
		}
	}
	return p
}

// say takes what a test prints.
func (p *part) say(text string) {
	p.said += text
	if m := how.FindStringSubmatch(text); m != nil {
		p.seed, p.run = m[1], m[2]
	}
	if m := balance.FindStringSubmatch(text); m != nil {
		p.counted = true
		for i, n := range []*int{&p.sent, &p.accepted, &p.written, &p.again, &p.checkpoints} {
			*n, _ = strconv.Atoi(m[i+1]) // digits
		}
	}
}

// total adds up the parts.
func (p *part) total() result {
	all := p.result
	var seconds float64
	for _, one := range p.parts {
		sub := one.total()
		all.counted = all.counted || sub.counted
		all.sent, all.accepted, all.written = all.sent+sub.sent, all.accepted+sub.accepted, all.written+sub.written
		all.again, all.checkpoints = all.again+sub.again, all.checkpoints+sub.checkpoints
		all.seed, all.run = cmp.Or(all.seed, sub.seed), cmp.Or(all.run, sub.run)
		all.said += sub.said
		seconds += sub.seconds
	}
	all.seconds = max(all.seconds, seconds) // parts that run side by side are waited for by nobody
	return all
}

// end tells the result of a test, and forgets it.
func (r *reader) end(p *part, at time.Time) {
	one := p.total()
	if m := caseName.FindStringSubmatch(one.name); m != nil {
		one.id = m[1]
	}
	one.run = strings.TrimPrefix(cmp.Or(one.run, r.run)+", "+at.Format("2 January 2006"), ", ")
	r.ended(one)
	maps.DeleteFunc(r.tests, func(name string, _ *part) bool { return name == one.name || strings.HasPrefix(name, one.name+"/") })
}
