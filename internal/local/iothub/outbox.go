package iothub

import (
	"context"
	"fmt"
	"sync"
	"time"
)

// Bounds of messages to devices (read).
const (
	// MaxCloudMessage is the largest message to a device, counted like one from a device.
	MaxCloudMessage = 64 << 10
	// MaxQueued is how many messages a device's queue holds, locked ones included.
	MaxQueued = 50
	// defaultLife and maxLife are how long a message is kept for its device.
	defaultLife = time.Hour
	maxLife     = 48 * time.Hour
	// maxDeliveries is how often a device may abandon a message.
	maxDeliveries = 10
	// maxMessageID bounds a message id.
	maxMessageID = 128
)

// Ack says which outcomes of a message its sender wants to hear of, as feedback.
type Ack string

// The values of iothub-ack (read).
const (
	AckNone     Ack = "none"
	AckPositive Ack = "positive"
	AckNegative Ack = "negative"
	AckFull     Ack = "full"
)

// CloudMessage is a message to a device.
type CloudMessage struct {
	Message
	// Ack asks for feedback, for which the message needs a MessageID; empty is AckNone.
	Ack Ack
	// Expires is when the message is dropped; zero is in an hour, the most is in two days.
	Expires time.Time
}

// Delivery is a message that is locked for its device for a minute.
type Delivery struct {
	CloudMessage
	// LockToken is to be handed back.
	LockToken string
	// SequenceNumber counts the messages of the hub.
	SequenceNumber int64
	// Enqueued is when the hub took the message.
	Enqueued time.Time
	// DeliveryCount is how often the device has abandoned it.
	DeliveryCount int
}

type waitingMessage struct {
	CloudMessage
	number   int64
	enqueued time.Time
}

// Outbox is the queue of messages to one device. In a hub with a folder they outlive its process, with their locks, counts
// and ends: what SendToDevice took is there until it is settled or too old.
type Outbox struct {
	hub      *Hub
	identity Identity

	mu    sync.Mutex
	queue lockQueue[waitingMessage]
}

// outboxes are the queues of all devices that ever had one.
type outboxes struct {
	mu   sync.Mutex
	all  map[ID]*Outbox
	last int64 // sequence number

	store messageStore
}

// Outbox returns the queue of a device. Errors: DeviceNotFound; InvalidOperation for a module, which takes no messages
// (the code is unknown).
func (h *Hub) Outbox(id ID) (*Outbox, error) {
	identity, err := h.registry.Get(id)
	if err != nil {
		return nil, fmt.Errorf("messages to device: %w", err)
	}
	if id.Module != "" {
		return nil, refusal(InvalidOperation, "module %q: cloud-to-device messages go to devices, not to modules; call a method or change desired properties", id)
	}
	h.outboxes.mu.Lock()
	defer h.outboxes.mu.Unlock()
	o := h.outboxes.all[id]
	if o == nil || o.identity.GenerationID != identity.GenerationID {
		o = &Outbox{hub: h, identity: identity}
		h.outboxes.all[id] = o
	}
	return o, nil
}

// SendToDevice queues a message for a device. Errors: those of Outbox and of Admit; MessageTooLarge, ArgumentInvalid,
// QueueDepthExceeded (50 wait already).
func (h *Hub) SendToDevice(id ID, m CloudMessage) error {
	now := h.clock()
	if err := m.check(now); err != nil {
		return err
	}
	o, err := h.Outbox(id)
	if err != nil {
		return err
	}
	if err := h.Admit(OpCloudToDevice, m.Size()); err != nil {
		return err
	}
	h.outboxes.mu.Lock()
	h.outboxes.last++
	number := h.outboxes.last
	h.outboxes.mu.Unlock()
	return o.add(waitingMessage{m, number, now})
}

func (m *CloudMessage) check(now time.Time) error {
	switch m.Ack {
	case "":
		m.Ack = AckNone
	case AckNone, AckPositive, AckNegative, AckFull:
	default:
		return refusal(ArgumentInvalid, "iothub-ack %q: want none, positive, negative or full", m.Ack)
	}
	if m.Expires.IsZero() {
		m.Expires = now.Add(defaultLife)
	}
	switch size := m.Size(); {
	case size > MaxCloudMessage:
		return refusal(MessageTooLarge, "message of %d bytes: at most %d", size, MaxCloudMessage)
	case len(m.MessageID) > maxMessageID:
		return refusal(ArgumentInvalid, "message id of %d characters: at most %d", len(m.MessageID), maxMessageID)
	case m.Expires.Sub(now) > maxLife:
		return refusal(ArgumentInvalid, "the message expires at %s: at most %s from now", hubTime(m.Expires), maxLife)
	}
	return nil
}

func (o *Outbox) add(m waitingMessage) error {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.expire()
	if len(o.queue.items) >= MaxQueued {
		return refusal(QueueDepthExceeded, "%d messages wait for device %q already", MaxQueued, o.identity.ID)
	}
	if err := o.save(&queued[waitingMessage]{value: m}); err != nil {
		return err
	}
	o.queue.push(m)
	return nil
}

// save keeps the state of a message. The caller has the lock.
func (o *Outbox) save(item *queued[waitingMessage]) error { return o.hub.outboxes.store.put(o, item) }

// remove takes a message out and reports what became of it. The caller has the lock.
func (o *Outbox) remove(item *queued[waitingMessage], outcome Outcome) error {
	if err := o.hub.outboxes.store.drop(item.value); err != nil {
		return err
	}
	o.queue.remove(item)
	o.report(item.value, outcome)
	return nil
}

