package mqtt

import (
	"strconv"

	"azx/internal/local/iothub"
)

// answerTwin answers a request about the twin to this connection alone: all devices use the same topic names.
func (f *front) answerTwin(s *session, t topic, payload []byte) error {
	answer, body := "200", []byte(nil)
	suffix := ""
	switch {
	case t.kind == twinPatch:
		version, err := f.hub.PatchReported(s.principal, payload)
		if err != nil {
			answer, body = f.twinError(err)
			break
		}
		answer, suffix = "204", "&$version="+strconv.FormatInt(version, 10)
	default:
		twin, err := f.hub.ReadTwin(s.principal.ID)
		if err != nil {
			answer, body = f.twinError(err)
			break
		}
		body = twin.DeviceDocument()
	}
	if _, listens := s.client.State.Subscriptions.Get(filterTwinAnswers); !listens {
		return nil
	}
	return s.client.WritePacket(publication("$iothub/twin/res/"+answer+"/?$rid="+t.requestID+suffix, body))
}

// twinError is the status and the body of a refusal.
func (f *front) twinError(err error) (status string, body []byte) {
	return strconv.Itoa(iothub.AsError(err).Status()), f.hub.ErrorDocument(err)
}

// takeAnswer hands the device's answer to a method to who called it. One that nobody waits for is dropped, as it came too
// late.
func (f *front) takeAnswer(s *session, t topic, payload []byte) {
	if !s.link.AnswerMethod(t.requestID, t.status, payload) {
		f.log.Info("MQTT answer to a method dropped", "device", s.principal.ID, "reason", "nobody waits for it any more")
	}
}
