package alwayson

import (
	"fmt"
	"time"

	"azx/alwayson/infotable"
)

// Limits bounds what a connection takes in and holds. A zero field means its default.
type Limits struct {
	// MaxFrameSize is the largest WebSocket payload that this side sends, in bytes, 256 to 65,535;
	// default 8192. A client also tells it to the server as its Max-Frame-Size.
	MaxFrameSize int
	// MaxMessageSize is the largest message, joined, either way, in bytes; default 1 MiB. No single
	// incoming frame may be larger.
	MaxMessageSize int
	// MaxHandlers is how many requests of the peer are carried out at once; more are refused with
	// ServiceUnavailable. Default 1024.
	MaxHandlers int
	// MaxQueued is how many bytes may wait to be written before Call waits too; default 1 MiB. A peer
	// that leaves eight times as much unread is dropped with ErrSlowPeer.
	MaxQueued int
	// WriteTimeout is how long one write to the socket may take; default 15 s.
	WriteTimeout time.Duration
	// Tables bounds the infotables of incoming messages.
	Tables infotable.Limits
}

const (
	defaultFrameSize   = 8192 // the C SDK's and the platform's (captured, read)
	minFrameSize       = 256
	maxFrameSize       = 65535 // the C SDK has no 64-bit frame lengths (read)
	defaultMessageSize = 1 << 20
	maxMessageSize     = 1 << 30

	// queueFactor is how many times MaxQueued may wait, of answers that cannot wait, before the peer counts as slow.
	queueFactor = 8
)

// withDefaults fills in what is zero and refuses what cannot work.
func (l Limits) withDefaults() (Limits, error) {
	for _, field := range []struct {
		value    *int
		fallback int
	}{
		{&l.MaxFrameSize, defaultFrameSize}, {&l.MaxMessageSize, defaultMessageSize},
		{&l.MaxHandlers, 1024}, {&l.MaxQueued, 1 << 20},
	} {
		if *field.value == 0 {
			*field.value = field.fallback
		}
	}
	if l.Tables.Bytes == 0 {
		l.Tables.Bytes = l.MaxMessageSize
	}
	if l.WriteTimeout == 0 {
		l.WriteTimeout = 15 * time.Second
	}
	switch {
	case l.MaxFrameSize < minFrameSize || l.MaxFrameSize > maxFrameSize:
		return l, fmt.Errorf("limits: MaxFrameSize is %d, must be %d to %d", l.MaxFrameSize, minFrameSize, maxFrameSize)
	case l.MaxMessageSize < l.MaxFrameSize || l.MaxMessageSize > maxMessageSize:
		return l, fmt.Errorf("limits: MaxMessageSize is %d, must be MaxFrameSize to %d", l.MaxMessageSize, maxMessageSize)
	case l.MaxHandlers < 0 || l.MaxQueued < 0 || l.WriteTimeout < 0:
		return l, fmt.Errorf("limits: negative MaxHandlers, MaxQueued or WriteTimeout")
	}
	return l, nil
}
