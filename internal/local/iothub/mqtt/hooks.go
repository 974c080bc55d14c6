package mqtt

import (
	"errors"
	"fmt"

	mochi "github.com/mochi-mqtt/server/v2"
	"github.com/mochi-mqtt/server/v2/packets"

	"azx/internal/local/iothub"
)

var errClosedByHub = errors.New("closed by the hub")

const (
	// maxKeepAlive is the longest keep-alive in seconds: the hub closes after 1.5 times of it, at most 1767 s (read).
	maxKeepAlive = 1178
	// maxSubscriptions is what one connection may have (read).
	maxSubscriptions = 5
)

// ID names the hook to the library.
func (f *front) ID() string { return "iothub" }

// Provides lists the events of the library that are handled here.
func (f *front) Provides(event byte) bool {
	switch event {
	case mochi.OnConnect, mochi.OnConnectAuthenticate, mochi.OnACLCheck, mochi.OnPacketRead, mochi.OnPublish,
		mochi.OnSessionEstablished, mochi.OnSubscribed, mochi.OnUnsubscribed:
		return true
	}
	return false
}

// OnConnect refuses MQTT 5 in words of 3.1.1 and applies the keep-alive rule.
func (f *front) OnConnect(client *mochi.Client, packet packets.Packet) error {
	if packet.ProtocolVersion != 4 {
		client.Properties.ProtocolVersion = 4
		f.log.Warn("MQTT connection refused", "remote", client.Net.Remote, "reason", "not MQTT 3.1.1")
		_ = f.server.SendConnack(client, packets.ErrUnsupportedProtocolVersion, false, nil)
		return packets.ErrUnsupportedProtocolVersion
	}
	if k := client.State.Keepalive; k == 0 || k > maxKeepAlive {
		client.State.Keepalive = maxKeepAlive
	}
	return nil
}

// OnConnectAuthenticate checks client id, user name, token and will; the library answers a refusal with the return
// code 5, not authorised.
func (f *front) OnConnectAuthenticate(client *mochi.Client, packet packets.Packet) bool {
	s, err := f.authenticate(packet.Connect)
	if err != nil {
		f.log.Warn("MQTT connection refused", "client", packet.Connect.ClientIdentifier, "remote", client.Net.Remote, "reason", err)
		return false
	}
	s.client = client
	client.Properties.Will = mochi.Will{} // sent by forget: the library would hand it to subscribers
	if err := f.enter(s); err != nil {
		f.log.Warn("MQTT connection refused", "client", packet.Connect.ClientIdentifier, "remote", client.Net.Remote, "reason", err)
		return false
	}
	f.log.Info("MQTT device connected", "device", s.principal.ID, "remote", client.Net.Remote)
	return true
}

func (f *front) authenticate(connect packets.ConnectParams) (*session, error) {
	hello, err := parseHello(f.hub.Names(), connect.ClientIdentifier, string(connect.Username))
	if err != nil {
		return nil, err
	}
	principal, err := f.hub.VerifyHub(string(connect.Password), f.hub.Names().Host+"/"+hello.id.Path())
	if err != nil {
		return nil, err
	}
	s := &session{principal: principal, modelID: hello.modelID, taken: make(chan taken, maxTaken), outgoing: newOutgoing()}
	if !connect.WillFlag {
		return s, nil
	}
	s.will, err = s.message(connect.WillTopic, connect.WillPayload, connect.WillRetain)
	if err != nil {
		return nil, fmt.Errorf("will: %w", err)
	}
	s.will.Properties["iothub-MessageType"] = "Will"
	return s, nil
}

// OnPacketRead ends the connection when the token has expired or the device publishes with QoS 2, which a hub does
// not take (read).
func (f *front) OnPacketRead(client *mochi.Client, packet packets.Packet) (packets.Packet, error) {
	s := f.session(client.Net.Conn)
	if s == nil {
		return packet, nil
	}
	switch {
	case packet.FixedHeader.Type == packets.Disconnect:
		s.settled.Store(true)
	case !f.hub.Now().Before(s.principal.Expires):
		f.closeFor(s, "the token has expired")
		return packet, packets.ErrRejectPacket
	case packet.FixedHeader.Type == packets.Publish && packet.FixedHeader.Qos == 2:
		f.closeFor(s, "published with QoS 2, a hub takes 0 and 1")
		return packet, packets.ErrRejectPacket
	case packet.FixedHeader.Type == packets.Puback:
		f.acknowledged(s, packet.PacketID)
	}
	return packet, nil
}

// OnACLCheck lets a device publish and subscribe to its own topics only. A publication elsewhere closes the
// connection; a subscription is answered with a failure code.
func (f *front) OnACLCheck(client *mochi.Client, topic string, write bool) bool {
	s := f.session(client.Net.Conn)
	if s == nil {
		return false
	}
	if write {
		if _, err := parseTopic(s.principal.ID, topic); err != nil {
			f.closeFor(s, err)
			return false
		}
		return true
	}
	if !maySubscribe(s.principal.ID, topic) {
		f.log.Warn("MQTT subscription refused", "device", s.principal.ID, "topic", topic, "reason", "not a topic of this device")
		return false
	}
	subscriptions := client.State.Subscriptions
	if _, has := subscriptions.Get(topic); !has && subscriptions.Len() >= maxSubscriptions {
		f.log.Warn("MQTT subscription refused", "device", s.principal.ID, "topic", topic, "reason", "a connection has at most 5")
		return false
	}
	return true
}

// OnPublish takes a message. The library is told to do no more about telemetry: it is acknowledged by acknowledge, so
// that a device hears of its message once it is in the log. For other topics CodeSuccessIgnore has the library
// acknowledge, and pass the message on to no subscriber.
func (f *front) OnPublish(client *mochi.Client, packet packets.Packet) (packets.Packet, error) {
	s := f.session(client.Net.Conn)
	if s == nil {
		return packet, packets.ErrRejectPacket
	}
	topic, err := parseTopic(s.principal.ID, packet.TopicName)
	if err != nil {
		f.closeFor(s, err)
		return packet, packets.ErrRejectPacket
	}
	done := packets.CodeSuccessIgnore
	switch topic.kind {
	case telemetry:
		err, done = f.takeTelemetry(s, packet), packets.ErrRejectPacket
	case twinGet, twinPatch:
		err = f.answerTwin(s, topic, packet.Payload)
	case methodReply:
		f.takeAnswer(s, topic, packet.Payload)
	}
	if err != nil {
		f.closeFor(s, err)
		return packet, packets.ErrRejectPacket
	}
	return packet, done
}

func (f *front) takeTelemetry(s *session, packet packets.Packet) error {
	m, err := s.message(packet.TopicName, packet.Payload, packet.FixedHeader.Retain)
	if err != nil {
		return err
	}
	ticket, err := f.hub.Submit(s.principal, *m)
	if err != nil {
		return err
	}
	s.taken <- taken{ticket, packet.PacketID, packet.FixedHeader.Qos}
	return nil
}

// message reads a telemetry topic and its payload.
func (s *session) message(topicName string, payload []byte, retain bool) (*iothub.Message, error) {
	topic, err := parseTopic(s.principal.ID, topicName)
	if err != nil {
		return nil, err
	}
	if topic.kind != telemetry {
		return nil, fmt.Errorf("topic %q: %w", topicName, errTopic)
	}
	m, err := parseBag(topic.bag)
	if err != nil {
		return nil, err
	}
	m.Body = payload
	m.DataSchema = s.modelID
	if retain { // a hub keeps no message for later subscribers, it marks it (read)
		m.Properties["mqtt-retain"] = "true"
	}
	return m, nil
}
