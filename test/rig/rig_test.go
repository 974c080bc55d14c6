package rig

import (
	"bytes"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// TestTheAccountFindsWhatBreaksAnInvariant judges accounts of two devices whose messages alternate in one partition.
func TestTheAccountFindsWhatBreaksAnInvariant(t *testing.T) {
	const begin = 1_000_000
	clean := func() *account {
		a := newAccount()
		for i := range 10 {
			device := []string{"a", "b"}[i%2]
			a.note(device, i/2)
			a.read(Event{"log", "0", int64(i), device, i / 2, int64(begin + i)})
			a.written = append(a.written, Written{uint64(i + 1), device, i / 2, int64(begin + i), int64(begin + 100*i)})
		}
		a.saved(Checkpoint{Connector: "azx-1", Partition: "0", Sequence: 4, Log: "log", At: time.UnixMilli(begin + 450)})
		a.saved(Checkpoint{Connector: "azx-1", Partition: "0", Sequence: 9, Log: "log", At: time.UnixMilli(begin + 2000)})
		return a
	}
	again := func(a *account, from, to int, at int64) {
		for _, w := range a.written[from:to] {
			w.Index, w.Received = uint64(len(a.written)+1), begin+at
			a.written = append(a.written, w)
		}
	}
	for name, c := range map[string]struct {
		harm func(a *account)
		want string // "" for nothing
	}{
		"all is well":                        {func(*account) {}, ""},
		"a message is nowhere":               {func(a *account) { a.written = append(a.written[:7], a.written[8:]...) }, "I1 no loss: sequence 7"},
		"a message that a rule leaves out":   {func(a *account) { a.written = a.written[:9]; a.skips = func(e Event) bool { return e.Sequence == 9 } }, ""},
		"the hub lost what it acknowledged":  {func(a *account) { a.note("a", 77) }, "I1 no loss: message 77 of a"},
		"a checkpoint before the last write": {func(a *account) { a.checkpoints[1].At = time.UnixMilli(begin + 850) }, "I2 checkpoint safety: azx-1 wrote 9"},
		"a checkpoint goes back": {func(a *account) {
			a.saved(Checkpoint{Connector: "azx-1", Partition: "0", Sequence: 8, Log: "log", At: time.UnixMilli(begin + 3000)})
		}, "I2 checkpoint safety: partition 0 goes back"},
		"a checkpoint of another log": {func(a *account) {
			a.saved(Checkpoint{Connector: "azx-1", Partition: "0", Sequence: 2, Log: "other", At: time.UnixMilli(begin)})
		}, ""},
		"a message overtakes":     {func(a *account) { a.written[4], a.written[6] = a.written[6], a.written[4] }, "I3 order: a got message 3 for the first time"},
		"a suffix comes again":    {func(a *account) { again(a, 6, 10, 1500) }, ""},
		"a repeat is the last":    {func(a *account) { again(a, 6, 7, 1500) }, "I3 order: the last value of a is message 3, the newest is 4"},
		"a repeat leaves one out": {func(a *account) { again(a, 4, 5, 1500); again(a, 8, 10, 1600) }, "I3 order: a got message 4 behind message 2"},
		"a late request that is allowed": {func(a *account) {
			a.late, a.checkpoints = 1, a.checkpoints[1:]
			again(a, 4, 5, 1500)
			again(a, 8, 10, 1600)
		}, ""},
		"another time than the device's":        {func(a *account) { a.written[3].Time++ }, "I3 order: message 1 of b has the time"},
		"a repeat that a checkpoint had passed": {func(a *account) { again(a, 6, 10, 2500) }, "I4 duplicates: sequence 6"},
		"what was under way when a partition was taken": {func(a *account) {
			a.took("azx-2", place{log: "log", partition: "0"}, time.UnixMilli(begin), true)
			again(a, 6, 7, 2500)
			again(a, 8, 9, 2500)
		}, ""},
		"more than was under way when a partition was taken": {func(a *account) {
			a.took("azx-2", place{log: "log", partition: "0"}, time.UnixMilli(begin), true)
			again(a, 6, 7, 2500)
			again(a, 8, 9, 2600)
		}, "I4 duplicates: sequence 8"},
		"what was under way, in a partition that was not taken": {func(a *account) {
			a.took("azx-2", place{log: "log", partition: "1"}, time.UnixMilli(begin), true)
			again(a, 6, 7, 2500)
			again(a, 8, 9, 2500)
		}, "I4 duplicates: sequence 6"},
		"as many as were under way when a partition was taken": {func(a *account) {
			a.underWay = 2
			a.took("azx-2", place{log: "log", partition: "0"}, time.UnixMilli(begin), true)
			again(a, 8, 9, 2500)
			again(a, 9, 10, 2500)
		}, ""},
		"more than could be under way, of several Things": {func(a *account) {
			a.underWay = 1
			a.took("azx-2", place{log: "log", partition: "0"}, time.UnixMilli(begin), true)
			again(a, 8, 9, 2500)
			again(a, 9, 10, 2500)
		}, "I4 duplicates: sequence 9"},
		"a partition whose checkpoint was taken away goes on where another knew it": {func(a *account) {
			a.takings = []taking{{"azx-2", place{log: "log", partition: "0"}, time.UnixMilli(begin + 500), 1}}
			a.saved(Checkpoint{Gone: true, At: time.UnixMilli(begin + 2100)})
			a.took("azx-2", place{log: "log", partition: "0"}, time.UnixMilli(begin+2200), false)
			again(a, 5, 10, 2500)
		}, ""},
		"its old owner writes its checkpoint when the new one has looked": {func(a *account) {
			a.takings = []taking{{"azx-2", place{log: "log", partition: "0"}, time.UnixMilli(begin + 500), 1}}
			a.saved(Checkpoint{Gone: true, At: time.UnixMilli(begin + 2100)})
			a.took("azx-2", place{log: "log", partition: "0"}, time.UnixMilli(begin+2200), false)
			a.saved(Checkpoint{Connector: "azx-1", Partition: "0", Sequence: 9, Log: "log", At: time.UnixMilli(begin + 2250)})
			again(a, 5, 10, 2500)
		}, ""},
		"it goes on before that": {func(a *account) {
			a.takings = []taking{{"azx-2", place{log: "log", partition: "0"}, time.UnixMilli(begin + 500), 1}}
			a.saved(Checkpoint{Gone: true, At: time.UnixMilli(begin + 2100)})
			a.took("azx-2", place{log: "log", partition: "0"}, time.UnixMilli(begin+2200), false)
			again(a, 4, 10, 2500)
		}, "I4 duplicates: sequence 4"},
		"its owner repeats although it keeps it": {func(a *account) {
			a.saved(Checkpoint{Gone: true, At: time.UnixMilli(begin + 2100)})
			again(a, 5, 10, 2500)
		}, "I4 duplicates: sequence 5"},
		"a checkpoint that is written anew behind what its writer knew": {func(a *account) {
			a.saved(Checkpoint{Gone: true, At: time.UnixMilli(begin + 2100)})
			a.saved(Checkpoint{Connector: "azx-1", Partition: "0", Sequence: 8, Log: "log", At: time.UnixMilli(begin + 2200)})
		}, "I2 checkpoint safety: partition 0 goes back from 9 to 8"},
		"a repeat that was on its way meanwhile": {func(a *account) { again(a, 6, 10, 2050) }, ""},
	} {
		t.Run(name, func(t *testing.T) {
			a := clean()
			c.harm(a)
			err := a.judge(nil)
			if c.want == "" && err != nil || c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want)) {
				t.Errorf("got %v, want %q", err, c.want)
			}
		})
	}
}

