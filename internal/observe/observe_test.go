package observe

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"azx/alwayson"
	"azx/internal/delivery"
	"azx/internal/message"
)

// scrape returns the lines of azx's own metrics by series.
func scrape(t *testing.T, m *Metrics) map[string]string {
	t.Helper()
	w := httptest.NewRecorder()
	m.Handler().ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/metrics", nil))
	if w.Code != http.StatusOK {
		t.Fatalf("scrape: %d %s", w.Code, w.Body)
	}
	series := map[string]string{}
	for line := range strings.Lines(w.Body.String()) {
		if name, value, ok := strings.Cut(strings.TrimSpace(line), "} "); ok && strings.HasPrefix(name, "azx_") {
			series[name+"}"] = value
		} else if name, value, ok := strings.Cut(strings.TrimSpace(line), " "); ok && strings.HasPrefix(name, "azx_") {
			series[name] = value
		}
	}
	return series
}

func expect(t *testing.T, got map[string]string, want map[string]string) {
	t.Helper()
	for name, value := range want {
		if got[name] != value {
			t.Errorf("%s: got %q, want %q", name, got[name], value)
		}
	}
}

func TestEveryMethodCountsInItsMetric(t *testing.T) {
	m := NewMetrics()
	m.Request("UpdateSubscribedPropertyValues", alwayson.Success, 3*time.Millisecond)
	m.Request("UpdateSubscribedPropertyValues", 0, time.Second)
	m.Request("GetPropertySubscriptions", alwayson.NotFound, time.Millisecond)
	m.Written(5)
	m.Retried("no answer")
	m.LookedUp("table")
	m.UnknownKeys(2)
	m.Announced(true)
	m.Announced(false)
	m.Event("EdgeError", "sent")
	m.Event("EdgeError", "held back")
	m.Reloaded("H", "changed")
	m.WatchPlatform(func() Platform {
		return Platform{Connections: 3, ByURL: map[string]int{"ws://a": 3, "ws://b": 0}, Refused: true, Parked: 2}
	})
	m.Ended("H", "0", delivery.Delivered, "")
	m.Ended("H", "0", delivery.Skipped, "no-keys")
	m.Ended("H", "1", delivery.Quarantined, "wrong-type")
	m.Evicted("H", 4)
	m.TimeReplaced("H")
	m.ReceiveFailed("H", "1")
	m.CheckpointFailed("H", "1")
	m.WatchHub("H", func() Hub { return Hub{Connected: true, Told: time.Now().Add(time.Hour)} })
	m.WatchHub("I", func() Hub { return Hub{Refused: true} })
	m.WatchChecks(func() map[string]bool { return map[string]bool{"hub open": true, "platform connected": false} })
	expect(t, scrape(t, m), map[string]string{
		`azx_platform_requests_total{outcome="success",service="UpdateSubscribedPropertyValues"}`:   "1",
		`azx_platform_requests_total{outcome="no answer",service="UpdateSubscribedPropertyValues"}`: "1",
		`azx_platform_requests_total{outcome="not found",service="GetPropertySubscriptions"}`:       "1",
		`azx_platform_request_seconds_count`:                                                        "3",
		`azx_values_written_total`:                                                                  "5",
		`azx_platform_retries_total{reason="no answer"}`:                                            "1",
		`azx_table_lookups_total{result="table"}`:                                                   "1",
		`azx_unknown_keys_total`:                                                                    "2",
		`azx_unknown_things_announced_total{result="sent"}`:                                         "1",
		`azx_unknown_things_announced_total{result="held back"}`:                                    "1",
		`azx_platform_events_total{event="EdgeError",result="sent"}`:                                "1",
		`azx_platform_events_total{event="EdgeError",result="held back"}`:                           "1",
		`azx_settings_reloads_total{hub="H",result="changed"}`:                                      "1",
		`azx_platform_connections`:                                                                  "3",
		`azx_platform_url_connections{url="ws://a"}`:                                                "3",
		`azx_platform_url_connections{url="ws://b"}`:                                                "0",
		`azx_things_parked`: "2",
		`azx_messages_skipped_total{hub="H",reason="no-keys"}`:        "1",
		`azx_messages_quarantined_total{hub="H",reason="wrong-type"}`: "1",
		`azx_messages_evicted_total{hub="H"}`:                         "4",
		`azx_creation_time_replaced_total{hub="H"}`:                   "1",
		`azx_receive_errors_total{hub="H",partition="1"}`:             "1",
		`azx_checkpoint_errors_total{hub="H",partition="1"}`:          "1",
		`azx_hub_connected{hub="H"}`:                                  "1",
		`azx_hub_connected{hub="I"}`:                                  "0",
		`azx_hub_credential_refused{hub="H"}`:                         "0",
		`azx_hub_credential_refused{hub="I"}`:                         "1",
		`azx_hub_heads_age_seconds{hub="H"}`:                          "0",
		`azx_hub_heads_age_seconds{hub="I"}`:                          "",
		`azx_platform_credential_refused`:                             "1",
		`azx_check_ok{check="hub open"}`:                              "1",
		`azx_check_ok{check="platform connected"}`:                    "0",
	})
}

