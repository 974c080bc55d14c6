package decode

import "azx/internal/message"

// mostShort is how many digits a short number has at most, with its point.
const mostShort = 16

// short walks a number without exponent that is no longer, as nearly all are, and reads it on the way. It stays where it is before
// any other, and before what is none.
func (w *walker) short() (d message.Decimal) {
	text, at := w.text, w.at
	negative := at < len(text) && text[at] == '-'
	if negative {
		at++
	}
	begin, point := at, -1
	for end := min(len(text), begin+mostShort+1); at < end; at++ {
		if c := text[at]; isDigit(c) {
			d.Digits = d.Digits*10 + int64(c-'0')
		} else if c == '.' && point < 0 {
			point = at
		} else {
			break
		}
	}
	size := at - begin
	switch {
	case size == 0 || size > mostShort, point == begin, point == at-1:
		return message.Decimal{}
	case text[begin] == '0' && size > 1 && point != begin+1: // is no JSON
		return message.Decimal{}
	case negative && d.Digits == 0: // has a sign as a float64 only
		return message.Decimal{}
	case at < len(text) && (text[at] == 'e' || text[at] == 'E'):
		return message.Decimal{}
	}
	if negative {
		d.Digits = -d.Digits
	}
	if point >= 0 {
		d.Scale = at - point - 1
	}
	w.at, d.Short = at, true
	return d
}
