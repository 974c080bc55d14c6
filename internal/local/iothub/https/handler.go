// Package https serves the hub's REST interface: the service API for back ends, and messages for devices.
package https

import (
	"errors"
	"io"
	"net/http"
	"time"

	"azx/internal/local/iothub"
	"azx/internal/local/iothub/jobs"
)

// Handler answers HTTPS requests to a hub and its jobs. It belongs at the root of the hub's host.
func Handler(hub *iothub.Hub, jobs *jobs.Jobs) http.Handler {
	f := &front{hub: hub, jobs: jobs}
	mux := http.NewServeMux()
	for _, e := range f.endpoints() {
		mux.HandleFunc(e.pattern, func(w http.ResponseWriter, r *http.Request) {
			if err := f.serve(e, w, r); err != nil {
				f.refuse(w, err)
			}
		})
	}
	for _, pattern := range notThere() {
		mux.HandleFunc(pattern, f.refuseAbsent)
	}
	mux.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Date", f.hub.Now().UTC().Format(http.TimeFormat))
		f.refuseAs(w, http.StatusNotFound, "NotFound", "no such resource: "+r.Method+" "+r.URL.Path)
	})
	return mux
}

// front is the REST interface of a hub.
type front struct {
	hub  *iothub.Hub
	jobs *jobs.Jobs
}

// endpoint is a kind of request.
type endpoint struct {
	pattern string       // as http.ServeMux has them; {device} and {module} name whom the request is about
	rights  iothub.Right // what a policy must have; none for requests of a device
	limit   int64        // bytes of the body
	serve   func(r *request) error
}

// request is one that was let in.
type request struct {
	*http.Request
	w         http.ResponseWriter
	id        iothub.ID
	principal iothub.Principal
	body      []byte
}

// Limits of bodies in bytes. Those of a real hub are not public but for messages and methods.
const (
	noBody       = 0
	smallBody    = 64 << 10
	twinBody     = 512 << 10 // whole twins are sent back, with their metadata
	bulkBody     = 4 << 20   // 100 of the usual twins
	methodBody   = iothub.MaxMethodPayload + 4<<10
	jobBody      = twinBody
	messagesBody = 1 << 20 // a batch is written in base64
)

