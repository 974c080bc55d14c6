package script

import (
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/dop251/goja"
)

// position is a place in the program's own code, from 1.
type position struct{ line, column int }

// throw makes err the exception that the script gets: an Error with its text. Uncaught, it is err again.
func (r *run) throw(err error) {
	var exception *goja.Exception
	if errors.As(err, &exception) && err == error(exception) {
		panic(exception)
	}
	if uncatchable(err) {
		panic(err)
	}
	object, failed := r.rt.New(r.rt.GlobalObject().Get("Error"), r.rt.ToValue(err.Error()))
	if failed != nil { // the script has taken the constructor away
		panic(r.rt.NewGoError(err))
	}
	if r.errors == nil {
		r.errors = map[*goja.Object]error{}
	}
	r.errors[object] = err
	panic(object)
}

func (r *run) throwf(format string, args ...any) { r.throw(fmt.Errorf(format, args...)) }

// must returns v, or throws.
func (r *run) must(v goja.Value, err error) goja.Value {
	r.check(err)
	return v
}

func (r *run) check(err error) {
	if err != nil {
		r.throw(err)
	}
}

// uncatchable reports whether an error ends the script whatever it would catch.
func uncatchable(err error) bool {
	var interrupted *goja.InterruptedError
	var overflow *goja.StackOverflowError
	return errors.As(err, &interrupted) || errors.As(err, &overflow)
}

// over interrupts the script if its time is over. Whoever waits outside of JavaScript calls it afterwards.
func (r *run) over() {
	if r.ctx.Err() != nil {
		r.rt.Interrupt(ended(r.ctx))
	}
}

// failed makes the error that Run returns.
func (r *run) failed(err error) error {
	var syntax *SyntaxError
	if errors.As(err, &syntax) {
		return &Error{Service: r.program.name, Line: syntax.Line, Column: syntax.Column, Text: syntax.Reason, Err: syntax}
	}
	out := &Error{Service: r.program.name, Text: err.Error(), Err: err}
	var interrupted *goja.InterruptedError
	var overflow *goja.StackOverflowError
	var exception *goja.Exception
	switch {
	case errors.As(err, &interrupted):
		out.Text, out.Err = fmt.Sprint(interrupted.Value()), interrupted.Unwrap()
		exception = &interrupted.Exception
	case errors.As(err, &overflow):
		out.Text, out.Err = fmt.Sprintf("more than %d functions call each other", r.engine.options.MaxCalls), ErrDepth
		exception = &overflow.Exception
	case errors.As(err, &exception):
		out.Text, out.Err = r.thrown(exception)
	default:
		return out
	}
	at := r.positionOf(exception)
	out.Line, out.Column = at.line, at.column
	return out
}

// thrown gives the text of an exception, and the platform's error if it is one.
func (r *run) thrown(exception *goja.Exception) (text string, cause error) {
	object, ok := exception.Value().(*goja.Object)
	if !ok {
		if exception.Value() == nil {
			return "undefined", nil
		}
		return exception.Value().String(), nil
	}
	if err := r.errors[object]; err != nil {
		return err.Error(), err
	}
	if thrown := r.rt.Try(func() { text = shown(object) }); thrown != nil {
		text = "an exception that has no text"
	}
	return text, exception.Unwrap()
}

// shown is the text of an exception or another object: that of an Error has its name before it, unless it is
// a plain Error.
func shown(object *goja.Object) string {
	text := object.String()
	if strings.HasPrefix(text, "[object ") {
		if message := object.Get("message"); message != nil && message.String() != "" {
			return message.String()
		}
	}
	return strings.TrimPrefix(text, "Error: ")
}

// positionOf is the innermost place of an exception in the program's own code.
func (r *run) positionOf(exception *goja.Exception) position {
	for _, frame := range exception.Stack() {
		if frame.SrcName() == r.program.name {
			if at := frame.Position(); at.Line > 0 {
				return r.ownPosition(at.Line, at.Column)
			}
		}
	}
	return position{}
}

// ownPosition takes what stands before the code on its first line off a column.
func (r *run) ownPosition(line, column int) position {
	if line == 1 {
		column = max(1, column-r.head)
	}
	return position{line, column}
}

// positionInStack finds the program's first place in the text of an error's stack.
func (r *run) positionInStack(stack string) position {
	_, rest, found := strings.Cut(stack, r.program.name+":")
	if !found {
		return position{}
	}
	line, rest, _ := strings.Cut(rest, ":")
	end := strings.IndexFunc(rest, func(c rune) bool { return c < '0' || c > '9' })
	if end < 0 {
		end = len(rest)
	}
	l, err := strconv.Atoi(line)
	c, _ := strconv.Atoi(rest[:end])
	if err != nil {
		return position{}
	}
	return r.ownPosition(l, c)
}
