package iothub

import "strings"

// ErrorDocument is the JSON text in which devices and AMQP clients get a refusal: errorCode, message, timestampUtc (read).
func (h *Hub) ErrorDocument(err error) []byte {
	e := AsError(err)
	return mustJSON(struct {
		ErrorCode int    `json:"errorCode"`
		Message   string `json:"message"`
		Timestamp string `json:"timestampUtc"`
	}{int(e.Code), strings.ToValidUTF8(e.Message, "?"), hubTime(h.clock())})
}
