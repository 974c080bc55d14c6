package amqp10

import (
	"context"
	"testing"
)

func TestTheFormatOfAMessageReachesItsHandler(t *testing.T) {
	formats := make(chan uint32, 2)
	p := rawDial(t, func(ctx context.Context, l *Link) error {
		if err := l.Accept(Terms{Credit: 2}); err != nil {
			return err
		}
		for {
			in, err := l.Receive(ctx)
			if err != nil {
				return err
			}
			formats <- in.Format
		}
	})
	p.attach(0, RoleSender)
	const batch = 0x80013700 // Event Hubs' format of many messages in one
	p.send(0, &Transfer{DeliveryID: Some[uint32](0), MessageFormat: Some[uint32](batch), More: true}, []byte("ha")...)
	p.send(0, &Transfer{}, []byte("lf")...)
	p.send(0, &Transfer{DeliveryID: Some[uint32](1)}, body("x")...)
	if first, second := <-formats, <-formats; first != batch || second != 0 {
		t.Errorf("formats %#x and %#x, want %#x and 0", first, second, batch)
	}
}

func TestAnAnswerToAnAttachHasPropertiesIfOnlyAnEmptyMap(t *testing.T) {
	refuse := func(context.Context, *Link) error { return Errorf(CondNotFound, "no") }
	for name, serve := range map[string]serveFunc{"accepted": idle, "refused": refuse} {
		t.Run(name, func(t *testing.T) {
			if got := rawDial(t, serve).attach(0, RoleReceiver); got.Properties == nil {
				t.Errorf("attach %+v, want properties", got)
			}
		})
	}
}
