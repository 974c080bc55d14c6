package query

import (
	"slices"
	"strings"
)

// deeper guards against conditions nested so deep that the stack would not do. Call p.depth-- when it is done.
func (p *parser) deeper() error {
	if p.depth++; p.depth > maxDepth {
		return p.fail("conditions are nested too deep")
	}
	return nil
}

func (p *parser) or() (expr, error) {
	if err := p.deeper(); err != nil {
		return nil, err
	}
	defer func() { p.depth-- }()
	return p.chain("OR", p.and, func(all []expr) expr { return anyOf(all) })
}

func (p *parser) and() (expr, error) {
	return p.chain("AND", p.not, func(all []expr) expr { return allOf(all) })
}

func (p *parser) chain(keyword string, part func() (expr, error), join func([]expr) expr) (expr, error) {
	var all []expr
	for {
		e, err := part()
		if err != nil {
			return nil, err
		}
		all = append(all, e)
		more, err := p.take(keyword)
		switch {
		case err != nil:
			return nil, err
		case !more && len(all) == 1:
			return e, nil
		case !more:
			return join(all), nil
		}
	}
}

func (p *parser) not() (expr, error) {
	negated := false
	for {
		found, err := p.take("NOT")
		if err != nil {
			return nil, err
		}
		if !found {
			break
		}
		negated = !negated
	}
	e, err := p.comparison()
	if err != nil || !negated {
		return e, err
	}
	return inverse{e}, nil
}

func (p *parser) comparison() (expr, error) {
	left, err := p.operand()
	if err != nil {
		return nil, err
	}
	not, err := p.take("NOT")
	if err != nil {
		return nil, err
	}
	for _, membership := range [...]string{"IN", "NIN"} {
		found, err := p.take(membership)
		if err != nil {
			return nil, err
		}
		if !found {
			continue
		}
		array, err := p.array()
		if err != nil || (membership == "IN") != not {
			return member{left, array}, err
		}
		return inverse{member{left, array}}, nil
	}
	if not {
		return nil, p.fail("want IN")
	}
	operator := p.token.text
	if p.token.kind != kindSign || !slices.Contains([]string{"=", "!=", "<>", "<", ">", "<=", ">="}, operator) {
		return left, nil
	}
	if err := p.advance(); err != nil {
		return nil, err
	}
	right, err := p.operand()
	return comparison{left, right, operator}, err
}

func (p *parser) array() ([]any, error) {
	if err := p.want("["); err != nil {
		return nil, err
	}
	var all []any
	for {
		value, found, err := p.constant()
		if err != nil {
			return nil, err
		}
		if !found {
			return nil, p.fail("want a constant")
		}
		all = append(all, value)
		if more, err := p.take(","); err != nil {
			return nil, err
		} else if !more {
			return all, p.want("]")
		}
	}
}

func (p *parser) operand() (expr, error) {
	if inner, err := p.take("("); err != nil {
		return nil, err
	} else if inner {
		e, err := p.or()
		if err != nil {
			return nil, err
		}
		return e, p.want(")")
	}
	if value, found, err := p.constant(); found || err != nil {
		return literal{value}, err
	}
	name, err := p.path()
	if err != nil || !p.token.isSign("(") {
		return name.within(), err
	}
	return p.call(strings.ToLower(strings.Join(name, ".")))
}

// call reads the arguments of a function.
func (p *parser) call(name string) (expr, error) {
	f, known := function(name)
	if !known {
		return nil, p.fail("want IS_DEFINED, IS_NULL, IS_BOOL, IS_NUMBER, IS_STRING, IS_ARRAY, IS_OBJECT, IS_PRIMITIVE, STARTSWITH or ENDSWITH before a bracket")
	}
	if err := p.advance(); err != nil {
		return nil, err
	}
	if err := p.deeper(); err != nil {
		return nil, err
	}
	defer func() { p.depth-- }()
	c := call{function: f.apply}
	for i := range f.arguments {
		if i > 0 {
			if err := p.want(","); err != nil {
				return nil, err
			}
		}
		e, err := p.operand()
		if err != nil {
			return nil, err
		}
		c.arguments = append(c.arguments, e)
	}
	return c, p.want(")")
}
