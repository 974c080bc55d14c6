package e2e

import (
	"archive/zip"
	"bytes"
	"encoding/json"
	"io"
	"mime/multipart"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"azx/test/process"
)

const (
	servicesPackage = "azx-connection-services"
	azurePackage    = "azx-azure-iot"
)

// builds are the zips that azx extension build writes, by the beginnings of their names.
func builds(t *testing.T, stack *process.Stack, folder string) map[string][]byte {
	t.Helper()
	stack.Run("extension", "build", "-o", folder)
	files, err := filepath.Glob(filepath.Join(stack.Dir, folder, "*.zip"))
	if err != nil {
		t.Fatal(err)
	}
	zips := map[string][]byte{}
	for _, file := range files {
		name := filepath.Base(file)
		if zips[name[:strings.LastIndex(name, "-")]], err = os.ReadFile(file); err != nil {
			t.Fatal(err)
		}
	}
	if len(zips) != 3 {
		t.Fatalf("built %v", files)
	}
	return zips
}

// uploaded is the answer to an upload: the status, and what it says of packages, or its text.
type uploaded struct {
	status int
	text   string
}

// said is what the answer tells a person.
func (u uploaded) said(t *testing.T) string {
	t.Helper()
	type report struct {
		Rows []struct{ ReportMessage string }
	}
	var table struct {
		Rows []struct{ Validate, Install report }
	}
	if !strings.HasPrefix(u.text, "{") {
		return u.text
	}
	if err := json.Unmarshal([]byte(u.text), &table); err != nil {
		t.Fatalf("%v: %.500s", err, u.text)
	}
	var said []string
	for _, row := range table.Rows {
		for _, one := range slices.Concat(row.Validate.Rows, row.Install.Rows) {
			said = append(said, one.ReportMessage)
		}
	}
	return strings.Join(said, "\n")
}

func upload(t *testing.T, p *process.Platform, query string, file []byte) uploaded {
	t.Helper()
	var body bytes.Buffer
	form := multipart.NewWriter(&body)
	part, err := form.CreateFormFile("file", "package.zip")
	if err == nil {
		_, err = part.Write(file)
	}
	if err == nil {
		err = form.Close()
	}
	if err != nil {
		t.Fatal(err)
	}
	request, err := http.NewRequest(http.MethodPost, p.URL+"/ExtensionPackageUploader?purpose=import"+query, &body)
	if err != nil {
		t.Fatal(err)
	}
	request.Header.Set("Content-Type", form.FormDataContentType())
	request.Header.Set("appKey", p.AppKey)
	answer, err := http.DefaultClient.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	text, err := io.ReadAll(answer.Body)
	if err != nil {
		t.Fatal(err)
	}
	return uploaded{answer.StatusCode, string(text)}
}

// installed are the names and versions of the packages that the platform lists.
func installed(t *testing.T, p *process.Platform) []string {
	t.Helper()
	var table struct {
		Rows []struct{ Name, PackageVersion string }
	}
	if err := json.Unmarshal(p.Call("Subsystems/PlatformSubsystem", "GetExtensionPackageList", map[string]any{}), &table); err != nil {
		t.Fatal(err)
	}
	names := []string{}
	for _, row := range table.Rows {
		names = append(names, row.Name+" "+row.PackageVersion)
	}
	return names
}

// verify runs azx extension verify against the platform and returns its exit code and what it prints.
func verify(stack *process.Stack, flags ...string) (int, string) {
	child := stack.Start(append([]string{"extension", "verify", "--url", stack.Platform.URL, "--appKey", stack.Platform.AppKey}, flags...)...)
	return child.Wait(time.Minute), child.Stdout()
}

