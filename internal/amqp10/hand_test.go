package amqp10

import (
	"context"
	"errors"
	"strings"
	"testing"

	"github.com/Azure/go-amqp"
)

func TestWhoHandsAMessageOverJudgesTheVerdict(t *testing.T) {
	lost := Errorf("test:lock-lost", "too late")
	for _, v := range []struct {
		name   string
		mode   amqp.ReceiverSettleMode
		answer State
		want   string // in the error of the peer
	}{
		{"a peer that settles first hears nothing of it", amqp.ReceiverSettleModeFirst, State{Outcome: OutcomeRejected, Error: lost}, ""},
		{"a peer that settles second hears that it holds", amqp.ReceiverSettleModeSecond, State{Outcome: OutcomeAccepted}, ""},
		{"a peer that settles second hears that it does not", amqp.ReceiverSettleModeSecond, State{Outcome: OutcomeRejected, Error: lost}, "test:lock-lost"},
	} {
		t.Run(v.name, func(t *testing.T) {
			verdicts := make(chan State, 1)
			ctx, _, session := dial(t, Config{}, func(ctx context.Context, l *Link) error {
				err := l.Accept(Terms{})
				if err == nil {
					err = l.AwaitCredit(ctx)
				}
				if err == nil {
					err = l.Hand(ctx, body("hello"), []byte("0123456789abcdef"), func(s State) State { verdicts <- s; return v.answer })
				}
				<-ctx.Done()
				return err
			})
			receiver, err := session.NewReceiver(ctx, "q", &amqp.ReceiverOptions{SettlementMode: &v.mode})
			if err != nil {
				t.Fatal(err)
			}
			m, err := receiver.Receive(ctx, nil)
			if err != nil {
				t.Fatal(err)
			}
			if string(m.DeliveryTag) != "0123456789abcdef" {
				t.Errorf("delivery tag %q", m.DeliveryTag)
			}
			err = receiver.AcceptMessage(ctx, m)
			if (err == nil) != (v.want == "") || err != nil && !strings.Contains(err.Error(), v.want) {
				t.Errorf("error %v, want %q", err, v.want)
			}
			if s := <-verdicts; s.Outcome != OutcomeAccepted {
				t.Errorf("verdict 0x%x", s.Outcome)
			}
		})
	}
}

func TestAMessageHandedToAPeerThatWantsItSettledIsAcceptedAtOnce(t *testing.T) {
	verdicts := make(chan State, 1)
	ctx, _, session := dial(t, Config{}, func(ctx context.Context, l *Link) error {
		if err := l.Accept(Terms{}); err != nil {
			return err
		}
		err := l.Hand(ctx, body("hello"), nil, func(s State) State { verdicts <- s; return State{} })
		<-ctx.Done()
		return err
	})
	receiver, err := session.NewReceiver(ctx, "q", &amqp.ReceiverOptions{RequestedSenderSettleMode: amqp.SenderSettleModeSettled.Ptr()})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := receiver.Receive(ctx, nil); err != nil {
		t.Fatal(err)
	}
	if s := <-verdicts; s.Outcome != OutcomeAccepted {
		t.Errorf("verdict 0x%x", s.Outcome)
	}
}

func TestCreditIsAwaitedUntilTheLinkEnds(t *testing.T) {
	ended := make(chan error, 1)
	p := rawDial(t, func(ctx context.Context, l *Link) error {
		if err := l.Accept(Terms{}); err != nil {
			return err
		}
		ended <- l.AwaitCredit(ctx)
		return nil
	})
	p.attach(0, RoleReceiver)
	p.send(0, &Detach{Closed: true})
	if err := <-ended; !errors.Is(err, ErrLinkEnded) {
		t.Errorf("error %v, want that the link has ended", err)
	}
}

func TestMessagesThatAreThereAreTakenWithoutWaiting(t *testing.T) {
	taken := make(chan string)
	p := rawDial(t, func(ctx context.Context, l *Link) error {
		if err := l.Accept(Terms{}); err != nil {
			return err
		}
		if in := l.TryReceive(); in != nil {
			taken <- "one before any came"
		}
		taken <- ""
		all := ""
		for len(all) < 3 {
			in, err := l.Receive(ctx)
			for ; in != nil; in = l.TryReceive() {
				all += string(in.Payload)
			}
			if err != nil {
				return err
			}
		}
		taken <- all
		return nil
	})
	p.attach(0, RoleSender)
	want[*Flow](p)
	if early := <-taken; early != "" {
		t.Error(early)
	}
	for i, text := range []string{"a", "b", "c"} {
		p.send(0, &Transfer{DeliveryID: Some(uint32(i))}, []byte(text)...)
	}
	if got := <-taken; got != "abc" {
		t.Errorf("took %q, want abc", got)
	}
}
