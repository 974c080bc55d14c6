// Package e2e runs the built binary as its users do: what the documents say, the demo, a crash in the
// middle of the work, Things that appear and change while the connector runs.
package e2e

import (
	"os"
	"testing"

	"azx/test/process"
)

// azx is the binary under test; TestMain builds it.
var azx process.Binary

func TestMain(m *testing.M) { os.Exit(process.Main(m, &azx)) }
