package alwayson

import (
	"encoding/binary"
	"fmt"
	"math"

	"azx/alwayson/infotable"
)

// appKeyName is both the claim and the HTTP header that carry the application key (captured).
const appKeyName = "appKey"

// Gateway is the gateway that a BIND may name. The zero Gateway means none; both parts are needed.
type Gateway struct {
	Name     string // Thing; if there is none the platform makes an ephemeral one (read)
	Template string // Thing template with a gateway shape, such as SDKGateway (read)
}

// Binding is the body of BIND and UNBIND (captured).
type Binding struct {
	Gateway Gateway
	// Names are Things, at most 65,535. One that begins with "*" is a Thing's identifier instead of its name.
	Names []string
}

// AppendAuth appends the body of AUTH. Of more than 255 claims the first 255 are written.
func AppendAuth(dst []byte, claims []Pair) []byte { return appendPairs(dst, claims) }

// DecodeAuth reads the body of AUTH. Values are secrets: never log them.
func DecodeAuth(body []byte) ([]Pair, error) {
	s := scanner{rest: body}
	claims := s.pairs()
	if s.err != nil {
		return nil, fmt.Errorf("decode AUTH: %w", s.err)
	}
	return claims, nil
}

// AppendBinding appends the body of BIND or UNBIND. Names past 65,535 are left out: split before.
func AppendBinding(dst []byte, b *Binding) []byte {
	if b.Gateway.Name != "" && b.Gateway.Template != "" {
		dst = append(dst, 1)
		dst = infotable.AppendString(dst, b.Gateway.Name)
		dst = infotable.AppendString(dst, b.Gateway.Template)
	} else {
		dst = append(dst, 0)
	}
	names := b.Names[:min(len(b.Names), math.MaxUint16)]
	dst = binary.BigEndian.AppendUint16(dst, uint16(len(names)))
	for _, name := range names {
		dst = infotable.AppendString(dst, name)
	}
	return dst
}

// DecodeBinding reads the body of BIND or UNBIND.
func DecodeBinding(body []byte) (Binding, error) {
	var b Binding
	s := scanner{rest: body}
	if s.byte() != 0 {
		b.Gateway = Gateway{Name: s.string(), Template: s.string()}
	}
	count := int(s.byte())<<8 | int(s.byte())
	if count > len(s.rest) {
		s.fail(infotable.ErrTruncated)
	}
	if s.err == nil && count > 0 {
		b.Names = make([]string, 0, count)
		for range count {
			b.Names = append(b.Names, s.string())
		}
	}
	if s.err != nil {
		return Binding{}, fmt.Errorf("decode binding: %w", s.err)
	}
	return b, nil
}

func appendPairs(dst []byte, pairs []Pair) []byte {
	pairs = pairs[:min(len(pairs), math.MaxUint8)]
	dst = append(dst, byte(len(pairs)))
	for _, p := range pairs {
		dst = infotable.AppendString(dst, p.Name)
		dst = infotable.AppendString(dst, p.Value)
	}
	return dst
}

func appendContent(dst []byte, t *infotable.Table) []byte {
	if t == nil {
		return append(dst, byte(infotable.TypeNothing))
	}
	dst = append(dst, byte(infotable.TypeInfotable))
	return infotable.AppendTable(dst, t)
}

// scanner reads a body from its front. After the first error it reads zeros, so that a body is read
// without a check per step and err is looked at once.
type scanner struct {
	rest []byte
	err  error
}

func (s *scanner) fail(err error) {
	if s.err == nil {
		s.err, s.rest = err, nil
	}
}

func (s *scanner) byte() byte {
	if len(s.rest) == 0 {
		s.fail(infotable.ErrTruncated)
		return 0
	}
	b := s.rest[0]
	s.rest = s.rest[1:]
	return b
}

func (s *scanner) string() string {
	text, rest, err := infotable.DecodeString(s.rest)
	if err != nil {
		s.fail(err)
		return ""
	}
	s.rest = rest
	return string(text)
}

func (s *scanner) pairs() []Pair {
	count := int(s.byte())
	if count == 0 {
		return nil
	}
	if count > len(s.rest) {
		s.fail(infotable.ErrTruncated)
		return nil
	}
	pairs := make([]Pair, count)
	for i := range pairs {
		pairs[i] = Pair{Name: s.string(), Value: s.string()}
	}
	return pairs
}

// content reads NOTHING or a table. Another type is an error, or ignored if lenient.
func (s *scanner) content(limits infotable.Limits, lenient bool) *infotable.Table {
	code := infotable.BaseType(s.byte())
	if s.err != nil {
		return nil
	}
	switch {
	case code == infotable.TypeNothing:
		return nil
	case code == infotable.TypeInfotable:
		table, rest, err := infotable.DecodeTable(s.rest, limits)
		if err != nil {
			s.fail(err)
			return nil
		}
		s.rest = rest
		return table
	case lenient:
		return nil
	default:
		s.fail(fmt.Errorf("content of type %s: %w", code, infotable.ErrMalformed))
		return nil
	}
}
