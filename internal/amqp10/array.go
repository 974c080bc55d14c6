package amqp10

import (
	"encoding/binary"
	"fmt"
)

// AppendSymbols appends an array of symbols, or a null when there are none.
func AppendSymbols(dst []byte, symbols []Symbol) []byte {
	if len(symbols) == 0 {
		return AppendNull(dst)
	}
	items := make([]any, len(symbols))
	for i, s := range symbols {
		items[i] = s
	}
	return appendArray(dst, Array{Kind: KindSymbol, Items: items})
}

// Symbols reads an array of symbols, or a single one (§1.4 "multiple").
func (r *Reader) Symbols() []Symbol {
	if r.Null() {
		return nil
	}
	items, _ := r.Array()
	var symbols []Symbol
	for items.More() {
		symbols = append(symbols, Symbol(items.Bytes()))
	}
	r.Adopt(&items)
	return symbols
}

// arrayCode is the constructor the elements of an array of this kind share: the widest, which fits every element.
func arrayCode(a Array) byte {
	codes := [...]byte{
		KindNull: codeNull, KindBool: codeBool, KindUbyte: codeUbyte, KindUshort: codeUshort, KindUint: codeUint,
		KindUlong: codeUlong, KindByte: codeByte, KindShort: codeShort, KindInt: codeInt, KindLong: codeLong,
		KindFloat: codeFloat, KindDouble: codeDouble, KindChar: codeChar, KindTimestamp: codeTimestamp,
		KindUUID: codeUUID, KindBinary: codeBinary32, KindString: codeString32, KindSymbol: codeSymbol32,
		KindList: codeList32, KindMap: codeMap32, KindArray: codeArray32, KindDescribed: 0,
	}
	if a.Kind == KindDecimal && len(a.Items) > 0 {
		d, _ := a.Items[0].(Decimal)
		return decimalCode(d)
	}
	if a.Kind == KindDecimal {
		return codeDecimal128
	}
	return codes[a.Kind]
}

// appendArray writes an array with four bytes of size, count and element size.
func appendArray(dst []byte, a Array) []byte {
	mark := len(dst)
	dst = append(dst, codeArray32, 0, 0, 0, 0, 0, 0, 0, 0)
	if a.Descriptor != nil {
		dst = AppendValue(append(dst, codeDescribed), a.Descriptor)
	}
	code := arrayCode(a)
	if code == 0 {
		panic(fmt.Sprintf("amqp10: an array of kind %d is no AMQP value", a.Kind))
	}
	dst = append(dst, code)
	for _, item := range a.Items {
		dst = appendElement(dst, code, item)
	}
	binary.BigEndian.PutUint32(dst[mark+1:], uint32(len(dst)-mark-5))
	binary.BigEndian.PutUint32(dst[mark+5:], uint32(len(a.Items)))
	return dst
}

// appendElement writes a value in the form its array's constructor promises, without a constructor of its own.
func appendElement(dst []byte, code byte, item any) []byte {
	start := len(dst)
	if kindOf(code) == KindBool {
		b := byte(0)
		if v, _ := item.(bool); v {
			b = 1
		}
		return append(dst, b)
	}
	dst = AppendValue(dst, item)
	got := dst[start]
	if kindOf(got) != kindOf(code) || kindOf(code) == KindDecimal && got != code {
		panic(fmt.Sprintf("amqp10: a %T stands in an array of another kind", item))
	}
	if got == code {
		return append(dst[:start], dst[start+1:]...)
	}
	return widen(dst, start, code)
}

// widen rewrites the value at start, which has a narrower constructor than code, in code's form without a constructor.
func widen(dst []byte, start int, code byte) []byte {
	short := Reader{buf: append([]byte{}, dst[start:]...), left: -1}
	dst = dst[:start]
	switch kindOf(code) {
	case KindUint:
		return binary.BigEndian.AppendUint32(dst, short.Uint32())
	case KindUlong:
		return binary.BigEndian.AppendUint64(dst, short.Uint())
	case KindInt:
		return binary.BigEndian.AppendUint32(dst, uint32(short.Int()))
	case KindLong:
		return binary.BigEndian.AppendUint64(dst, uint64(short.Int()))
	case KindList, KindMap:
		return widenCompound(dst, short.buf)
	}
	b := short.Bytes()
	return append(binary.BigEndian.AppendUint32(dst, uint32(len(b))), b...)
}

// widenCompound rewrites a list or map of one-byte sizes (or the empty list) with four-byte sizes.
func widenCompound(dst, short []byte) []byte {
	var count uint32
	var body []byte
	if short[0] != codeList0 {
		count, body = uint32(short[2]), short[3:]
	}
	dst = binary.BigEndian.AppendUint32(dst, uint32(len(body)+4))
	return append(binary.BigEndian.AppendUint32(dst, count), body...)
}
