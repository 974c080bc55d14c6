// Package extension holds the sources of the two ThingWorx packages and builds them: zips that a platform imports.
//
// A source tree has metadata.xml and Entities/<Collection>/<Name>.xml, one entity a file, and next to the XML the scripts:
// <Entity>.<Service>.js is the body of a service, <Entity>.<Subscription>.js that of a subscription. The builder puts each
// body into the XML as the format wants it and leaves the rest of the text as it is. Scripts are checked: ES5, and what
// runs the same on a real platform and on the local one.
package extension

import (
	"embed"
	"fmt"
	"io/fs"
)

//go:embed connection-services azure-iot
var sources embed.FS

// folders are those of the packages, each behind those that it depends on.
var folders = []string{"connection-services", "azure-iot"}

// Zip is a file as it is uploaded.
type Zip struct {
	Name  string
	Bytes []byte
}

// Bundle is what a release brings: each package, and one zip that holds both of them for a single upload.
type Bundle struct {
	ConnectionServices Zip
	AzureIoT           Zip
	All                Zip
}

// Packages reads the sources of the two packages, each behind those that it depends on. An error lists everything that is
// wrong with them.
func Packages() ([]*Source, error) {
	var found []*Source
	for _, folder := range folders {
		tree, err := fs.Sub(sources, folder)
		if err != nil {
			return nil, fmt.Errorf("read the sources of package %s: %w", folder, err)
		}
		source, err := Read(tree)
		if err != nil {
			return nil, fmt.Errorf("read the sources of package %s: %w", folder, err)
		}
		found = append(found, source)
	}
	return found, nil
}

// Build makes the zips. The same sources give the same bytes.
func Build() (*Bundle, error) {
	packages, err := Packages()
	if err != nil {
		return nil, err
	}
	return bundle(packages[0], packages[1])
}

func bundle(services, azure *Source) (*Bundle, error) {
	if services.Info.Version != azure.Info.Version {
		return nil, fmt.Errorf("build the packages: %s has version %s and %s has %s; they are released together",
			services.Info.Name, services.Info.Version, azure.Info.Name, azure.Info.Version)
	}
	b := &Bundle{ConnectionServices: services.Zip(), AzureIoT: azure.Zip()}
	b.All = Zip{
		Name:  "azx-extensions-" + services.Info.Version + ".zip",
		Bytes: pack([]File{{b.ConnectionServices.Name, b.ConnectionServices.Bytes}, {b.AzureIoT.Name, b.AzureIoT.Bytes}}),
	}
	return b, nil
}
