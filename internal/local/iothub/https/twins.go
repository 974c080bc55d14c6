package https

import (
	"encoding/json"
	"fmt"
	"net/http"
	"time"

	"azx/internal/local/iothub"
)

func (f *front) getTwin(r *request) error {
	if _, err := f.hub.ReadTwin(r.id); err != nil {
		return err
	}
	return f.replyTwin(r)
}

func (f *front) patchTwin(r *request) error { return f.changeTwin(r, f.hub.PatchTwin) }

func (f *front) replaceTwin(r *request) error { return f.changeTwin(r, f.hub.ReplaceTwin) }

func (f *front) changeTwin(r *request, change func(iothub.ID, string, iothub.TwinUpdate) (iothub.Twin, error)) error {
	update, err := iothub.ParseTwinUpdate(r.body)
	if err == nil {
		_, err = change(r.id, r.Header.Get("If-Match"), update)
	}
	if err != nil {
		return err
	}
	return f.replyTwin(r)
}

func (f *front) replyTwin(r *request) error {
	document, err := f.hub.TwinDocument(r.id)
	if err != nil {
		return err
	}
	r.w.Header()["ETag"] = []string{quoted(fmt.Sprint(document["etag"]))}
	reply(r.w, http.StatusOK, document)
	return nil
}

// methodCall is the body of a call (read: device_method.js).
type methodCall struct {
	MethodName      string          `json:"methodName"`
	Payload         json.RawMessage `json:"payload"`
	ResponseTimeout int             `json:"responseTimeoutInSeconds"`
	ConnectTimeout  int             `json:"connectTimeoutInSeconds"`
}

type methodAnswer struct {
	Status  int             `json:"status"`
	Payload json.RawMessage `json:"payload"`
}

// invoke calls a method and waits for the device.
func (f *front) invoke(r *request) error {
	var call methodCall
	if err := r.decode(&call); err != nil {
		return err
	}
	result, err := f.hub.Invoke(r.Context(), r.id, iothub.MethodCall{
		Name: call.MethodName, Payload: call.Payload,
		ResponseTimeout: seconds(call.ResponseTimeout), ConnectTimeout: seconds(call.ConnectTimeout),
	})
	if err != nil {
		return err
	}
	reply(r.w, http.StatusOK, methodAnswer{result.Status, result.Payload})
	return nil
}

// seconds is a time that stays out of bounds when n is.
func seconds(n int) time.Duration { return time.Duration(max(-1, min(n, 86400))) * time.Second }
