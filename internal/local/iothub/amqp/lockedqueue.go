package amqp

import (
	"context"
	"errors"
	"sync"
	"time"

	"azx/internal/amqp10"
	"azx/internal/local/iothub"
)

const (
	// maxHeld is how many messages a link may leave unsettled: a client that never settles gets them again every minute.
	maxHeld = 1000
	// handWithin is how long a locked message waits for credit that was there and went, before it is given back.
	handWithin = 5 * time.Second
)

// lockedQueue is a queue of the hub whose messages are locked for who got them.
type lockedQueue struct {
	// next waits for a message, locks it, and gives it encoded. Error: that of ctx.
	next func(ctx context.Context) (message []byte, lockToken string, err error)
	// What may become of a locked message. Error: MessageLockLost.
	complete, abandon, reject, release func(lockToken string) error
}

// holder sends the messages of a queue over one link and settles them as the peer says.
type holder struct {
	hub   *iothub.Hub
	queue lockedQueue

	mu   sync.Mutex
	held map[string]struct{} // lock tokens of what the peer has
}

// sendLocked serves a link with the messages of a queue: accepted completes, released abandons, rejected rejects. What the
// peer has when the link ends is free at once.
func sendLocked(ctx context.Context, l *amqp10.Link, hub *iothub.Hub, q lockedQueue) error {
	if err := l.Accept(amqp10.Terms{}); err != nil {
		return err
	}
	h := &holder{hub: hub, queue: q, held: map[string]struct{}{}}
	defer h.releaseAll()
	for {
		if err := l.AwaitCredit(ctx); err != nil { // before a message is locked
			return err
		}
		message, token, err := q.next(ctx)
		if err != nil {
			return err
		}
		if !h.hold(token) {
			_ = q.release(token) // it was locked just now
			return amqp10.Errorf(amqp10.CondResourceLimitExceeded, "%d messages are not settled", maxHeld)
		}
		if err := h.hand(ctx, l, message, token); err != nil {
			return err
		}
	}
}

// hand sends a locked message. Error: the link has ended.
func (h *holder) hand(ctx context.Context, l *amqp10.Link, message []byte, token string) error {
	waiting, cancel := context.WithTimeout(ctx, handWithin)
	defer cancel()
	err := l.Hand(waiting, message, deliveryTag(token), func(s amqp10.State) amqp10.State { return h.settled(token, s) })
	if err == nil {
		return nil
	}
	h.drop(token)
	_ = h.queue.release(token) // a lock that is over needs no release
	if waiting.Err() != nil && ctx.Err() == nil && !errors.Is(err, amqp10.ErrLinkEnded) {
		return nil // the peer took its credit back
	}
	return err
}

// deliveryTag is a tag of 16 bytes: the .NET SDK takes it for a UUID (read).
func deliveryTag(token string) []byte { return []byte(token[:min(len(token), 16)]) }

func (h *holder) hold(token string) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	if len(h.held) >= maxHeld {
		return false
	}
	h.held[token] = struct{}{}
	return true
}

func (h *holder) drop(token string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	delete(h.held, token)
}

func (h *holder) releaseAll() {
	h.mu.Lock()
	held := h.held
	h.held = nil
	h.mu.Unlock()
	for token := range held {
		_ = h.queue.release(token) // a lock that is over needs no release
	}
}

// settled does what the peer says about a message, and answers whether its lock held. It is called under the lock of the
// connection.
func (h *holder) settled(token string, s amqp10.State) amqp10.State {
	h.drop(token)
	if err := h.verdict(s)(token); err != nil {
		return amqp10.State{Outcome: amqp10.OutcomeRejected, Error: refusal(h.hub, err)}
	}
	return amqp10.State{Outcome: amqp10.OutcomeAccepted}
}

func (h *holder) verdict(s amqp10.State) func(lockToken string) error {
	switch {
	case s.Outcome == amqp10.OutcomeAccepted:
		return h.queue.complete
	case s.Outcome == amqp10.OutcomeRejected, s.Outcome == amqp10.OutcomeModified && s.UndeliverableHere:
		return h.queue.reject
	case s.Outcome == amqp10.OutcomeReleased, s.Outcome == amqp10.OutcomeModified && s.DeliveryFailed:
		return h.queue.abandon
	}
	return h.queue.release // settled without a verdict
}
