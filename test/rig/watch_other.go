//go:build !linux

package rig

import "testing"

// watchFolder needs a kernel that tells of each file in a folder.
func watchFolder(t testing.TB, _, _ string, _ func(Checkpoint)) {
	t.Fatal("the fault cases run on Linux: they have to see every write of a checkpoint")
}
