package message

import "testing"

func TestAHeartbeatIsTelemetryWithoutABodyOrWithTheProperty(t *testing.T) {
	property := map[string]string{PropertyHeartbeat: ""}
	for _, c := range []struct {
		m    Message
		want bool
	}{
		{Message{}, true},
		{Message{Source: SourceTelemetry}, true},
		{Message{Body: []byte("{}"), Properties: property}, true},
		{Message{Body: []byte("{}")}, false},
		{Message{Source: SourceTwinChanges, Properties: property}, false},
	} {
		if got := c.m.IsHeartbeat(); got != c.want {
			t.Errorf("%+v: %t", c.m, got)
		}
	}
}
