//go:build !connector

package main

import (
	"bytes"
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"azx/extension"
)

// packagePlatform is a platform that has the two packages, but for what lost names.
func packagePlatform(t *testing.T, key, lost string) string {
	t.Helper()
	sources, err := extension.Packages()
	if err != nil {
		t.Fatal(err)
	}
	documents, rows := map[string]string{}, ""
	for _, s := range sources {
		rows += fmt.Sprintf(`,{"name":%q,"packageVersion":%q}`, s.Info.Name, s.Info.Version)
		for _, f := range s.Files {
			documents["/Thingworx/Exporter/"+strings.TrimSuffix(strings.TrimPrefix(f.Name, "Entities/"), ".xml")] = string(f.Data)
		}
	}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch text, ok := documents[r.URL.Path]; {
		case r.Header.Get("appKey") != key:
			http.Error(w, "no", http.StatusUnauthorized)
		case strings.HasSuffix(r.URL.Path, "/GetExtensionPackageList"):
			fmt.Fprintf(w, `{"rows":[%s]}`, rows[1:])
		case strings.HasSuffix(r.URL.Path, "/CheckScriptWithLinesAndColumns"):
			fmt.Fprint(w, `{"rows":[{"status":true}]}`)
		case ok && !strings.HasSuffix(r.URL.Path, lost):
			fmt.Fprint(w, text)
		default:
			http.Error(w, "not here", http.StatusNotFound)
		}
	}))
	t.Cleanup(server.Close)
	return server.URL
}

func TestVerifySaysWhatIsMissingByItsExitCode(t *testing.T) {
	const key = "canary-5up3r"
	folder := t.TempDir()
	if err := os.WriteFile(filepath.Join(folder, "key"), []byte(key+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(folder, "broken.zip"), []byte("x"), 0o600); err != nil {
		t.Fatal(err)
	}
	bundle, err := extension.Build()
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(folder, "all.zip"), bundle.All.Bytes, 0o600); err != nil {
		t.Fatal(err)
	}
	t.Setenv("AZX_TEST_KEY", key)
	whole, one := packagePlatform(t, key, "/none"), packagePlatform(t, key, firstEntity(t))
	for name, c := range map[string]struct {
		args []string
		code int
		want string
	}{
		"everything is there":        {[]string{"--url", whole, "--appKey", key}, exitOK, "everything is there"},
		"the key of a variable":      {[]string{"--url", whole, "--appKey", "${env:AZX_TEST_KEY}"}, exitOK, "everything is there"},
		"the key of a file":          {[]string{"--url", whole + "/Thingworx", "--appKey", "${file:" + filepath.Join(folder, "key") + "}"}, exitOK, "everything is there"},
		"a zip":                      {[]string{"--url", whole, "--appKey", key, "--package", filepath.Join(folder, "all.zip")}, exitOK, "everything is there"},
		"JSON":                       {[]string{"--url", whole, "--appKey", key, "--json"}, exitOK, `"losses": []`},
		"one is missing":             {[]string{"--url", one, "--appKey", key}, exitPartial, "is missing"},
		"a wrong key":                {[]string{"--url", whole, "--appKey", "other"}, exitUnreachable, "the application key is not accepted (401)"},
		"nobody there":               {[]string{"--url", "http://127.0.0.1:1", "--appKey", key}, exitUnreachable, "ask the platform for Subsystems"},
		"no URL":                     {[]string{"--appKey", key}, exitUsage, "expected https://HOST/Thingworx"},
		"a key that is nowhere":      {[]string{"--url", whole, "--appKey", "${env:AZX_NO_SUCH_KEY}"}, exitUsage, "environment variable AZX_NO_SUCH_KEY is not set"},
		"a zip that is none":         {[]string{"--url", whole, "--appKey", key, "--package", filepath.Join(folder, "broken.zip")}, exitConfig, "not a zip"},
		"a zip that is not there":    {[]string{"--url", whole, "--appKey", key, "--package", filepath.Join(folder, "no.zip")}, exitUsage, "no such file"},
		"certificates that are none": {[]string{"--url", whole, "--appKey", key, "--ca", filepath.Join(folder, "key")}, exitUsage, "has no certificate in it"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Setenv("THINGWORX_SERVER", "")
			t.Setenv("THINGWORX_APPKEY", "")
			var out, errs bytes.Buffer
			code := execute(context.Background(), append([]string{"extension", "verify"}, c.args...), &out, &errs)
			if code != c.code || !strings.Contains(out.String()+errs.String(), c.want) {
				t.Errorf("exit code %d, %s%s\nwant %d, %s", code, out.String(), errs.String(), c.code, c.want)
			}
			if strings.Contains(out.String()+errs.String(), key) {
				t.Error("the key is shown")
			}
		})
	}
}

// firstEntity is the path of some entity that the packages have.
func firstEntity(t *testing.T) string {
	t.Helper()
	sources, err := extension.Packages()
	if err != nil {
		t.Fatal(err)
	}
	for collection, e := range sources[0].Set.All() {
		return "/Exporter/" + collection + "/" + e.Name
	}
	t.Fatal("the package has no entity")
	return ""
}