func TestTheWayOutIsCounted(t *testing.T) {
	m := NewMetrics()
	e := m.Egress("H")
	e.Ended(message.VerbCall, "service", "ok", 3*time.Millisecond)
	e.Ended(message.VerbWrite, "property", "deadline", time.Second)
	e.Sent("c2d", 3)
	e.Sent("c2d", 1)
	e.TwinEvent("pushed")
	e.Outcome("Expired")
	e.FellBack()
	m.HubUsed("H", HubUse{Kind: "method", Result: "ok", Messages: 2, Took: time.Millisecond})
	m.HubUsed("H", HubUse{Kind: "method", Result: "offline", Took: time.Second, Waited: 250 * time.Millisecond})
	m.WatchBinding("H", func() Binding { return Binding{Mode: "group", Names: 1} })
	m.WatchBinding("I", func() Binding { return Binding{Mode: "devices", Names: 7} })
	m.WatchBinding("J", func() Binding { return Binding{} })
	expect(t, scrape(t, m), map[string]string{
		`azx_egress_requests_total{hub="H",kind="service",outcome="ok",verb="call"}`:         "1",
		`azx_egress_requests_total{hub="H",kind="property",outcome="deadline",verb="write"}`: "1",
		`azx_egress_request_seconds_count{hub="H",kind="service",verb="call"}`:               "1",
		`azx_writes_sent_messages_total{hub="H",via="c2d"}`:                                  "2",
		`azx_writes_sent_total{hub="H",via="c2d"}`:                                           "4",
		`azx_twin_events_total{hub="H",result="pushed"}`:                                     "1",
		`azx_message_outcomes_total{hub="H",status="Expired"}`:                               "1",
		`azx_bind_fallbacks_total{hub="H"}`:                                                  "1",
		`azx_hub_operations_total{hub="H",kind="method",result="ok"}`:                        "1",
		`azx_hub_operations_total{hub="H",kind="method",result="offline"}`:                   "1",
		`azx_hub_billed_messages_total{hub="H",kind="method"}`:                               "2",
		`azx_hub_operation_seconds_count{hub="H",kind="method"}`:                             "2",
		`azx_hub_quota_waits_total{hub="H",kind="method"}`:                                   "1",
		`azx_hub_quota_wait_seconds_total{hub="H",kind="method"}`:                            "0.25",
		`azx_bound_names{hub="H",mode="group"}`:                                              "1",
		`azx_bound_names{hub="H",mode="devices"}`:                                            "0",
		`azx_bound_names{hub="I",mode="devices"}`:                                            "7",
		`azx_bound_names{hub="J",mode="group"}`:                                              "0",
	})
}

func TestPartitionsOfSeveralHubsAreTold(t *testing.T) {
	m := NewMetrics()
	m.WatchPartitions("H", func() map[string]Partition {
		return map[string]Partition{"0": {
			Counts: delivery.Counts{Received: 10, Delivered: 4, Quarantined: 3, Skipped: 1, Withdrawn: 1, InFlight: 1},
			Behind: 7, Oldest: time.Now().Add(time.Hour), Checkpointed: time.Now().Add(time.Hour),
		}}
	})
	m.WatchPartitions("I", func() map[string]Partition {
		return map[string]Partition{"0": {Behind: -1, Retention: time.Hour}, "1": {Retention: time.Hour},
			"2": {Behind: 3, Oldest: time.Now().Add(-30 * time.Minute), Retention: time.Hour}}
	})
	got := scrape(t, m)
	expect(t, got, map[string]string{
		`azx_messages_received_total{hub="H",partition="0"}`:                     "10",
		`azx_messages_settled_total{hub="H",partition="0",result="delivered"}`:   "4",
		`azx_messages_settled_total{hub="H",partition="0",result="quarantined"}`: "3",
		`azx_messages_settled_total{hub="H",partition="0",result="skipped"}`:     "1",
		`azx_messages_settled_total{hub="H",partition="0",result="withdrawn"}`:   "1",
		`azx_messages_in_flight{hub="H",partition="0"}`:                          "1",
		`azx_lag_messages{hub="H",partition="0"}`:                                "7",
		`azx_lag_seconds{hub="H",partition="0"}`:                                 "0", // a clock behind the hub's
		`azx_lag_retention_ratio{hub="H",partition="0"}`:                         "",  // the retention is not known
		`azx_checkpoint_age_seconds{hub="H",partition="0"}`:                      "0",
		`azx_messages_received_total{hub="I",partition="0"}`:                     "0",
		`azx_lag_messages{hub="I",partition="0"}`:                                "", // not known
		`azx_checkpoint_age_seconds{hub="I",partition="0"}`:                      "", // none yet
		`azx_lag_seconds{hub="I",partition="0"}`:                                 "",
		`azx_lag_retention_ratio{hub="I",partition="0"}`:                         "",
		`azx_lag_retention_ratio{hub="I",partition="1"}`:                         "0", // nothing waits
	})
	if share := number(t, got[`azx_lag_retention_ratio{hub="I",partition="2"}`]); share < 0.49 || share > 0.6 {
		t.Errorf("half an hour of an hour is %v", share)
	}
}

