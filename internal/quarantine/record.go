// Package quarantine stores messages that could not be delivered, with their original bytes: dead
// letters (Store), and the last messages of devices that have no Thing yet (Shelf).
package quarantine

import (
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"time"
	"unicode/utf8"

	"azx/internal/fault"
	"azx/internal/message"
)

const (
	// MaxLine bounds a record as it is stored, in bytes. A hub's largest message (256 KiB) stays far below
	// even if every byte of its properties has to be escaped.
	MaxLine = 8 << 20
	maxText = 4 << 10 // bytes kept of an error's text and of a hint
)

// Record is a message put aside, and why. It is stored as one line of JSON.
type Record struct {
	ID     uint64    `json:"id"`              // given by the store, ascending
	Time   time.Time `json:"time"`            // when it was put aside, UTC
	Reason string    `json:"reason"`          // short and fixed, for counting: "rejected", "no-thing"
	Stage  string    `json:"stage,omitempty"` // where it ended: "decode", "map", "write"
	Error  string    `json:"error,omitempty"`
	Hint   string    `json:"hint,omitempty"`
	Thing  string    `json:"thing,omitempty"` // the Thing it was for, if that was known
	State  State     `json:"-"`               // as List found it; those that are history are not listed

	Hub             string            `json:"hub"`
	Partition       string            `json:"partition"`
	Sequence        int64             `json:"sequence"`
	Offset          string            `json:"offset"`
	Enqueued        time.Time         `json:"enqueued"`
	Device          string            `json:"device"`
	Module          string            `json:"module,omitempty"`
	Source          string            `json:"source,omitempty"`
	ContentType     string            `json:"contentType,omitempty"`
	ContentEncoding string            `json:"contentEncoding,omitempty"`
	Properties      map[string]string `json:"properties,omitempty"`
	System          map[string]string `json:"system,omitempty"`
	Body            []byte            `json:"body"` // base64 in JSON

	bytes int64 // of its line, if it was read from one
}

// FromMessage makes a record of a message. Cause, which may be nil, gives its error and hint.
func FromMessage(m *message.Message, reason, stage string, cause error) Record {
	r := Record{
		Reason: reason, Stage: stage,
		Hub: m.Hub, Partition: m.Partition, Sequence: m.Sequence, Offset: m.Offset, Enqueued: m.Enqueued,
		Device: m.DeviceID, Module: m.ModuleID, Source: m.Source,
		ContentType: m.ContentType, ContentEncoding: m.ContentEncoding,
		Properties: m.Properties, System: m.SystemTexts(), Body: m.Body,
	}
	if cause != nil {
		r.Error, r.Hint = clip(cause.Error()), clip(fault.HintOf(cause))
	}
	return r
}

// Bytes is how many bytes the record takes on disk; 0 of one that was not read from there.
func (r Record) Bytes() int64 { return r.bytes }

// Message is the message that was put aside, as it was received.
func (r Record) Message() *message.Message {
	return &message.Message{
		Hub: r.Hub, Partition: r.Partition, Sequence: r.Sequence, Offset: r.Offset, Enqueued: r.Enqueued,
		DeviceID: r.Device, ModuleID: r.Module, Source: r.Source,
		ContentType: r.ContentType, ContentEncoding: r.ContentEncoding,
		Properties: r.Properties, System: systemOf(r.System), Body: r.Body,
	}
}

func systemOf(texts map[string]string) message.Texts {
	if texts == nil {
		return nil
	}
	return message.TextMap(texts)
}

// clip shortens a text without cutting a character in two.
func clip(s string) string {
	if len(s) <= maxText {
		return s
	}
	n := maxText
	for n > 0 && !utf8.RuneStart(s[n]) {
		n--
	}
	return s[:n] + "..."
}

// unnumbered is a line of JSON that lacks its first member, the id: that is known only when the line
// takes its place, and large bodies should not be encoded while others wait for theirs.
type unnumbered []byte

// encode makes a line of any struct whose first JSON member is "id" and zero.
func encode(v any) (unnumbered, error) {
	data, err := json.Marshal(v)
	if err != nil {
		return nil, err
	}
	if len(data) > MaxLine {
		return nil, fault.Reject("store record", "", "it takes %d bytes, more than %d", len(data), MaxLine)
	}
	return unnumbered(data[len(`{"id":0`):]), nil
}

// size is how many bytes the line takes at most.
func (u unnumbered) size() int64 { return int64(len(`{"id":`) + len("9007199254740992") + len(u) + 1) }

// append adds the line with its id and a line feed.
func (u unnumbered) append(buf []byte, id uint64) []byte {
	buf = append(buf, `{"id":`...)
	buf = strconv.AppendUint(buf, id, 10)
	buf = append(buf, u...)
	return append(buf, '\n')
}

// decode reads a record's line. Members that a later version may add are passed over.
func decode(line []byte) (Record, error) {
	var r Record
	if err := json.Unmarshal(line, &r); err != nil {
		return Record{}, fmt.Errorf("read record: %w", err)
	}
	if r.ID == 0 || r.Reason == "" {
		return Record{}, errors.New("read record: it has no id or no reason")
	}
	return r, nil
}
