// Package script runs the JavaScript of the local platform's services and subscriptions.
//
// A service's code is a program, not a function: its parameters are variables, and what it leaves in the variable
// `result` is its result. [Compile] reads it once; [Engine.Run] runs it, each call in a run time of its own, so that
// nothing one script does is seen by the next. What a script reaches of the platform goes through [Host] and [Entity].
//
// Read compile.go and engine.go for the way of one call, entity.go for `me` and `Things`, table.go and row.go for
// infotables, fromjs.go and tojs.go for the values that go in and out, functions.go for the functions without an
// object. InfoTableFunctions works on tables alone, without JavaScript: start at tables.go.
//
// The bounds (deadline, nested calls, nested functions, memory that stays in use, results of text and array functions)
// stop mistakes. They are no sandbox for hostile code: one built-in function that runs for long, such as a regular
// expression, ends only by itself, and memory is looked at only now and then.
package script
