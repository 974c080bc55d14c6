package script

import (
	"fmt"
	"math"
	"strconv"
	"strings"
)

// numberPattern is a pattern of Java's DecimalFormat, such as #,##0.00 or 0.0%.
type numberPattern struct {
	before, after   string
	whole           int // digits before the point, at least
	least, most     int // digits behind it
	group           int // digits between commas; 0 for none
	percent         bool
	alternateMinus  bool // the pattern has a part of its own for negative numbers
	minusB, minusAf string
}

func formatNumber(f float64, pattern string) (string, error) {
	if len(pattern) > maxPattern {
		return "", fmt.Errorf("the pattern has more than %d characters", maxPattern)
	}
	if math.IsNaN(f) || math.IsInf(f, 0) {
		return "", fmt.Errorf("%v has no decimal form", f)
	}
	p, err := readNumberPattern(pattern)
	if err != nil {
		return "", err
	}
	return p.format(f), nil
}

func readNumberPattern(pattern string) (numberPattern, error) {
	positive, negative, both := strings.Cut(pattern, ";")
	p, err := readNumberPart(positive)
	if err != nil || !both {
		return p, err
	}
	n, err := readNumberPart(negative)
	p.alternateMinus, p.minusB, p.minusAf = true, n.before, n.after
	return p, err
}

func readNumberPart(pattern string) (numberPattern, error) {
	isDigit := func(c rune) bool { return strings.ContainsRune("#0,.", c) }
	start := strings.IndexFunc(pattern, isDigit)
	if start < 0 {
		return numberPattern{}, fmt.Errorf("the pattern %q has no # and no 0", pattern)
	}
	end := start + strings.IndexFunc(pattern[start:]+"x", func(c rune) bool { return !isDigit(c) })
	p := numberPattern{before: pattern[:start], after: pattern[end:]}
	if strings.ContainsRune(p.after, 'E') {
		return p, fmt.Errorf("the pattern %q: exponents are not supported", pattern)
	}
	p.percent = strings.Contains(p.before+p.after, "%")
	p.before, p.after = strings.ReplaceAll(p.before, "'", ""), strings.ReplaceAll(p.after, "'", "")
	whole, fraction, _ := strings.Cut(pattern[start:end], ".")
	if comma := strings.LastIndexByte(whole, ','); comma >= 0 {
		p.group = len(whole) - comma - 1
	}
	p.whole = strings.Count(whole, "0")
	p.least = strings.Count(fraction, "0")
	p.most = p.least + strings.Count(fraction, "#")
	return p, nil
}

// format rounds half to even, as the platform's formatter does by default.
func (p numberPattern) format(f float64) string {
	if p.percent {
		f *= 100
	}
	text := strconv.FormatFloat(math.Abs(f), 'f', p.most, 64)
	whole, fraction, _ := strings.Cut(text, ".")
	for len(fraction) > p.least && strings.HasSuffix(fraction, "0") {
		fraction = fraction[:len(fraction)-1]
	}
	whole = strings.TrimLeft(whole, "0")
	if missing := p.whole - len(whole); missing > 0 {
		whole = strings.Repeat("0", missing) + whole
	}
	if whole == "" && fraction == "" {
		whole = "0"
	}
	whole = grouped(whole, p.group)
	if fraction != "" {
		whole += "." + fraction
	}
	negative := f < 0 && strings.Trim(whole, "0.,") != ""
	switch {
	case negative && p.alternateMinus:
		return p.minusB + whole + p.minusAf
	case negative:
		return "-" + p.before + whole + p.after
	default:
		return p.before + whole + p.after
	}
}

func grouped(whole string, size int) string {
	if size <= 0 {
		return whole
	}
	var b strings.Builder
	for i, c := range whole {
		if i > 0 && (len(whole)-i)%size == 0 {
			b.WriteByte(',')
		}
		b.WriteRune(c)
	}
	return b.String()
}
