//go:build !mutant_cut_writes && !mutant_ack_early && !mutant_trust_silence

package app

import "azx/internal/platform"

// tap is where a build with a planted fault gets between the writer and its socket; here it does nothing.
func tap(s platform.Socket) platform.Socket { return s }
