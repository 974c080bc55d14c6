package devices

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"

	"github.com/eclipse/paho.mqtt.golang/packets"
)

// TestAMessageIsAcknowledgedWhenTheHubSaysSo: connections come and go meanwhile, and the client sends it anew.
func TestAMessageIsAcknowledgedWhenTheHubSaysSo(t *testing.T) {
	for name, end := range map[string]struct {
		by   func(r *receipts, cancel func())
		want error
	}{
		"the hub acknowledges it":    {func(r *receipts, _ func()) { r.Del("o.7") }, nil},
		"the device is closed":       {func(r *receipts, _ func()) { r.Close() }, errGone},
		"who waits has enough of it": {func(_ *receipts, cancel func()) { cancel() }, context.Canceled},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r := newReceipts()
				r.Open()
				defer r.Close()
				ctx, cancel := context.WithCancel(t.Context())
				defer cancel()
				publish := packets.NewControlPacket(packets.Publish)
				r.Put("o.7", publish)
				got := make(chan error, 1)
				go func() { got <- r.acknowledged(ctx, 7) }()
				r.Put("i.7", publish) // one that came in has its own packet ids
				r.Del("i.7")
				r.Put("o.7", publish) // it is sent anew
				synctest.Wait()
				if len(got) > 0 {
					t.Fatalf("it was told before it was acknowledged, with %v", <-got)
				}
				end.by(r, cancel)
				if err := <-got; !errors.Is(err, end.want) {
					t.Errorf("got %v, want %v", err, end.want)
				}
			})
		})
	}
}

func TestAMessageThatIsAcknowledgedAlreadyIsNotWaitedFor(t *testing.T) {
	r := newReceipts()
	r.Open()
	defer r.Close()
	r.Put("o.7", packets.NewControlPacket(packets.Publish))
	r.Del("o.7")
	if err := r.acknowledged(t.Context(), 7); err != nil {
		t.Error(err)
	}
}
