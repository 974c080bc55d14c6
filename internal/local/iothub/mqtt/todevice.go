package mqtt

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"sync"

	mochi "github.com/mochi-mqtt/server/v2"
	"github.com/mochi-mqtt/server/v2/packets"

	"azx/internal/local/iothub"
)

// The topic filters of what goes to a device (read, tried).
const (
	filterTwinAnswers = "$iothub/twin/res/#"
	filterDesired     = "$iothub/twin/PATCH/properties/desired/#"
	filterMethods     = "$iothub/methods/POST/#"
)

// outgoing is what a connection subscribed to, and the messages to the device that it has not acknowledged.
type outgoing struct {
	mu     sync.Mutex
	ended  bool
	stops  map[string]func() // by topic filter
	sent   map[uint16]string // lock tokens by packet id
	lastID uint16
}

func newOutgoing() *outgoing {
	return &outgoing{stops: map[string]func(){}, sent: map[uint16]string{}}
}

// OnSessionEstablished goes on with the subscriptions of a session the device has kept.
func (f *front) OnSessionEstablished(client *mochi.Client, _ packets.Packet) {
	s := f.session(client.Net.Conn)
	if s == nil {
		return
	}
	for _, subscription := range client.State.Subscriptions.GetAll() {
		f.begin(s, subscription.Filter, subscription.Qos)
	}
}

// OnSubscribed begins to send what was subscribed to.
func (f *front) OnSubscribed(client *mochi.Client, packet packets.Packet, codes []byte) {
	s := f.session(client.Net.Conn)
	if s == nil {
		return
	}
	for i, subscription := range packet.Filters {
		if i < len(codes) && codes[i] < packets.ErrUnspecifiedError.Code {
			f.begin(s, subscription.Filter, subscription.Qos)
		}
	}
}

// OnUnsubscribed ends the sending.
func (f *front) OnUnsubscribed(client *mochi.Client, packet packets.Packet) {
	s := f.session(client.Net.Conn)
	if s == nil {
		return
	}
	for _, subscription := range packet.Filters {
		s.outgoing.stop(subscription.Filter)
	}
}

// begin starts what a subscription is for. Subscribing again changes nothing.
func (f *front) begin(s *session, filter string, qos byte) {
	o := s.outgoing
	o.mu.Lock()
	defer o.mu.Unlock()
	if _, runs := o.stops[filter]; runs || o.ended {
		return
	}
	ctx, cancel := context.WithCancel(f.connections.Context())
	switch {
	case filter == filterDesired:
		feed := s.link.WatchDesired()
		o.stops[filter] = func() { feed.Close(); cancel() }
		f.run("MQTT desired properties", func() { pump(ctx, s, feed, desiredPacket) })
	case filter == filterMethods:
		feed := s.link.ServeMethods()
		o.stops[filter] = func() { feed.Close(); cancel() }
		f.run("MQTT methods", func() { pump(ctx, s, feed, methodPacket) })
	case s.principal.ID.Module == "" && strings.Contains(filter, "/messages/devicebound/"):
		o.stops[filter] = cancel
		f.run("MQTT messages to a device", func() { f.sendMessages(ctx, s, qos) })
	default:
		cancel() // answers of twins, and inputs of modules: nothing to wait for
	}
}

func (f *front) run(name string, what func()) {
	f.connections.Go(name, func(context.Context) error {
		what()
		return nil
	})
}

// stop ends what a filter began.
func (o *outgoing) stop(filter string) {
	o.mu.Lock()
	stop := o.stops[filter]
	delete(o.stops, filter)
	o.mu.Unlock()
	if stop != nil {
		stop()
	}
}

// end stops everything and returns the lock tokens of the messages that were not acknowledged.
func (o *outgoing) end() []string {
	o.mu.Lock()
	o.ended = true
	stops, sent := o.stops, o.sent
	o.stops, o.sent = nil, nil
	o.mu.Unlock()
	for _, stop := range stops {
		stop()
	}
	tokens := make([]string, 0, len(sent))
	for _, token := range sent {
		tokens = append(tokens, token)
	}
	return tokens
}

// pump writes what a feed has, until the feed or the connection ends.
func pump[T any](ctx context.Context, s *session, feed *iothub.Feed[T], packet func(T) packets.Packet) {
	for {
		item, err := feed.Next(ctx)
		if err != nil {
			return
		}
		if s.client.WritePacket(packet(item)) != nil {
			return // a connection that cannot be written to ends in its reader
		}
	}
}

