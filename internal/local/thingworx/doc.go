// Package thingworx is the core of the local ThingWorx-compatible platform: its Things, properties, services
// and bindings, without any protocol.
//
// Reading order: model.go says which templates, shapes and system Things exist; platform.go is the Platform and
// thing.go a Thing; write.go is how values come in, ledger.go what remembers them; service.go dispatches the
// services that the services_*.go files hold; binding.go is who stands for a Thing, edge.go how one of those is asked,
// remote.go what it is asked for; configuration.go holds configuration tables, azure.go and azure_services.go what is
// here only until the Azure IoT extension is; events.go remembers what was fired, waiting.go lists devices that have no
// Thing; state.go is what survives a restart.
// The fronts are the packages rest, alwayson and page.
//
// It is a development platform: where the real one is silent, this one says why it refuses.
package thingworx
