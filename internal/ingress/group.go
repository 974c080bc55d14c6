package ingress

import "azx/internal/message"

// together returns the first messages, as many as share their memory.
func together(batch []*message.Message) (group []*message.Message, memory *message.Shared) {
	memory = batch[0].Shared
	if memory == nil {
		return batch[:1], message.Alone(batch[0])
	}
	n := 1
	for n < len(batch) && batch[n].Shared == memory {
		n++
	}
	return batch[:n], memory
}

// release gives memory back when a message has ended that was the last one in it.
func (p *Pump) release(memory *message.Shared, kept bool) {
	if memory.End(kept) {
		p.Budget.Give(memory)
		memory.Free()
	}
}
