package amqp10

import "bytes"

// Message is a message by its sections (§3.2). Nil sections are absent.
type Message struct {
	Header                *Header
	DeliveryAnnotations   Map
	Annotations           Map // keys are Symbols
	Properties            *Properties
	ApplicationProperties Map      // keys are strings
	Data                  [][]byte // one per data section
	Sequences             [][]any  // one per sequence section
	Value                 Opt[any] // a single value section
	Footer                Map
}

// Header holds what concerns the delivery of a message (§3.2.1).
type Header struct {
	Durable       bool
	Priority      uint8       // absent reads as 4
	TTL           Opt[uint32] // milliseconds
	FirstAcquirer bool
	DeliveryCount uint32
}

// Properties are the immutable properties of a message (§3.2.4). Zero fields are absent.
type Properties struct {
	MessageID          any // string, uint64, UUID or []byte
	UserID             []byte
	To                 string
	Subject            string
	ReplyTo            string
	CorrelationID      any // string, uint64, UUID or []byte
	ContentType        Symbol
	ContentEncoding    Symbol
	AbsoluteExpiryTime Timestamp
	CreationTime       Timestamp
	GroupID            string
	GroupSequence      Opt[uint32]
	ReplyToGroupID     string
}

// AppendMessage appends the sections of m that are there.
func AppendMessage(dst []byte, m *Message) []byte {
	if m.Header != nil {
		dst = m.Header.append(dst)
	}
	dst = appendMapSection(dst, SectionDeliveryAnnotations, m.DeliveryAnnotations)
	dst = appendMapSection(dst, SectionAnnotations, m.Annotations)
	if m.Properties != nil {
		dst = m.Properties.append(dst)
	}
	dst = appendMapSection(dst, SectionApplicationProperties, m.ApplicationProperties)
	for _, data := range m.Data {
		dst = AppendBinary(AppendDescriptor(dst, SectionData), data)
	}
	for _, sequence := range m.Sequences {
		dst = AppendValue(AppendDescriptor(dst, SectionSequence), sequence)
	}
	if m.Value.Set {
		dst = AppendValue(AppendDescriptor(dst, SectionValue), m.Value.Value)
	}
	return appendMapSection(dst, SectionFooter, m.Footer)
}

func appendMapSection(dst []byte, code uint64, m Map) []byte {
	if m == nil {
		return dst
	}
	return AppendValue(AppendDescriptor(dst, code), m)
}

func (h *Header) append(dst []byte) []byte {
	dst, mark := BeginList(AppendDescriptor(dst, SectionHeader))
	dst = AppendUbyte(AppendBool(dst, h.Durable), h.Priority)
	dst = AppendBool(appendOpt32(dst, h.TTL), h.FirstAcquirer)
	return EndList(AppendUint(dst, h.DeliveryCount), mark, 5)
}

func (h *Header) read(f *Reader) {
	h.Durable = f.Bool()
	h.Priority = 4
	if !f.Null() {
		h.Priority = uint8(f.uintUpTo(255))
	}
	h.TTL = f.opt32()
	h.FirstAcquirer = f.Bool()
	h.DeliveryCount = f.Uint32()
}

func (p *Properties) append(dst []byte) []byte {
	dst, mark := BeginList(AppendDescriptor(dst, SectionProperties))
	dst = appendBytes(AppendValue(dst, p.MessageID), p.UserID)
	dst = appendText(appendText(appendText(dst, p.To), p.Subject), p.ReplyTo)
	dst = AppendValue(dst, p.CorrelationID)
	dst = appendName(appendName(dst, p.ContentType), p.ContentEncoding)
	dst = appendMoment(appendMoment(dst, p.AbsoluteExpiryTime), p.CreationTime)
	dst = appendOpt32(appendText(dst, p.GroupID), p.GroupSequence)
	return EndList(appendText(dst, p.ReplyToGroupID), mark, 13)
}

func appendMoment(dst []byte, t Timestamp) []byte {
	if t == 0 {
		return AppendNull(dst)
	}
	return AppendTimestamp(dst, t)
}

func (p *Properties) read(f *Reader) {
	p.MessageID = f.Value()
	p.UserID = bytes.Clone(f.Bytes())
	p.To, p.Subject, p.ReplyTo = f.Text(), f.Text(), f.Text()
	p.CorrelationID = f.Value()
	p.ContentType, p.ContentEncoding = Symbol(f.Bytes()), Symbol(f.Bytes())
	p.AbsoluteExpiryTime, p.CreationTime = Timestamp(f.Int()), Timestamp(f.Int())
	p.GroupID = f.Text()
	p.GroupSequence = f.opt32()
	p.ReplyToGroupID = f.Text()
}

// DecodeMessage decodes the sections in b into memory of its own.
func DecodeMessage(b []byte) (*Message, error) {
	r, m := NewReader(b), new(Message)
	for r.More() {
		m.readSection(&r, r.Descriptor())
	}
	if r.err != nil {
		return nil, r.err
	}
	return m, nil
}

func (m *Message) readSection(r *Reader, code uint64) {
	switch code {
	case SectionHeader:
		m.Header = new(Header)
		f := r.List()
		m.Header.read(&f)
		r.Adopt(&f)
	case SectionDeliveryAnnotations:
		m.DeliveryAnnotations = r.MapValue()
	case SectionAnnotations:
		m.Annotations = r.MapValue()
	case SectionProperties:
		m.Properties = new(Properties)
		f := r.List()
		m.Properties.read(&f)
		r.Adopt(&f)
	case SectionApplicationProperties:
		m.ApplicationProperties = r.MapValue()
	case SectionData:
		m.Data = append(m.Data, bytes.Clone(r.Bytes()))
	case SectionSequence:
		f := r.List()
		m.Sequences = append(m.Sequences, r.values(&f))
	case SectionValue:
		m.Value = Some(r.Value())
	case SectionFooter:
		m.Footer = r.MapValue()
	default:
		r.fail("descriptor 0x%x is no section of a message", code)
	}
}
