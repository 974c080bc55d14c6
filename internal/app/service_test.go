package app

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"azx/internal/config"
	"azx/internal/dial"
	"azx/internal/fault"
	"azx/internal/iothub"
	"azx/internal/observe"
	"azx/internal/secret"
)

const connectionString = "HostName=plant1.azure-devices.net;SharedAccessKeyName=service;SharedAccessKey=c2VjcmV0"

func TestAHubWithoutAConnectionStringIsTelemetryOnlyAndSaysSo(t *testing.T) {
	var out bytes.Buffer
	log := slog.New(slog.NewTextHandler(&out, nil))
	client, err := openService(service{Hub: &config.Hub{Thing: "Plant1Hub"}, Log: log})
	if client != nil || err != nil {
		t.Errorf("got %v, %v", client, err)
	}
	if n := strings.Count(out.String(), "\n"); n != 1 || !strings.Contains(out.String(), "telemetry only") || !strings.Contains(out.String(), "hub=Plant1Hub") {
		t.Errorf("logged %s", out.String())
	}
}

func TestWhatIsWrongWithAHubIsToldWhenItIsOpened(t *testing.T) {
	good := config.Hub{ConnectionString: secret.Literal(connectionString)}
	for name, test := range map[string]struct {
		change func(h *config.Hub)
		want   string
	}{
		"a file that is not there":   {func(h *config.Hub) { h.ConnectionString, _ = secret.Parse("${file:none}", t.TempDir()) }, "no such file"},
		"no connection string":       {func(h *config.Hub) { h.ConnectionString = secret.Literal("c2VjcmV0") }, "read the IoT Hub connection string"},
		"no file of roots":           {func(h *config.Hub) { h.CAFile = "none.pem" }, "read caFile none.pem"},
		"an edition that is unknown": {func(h *config.Hub) { h.Tier = "P1" }, `there is no tier "P1"`},
	} {
		t.Run(name, func(t *testing.T) {
			hub := good
			test.change(&hub)
			log := slog.New(slog.DiscardHandler)
			network, err := openNetwork(&hub, &dial.Dialer{}, log)
			if err == nil {
				_, err = openService(service{Hub: &hub, Network: network, Log: log})
			}
			if err == nil || !strings.Contains(err.Error(), test.want) || strings.Contains(err.Error(), "c2VjcmV0") || fault.HintOf(err) == "" {
				t.Errorf("got %v with hint %q", err, fault.HintOf(err))
			}
		})
	}
}

func TestFeedbackIsCountedOnceItIsHandedOn(t *testing.T) {
	metrics, away := observe.NewMetrics(), errors.New("the platform is away")
	var fail error
	s := service{Hub: &config.Hub{Thing: "H", Feedback: true}, Metrics: metrics, Feedback: func(context.Context, []iothub.Feedback) error { return fail }}
	hand := s.feedback()
	batch := []iothub.Feedback{{Status: "Success"}, {Status: "Expired"}, {Status: "Expired"}}
	fail = away
	if err := hand(t.Context(), batch); !errors.Is(err, away) {
		t.Errorf("got %v", err)
	}
	fail = nil
	if err := hand(t.Context(), batch); err != nil {
		t.Error(err)
	}
	hubMeter{"H", metrics}.Used(iothub.Usage{Kind: iothub.KindMethod, Result: "ok", Messages: 3, Took: time.Millisecond})
	w := httptest.NewRecorder()
	metrics.Handler().ServeHTTP(w, httptest.NewRequest("GET", "/metrics", nil))
	for _, want := range []string{
		`azx_message_outcomes_total{hub="H",status="Expired"} 2`, `azx_message_outcomes_total{hub="H",status="Success"} 1`,
		`azx_hub_operations_total{hub="H",kind="method",result="ok"} 1`, `azx_hub_billed_messages_total{hub="H",kind="method"} 3`,
	} {
		if !strings.Contains(w.Body.String(), want) {
			t.Errorf("no %s", want)
		}
	}
	s.Hub = &config.Hub{Thing: "H"}
	if s.feedback() != nil {
		t.Error("with feedback: off the queue is read")
	}
}
