package iothub

import (
	"context"
	"encoding/json"
	"sync"
	"time"
)

// Outcome is what became of a message to a device (read: the statusCode of feedback).
type Outcome string

// The outcomes.
const (
	Success               Outcome = "Success"
	Expired               Outcome = "Expired"
	DeliveryCountExceeded Outcome = "DeliveryCountExceeded"
	Rejected              Outcome = "Rejected"
	Purged                Outcome = "Purged"
)

func (o Outcome) description() string {
	switch o {
	case Expired:
		return "Message expired"
	case DeliveryCountExceeded:
		return "Message delivery count exceeded"
	case Rejected:
		return "Message rejected by the device"
	case Purged:
		return "Message purged"
	}
	return "Success"
}

func (a Ack) wants(o Outcome) bool {
	switch a {
	case AckFull:
		return true
	case AckPositive:
		return o == Success
	case AckNegative:
		return o != Success
	}
	return false
}

const (
	// feedbackBatch is how many records a batch has at most, feedbackDelay how long a record waits for others (read).
	feedbackBatch = 64
	feedbackDelay = 15 * time.Second
	// maxFeedback bounds the batches that nobody reads; the oldest go first.
	maxFeedback = 1000
	// sweepTime is how often who waits for feedback looks for expired messages.
	sweepTime = time.Second
)

// FeedbackRecord tells of one message. Its JSON is what the hub sends (read).
type FeedbackRecord struct {
	OriginalMessageID string  `json:"originalMessageId"`
	Description       string  `json:"description"`
	DeviceGeneration  string  `json:"deviceGenerationId"`
	DeviceID          string  `json:"deviceId"`
	EnqueuedTimeUTC   string  `json:"enqueuedTimeUtc"`
	StatusCode        Outcome `json:"statusCode"`
}

// FeedbackBatch is a message of the feedback queue, locked for who received it for a minute.
type FeedbackBatch struct {
	Records   []FeedbackRecord
	LockToken string
	// Enqueued is when the batch was made.
	Enqueued time.Time
	// DeliveryCount is how often it was abandoned.
	DeliveryCount int
}

// Body is the JSON array of the records.
func (b FeedbackBatch) Body() json.RawMessage { return mustJSON(b.Records) }

// Feedback is the hub's one queue of outcomes. All its readers compete: each batch goes to one of them. It is in memory.
type Feedback struct {
	hub   *Hub
	delay time.Duration

	mu      sync.Mutex
	pending []FeedbackRecord
	since   time.Time // of the first pending one
	queue   lockQueue[batchOfFeedback]
}

type batchOfFeedback struct {
	records  []FeedbackRecord
	enqueued time.Time
}

// Feedback is the hub's feedback queue.
func (h *Hub) Feedback() *Feedback { return h.feedback }

func (f *Feedback) add(r FeedbackRecord, now time.Time) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if len(f.pending) == 0 {
		f.since = now
	}
	f.pending = append(f.pending, r)
	if len(f.pending) >= feedbackBatch {
		f.flush(now)
	}
}

func (f *Feedback) flush(now time.Time) {
	if len(f.queue.items) >= maxFeedback {
		f.queue.remove(f.queue.items[0])
	}
	f.queue.push(batchOfFeedback{f.pending, now})
	f.pending = nil
}

// Receive locks the next batch; false when there is none. Expired messages are looked for first.
func (f *Feedback) Receive() (FeedbackBatch, bool) {
	f.hub.outboxes.sweep()
	f.mu.Lock()
	defer f.mu.Unlock()
	now := f.hub.clock()
	if len(f.pending) > 0 && now.Sub(f.since) >= f.delay {
		f.flush(now)
	}
	item := f.queue.take(now)
	if item == nil {
		return FeedbackBatch{}, false
	}
	return FeedbackBatch{item.value.records, item.token, item.value.enqueued, item.abandoned}, true
}

// Next waits for the next batch and locks it. Error: that of ctx.
func (f *Feedback) Next(ctx context.Context) (FeedbackBatch, error) {
	for {
		if b, ok := f.Receive(); ok {
			return b, nil
		}
		f.mu.Lock()
		grown, _ := f.queue.waiting()
		f.mu.Unlock()
		now := f.hub.clock()
		if err := waitUntil(ctx, grown, now.Add(sweepTime), now); err != nil {
			return FeedbackBatch{}, err
		}
	}
}

// Complete takes out a batch. Error: MessageLockLost.
func (f *Feedback) Complete(lockToken string) error {
	return f.settle(lockToken, func(item *queued[batchOfFeedback]) { f.queue.remove(item) })
}

// Abandon puts a batch back for any reader; the tenth time takes it out. Error: MessageLockLost.
func (f *Feedback) Abandon(lockToken string) error {
	return f.settle(lockToken, func(item *queued[batchOfFeedback]) {
		item.abandoned++
		if item.abandoned >= maxDeliveries {
			f.queue.remove(item)
			return
		}
		f.queue.release(item)
	})
}

// Release puts a batch back without counting, as the end of a connection does. Error: MessageLockLost.
func (f *Feedback) Release(lockToken string) error { return f.settle(lockToken, f.queue.release) }

func (f *Feedback) settle(lockToken string, how func(item *queued[batchOfFeedback])) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	item := f.queue.locked(lockToken, f.hub.clock())
	if item == nil {
		return refusal(MessageLockLost, "the lock of the feedback is lost: it lasts %s", lockTime)
	}
	how(item)
	return nil
}
