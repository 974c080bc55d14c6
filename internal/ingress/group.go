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

// carriers returns what carries n messages that share their memory: what carried those before them in it, if anything did.
func carriers(memory *message.Shared, n int) []carried {
	all, _ := memory.Beside.([]carried)
	if len(all) >= n {
		return all[:n]
	}
	all = make([]carried, n)
	for i := range all {
		c := &all[i]
		c.Settle = c.settle
	}
	if memory.Owner != nil { // else none of it is used again
		memory.Beside = all
	}
	return all
}
