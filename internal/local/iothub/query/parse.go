package query

import (
	"encoding/json"
	"errors"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"
)

// Parse reads a query. Errors are *Error.
func Parse(text string) (*Query, error) {
	if n := utf8.RuneCountInString(text); n > MaxLength {
		return nil, &Error{0, "a query of " + strconv.Itoa(n) + " characters: at most " + strconv.Itoa(MaxLength)}
	}
	p := &parser{lexer: lexer{text: text}}
	if err := p.advance(); err != nil {
		return nil, err
	}
	q, err := p.query()
	if err != nil {
		return nil, err
	}
	return q, p.checkGroups(q)
}

// everything is the condition that all devices keep (read).
const everything = "*"

// ParseCondition reads what stands behind WHERE, as jobs have it for the devices they are for; "*" is all of them. Errors
// are *Error.
func ParseCondition(text string) (*Query, error) {
	const before = "SELECT * FROM devices"
	if strings.TrimSpace(text) == everything {
		return Parse(before)
	}
	q, err := Parse(before + " WHERE " + text)
	var wrong *Error
	if errors.As(err, &wrong) {
		return nil, &Error{max(0, wrong.At-len(before+" WHERE ")), wrong.Text}
	}
	return q, err
}

// parser is a recursive descent with one token of foresight.
type parser struct {
	lexer lexer
	token token // the next one
	depth int
}

func (p *parser) advance() (err error) {
	p.token, err = p.lexer.next()
	return err
}

func (p *parser) fail(text string) error {
	return &Error{p.token.at, text + ", got " + p.token.String()}
}

// take goes over a keyword or a sign, if it is next.
func (p *parser) take(text string) (bool, error) {
	if !p.token.is(text) && !p.token.isSign(text) {
		return false, nil
	}
	return true, p.advance()
}

// want goes over a keyword or a sign that must be next.
func (p *parser) want(text string) error {
	found, err := p.take(text)
	if err == nil && !found {
		return p.fail("want " + text)
	}
	return err
}

func (p *parser) query() (*Query, error) {
	q := &Query{}
	if err := p.want("SELECT"); err != nil {
		return nil, err
	}
	if err := p.top(q); err != nil {
		return nil, err
	}
	if err := p.columns(q); err != nil {
		return nil, err
	}
	if err := p.from(q); err != nil {
		return nil, err
	}
	found, err := p.take("WHERE")
	if found && err == nil {
		q.where, err = p.or()
	}
	if err != nil {
		return nil, err
	}
	if found, err = p.take("GROUP"); found && err == nil {
		if err = p.want("BY"); err == nil {
			q.groupBy, err = p.path()
			q.groupBy = q.groupBy.within()
		}
	}
	if err == nil && p.token.kind != kindEnd {
		err = p.fail("want the end of the query")
	}
	return q, err
}

func (p *parser) top(q *Query) error {
	found, err := p.take("TOP")
	if !found || err != nil {
		return err
	}
	n, err := strconv.Atoi(p.token.text)
	if p.token.kind != kindNumber || err != nil || n < 1 {
		return p.fail("want a number of rows, from 1 on")
	}
	q.Top = n
	return p.advance()
}

func (p *parser) from(q *Query) error {
	if err := p.want("FROM"); err != nil {
		return err
	}
	at := p.token.at
	name, err := p.path()
	if err != nil {
		return err
	}
	q.From = Collection(strings.ToLower(strings.Join(name, ".")))
	if q.From != Devices && q.From != Modules && q.From != Jobs {
		return &Error{at, "want devices, devices.modules or devices.jobs"}
	}
	return nil
}

func (p *parser) columns(q *Query) error {
	if all, err := p.take("*"); all || err != nil {
		return err
	}
	for {
		at := p.token.at
		c, err := p.column()
		if err != nil {
			return err
		}
		if slices.ContainsFunc(q.columns, func(other column) bool { return other.called() == c.called() }) {
			return &Error{at, "two columns are called " + strconv.Quote(c.called())}
		}
		q.columns = append(q.columns, c)
		if more, err := p.take(","); !more || err != nil {
			return err
		}
	}
}

// within is a path without the collection before it, as in devices.jobs.deviceId (read). No document has a member of that
// name.
func (p path) within() path {
	for _, collection := range [...]Collection{Modules, Jobs} {
		if n := strings.Count(string(collection), ".") + 1; len(p) > n && strings.EqualFold(strings.Join(p[:n], "."), string(collection)) {
			return p[n:]
		}
	}
	return p
}

// called is the column's name in the query.
func (c column) called() string {
	if c.name == "" {
		return c.path[0]
	}
	return c.name
}

// column reads a path or an aggregate with its name behind AS. A path is called by its last part without.
func (p *parser) column() (column, error) {
	var c column
	name, err := p.path()
	if err != nil {
		return c, err
	}
	c.path = name.within()
	if len(c.path) > 1 {
		c.name = c.path[len(c.path)-1]
	}
	if p.token.isSign("(") {
		if c, err = p.aggregate(name); err != nil {
			return c, err
		}
	}
	named, err := p.take("AS")
	switch {
	case err != nil:
		return c, err
	case named && p.token.kind != kindName && p.token.kind != kindQuoted:
		return c, p.fail("want the name of a column")
	case named:
		c.name = p.token.text
		err = p.advance()
	case c.aggregate != "":
		err = p.fail("want AS and a name for the aggregate")
	}
	return c, err
}

func (p *parser) aggregate(name path) (column, error) {
	c := column{aggregate: strings.ToLower(strings.Join(name, "."))}
	if !slices.Contains([]string{"count", "avg", "sum", "min", "max"}, c.aggregate) {
		return c, p.fail("want COUNT, AVG, SUM, MIN or MAX before a bracket")
	}
	err := p.advance()
	if err == nil && c.aggregate != "count" {
		c.path, err = p.path()
		c.path = c.path.within()
	}
	if err != nil {
		return c, err
	}
	return c, p.want(")")
}

// checkGroups refuses columns that have no one value in a group.
func (p *parser) checkGroups(q *Query) error {
	if !q.aggregates() {
		return nil
	}
	if q.Whole() {
		return &Error{0, "GROUP BY with SELECT *: name the columns"}
	}
	for _, c := range q.columns {
		if c.aggregate == "" && !slices.Equal(c.path, q.groupBy) {
			return &Error{0, "column " + strconv.Quote(c.called()) + " is neither an aggregate nor what the query groups by"}
		}
	}
	return nil
}

// path reads names with dots between.
func (p *parser) path() (path, error) {
	var all path
	for {
		if p.token.kind != kindName && p.token.kind != kindQuoted {
			return nil, p.fail("want a name")
		}
		all = append(all, p.token.text)
		if err := p.advance(); err != nil {
			return nil, err
		}
		if more, err := p.take("."); !more || err != nil {
			return all, err
		}
	}
}

// constant reads a literal; found is false when there is none.
func (p *parser) constant() (value any, found bool, err error) {
	switch {
	case p.token.kind == kindString:
		value = p.token.text
	case p.token.kind == kindNumber:
		value = json.Number(p.token.text)
	case p.token.is("true"), p.token.is("false"):
		value = p.token.is("true")
	case p.token.is("null"):
	case p.token.is("undefined"):
		value = undefined
	default:
		return nil, false, nil
	}
	return value, true, p.advance()
}
