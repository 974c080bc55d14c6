package amqp

import (
	"context"
	"testing"

	goamqp "github.com/Azure/go-amqp"

	"azx/internal/amqp10"
	"azx/internal/local/iothub"
)

func TestARequestMayComeBeforeTheLinkForItsAnswer(t *testing.T) {
	f := newFixture(t, iothub.Config{Host: cloud, Partitions: 1})
	s := f.mustSession(f.hub.Names().Namespace)
	requests, err := s.NewSender(f.ctx, nodeManagement, nil)
	if err != nil {
		t.Fatal(err)
	}
	reply := "me"
	request := &goamqp.Message{Value: "x", Properties: &goamqp.MessageProperties{MessageID: "1", ReplyTo: &reply}}
	if err := requests.Send(f.ctx, request, nil); err != nil {
		t.Fatal(err)
	}
	answers, err := s.NewReceiver(f.ctx, nodeManagement, &goamqp.ReceiverOptions{TargetAddress: reply})
	if err != nil {
		t.Fatal(err)
	}
	if m, err := answers.Receive(f.ctx, nil); err != nil || m.Properties.CorrelationID != "1" {
		t.Errorf("answer %+v (%v)", m, err)
	}
}

func TestARequestThatCannotBeAnsweredEndsItsLink(t *testing.T) {
	c := &client{answers: map[string][]*amqp10.Link{}, joined: make(chan struct{})}
	over, cancel := context.WithCancel(context.Background())
	cancel()
	_, err := c.answerLink(over, nodeCBS, "me")
	wantCondition(t, err, goamqp.ErrCondPreconditionFailed)
}
