package query

import (
	"strconv"
	"strings"
	"unicode/utf8"
)

// kind is what a token is.
type kind int

const (
	kindEnd    kind = iota
	kindName        // an identifier or a keyword
	kindQuoted      // an identifier in double square brackets
	kindString
	kindNumber
	kindSign // an operator, a bracket, a comma or a dot
)

type token struct {
	kind kind
	text string // of a string its value
	at   int
}

// is reports whether the token is a keyword; case does not count.
func (t token) is(keyword string) bool {
	return t.kind == kindName && strings.EqualFold(t.text, keyword)
}

func (t token) isSign(sign string) bool { return t.kind == kindSign && t.text == sign }

// String is the token for messages.
func (t token) String() string {
	switch t.kind {
	case kindEnd:
		return "the end"
	case kindString:
		return "a text"
	}
	return strconv.Quote(t.text)
}

// lexer cuts a query into tokens.
type lexer struct {
	text string
	at   int
}

func (l *lexer) next() (token, error) {
	for l.at < len(l.text) && strings.IndexByte(" \t\r\n", l.text[l.at]) >= 0 {
		l.at++
	}
	start := l.at
	if start == len(l.text) {
		return token{kindEnd, "", start}, nil
	}
	rest, c := l.text[start:], l.text[start]
	switch {
	case strings.HasPrefix(rest, "[["):
		end := strings.Index(rest, "]]")
		if end < 0 {
			return token{}, &Error{start, "[[ without ]]"}
		}
		l.at += end + 2
		return token{kindQuoted, rest[2:end], start}, nil
	case c == '\'' || c == '"':
		return l.quoted(c)
	case isDigit(c) || c == '-' && len(rest) > 1 && isDigit(rest[1]):
		return l.number()
	case isNamePart(c):
		for l.at < len(l.text) && isNamePart(l.text[l.at]) {
			l.at++
		}
		return token{kindName, l.text[start:l.at], start}, nil
	}
	for _, sign := range [...]string{"!=", "<>", "<=", ">=", "=", "<", ">", "(", ")", "[", "]", ",", ".", "*"} {
		if strings.HasPrefix(rest, sign) {
			l.at += len(sign)
			return token{kindSign, sign, start}, nil
		}
	}
	if strings.IndexByte("+-/%", c) >= 0 {
		return token{}, &Error{start, "this hub does not calculate in queries"}
	}
	r, _ := utf8.DecodeRuneInString(rest)
	return token{}, &Error{start, "unexpected character " + strconv.QuoteRune(r)}
}

func isDigit(c byte) bool { return c >= '0' && c <= '9' }

// isNamePart says what names are made of without brackets: $version and $metadata are names too.
func isNamePart(c byte) bool {
	return isDigit(c) || c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c == '_' || c == '$' || c >= utf8.RuneSelf
}

// number reads a decimal or hexadecimal number; its text is decimal.
func (l *lexer) number() (token, error) {
	start := l.at
	l.at++
	for l.at < len(l.text) {
		c := l.text[l.at]
		exponent := (c == '-' || c == '+') && (l.text[l.at-1] == 'e' || l.text[l.at-1] == 'E') && !strings.ContainsAny(l.text[start:l.at], "xX")
		if !isNamePart(c) && c != '.' && !exponent {
			break
		}
		l.at++
	}
	text := l.text[start:l.at]
	if hexadecimal, ok := strings.CutPrefix(strings.ToLower(text), "0x"); ok {
		n, err := strconv.ParseInt(hexadecimal, 16, 64)
		if err != nil {
			return token{}, &Error{start, strconv.Quote(text) + " is no number"}
		}
		return token{kindNumber, strconv.FormatInt(n, 10), start}, nil
	}
	if _, err := strconv.ParseFloat(text, 64); err != nil || strings.ContainsAny(text, "xXpP_") {
		return token{}, &Error{start, strconv.Quote(text) + " is no number"}
	}
	return token{kindNumber, text, start}, nil
}

// quoted reads a text with its escapes \' \" \\ and \uXXXX.
func (l *lexer) quoted(quote byte) (token, error) {
	start := l.at
	var value strings.Builder
	for l.at++; l.at < len(l.text); l.at++ {
		switch c := l.text[l.at]; c {
		case quote:
			l.at++
			return token{kindString, value.String(), start}, nil
		case '\\':
			r, err := l.escape()
			if err != nil {
				return token{}, err
			}
			value.WriteRune(r)
		default:
			value.WriteByte(c)
		}
	}
	return token{}, &Error{start, "a text without its closing quote"}
}

// escape reads what is behind a backslash, up to its last character.
func (l *lexer) escape() (rune, error) {
	start := l.at
	l.at++
	rest := l.text[l.at:]
	if len(rest) >= 5 && rest[0] == 'u' {
		if n, err := strconv.ParseUint(rest[1:5], 16, 16); err == nil {
			l.at += 4
			return rune(n), nil
		}
	}
	if rest != "" && strings.IndexByte(`'"\`, rest[0]) >= 0 {
		return rune(rest[0]), nil
	}
	return 0, &Error{start, `an unknown escape: want \' \" \\ or \uXXXX`}
}
