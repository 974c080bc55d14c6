//go:build !linux && !darwin && !freebsd && !windows

package folder

import "errors"

// Free is how many bytes may still be written to the file system of a folder. It is not known here.
func Free(string) (uint64, error) { return 0, errors.ErrUnsupported }
