//go:build linux || darwin || freebsd

package folder

import "golang.org/x/sys/unix"

// Free is how many bytes may still be written to the file system of a folder.
func Free(dir string) (uint64, error) {
	var s unix.Statfs_t
	if err := unix.Statfs(dir, &s); err != nil {
		return 0, err
	}
	return uint64(s.Bavail) * uint64(s.Bsize), nil
}
