//go:build !mutant_no_fence

package checkpoint

import "fmt"

// held says why a checkpoint of a partition must not be written, nil if it may.
func (f Fence) held(partition string) error {
	if err := f.Lease.Held(partition); err != nil {
		return fmt.Errorf("save checkpoint: partition %s: %w", partition, err)
	}
	return nil
}
