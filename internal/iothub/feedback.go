package iothub

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/Azure/go-amqp"

	"azx/internal/fault"
)

// ErrNotMine is what a handler of feedback says of a batch that is for somebody else: it is not settled, so that the hub
// hands it to others once Run has ended, and the next ones are read meanwhile, as far as the link's credit goes.
var ErrNotMine = errors.New("the feedback is for somebody else")

// Feedback is what became of a message to a device (read: iot-hub-devguide-messages-c2d.md; tried).
type Feedback struct {
	MessageID   string `json:"originalMessageId"`
	DeviceID    string `json:"deviceId"`
	Generation  string `json:"deviceGenerationId"`
	Status      string `json:"statusCode"` // "Success", "Expired", "DeliveryCountExceeded", "Rejected" or "Purged"
	Description string `json:"description"`
	Time        Time   `json:"enqueuedTimeUtc"` // when it became that
}

// readFeedback reads the feedback queue until ctx ends. Its errors are no reason to end the connection: messages to
// devices go on, and the link is attached again after a pause.
func (c *Client) readFeedback(ctx context.Context, session *amqp.Session) error {
	pause := fault.Backoff{Min: reconnectMin, Max: reconnectMax}
	for {
		err := c.feedbackLink(ctx, session, &pause)
		if ctx.Err() != nil {
			return nil
		}
		problem := c.amqpProblem("read the feedback queue", err)
		c.options.Meter.Used(Usage{Kind: KindFeedback, Result: resultOf(problem)})
		c.options.Log.Warn("the feedback of messages is not read", "event", "feedback-lost", "hub", c.host, "error", problem, "hint", problem.Hint)
		if pause.Pause(ctx) != nil {
			return nil
		}
	}
}

func (c *Client) feedbackLink(ctx context.Context, session *amqp.Session, pause *fault.Backoff) error {
	receiver, err := session.NewReceiver(ctx, nodeFeedback, &amqp.ReceiverOptions{Credit: feedbackCredit, MaxMessageSize: answerLimit})
	if err != nil {
		return err
	}
	defer closeReceiver(ctx, receiver)
	for {
		m, err := receiver.Receive(ctx, nil)
		if err != nil {
			return err
		}
		if err := c.handle(ctx, receiver, m); err != nil {
			return err
		}
		pause.Reset()
	}
}

// closeReceiver gives back what was not read yet; without it the hub does so when the lock of each record ends.
func closeReceiver(ctx context.Context, receiver *amqp.Receiver) {
	closing, cancel := context.WithTimeout(context.WithoutCancel(ctx), closeWithin)
	defer cancel()
	_ = receiver.Close(closing)
}

// handle hands the records of a message over and settles it. What cannot be read is rejected: it would come again for
// ever.
func (c *Client) handle(ctx context.Context, receiver *amqp.Receiver, m *amqp.Message) error {
	records, err := parseFeedback(m)
	if err != nil {
		c.options.Meter.Used(Usage{Kind: KindFeedback, Result: "unreadable"})
		c.options.Log.Warn("a message of the feedback queue is left out", "event", "feedback-unreadable", "hub", c.host, "error", err)
		return receiver.RejectMessage(ctx, m, nil)
	}
	err = c.options.Feedback(ctx, records)
	if errors.Is(err, ErrNotMine) {
		return nil
	}
	if err != nil {
		if failed := receiver.ReleaseMessage(ctx, m); failed != nil { // then the hub takes it back when its lock ends
			err = fmt.Errorf("%w; give it back: %w", err, failed)
		}
		return fmt.Errorf("hand feedback on: %w", err)
	}
	c.options.Meter.Used(Usage{Kind: KindFeedback, Result: "ok"})
	return receiver.AcceptMessage(ctx, m)
}

// parseFeedback reads the JSON array of a message of the feedback queue.
func parseFeedback(m *amqp.Message) ([]Feedback, error) {
	var all []byte
	for _, section := range m.Data {
		all = append(all, section...)
	}
	var records []Feedback
	if err := json.Unmarshal(all, &records); err != nil {
		return nil, fmt.Errorf("read feedback: %w", err)
	}
	return records, nil
}
