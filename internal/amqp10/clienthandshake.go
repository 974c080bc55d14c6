package amqp10

import (
	"bytes"
	"fmt"
	"slices"
	"time"
)

// open does the client's part of the SASL layer and of the open.
func (c *Client) open() (err error) {
	defer recovered(&err)
	c.writeRaw(headerSASL)
	if err := c.expectHeader(headerSASL); err != nil {
		return err
	}
	if err := c.authenticate(); err != nil {
		return err
	}
	c.writeRaw(headerAMQP)
	if err := c.expectHeader(headerAMQP); err != nil {
		return err
	}
	c.mu.Lock()
	c.enqueue(0, &Open{
		ContainerID:  c.cfg.ContainerID,
		Hostname:     c.cfg.Hostname,
		MaxFrameSize: Some[uint32](MaxFrameSize),
		ChannelMax:   Some[uint16](ChannelMax),
		IdleTimeout:  uint32(c.cfg.IdleTimeout.Milliseconds()),
		Properties:   c.cfg.Properties,
	}, nil)
	c.mu.Unlock()
	p, err := c.next(FrameAMQP)
	if err != nil {
		return err
	}
	if end, ok := p.(*Close); ok && end.Error != nil {
		return fmt.Errorf("closed by the peer: %w", end.Error)
	}
	answer, ok := p.(*Open)
	if !ok {
		return malformed("a %T where an open is due", p)
	}
	if size := answer.MaxFrameSize.Or(MaxFrameSize); size < minFrameSize {
		return Errorf(CondInvalidField, "max-frame-size %d is under %d", size, minFrameSize)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.peer, c.opened, c.deadline = *answer, true, time.Time{}
	return nil
}

func (c *Client) expectHeader(want string) error {
	got, err := c.frames.header()
	if err != nil {
		return fmt.Errorf("read protocol header: %w", err)
	}
	if string(got[:]) != want {
		return malformed("protocol header %q, want %q", got[:], want)
	}
	return nil
}

// next reads a performative of the handshake.
func (c *Client) next(kind byte) (Performative, error) {
	for {
		frame, err := c.frames.Next()
		if err != nil {
			return nil, fmt.Errorf("read frame: %w", err)
		}
		if len(frame.Body) == 0 && kind == FrameAMQP {
			continue // heartbeat
		}
		p, _, err := DecodePerformative(frame.Body)
		if err == nil && frame.Type != kind {
			err = malformed("a %T in a frame of type %d", p, frame.Type)
		}
		return p, err
	}
}

func (c *Client) authenticate() error {
	p, err := c.next(FrameSASL)
	if err != nil {
		return err
	}
	offer, ok := p.(*SASLMechanisms)
	if !ok {
		return malformed("a %T where SASL mechanisms are due", p)
	}
	init := &SASLInit{Mechanism: mechAnonymous, Hostname: c.cfg.Hostname}
	if c.cfg.User != "" {
		init.Mechanism = mechPlain
		init.InitialResponse = bytes.Join([][]byte{nil, []byte(c.cfg.User), []byte(c.cfg.Password)}, []byte{0})
	}
	if !slices.Contains(offer.Mechanisms, init.Mechanism) {
		return fmt.Errorf("SASL %s is not offered, but %q", init.Mechanism, offer.Mechanisms)
	}
	c.writeSASL(init)
	if p, err = c.next(FrameSASL); err != nil {
		return err
	}
	outcome, ok := p.(*SASLOutcome)
	switch {
	case !ok:
		return malformed("a %T where a SASL outcome is due", p)
	case outcome.Code == SASLAuth:
		return Errorf(CondUnauthorized, "SASL %s: the credentials are not accepted", init.Mechanism)
	case outcome.Code != SASLOK:
		return fmt.Errorf("SASL %s: refused with code %d", init.Mechanism, outcome.Code)
	}
	return nil
}
