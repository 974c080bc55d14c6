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
	mu    sync.RWMutex
	first map[string]string // by lower-case id, the id as first seen
}

// Thing returns the name of the Thing of a device.
func (n *Names) Thing(deviceID string) (string, error) {
	if deviceID == "" {
		return "", fault.Reject("address message", "only messages that the hub took from a device can be mapped", "the message names no device")
	}
	first := n.firstOf(deviceID)
	if first != deviceID {
		return "", fault.Reject("address message", "rename one of the two devices", "device id %q differs from %q by case only", deviceID, first)
	}
	return message.ThingName(first), nil
}

// firstOf returns the id that was seen first of those that differ by case only: always the same copy, so that whoever keeps
// the name of a Thing keeps no other.
func (n *Names) firstOf(deviceID string) string {
	key := strings.ToLower(deviceID)
	n.mu.RLock()
	first, seen := n.first[key]
	n.mu.RUnlock()
	if seen {
		return first
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	if first, seen := n.first[key]; seen {
		return first
	}
	if n.first == nil {
		n.first = map[string]string{}
	}
	n.first[key] = deviceID
	return deviceID
}
