// Package badinput sends what nobody should send, from every side, and checks that whoever can act on it is told,
// and that nothing which was accepted is lost.
package badinput

import (
	"fmt"
	"os"
	"testing"

	"go.uber.org/goleak"

	"azx/test/process"
)

// azx is the binary, for what only a process has; TestMain builds it.
var azx process.Binary

func TestMain(m *testing.M) {
	code := process.Main(m, &azx)
	if code == 0 {
		err := goleak.Find(
			// azeventhubs renews tokens in a goroutine that does not end with the client but at its next renewal.
			goleak.IgnoreAnyFunction("github.com/Azure/azure-sdk-for-go/sdk/messaging/azeventhubs/v2/internal.(*Namespace).startNegotiateClaimRenewer.func3"))
		if err != nil {
			fmt.Fprintln(os.Stderr, "leak:", err)
			code = 1
		}
	}
	os.Exit(code)
}
