package amqp10

import (
	"bytes"
	"context"
	"fmt"
	"time"
)

// Protocol headers (§2.2, §5.3.2).
const (
	headerAMQP = "AMQP\x00\x01\x00\x00"
	headerSASL = "AMQP\x03\x01\x00\x00"
)

// SASL mechanisms. MSSBCBS is Azure's for clients that put a token later; to the server it is ANONYMOUS (read: iot-hub-amqp-support).
const (
	mechAnonymous Symbol = "ANONYMOUS"
	mechPlain     Symbol = "PLAIN"
	mechCBS       Symbol = "MSSBCBS"
)

// handshake answers the protocol headers, an optional SASL layer, and the open.
func (c *Conn) handshake() (err error) {
	defer recovered(&err)
	header, err := c.frames.header()
	if err != nil {
		return fmt.Errorf("read protocol header: %w", err)
	}
	if string(header[:]) == headerSASL {
		if err := c.sasl(); err != nil {
			return err
		}
		if header, err = c.frames.header(); err != nil {
			return fmt.Errorf("read protocol header after SASL: %w", err)
		}
	}
	c.writeRaw(headerAMQP)
	if string(header[:]) != headerAMQP {
		return fmt.Errorf("protocol header %q: %w", header[:], malformed("AMQP 1.0 is what this end speaks"))
	}
	return c.open()
}

// sasl offers the mechanisms and judges the one the peer picks.
func (c *Conn) sasl() error {
	c.writeRaw(headerSASL)
	offer := []Symbol{mechAnonymous, mechCBS}
	if c.cfg.Plain != nil {
		offer = append(offer, mechPlain)
	}
	c.writeSASL(&SASLMechanisms{Mechanisms: offer})
	frame, err := c.frames.Next()
	if err != nil {
		return fmt.Errorf("read SASL init: %w", err)
	}
	p, _, err := DecodePerformative(frame.Body)
	if err != nil {
		return fmt.Errorf("read SASL init: %w", err)
	}
	init, ok := p.(*SASLInit)
	if !ok || frame.Type != FrameSASL {
		return fmt.Errorf("read SASL init: %w", malformed("a %T came instead", p))
	}
	if err := c.authenticate(init); err != nil {
		c.writeSASL(&SASLOutcome{Code: SASLAuth})
		return fmt.Errorf("authenticate by SASL %s: %w", init.Mechanism, err)
	}
	c.writeSASL(&SASLOutcome{Code: SASLOK})
	return nil
}

func (c *Conn) authenticate(init *SASLInit) error {
	switch {
	case init.Mechanism == mechAnonymous || init.Mechanism == mechCBS:
		return nil
	case init.Mechanism != mechPlain || c.cfg.Plain == nil:
		return malformed("the mechanism was not offered")
	}
	parts := bytes.Split(init.InitialResponse, []byte{0}) // authorization id, user, password (RFC 4616)
	if len(parts) != 3 {
		return malformed("a PLAIN response has three parts, not %d", len(parts))
	}
	ctx, cancel := context.WithTimeout(c.ctx, handshakeGrace)
	defer cancel()
	if err := c.cfg.Plain(ctx, string(parts[1]), string(parts[2])); err != nil {
		return err
	}
	c.user = string(parts[1])
	return nil
}

// open reads the peer's open and answers it.
func (c *Conn) open() error {
	frame, err := c.frames.Next()
	if err != nil {
		return fmt.Errorf("read open: %w", err)
	}
	p, _, err := DecodePerformative(frame.Body)
	if err != nil {
		return fmt.Errorf("read open: %w", err)
	}
	open, ok := p.(*Open)
	if !ok {
		return fmt.Errorf("read open: %w", malformed("a %T came instead", p))
	}
	c.mu.Lock()
	c.peer = *open
	c.mu.Unlock()
	c.handler = c.cfg.NewHandler(c)
	c.mu.Lock()
	defer c.mu.Unlock()
	c.opened, c.deadline = true, time.Time{}
	c.enqueue(0, &Open{
		ContainerID:  c.cfg.ContainerID,
		MaxFrameSize: Some[uint32](MaxFrameSize),
		ChannelMax:   Some[uint16](ChannelMax),
		IdleTimeout:  uint32(c.cfg.IdleTimeout.Milliseconds()),
		Properties:   c.cfg.Properties,
	}, nil)
	if size := open.MaxFrameSize.Or(MaxFrameSize); size < minFrameSize {
		c.shut(Errorf(CondInvalidField, "max-frame-size %d is under %d", size, minFrameSize))
	}
	return nil
}
