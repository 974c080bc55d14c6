package devices

import (
	"context"
	"fmt"
	"net/url"
	"strconv"
	"strings"

	paho "github.com/eclipse/paho.mqtt.golang"
)

// Topics of what comes to a device (Microsoft's documentation of MQTT for IoT Hub).
const (
	methodTopic = "$iothub/methods/POST/"
	answerTopic = "$iothub/methods/res/"
)

func (d *Device) messageTopic() string { return d.id.Path() + "/messages/devicebound/" }

// listen subscribes to what the device takes, at each connection anew.
func (d *Device) listen(client paho.Client) {
	topics := map[string]byte{}
	if d.method != nil {
		topics[methodTopic+"#"] = 0
	}
	if d.message != nil && d.id.Module == "" {
		topics[d.messageTopic()+"#"] = 1
	}
	var err error
	if len(topics) > 0 {
		token := client.SubscribeMultiple(topics, nil)
		token.Wait()
		err = token.Error()
	}
	d.listened.Do(func() { d.listens <- err })
}

// listening waits until the first subscriptions are made.
func (d *Device) listening(ctx context.Context) error {
	select {
	case err := <-d.listens:
		if err != nil {
			return fmt.Errorf("subscribe: %w", err)
		}
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// receive takes one message of the hub.
func (d *Device) receive(_ paho.Client, m paho.Message) {
	topic := m.Topic()
	switch {
	case strings.HasPrefix(topic, methodTopic) && d.method != nil:
		d.answer(strings.TrimPrefix(topic, methodTopic), m.Payload())
	case strings.HasPrefix(topic, d.messageTopic()) && d.message != nil:
		d.message(d, m.Payload())
	}
}

// answer answers a direct method; rest of its topic is NAME/?$rid=ID.
func (d *Device) answer(rest string, payload []byte) {
	escaped, query, _ := strings.Cut(rest, "/?")
	name, err := url.PathUnescape(escaped)
	_, request, found := strings.Cut(query, "$rid=")
	if err != nil || !found {
		return
	}
	request, _, _ = strings.Cut(request, "&")
	status, answer := d.method(d, name, payload)
	d.client.Publish(answerTopic+strconv.Itoa(status)+"/?$rid="+request, 0, false, answer)
}
