package history

import (
	"encoding/binary"
	"errors"
	"fmt"

	"azx/alwayson/infotable"
	"azx/internal/local/dbfile"
)

// The file holds entries in the order in which they arrived, so that a commit writes few pages, and what goes first is
// together. Where the entries of a property are is kept in memory. Everything ends with the checksum of its key and what
// is before the checksum (4 bytes); numbers are big-endian, of 8 bytes.
//
//	names   length of the Thing's name (2 bytes), Thing, property  ->  the property's number
//	log     arrival  ->  the property's number, time, length of the quality (2 bytes), quality, value on the wire
//	totals  "totals"  ->  entries, bytes, last arrival, last property's number
//
// Entries of a number that has no name are forgotten, and on their way out of the file.
const (
	bucketNames  = "names"
	bucketLog    = "log"
	bucketTotals = "totals"
	keyTotals    = "totals"

	sumSize    = 4
	recordHead = 18 // of the log: what is before the quality
)

var errRecord = errors.New("not as it was written")

// totals are kept in the file: what is missing there shows.
type totals struct {
	Size
	lastArrival uint64
	lastNumber  uint64
}

// spot is what a property had a value at.
type spot struct {
	number uint64
	time   int64
}

func sealed(key, content []byte) []byte {
	return binary.BigEndian.AppendUint32(content, dbfile.Sum(key, content))
}

// opened gives the content of a record, if it has the least length; it refers to the record.
func opened(key, record []byte, least int) ([]byte, error) {
	end := len(record) - sumSize
	if end < least || binary.BigEndian.Uint32(record[end:]) != dbfile.Sum(key, record[:end]) {
		return nil, fmt.Errorf("record %x: %w", key, errRecord)
	}
	return record[:end], nil
}

func (t totals) record() []byte {
	b := make([]byte, 0, 4*8+sumSize)
	for _, n := range [...]uint64{uint64(t.Entries), uint64(t.Bytes), t.lastArrival, t.lastNumber} {
		b = appendNumber(b, n)
	}
	return sealed([]byte(keyTotals), b)
}

func readTotals(record []byte) (totals, error) {
	b, err := opened([]byte(keyTotals), record, 4*8)
	if err != nil {
		return totals{}, fmt.Errorf("totals: %w", err)
	}
	at := func(i int) uint64 { return binary.BigEndian.Uint64(b[8*i:]) }
	return totals{Size{int64(at(0)), int64(at(1))}, at(2), at(3)}, nil
}

func appendNumber(dst []byte, n uint64) []byte { return binary.BigEndian.AppendUint64(dst, n) }

func readNumber(b []byte) uint64 { return binary.BigEndian.Uint64(b) }

func nameKey(thing, property string) []byte {
	key := make([]byte, 0, 2+len(thing)+len(property))
	key = binary.BigEndian.AppendUint16(key, uint16(len(thing)))
	return append(append(key, thing...), property...)
}

func readName(key, record []byte) (thing, property string, number uint64, err error) {
	b, err := opened(key, record, 8)
	if err != nil {
		return "", "", 0, err
	}
	rest := key[min(2, len(key)):]
	if len(key) < 2 || len(rest) < int(binary.BigEndian.Uint16(key)) {
		return "", "", 0, errRecord
	}
	end := binary.BigEndian.Uint16(key)
	return string(rest[:end]), string(rest[end:]), binary.BigEndian.Uint64(b), nil
}

func logRecord(arrival []byte, number uint64, e *encoded) []byte {
	b := make([]byte, 0, recordHead+len(e.Quality)+len(e.wire)+sumSize)
	b = appendNumber(appendNumber(b, number), uint64(e.Time))
	b = binary.BigEndian.AppendUint16(b, uint16(len(e.Quality)))
	b = append(b, e.Quality...)
	return sealed(arrival, append(b, e.wire...))
}

// readHead gives what a record of the log says of its place, and the bytes that it counts.
func readHead(arrival, record []byte) (at spot, size int64, err error) {
	b, err := opened(arrival, record, recordHead)
	if err != nil {
		return spot{}, 0, err
	}
	return spot{binary.BigEndian.Uint64(b), int64(binary.BigEndian.Uint64(b[8:]))}, Overhead + int64(len(b)-recordHead), nil
}

// readValue gives an entry without its names. It keeps nothing of record.
func readValue(arrival, record []byte) (Entry, error) {
	at, _, err := readHead(arrival, record)
	if err != nil {
		return Entry{}, err
	}
	b := record[recordHead : len(record)-sumSize]
	quality := int(binary.BigEndian.Uint16(record[recordHead-2:]))
	if quality > len(b) {
		return Entry{}, errRecord
	}
	v, left, err := infotable.DecodeValue(b[quality:], limits())
	if err == nil && len(left) > 0 {
		err = errRecord
	}
	return Entry{Time: at.time, Value: v, Quality: string(b[:quality])}, err
}
