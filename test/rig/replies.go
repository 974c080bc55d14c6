package rig

import (
	"bytes"
	"encoding/binary"

	"github.com/gobwas/ws"

	"azx/alwayson"
)

// nobodysRequest is the number of a request that nobody sends: connections count from 1.
const nobodysRequest = 0xFFFF_FF00

// DoubleReplies has all replies of a platform come twice, and each with one more to a request that nobody sent, until it is
// called with false. It resets the connections, since whoever begins in the middle cannot tell where messages begin.
func (w *Wire) DoubleReplies(on bool) {
	w.mu.Lock()
	w.doubles = on
	w.mu.Unlock()
	w.Cut()
}

// Doubled is how many replies came twice.
func (w *Wire) Doubled() int64 { return w.doubled.Load() }

// doubler doubles the replies of one connection.
type doubler struct {
	wire     *Wire
	upgraded bool
	held     []byte // a frame that has not come whole
}

// pass takes what the platform sent, and returns what is to be passed on now.
func (d *doubler) pass(data []byte) (out []byte) {
	d.held = append(d.held, data...)
	if !d.upgraded {
		end := bytes.Index(d.held, []byte("\r\n\r\n"))
		if end < 0 {
			return nil
		}
		out, d.held, d.upgraded = append(out, d.held[:end+4]...), d.held[end+4:], true
	}
	for {
		rest := bytes.NewReader(d.held)
		head, err := ws.ReadHeader(rest)
		begin := len(d.held) - rest.Len()
		if err != nil || int64(rest.Len()) < head.Length {
			return out
		}
		end := begin + int(head.Length)
		frame := d.held[:end]
		out, d.held = append(out, frame...), d.held[end:]
		if h, _, err := alwayson.DecodeHeader(frame[begin:]); head.OpCode == ws.OpBinary && err == nil && h.Code.IsResponse() {
			out = append(append(out, frame...), frame...)
			binary.BigEndian.PutUint32(out[len(out)-end+begin+2:], nobodysRequest)
			d.wire.doubled.Add(1)
		}
	}
}
