package mqtt

import (
	"errors"
	"net/url"
	"strings"

	"azx/internal/local/iothub"
)

// errBag means the properties at the end of a telemetry topic are not well formed.
var errBag = errors.New("property bag: not url-escaped name=value pairs")

// parseBag reads the properties at the end of a telemetry topic: name=value pairs joined by &, url-escaped. Names that
// begin with "$." (or "%24." escaped) are system properties; all others are the device's own. An empty bag is well formed.
func parseBag(bag string) (*iothub.Message, error) {
	m := &iothub.Message{Properties: map[string]string{}}
	if bag == "" {
		return m, nil
	}
	for pair := range strings.SplitSeq(strings.TrimPrefix(bag, "?"), "&") {
		name, value, _ := strings.Cut(pair, "=")
		name, nameErr := url.PathUnescape(name)
		value, valueErr := url.PathUnescape(value)
		if nameErr != nil || valueErr != nil || name == "" {
			return nil, errBag
		}
		setProperty(m, name, value)
	}
	return m, nil
}

// setProperty knows the system properties by their names in the bag (read from the Node SDK).
func setProperty(m *iothub.Message, name, value string) {
	switch name {
	case "$.mid":
		m.MessageID = value
	case "$.cid":
		m.CorrelationID = value
	case "$.uid":
		m.UserID = value
	case "$.to":
		m.To = value
	case "$.ct":
		m.ContentType = value
	case "$.ce":
		m.ContentEncoding = value
	case "$.on":
		m.OutputName = value
	case "$.sub":
		m.Subject = value
	case "$.ifid":
		m.InterfaceID = value
	case "$.ctime":
		m.Properties["iothub-creation-time-utc"] = value
	case "$.exp":
		// The expiry of a message to the cloud is not handed to readers (inferred).
	default:
		m.Properties[name] = value
	}
}