// Receive locks the next message; false when there is none.
func (o *Outbox) Receive() (Delivery, bool) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.take()
}

func (o *Outbox) take() (Delivery, bool) {
	o.expire()
	item := o.queue.take(o.hub.clock())
	if item == nil {
		return Delivery{}, false
	}
	_ = o.save(item) // a lock that is not kept ends with the hub's process: the message comes again sooner
	return Delivery{CloudMessage: item.value.CloudMessage, LockToken: item.token, SequenceNumber: item.value.number,
		Enqueued: item.value.enqueued, DeliveryCount: item.abandoned}, true
}

// Next waits for the next message and locks it. Error: that of ctx.
func (o *Outbox) Next(ctx context.Context) (Delivery, error) {
	for {
		o.mu.Lock()
		d, ok := o.take()
		grown, unlocked := o.queue.waiting()
		o.mu.Unlock()
		if ok {
			return d, nil
		}
		if err := waitUntil(ctx, grown, unlocked, o.hub.clock()); err != nil {
			return Delivery{}, err
		}
	}
}

// waitUntil waits for a channel or a time (zero: none).
func waitUntil(ctx context.Context, grown <-chan struct{}, at, now time.Time) error {
	var due <-chan time.Time
	if !at.IsZero() {
		timer := time.NewTimer(max(at.Sub(now), time.Millisecond))
		defer timer.Stop()
		due = timer.C
	}
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-grown:
	case <-due:
	}
	return nil
}

// Complete takes out a message the device has. Error: MessageLockLost.
func (o *Outbox) Complete(lockToken string) error {
	return o.settle(lockToken, func(item *queued[waitingMessage]) error { return o.remove(item, Success) })
}

// Reject takes out a message the device does not want. Error: MessageLockLost.
func (o *Outbox) Reject(lockToken string) error {
	return o.settle(lockToken, func(item *queued[waitingMessage]) error { return o.remove(item, Rejected) })
}

// Abandon puts a message back to its place; the tenth time takes it out. Error: MessageLockLost.
func (o *Outbox) Abandon(lockToken string) error {
	return o.settle(lockToken, func(item *queued[waitingMessage]) error {
		item.abandoned++
		if item.abandoned < maxDeliveries {
			return o.release(item)
		}
		return o.remove(item, DeliveryCountExceeded)
	})
}

// Release puts a message back to its place without counting, as the end of a connection does. Error: MessageLockLost.
func (o *Outbox) Release(lockToken string) error {
	return o.settle(lockToken, o.release)
}

// release frees a message. The caller has the lock.
func (o *Outbox) release(item *queued[waitingMessage]) error {
	o.queue.release(item)
	return o.save(item)
}

func (o *Outbox) settle(lockToken string, how func(item *queued[waitingMessage]) error) error {
	o.hub.touch(o.identity.ID, false)
	o.mu.Lock()
	defer o.mu.Unlock()
	o.expire()
	item := o.queue.locked(lockToken, o.hub.clock())
	if item == nil {
		return refusal(MessageLockLost, "the lock of the message is lost: it lasts %s", lockTime)
	}
	return how(item)
}

// Purge drops all messages, locked ones too, and returns how many.
func (o *Outbox) Purge() int {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.expire()
	return o.filter(Purged, func(*queued[waitingMessage]) bool { return true })
}

// filter takes out the messages for which drop is true, reports them, and returns how many. The caller has the lock.
func (o *Outbox) filter(outcome Outcome, drop func(*queued[waitingMessage]) bool) int {
	dropped := o.queue.filter(drop)
	_ = o.hub.outboxes.store.drop(dropped...) // what cannot be dropped comes again with the next start
	for _, m := range dropped {
		o.report(m, outcome)
	}
	return len(dropped)
}

// Count is how many messages there are, locked ones included.
func (o *Outbox) Count() int {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.expire()
	return len(o.queue.items)
}

// expire drops what is too old; a lock does not keep it. The caller has the lock.
func (o *Outbox) expire() {
	now := o.hub.clock()
	o.filter(Expired, func(item *queued[waitingMessage]) bool { return !now.Before(item.value.Expires) })
}

func (o *Outbox) report(m waitingMessage, outcome Outcome) {
	if m.MessageID == "" || !m.Ack.wants(outcome) {
		return
	}
	o.hub.feedback.add(FeedbackRecord{
		OriginalMessageID: m.MessageID,
		StatusCode:        outcome,
		Description:       outcome.description(),
		DeviceID:          o.identity.Device,
		DeviceGeneration:  o.identity.GenerationID,
		EnqueuedTimeUTC:   hubTime(o.hub.clock()),
	}, o.hub.clock())
}

// messageCount is the cloudToDeviceMessageCount of an identity.
func (h *Hub) messageCount(identity Identity) int {
	h.outboxes.mu.Lock()
	o := h.outboxes.all[identity.ID]
	h.outboxes.mu.Unlock()
	if o == nil || o.identity.GenerationID != identity.GenerationID {
		return 0
	}
	return o.Count()
}

// sweep drops expired messages of all devices.
func (b *outboxes) sweep() {
	b.mu.Lock()
	all := make([]*Outbox, 0, len(b.all))
	for _, o := range b.all {
		all = append(all, o)
	}
	b.mu.Unlock()
	for _, o := range all {
		o.Count()
	}
}

// forget drops the queue of a device that is gone.
func (b *outboxes) forget(id ID) {
	b.mu.Lock()
	o := b.all[id]
	delete(b.all, id)
	b.mu.Unlock()
	if o == nil {
		return
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	_ = b.store.drop(o.queue.filter(func(*queued[waitingMessage]) bool { return true })...) // else at the next start
}
