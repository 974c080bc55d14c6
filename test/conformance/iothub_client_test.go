package conformance

import (
	"encoding/json"
	"fmt"
	"reflect"
	"strings"
	"testing"
	"time"

	"azx/internal/local/iothub"
)

// cloudMessage is a message that iothub_client.js sends.
type cloudMessage struct {
	Device     string            `json:"device"`
	ID         string            `json:"id"`
	Ack        string            `json:"ack,omitempty"`
	Body       string            `json:"body"`
	Properties map[string]string `json:"properties,omitempty"`
	Lives      int               `json:"lives,omitempty"` // seconds
}

// backEnd starts Microsoft's service client and waits until it has sent its messages.
func (c *core) backEnd(messages ...cloudMessage) talker {
	c.t.Helper()
	text, err := json.Marshal(messages)
	if err != nil {
		c.t.Fatal(err)
	}
	host := "HostName=" + c.Info.HostName
	connection := strings.Replace(c.Info.ServiceConnectionString, host, fmt.Sprintf("%s:%d", host, c.Info.Ports.AMQPS), 1)
	b := c.node("iothub_client.js", "AZX_SERVICE="+connection, "AZX_MESSAGES="+string(text))
	b.UntilPrinted(time.Minute, `{"done":true}`)
	return b
}

// outcomes are those of the feedback that was completed, by message id.
func (p talker) outcomes() map[string]string {
	p.t.Helper()
	all := map[string]string{}
	for line := range strings.Lines(p.Stdout()) {
		var batch struct {
			Feedback []struct{ OriginalMessageID, StatusCode, DeviceID string }
			Verdict  string
		}
		if json.Unmarshal([]byte(line), &batch) == nil && batch.Verdict == "complete" {
			for _, record := range batch.Feedback {
				all[record.OriginalMessageID] = record.DeviceID + " " + record.StatusCode
			}
		}
	}
	return all
}

func (p talker) hearsOutcomes(want map[string]string) {
	p.t.Helper()
	p.Until(patience, "feedback", func() error {
		if got := p.outcomes(); !reflect.DeepEqual(got, want) {
			return fmt.Errorf("%v, want %v", got, want)
		}
		return nil
	})
}

// TestMessagesGoFromTheServiceClientToTheDeviceAndTheirOutcomeComesBack has Microsoft's code at both ends.
func TestMessagesGoFromTheServiceClientToTheDeviceAndTheirOutcomeComesBack(t *testing.T) {
	t.Parallel()
	for _, v := range []struct {
		transport string
		messages  []cloudMessage
		bodies    []any
		outcomes  map[string]string
	}{
		{"amqp", []cloudMessage{
			{ID: "kept", Ack: "full", Body: "hello", Properties: map[string]string{"site": "a/b & c=d"}},
			{ID: "unwanted", Ack: "full", Body: "no", Properties: map[string]string{"settle": "reject"}},
			{ID: "later", Ack: "positive", Body: "again", Properties: map[string]string{"settle": "abandon"}},
			{ID: "quiet", Ack: "none", Body: "nobody asks"},
			{ID: "only if it fails", Ack: "negative", Body: "fine"},
		}, []any{"hello", "no", "again", "again", "nobody asks", "fine"},
			map[string]string{"kept": "pump-1 Success", "unwanted": "pump-1 Rejected", "later": "pump-1 Success"}},
		{"mqtt", []cloudMessage{
			{ID: "kept", Ack: "full", Body: "hello", Properties: map[string]string{"site": "a/b & c=d"}},
			{ID: "quiet", Ack: "none", Body: "nobody asks"},
		}, []any{"hello", "nobody asks"}, map[string]string{"kept": "pump-1 Success"}},
	} {
		t.Run("a device over "+v.transport, func(t *testing.T) {
			c := newCore(t)
			d := c.device(iothub.ID{Device: "pump-1"}, v.transport)
			var ids []any
			for i := range v.messages {
				v.messages[i].Device = "pump-1"
				ids = append(ids, v.messages[i].ID)
			}
			back := c.backEnd(v.messages...)
			back.says("sent", ids...)
			back.hearsOutcomes(v.outcomes)
			d.Until(patience, "all messages reach the device", func() error {
				if got := d.said("c2d"); !sameItems(got, v.bodies) {
					return fmt.Errorf("got %v, want %v", got, v.bodies)
				}
				return nil
			})
			first, _ := d.said("properties")[0].(object)
			if first["site"] != "a/b & c=d" || d.said("id")[0] != "kept" {
				t.Errorf("the first message has the id %v and the properties %v", d.said("id")[0], first)
			}
			if types := back.said("type"); types[0] != "application/vnd.microsoft.iothub.feedback.json" {
				t.Errorf("feedback has the type %v", types[0])
			}
			if got := d.said("settleFailed"); got != nil {
				t.Errorf("settling failed: %v", got)
			}
		})
	}
}

