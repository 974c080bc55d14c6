// Package platform is the connector's edge to ThingWorx: it keeps the connections, learns which remote
// properties a Thing has, writes the values of messages to Things, in order and acknowledged, and takes the
// platform's requests for Things.
//
// Reading order, as a message meets them: writer.go takes it in and gives it to the lane of its Thing;
// lane.go waits for the Thing's turn; turn.go learns, maps, sends and settles; gather.go and volley.go have
// messages, and requests, travel together; learn.go and tables.go are what is known of Things; ask.go repeats a request until it has an answer, and verdict.go says what an
// answer means. announce.go tells people what goes wrong, by the events of event.go; link.go keeps the sockets.
//
// On the way out: bind.go makes the platform send its requests here, by the routing group (bind_group.go) or device by
// device (bind_devices.go), as ping.go finds out; requests.go takes them in, and refusal.go says no. things.go is what
// whoever carries them out asks of Things (kept in declared.go), writes to them (push.go) and remembers (last.go).
package platform
