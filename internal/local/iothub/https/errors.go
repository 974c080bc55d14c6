package https

import (
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"net/http"
	"strconv"
	"strings"
	"time"

	"azx/internal/local/iothub"
	"azx/internal/local/iothub/document"
)

// refusalBody is the body of a refusal (read: azure-iot-http-base, parseErrorBody).
type refusalBody struct {
	Message          string
	ExceptionMessage string
}

func refusal(code iothub.Code, format string, args ...any) error {
	return &iothub.Error{Code: code, Message: fmt.Sprintf(format, args...)}
}

func invalid(format string, args ...any) error {
	return refusal(iothub.ArgumentInvalid, format, args...)
}

// refuse answers with an error in Azure's words: the body, the header iothub-errorcode, and Retry-After when the caller
// is throttled or may come again later.
func (f *front) refuse(w http.ResponseWriter, err error) {
	if errors.Is(err, document.ErrNoCertificates) {
		f.refuseNotThere(w, err.Error())
		return
	}
	e := iothub.AsError(err)
	if e.Code == iothub.Throttled || e.RetryAfter > 0 {
		w.Header().Set("Retry-After", strconv.Itoa(int(max(1, math.Ceil(e.RetryAfter.Seconds())))))
	}
	if numbered(e.Code) {
		f.refuseWith(w, e.Status(), e.Code.Name(), f.numberedMessage(e))
		return
	}
	f.refuseAs(w, e.Status(), e.Code.Name(), e.Message)
}

// refuseAs answers with a name and a text. The SDKs end the text at a semicolon.
func (f *front) refuseAs(w http.ResponseWriter, status int, name, text string) {
	f.refuseWith(w, status, name, "ErrorCode:"+name+";"+strings.ReplaceAll(text, ";", ","))
}

func (f *front) refuseWith(w http.ResponseWriter, status int, name, message string) {
	w.Header()["iothub-errorcode"] = []string{name}
	reply(w, status, refusalBody{Message: message, ExceptionMessage: tracking(f.hub.Now())})
}

// numbered says which refusals have a number instead of a name in their text: those of methods do (read), the others
// share their name with other numbers (inferred).
func numbered(code iothub.Code) bool {
	switch code {
	case iothub.DeviceNotOnline, iothub.DeviceClosed, iothub.GatewayTimeout, iothub.NotInThisTier, iothub.ModuleNotFound:
		return true
	}
	return false
}

func (f *front) numberedMessage(e *iothub.Error) string {
	return string(mustJSON(map[string]any{
		"errorCode":    int(e.Code),
		"trackingId":   tracking(f.hub.Now()),
		"message":      e.Message,
		"timestampUtc": f.hub.Now().UTC().Format(time.RFC3339Nano),
	}))
}

// tracking is the text by which Azure's support finds a request.
func tracking(now time.Time) string {
	var b [16]byte
	_, _ = rand.Read(b[:])
	return fmt.Sprintf("Tracking ID:%x-G:0-TimeStamp:%s", b, now.UTC().Format("01/02/2006 15:04:05"))
}

// reply answers with a JSON document.
func reply(w http.ResponseWriter, status int, document any) {
	w.Header().Set("Content-Type", "application/json; charset=utf-8")
	answer(w, status, mustJSON(document))
}

// mustJSON writes what came out of JSON, or texts and numbers of the hub: it cannot fail.
func mustJSON(document any) []byte {
	text, err := json.Marshal(document)
	if err != nil {
		panic("write JSON: " + err.Error())
	}
	return text
}