func TestTheSumsOfConnectorsHaveToFitTheAccount(t *testing.T) {
	honest := facts{accepted: 100, writes: 97, again: 5, records: 8}
	said := tally{delivered: 97, quarantined: 8}
	for name, c := range map[string]struct {
		facts facts
		said  tally
		whole bool
		want  string // "" for nothing
	}{
		"all is well": {honest, said, true, ""},
		"one was killed, and its last counts are not known":        {honest, tally{delivered: 60, quarantined: 2}, false, ""},
		"more delivered than the platform took":                    {honest, tally{delivered: 98, quarantined: 8}, false, "98 delivered, the platform took 97"},
		"a message ended nowhere":                                  {honest, tally{delivered: 91, quarantined: 8, retries: 9}, true, "99 messages that ended"},
		"more ended than came":                                     {honest, tally{delivered: 97, quarantined: 8, skipped: 1}, true, "106 messages that ended"},
		"another number put aside":                                 {honest, tally{delivered: 97, quarantined: 7}, true, "7 put aside, the quarantine has 8"},
		"nobody counts a write":                                    {honest, tally{delivered: 96, quarantined: 8}, true, "the platform took 97"},
		"a write whose answer was lost, so that it was sent twice": {honest, tally{delivered: 96, quarantined: 8, retries: 1}, true, ""},
		"a write that came to its end when its partition was lost": {honest, tally{delivered: 96, quarantined: 8, withdrawn: 1}, true, ""},
		"a rule that leaves messages out":                          {facts{accepted: 100, writes: 97, skips: true}, tally{delivered: 97, skipped: 3}, true, ""},
		"a replay":                                                 {facts{accepted: 100, writes: 100, records: 3}, tally{delivered: 97, quarantined: 3, replayed: 3}, true, ""},
	} {
		t.Run(name, func(t *testing.T) {
			err := sumsFit(c.facts, c.said, c.whole)
			if c.want == "" && err != nil || c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want)) {
				t.Errorf("got %v, want %q", err, c.want)
			}
		})
	}
}

