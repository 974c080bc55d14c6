package source

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"time"

	"azx/internal/amqp10"
)

const (
	// Things is the number of devices over all partitions, unless Config.Things says another.
	Things = 1000
	// firstOffset keeps offsets thirteen digits wide.
	firstOffset = 1_000_000_000_000

	deviceHole    = "bench-000000"
	offsetHole    = "7654321076543"
	messageIDHole = "00000000-0000-4000-8000-000000000000"
	numberHole    = 0x1234_5678_9abc_def0 // of eight bytes; of four: its upper half
	enqueuedHole  = 0x1234_5678_9abc_def1
	deliveryHole  = 0xa1b2_c3d4
	tagHole       = 0xb1b2_c3d4
	handleHole    = 0xc1b2_c3d4
)

// Device returns the number of the device that sends message n of a partition; its id is Name of it.
func Device(things, partition, partitions int, n int64) int {
	each := int64(things / partitions)
	return partition*int(each) + int(n%each)
}

// Name is the id of a device, and the name of its Thing.
func Name(device int) string { return fmt.Sprintf("bench-%06d", device) }

// template is a transfer frame with all of a message, and the places in it that differ from message to message.
type template struct {
	frame []byte

	deliveryID, tag          int
	device, sequence, offset int
	enqueued                 []int
	messageID                int
	bodySequence, bodySent   int
}

// newTemplate encodes a message as IoT Hub stores it (read: iot-hub-devguide-messages-d2c, azeventhubs), in one
// transfer on a link of a session.
func newTemplate(channel uint16, handle uint32, settled bool, body Body) template {
	frame, mark := amqp10.BeginFrame(nil, amqp10.FrameAMQP, channel)
	frame = appendTransfer(frame, settled)
	frame = amqp10.AppendMessage(frame, &amqp10.Message{
		Annotations: amqp10.Map{
			{Key: amqp10.Symbol("iothub-connection-device-id"), Value: deviceHole},
			{Key: amqp10.Symbol("iothub-connection-auth-method"), Value: `{"scope":"device","type":"sas","issuer":"iothub","acceptingIpFilterRule":null}`},
			{Key: amqp10.Symbol("iothub-connection-auth-generation-id"), Value: "638994528000000000"},
			{Key: amqp10.Symbol("iothub-enqueuedtime"), Value: amqp10.Timestamp(enqueuedHole)},
			{Key: amqp10.Symbol("iothub-message-source"), Value: "Telemetry"},
			{Key: amqp10.Symbol("x-opt-sequence-number"), Value: int64(numberHole)},
			{Key: amqp10.Symbol("x-opt-offset"), Value: offsetHole},
			{Key: amqp10.Symbol("x-opt-enqueued-time"), Value: amqp10.Timestamp(enqueuedHole)},
		},
		Properties: &amqp10.Properties{
			MessageID: messageIDHole, ContentType: "application/json", ContentEncoding: "utf-8",
		},
		Data: [][]byte{body.text},
	})
	frame = amqp10.EndFrame(frame, mark)

	t := template{frame: frame}
	t.deliveryID = t.find(quad(deliveryHole))
	t.tag = t.find(quad(tagHole))
	binary.BigEndian.PutUint32(frame[t.find(quad(handleHole)):], handle)
	t.device = t.find([]byte(deviceHole)) + len("bench-")
	t.sequence = t.find(binary.BigEndian.AppendUint64(nil, numberHole))
	t.offset = t.find([]byte(offsetHole))
	enqueued := binary.BigEndian.AppendUint64(nil, enqueuedHole)
	first := bytes.Index(frame, enqueued)
	t.enqueued = []int{first, bytes.LastIndex(frame, enqueued)}
	t.messageID = t.find([]byte(messageIDHole)) + len(messageIDHole) - 12
	t.bodySequence = t.find([]byte(`"`+SequenceKey+`":`)) + len(SequenceKey) + 3
	t.bodySent = t.find([]byte(`"`+SentKey+`":`)) + len(SentKey) + 3
	return t
}

// appendTransfer appends a transfer whose numbers have a fixed width.
func appendTransfer(dst []byte, settled bool) []byte {
	const uint32Code, nullCode = 0x70, 0x40
	dst, mark := amqp10.BeginList(amqp10.AppendDescriptor(dst, 0x14)) // §2.7.5
	dst = append(append(dst, uint32Code), quad(handleHole)...)
	dst = append(append(dst, uint32Code), quad(deliveryHole)...)
	dst = amqp10.AppendBinary(dst, quad(tagHole))
	dst = amqp10.AppendUint(dst, 0) // message format
	dst = amqp10.AppendBool(dst, settled)
	dst = amqp10.AppendBool(dst, false) // no more frames
	return amqp10.EndList(dst, mark, 6)
}

func quad(v uint32) []byte { return binary.BigEndian.AppendUint32(nil, v) }

// find returns where the one occurrence of a placeholder is.
func (t *template) find(hole []byte) int {
	if bytes.Count(t.frame, hole) != 1 {
		panic(fmt.Sprintf("source: placeholder %q is not in the frame once", hole))
	}
	return bytes.Index(t.frame, hole)
}

// append appends the frame of message n of a partition.
func (t *template) append(dst []byte, delivery uint32, device int, n int64, sent time.Time) []byte {
	start := len(dst)
	dst = append(dst, t.frame...)
	f := dst[start:]
	binary.BigEndian.PutUint32(f[t.deliveryID:], delivery)
	binary.BigEndian.PutUint32(f[t.tag:], delivery)
	digits(f[t.device:t.device+6], int64(device))
	binary.BigEndian.PutUint64(f[t.sequence:], uint64(n))
	digits(f[t.offset:t.offset+13], firstOffset+n)
	micros := sent.UnixMicro()
	for _, at := range t.enqueued {
		binary.BigEndian.PutUint64(f[at:], uint64(micros/1000))
	}
	digits(f[t.messageID:t.messageID+12], n)
	digits(f[t.bodySequence:t.bodySequence+10], FirstSequence+n)
	digits(f[t.bodySent:t.bodySent+16], micros)
	return dst
}

// digits writes n in decimal, as wide as dst is.
func digits(dst []byte, n int64) {
	for i := len(dst) - 1; i >= 0; i-- {
		dst[i] = byte('0' + n%10)
		n /= 10
	}
}
