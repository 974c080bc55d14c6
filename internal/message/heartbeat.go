package message

// PropertyHeartbeat is the application property that makes a message a heartbeat, whatever its value.
const PropertyHeartbeat = "azx-heartbeat"

// IsTelemetry reports whether a device or module sent the message; others are the hub's own.
func (m *Message) IsTelemetry() bool { return m.Source == "" || m.Source == SourceTelemetry }

// IsHeartbeat reports whether the message says that its sender is alive, and nothing else: it has no body, or the property.
func (m *Message) IsHeartbeat() bool {
	if !m.IsTelemetry() {
		return false
	}
	_, marked := m.Properties[PropertyHeartbeat]
	return marked || len(m.Body) == 0
}
