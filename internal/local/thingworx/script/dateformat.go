package script

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"
)

// part is a run of one letter in a date pattern, or text that stands for itself.
type part struct {
	letter byte // 0 for text
	count  int
	text   string
}

// maxPattern bounds patterns, in bytes.
const maxPattern = 256

// datePattern reads a pattern as Java's Joda-Time has them, such as yyyy-MM-dd HH:mm:ss.SSS. Text is in single
// quotes; two of them are one.
func datePattern(pattern string) ([]part, error) {
	if len(pattern) > maxPattern {
		return nil, fmt.Errorf("the pattern has more than %d characters", maxPattern)
	}
	var parts []part
	for i := 0; i < len(pattern); {
		c := pattern[i]
		switch {
		case c == '\'':
			text, next, err := quotedText(pattern, i)
			if err != nil {
				return nil, err
			}
			parts, i = append(parts, part{text: text}), next
		case c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z':
			n := 1
			for i+n < len(pattern) && pattern[i+n] == c {
				n++
			}
			if !strings.ContainsRune("yYMdHhkKmsSaEeDZzx", rune(c)) {
				return nil, fmt.Errorf("the pattern's letter %c is not known", c)
			}
			parts, i = append(parts, part{letter: c, count: n}), i+n
		default:
			parts, i = append(parts, part{text: string(c)}), i+1
		}
	}
	return parts, nil
}

func quotedText(pattern string, at int) (text string, next int, err error) {
	if strings.HasPrefix(pattern[at:], "''") {
		return "'", at + 2, nil
	}
	end := strings.IndexByte(pattern[at+1:], '\'')
	if end < 0 {
		return "", 0, errors.New("the pattern's quote is not closed")
	}
	return pattern[at+1 : at+1+end], at + end + 2, nil
}

func formatDate(t time.Time, pattern string) (string, error) {
	parts, err := datePattern(pattern)
	if err != nil {
		return "", err
	}
	var b strings.Builder
	for _, p := range parts {
		b.WriteString(p.format(t))
	}
	return b.String(), nil
}

func (p part) format(t time.Time) string {
	digits := func(n int) string { return fmt.Sprintf("%0*d", p.count, n) }
	switch p.letter {
	case 'y', 'Y':
		if p.count == 2 {
			return fmt.Sprintf("%02d", t.Year()%100)
		}
		return digits(t.Year())
	case 'M':
		return p.word(digits(int(t.Month())), t.Month().String())
	case 'd':
		return digits(t.Day())
	case 'D':
		return digits(t.YearDay())
	case 'H':
		return digits(t.Hour())
	case 'k':
		return digits((t.Hour()+23)%24 + 1)
	case 'h':
		return digits((t.Hour()+11)%12 + 1)
	case 'K':
		return digits(t.Hour() % 12)
	case 'm':
		return digits(t.Minute())
	case 's':
		return digits(t.Second())
	case 'S':
		return p.fraction(t)
	case 'a':
		return t.Format("PM")
	case 'e':
		return digits((int(t.Weekday())+6)%7 + 1)
	case 'E':
		return p.day(t.Weekday().String())
	case 'Z', 'x':
		return p.offset(t)
	case 'z':
		return t.Format("MST")
	default:
		return p.text
	}
}

// word is a month: two digits, three letters or the whole name.
func (p part) word(digits, name string) string {
	switch {
	case p.count < 3:
		return digits
	case p.count == 3:
		return name[:3]
	default:
		return name
	}
}

func (p part) day(name string) string {
	if p.count < 4 {
		return name[:3]
	}
	return name
}

// fraction is as many digits of the second's fraction as there are letters.
func (p part) fraction(t time.Time) string {
	all := fmt.Sprintf("%09d", t.Nanosecond())
	if p.count <= len(all) {
		return all[:p.count]
	}
	return all + strings.Repeat("0", p.count-len(all))
}

func (p part) offset(t time.Time) string {
	if p.count >= 2 {
		return t.Format("-07:00")
	}
	return t.Format("-0700")
}

// layout is the part as Go's package time reads it; digits may be fewer than letters.
func (p part) layout() (string, error) {
	switch p.letter {
	case 'y', 'Y':
		return choose(p.count == 2, "06", "2006"), nil
	case 'M':
		return [...]string{"1", "1", "Jan", "January"}[min(p.count, 4)-1], nil
	case 'd':
		return "2", nil
	case 'H':
		return "15", nil
	case 'h', 'K':
		return "3", nil
	case 'm':
		return "4", nil
	case 's':
		return "5", nil
	case 'a':
		return "PM", nil
	case 'E':
		return choose(p.count < 4, "Mon", "Monday"), nil
	case 'Z', 'x':
		return choose(p.count < 2, "Z0700", "Z07:00"), nil
	case 'z':
		return "MST", nil
	default:
		return "", fmt.Errorf("the pattern's letter %c is not read, only written", p.letter)
	}
}

func choose(first bool, a, b string) string {
	if first {
		return a
	}
	return b
}

// parseDate reads a date by a pattern, in the machine's time zone if the text has no offset. The pattern's texts
// must not look like parts of Go's own layouts, so that text and pattern are gone through together.
func parseDate(text, pattern string) (time.Time, error) {
	parts, err := datePattern(pattern)
	if err != nil {
		return time.Time{}, err
	}
	var layouts, values []string
	rest := text
	nanos := 0
	for i, p := range parts {
		if p.letter == 0 {
			var ok bool
			if rest, ok = strings.CutPrefix(rest, p.text); !ok {
				return time.Time{}, fmt.Errorf("%q does not fit the pattern %q", text, pattern)
			}
			continue
		}
		var value string
		value, rest = p.take(rest, i+1 < len(parts) && parts[i+1].letter != 0)
		if p.letter == 'S' {
			if nanos, err = strconv.Atoi((value + "000000000")[:9]); err != nil {
				return time.Time{}, fmt.Errorf("%q does not fit the pattern %q", text, pattern)
			}
			continue
		}
		layout, err := p.layout()
		if err != nil {
			return time.Time{}, err
		}
		layouts, values = append(layouts, layout), append(values, value)
	}
	t, err := time.ParseInLocation(strings.Join(layouts, "|"), strings.Join(values, "|"), time.Local)
	if err != nil || rest != "" {
		return time.Time{}, fmt.Errorf("%q does not fit the pattern %q", text, pattern)
	}
	return t.Add(time.Duration(nanos)), nil
}

// take cuts what belongs to the part off the front of text: as many characters as letters if another part follows
// without text between them, else all that can belong to it.
func (p part) take(text string, tight bool) (value, rest string) {
	n := 0
	for n < len(text) && p.accepts(text[n], n) && (!tight || n < p.count) {
		n++
	}
	return text[:n], text[n:]
}

func (p part) accepts(c byte, at int) bool {
	letter := c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z'
	digit := c >= '0' && c <= '9'
	switch p.letter {
	case 'Z', 'x':
		return digit || c == ':' || at == 0 && (c == '+' || c == '-' || c == 'Z')
	case 'a', 'E', 'z':
		return letter
	case 'M':
		return digit && p.count < 3 || letter && p.count >= 3
	default:
		return digit
	}
}
