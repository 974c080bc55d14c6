package https

import (
	"net/http"
	"slices"
	"strings"

	"azx/internal/local/iothub"
)

// versions are those of Microsoft's SDKs (read: their sources and release notes). All of them mean the newest here.
var versions = []string{"2016-02-03", "2016-11-14", "2017-06-30", "2017-11-08-preview", "2018-04-01", "2018-06-30", "2019-03-30",
	"2019-07-01-preview", "2019-10-01", "2020-03-01", "2020-03-13", "2020-05-31-preview", "2020-09-30", "2021-04-12"}

func servedVersion(version string) bool { return slices.Contains(versions, version) }

// authorize checks the token of a request. That of a back end needs a policy with the rights, that of a device its own
// key or a policy that lets devices connect.
func (f *front) authorize(e endpoint, r *request) error {
	if r.id.Device != "" {
		if err := r.id.Check(); err != nil { // a slash would name another resource
			return err
		}
	}
	text := r.Header.Get("Authorization")
	var err error
	if e.rights == 0 {
		r.principal, err = f.hub.VerifyHub(text, f.hub.Names().Host+"/"+r.id.Path())
		return err
	}
	if iothub.IsBearer(text) {
		return f.authorizeBearer(text, r)
	}
	token, err := iothub.ParseToken(text)
	if err != nil {
		return unauthorized("%v", err)
	}
	if r.principal, err = f.hub.VerifyHub(text, token.Resource); err != nil {
		return err
	}
	if !r.principal.Covers(f.hub.Names().Host + r.URL.Path) {
		return unauthorized("the token is for %q and does not cover this request", r.principal.Audience)
	}
	if !r.principal.Can(e.rights) {
		return unauthorized("policy %q lacks the right to do this", r.principal.Policy)
	}
	return nil
}

func unauthorized(format string, args ...any) error {
	return refusal(iothub.UnauthorizedAccess, "Unauthorized: "+format, args...)
}

// authorizeBearer checks a token of Microsoft Entra ID: a role has to give the data action.
func (f *front) authorizeBearer(token string, r *request) (err error) {
	if r.principal, err = f.hub.VerifyBearer(token); err != nil {
		return err
	}
	if action := actionOf(r.Method, r.URL.Path); !r.principal.May(action) {
		return unauthorized("no role of the principal %s has the data action Microsoft.Devices/IotHubs/%s", r.principal.Object, action)
	}
	return nil
}

// actionOf is the data action that a request of a back end needs (read: Microsoft's page on Entra ID; that of a query is
// inferred).
func actionOf(method, path string) string {
	parts := strings.Split(strings.Trim(path, "/"), "/")
	last := parts[len(parts)-1]
	switch {
	case parts[0] == "messages":
		return "cloudToDeviceMessages/feedback/action"
	case last == "commands":
		return "cloudToDeviceMessages/queue/purge/action"
	case last == "methods":
		return "directMethods/invoke/action"
	case last == "query", parts[0] == "twins" && method == http.MethodGet:
		return "twins/read"
	case parts[0] == "twins":
		return "twins/write"
	case method == http.MethodGet:
		return "devices/read"
	case method == http.MethodDelete:
		return "devices/delete"
	}
	return "devices/write"
}
