// Package alwayson speaks AlwaysOn, the binary WebSocket protocol between ThingWorx and what is connected
// to it, from both ends: [Dial] and [Client] for an edge or connector, [Server] for a platform.
//
// The protocol in one page:
//
//   - One TCP connection carries one WebSocket at the path /Thingworx/WS. Each binary WebSocket message is
//     one AlwaysOn message or one chunk of one. Integers are big endian.
//   - After the upgrade the client sends AUTH with its application key; the header of the answer carries the
//     session id of everything that follows. Then it sends BIND with the names of the Things it stands for.
//   - From then on both sides send requests (GET, PUT, POST, DELETE) and answer them. Requests run side by
//     side; an answer is matched by the request id alone, and each side numbers its own requests.
//   - A request names an entity (mostly a Thing), a property, service or event of it, and may carry one
//     infotable of parameters. A response carries a code, perhaps a reason, and at most one infotable.
//   - A message that does not fit a frame leaves in chunks; in a request each repeats the entity's name.
//   - The client's WebSocket ping keeps the connection alive.
//
// Choices of this package: it does not negotiate compression, which every known peer allows. Frames that
// wait at the same time leave in one write, and nothing waits for a timer. The client masks with the key
// zero, as the C SDK does: masking protects proxies from scripts that choose the bytes a browser sends,
// which is not the case here, and a key of zero leaves no byte to turn.
//
// The server was run with the unchanged C SDK 2.2.1 as its client: AUTH, BIND, pushes, events, calls both ways, an
// answer in chunks, more than a minute of pings, reconnect. Nothing here was run against a real ThingWorx platform. The
// layouts were captured from, or read in, the
// public C SDK 2.2.1; comments mark facts as captured, read, inferred or unknown.
//
// Reading order: code.go, header.go, request.go, response.go, bodies.go and push.go are the messages;
// multipart.go cuts and joins them. frame.go is the WebSocket frame and outbox.go what waits to be written. link.go is
// what both ends of a connection share, with its loops in loops.go, incoming messages in inbound.go and the requests
// that wait for an answer in pending.go. dial.go, conn.go, client.go and binding.go are the one end, server.go and
// session.go the other.
package alwayson
