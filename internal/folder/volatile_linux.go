package folder

import "golang.org/x/sys/unix"

// Volatile names the file system of a folder if it is in memory, so that what it has is gone after a restart of the machine;
// "" if it is not, or if that is not known.
func Volatile(dir string) (string, error) {
	var s unix.Statfs_t
	if err := unix.Statfs(dir, &s); err != nil {
		return "", err
	}
	switch int64(s.Type) {
	case unix.TMPFS_MAGIC:
		return "tmpfs", nil
	case unix.RAMFS_MAGIC:
		return "ramfs", nil
	}
	return "", nil
}
