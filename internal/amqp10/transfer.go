package amqp10

// Transfer carries a message or a part of one (§2.7.5).
type Transfer struct {
	Handle             uint32
	DeliveryID         Opt[uint32] // in the first frame of a delivery
	DeliveryTag        []byte
	MessageFormat      Opt[uint32]
	Settled            Opt[bool]
	More               bool
	ReceiverSettleMode Opt[uint8]
	State              State
	Resume             bool
	Aborted            bool
	Batchable          bool
}

// Disposition tells the state of a range of deliveries (§2.7.6).
type Disposition struct {
	Role      Role // of the end that sends it
	First     uint32
	Last      Opt[uint32] // absent: First
	Settled   bool
	State     State
	Batchable bool
}

// Append writes the Transfer; the payload has to follow.
func (p *Transfer) Append(dst []byte) []byte {
	dst, mark := BeginList(AppendDescriptor(dst, descTransfer))
	dst = appendOpt32(AppendUint(dst, p.Handle), p.DeliveryID)
	if p.DeliveryTag == nil {
		dst = AppendNull(dst)
	} else {
		dst = AppendBinary(dst, p.DeliveryTag)
	}
	dst = appendOpt32(dst, p.MessageFormat)
	dst = appendOptBool(dst, p.Settled)
	dst = AppendBool(dst, p.More)
	if p.ReceiverSettleMode.Set {
		dst = AppendUbyte(dst, p.ReceiverSettleMode.Value)
	} else {
		dst = AppendNull(dst)
	}
	dst = p.State.append(dst)
	dst = AppendBool(AppendBool(dst, p.Resume), p.Aborted)
	return EndList(AppendBool(dst, p.Batchable), mark, 11)
}

func (p *Transfer) read(f *Reader) {
	f.require("handle")
	p.Handle = f.Uint32()
	p.DeliveryID = f.opt32()
	p.DeliveryTag = f.Bytes()
	p.MessageFormat = f.opt32()
	if !f.Null() {
		p.Settled = Some(f.Bool())
	}
	p.More = f.Bool()
	if !f.Null() {
		p.ReceiverSettleMode = Some(uint8(f.uintUpTo(uint64(ReceiverSecond))))
	}
	p.State.read(f)
	p.Resume = f.Bool()
	p.Aborted = f.Bool()
	p.Batchable = f.Bool()
}

// scan reads a frame's body into p, in place and without memory of its own, if it is a transfer.
func (p *Transfer) scan(body []byte) (payload []byte, is bool, err error) {
	r := NewReader(body)
	if r.Descriptor() != descTransfer {
		return nil, false, nil // or malformed: the decoder tells
	}
	*p = Transfer{}
	fields := r.List()
	p.read(&fields)
	if !r.Adopt(&fields) {
		return nil, false, r.err
	}
	return r.Rest(), true, nil
}

// Append writes the Disposition.
func (p *Disposition) Append(dst []byte) []byte {
	dst, mark := BeginList(AppendDescriptor(dst, descDisposition))
	dst = AppendUint(AppendBool(dst, bool(p.Role)), p.First)
	dst = AppendBool(appendOpt32(dst, p.Last), p.Settled)
	return EndList(AppendBool(p.State.append(dst), p.Batchable), mark, 6)
}

func (p *Disposition) read(f *Reader) {
	f.require("role")
	p.Role = Role(f.Bool())
	f.require("first")
	p.First = f.Uint32()
	p.Last = f.opt32()
	p.Settled = f.Bool()
	p.State.read(f)
	p.Batchable = f.Bool()
}

func appendOptBool(dst []byte, v Opt[bool]) []byte {
	if !v.Set {
		return AppendNull(dst)
	}
	return AppendBool(dst, v.Value)
}
