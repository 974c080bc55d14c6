package sink

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"go.uber.org/goleak"

	"azx/alwayson"
	"azx/alwayson/infotable"
	"azx/test/bench/source"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// connect runs a sink and a client of it until the test ends.
func connect(t *testing.T) (*Sink, *alwayson.Conn) {
	t.Helper()
	return connectTo(t, New("Hub", source.Things, 4, source.Small()))
}

// connectTo runs this sink.
func connectTo(t *testing.T, s *Sink) (*Sink, *alwayson.Conn) {
	t.Helper()
	l, err := Listen()
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- s.Serve(ctx, l) }()
	conn, err := alwayson.Dial(t.Context(), alwayson.DialConfig{
		URL: URL(l), AppKey: func(context.Context) (string, error) { return "any", nil }})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = conn.Close() // the test is over
		cancel()
		if err := <-ended; err != nil {
			t.Errorf("serve: %v", err)
		}
	})
	return s, conn
}

// push sends messages of a Thing, by their numbers, in one request.
func push(t *testing.T, c *alwayson.Conn, thing string, padding int, numbers ...int64) error {
	t.Helper()
	var values []alwayson.PropertyValue
	for _, n := range numbers {
		values = append(values,
			alwayson.PropertyValue{Name: source.SequenceKey, Value: infotable.Long(source.FirstSequence + n)},
			alwayson.PropertyValue{Name: source.SentKey, Value: infotable.Number(float64(time.Now().Add(-time.Second).UnixMicro()))},
			alwayson.PropertyValue{Name: "alarm", Value: infotable.Boolean(true)},
			alwayson.PropertyValue{Name: "count", Value: infotable.Integer(7)},
			alwayson.PropertyValue{Name: "line", Value: infotable.String(fmt.Sprintf("%*s", padding, "x")), Quality: "BAD"},
		)
	}
	resp, err := c.Call(t.Context(), alwayson.PropertyPush(thing, alwayson.AppendPropertyPush(nil, values)))
	return errors.Join(err, resp.Err())
}

func TestAPushIsCountedByMessagesAndValues(t *testing.T) {
	s, c := connect(t)
	s.MeasureLatency()
	for _, err := range []error{
		push(t, c, "bench-000007", 1, 7, 257), push(t, c, "bench-000008", 1, 8), push(t, c, "bench-000007", 9000, 507, 757),
	} {
		if err != nil {
			t.Fatal(err)
		}
	}
	if got, want := s.Counts(), (Counts{Messages: 5, Values: 25, Pushes: 3, Things: 2}); got != want {
		t.Errorf("counted %+v, want %+v", got, want)
	}
	<-s.First()
	took := s.Latencies()
	if len(took) != 5 {
		t.Fatalf("%d latencies", len(took))
	}
	for _, d := range took {
		if d < time.Second || d > time.Minute {
			t.Errorf("latency %v of a message sent a second ago", d)
		}
	}
}

func TestGapsAndRepetitionsAreSeen(t *testing.T) {
	s, c := connect(t)
	if err := push(t, c, "bench-000001", 1, 1, 251, 1001, 751); err != nil {
		t.Fatal(err)
	}
	if got := s.Counts(); got.Lost != 2 || got.Repeated != 1 {
		t.Errorf("lost %d, repeated %d; 501 and 751 were missing and 751 came late", got.Lost, got.Repeated)
	}
}

func TestThePropertiesOfAThingAreTold(t *testing.T) {
	_, c := connect(t)
	for service, column := range map[string]string{
		"GetAzureRemoteProperties": "gatewayThing", "GetPropertyDefinitions": "baseType", "GetPropertySubscriptions": "edgeName",
	} {
		resp, err := c.Call(t.Context(), alwayson.CallService("bench-000000", service, nil))
		if err != nil || resp.Err() != nil {
			t.Fatal(err, resp.Err())
		}
		if resp.Content.Len() != len(source.Small().Properties) || resp.Content.Index(column) < 0 {
			t.Errorf("%s: %d rows", service, resp.Content.Len())
		}
	}
	resp, err := c.Call(t.Context(), alwayson.CallService("bench-000000", "Other", nil))
	if err != nil || resp.Code != alwayson.NotFound {
		t.Errorf("an unknown service: %v, %v", resp.Code, err)
	}
}

func TestAPushToAThingThatIsNotOursEndsTheConnection(t *testing.T) {
	s, c := connect(t)
	if err := push(t, c, "pump-1", 1, 1); !errors.Is(err, alwayson.ErrClosed) {
		t.Errorf("got %v", err)
	}
	if got := s.Counts(); got.Messages != 0 {
		t.Errorf("%d messages counted", got.Messages)
	}
}

func TestALongAnswerComesInChunks(t *testing.T) {
	s, c := connect(t)
	s.services["GetPropertyDefinitions"] = answers("Hub", source.Large())["GetAzureRemoteProperties"]
	resp, err := c.Call(t.Context(), alwayson.CallService("bench-000000", "GetPropertyDefinitions", nil))
	if err != nil || resp.Content.Len() != len(source.Large().Properties) {
		t.Errorf("%d rows, %v", resp.Content.Len(), err)
	}
}

func TestAnEmptyPlatformHasWhatIsMadeOnItAndNothingElse(t *testing.T) {
	s, conn := connectTo(t, NewEmpty())
	for _, step := range []struct {
		request alwayson.Request
		want    alwayson.Code
	}{
		{alwayson.ReadProperty("pump", "gatewayThing"), alwayson.NotFound},
		{alwayson.CallService("EntityServices", "CreateThing", nil), alwayson.Success},
		{alwayson.CallService("pump", "EnableThing", nil), alwayson.Success},
		{alwayson.WriteProperty("pump", "gatewayThing", infotable.String("Hub")), alwayson.Success},
		{alwayson.PropertyPush("pump", alwayson.AppendPropertyPush(nil, nil)), alwayson.Success},
		{alwayson.CallService("pump", "DeleteThing", nil), alwayson.NotFound},
	} {
		if got, err := conn.Call(t.Context(), step.request); err != nil || got.Code != step.want {
			t.Errorf("%s: %v, %v", step.request.Target, got.Code, err)
		}
	}
	if got, want := s.Counts(), (Counts{Pushes: 1, Things: 1, Refused: 1}); got != want {
		t.Errorf("counted %+v", got)
	}
}