// echo is a server that sends back what it gets.
func echo(t *testing.T) (address string) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	t.Cleanup(func() { _ = l.Close(); <-done })
	go func() {
		defer close(done)
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			go func() {
				_, _ = io.Copy(conn, conn)
				_ = conn.Close()
			}()
		}
	}()
	return l.Addr().String()
}

func dial(t *testing.T, w *Wire) net.Conn {
	t.Helper()
	conn, err := net.Dial("tcp", w.Address)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	return conn
}

// says sends a text and returns what comes back within a time.
func says(t *testing.T, conn net.Conn, text string, within time.Duration) string {
	t.Helper()
	_, _ = conn.Write([]byte(text)) // a connection that has ended is told by the reading
	return hears(t, conn, len(text), within)
}

func hears(t *testing.T, conn net.Conn, n int, within time.Duration) string {
	t.Helper()
	if err := conn.SetReadDeadline(time.Now().Add(within)); err != nil {
		t.Fatal(err)
	}
	answer := make([]byte, n)
	got, _ := io.ReadFull(conn, answer) // what has come is looked at
	return string(answer[:got])
}

func TestAWireDoesWhatTheWeatherSays(t *testing.T) {
	const soon, long = 100 * time.Millisecond, 10 * time.Second
	for name, weather := range map[string]Weather{
		"nothing goes out": {Hole: Out}, "nothing comes back": {Hole: Back}, "a rate": {Rate: 10}, "latency": {Latency: 150 * time.Millisecond},
	} {
		t.Run(name, func(t *testing.T) {
			w := StartWire(t, echo(t))
			conn := dial(t, w)
			if got := says(t, conn, "before", long); got != "before" {
				t.Fatalf("got %q", got)
			}
			w.Set(weather)
			if got := says(t, conn, "while", soon); got != "" {
				t.Errorf("%q comes back", got)
			}
			w.Clear()
			if got := hears(t, conn, len("while"), long); got != "while" {
				t.Errorf("%q comes back once it is over", got)
			}
		})
	}
}

func TestAWireHarmsWhatItIsToldTo(t *testing.T) {
	const long = 10 * time.Second
	w := StartWire(t, echo(t))
	conn := dial(t, w)
	w.Flip(Out, 2, 0x20)
	if got := says(t, conn, "abcd", long); got != "abCd" || !w.Harmed() {
		t.Errorf("a turned bit gives %q", got)
	}
	w.CutAfter(Out, 3)
	if got := says(t, conn, "abcd", long); len(got) > 3 {
		t.Errorf("behind the cut is %q", got)
	}
	w.Set(Weather{Refuse: true})
	if conn, err := net.Dial("tcp", w.Address); err == nil { // or it is refused so soon that it never was one
		t.Cleanup(func() { _ = conn.Close() })
		if got := says(t, conn, "abcd", long); got != "" {
			t.Errorf("a refused connection gives %q", got)
		}
	}
	if w.Dials() != 2 {
		t.Errorf("there were %d dials, want 2", w.Dials())
	}
}

func TestAStoreShowsWhatIsWrittenBeforeItIsAndMayRefuseIt(t *testing.T) {
	var stored []string
	server := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			t.Error(err)
		}
		stored = append(stored, r.Method+" "+r.URL.Path+" "+string(body))
	}))
	defer server.Close()
	s := StartStore(t, server.URL, func(r *http.Request, body []byte) int {
		if r.Method == http.MethodPut && bytes.Contains(body, []byte("bad")) {
			return http.StatusServiceUnavailable
		}
		return 0
	})
	client := http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	for body, want := range map[string]int{"good": 200, "bad": 503} {
		request, err := http.NewRequest(http.MethodPut, s.URL+"/container/0", strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		answer, err := client.Do(request)
		if err != nil {
			t.Fatal(err)
		}
		if _ = answer.Body.Close(); answer.StatusCode != want {
			t.Errorf("%s: status %d, want %d", body, answer.StatusCode, want)
		}
	}
	if len(stored) != 1 || stored[0] != "PUT /container/0 good" {
		t.Errorf("stored are %q", stored)
	}
}
