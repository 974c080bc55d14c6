package ingress

import (
	"strings"
	"sync"

	"azx/internal/fault"
	"azx/internal/message"
)

// Names gives device ids the names of their Things. Azure tells ids apart by case; of those that differ
// in nothing else, the first one seen has the Thing.
type Names struct {
	first sync.Map // lower-case id -> id as first seen
}

// Thing returns the name of the Thing of a device.
func (n *Names) Thing(deviceID string) (string, error) {
	if deviceID == "" {
		return "", fault.Reject("address message", "only messages that the hub took from a device can be mapped", "the message names no device")
	}
	if first, seen := n.first.LoadOrStore(strings.ToLower(deviceID), deviceID); seen && first != deviceID {
		return "", fault.Reject("address message", "rename one of the two devices", "device id %q differs from %q by case only", deviceID, first)
	}
	return message.ThingName(deviceID), nil
}
