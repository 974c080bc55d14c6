package amqp10

// Descriptors of the standard, all below 0x0000_0000_0000_0100.
const (
	descOpen        = 0x10
	descBegin       = 0x11
	descAttach      = 0x12
	descFlow        = 0x13
	descTransfer    = 0x14
	descDisposition = 0x15
	descDetach      = 0x16
	descEnd         = 0x17
	descClose       = 0x18
	descError       = 0x1D

	descReceived = 0x23
	descAccepted = 0x24
	descRejected = 0x25
	descReleased = 0x26
	descModified = 0x27
	descSource   = 0x28
	descTarget   = 0x29

	descMechanisms = 0x40
	descInit       = 0x41
	descChallenge  = 0x42
	descResponse   = 0x43
	descOutcome    = 0x44
)

// The sections of a message by their descriptors (§3.2), for those who scan one with a Reader.
const (
	SectionHeader                uint64 = 0x70
	SectionDeliveryAnnotations   uint64 = 0x71
	SectionAnnotations           uint64 = 0x72
	SectionProperties            uint64 = 0x73
	SectionApplicationProperties uint64 = 0x74
	SectionData                  uint64 = 0x75
	SectionSequence              uint64 = 0x76
	SectionValue                 uint64 = 0x77
	SectionFooter                uint64 = 0x78
)

// codeOfName gives the number of a descriptor's symbolic name, 0 for an unknown one.
func codeOfName(name string) uint64 {
	const prefix = "amqp:"
	if len(name) <= len(prefix) || name[:len(prefix)] != prefix {
		return 0
	}
	switch name[len(prefix):] {
	case "open:list":
		return descOpen
	case "begin:list":
		return descBegin
	case "attach:list":
		return descAttach
	case "flow:list":
		return descFlow
	case "transfer:list":
		return descTransfer
	case "disposition:list":
		return descDisposition
	case "detach:list":
		return descDetach
	case "end:list":
		return descEnd
	case "close:list":
		return descClose
	case "error:list":
		return descError
	case "received:list":
		return descReceived
	case "accepted:list":
		return descAccepted
	case "rejected:list":
		return descRejected
	case "released:list":
		return descReleased
	case "modified:list":
		return descModified
	case "source:list":
		return descSource
	case "target:list":
		return descTarget
	}
	return codeOfSection(name[len(prefix):])
}

func codeOfSection(name string) uint64 {
	switch name {
	case "sasl-mechanisms:list":
		return descMechanisms
	case "sasl-init:list":
		return descInit
	case "sasl-challenge:list":
		return descChallenge
	case "sasl-response:list":
		return descResponse
	case "sasl-outcome:list":
		return descOutcome
	case "header:list":
		return SectionHeader
	case "delivery-annotations:map":
		return SectionDeliveryAnnotations
	case "message-annotations:map":
		return SectionAnnotations
	case "properties:list":
		return SectionProperties
	case "application-properties:map":
		return SectionApplicationProperties
	case "data:binary":
		return SectionData
	case "amqp-sequence:list":
		return SectionSequence
	case "amqp-value:*":
		return SectionValue
	case "footer:map":
		return SectionFooter
	}
	return 0
}
