package importer

import (
	"archive/zip"
	"bytes"
	"errors"
	"fmt"
	"strings"
	"testing"
)

// small are limits that a test reaches soon.
var small = limits{entries: 100, unpacked: 1 << 20, ratio: 200, from: 1 << 10}

func TestZipsThatAreNoPackageAreRefused(t *testing.T) {
	other := strings.Replace(meta, `name="plant"`, `name="other"`, 1)
	ring := func(name, on string) string {
		return string(pack(t, map[string]string{"metadata.xml": strings.NewReplacer(`name="plant"`, `name="`+name+`"`, `dependsOn=""`, `dependsOn="`+on+`:1.0.0"`).Replace(meta)}))
	}
	for name, c := range map[string]struct {
		data []byte
		want string
	}{
		"no zip":                      {[]byte("hello"), "not a zip: zip: not a valid zip file"},
		"an empty zip":                {pack(t, nil), "the zip has neither metadata.xml at its root nor packages as zips"},
		"the folder instead":          {pack(t, map[string]string{"plant/metadata.xml": meta}), "plant/metadata.xml: metadata.xml must stand at the root of the zip"},
		"a jar":                       {pack(t, map[string]string{"metadata.xml": meta, "lib/common/Plant.JAR": "x"}), "lib/common/Plant.JAR: is a Java library, which this platform cannot run"},
		"a jar that is only named":    {pack(t, map[string]string{"metadata.xml": strings.Replace(meta, `dependsOn=""/>`, `><JarResources><FileResource type="JAR" file="p.jar"/></JarResources></ExtensionPackage>`, 1)}), "metadata.xml:3: needs the Java library p.jar"},
		"no package":                  {pack(t, map[string]string{"metadata.xml": "<Entities/>"}), "metadata.xml: declares 0 packages, expected one"},
		"a package in an entity file": {pack(t, map[string]string{"metadata.xml": meta, "Entities/X.xml": meta}), "Entities/X.xml:3: declares a package; only metadata.xml may"},
		"an absolute path":            {pack(t, map[string]string{"/metadata.xml": meta}), "/metadata.xml: the path leads out of the package"},
		"a path of Windows":           {pack(t, map[string]string{`Entities\Things\a.xml`: thing}), `Entities\Things\a.xml: the path leads out of the package`},
		"a drive":                     {pack(t, map[string]string{`c:a.xml`: thing}), `c:a.xml: the path leads out of the package`},
		"a long path":                 {pack(t, map[string]string{strings.Repeat("a", 501): "x"}), strings.Repeat("a", 100) + "...: the name is too long"},
		"an entry twice":              {twice(t), "metadata.xml: stands twice in the zip"},
		"a link":                      {link(t), "metadata.xml: is a link or a device"},
		"a bundle with a broken one":  {pack(t, map[string]string{"a.zip": "x"}), "a.zip: not a zip"},
		"a bundle in a bundle":        {pack(t, map[string]string{"a.zip": string(pack(t, map[string]string{"b.zip": string(pack(t, good()))}))}), "a.zip: the zip has no metadata.xml at its root"},
		"broken XML in a bundle":      {pack(t, map[string]string{"a.zip": string(pack(t, map[string]string{"metadata.xml": meta, "Entities/a.xml": "<a"}))}), "Entities/a.xml:1: a.zip: not XML"},
		"the same package twice":      {pack(t, map[string]string{"a.zip": string(pack(t, good())), "b.zip": string(pack(t, good()))}), "metadata.xml:3: the package plant stands twice in the bundle"},
		"packages in a ring":          {pack(t, map[string]string{"a.zip": ring("a", "b"), "b.zip": ring("b", "a")}), "metadata.xml:3: the packages of the bundle depend on each other in a ring, a among them"},
		"too many entities":           {pack(t, map[string]string{"metadata.xml": meta, "Entities/a.xml": noise + " --><Entities><Users>" + strings.Repeat(`<User name="a"/>`, 20_001) + "</Users></Entities>"}), "metadata.xml:3: the package has more than 20000 entities"},
		"a bomb":                      {pack(t, map[string]string{"metadata.xml": other, "Entities/a.xml": strings.Repeat(" ", 400<<10)}), "Entities/a.xml: grows from"},
		"a bomb in a bundle":          {pack(t, map[string]string{"a.zip": string(pack(t, map[string]string{"metadata.xml": strings.Repeat(" ", 400<<10)}))}), "metadata.xml: a.zip: grows from"},
		"too many entries":            {many(t), "the zip has more than 100 entries"},
		"more than fits":              {pack(t, map[string]string{"metadata.xml": meta, "Entities/a.xml": noise + strings.Repeat(" ", 700<<10), "Entities/b.xml": noise + strings.Repeat(" ", 700<<10)}), "Entities/b.xml: the zip holds more than 1048576 bytes"},
	} {
		t.Run(name, func(t *testing.T) {
			packages, err := read(c.data, small)
			var found Problems
			if packages != nil || !errors.As(err, &found) || !has(found, c.want, Refuses) {
				t.Errorf("got %v, want %s", err, c.want)
			}
		})
	}
}