func desiredPacket(c iothub.DesiredChange) packets.Packet {
	return publication(fmt.Sprintf("$iothub/twin/PATCH/properties/desired/?$version=%d", c.Version), c.Document())
}

func methodPacket(r iothub.MethodRequest) packets.Packet {
	return publication("$iothub/methods/POST/"+url.PathEscape(r.Name)+"/?$rid="+r.RequestID, r.Payload)
}

func publication(topic string, payload []byte) packets.Packet {
	return packets.Packet{FixedHeader: packets.FixedHeader{Type: packets.Publish}, TopicName: topic, Payload: payload}
}

// sendMessages delivers the messages of the device's queue. With QoS 1 the acknowledgement completes a message; with QoS
// 0 there is none, so it is complete when it is written.
func (f *front) sendMessages(ctx context.Context, s *session, qos byte) {
	box, err := f.hub.Outbox(s.principal.ID)
	if err != nil {
		f.log.Warn("MQTT messages to a device", "device", s.principal.ID, "reason", err)
		return
	}
	for {
		d, err := box.Next(ctx)
		if err != nil {
			return
		}
		packet := publication(deviceBoundTopic(s.principal.ID, d), d.Body)
		if qos > 0 {
			packet.FixedHeader.Qos = 1
			packet.PacketID, err = s.outgoing.remember(d.LockToken)
		}
		if err == nil {
			err = s.client.WritePacket(packet)
		}
		switch {
		case err != nil:
			_ = box.Release(d.LockToken) // it may be free already: at the latest in a minute
			if errors.Is(err, errUnread) {
				f.closeFor(s, err)
			}
			return
		case qos == 0:
			_ = box.Complete(d.LockToken) // nobody hears whether the lock has held
		}
	}
}

// maxSent is how many messages a connection may leave without acknowledgement: a device that never acknowledges gets its
// 50 again every minute.
const maxSent = 1000

var (
	errEnded  = errors.New("the connection has ended")
	errUnread = errors.New("the device does not acknowledge its messages")
)

// remember gives a message a packet id that is not in use.
func (o *outgoing) remember(lockToken string) (uint16, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.ended {
		return 0, errEnded
	}
	if len(o.sent) >= maxSent {
		return 0, errUnread
	}
	for {
		o.lastID++
		if _, used := o.sent[o.lastID]; o.lastID != 0 && !used {
			o.sent[o.lastID] = lockToken
			return o.lastID, nil
		}
	}
}

// acknowledged completes the message of a packet id. An acknowledgement that comes after the lock is over is too late:
// the message comes again.
func (f *front) acknowledged(s *session, packetID uint16) {
	o := s.outgoing
	o.mu.Lock()
	token, ok := o.sent[packetID]
	delete(o.sent, packetID)
	o.mu.Unlock()
	if !ok {
		return
	}
	box, err := f.hub.Outbox(s.principal.ID)
	if err == nil {
		err = box.Complete(token)
	}
	if err != nil {
		f.log.Info("MQTT acknowledgement of a message to a device", "device", s.principal.ID, "reason", err)
	}
}

// deviceBoundTopic is the topic of a message to a device: its properties are in a bag (tried with the Node SDK).
func deviceBoundTopic(id iothub.ID, d iothub.Delivery) string {
	to := d.To
	if to == "" {
		to = "/" + id.Path() + "/messages/devicebound"
	}
	pairs := make([]string, 0, 8+len(d.Properties))
	add := func(name, value string) {
		if value != "" {
			pairs = append(pairs, bagEscape(name)+"="+bagEscape(value))
		}
	}
	add("$.mid", d.MessageID)
	add("$.to", to)
	add("$.cid", d.CorrelationID)
	add("$.uid", d.UserID)
	add("$.ct", d.ContentType)
	add("$.ce", d.ContentEncoding)
	add("$.exp", d.Expires.UTC().Format("2006-01-02T15:04:05.000Z"))
	if d.Ack != iothub.AckNone {
		add("iothub-ack", string(d.Ack))
	}
	names := make([]string, 0, len(d.Properties))
	for name := range d.Properties {
		names = append(names, name)
	}
	slices.Sort(names)
	for _, name := range names {
		pairs = append(pairs, bagEscape(name)+"="+bagEscape(d.Properties[name]))
	}
	return id.Path() + "/messages/devicebound/" + strings.Join(pairs, "&")
}

// bagEscape escapes like the SDKs do: a blank is %20.
func bagEscape(text string) string { return strings.ReplaceAll(url.QueryEscape(text), "+", "%20") }
