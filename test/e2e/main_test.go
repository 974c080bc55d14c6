// Package e2e runs the built binary as its users do: what the documents say, the demo, a crash in the
// middle of the work, Things that appear and change while the connector runs.
package e2e

import (
	"os"
	"sync"
	"testing"

	"azx/test/process"
)

// azx is the binary under test; TestMain builds it.
var azx process.Binary

// usualPorts are those that azx takes by itself: the documents' commands need them, while demos share them with whoever
// has them, since they take the next ones.
var usualPorts sync.RWMutex

// sharesUsualPorts waits for its turn, which lasts until the test's processes have ended.
func sharesUsualPorts(t *testing.T) {
	usualPorts.RLock()
	t.Cleanup(usualPorts.RUnlock)
}

func TestMain(m *testing.M) { os.Exit(process.Main(m, &azx)) }