func TestInEveryScrapeTheAccountOfAPartitionBalances(t *testing.T) {
	tracker := delivery.NewTracker()
	m := NewMetrics()
	m.WatchPartitions("H", func() map[string]Partition { return map[string]Partition{"0": {Counts: tracker.Counts()}} })
	var busy sync.WaitGroup
	stop := make(chan struct{})
	busy.Go(func() {
		for i := int64(0); ; i++ {
			select {
			case <-stop:
				return
			default:
				tracker.Begin(delivery.Checkpoint{Sequence: i}).Settle(delivery.Result(i % 3))
			}
		}
	})
	for range 50 {
		got := scrape(t, m)
		var sum float64
		for _, name := range []string{`azx_messages_in_flight{hub="H",partition="0"}`,
			`azx_messages_settled_total{hub="H",partition="0",result="delivered"}`,
			`azx_messages_settled_total{hub="H",partition="0",result="quarantined"}`,
			`azx_messages_settled_total{hub="H",partition="0",result="skipped"}`} {
			sum += number(t, got[name])
		}
		if received := number(t, got[`azx_messages_received_total{hub="H",partition="0"}`]); received != sum {
			t.Fatalf("received %v, accounted for %v", received, sum)
		}
	}
	close(stop)
	busy.Wait()
}

func number(t *testing.T, text string) (n float64) {
	t.Helper()
	if _, err := fmt.Sscan(text, &n); err != nil {
		t.Fatalf("%q: %v", text, err)
	}
	return n
}

func TestALabelCannotGrowWithoutEnd(t *testing.T) {
	m := NewMetrics()
	for i := range 10 * maxValues {
		m.Ended("H", "0", delivery.Skipped, fmt.Sprintf("reason-%d", i))
	}
	series := 0
	for name := range scrape(t, m) {
		if strings.HasPrefix(name, "azx_messages_skipped_total") {
			series++
		}
	}
	if series != maxValues+1 {
		t.Errorf("%d series, want %d and one for the others", series, maxValues)
	}
}

func TestEveryMetricHasAHelpAndAGoodName(t *testing.T) {
	form := regexp.MustCompile(`^azx_[a-z_]+[a-z]$`)
	for name, text := range help {
		if !form.MatchString(name) || !strings.HasSuffix(text, ".") {
			t.Errorf("%s: %q", name, text)
		}
	}
	m := NewMetrics()
	m.Retried("x")
	families, err := m.registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range families {
		if strings.HasPrefix(f.GetName(), "azx_") && help[f.GetName()] == "" {
			t.Errorf("%s has no help", f.GetName())
		}
	}
}

func TestTheLoggerHasTheFormatAndTheLevelAskedFor(t *testing.T) {
	var out bytes.Buffer
	log, err := NewLogger(&out, "json", "WARN")
	if err != nil {
		t.Fatal(err)
	}
	log.Info("left out")
	log.Warn("kept", "event", "x")
	if got := out.String(); !strings.Contains(got, `"msg":"kept","event":"x"`) || strings.Contains(got, "left out") {
		t.Errorf("got %s", got)
	}
	out.Reset()
	if log, err = NewLogger(&out, "text", "debug"); err != nil {
		t.Fatal(err)
	}
	log.Debug("seen")
	if !strings.Contains(out.String(), "msg=seen") {
		t.Errorf("got %s", out.String())
	}
}

func TestAnUnknownFormatOrLevelIsRefused(t *testing.T) {
	for _, c := range [][2]string{{"xml", "info"}, {"text", "loud"}, {"text", ""}} {
		if _, err := NewLogger(io.Discard, c[0], c[1]); err == nil {
			t.Errorf("%v is accepted", c)
		}
	}
}

func TestRequestsThatTakeTurnsAreCountedApart(t *testing.T) {
	m := NewMetrics()
	for range 2 {
		m.Request("A", alwayson.Success, time.Millisecond)
		m.Request("A", alwayson.Success, time.Millisecond)
		m.Request("A", alwayson.NotFound, time.Millisecond)
		m.Request("B", alwayson.NotFound, time.Millisecond)
	}
	expect(t, scrape(t, m), map[string]string{
		`azx_platform_requests_total{outcome="success",service="A"}`:   "4",
		`azx_platform_requests_total{outcome="not found",service="A"}`: "2",
		`azx_platform_requests_total{outcome="not found",service="B"}`: "2",
	})
}
