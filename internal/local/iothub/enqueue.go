package iothub

import "fmt"

// Enqueue puts events into a partition that no device sent: what a client sends to the event hub itself, as back ends
// do in tests. It returns once all of them are in the log, one behind the other. Errors: ErrTooLarge, ErrNotFound.
func (h *Hub) Enqueue(number int, partitionKey string, messages ...Message) error {
	p, err := h.partition(number)
	if err != nil {
		return fmt.Errorf("enqueue: %w", err)
	}
	for i := range messages {
		if size := messages[i].Size(); size > MaxMessageSize {
			return fmt.Errorf("enqueue: %d bytes: %w", size, ErrTooLarge)
		}
	}
	now := h.clock()
	waiting := make([]*batch, len(messages))
	for i := range messages {
		waiting[i] = p.append(&Event{Message: messages[i], PartitionKey: partitionKey, HubTime: now}, now)
	}
	for _, b := range waiting {
		if b == nil {
			continue
		}
		if err := b.wait(); err != nil {
			return fmt.Errorf("enqueue: %w", err)
		}
	}
	return nil
}
