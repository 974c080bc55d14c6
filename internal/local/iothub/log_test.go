package iothub

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// everyLog runs a test for each place where events are kept.
func everyLog(t *testing.T, test func(t *testing.T, cfg Config)) {
	t.Run("in memory", func(t *testing.T) { test(t, Config{}) })
	t.Run("on disk", func(t *testing.T) { test(t, Config{Dir: t.TempDir()}) })
}

// sender returns a hub of one partition and a function that sends a body as device d1.
func sender(t *testing.T, cfg Config) (*Hub, func(body string) *Event) {
	cfg.Partitions = 1
	h := newHub(t, cfg)
	p := principalOf(mustAdd(t, h, ID{Device: "d1"}))
	return h, func(body string) *Event {
		t.Helper()
		e, err := h.Accept(p, Message{Body: []byte(body)})
		if err != nil {
			t.Fatal(err)
		}
		return e
	}
}

func principalOf(i Identity) Principal {
	return Principal{ID: i.ID, GenerationID: i.GenerationID, Rights: DeviceConnect}
}

func bodies(events []*Event) string {
	var parts []string
	for _, e := range events {
		parts = append(parts, string(e.Body))
	}
	return strings.Join(parts, " ")
}

func TestAReaderStartsWhereItAsks(t *testing.T) {
	everyLog(t, func(t *testing.T, cfg Config) {
		now := noon
		cfg.Clock = func() time.Time { return now }
		h, send := sender(t, cfg)
		var sent []*Event
		for _, body := range []string{"a", "b", "c"} {
			sent = append(sent, send(body))
			now = now.Add(time.Second)
		}
		for name, c := range map[string]struct {
			from Position
			want string
		}{
			"at the oldest event":                      {Earliest(), "a b c"},
			"at the oldest event by its old name":      {AfterOffset("-1"), "a b c"},
			"after the newest event":                   {Latest(), ""},
			"after the newest event by its name":       {AfterOffset("@latest"), ""},
			"after an offset":                          {AfterOffset(sent[0].Offset), "b c"},
			"at an offset":                             {AtOffset(sent[1].Offset), "b c"},
			"after the last offset":                    {AfterOffset(sent[2].Offset), ""},
			"at a sequence number":                     {AtSequence(1), "b c"},
			"after a sequence number":                  {AfterSequence(1), "c"},
			"at a sequence number before the oldest":   {AtSequence(-5), "a b c"},
			"after a time, which excludes that moment": {AfterEnqueuedTime(noon), "b c"},
			"after a time before all events":           {AfterEnqueuedTime(noon.Add(-time.Hour)), "a b c"},
		} {
			t.Run(name, func(t *testing.T) {
				next, err := h.Seek(0, c.from)
				if err != nil {
					t.Fatal(err)
				}
				events, _, _, err := h.Poll(0, next, 10)
				if err != nil || bodies(events) != c.want {
					t.Fatalf("from %s: got %q, %v; want %q", c.from, bodies(events), err, c.want)
				}
			})
		}
		for name, from := range map[string]Position{
			"no number": AfterOffset("x"), "beyond the last one": AfterOffset("100000"), "beyond the last one, which is part of it": AtOffset("100000"),
		} {
			if _, err := h.Seek(0, from); !errors.Is(err, ErrPosition) {
				t.Errorf("an offset that is %s: got %v, want ErrPosition", name, err)
			}
		}
		if _, err := h.Seek(1, Earliest()); !errors.Is(err, ErrNotFound) {
			t.Errorf("a partition that is not there: got %v, want ErrNotFound", err)
		}
	})
}

