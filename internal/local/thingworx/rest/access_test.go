package rest

import (
	"net/http/httptest"
	"strings"
	"testing"

	"azx/extension/entity"
	"azx/internal/local/thingworx"
)

func TestAUserNameGoesWithAnApplicationKeyAsItsPassword(t *testing.T) {
	const csrf, requested = "X-XSRF-TOKEN", "X-Requested-With"
	for _, tc := range []struct {
		name, method, user, password, header string
		code                                 int
		want                                 string
	}{
		{"a read", "GET", "Administrator", key, "", 200, ""},
		{"a write with the token's header", "PUT", "Administrator", key, csrf, 200, ""},
		{"a write as programs of a page make it", "PUT", "Administrator", key, requested, 200, ""},
		{"a write as a form could make it", "PUT", "Administrator", key, "", 403, "needs the header X-XSRF-TOKEN"},
		{"another password", "GET", "Administrator", "secret", "", 401, "user name or password is wrong"},
		{"another user", "GET", "System", key, "", 401, "user name or password is wrong"},
		{"no password", "GET", "Administrator", "", "", 401, "user name or password is wrong"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			h, _ := plant(t)
			r := httptest.NewRequest(tc.method, pump+"/Properties/mode", strings.NewReader(`{"mode":"x"}`))
			r.SetBasicAuth(tc.user, tc.password)
			r.Header.Set("Content-Type", "application/json")
			if tc.header != "" {
				r.Header.Set(tc.header, "anything")
			}
			w := httptest.NewRecorder()
			h.ServeHTTP(w, r)
			if w.Code != tc.code || !strings.Contains(w.Body.String(), tc.want) || strings.Contains(w.Body.String(), "secret") {
				t.Errorf("got %d %s", w.Code, w.Body)
			}
		})
	}
}

// A user sees what his organization is shown, reads definitions with the right of design time, and changes what he was granted.
func TestACallerWithoutRightsIsRefusedWithTheReason(t *testing.T) {
	h, p := plant(t)
	ok(t, h, "POST", entities+"CreateUser", `{"name":"joe"}`)
	joe, err := p.CreateKey("joes", "joe")
	if err != nil {
		t.Fatal(err)
	}
	try := func(method, path, body string, code int, want string) {
		t.Helper()
		got, text := do(h, method, path, body, map[string]string{"appKey": joe})
		if got != code || !strings.Contains(text, want) {
			t.Errorf("%s %s: got %d %.300s, want %d %s", method, path, got, text, code, want)
		}
	}
	const unseen = `there is no Thing "Pump-1" that user joe may see`
	for _, path := range []string{pump, pump + "/Properties", pump + "/Metadata", pump + "/EventDefinitions", pump + "/ImplementedShapes", pump + "/ServiceDefinitions"} {
		try("GET", path, "", 404, unseen)
	}
	try("DELETE", pump, "", 404, unseen)
	try("POST", pump+"/Events/ThingStart", "{}", 404, unseen)
	if text := ok(t, h, "GET", "/Thingworx/Things", ""); !strings.Contains(text, "Pump-1") {
		t.Error("the administrator does not see it")
	}
	if _, text := do(h, "GET", "/Thingworx/Things", "", map[string]string{"appKey": joe}); strings.Contains(text, "Pump-1") {
		t.Error("joe sees it in the list")
	}
	ok(t, h, "POST", pump+"/Services/AddVisibilityPermission", `{"principal":"Everyone","principalType":"Organization"}`)
	try("GET", pump+"/Metadata", "", 200, `"temperature"`)
	try("GET", pump, "", 403, "user joe may not read Thing Pump-1")
	try("GET", pump, "", 403, "AddDesignTimePermission")
	try("DELETE", pump, "", 403, "user joe may not delete Thing Pump-1")
	try("POST", pump+"/Events/ThingStart", "{}", 403, "user joe may not fire event ThingStart")
	try("PUT", pump+"/Properties/mode", `{"mode":"x"}`, 404, `no property "mode"`)
	try("GET", "/Thingworx/Exporter/Things/Pump-1", "", 403, "user joe is no administrator")
	try("POST", "/Thingworx/ExtensionPackageUploader?purpose=import", "", 403, "user joe is no administrator")
	try("POST", "/Thingworx/Importer", "", 403, "user joe is no administrator")
	try("GET", "/Thingworx/Groups/Administrators", "", 404, "that user joe may see")
	ok(t, h, "POST", pump+"/Services/AddDesignTimePermission", `{"type":"Read","principal":"joe","principalType":"User"}`)
	try("GET", pump, "", 200, `"thingTemplate":"RemoteThing"`)
}

func TestPermissionsAreInTheJSONOfAnEntity(t *testing.T) {
	everyone := []entity.Principal{{Name: "Everyone", Type: "Organization"}}
	admins := entity.Principal{Name: "Administrators", Type: "Group"}
	out := entityJSON(&thingworx.Description{EntityView: thingworx.EntityView{Common: entity.Common{Name: "x", Tags: "a:b; c:d;e", Permissions: entity.Permissions{
		Visibility: everyone, RunTime: []entity.Grant{
			{Resource: "*", Right: "ServiceInvoke", Principal: admins, Permitted: true}, {Resource: "Stop", Right: "ServiceInvoke", Principal: admins},
			{Resource: "*", Right: "PropertyRead", Principal: admins, Permitted: true}},
	}}}})
	a, err := marshal(out)
	if err != nil {
		t.Fatal(err)
	}
	const none = `"EventInvoke":[],"EventSubscribe":[],`
	for _, want := range []string{
		`"runTimePermissions":{"permissions":[{` + none + `"PropertyRead":[{"name":"Administrators","type":"Group","isPermitted":true}],"PropertyWrite":[],"ServiceInvoke":[{"name":"Administrators","type":"Group","isPermitted":true}],"resourceName":"*"},{` + none,
		`"ServiceInvoke":[{"name":"Administrators","type":"Group","isPermitted":false}],"resourceName":"Stop"}]}`,
		`"visibilityPermissions":{"Visibility":[{"name":"Everyone","type":"Organization","isPermitted":true}]}`,
		`"tags":[{"vocabulary":"a","vocabularyTerm":"b"},{"vocabulary":"c","vocabularyTerm":"d"}]`,
	} {
		if !strings.Contains(string(a.body), want) {
			t.Errorf("%s is not in %s", want, a.body)
		}
	}
}
