package hub

import (
	"errors"
	"time"

	"azx/internal/amqp10"
)

// Annotations of a place in a partition (read: azeventhubs' event_data.go).
const (
	annotationSequence     = "x-opt-sequence-number"
	annotationOffset       = "x-opt-offset"
	annotationEnqueued     = "x-opt-enqueued-time"
	annotationPartitionKey = "x-opt-partition-key"
)

// annotation is one that a message has a field for.
type annotation struct {
	field field
	value int // its number among keys and values
}

type field int

const (
	noField field = iota
	fieldSequence
	fieldOffset
	fieldEnqueued
	fieldPartitionKey
	fieldDevice
	fieldModule
	fieldSource
)

func fieldOf(key []byte) field {
	switch string(key) {
	case annotationSequence:
		return fieldSequence
	case annotationOffset:
		return fieldOffset
	case annotationEnqueued:
		return fieldEnqueued
	case annotationPartitionKey:
		return fieldPartitionKey
	case annotationDevice:
		return fieldDevice
	case annotationModule:
		return fieldModule
	case annotationSource:
		return fieldSource
	}
	return noField
}

// place is what must be among the annotations, besides the sequence number.
type place struct {
	offset   []byte
	enqueued bool
}

// annotations takes what a message has fields for.
func (s *scanner) annotations(e *event, r *amqp10.Reader) (at place, err error) {
	e.Sequence, e.DeviceID, e.ModuleID, e.Source = 0, "", "", ""
	shape := s.annotated.Follow(r)
	if shape == nil {
		return s.newAnnotations(e, r)
	}
	for _, a := range shape.Kept {
		shape.Seek(r, a.value)
		if err := s.take(e, &at, a.field, r); err != nil {
			return at, err
		}
	}
	shape.Pass(r)
	return at, nil
}

// newAnnotations does the same for annotations that are encoded like none of late.
func (s *scanner) newAnnotations(e *event, r *amqp10.Reader) (at place, err error) {
	taken := s.taken[:0]
	items := r.Map()
	for n := 0; items.More(); n += 2 {
		f := noField
		if kind := items.Peek(); kind == amqp10.KindSymbol || kind == amqp10.KindString {
			f = fieldOf(items.Bytes())
		} else {
			items.Check()
		}
		if f == noField {
			items.Check()
			continue
		}
		taken = append(taken, annotation{field: f, value: n + 1})
		if err := s.take(e, &at, f, &items); err != nil {
			return at, err
		}
	}
	if s.taken = taken; !r.Adopt(&items) {
		return at, nil // r has the error
	}
	if shape := s.annotated.Learn(r); shape != nil {
		shape.Kept = append(shape.Kept[:0], taken...)
	}
	return at, nil
}

// take reads the value of an annotation.
func (s *scanner) take(e *event, at *place, f field, r *amqp10.Reader) error {
	switch f {
	case fieldSequence:
		if !isInteger(r.Peek()) {
			return errSequence
		}
		e.Sequence = r.Int()
	case fieldOffset:
		if r.Peek() != amqp10.KindString {
			return errOffset
		}
		at.offset = r.Bytes()
	case fieldEnqueued:
		if r.Peek() != amqp10.KindTimestamp {
			return errEnqueued
		}
		e.Enqueued, at.enqueued = time.UnixMilli(r.Int()).UTC(), true
	case fieldPartitionKey:
		if r.Peek() != amqp10.KindString {
			return errKey
		}
		r.Skip()
	case fieldDevice:
		e.DeviceID = s.value(&s.last.device, r)
	case fieldModule:
		e.ModuleID = s.value(&s.last.module, r)
	case fieldSource:
		e.Source = s.value(&s.last.source, r)
	}
	return nil
}

var (
	errPlace    = errors.New("an event came without offset or enqueued time")
	errSequence = errors.New("the sequence number of an event is no number")
	errOffset   = errors.New("the offset of an event is no text")
	errEnqueued = errors.New("the enqueued time of an event is no time")
	errKey      = errors.New("the partition key of an event is no text")
)

func isInteger(k amqp10.Kind) bool {
	switch k {
	case amqp10.KindByte, amqp10.KindShort, amqp10.KindInt, amqp10.KindLong:
		return true
	}
	return false
}
