package alwayson

import (
	"fmt"

	"azx/alwayson/infotable"
)

// reasonColumn is where an edge built with the C SDK leaves the reason of a failure, since it loses
// the response's own (captured).
const reasonColumn = "reason"

// resultColumn is the one column of a service's plain result (captured).
const resultColumn = "result"

// Response answers a request.
type Response struct {
	Code    Code
	Reason  string           // text of a refusal, "" for none
	Content *infotable.Table // nil for none
}

// Done returns a success without content.
func Done() Response { return Response{Code: Success} }

// Result returns a success with the plain result v: one column "result", one row. NOTHING gives no content.
// An INFOTABLE is the content itself, unwrapped, as services answer (captured).
func Result(v infotable.Value) Response {
	if v.IsNothing() {
		return Done()
	}
	if table, ok := v.Table(); ok {
		return Response{Code: Success, Content: table}
	}
	return Response{Code: Success, Content: infotable.Single(resultColumn, v)}
}

// Refuse returns a refusal with a reason for people.
func Refuse(code Code, reason string) Response { return Response{Code: code, Reason: reason} }

// Err returns nil for a success, else an *Error with the code and reason.
func (r *Response) Err() error {
	if r.Code.IsSuccess() {
		return nil
	}
	return &Error{Code: r.Code, Reason: r.Reason}
}

// Result returns the value in the column "result" of the first row, NOTHING if there is none.
func (r *Response) Result() infotable.Value { return r.Content.First(resultColumn) }

// AppendResponse appends the body of r, without a message header and without its code.
func AppendResponse(dst []byte, r *Response) []byte {
	if r.Reason == "" {
		dst = append(dst, 0)
	} else {
		dst = append(dst, 1)
		dst = infotable.AppendString(dst, r.Reason)
	}
	return appendContent(dst, r.Content)
}

// DecodeResponse reads the body of a response with this code. A refusal without a reason takes it from a
// column "reason" of its content. Content of another type than NOTHING or INFOTABLE is ignored, as the C SDK
// does (read); so are bytes that follow. An empty body is taken for a response without content. The result keeps no reference to body.
func DecodeResponse(code Code, body []byte, limits infotable.Limits) (Response, error) {
	r := Response{Code: code}
	if len(body) == 0 {
		return r, nil
	}
	s := scanner{rest: body}
	if s.byte() != 0 {
		r.Reason = s.string()
	}
	r.Content = s.content(limits, true)
	if s.err != nil {
		return r, fmt.Errorf("decode response: %w", s.err)
	}
	if r.Reason == "" && !code.IsSuccess() {
		r.Reason, _ = r.Content.First(reasonColumn).Text()
	}
	return r, nil
}
