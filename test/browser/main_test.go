// Package browser has a real browser use the platform's page as a person does.
package browser

import (
	"os"
	"testing"

	"azx/test/process"
)

// azx is the binary under test; TestMain builds it.
var azx process.Binary

func TestMain(m *testing.M) { os.Exit(process.Main(m, &azx)) }
