package amqp10

import "math"

// Opt is a field that may be absent, where absent means something else than zero.
type Opt[T any] struct {
	Value T
	Set   bool
}

// Some is a field that is there.
func Some[T any](v T) Opt[T] { return Opt[T]{Value: v, Set: true} }

// Or returns the value, or def when it is absent.
func (o Opt[T]) Or(def T) T {
	if o.Set {
		return o.Value
	}
	return def
}

// Performative is a body of a frame. Append writes it with all its fields, trailing nulls included:
// some clients index fields without looking how many there are.
type Performative interface {
	Append(dst []byte) []byte
	read(fields *Reader)
}

// Open starts a connection (§2.7.1).
type Open struct {
	ContainerID         string
	Hostname            string
	MaxFrameSize        Opt[uint32] // absent: 2^32-1
	ChannelMax          Opt[uint16] // absent: 65535
	IdleTimeout         uint32      // milliseconds; 0: none
	OutgoingLocales     []Symbol
	IncomingLocales     []Symbol
	OfferedCapabilities []Symbol
	DesiredCapabilities []Symbol
	Properties          Map
}

// Begin starts a session (§2.7.2).
type Begin struct {
	RemoteChannel       Opt[uint16]
	NextOutgoingID      uint32
	IncomingWindow      uint32
	OutgoingWindow      uint32
	HandleMax           Opt[uint32] // absent: 2^32-1
	OfferedCapabilities []Symbol
	DesiredCapabilities []Symbol
	Properties          Map
}

// Flow updates windows and credit (§2.7.4).
type Flow struct {
	NextIncomingID Opt[uint32]
	IncomingWindow uint32
	NextOutgoingID uint32
	OutgoingWindow uint32
	Handle         Opt[uint32] // absent: about the session only
	DeliveryCount  Opt[uint32]
	LinkCredit     Opt[uint32]
	Available      Opt[uint32]
	Drain          bool
	Echo           bool
	Properties     Map
}

// Detach ends a link (§2.7.7).
type Detach struct {
	Handle uint32
	Closed bool
	Error  *Error
}

// End ends a session (§2.7.8).
type End struct{ Error *Error }

// Close ends a connection (§2.7.9).
type Close struct{ Error *Error }

// Append writes the Open.
func (p *Open) Append(dst []byte) []byte {
	dst, mark := BeginList(AppendDescriptor(dst, descOpen))
	dst = AppendString(dst, p.ContainerID)
	dst = appendText(dst, p.Hostname)
	dst = appendOpt32(dst, p.MaxFrameSize)
	dst = appendOpt16(dst, p.ChannelMax)
	dst = appendOpt32(dst, Opt[uint32]{p.IdleTimeout, p.IdleTimeout != 0})
	dst = AppendSymbols(dst, p.OutgoingLocales)
	dst = AppendSymbols(dst, p.IncomingLocales)
	dst = AppendSymbols(dst, p.OfferedCapabilities)
	dst = AppendSymbols(dst, p.DesiredCapabilities)
	return EndList(appendMap(dst, p.Properties), mark, 10)
}

func (p *Open) read(f *Reader) {
	f.require("container-id")
	p.ContainerID = f.Text()
	p.Hostname = f.Text()
	p.MaxFrameSize = f.opt32()
	p.ChannelMax = f.opt16()
	p.IdleTimeout = f.Uint32()
	p.OutgoingLocales = f.Symbols()
	p.IncomingLocales = f.Symbols()
	p.OfferedCapabilities = f.Symbols()
	p.DesiredCapabilities = f.Symbols()
	p.Properties = f.MapValue()
}

// Append writes the Begin.
func (p *Begin) Append(dst []byte) []byte {
	dst, mark := BeginList(AppendDescriptor(dst, descBegin))
	dst = appendOpt16(dst, p.RemoteChannel)
	dst = AppendUint(dst, p.NextOutgoingID)
	dst = AppendUint(dst, p.IncomingWindow)
	dst = AppendUint(dst, p.OutgoingWindow)
	dst = appendOpt32(dst, p.HandleMax)
	dst = AppendSymbols(dst, p.OfferedCapabilities)
	dst = AppendSymbols(dst, p.DesiredCapabilities)
	return EndList(appendMap(dst, p.Properties), mark, 8)
}

func (p *Begin) read(f *Reader) {
	p.RemoteChannel = f.opt16()
	f.require("next-outgoing-id")
	p.NextOutgoingID = f.Uint32()
	f.require("incoming-window")
	p.IncomingWindow = f.Uint32()
	f.require("outgoing-window")
	p.OutgoingWindow = f.Uint32()
	p.HandleMax = f.opt32()
	p.OfferedCapabilities = f.Symbols()
	p.DesiredCapabilities = f.Symbols()
	p.Properties = f.MapValue()
}

