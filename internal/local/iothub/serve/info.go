package serve

import (
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"azx/internal/folder"
)

// infoFile is written to the hub's folder when the hub is ready.
const infoFile = "hub.json"

// Info is how to reach a running hub, the content of DIR/hub.json. It contains keys.
type Info struct {
	// HostName is the hub's name, which certificates and tokens carry.
	HostName string `json:"hostName"`
	// Listen is the address of all ports.
	Listen string `json:"listen"`
	// CA is the path of the certificate authority's certificate (PEM); empty when the hub has no folder.
	CA    string `json:"ca"`
	Ports Ports  `json:"ports"`
	// ServiceConnectionString is for back ends (policy service).
	ServiceConnectionString string `json:"serviceConnectionString"`
	// OwnerConnectionString is for tools that manage devices (policy iothubowner).
	OwnerConnectionString string `json:"ownerConnectionString"`
	// EventHubsConnectionString is for readers of the Event Hubs-compatible endpoint.
	EventHubsConnectionString string `json:"eventHubsConnectionString"`
	// Control is the URL of the control interface; its path is a secret.
	Control string `json:"control"`
}

// ReadInfo reads DIR/hub.json of a hub that is or was running.
func ReadInfo(dir string) (Info, error) {
	text, err := os.ReadFile(filepath.Join(dir, infoFile))
	if errors.Is(err, fs.ErrNotExist) {
		return Info{}, fmt.Errorf("no hub in %s: start one with: azx hub --dir %s", dir, dir)
	}
	if err != nil {
		return Info{}, fmt.Errorf("read hub: %w", err)
	}
	var info Info
	if err := json.Unmarshal(text, &info); err != nil {
		return Info{}, fmt.Errorf("read hub: %s: %w", filepath.Join(dir, infoFile), err)
	}
	return info, nil
}

// Roots reads the hub's certificate authority.
func (i Info) Roots() (*x509.CertPool, error) {
	text, err := os.ReadFile(i.CA)
	if err != nil {
		return nil, fmt.Errorf("read certificate authority: %w", err)
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(text) {
		return nil, fmt.Errorf("read certificate authority: %s holds no certificate", i.CA)
	}
	return pool, nil
}

func (i Info) write(dir string) error {
	text, err := json.MarshalIndent(i, "", "  ")
	if err == nil {
		err = folder.Replace(filepath.Join(dir, infoFile), append(text, '\n'))
	}
	if err != nil {
		return fmt.Errorf("write %s: %w", infoFile, err)
	}
	return nil
}
