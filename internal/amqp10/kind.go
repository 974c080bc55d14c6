package amqp10

// Kind is the type of an encoded value, whatever the width of its encoding (§1.6).
type Kind byte

// The kinds of AMQP 1.0. KindNone is the end of the data, or bytes that are no value.
const (
	KindNone Kind = iota
	KindNull
	KindBool
	KindUbyte
	KindUshort
	KindUint
	KindUlong
	KindByte
	KindShort
	KindInt
	KindLong
	KindFloat
	KindDouble
	KindDecimal
	KindChar
	KindTimestamp
	KindUUID
	KindBinary
	KindString
	KindSymbol
	KindList
	KindMap
	KindArray
	KindDescribed
)

// Constructor bytes (§1.6).
const (
	codeDescribed  = 0x00
	codeNull       = 0x40
	codeTrue       = 0x41
	codeFalse      = 0x42
	codeUint0      = 0x43
	codeUlong0     = 0x44
	codeList0      = 0x45
	codeUbyte      = 0x50
	codeByte       = 0x51
	codeSmallUint  = 0x52
	codeSmallUlong = 0x53
	codeSmallInt   = 0x54
	codeSmallLong  = 0x55
	codeBool       = 0x56
	codeUshort     = 0x60
	codeShort      = 0x61
	codeUint       = 0x70
	codeInt        = 0x71
	codeFloat      = 0x72
	codeChar       = 0x73
	codeDecimal32  = 0x74
	codeUlong      = 0x80
	codeLong       = 0x81
	codeDouble     = 0x82
	codeTimestamp  = 0x83
	codeDecimal64  = 0x84
	codeDecimal128 = 0x94
	codeUUID       = 0x98
	codeBinary8    = 0xA0
	codeString8    = 0xA1
	codeSymbol8    = 0xA3
	codeBinary32   = 0xB0
	codeString32   = 0xB1
	codeSymbol32   = 0xB3
	codeList8      = 0xC0
	codeMap8       = 0xC1
	codeList32     = 0xD0
	codeMap32      = 0xD1
	codeArray8     = 0xE0
	codeArray32    = 0xF0
)

// kinds are the kinds by constructor; KindNone is that of a byte that is none.
var kinds = [256]Kind{
	codeDescribed: KindDescribed,
	codeNull:      KindNull,
	codeTrue:      KindBool, codeFalse: KindBool, codeBool: KindBool,
	codeUbyte:  KindUbyte,
	codeUshort: KindUshort,
	codeUint0:  KindUint, codeSmallUint: KindUint, codeUint: KindUint,
	codeUlong0: KindUlong, codeSmallUlong: KindUlong, codeUlong: KindUlong,
	codeByte:     KindByte,
	codeShort:    KindShort,
	codeSmallInt: KindInt, codeInt: KindInt,
	codeSmallLong: KindLong, codeLong: KindLong,
	codeFloat:     KindFloat,
	codeDouble:    KindDouble,
	codeDecimal32: KindDecimal, codeDecimal64: KindDecimal, codeDecimal128: KindDecimal,
	codeChar:      KindChar,
	codeTimestamp: KindTimestamp,
	codeUUID:      KindUUID,
	codeBinary8:   KindBinary, codeBinary32: KindBinary,
	codeString8: KindString, codeString32: KindString,
	codeSymbol8: KindSymbol, codeSymbol32: KindSymbol,
	codeList0: KindList, codeList8: KindList, codeList32: KindList,
	codeMap8: KindMap, codeMap32: KindMap,
	codeArray8: KindArray, codeArray32: KindArray,
}

func kindOf(code byte) Kind { return kinds[code] }

// fixedWidth is the number of bytes after the constructor of a code below 0xA0; the high half of a code tells it (§1.2).
func fixedWidth(code byte) int {
	switch code >> 4 {
	case 5:
		return 1
	case 6:
		return 2
	case 7:
		return 4
	case 8:
		return 8
	case 9:
		return 16
	}
	return 0
}
