package alwayson

import "fmt"

// Code says what a message is: a method of a request, or the status of a response. The upper three
// bits are the class, the lower five the detail, as in CoAP (captured).
type Code uint8

// Codes of messages (captured, unless marked).
const (
	Get       Code = 0x01 // read a property
	Put       Code = 0x02 // write a property
	Post      Code = 0x03 // call a service, fire an event
	Delete    Code = 0x04 // read: the C SDK never sends it
	Bind      Code = 0x0A
	Unbind    Code = 0x0B
	Auth      Code = 0x14
	KeepAlive Code = 0x1F // its body is unknown; any is accepted and never answered

	Success             Code = 0x40
	BadRequest          Code = 0x80
	Unauthorized        Code = 0x81
	BadOption           Code = 0x82
	Forbidden           Code = 0x83
	NotFound            Code = 0x84
	MethodNotAllowed    Code = 0x85
	NotAcceptable       Code = 0x86
	PreconditionFailed  Code = 0x8C
	EntityTooLarge      Code = 0x8D
	UnsupportedContent  Code = 0x8F
	InternalServerError Code = 0xA0
	NotImplemented      Code = 0xA1
	BadGateway          Code = 0xA2
	ServiceUnavailable  Code = 0xA3
	GatewayTimeout      Code = 0xA4
)

// Classes of codes.
const (
	classBits        Code = 0xE0
	classSuccess     Code = 0x40
	classCallerFault Code = 0x80
	classCalleeFault Code = 0xA0
)

// IsResponse reports whether a message of this code answers a request.
func (c Code) IsResponse() bool { return c >= classSuccess }

// IsSuccess reports whether the code is of the good class, 0x40 to 0x5F.
func (c Code) IsSuccess() bool { return c&classBits == classSuccess }

// IsCallerFault reports whether the code blames the request, 0x80 to 0x9F: the same request will fail again.
func (c Code) IsCallerFault() bool { return c&classBits == classCallerFault }

// IsCalleeFault reports whether the code blames the answering side, 0xA0 to 0xBF.
func (c Code) IsCalleeFault() bool { return c&classBits == classCalleeFault }

// hasEntity reports whether the body starts with an entity: GET, PUT, POST and DELETE.
func (c Code) hasEntity() bool { return c >= Get && c <= Delete }

// String returns the code's name, or its number if it has none.
func (c Code) String() string {
	for _, known := range codeNames {
		if known.code == c {
			return known.name
		}
	}
	return fmt.Sprintf("code 0x%02X", uint8(c))
}

var codeNames = [...]struct {
	code Code
	name string
}{
	{Get, "GET"}, {Put, "PUT"}, {Post, "POST"}, {Delete, "DELETE"},
	{Bind, "BIND"}, {Unbind, "UNBIND"}, {Auth, "AUTH"}, {KeepAlive, "KEEP_ALIVE"},
	{Success, "success"},
	{BadRequest, "bad request"},
	{Unauthorized, "unauthorized"},
	{BadOption, "bad option"},
	{Forbidden, "forbidden"},
	{NotFound, "not found"},
	{MethodNotAllowed, "method not allowed"},
	{NotAcceptable, "not acceptable"},
	{PreconditionFailed, "precondition failed"},
	{EntityTooLarge, "entity too large"},
	{UnsupportedContent, "unsupported content format"},
	{InternalServerError, "internal server error"},
	{NotImplemented, "not implemented"},
	{BadGateway, "bad gateway"},
	{ServiceUnavailable, "service unavailable"},
	{GatewayTimeout, "gateway timeout"},
}

// EntityType is the kind of thing that a request addresses.
type EntityType uint8

// Entity types (read in the C SDK; Thing, Resource and Subsystem also captured).
const (
	Thing                 EntityType = 0x0A
	ThingShape            EntityType = 0x0B
	ThingTemplate         EntityType = 0x0C
	ThingPackage          EntityType = 0x0D
	Network               EntityType = 0x0E
	DataShape             EntityType = 0x0F
	ModelTags             EntityType = 0x14
	DataTags              EntityType = 0x15
	Mashup                EntityType = 0x1E
	Widget                EntityType = 0x1F
	StyleDefinition       EntityType = 0x20
	StateDefinition       EntityType = 0x21
	Menu                  EntityType = 0x22
	MediaEntity           EntityType = 0x23
	LocalizationTable     EntityType = 0x24
	Dashboard             EntityType = 0x27
	Log                   EntityType = 0x28
	User                  EntityType = 0x32
	UserGroup             EntityType = 0x33
	Organization          EntityType = 0x34
	ApplicationKey        EntityType = 0x35
	DirectoryService      EntityType = 0x36
	Resource              EntityType = 0x3C
	ScriptFunctionLibrary EntityType = 0x3D
	ExtensionPackage      EntityType = 0x46
	Subsystem             EntityType = 0x50
)

// Kind is the kind of characteristic that a request names (captured).
type Kind uint8

// Kinds of characteristic. Used together are GET and PUT with Property, POST with Service or Event.
const (
	Property Kind = 1
	Service  Kind = 2
	Event    Kind = 3
)

// String returns "property", "service", "event" or the number.
func (k Kind) String() string {
	switch k {
	case Property:
		return "property"
	case Service:
		return "service"
	case Event:
		return "event"
	default:
		return fmt.Sprintf("kind %d", uint8(k))
	}
}
