package infotable

import (
	"encoding/binary"
	"math"
)

// maxCount is the largest number of cells and aspects that the two count bytes can say.
const maxCount = math.MaxUint16

// AppendString appends the wire form of s: its length in one byte up to 127, else in four bytes with
// the top bit set, then its bytes (captured).
func AppendString(dst []byte, s string) []byte { return appendString(dst, s) }

func appendString[T string | []byte](dst []byte, s T) []byte {
	if len(s) < 0x80 {
		dst = append(dst, byte(len(s)))
	} else {
		dst = binary.BigEndian.AppendUint32(dst, 0x80000000|uint32(len(s)))
	}
	return append(dst, s...)
}

// AppendValue appends the typed primitive v: its type code and its content.
func AppendValue(dst []byte, v Value) []byte {
	for range v.variants {
		dst = append(dst, byte(TypeVariant))
	}
	t := v.bare()
	dst = append(dst, byte(t))
	switch t.form() {
	case formText:
		return AppendString(dst, v.text)
	case formBool:
		return append(dst, byte(v.bits))
	case formInt32:
		return binary.BigEndian.AppendUint32(dst, uint32(v.bits))
	case formInt64, formDouble:
		return binary.BigEndian.AppendUint64(dst, v.bits)
	case formPoint:
		return append(dst, v.text...)
	case formBytes:
		dst = binary.BigEndian.AppendUint32(dst, uint32(len(v.text)))
		return append(dst, v.text...)
	case formTable:
		return AppendTable(dst, v.table)
	default:
		return dst
	}
}

// AppendNumber, AppendInteger, AppendBoolean and AppendText append what AppendValue appends of such a value, for
// whoever has its content only.
func AppendNumber(dst []byte, f float64) []byte {
	return binary.BigEndian.AppendUint64(append(dst, byte(TypeNumber)), math.Float64bits(f))
}

// AppendInteger appends an INTEGER. See AppendNumber.
func AppendInteger(dst []byte, i int32) []byte {
	return append(dst, byte(TypeInteger), byte(i>>24), byte(i>>16), byte(i>>8), byte(i))
}

// AppendBoolean appends a BOOLEAN. See AppendNumber.
func AppendBoolean(dst []byte, b bool) []byte {
	if b {
		return append(dst, byte(TypeBoolean), 1)
	}
	return append(dst, byte(TypeBoolean), 0)
}

// AppendText appends a STRING. See AppendNumber.
func AppendText(dst, s []byte) []byte {
	return appendString(append(dst, byte(TypeString)), s)
}

// AppendTable appends the fields and rows of t without a type code before them. Each row is written with
// one cell per field: missing cells are NOTHING, surplus ones are left out. A field whose type cannot
// travel is written as STRING. A nil t is a table without fields.
func AppendTable(dst []byte, t *Table) []byte {
	if t == nil {
		return append(dst, 0, 0)
	}
	width := min(len(t.Fields), maxCount)
	for i := range width {
		dst = AppendField(dst, &t.Fields[i])
	}
	dst = append(dst, 0)
	for _, row := range t.Rows {
		dst = AppendRowHeader(dst, width)
		for i := range width {
			if i < len(row) {
				dst = AppendValue(dst, row[i])
			} else {
				dst = append(dst, byte(TypeNothing))
			}
		}
	}
	return append(dst, 0)
}

// AppendField appends one field. With [AppendRowHeader] and [AppendValue] it lets a caller write a table
// that it never builds: fields, a zero byte, rows, a zero byte.
func AppendField(dst []byte, f *Field) []byte {
	t := f.Type
	if !t.OnWire() {
		t = TypeString
	}
	dst = append(dst, 1)
	dst = AppendString(dst, f.Name)
	dst = AppendString(dst, f.Description)
	aspects := f.Aspects[:min(len(f.Aspects), maxCount)]
	dst = append(dst, byte(t), byte(len(aspects)>>8), byte(len(aspects)))
	for i := range aspects {
		dst = AppendString(dst, aspects[i].Name)
		dst = AppendValue(dst, aspects[i].Value)
	}
	return dst
}

// AppendRowHeader appends what precedes the cells of a row.
func AppendRowHeader(dst []byte, cells int) []byte {
	return append(dst, 1, byte(cells>>8), byte(cells))
}
