package observe

import (
	"fmt"
	"io"
	"net/http"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"azx/test/process"
)

// get returns the status and the body of one of the connector's pages.
func get(t testing.TB, admin, page string) (int, string) {
	t.Helper()
	client := http.Client{Timeout: 30 * time.Second}
	answer, err := client.Get(admin + page)
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	text, err := io.ReadAll(answer.Body)
	if err != nil {
		t.Fatal(err)
	}
	return answer.StatusCode, string(text)
}

// adminOf is the address of the pages of a connector that is ready.
func adminOf(connector *process.Child) string {
	ready := connector.UntilPrinted(time.Minute, "ready: ")
	return strings.TrimSuffix(strings.TrimPrefix(ready, "ready: "), "/readyz")
}

// sample is a line of a scrape.
type sample struct {
	labels map[string]string
	value  float64
}

// scrape reads all metrics by their names.
func scrape(t testing.TB, admin string) map[string][]sample {
	t.Helper()
	code, text := get(t, admin, "/metrics")
	if code != http.StatusOK {
		t.Fatalf("/metrics answers %d: %s", code, text)
	}
	line := regexp.MustCompile(`(?m)^([a-z_]+)(?:\{(.*)\})? (\S+)$`)
	pair := regexp.MustCompile(`([a-z_]+)="([^"]*)"`)
	all := map[string][]sample{}
	for _, m := range line.FindAllStringSubmatch(text, -1) {
		value, err := strconv.ParseFloat(m[3], 64)
		if err != nil {
			t.Fatalf("%s: %v", m[0], err)
		}
		one := sample{map[string]string{}, value}
		for _, p := range pair.FindAllStringSubmatch(m[2], -1) {
			one.labels[p[1]] = p[2]
		}
		all[m[1]] = append(all[m[1]], one)
	}
	return all
}

// account is what a scrape says of the messages of one partition, or of several together.
type account struct{ received, delivered, quarantined, skipped, withdrawn, inFlight, behind float64 }

func (a account) balances() bool {
	return a.received == a.delivered+a.quarantined+a.skipped+a.withdrawn+a.inFlight && a.behind >= a.inFlight
}

// accounts returns those of the partitions and their sum.
func accounts(t testing.TB, admin string) (partitions map[string]*account, sum account) {
	t.Helper()
	all := scrape(t, admin)
	partitions = map[string]*account{}
	add := func(name string, field func(a *account, s sample) *float64) {
		for _, s := range all[name] {
			id := s.labels["partition"]
			if partitions[id] == nil {
				partitions[id] = &account{}
			}
			*field(partitions[id], s) += s.value
			*field(&sum, s) += s.value
		}
	}
	add("azx_messages_received_total", func(a *account, _ sample) *float64 { return &a.received })
	add("azx_messages_in_flight", func(a *account, _ sample) *float64 { return &a.inFlight })
	add("azx_lag_messages", func(a *account, _ sample) *float64 { return &a.behind })
	add("azx_messages_settled_total", func(a *account, s sample) *float64 {
		return map[string]*float64{"delivered": &a.delivered, "quarantined": &a.quarantined, "skipped": &a.skipped, "withdrawn": &a.withdrawn}[s.labels["result"]]
	})
	return partitions, sum
}

// TestEveryScrapeBalancesUnderLoad scrapes without pause while devices send what is delivered, quarantined and skipped, and
// while the platform halts in between.
func TestEveryScrapeBalancesUnderLoad(t *testing.T) {
	const devices, rounds = 6, 400
	stack := process.NewStack(t, azx)
	var senders []*device
	for i := range devices {
		id := fmt.Sprintf("load-%d", i)
		stack.AddThing(id, "n:INTEGER")
		senders = append(senders, connect(t, stack, id))
	}
	stack.Configure()
	admin := adminOf(stack.Connect())

	sent := make(chan struct{})
	go func() {
		defer close(sent)
		for n := range rounds {
			for _, d := range senders {
				switch n % 10 {
				case 3:
					d.post(`{"n":`) // quarantined
				case 7:
					d.post(``) // skipped
				default:
					d.post(fmt.Sprintf(`{"n":%d}`, n))
				}
			}
			if n%50 == 49 {
				for _, d := range senders {
					d.send(fmt.Sprintf(`{"n":%d}`, n)) // as far as the hub can follow
				}
			}
		}
	}()
	const extra = devices * rounds / 50
	const total = devices*rounds + extra

	scrapes, busy := 0, 0
	look := func() account {
		partitions, sum := accounts(t, admin)
		scrapes++
		for id, one := range partitions {
			if !one.balances() {
				t.Fatalf("scrape %d, partition %s: %+v", scrapes, id, *one)
			}
			if one.inFlight > 0 {
				busy++
			}
		}
		if !sum.balances() {
			t.Fatalf("scrape %d: the sum is %+v", scrapes, sum)
		}
		return sum
	}
	halted, halt := false, time.Time{}
	process.Eventually(t, 3*time.Minute, "all messages settled", func() error {
		for range 20 {
			sum := look()
			switch {
			case !halted && sum.delivered > 100:
				stack.PlatformProcess.Freeze()
				halted, halt = true, time.Now()
			case halted && !halt.IsZero() && time.Since(halt) > 2*time.Second:
				stack.PlatformProcess.Thaw()
				halt = time.Time{}
			}
			if sum.delivered+sum.quarantined+sum.skipped == total {
				return nil
			}
		}
		return fmt.Errorf("%+v of %d", look(), total)
	})
	<-sent
	sum := look()
	want := account{received: total, delivered: devices*rounds*8/10 + extra, quarantined: devices * rounds / 10, skipped: devices * rounds / 10}
	if sum != want {
		t.Errorf("at the end %+v, want %+v", sum, want)
	}
	t.Logf("%d scrapes; in %d of their partitions messages were in flight", scrapes, busy)
	if busy == 0 { // the platform stood still for two seconds of it
		t.Error("the scrapes saw no load")
	}
}
