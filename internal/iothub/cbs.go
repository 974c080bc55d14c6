package iothub

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"sync"

	"github.com/Azure/go-amqp"
)

// Names of claims-based security (read: azure-iot-amqp-base's claims_based_security_agent.js; tried).
const (
	nodeCBS     = "$cbs"
	replyTo     = "cbs"
	sasType     = "servicebus.windows.net:sastoken" // also in front of a bearer token, as the Node SDK has it (inferred)
	statusName  = "status-code"
	statusText  = "status-description"
	maxCBSReply = 16 << 10
)

// cbs puts tokens on a connection, one at a time.
type cbs struct {
	audience string
	sender   *amqp.Sender
	receiver *amqp.Receiver

	mu    sync.Mutex
	count uint64
}

func openCBS(ctx context.Context, session *amqp.Session, audience string) (*cbs, error) {
	sender, err := session.NewSender(ctx, nodeCBS, nil)
	if err != nil {
		return nil, err
	}
	receiver, err := session.NewReceiver(ctx, nodeCBS, &amqp.ReceiverOptions{TargetAddress: replyTo, MaxMessageSize: maxCBSReply})
	if err != nil {
		return nil, err
	}
	return &cbs{audience: audience, sender: sender, receiver: receiver}, nil
}

// put hands a token over and returns what the hub says: a status in the words of HTTP, and a text.
func (c *cbs) put(ctx context.Context, token string) (status int, text string, err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.count++
	id, to, reply := strconv.FormatUint(c.count, 10), nodeCBS, replyTo
	err = c.sender.Send(ctx, &amqp.Message{
		Properties:            &amqp.MessageProperties{MessageID: id, To: &to, ReplyTo: &reply},
		ApplicationProperties: map[string]any{"operation": "put-token", "type": sasType, "name": c.audience},
		Value:                 token,
	}, nil)
	if err != nil {
		return 0, "", err
	}
	for {
		answer, err := c.receiver.Receive(ctx, nil)
		if err != nil {
			return 0, "", err
		}
		if err := c.receiver.AcceptMessage(ctx, answer); err != nil {
			return 0, "", err
		}
		if answer.Properties == nil || answer.Properties.CorrelationID != id {
			continue // to a question that was given up
		}
		return readStatus(answer.ApplicationProperties)
	}
}

// readStatus takes any AMQP integer for the status.
func readStatus(properties map[string]any) (status int, text string, err error) {
	status, err = strconv.Atoi(fmt.Sprint(properties[statusName]))
	if err != nil {
		return 0, "", errors.New("the answer to a token has no status")
	}
	text, _ = properties[statusText].(string)
	return status, text, nil
}
