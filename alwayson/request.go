package alwayson

import (
	"fmt"
	"math"

	"azx/alwayson/infotable"
)

// Pair is a name with a text: a header of a request, a claim of AUTH.
type Pair struct {
	Name, Value string
}

// Request is the body of GET, PUT, POST and DELETE. Its shape is that of the wire (captured).
type Request struct {
	Code   Code       // Get, Put, Post or Delete
	Entity EntityType // usually Thing
	Name   string     // of the entity; the C SDK cuts names over 127 bytes
	Kind   Kind       // Property, Service or Event
	// Target is the name of the property, service or event. In a GET of properties "" means all of
	// them; in a PUT "*" means one column per property.
	Target  string
	Headers []Pair // none by the C SDK; at most 255
	// Params is a table of one row with a column per parameter, nil for none.
	Params *infotable.Table
	// RawParams, if not empty, is sent instead of Params: one encoded typed primitive, such as
	// AppendPropertyPush writes. It is copied before Call sends, and never set in a decoded request.
	RawParams []byte
}

// CallService returns a request to call a service of a Thing. params may be nil.
func CallService(thing, service string, params *infotable.Table) Request {
	return Request{Code: Post, Entity: Thing, Name: thing, Kind: Service, Target: service, Params: params}
}

// ReadProperty returns a request to read a property of a Thing. The answer has one row and one column.
func ReadProperty(thing, property string) Request {
	return Request{Code: Get, Entity: Thing, Name: thing, Kind: Property, Target: property}
}

// WriteProperty returns a request to write a property of a Thing.
func WriteProperty(thing, property string, v infotable.Value) Request {
	return Request{
		Code: Put, Entity: Thing, Name: thing, Kind: Property, Target: property,
		Params: infotable.Single(property, v),
	}
}

// FireEvent returns a request to fire an event of a Thing; data is one row of the event's data shape.
func FireEvent(thing, event string, data *infotable.Table) Request {
	return Request{Code: Post, Entity: Thing, Name: thing, Kind: Event, Target: event, Params: data}
}

// Param returns the parameter called name, NOTHING if it is missing.
func (r *Request) Param(name string) infotable.Value { return r.Params.First(name) }

// check refuses what has no wire form.
func (r *Request) check() error {
	if !r.Code.hasEntity() {
		return fmt.Errorf("encode request: %s is no request to an entity", r.Code)
	}
	if len(r.Headers) > math.MaxUint8 {
		return fmt.Errorf("encode request: %d headers, at most 255 fit", len(r.Headers))
	}
	return nil
}

// AppendRequest appends the body of r, without a message header. Of more than 255 headers the first 255 are written.
func AppendRequest(dst []byte, r *Request) []byte {
	dst = append(dst, byte(r.Entity))
	dst = infotable.AppendString(dst, r.Name)
	dst = append(dst, byte(r.Kind))
	dst = infotable.AppendString(dst, r.Target)
	dst = appendPairs(dst, r.Headers)
	if len(r.RawParams) > 0 {
		return append(dst, r.RawParams...)
	}
	return appendContent(dst, r.Params)
}

// DecodeRequest reads the body of a request with this code. Bytes that follow it are ignored, as the C SDK
// leaves stray ones (captured). The result keeps no reference to body.
func DecodeRequest(code Code, body []byte, limits infotable.Limits) (Request, error) {
	r := Request{Code: code}
	s := scanner{rest: body}
	r.Entity = EntityType(s.byte())
	r.Name = s.string()
	r.Kind = Kind(s.byte())
	r.Target = s.string()
	r.Headers = s.pairs()
	r.Params = s.content(limits, false)
	if s.err != nil {
		return r, fmt.Errorf("decode %s request: %w", code, s.err)
	}
	return r, nil
}

// entityPrefixSize returns how many bytes the entity type and name take, which every chunk of a request repeats.
func (r *Request) entityPrefixSize() int {
	if len(r.Name) < 0x80 {
		return 2 + len(r.Name)
	}
	return 5 + len(r.Name)
}
