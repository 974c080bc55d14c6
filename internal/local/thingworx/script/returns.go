package script

import (
	"github.com/dop251/goja/ast"
	"github.com/dop251/goja/file"
)

// checkReturns refuses return statements that are not the last statement of the code, and takes away a last one
// without a value, after which the variable result counts. head is the length of what stands before the code.
func (p *Program) checkReturns(body *ast.FunctionLiteral, head int) error {
	own := body.Body.List[:len(body.Body.List)-1] // the last one is ours, in tail
	if n := len(own); n > 0 {
		if last, ok := own[n-1].(*ast.EmptyStatement); ok && int(last.Semicolon) > head+len(p.code) {
			own = own[:n-1] // the semicolon in tail
		}
	}
	for i, statement := range own {
		last, isReturn := statement.(*ast.ReturnStatement)
		if isReturn && i == len(own)-1 {
			if last.Argument == nil {
				body.Body.List = append(own[:i:i], body.Body.List[len(body.Body.List)-1])
			}
			return nil
		}
		if at := findReturn(statement); at > 0 {
			line, column := p.place(at, head)
			return p.syntaxError(line, column,
				"return is allowed only as the last statement of the code: assign the variable result instead")
		}
	}
	return nil
}

// place gives the line and column of an index, which counts bytes from 1 and what stands before the code.
func (p *Program) place(at file.Idx, head int) (line, column int) {
	offset := min(int(at)-1-head, len(p.code))
	line, start := 1, 0
	for i := range max(offset, 0) {
		if p.code[i] == '\n' {
			line, start = line+1, i+1
		}
	}
	return line, offset - start + 1
}

// findReturn looks for a return statement that would end the whole code; those of functions within are not met,
// since they are in expressions or declarations. It gives 0 if there is none.
func findReturn(statements ...ast.Statement) file.Idx {
	for _, statement := range statements {
		if at := returnIn(statement); at > 0 {
			return at
		}
	}
	return 0
}

func returnIn(statement ast.Statement) file.Idx {
	switch s := statement.(type) {
	case *ast.ReturnStatement:
		return s.Return
	case *ast.BlockStatement:
		return findReturn(s.List...)
	case *ast.IfStatement:
		if s.Alternate == nil {
			return findReturn(s.Consequent)
		}
		return findReturn(s.Consequent, s.Alternate)
	case *ast.TryStatement:
		return returnInTry(s)
	case *ast.SwitchStatement:
		for _, c := range s.Body {
			if at := findReturn(c.Consequent...); at > 0 {
				return at
			}
		}
	case *ast.LabelledStatement:
		return findReturn(s.Statement)
	case *ast.WithStatement:
		return findReturn(s.Body)
	default:
		if body := loopBody(statement); body != nil {
			return findReturn(body)
		}
	}
	return 0
}

func returnInTry(s *ast.TryStatement) file.Idx {
	blocks := []ast.Statement{s.Body}
	if s.Catch != nil {
		blocks = append(blocks, s.Catch.Body)
	}
	if s.Finally != nil {
		blocks = append(blocks, s.Finally)
	}
	return findReturn(blocks...)
}

func loopBody(statement ast.Statement) ast.Statement {
	switch s := statement.(type) {
	case *ast.ForStatement:
		return s.Body
	case *ast.ForInStatement:
		return s.Body
	case *ast.ForOfStatement:
		return s.Body
	case *ast.WhileStatement:
		return s.Body
	case *ast.DoWhileStatement:
		return s.Body
	default:
		return nil
	}
}
