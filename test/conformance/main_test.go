// Package conformance lets clients that others wrote, unmodified, talk to azx, and reads what arrives
// at the far end. docs/conformance.md lists the peers and how to point the tests at real systems.
package conformance

import (
	"os"
	"testing"

	"azx/test/process"
)

// azx is the binary under test; TestMain builds it.
var azx process.Binary

func TestMain(m *testing.M) { os.Exit(process.Main(m, &azx)) }
