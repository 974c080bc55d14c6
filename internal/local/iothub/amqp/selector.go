package amqp

import (
	"strconv"
	"strings"
	"time"

	"azx/internal/amqp10"
	"azx/internal/local/iothub"
)

// The filter by which Event Hubs clients say where to start (read: azeventhubs).
const (
	selectorName           = "apache.org:selector-filter:string"
	selectorCode    uint64 = 0x0000468C00000004
	annotationStart        = "amqp.annotation."
)

// startOf reads the selector of a receiver, such as "amqp.annotation.x-opt-offset > '37344'".
// Without one a reader starts with the oldest event.
func startOf(filter amqp10.Map) (iothub.Position, error) {
	for _, entry := range filter {
		described, ok := entry.Value.(amqp10.Described)
		if !ok {
			continue
		}
		if described.Descriptor == selectorCode || described.Descriptor == amqp10.Symbol(selectorName) {
			text, _ := described.Value.(string)
			return parseSelector(text)
		}
	}
	return iothub.Earliest(), nil
}

func parseSelector(text string) (iothub.Position, error) {
	refused := amqp10.Errorf(condArgument, "selector %q: want amqp.annotation.x-opt-offset, -sequence-number or -enqueued-time, then > or >=, then a quoted value", text)
	name, rest, _ := strings.Cut(strings.TrimSpace(text), ">")
	rest, inclusive := strings.CutPrefix(rest, "=")
	rest = strings.TrimSpace(rest)
	value, ok := unquote(rest)
	if !ok {
		return iothub.Position{}, refused
	}
	name = strings.TrimPrefix(strings.TrimSpace(name), annotationStart)
	if name == annotationOffset {
		if inclusive {
			return iothub.AtOffset(value), nil
		}
		return iothub.AfterOffset(value), nil
	}
	number, err := strconv.ParseInt(value, 10, 64)
	switch {
	case err != nil:
		return iothub.Position{}, refused
	case name == annotationSequence && inclusive:
		return iothub.AtSequence(number), nil
	case name == annotationSequence:
		return iothub.AfterSequence(number), nil
	case name == annotationEnqueued:
		return afterMillisecond(number, inclusive), nil
	}
	return iothub.Position{}, refused
}

func unquote(s string) (string, bool) {
	if len(s) < 2 || s[0] != '\'' || s[len(s)-1] != '\'' || strings.Contains(s[1:len(s)-1], "'") {
		return "", false
	}
	return s[1 : len(s)-1], true
}

// afterMillisecond is the first event whose time, cut to milliseconds as clients see it, is after ms, or at it.
func afterMillisecond(ms int64, inclusive bool) iothub.Position {
	if !inclusive {
		ms++
	}
	return iothub.AfterEnqueuedTime(time.UnixMilli(ms).Add(-1))
}
