// Package websocket lets the hub's MQTT and AMQP fronts be reached through its HTTPS port.
package websocket

import (
	"encoding/json"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/gobwas/ws"
)

// The paths that clients ask for (read: sources of the SDKs).
const (
	// HubPath is for devices and back ends, with MQTT or AMQP.
	HubPath = "/$iothub/websocket"
	// EventPath is for readers and senders of the Event Hubs-compatible endpoint, with AMQP.
	EventPath = "/$servicebus/websocket"
)

// The subprotocols (read: sources of the SDKs).
const (
	protocolMQTT = "mqtt"
	protocolAMQP = "AMQPWSB10"
)

// upgradeTime is how long the answer to an upgrade may take to be written.
const upgradeTime = 10 * time.Second

// Gate makes connections out of upgrade requests. The fronts accept them from its listeners, as from a port of their own.
type Gate struct {
	log        *slog.Logger
	mqtt, amqp *listener
}

// NewGate returns a Gate for the server that listens at addr. Mount it at HubPath and EventPath.
func NewGate(addr net.Addr, log *slog.Logger) *Gate {
	return &Gate{log: log, mqtt: newListener(addr), amqp: newListener(addr)}
}

// MQTT accepts the connections with MQTT.
func (g *Gate) MQTT() net.Listener { return g.mqtt }

// AMQP accepts the connections with AMQP.
func (g *Gate) AMQP() net.Listener { return g.amqp }

// ServeHTTP answers an upgrade and hands the connection on. A request without a subprotocol that the path has is refused
// with 400.
func (g *Gate) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	to, protocol := g.choose(r)
	if to == nil {
		g.log.Info("WebSocket refused", "remote", r.RemoteAddr, "path", r.URL.Path, "subprotocols", r.Header.Values("Sec-WebSocket-Protocol"))
		refuse(w, r.URL.Path)
		return
	}
	upgrader := ws.HTTPUpgrader{Timeout: upgradeTime, Protocol: func(offered string) bool { return offered == protocol }}
	nc, buffered, _, err := upgrader.Upgrade(r, w)
	if err != nil {
		g.log.Info("WebSocket refused", "remote", r.RemoteAddr, "path", r.URL.Path, "reason", err)
		if nc != nil {
			_ = nc.Close()
		}
		return
	}
	to.hand(newConn(nc, buffered.Reader))
}

// choose finds the first subprotocol the client offers that the path has; nil when there is none.
func (g *Gate) choose(r *http.Request) (*listener, string) {
	for _, offered := range offers(r) {
		switch {
		case offered == protocolAMQP:
			return g.amqp, protocolAMQP
		case offered == protocolMQTT && r.URL.Path == HubPath:
			return g.mqtt, protocolMQTT
		}
	}
	return nil, ""
}

// offers are the subprotocols of a request, in the client's order.
func offers(r *http.Request) []string {
	all := strings.Split(strings.Join(r.Header.Values("Sec-WebSocket-Protocol"), ","), ",")
	for i := range all {
		all[i] = strings.TrimSpace(all[i])
	}
	return slices.DeleteFunc(all, func(name string) bool { return name == "" })
}

func refuse(w http.ResponseWriter, path string) {
	takes := protocolMQTT + " or " + protocolAMQP
	if path != HubPath {
		takes = protocolAMQP
	}
	w.Header().Set("Content-Type", "application/json; charset=utf-8")
	w.WriteHeader(http.StatusBadRequest)
	_ = json.NewEncoder(w).Encode(map[string]string{
		"Message": fmt.Sprintf("ErrorCode:ArgumentInvalid;%s takes WebSockets with the subprotocol %s", path, takes),
	})
}
