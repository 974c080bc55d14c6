package rest

import (
	"net/http"
	"strings"

	"azx/internal/local/thingworx"
)

// caller returns the user that a request is from: of the application key or, failing that, of HTTP Basic, where the password
// is an application key of the user: passwords are not kept here.
//
// A request by Basic that changes something must have one of the headers that only a program sets, since a browser sends
// Basic by itself; whether they have a certain value is not looked at (read).
func (h *Handler) caller(r *http.Request) (string, error) {
	key := keyOf(r)
	name, password, basic := r.BasicAuth()
	if key != "" || !basic {
		return h.platform.User(key)
	}
	user, err := h.platform.User(password)
	if err != nil || user != name {
		return "", thingworx.Refuse(thingworx.Denied, "user name or password is wrong: the password is an application key of that user,"+
			" such as Administrator with the one in platform.json")
	}
	if r.Method != http.MethodGet && r.Method != http.MethodHead && r.Header.Get("X-XSRF-TOKEN") == "" && r.Header.Get("X-Requested-With") == "" {
		return user, thingworx.Refuse(thingworx.Forbidden, "a %s with a user name and password needs the header X-XSRF-TOKEN: TWX-XSRF-TOKEN-VALUE,"+
			" or X-Requested-With: XMLHttpRequest; one with an application key does not", r.Method)
	}
	return user, nil
}

// keyOf returns the application key of the header or, failing that, the query; the header's case does not matter.
func keyOf(r *http.Request) string {
	if key := r.Header.Get("appKey"); key != "" {
		return key
	}
	for name, values := range r.URL.Query() {
		if strings.EqualFold(name, "appKey") && len(values) > 0 {
			return values[0]
		}
	}
	return ""
}