// sameItems compares without order: what was abandoned comes again behind or between others.
func sameItems(got, want []any) bool {
	count := map[any]int{}
	for _, item := range got {
		count[item]++
	}
	for _, item := range want {
		count[item]--
	}
	for _, n := range count {
		if n != 0 {
			return false
		}
	}
	return true
}

func TestAMessageThatExpiresIsReported(t *testing.T) {
	t.Parallel()
	c := newCore(t)
	c.register(iothub.ID{Device: "pump-1"})
	back := c.backEnd(cloudMessage{Device: "pump-1", ID: "short", Ack: "full", Body: "x", Lives: 1})
	back.hearsOutcomes(map[string]string{"short": "pump-1 Expired"})
}

func TestTheServiceClientKnowsWhatTheHubRefuses(t *testing.T) {
	t.Parallel()
	for _, v := range []struct {
		name     string
		limits   iothub.Limits
		fault    int // status
		messages []cloudMessage
		want     string
		code     string
	}{
		{"an unknown device", iothub.Limits{}, 0, []cloudMessage{{Device: "nobody", Body: "x"}}, "DeviceNotFoundError", "404001"},
		{"an acknowledgement that is none", iothub.Limits{}, 0, []cloudMessage{{Device: "pump-1", Ack: "loud", Body: "x"}}, "ArgumentError", "400004"},
		{"too large a message", iothub.Limits{}, 0, []cloudMessage{{Device: "pump-1", Body: strings.Repeat("x", 65<<10)}}, "MessageTooLargeError", "413001"},
		{"a full queue", iothub.Limits{}, 0, fill(51), "DeviceMaximumQueueDepthExceededError", "403004"},
		{"the Basic tier", iothub.Limits{Basic: true}, 0, []cloudMessage{{Device: "pump-1", Body: "x"}}, "InvalidOperationError", "403010"},
		{"the day's quota", iothub.Limits{DailyMessages: 2}, 0, fill(3), "IotHubQuotaExceededError", "403002"},
		{"more than the rate", iothub.Limits{}, 429, fill(2), "ThrottlingError", "429001"},
		{"a hub that is busy", iothub.Limits{}, 503, fill(2), "ServiceUnavailableError", "503"},
	} {
		t.Run(v.name, func(t *testing.T) {
			c := newCore(t)
			c.register(iothub.ID{Device: "pump-1"})
			c.Hub.SetLimits(v.limits)
			if v.fault != 0 {
				if err := c.Hub.SetFaults(iothub.Fault{Operation: iothub.OpCloudToDevice, Status: v.fault}); err != nil {
					t.Fatal(err)
				}
			}
			back := c.backEnd(v.messages...)
			if errs, why := back.said("error"), fmt.Sprint(back.said("why")); len(errs) != 1 || errs[0] != v.want || !strings.Contains(why, v.code) {
				t.Errorf("refused with %v because of %s, want one %s with %s", errs, why, v.want, v.code)
			}
			if sent := back.said("sent"); len(sent) != len(v.messages)-1 {
				t.Errorf("%d sent of %d", len(sent), len(v.messages))
			}
		})
	}
}

// fill are n messages for one device.
func fill(n int) (all []cloudMessage) {
	for i := range n {
		all = append(all, cloudMessage{Device: "pump-1", ID: fmt.Sprint(i), Body: "x"})
	}
	return all
}
