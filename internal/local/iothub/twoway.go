package iothub

// openTwoWay makes what serves the way to devices.
func (h *Hub) openTwoWay(cfg Config, s state) error {
	h.presence = newPresence()
	h.outboxes = &outboxes{all: map[ID]*Outbox{}}
	h.feedback = &Feedback{hub: h, delay: cfg.FeedbackDelay}
	if cfg.FeedbackDelay <= 0 {
		h.feedback.delay = feedbackDelay
	}
	h.twins = &twinStore{twins: map[ID]storedTwin{}}
	h.registry.notify = h.registryChanged
	h.eventNumber.Store(h.clock().UnixNano()) // more than a hub of this folder has given before
	return h.router.set(s.Routing)
}

// registryChanged does what follows from changes of identities.
func (h *Hub) registryChanged(c registryChange) {
	for _, identity := range c.created {
		h.lifecycle("create", identity, newTwin(identity.ID))
	}
	for _, identity := range c.removed {
		h.lifecycle("delete", identity, h.twins.forget(identity))
		h.outboxes.forget(identity.ID)
		h.presence.end(identity.ID, refusal(DeviceNotFound, "the device was removed"))
		h.presence.forget(identity.ID)
	}
	for _, identity := range c.disabled {
		h.presence.end(identity.ID, refusal(UnauthorizedAccess, "the device was disabled"))
	}
}

// end tells the connection of a device to end.
func (p *presence) end(id ID, reason error) {
	if s := p.session(id); s != nil {
		s.kick(reason)
	}
}

// forget drops what is known of a device that is gone: another of the same id begins anew.
func (p *presence) forget(id ID) {
	p.mu.Lock()
	defer p.mu.Unlock()
	delete(p.seen, id)
}
