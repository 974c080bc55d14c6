package amqp

import (
	"context"
	"testing"
	"time"

	goamqp "github.com/Azure/go-amqp"

	"azx/internal/local/iothub"
)

// azure-eventhub 5.11 for Python puts signatures under the type of Entra's tokens.
func TestATokenIsJudgedByItsTextNotByItsType(t *testing.T) {
	f := newFixture(t, iothub.Config{Host: cloud, Partitions: 1})
	_, resource := f.partitionZero()
	signature := f.eventHubToken(resource, time.Hour)
	for _, v := range []struct {
		name, kind, token string
		want              int32
	}{
		{"a signature under its own type", "servicebus.windows.net:sastoken", signature, 202},
		{"a signature under the type of Entra's tokens", "jwt", signature, 202},
		{"a broken signature under the type of Entra's tokens", "jwt", signature[:len(signature)-30], 401},
		{"a token of Entra", "jwt", "eyJhbGciOiJub25lIn0.e30.", 401},
	} {
		t.Run(v.name, func(t *testing.T) {
			s := f.mustSession(f.hub.Names().Namespace)
			answers, err := s.NewReceiver(f.ctx, "$cbs", &goamqp.ReceiverOptions{TargetAddress: "me"})
			if err != nil {
				t.Fatal(err)
			}
			defer answers.Close(context.Background())
			requests, err := s.NewSender(f.ctx, "$cbs", nil)
			if err != nil {
				t.Fatal(err)
			}
			request := &goamqp.Message{Value: v.token, ApplicationProperties: map[string]any{
				"operation": "put-token", "type": v.kind, "name": resource,
			}}
			if err := requests.Send(f.ctx, request, nil); err != nil {
				t.Fatal(err)
			}
			m, err := answers.Receive(f.ctx, nil)
			if err != nil {
				t.Fatal(err)
			}
			if got := m.ApplicationProperties["status-code"]; got != v.want {
				t.Errorf("status %v (%v), want %d", got, m.ApplicationProperties["status-description"], v.want)
			}
		})
	}
}
