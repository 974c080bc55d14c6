package conformance

import (
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"azx/test/process"
)

// debianPython is the Python that Debian's python3-qpid-proton belongs to.
const debianPython = "/usr/bin/python3"

// protonEvent is a line of qpid_proton.py.
type protonEvent struct {
	Partition   string            `json:"partition"`
	Device      string            `json:"device"`
	Source      string            `json:"source"`
	Sequence    int64             `json:"sequence"`
	Offset      string            `json:"offset"`
	Types       map[string]string `json:"types"` // of annotations
	ContentType string            `json:"contentType"`
	Settled     bool              `json:"settled"` // by the hub
	Size        int               `json:"size"`
	SHA256      string            `json:"sha256"`
	Body        string            `json:"body"` // of a short one
}

func TestProtonReadsAllPartitionsOverSmallWindows(t *testing.T) {
	t.Parallel()
	h := newHub(t)
	devices := h.devices(len(deviceNames))
	large := strings.Repeat("0123456789abcdef", 200*1024/16)
	const count = 200
	for _, d := range devices {
		h.publish(d, []string{"%24.ct=application%2Fjson"}, numbers(0, count/2)...)
		h.publishWhole(d, large)
		h.publish(d, []string{"%24.ct=application%2Fjson"}, numbers(count/2, count)...)
	}
	for _, v := range []struct {
		name            string
		frame, capacity int // bytes
		credit          int
		settle          string
	}{
		{"a window of 16 frames of 4 KB, which a large message does not fit", 4096, 65536, 10, "settled"},
		{"the smallest frames of the standard, a window of 4", 512, 2048, 3, "settled"},
		{"frames of 64 KB and much credit", 65536, 1 << 20, 1000, "settled"},
		{"unsettled, accepted one by one", 16384, 1 << 18, 10, "unsettled"},
	} {
		t.Run(v.name, func(t *testing.T) {
			events := h.proton(t, (count+1)*len(devices), fmt.Sprintf("AZX_FRAME=%d", v.frame),
				fmt.Sprintf("AZX_CAPACITY=%d", v.capacity), fmt.Sprintf("AZX_CREDIT=%d", v.credit), "AZX_SETTLE="+v.settle)
			checkProton(t, events, devices, large, count, v.settle == "settled")
		})
	}
}

// proton runs the peer until it has n events.
func (h *hub) proton(t *testing.T, n int, env ...string) []protonEvent {
	t.Helper()
	tokens := map[string]string{}
	for _, id := range h.partitionIDs() {
		address := h.events["EntityPath"] + "/ConsumerGroups/" + group + "/Partitions/" + id
		tokens[address] = h.eventsToken("amqps://" + h.namespace() + "/" + address)
	}
	links, err := json.Marshal(tokens)
	if err != nil {
		t.Fatal(err)
	}
	child := process.Start(t, process.Command{Name: debianPython, Args: []string{"qpid_proton.py"}, Env: append(append(os.Environ(),
		"AZX_ADDRESS="+h.dial(h.namespace(), h.ports.AMQPS), "AZX_NAMESPACE="+h.namespace(), "AZX_CA="+h.ca, "AZX_GROUP="+group,
		"AZX_LINKS="+string(links), "AZX_RUN="+h.mark, fmt.Sprintf("AZX_COUNT=%d", n),
		fmt.Sprintf("AZX_SINCE=%d", h.began.Add(-time.Minute).UnixMilli())), env...)})
	if code := child.Wait(2 * patience); code != 0 {
		t.Fatalf("qpid_proton.py: exit code %d\n%s", code, child.Stderr())
	}
	var events []protonEvent
	for line := range strings.Lines(child.Stdout()) {
		var e protonEvent
		if err := json.Unmarshal([]byte(line), &e); err != nil {
			t.Fatal(err)
		}
		events = append(events, e)
	}
	return events
}

// checkProton wants every device's events in order: numbers with a large one in their middle.
func checkProton(t *testing.T, events []protonEvent, devices []device, large string, count int, settled bool) {
	t.Helper()
	types := map[string]string{"x-opt-sequence-number": "int", "x-opt-offset": "str", "x-opt-enqueued-time": "timestamp", "iothub-enqueuedtime": "timestamp"}
	for _, d := range devices {
		own := slices.DeleteFunc(slices.Clone(events), func(e protonEvent) bool { return e.Device != d.id })
		if len(own) != count+1 {
			t.Fatalf("%d events of %s, want %d", len(own), d.id, count+1)
		}
		want := slices.Insert(numbers(0, count), count/2, large)
		last := int64(-1)
		for i, e := range own {
			if e.SHA256 != fmt.Sprintf("%x", sha256.Sum256([]byte(want[i]))) || e.Size != len(want[i]) || e.Sequence <= last || e.Offset == "" {
				t.Fatalf("event %d of %s is %+v", i, d.id, e)
			}
			if e.Settled != settled || e.Source != "Telemetry" || fmt.Sprint(e.Types) != fmt.Sprint(types) || e.Size < 100 && e.ContentType != "application/json" {
				t.Fatalf("event %d of %s is %+v, want annotations of types %v", i, d.id, e, types)
			}
			last = e.Sequence
		}
	}
}
