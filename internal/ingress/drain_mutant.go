//go:build mutant_no_drain

package ingress

import "context"

// drain plants a fault that tests have to find: a stop waits for nothing.
func (f *Flow) drain(context.Context, *hold) {}
