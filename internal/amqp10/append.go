package amqp10

import (
	"encoding/binary"
	"fmt"
	"math"
)

// AppendNull appends a null.
func AppendNull(dst []byte) []byte { return append(dst, codeNull) }

// AppendBool appends a boolean.
func AppendBool(dst []byte, v bool) []byte {
	if v {
		return append(dst, codeTrue)
	}
	return append(dst, codeFalse)
}

// AppendUbyte appends a ubyte.
func AppendUbyte(dst []byte, v uint8) []byte { return append(dst, codeUbyte, v) }

// AppendUint appends a uint in its shortest encoding.
func AppendUint(dst []byte, v uint32) []byte {
	switch {
	case v == 0:
		return append(dst, codeUint0)
	case v <= math.MaxUint8:
		return append(dst, codeSmallUint, byte(v))
	}
	return binary.BigEndian.AppendUint32(append(dst, codeUint), v)
}

// AppendUlong appends a ulong in its shortest encoding.
func AppendUlong(dst []byte, v uint64) []byte {
	switch {
	case v == 0:
		return append(dst, codeUlong0)
	case v <= math.MaxUint8:
		return append(dst, codeSmallUlong, byte(v))
	}
	return binary.BigEndian.AppendUint64(append(dst, codeUlong), v)
}

// AppendInt appends an int in its shortest encoding.
func AppendInt(dst []byte, v int32) []byte {
	if v == int32(int8(v)) {
		return append(dst, codeSmallInt, byte(v))
	}
	return binary.BigEndian.AppendUint32(append(dst, codeInt), uint32(v))
}

// AppendLong appends a long in its shortest encoding.
func AppendLong(dst []byte, v int64) []byte {
	if v == int64(int8(v)) {
		return append(dst, codeSmallLong, byte(v))
	}
	return binary.BigEndian.AppendUint64(append(dst, codeLong), uint64(v))
}

// AppendTimestamp appends a timestamp.
func AppendTimestamp(dst []byte, v Timestamp) []byte {
	return binary.BigEndian.AppendUint64(append(dst, codeTimestamp), uint64(v))
}

// AppendString appends a string.
func AppendString(dst []byte, v string) []byte {
	return append(appendSize(dst, codeString8, codeString32, len(v)), v...)
}

// AppendSymbol appends a symbol.
func AppendSymbol(dst []byte, v Symbol) []byte {
	return append(appendSize(dst, codeSymbol8, codeSymbol32, len(v)), v...)
}

// AppendBinary appends a binary.
func AppendBinary(dst []byte, v []byte) []byte {
	return append(appendSize(dst, codeBinary8, codeBinary32, len(v)), v...)
}

func appendSize(dst []byte, narrow, wide byte, n int) []byte {
	if n <= math.MaxUint8 {
		return append(dst, narrow, byte(n))
	}
	return binary.BigEndian.AppendUint32(append(dst, wide), uint32(n))
}

// AppendDescriptor appends a numeric descriptor; the described value has to follow.
func AppendDescriptor(dst []byte, code uint64) []byte {
	return AppendUlong(append(dst, codeDescribed), code)
}

// compoundHeader is the room BeginList and BeginMap leave: constructor, size and count in their wide form.
const compoundHeader = 9

// BeginList opens a list. Append its fields, then give mark and their number to EndList.
func BeginList(dst []byte) (opened []byte, mark int) {
	mark = len(dst)
	return append(dst, codeList32, 0, 0, 0, 0, 0, 0, 0, 0), mark
}

// EndList closes the list opened at mark.
func EndList(dst []byte, mark, count int) []byte {
	if count == 0 {
		return append(dst[:mark], codeList0)
	}
	return endCompound(dst, mark, count, codeList8)
}

// BeginMap opens a map. Append keys and values in turn, then give mark and the number of pairs to EndMap.
func BeginMap(dst []byte) (opened []byte, mark int) {
	mark = len(dst)
	return append(dst, codeMap32, 0, 0, 0, 0, 0, 0, 0, 0), mark
}

// EndMap closes the map opened at mark.
func EndMap(dst []byte, mark, pairs int) []byte { return endCompound(dst, mark, 2*pairs, codeMap8) }

// endCompound fills in the header left open at mark, and moves the body down when the one-byte form will do.
func endCompound(dst []byte, mark, count int, narrow byte) []byte {
	body := dst[mark+compoundHeader:]
	if len(body) < math.MaxUint8 && count <= math.MaxUint8 {
		dst[mark], dst[mark+1], dst[mark+2] = narrow, byte(len(body)+1), byte(count)
		n := copy(dst[mark+3:], body)
		return dst[:mark+3+n]
	}
	binary.BigEndian.PutUint32(dst[mark+1:], uint32(len(body)+4))
	binary.BigEndian.PutUint32(dst[mark+5:], uint32(count))
	return dst
}

// AppendValue appends v, whose type is one of those Value returns.
// Any other type is a mistake of the program that calls it, and panics.
func AppendValue(dst []byte, v any) []byte {
	switch v := v.(type) {
	case nil:
		return AppendNull(dst)
	case bool:
		return AppendBool(dst, v)
	case string:
		return AppendString(dst, v)
	case Symbol:
		return AppendSymbol(dst, v)
	case []byte:
		return AppendBinary(dst, v)
	case Described:
		return AppendValue(AppendValue(append(dst, codeDescribed), v.Descriptor), v.Value)
	case []any:
		dst, mark := BeginList(dst)
		for _, item := range v {
			dst = AppendValue(dst, item)
		}
		return EndList(dst, mark, len(v))
	case Map:
		dst, mark := BeginMap(dst)
		for _, p := range v {
			dst = AppendValue(AppendValue(dst, p.Key), p.Value)
		}
		return EndMap(dst, mark, len(v))
	case Array:
		return appendArray(dst, v)
	}
	return appendNumber(dst, v)
}

func appendNumber(dst []byte, v any) []byte {
	switch v := v.(type) {
	case uint8:
		return AppendUbyte(dst, v)
	case uint16:
		return binary.BigEndian.AppendUint16(append(dst, codeUshort), v)
	case uint32:
		return AppendUint(dst, v)
	case uint64:
		return AppendUlong(dst, v)
	case int8:
		return append(dst, codeByte, byte(v))
	case int16:
		return binary.BigEndian.AppendUint16(append(dst, codeShort), uint16(v))
	case int32:
		return AppendInt(dst, v)
	case int64:
		return AppendLong(dst, v)
	case float32:
		return binary.BigEndian.AppendUint32(append(dst, codeFloat), math.Float32bits(v))
	case float64:
		return binary.BigEndian.AppendUint64(append(dst, codeDouble), math.Float64bits(v))
	case Timestamp:
		return AppendTimestamp(dst, v)
	case Char:
		return binary.BigEndian.AppendUint32(append(dst, codeChar), uint32(v))
	case UUID:
		return append(append(dst, codeUUID), v[:]...)
	case Decimal:
		return append(append(dst, decimalCode(v)), v...)
	}
	panic(fmt.Sprintf("amqp10: a %T is no AMQP value", v))
}

func decimalCode(v Decimal) byte {
	switch len(v) {
	case 4:
		return codeDecimal32
	case 8:
		return codeDecimal64
	case 16:
		return codeDecimal128
	}
	panic(fmt.Sprintf("amqp10: a decimal of %d bytes is no AMQP value", len(v)))
}
