package folder

import "testing"

func TestAFolderInMemoryIsKnown(t *testing.T) {
	for dir, want := range map[string]string{"/dev/shm": "tmpfs", "/proc": ""} {
		if got, err := Volatile(dir); got != want || err != nil {
			t.Errorf("%s is %q, %v, want %q", dir, got, err, want)
		}
	}
	if _, err := Volatile("/no/such/folder"); err == nil {
		t.Error("a folder that is not there is known")
	}
}
