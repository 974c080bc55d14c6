package mqtt

import (
	"github.com/mochi-mqtt/server/v2/packets"

	"azx/internal/local/iothub"
)

// maxTaken is how many messages of a connection may be on their way into the log before it is read on: enough for one
// device to fill a batch.
const maxTaken = 256

// taken is a message that was submitted to the log.
type taken struct {
	ticket *iothub.Ticket
	packet uint16
	qos    byte
}

// acknowledge answers the messages of a connection in their order, each once it is in the log. The reader goes on
// meanwhile, so that the messages of one device can be written together. It ends when the reader has ended; messages
// that no one hears about any more are in the log all the same.
func (f *front) acknowledge(s *session) {
	failed := false
	for m := range s.taken {
		_, err := m.ticket.Wait()
		switch {
		case failed:
		case err != nil:
			failed = true
			f.closeFor(s, err)
		case m.qos == 1:
			_ = s.client.WritePacket(packets.Packet{ // a connection that cannot be written to ends in its reader
				FixedHeader: packets.FixedHeader{Type: packets.Puback},
				PacketID:    m.packet,
			})
		}
	}
}
