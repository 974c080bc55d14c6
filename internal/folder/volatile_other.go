//go:build !linux

package folder

// Volatile names the file system of a folder if it is in memory. It is not known here: "".
func Volatile(string) (string, error) { return "", nil }
