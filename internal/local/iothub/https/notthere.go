package https

import "net/http"

// notThere lists the requests of a real hub that this one does not serve: each is answered with 501. Besides, X.509
// certificates as a device's authentication and tokens of Entra ID are refused where they come.
// What a back end says of a module's managedBy is not kept.
func notThere() []string {
	return []string{
		"/configurations", "/configurations/", "POST /devices/{device}/applyConfigurationContent", // edge deployments
		"/devices/{device}/files", "/devices/{device}/files/", // file upload
		"/messages/serviceBound/filenotifications", "/messages/serviceBound/filenotifications/",
		"/digitaltwins/", // Plug and Play's own view of twins
	}
}

func (f *front) refuseAbsent(w http.ResponseWriter, r *http.Request) {
	f.refuseNotThere(w, r.Method+" "+r.URL.Path)
}

func (f *front) refuseNotThere(w http.ResponseWriter, what string) {
	f.refuseAs(w, http.StatusNotImplemented, "NotImplemented", "the local hub does not have this: "+what)
}
