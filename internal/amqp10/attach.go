package amqp10

import "math"

// Role tells which end of a link a peer is; on the wire true is the receiver (§2.8.1).
type Role bool

// The roles of a link's ends.
const (
	RoleSender   Role = false
	RoleReceiver Role = true
)

// Settlement modes of a link's sender (§2.8.2).
const (
	SenderUnsettled uint8 = 0
	SenderSettled   uint8 = 1
	SenderMixed     uint8 = 2
)

// Settlement modes of a link's receiver (§2.8.3).
const (
	ReceiverFirst  uint8 = 0
	ReceiverSecond uint8 = 1
)

// Attach starts a link (§2.7.3).
type Attach struct {
	Name                 string
	Handle               uint32
	Role                 Role
	SenderSettleMode     uint8 // absent reads as SenderMixed
	ReceiverSettleMode   uint8
	Source               *Source // nil in an answer: refused, a Detach follows
	Target               *Target
	Unsettled            Map
	IncompleteUnsettled  bool
	InitialDeliveryCount Opt[uint32]
	MaxMessageSize       uint64 // bytes; 0: no limit
	OfferedCapabilities  []Symbol
	DesiredCapabilities  []Symbol
	Properties           Map
}

// Source is where a link's messages come from (§3.5.3).
type Source struct {
	Address               string
	Durable               uint32
	ExpiryPolicy          Symbol
	Timeout               uint32 // seconds
	Dynamic               bool
	DynamicNodeProperties Map
	DistributionMode      Symbol
	Filter                Map // values are Described
	DefaultOutcome        State
	Outcomes              []Symbol
	Capabilities          []Symbol
}

// Target is where a link's messages go (§3.5.4).
type Target struct {
	Address               string
	Durable               uint32
	ExpiryPolicy          Symbol
	Timeout               uint32 // seconds
	Dynamic               bool
	DynamicNodeProperties Map
	Capabilities          []Symbol
}

// Append writes the Attach.
func (p *Attach) Append(dst []byte) []byte {
	dst, mark := BeginList(AppendDescriptor(dst, descAttach))
	dst = AppendUint(AppendString(dst, p.Name), p.Handle)
	dst = AppendBool(dst, bool(p.Role))
	dst = AppendUbyte(AppendUbyte(dst, p.SenderSettleMode), p.ReceiverSettleMode)
	dst = p.Source.append(dst)
	dst = p.Target.append(dst)
	dst = appendMap(dst, p.Unsettled)
	dst = AppendBool(dst, p.IncompleteUnsettled)
	dst = appendOpt32(dst, p.InitialDeliveryCount)
	dst = AppendUlong(dst, p.MaxMessageSize)
	dst = AppendSymbols(dst, p.OfferedCapabilities)
	dst = AppendSymbols(dst, p.DesiredCapabilities)
	return EndList(appendMap(dst, p.Properties), mark, 14)
}

func (p *Attach) read(f *Reader) {
	f.require("name")
	p.Name = f.Text()
	f.require("handle")
	p.Handle = f.Uint32()
	f.require("role")
	p.Role = Role(f.Bool())
	p.SenderSettleMode = SenderMixed
	if !f.Null() {
		p.SenderSettleMode = uint8(f.uintUpTo(uint64(SenderMixed)))
	}
	p.ReceiverSettleMode = uint8(f.uintUpTo(uint64(ReceiverSecond)))
	p.Source = readSource(f)
	p.Target = readTarget(f)
	p.Unsettled = f.MapValue()
	p.IncompleteUnsettled = f.Bool()
	p.InitialDeliveryCount = f.opt32()
	p.MaxMessageSize = f.Uint()
	p.OfferedCapabilities = f.Symbols()
	p.DesiredCapabilities = f.Symbols()
	p.Properties = f.MapValue()
}

func (s *Source) append(dst []byte) []byte {
	if s == nil {
		return AppendNull(dst)
	}
	dst, mark := BeginList(AppendDescriptor(dst, descSource))
	dst = AppendUint(appendText(dst, s.Address), s.Durable)
	dst = AppendUint(appendName(dst, s.ExpiryPolicy), s.Timeout)
	dst = appendMap(AppendBool(dst, s.Dynamic), s.DynamicNodeProperties)
	dst = appendName(dst, s.DistributionMode)
	dst = appendMap(dst, s.Filter)
	dst = s.DefaultOutcome.append(dst)
	dst = AppendSymbols(dst, s.Outcomes)
	return EndList(AppendSymbols(dst, s.Capabilities), mark, 11)
}

