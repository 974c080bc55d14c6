package source

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"

	"azx/internal/amqp10"
)

// Protocol headers (§2.2, §5.3.2).
const (
	headerAMQP = "AMQP\x00\x01\x00\x00"
	headerSASL = "AMQP\x03\x01\x00\x00"
)

// handshake brings a connection up to its answered open. Any credential will do.
func (c *conn) handshake() (*amqp10.FrameReader, error) {
	header, err := c.header()
	if err == nil && header == headerSASL {
		if err = c.sasl(); err == nil {
			header, err = c.header()
		}
	}
	if err != nil {
		return nil, err
	}
	if header != headerAMQP {
		return nil, fmt.Errorf("protocol header %q", header)
	}
	if _, err := c.net.Write([]byte(headerAMQP)); err != nil {
		return nil, err
	}
	frames := amqp10.NewFrameReader(c.net, amqp10.MaxFrameSize)
	frame, err := frames.Next()
	if err != nil {
		return nil, err
	}
	p, _, err := amqp10.DecodePerformative(frame.Body)
	if err != nil {
		return nil, err
	}
	open, ok := p.(*amqp10.Open)
	if !ok {
		return nil, fmt.Errorf("a %T instead of an open", p)
	}
	c.frameLimit = int(open.MaxFrameSize.Or(amqp10.MaxFrameSize))
	c.control = amqp10.AppendFrame(c.control, amqp10.FrameAMQP, 0, &amqp10.Open{
		ContainerID: "bench-source", MaxFrameSize: amqp10.Some[uint32](amqp10.MaxFrameSize),
		ChannelMax: amqp10.Some[uint16](amqp10.ChannelMax), IdleTimeout: 240_000,
	}, nil)
	return frames, nil
}

// header reads the eight bytes of a protocol header, and none of what follows.
func (c *conn) header() (string, error) {
	var b [8]byte
	_, err := io.ReadFull(c.net, b[:])
	return string(b[:]), err
}

func (c *conn) sasl() error {
	hello := amqp10.AppendFrame([]byte(headerSASL), amqp10.FrameSASL, 0,
		&amqp10.SASLMechanisms{Mechanisms: []amqp10.Symbol{"ANONYMOUS", "PLAIN", "MSSBCBS"}}, nil)
	if _, err := c.net.Write(hello); err != nil {
		return err
	}
	var size [4]byte
	if _, err := io.ReadFull(c.net, size[:]); err != nil {
		return err
	}
	n := binary.BigEndian.Uint32(size[:])
	if n < 8 || n > 4096 {
		return errors.New("a SASL frame of an unlikely size")
	}
	if _, err := io.CopyN(io.Discard, c.net, int64(n)-4); err != nil {
		return err
	}
	_, err := c.net.Write(amqp10.AppendFrame(nil, amqp10.FrameSASL, 0, &amqp10.SASLOutcome{Code: amqp10.SASLOK}, nil))
	return err
}
