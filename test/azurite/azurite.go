// Package azurite starts Microsoft's emulator of a storage account, unmodified, for tests: blobs only, in memory, on a free
// port. scripts/test.sh installs it.
package azurite

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"runtime"
	"strings"
	"testing"
	"time"

	"azx/test/process"
)

// startWithin is how long Node may take to load it, on a busy machine.
const startWithin = 3 * time.Minute

// Account and its key are those of every Azurite, and public.
const (
	Account = "devstoreaccount1"
	Key     = "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw=="
)

// Server is a running Azurite.
type Server struct {
	*process.Child
	URL string // of its account, without a container or a SAS
}

var listens = regexp.MustCompile(`listens on http://127\.0\.0\.1:(\d+)`)

// Start starts one, which stops with the test.
func Start(t testing.TB) *Server {
	t.Helper()
	program := filepath.Join(folder(), "node_modules", "azurite", "dist", "src", "blob", "main.js")
	if _, err := os.Stat(program); err != nil {
		t.Fatalf("%v: scripts/test.sh conformance installs it", err)
	}
	child := process.Start(t, process.Command{
		Name: "node",
		Args: []string{program, "--blobHost", "127.0.0.1", "--blobPort", "0", "--inMemoryPersistence", "--disableTelemetry", "--silent"},
		Dir:  t.TempDir(),
	})
	s := &Server{Child: child}
	child.Until(startWithin, "Azurite says where it listens", func() error {
		found := listens.FindStringSubmatch(child.Stdout())
		if found == nil {
			return fmt.Errorf("it says %q", child.Stdout())
		}
		s.URL = "http://127.0.0.1:" + found[1] + "/" + Account
		return nil
	})
	return s
}

// ConnectionString is that of the account, with its key.
func (s *Server) ConnectionString() string {
	return s.ConnectionStringAt(strings.TrimSuffix(strings.TrimPrefix(s.URL, "http://"), "/"+Account))
}

// ConnectionStringAt is that of the account as it is reached through another host:port, which passes requests on.
func (s *Server) ConnectionStringAt(address string) string {
	return fmt.Sprintf("DefaultEndpointsProtocol=http;AccountName=%s;AccountKey=%s;BlobEndpoint=http://%s/%s;", Account, Key, address, Account)
}

// folder is where this file is.
func folder() string {
	_, file, _, _ := runtime.Caller(0)
	return filepath.Dir(file)
}