// Append writes the Flow.
func (p *Flow) Append(dst []byte) []byte {
	dst, mark := BeginList(AppendDescriptor(dst, descFlow))
	dst = appendOpt32(dst, p.NextIncomingID)
	dst = AppendUint(dst, p.IncomingWindow)
	dst = AppendUint(dst, p.NextOutgoingID)
	dst = AppendUint(dst, p.OutgoingWindow)
	dst = appendOpt32(dst, p.Handle)
	dst = appendOpt32(dst, p.DeliveryCount)
	dst = appendOpt32(dst, p.LinkCredit)
	dst = appendOpt32(dst, p.Available)
	dst = AppendBool(dst, p.Drain)
	dst = AppendBool(dst, p.Echo)
	return EndList(appendMap(dst, p.Properties), mark, 11)
}

func (p *Flow) read(f *Reader) {
	p.NextIncomingID = f.opt32()
	f.require("incoming-window")
	p.IncomingWindow = f.Uint32()
	f.require("next-outgoing-id")
	p.NextOutgoingID = f.Uint32()
	f.require("outgoing-window")
	p.OutgoingWindow = f.Uint32()
	p.Handle = f.opt32()
	p.DeliveryCount = f.opt32()
	p.LinkCredit = f.opt32()
	p.Available = f.opt32()
	p.Drain = f.Bool()
	p.Echo = f.Bool()
	p.Properties = f.MapValue()
}

// Append writes the Detach.
func (p *Detach) Append(dst []byte) []byte {
	dst, mark := BeginList(AppendDescriptor(dst, descDetach))
	dst = AppendBool(AppendUint(dst, p.Handle), p.Closed)
	return EndList(appendError(dst, p.Error), mark, 3)
}

func (p *Detach) read(f *Reader) {
	f.require("handle")
	p.Handle = f.Uint32()
	p.Closed = f.Bool()
	p.Error = f.readError()
}

// Append writes the End.
func (p *End) Append(dst []byte) []byte {
	dst, mark := BeginList(AppendDescriptor(dst, descEnd))
	return EndList(appendError(dst, p.Error), mark, 1)
}

func (p *End) read(f *Reader) { p.Error = f.readError() }

// Append writes the Close.
func (p *Close) Append(dst []byte) []byte {
	dst, mark := BeginList(AppendDescriptor(dst, descClose))
	return EndList(appendError(dst, p.Error), mark, 1)
}

func (p *Close) read(f *Reader) { p.Error = f.readError() }

// DecodePerformative decodes the body of a frame. payload is what stands behind the performative: a transfer's part of
// a message, still in body's memory. The performative has memory of its own, but for a Transfer's DeliveryTag.
func DecodePerformative(body []byte) (p Performative, payload []byte, err error) {
	r := NewReader(body)
	switch code := r.Descriptor(); code {
	case descOpen:
		p = new(Open)
	case descBegin:
		p = new(Begin)
	case descAttach:
		p = new(Attach)
	case descFlow:
		p = new(Flow)
	case descTransfer:
		p = new(Transfer)
	case descDisposition:
		p = new(Disposition)
	case descDetach:
		p = new(Detach)
	case descEnd:
		p = new(End)
	case descClose:
		p = new(Close)
	default:
		if p = saslOf(code); p == nil {
			r.fail("descriptor 0x%x is no performative", code)
			return nil, nil, r.err
		}
	}
	fields := r.List()
	p.read(&fields)
	if !r.Adopt(&fields) {
		return nil, nil, r.err
	}
	return p, r.Rest(), nil
}

func (r *Reader) require(field string) {
	if r.Null() {
		r.fail("the mandatory field %s is missing", field)
	}
}

func (r *Reader) opt32() Opt[uint32] {
	if r.Null() {
		return Opt[uint32]{}
	}
	return Some(r.Uint32())
}

func (r *Reader) opt16() Opt[uint16] {
	if r.Null() {
		return Opt[uint16]{}
	}
	return Some(uint16(r.uintUpTo(math.MaxUint16)))
}

func (r *Reader) readError() *Error {
	if r.Null() {
		return nil
	}
	if code := r.Descriptor(); code != descError {
		r.fail("descriptor 0x%x where an error is due", code)
	}
	f := r.List()
	e := &Error{Condition: Symbol(f.Bytes()), Description: f.Text(), Info: f.MapValue()}
	r.Adopt(&f)
	return e
}

func appendError(dst []byte, e *Error) []byte {
	if e == nil {
		return AppendNull(dst)
	}
	dst, mark := BeginList(AppendDescriptor(dst, descError))
	dst = appendText(AppendSymbol(dst, e.Condition), e.Description)
	return EndList(appendMap(dst, e.Info), mark, 3)
}

func appendOpt32(dst []byte, v Opt[uint32]) []byte {
	if !v.Set {
		return AppendNull(dst)
	}
	return AppendUint(dst, v.Value)
}

func appendOpt16(dst []byte, v Opt[uint16]) []byte {
	if !v.Set {
		return AppendNull(dst)
	}
	return append(dst, codeUshort, byte(v.Value>>8), byte(v.Value))
}

func appendText(dst []byte, s string) []byte {
	if s == "" {
		return AppendNull(dst)
	}
	return AppendString(dst, s)
}

func appendName(dst []byte, s Symbol) []byte {
	if s == "" {
		return AppendNull(dst)
	}
	return AppendSymbol(dst, s)
}

func appendMap(dst []byte, m Map) []byte {
	if m == nil {
		return AppendNull(dst)
	}
	return AppendValue(dst, m)
}
