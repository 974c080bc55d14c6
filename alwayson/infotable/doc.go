// Package infotable holds the values and tables that ThingWorx exchanges, and their AlwaysOn wire form.
//
// A [Value] is one typed primitive: a base type code and what follows it. A [Table] is a list of typed
// fields and rows of values; it is itself a value (INFOTABLE). The package does no I/O and imports the
// standard library only.
//
// Read basetype.go, value.go and table.go for the model, append.go for the way out and decode.go for the
// way in. Byte layouts are those captured from programs built with the public C SDK 2.2.1; marks in
// comments say where a fact comes from: captured, read (in the SDK or in PTC's pages), inferred, unknown.
package infotable
