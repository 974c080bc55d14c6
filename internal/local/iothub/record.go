package iothub

import (
	"encoding/binary"
	"errors"
	"hash/crc32"
	"maps"
	"slices"
	"strconv"
	"time"
)

// A record is an event as the disk log keeps it. All numbers are big-endian:
//
//	checksum of the rest  4 bytes (CRC-32C)
//	offset, size          8 bytes each
//	enqueued, hub time    8 bytes each, nanoseconds since 1970
//	texts                 their number (varint), and of each its length (varint) and bytes, in the order of texts
//	properties            their number (varint), then name and value of each, as texts
//	body                  the rest
//
// The sequence number is the record's key.
const recordHead = 4 + 4*8

// errRecord means that a record is not as it was written.
var errRecord = errors.New("a damaged event")

// head is the part of an event that its place in the log follows from.
type head struct {
	offset   int64
	size     int64 // what the event counts against Retention.Bytes
	enqueued time.Time
}

// crc32c makes the table of the checksum; the library makes it once.
func crc32c(b []byte) uint32 { return crc32.Checksum(b, crc32.MakeTable(crc32.Castagnoli)) }

// texts are the fields of an event that are plain text, in the order of the record. A new one goes to the end: records
// from before, which have fewer, stay readable.
func (e *Event) texts() [16]*string {
	return [...]*string{
		&e.From.Device, &e.From.Module, &e.GenerationID, &e.AuthMethod, &e.Source,
		&e.MessageID, &e.CorrelationID, &e.UserID, &e.To, &e.ContentType, &e.ContentEncoding,
		&e.OutputName, &e.Subject, &e.DataSchema, &e.InterfaceID, &e.PartitionKey,
	}
}

// appendRecord writes an event whose number, offset and times are set.
func appendRecord(dst []byte, e *Event, h head) []byte {
	start := len(dst)
	dst = append(dst, 0, 0, 0, 0)
	for _, n := range [...]int64{h.offset, h.size, h.enqueued.UnixNano(), e.HubTime.UnixNano()} {
		dst = binary.BigEndian.AppendUint64(dst, uint64(n))
	}
	texts := e.texts()
	dst = binary.AppendUvarint(dst, uint64(len(texts)))
	for _, text := range texts {
		dst = appendText(dst, *text)
	}
	dst = binary.AppendUvarint(dst, uint64(len(e.Properties)))
	for _, name := range slices.Sorted(maps.Keys(e.Properties)) {
		dst = appendText(appendText(dst, name), e.Properties[name])
	}
	dst = append(dst, e.Body...)
	binary.BigEndian.PutUint32(dst[start:], crc32c(dst[start+4:]))
	return dst
}

func appendText(dst []byte, text string) []byte {
	return append(binary.AppendUvarint(dst, uint64(len(text))), text...)
}

// readHead reads the beginning of a record, without its checksum: that was looked at when the log was opened.
func readHead(record []byte) (head, error) {
	if len(record) < recordHead {
		return head{}, errRecord
	}
	number := func(at int) int64 { return int64(binary.BigEndian.Uint64(record[at:])) }
	return head{offset: number(4), size: number(12), enqueued: time.Unix(0, number(20)).UTC()}, nil
}

// checkRecord reads the beginning of a record and compares its checksum.
func checkRecord(record []byte) (head, error) {
	h, err := readHead(record)
	if err == nil && binary.BigEndian.Uint32(record) != crc32c(record[4:]) {
		err = errRecord
	}
	return h, err
}

// readRecord reads the event with this number. It keeps nothing of record.
func readRecord(record []byte, number int64) (*Event, error) {
	h, err := checkRecord(record)
	if err != nil {
		return nil, err
	}
	e := &Event{SequenceNumber: number, Offset: strconv.FormatInt(h.offset, 10), EnqueuedTime: h.enqueued}
	e.HubTime = time.Unix(0, int64(binary.BigEndian.Uint64(record[28:]))).UTC()
	rest := fields{left: string(record[recordHead:])}
	texts := e.texts()
	known := rest.count()
	if known > len(texts) {
		return nil, errRecord // of a later azx
	}
	for _, text := range texts[:known] {
		*text = rest.text()
	}
	if n := rest.count(); n > 0 {
		e.Properties = make(map[string]string, n)
		for range n {
			name := rest.text()
			e.Properties[name] = rest.text()
		}
	}
	e.Body = []byte(rest.left)
	if rest.torn {
		return nil, errRecord
	}
	return e, nil
}

// fields takes a record apart from its front.
type fields struct {
	left string
	torn bool
}

// count reads a number of things that each take a byte at least.
func (f *fields) count() int {
	var n uint64
	for shift := uint(0); shift < 64; shift += 7 {
		if f.left == "" {
			break
		}
		b := f.left[0]
		f.left = f.left[1:]
		n |= uint64(b&0x7f) << shift
		if b < 0x80 && n <= uint64(len(f.left)) {
			return int(n)
		}
		if b < 0x80 {
			break
		}
	}
	f.torn, f.left = true, ""
	return 0
}

func (f *fields) text() string {
	n := f.count()
	text := f.left[:n]
	f.left = f.left[n:]
	return text
}