func TestReadWaitsForTheNextEventAndForTheEndOfItsContext(t *testing.T) {
	everyLog(t, func(t *testing.T, cfg Config) {
		synctest.Test(t, func(t *testing.T) {
			cfg.Clock = time.Now
			h, send := sender(t, cfg)
			got := make(chan string)
			ctx, cancel := context.WithCancel(t.Context())
			go func() {
				defer close(got)
				next := int64(0)
				for {
					events, after, err := h.Read(ctx, 0, next, 2)
					if err != nil {
						return
					}
					next = after
					got <- bodies(events)
				}
			}()
			synctest.Wait() // the reader waits
			send("a")
			if first := <-got; first != "a" {
				t.Fatalf("got %q, want the event that came in", first)
			}
			for i := range 3 {
				send(fmt.Sprint(i))
			}
			all := ""
			for len(strings.Fields(all)) < 3 {
				all += " " + <-got
			}
			if strings.Join(strings.Fields(all), " ") != "0 1 2" {
				t.Fatalf("got %q, want every event once and in order", all)
			}
			cancel()
			if _, open := <-got; open {
				t.Fatal("the reader goes on after the end of its context")
			}
		})
	})
}

func TestTheOldestEventsGoWhenABoundIsReached(t *testing.T) {
	everyLog(t, func(t *testing.T, cfg Config) {
		for name, c := range map[string]struct {
			retention Retention
			want      string
		}{
			"by number": {Retention{Events: 2}, "c d"},
			"by bytes":  {Retention{Bytes: 3 * (eventOverhead + 1)}, "b c d"},
			"by age":    {Retention{Age: 90 * time.Second}, "c d"},
		} {
			t.Run(name, func(t *testing.T) {
				now := noon
				cfg := cfg
				if cfg.Dir != "" {
					cfg.Dir = t.TempDir()
				}
				cfg.Retention, cfg.Clock = c.retention, func() time.Time { return now }
				h, send := sender(t, cfg)
				for _, body := range []string{"a", "b", "c", "d"} {
					now = now.Add(time.Minute)
					send(body)
				}
				events, next, _, _ := h.Poll(0, 0, 10)
				if bodies(events) != c.want || next != 4 {
					t.Fatalf("got %q and next %d, want %q and 4", bodies(events), next, c.want)
				}
				info, _ := h.PartitionInfo(0)
				if info.BeginSequence != events[0].SequenceNumber || info.LastSequence != 3 || info.Empty {
					t.Fatalf("info is %+v", info)
				}
				now = now.Add(100 * time.Hour)
				if info, _ = h.PartitionInfo(0); !info.Empty || info.BeginSequence != 4 || info.LastSequence != 3 || info.LastOffset != events[len(events)-1].Offset {
					t.Fatalf("after the retention the info is %+v", info)
				}
			})
		}
	})
}

func TestAnUnusedPartitionSaysSo(t *testing.T) {
	everyLog(t, func(t *testing.T, cfg Config) {
		info, err := newHub(t, cfg).PartitionInfo(3)
		want := PartitionInfo{BeginSequence: 0, LastSequence: -1, LastOffset: "-1", Empty: true}
		if err != nil || info != want {
			t.Fatalf("got %+v, %v; want %+v", info, err, want)
		}
	})
}

func TestEnqueuedTimesNeverGoBack(t *testing.T) {
	everyLog(t, func(t *testing.T, cfg Config) {
		now := noon
		cfg.Clock = func() time.Time { return now }
		_, send := sender(t, cfg)
		first := send("a")
		now = now.Add(-time.Minute)
		if second := send("b"); second.EnqueuedTime.Before(first.EnqueuedTime) {
			t.Fatalf("second event at %s, first at %s", second.EnqueuedTime, first.EnqueuedTime)
		}
	})
}

func TestMessagesOfADeviceAndItsModulesShareAPartition(t *testing.T) {
	h := newHub(t, Config{Partitions: 8})
	used := map[int]bool{}
	for i := range 200 {
		p := h.PartitionOf(fmt.Sprintf("device-%d", i))
		if p < 0 || p >= 8 {
			t.Fatalf("partition %d of 8", p)
		}
		used[p] = true
	}
	if len(used) != 8 {
		t.Fatalf("200 devices use only partitions %v", used)
	}
}
