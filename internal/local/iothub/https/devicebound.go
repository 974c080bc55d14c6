package https

import (
	"net/http"
	"strconv"

	"azx/internal/local/iothub"
)

// receive locks the next message for the device and sends it; 204 when there is none.
func (f *front) receive(r *request) error {
	if err := f.hub.Admit(iothub.OpReceive, 0); err != nil {
		return err
	}
	box, err := f.hub.Outbox(r.id)
	if err != nil {
		return err
	}
	d, ok := box.Receive()
	if !ok {
		answer(r.w, http.StatusNoContent, nil)
		return nil
	}
	describeDelivery(r.w.Header(), r.id, d)
	answer(r.w, http.StatusOK, d.Body)
	return nil
}

// describeDelivery sets the headers of a message to a device (names: read from azure-iot-http-base and the C SDK).
func describeDelivery(header http.Header, id iothub.ID, d iothub.Delivery) {
	set := func(name, value string) {
		if value != "" {
			header[name] = []string{value} // as it is written, for properties differ in case
		}
	}
	to := d.To
	if to == "" {
		to = "/" + id.Path() + "/messages/devicebound"
	}
	set("Content-Type", "application/octet-stream")
	set("ETag", quoted(d.LockToken))
	set("iothub-messageid", d.MessageID)
	set("iothub-correlationid", d.CorrelationID)
	set("iothub-userid", d.UserID)
	set("iothub-to", to)
	set("iothub-expiry", timeText(d.Expires))
	set("iothub-ack", string(d.Ack))
	set("iothub-contenttype", d.ContentType)
	set("iothub-contentencoding", d.ContentEncoding)
	set("iothub-enqueuedtime", timeText(d.Enqueued))
	set("iothub-sequencenumber", strconv.FormatInt(d.SequenceNumber, 10))
	set("iothub-deliverycount", strconv.Itoa(d.DeliveryCount))
	for name, value := range d.Properties {
		set(appPrefix+name, value)
	}
}

// settle completes a message, or with ?reject refuses it.
func (f *front) settle(r *request) error {
	return f.withMessage(r, func(box *iothub.Outbox, token string) error {
		if r.URL.Query().Has("reject") {
			return box.Reject(token)
		}
		return box.Complete(token)
	})
}

// abandon puts a message back.
func (f *front) abandon(r *request) error { return f.withMessage(r, (*iothub.Outbox).Abandon) }

func (f *front) withMessage(r *request, do func(box *iothub.Outbox, token string) error) error {
	box, err := f.hub.Outbox(r.id)
	if err == nil {
		err = do(box, r.PathValue("token"))
	}
	if err == nil {
		answer(r.w, http.StatusNoContent, nil)
	}
	return err
}

// purge drops all messages to a device.
func (f *front) purge(r *request) error {
	if err := f.hub.Admit(iothub.OpReceive, 0); err != nil {
		return err
	}
	box, err := f.hub.Outbox(r.id)
	if err != nil {
		return err
	}
	reply(r.w, http.StatusOK, map[string]any{"deviceId": r.id.Device, "totalMessagesPurged": box.Purge()})
	return nil
}

// receiveFeedback locks the next batch of outcomes and sends it; 204 when there is none.
func (f *front) receiveFeedback(r *request) error {
	if err := f.hub.Admit(iothub.OpReceive, 0); err != nil {
		return err
	}
	batch, ok := f.hub.Feedback().Receive()
	if !ok {
		answer(r.w, http.StatusNoContent, nil)
		return nil
	}
	header := r.w.Header()
	header["Content-Type"] = []string{"application/vnd.microsoft.iothub.feedback.json"}
	header["ETag"] = []string{quoted(batch.LockToken)}
	header["iothub-enqueuedtime"] = []string{timeText(batch.Enqueued)}
	answer(r.w, http.StatusOK, batch.Body())
	return nil
}

func (f *front) completeFeedback(r *request) error {
	return f.settleFeedback(r, f.hub.Feedback().Complete)
}

func (f *front) abandonFeedback(r *request) error {
	return f.settleFeedback(r, f.hub.Feedback().Abandon)
}

func (f *front) settleFeedback(r *request, how func(token string) error) error {
	err := how(r.PathValue("token"))
	if err == nil {
		answer(r.w, http.StatusNoContent, nil)
	}
	return err
}