func many(t *testing.T) []byte {
	files := map[string]string{}
	for i := range small.entries + 1 {
		files[fmt.Sprintf("ui/%d", i)] = ""
	}
	return pack(t, files)
}

func twice(t *testing.T) []byte {
	var out bytes.Buffer
	w := zip.NewWriter(&out)
	for range 2 {
		entry, err := w.Create("metadata.xml")
		if err != nil {
			t.Fatal(err)
		}
		if _, err := entry.Write([]byte(meta)); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

func link(t *testing.T) []byte {
	var out bytes.Buffer
	w := zip.NewWriter(&out)
	header := &zip.FileHeader{Name: "metadata.xml"}
	header.SetMode(0o777 | 1<<27) // fs.ModeSymlink
	if _, err := w.CreateHeader(header); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

func TestAFlatPackageAndUnknownCollectionsAreTaken(t *testing.T) {
	p := readOne(t, map[string]string{
		"metadata.xml":            strings.Replace(meta, "</Entities>", `<Widgets><Widget name="gauge"/></Widgets></Entities>`, 1),
		"Entities/Things_A.xml":   `<Entities><Things><Thing name="A" thingTemplate="GenericThing"/></Things><AIAgents><AIAgent name="B"/></AIAgents></Entities>`,
		"Entities/Mashups/M.xml":  `<Entities><Mashups><Mashup name="M"/></Mashups></Entities>`,
		"Localization/de.json":    "{",
		"ui/gauge/gauge.ide.js":   "x",
		"Entities/Things/":        "",
		"Entities/Things/note.md": "x",
	})
	if found := Check(p, bare(), compile); len(found) > 0 || len(p.Set.Documents) != 3 {
		t.Errorf("%v, %+v", Problems(found), p.Set.Documents)
	}
	thingNamed(t, &p.Set, "A")
}

func TestALooseExportIsNoPackage(t *testing.T) {
	p, err := ReadXML("all.xml", []byte(thing))
	if err != nil || p.Info.Name != "" || len(p.Set.Things) != 1 {
		t.Errorf("%+v, %v", p, err)
	}
	if _, err := ReadXML("metadata.xml", []byte(meta)); err == nil || !strings.Contains(err.Error(), "metadata.xml:3: this is the metadata of a package") {
		t.Error(err)
	}
	if _, err := ReadXML("all.xml", []byte("<a>")); err == nil || err.Error() != "all.xml:1: not XML: unexpected EOF" {
		t.Error(err)
	}
}

func FuzzRead(f *testing.F) {
	f.Add(pack(f, map[string]string{"metadata.xml": meta}))
	f.Add(pack(f, map[string]string{"a.zip": string(pack(f, map[string]string{"metadata.xml": meta}))}))
	f.Fuzz(func(t *testing.T, data []byte) {
		packages, err := Read(data)
		if (err == nil) != (len(packages) > 0) {
			t.Fatalf("%d packages and %v", len(packages), err)
		}
		for _, p := range packages {
			found := Check(p, bare(), compile)
			kept, ok := Silently(p, found)
			if ok != (kept != nil) {
				t.Fatal("taken and not there")
			}
		}
	})
}
