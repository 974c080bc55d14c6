package hub

import (
	"azx/internal/amqp10"
	"azx/internal/message"
)

const (
	knownTexts  = 4096 // names that are remembered
	knownLength = 128  // bytes of the longest of them
)

// event is a message as the fast receiver makes it, and the payload from which the rest of it is decoded if anybody asks.
type event struct {
	message.Message
	rest
}

// scanner makes messages of payloads in place. It takes the annotations that a message has fields for, and has the others
// checked; its messages have their bodies, and all else, in the payload itself, which nobody may write to any more.
type scanner struct {
	hub, partition string
	groups         *groups
	known          map[string]string // ids and the like: they come again and again
	last           texts             // of the message before
	annotated      amqp10.Shapes[[]annotation]
	taken          []annotation // of annotations of a new shape
	properties     amqp10.Shapes[struct{}]
	offsets        []byte            // of the events that are made together
	ends           [mostTogether]int // of each of them
}

// texts are what a message most likely shares with the one before it.
type texts struct{ device, module, source, contentType, contentEncoding string }

func newScanner(hub, partition string, groups *groups) *scanner {
	return &scanner{hub: hub, partition: partition, groups: groups, known: map[string]string{}}
}

// messages appends a message of each payload.
func (s *scanner) messages(dst []*message.Message, payloads []amqp10.Received) ([]*message.Message, error) {
	for len(payloads) > 0 {
		n := together(payloads)
		g := s.groups.of(payloads[:n])
		s.offsets = s.offsets[:0]
		for i, p := range payloads[:n] {
			e := &g.events[i]
			if err := s.scan(e, p.Payload); err != nil {
				return nil, err
			}
			s.ends[i] = len(s.offsets)
		}
		offsets, begin := string(s.offsets), 0
		for i := range n {
			e := &g.events[i]
			e.Offset, begin = offsets[begin:s.ends[i]], s.ends[i]
			e.Shared = &g.Shared
			g.Size += len(e.Offset) + len(e.DeviceID) + e.Beside() // many devices have their ids for themselves
			dst = append(dst, &e.Message)
		}
		payloads = payloads[n:]
	}
	return dst, nil
}

func (s *scanner) scan(e *event, payload []byte) error {
	e.Hub, e.Partition = s.hub, s.partition
	e.payload, e.System = payload, &e.rest
	var at place
	sections := 0
	r := amqp10.NewReader(payload)
	for r.More() {
		switch code := r.Descriptor(); code {
		case amqp10.SectionAnnotations:
			var err error
			if at, err = s.annotations(e, &r); err != nil {
				return err
			}
		case amqp10.SectionProperties:
			p := r.Properties(&s.properties)
			e.ContentType, e.ContentEncoding = s.text(&s.last.contentType, p.ContentType), s.text(&s.last.contentEncoding, p.ContentEncoding)
		case amqp10.SectionApplicationProperties:
			e.Properties = applicationProperties(&r)
		case amqp10.SectionData:
			e.Body = r.Bytes()
			sections++
		default:
			r.CheckSection(code)
		}
	}
	switch {
	case r.Err() != nil:
		return r.Err()
	case len(at.offset) == 0 || !at.enqueued:
		return errPlace
	}
	s.offsets = append(s.offsets, at.offset...)
	if sections != 1 {
		return e.otherBody()
	}
	return nil
}

// value is the next value as a text that is likely to come again.
func (s *scanner) value(last *string, r *amqp10.Reader) string {
	if kind := r.Peek(); kind == amqp10.KindString || kind == amqp10.KindSymbol {
		return s.text(last, r.Bytes())
	}
	return text(plain(r.Value()))
}

// text is a text that is likely to come again, most likely as the last one: it is allocated once.
func (s *scanner) text(last *string, b []byte) string {
	if *last == string(b) {
		return *last
	}
	t, ok := s.known[string(b)]
	switch {
	case ok:
	case len(b) > knownLength:
		return string(b)
	default:
		if len(s.known) >= knownTexts {
			clear(s.known)
		}
		t = string(b)
		s.known[t] = t
	}
	*last = t
	return t
}

// applicationProperties are those with a name that is text; nil when there are none.
func applicationProperties(r *amqp10.Reader) map[string]string {
	var all map[string]string
	items := r.Map()
	for items.More() {
		if items.Peek() != amqp10.KindString {
			items.Check()
			items.Check()
			continue
		}
		if all == nil {
			all = map[string]string{}
		}
		key := items.Text()
		if items.Peek() == amqp10.KindString {
			all[key] = items.Text()
		} else {
			all[key] = text(plain(items.Value()))
		}
	}
	r.Adopt(&items)
	return all
}
