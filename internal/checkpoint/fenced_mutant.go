//go:build mutant_no_fence

package checkpoint

// held plants a fault that tests have to find: nobody asks for the lease.
func (f Fence) held(string) error { return nil }