// endpoints lists the requests that are served (read: azure-iothub, azure-iot-device-http). The rights are those of
// Microsoft's pages on access control. Queries ask the registry: a real hub refuses them to the policy service (read:
// MicrosoftLearning/AZ-220-Microsoft-Azure-IoT-Developer#26). Jobs belong to the registry too (read: the page that schedules
// some).
func (f *front) endpoints() []endpoint {
	const (
		read    = iothub.RegistryRead
		write   = iothub.RegistryWrite
		service = iothub.ServiceConnect
		device  = iothub.Right(0)
	)
	return []endpoint{
		{"GET /devices", read, noBody, f.listDevices},
		{"GET /devices/{$}", read, noBody, f.listDevices},
		{"POST /devices", write, bulkBody, f.bulk},
		{"POST /devices/query", read, smallBody, f.query},
		{"GET /devices/{device}", read, noBody, f.getIdentity},
		{"PUT /devices/{device}", write, smallBody, f.putIdentity},
		{"DELETE /devices/{device}", write, noBody, f.deleteIdentity},
		{"GET /devices/{device}/modules", read, noBody, f.listModules},
		{"GET /devices/{device}/modules/{module}", read, noBody, f.getIdentity},
		{"PUT /devices/{device}/modules/{module}", write, smallBody, f.putIdentity},
		{"DELETE /devices/{device}/modules/{module}", write, noBody, f.deleteIdentity},
		{"GET /statistics/devices", read, noBody, f.deviceStatistics},
		{"GET /statistics/service", read, noBody, f.serviceStatistics},

		{"GET /twins/{device}", service, noBody, f.getTwin},
		{"PATCH /twins/{device}", service, twinBody, f.patchTwin},
		{"PUT /twins/{device}", service, twinBody, f.replaceTwin},
		{"GET /twins/{device}/modules/{module}", service, noBody, f.getTwin},
		{"PATCH /twins/{device}/modules/{module}", service, twinBody, f.patchTwin},
		{"PUT /twins/{device}/modules/{module}", service, twinBody, f.replaceTwin},
		{"POST /twins/{device}/methods", service, methodBody, f.invoke},
		{"POST /twins/{device}/modules/{module}/methods", service, methodBody, f.invoke},

		{"PUT /jobs/v2/{job}", write, jobBody, f.putJob},
		{"GET /jobs/v2/{job}", read, noBody, f.getJob},
		{"POST /jobs/v2/{job}/cancel", write, smallBody, f.cancelJob},
		{"GET /jobs/v2/query", read, noBody, f.queryJobs},
		{"POST /jobs/create", write, smallBody, f.createBulkJob},
		{"GET /jobs", read, noBody, f.listBulkJobs},
		{"GET /jobs/{job}", read, noBody, f.getBulkJob},
		{"DELETE /jobs/{job}", write, noBody, f.cancelBulkJob},

		{"DELETE /devices/{device}/commands", service, noBody, f.purge},
		{"GET /messages/serviceBound/feedback", service, noBody, f.receiveFeedback},
		{"DELETE /messages/serviceBound/feedback/{token}", service, noBody, f.completeFeedback},
		{"POST /messages/serviceBound/feedback/{token}/abandon", service, smallBody, f.abandonFeedback},

		{"POST /devices/{device}/messages/events", device, messagesBody, f.send},
		{"POST /devices/{device}/modules/{module}/messages/events", device, messagesBody, f.send},
		{"GET /devices/{device}/messages/devicebound", device, noBody, f.receive},
		{"GET /devices/{device}/modules/{module}/messages/devicebound", device, noBody, f.receive},
		{"GET /devices/{device}/messages/deviceBound", device, noBody, f.receive}, // as Microsoft's pages write it
		{"DELETE /devices/{device}/messages/devicebound/{token}", device, noBody, f.settle},
		{"DELETE /devices/{device}/messages/deviceBound/{token}", device, noBody, f.settle},
		{"POST /devices/{device}/messages/devicebound/{token}/abandon", device, smallBody, f.abandon},
		{"POST /devices/{device}/messages/deviceBound/{token}/abandon", device, smallBody, f.abandon},
	}
}

// serve lets a request in, reads its body and answers it.
func (f *front) serve(e endpoint, w http.ResponseWriter, r *http.Request) error {
	w.Header().Set("Date", f.hub.Now().UTC().Format(http.TimeFormat)) // that of the tokens it takes
	setWriteDeadline(w, time.Time{})                                  // that of the connection's last answer may have passed
	in := &request{Request: r, w: w, id: iothub.ID{Device: r.PathValue("device"), Module: r.PathValue("module")}}
	if err := f.authorize(e, in); err != nil {
		return err
	}
	if !servedVersion(r.URL.Query().Get("api-version")) {
		f.refuseAs(w, http.StatusBadRequest, "InvalidProtocolVersion", "BadRequest")
		return nil
	}
	if err := in.read(e.limit); err != nil {
		return err
	}
	return e.serve(in)
}

// read takes the body in, if it keeps to the limit.
func (r *request) read(limit int64) error {
	tooLarge := &iothub.Error{Code: iothub.MessageTooLarge, Message: "the body of the request is too large"}
	if r.ContentLength > limit {
		r.w.Header().Set("Connection", "close") // nobody reads the rest
		return tooLarge
	}
	var err error
	r.body, err = io.ReadAll(http.MaxBytesReader(r.w, r.Body, limit))
	switch {
	case errors.As(err, new(*http.MaxBytesError)):
		return tooLarge
	case err != nil:
		return invalid("the body of the request cannot be read: %v", err)
	}
	return nil
}

// writeTime is how long a client may take to read an answer.
const writeTime = 30 * time.Second

// answer writes a status, the headers that are set already, and a body.
func answer(w http.ResponseWriter, status int, body []byte) {
	setWriteDeadline(w, time.Now().Add(writeTime))
	w.WriteHeader(status)
	_, _ = w.Write(body) // a client that has gone does not read it
}

func setWriteDeadline(w http.ResponseWriter, at time.Time) {
	_ = http.NewResponseController(w).SetWriteDeadline(at) // a writer of a test has none
}