func readSource(r *Reader) *Source {
	if r.Null() {
		return nil
	}
	if code := r.Descriptor(); code != descSource {
		r.fail("descriptor 0x%x where a source is due", code)
		return nil
	}
	f := r.List()
	s := &Source{Address: f.Text(), Durable: f.Uint32(), ExpiryPolicy: Symbol(f.Bytes()), Timeout: f.Uint32(), Dynamic: f.Bool()}
	s.DynamicNodeProperties = f.MapValue()
	s.DistributionMode = Symbol(f.Bytes())
	s.Filter = f.MapValue()
	s.DefaultOutcome.read(&f)
	s.Outcomes = f.Symbols()
	s.Capabilities = f.Symbols()
	r.Adopt(&f)
	return s
}

func (t *Target) append(dst []byte) []byte {
	if t == nil {
		return AppendNull(dst)
	}
	dst, mark := BeginList(AppendDescriptor(dst, descTarget))
	dst = AppendUint(appendText(dst, t.Address), t.Durable)
	dst = AppendUint(appendName(dst, t.ExpiryPolicy), t.Timeout)
	dst = appendMap(AppendBool(dst, t.Dynamic), t.DynamicNodeProperties)
	return EndList(AppendSymbols(dst, t.Capabilities), mark, 7)
}

// readTarget reads a target. A transaction coordinator, which this package does not offer, reads as none.
func readTarget(r *Reader) *Target {
	if r.Null() {
		return nil
	}
	if r.Descriptor() != descTarget {
		r.Skip()
		return nil
	}
	f := r.List()
	t := &Target{Address: f.Text(), Durable: f.Uint32(), ExpiryPolicy: Symbol(f.Bytes()), Timeout: f.Uint32(), Dynamic: f.Bool()}
	t.DynamicNodeProperties = f.MapValue()
	t.Capabilities = f.Symbols()
	r.Adopt(&f)
	return t
}

// Outcome is the kind of a State: its descriptor (§3.4). OutcomeNone is the absence of a state.
type Outcome uint64

// The delivery states of the standard.
const (
	OutcomeNone     Outcome = 0
	OutcomeReceived Outcome = descReceived
	OutcomeAccepted Outcome = descAccepted
	OutcomeRejected Outcome = descRejected
	OutcomeReleased Outcome = descReleased
	OutcomeModified Outcome = descModified
)

// State is the state of a delivery (§3.4). A state of a kind not named above keeps its descriptor only.
type State struct {
	Outcome           Outcome
	Error             *Error // of a rejected one
	DeliveryFailed    bool   // of a modified one
	UndeliverableHere bool   // of a modified one
	Annotations       Map    // of a modified one
	SectionNumber     uint32 // of a received one
	SectionOffset     uint64 // of a received one
}

func (s *State) append(dst []byte) []byte {
	if s.Outcome == OutcomeNone {
		return AppendNull(dst)
	}
	dst, mark := BeginList(AppendDescriptor(dst, uint64(s.Outcome)))
	switch s.Outcome {
	case OutcomeReceived:
		return EndList(AppendUlong(AppendUint(dst, s.SectionNumber), s.SectionOffset), mark, 2)
	case OutcomeRejected:
		return EndList(appendError(dst, s.Error), mark, 1)
	case OutcomeModified:
		dst = AppendBool(AppendBool(dst, s.DeliveryFailed), s.UndeliverableHere)
		return EndList(appendMap(dst, s.Annotations), mark, 3)
	}
	return EndList(dst, mark, 0)
}

func (s *State) read(r *Reader) {
	*s = State{}
	if r.Null() {
		return
	}
	s.Outcome = Outcome(r.Descriptor())
	if s.Outcome == OutcomeNone {
		s.Outcome = math.MaxUint64 // a symbolic name this package does not know
	}
	if s.Outcome < OutcomeReceived || s.Outcome > OutcomeModified {
		r.Skip()
		return
	}
	f := r.List()
	switch s.Outcome {
	case OutcomeReceived:
		s.SectionNumber, s.SectionOffset = f.Uint32(), f.Uint()
	case OutcomeRejected:
		s.Error = f.readError()
	case OutcomeModified:
		s.DeliveryFailed, s.UndeliverableHere = f.Bool(), f.Bool()
		s.Annotations = f.MapValue()
	}
	r.Adopt(&f)
}