func TestThePackagesAreBuiltTheSameAndUploadedAsToARealPlatform(t *testing.T) {
	t.Parallel()
	stack := process.NewPlatform(t, azx, "--bare")
	zips, again := builds(t, stack, "dist"), builds(t, stack, "dist2")
	for name := range zips {
		if !bytes.Equal(zips[name], again[name]) {
			t.Errorf("%s is another one when it is built again", name)
		}
	}
	bundle := filepath.Join(stack.Dir, "dist", "azx-extensions-0.1.0.zip")
	curl := func(query string) string {
		out, err := exec.Command("curl", "-sS", "--fail-with-body", "-u", "Administrator:"+stack.Platform.AppKey, "-H", "X-XSRF-TOKEN: TWX-XSRF-TOKEN-VALUE",
			"-H", "Accept: application/json", "-F", "file=@"+bundle, stack.Platform.URL+"/ExtensionPackageUploader?purpose=import"+query).CombinedOutput()
		if err != nil {
			t.Fatalf("curl: %v: %s", err, out)
		}
		return uploaded{http.StatusOK, string(out)}.said(t)
	}
	want := "Extension azx-connection-services 0.1.0 can be installed.\nExtension azx-azure-iot 0.1.0 can be installed."
	if got := curl("&validate=true"); got != want {
		t.Errorf("validated: %s", got)
	}
	if got := installed(t, stack.Platform); len(got) != 0 {
		t.Errorf("a validation installed %v", got)
	}
	if code, text := verify(stack); code != 5 || !strings.Contains(text, servicesPackage+": the package is not installed\n") {
		t.Errorf("in front of the import, verify ends with %d: %.300s", code, text)
	}
	curl("")
	if got := installed(t, stack.Platform); !slices.Equal(got, []string{servicesPackage + " 0.1.0", azurePackage + " 0.1.0"}) {
		t.Errorf("installed are %v", got)
	}
	if code, text := verify(stack); code != 0 || !strings.HasSuffix(text, "looked at: everything is there\n") {
		t.Errorf("verify ends with %d:\n%s", code, text)
	}
	taken := archive(t, map[string]string{
		"metadata.xml":      `<Entities><ExtensionPackages><ExtensionPackage name="other" packageVersion="1.0.0"/></ExtensionPackages></Entities>`,
		"Entities/Mine.xml": `<Entities><ThingTemplates><ThingTemplate name="AzureIotThing" baseThingTemplate="RemoteThing"/></ThingTemplates></Entities>`,
	})
	if answer := upload(t, stack.Platform, "", taken); answer.status != http.StatusNotAcceptable ||
		answer.said(t) != "Entities/Mine.xml:1: ThingTemplates/AzureIotThing: the entity belongs to the package azx-azure-iot, which is installed" {
		t.Errorf("a name that is taken: %d %s", answer.status, answer.text)
	}
	if code, text := verify(stack); code != 0 {
		t.Errorf("after all that, verify ends with %d:\n%s", code, text)
	}
}

func TestAnUploadThatWasAnsweredSurvivesAKill(t *testing.T) {
	t.Parallel()
	stack := process.NewPlatform(t, azx, "--bare")
	zips := builds(t, stack, "dist")
	for _, name := range []string{servicesPackage, azurePackage} {
		answer := upload(t, stack.Platform, "", zips[name])
		stack.PlatformProcess.Kill()
		if answer.status != http.StatusOK {
			t.Fatalf("%s: %d %s", name, answer.status, answer.text)
		}
		stack.StartPlatform()
		if got := installed(t, stack.Platform); !slices.Contains(got, name+" 0.1.0") {
			t.Errorf("after the kill, installed are %v", got)
		}
	}
	if code, text := verify(stack); code != 0 {
		t.Errorf("verify ends with %d:\n%s", code, text)
	}
}

// archive makes a zip of its files.
func archive(t *testing.T, files map[string]string) []byte {
	t.Helper()
	var out bytes.Buffer
	w := zip.NewWriter(&out)
	names := []string{}
	for name := range files {
		names = append(names, name)
	}
	slices.Sort(names)
	for _, name := range names {
		f, err := w.Create(name)
		if err == nil {
			_, err = f.Write([]byte(files[name]))
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

// unpacked are the files of a zip.
func unpacked(t *testing.T, data []byte) map[string]string {
	t.Helper()
	z, err := zip.NewReader(bytes.NewReader(data), int64(len(data)))
	if err != nil {
		t.Fatal(err)
	}
	files := map[string]string{}
	for _, f := range z.File {
		body, err := f.Open()
		if err != nil {
			t.Fatal(err)
		}
		text, err := io.ReadAll(body)
		if err != nil {
			t.Fatal(err)
		}
		body.Close()
		files[f.Name] = string(text)
	}
	return files
}
