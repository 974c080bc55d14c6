// Package observe looks at the built binary as those who operate it do: its metrics, alerts, log and traces.
package observe

import (
	"os"
	"testing"

	"azx/test/process"
)

// azx is the binary under test; TestMain builds it.
var azx process.Binary

func TestMain(m *testing.M) { os.Exit(process.Main(m, &azx)) }
