// Package thingworx is the core of the local ThingWorx-compatible platform: its entities, properties, services, events and
// bindings, without any protocol.
//
// Reading order: model.go is everything but Things, a snapshot that change.go replaces as a whole; class.go composes what a
// Thing has from its template and shapes; platform.go is the Platform and thing.go a Thing, which holds what is its own.
// compile.go makes members of those of packages, install.go takes packages in. write.go is how values come in, ledger.go
// what remembers them; service.go dispatches the services, which scripts.go runs if they are scripts and the services_*.go
// files hold if they are native; access.go says who may what. subscriptions.go, queue.go and timers.go are what happens by
// itself. binding.go is who stands for a Thing, routing.go under which name, edge.go how one of those is asked, remote.go
// what it is asked for. configuration.go holds configuration tables; events.go and logs.go remember what was fired and said,
// waiting.go lists devices that have no Thing; state.go and load.go are what survives a restart. builtin_*.go is what every
// platform has.
// The fronts are the packages rest, alwayson and page.
//
// It is a development platform: where the real one is silent, this one says why it refuses.
package thingworx
