package amqp10

import "bytes"

// Results of a SASL exchange (§5.3.3.6).
const (
	SASLOK   uint8 = 0
	SASLAuth uint8 = 1 // the credentials are wrong
)

// SASLMechanisms is the server's offer (§5.3.3.1).
type SASLMechanisms struct{ Mechanisms []Symbol }

// SASLInit is the client's choice (§5.3.3.2).
type SASLInit struct {
	Mechanism       Symbol
	InitialResponse []byte
	Hostname        string
}

// SASLChallenge asks the client for more (§5.3.3.3).
type SASLChallenge struct{ Challenge []byte }

// SASLResponse answers a challenge (§5.3.3.4).
type SASLResponse struct{ Response []byte }

// SASLOutcome ends the exchange (§5.3.3.5).
type SASLOutcome struct {
	Code           uint8
	AdditionalData []byte
}

// Append writes the SASLMechanisms.
func (p *SASLMechanisms) Append(dst []byte) []byte {
	dst, mark := BeginList(AppendDescriptor(dst, descMechanisms))
	return EndList(AppendSymbols(dst, p.Mechanisms), mark, 1)
}

func (p *SASLMechanisms) read(f *Reader) { p.Mechanisms = f.Symbols() }

// Append writes the SASLInit.
func (p *SASLInit) Append(dst []byte) []byte {
	dst, mark := BeginList(AppendDescriptor(dst, descInit))
	dst = appendBytes(AppendSymbol(dst, p.Mechanism), p.InitialResponse)
	return EndList(appendText(dst, p.Hostname), mark, 3)
}

func (p *SASLInit) read(f *Reader) {
	f.require("mechanism")
	p.Mechanism = Symbol(f.Bytes())
	p.InitialResponse = bytes.Clone(f.Bytes())
	p.Hostname = f.Text()
}

// Append writes the SASLChallenge.
func (p *SASLChallenge) Append(dst []byte) []byte {
	dst, mark := BeginList(AppendDescriptor(dst, descChallenge))
	return EndList(AppendBinary(dst, p.Challenge), mark, 1)
}

func (p *SASLChallenge) read(f *Reader) { p.Challenge = bytes.Clone(f.Bytes()) }

// Append writes the SASLResponse.
func (p *SASLResponse) Append(dst []byte) []byte {
	dst, mark := BeginList(AppendDescriptor(dst, descResponse))
	return EndList(AppendBinary(dst, p.Response), mark, 1)
}

func (p *SASLResponse) read(f *Reader) { p.Response = bytes.Clone(f.Bytes()) }

// Append writes the SASLOutcome.
func (p *SASLOutcome) Append(dst []byte) []byte {
	dst, mark := BeginList(AppendDescriptor(dst, descOutcome))
	return EndList(appendBytes(AppendUbyte(dst, p.Code), p.AdditionalData), mark, 2)
}

func (p *SASLOutcome) read(f *Reader) {
	f.require("code")
	p.Code = uint8(f.uintUpTo(255))
	p.AdditionalData = bytes.Clone(f.Bytes())
}

func appendBytes(dst, v []byte) []byte {
	if v == nil {
		return AppendNull(dst)
	}
	return AppendBinary(dst, v)
}

func saslOf(code uint64) Performative {
	switch code {
	case descMechanisms:
		return new(SASLMechanisms)
	case descInit:
		return new(SASLInit)
	case descChallenge:
		return new(SASLChallenge)
	case descResponse:
		return new(SASLResponse)
	case descOutcome:
		return new(SASLOutcome)
	}
	return nil
}
