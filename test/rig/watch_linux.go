package rig

import (
	"bytes"
	"context"
	"encoding/binary"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"

	"azx/internal/supervise"
)

// folderWatch sees every checkpoint that is written into a folder: the kernel tells of each file that is moved to its
// place there, and the file is read at once.
type folderWatch struct {
	connector string
	root      string
	told      func(Checkpoint)

	mu      sync.Mutex
	fd      *os.File
	folders map[int32]string
}

// watchFolder watches a folder, and those in it, until the test ends.
func watchFolder(t testing.TB, connector, root string, told func(Checkpoint)) {
	t.Helper()
	if err := os.MkdirAll(root, 0o700); err != nil {
		t.Fatal(err)
	}
	fd, err := syscall.InotifyInit1(syscall.IN_CLOEXEC | syscall.IN_NONBLOCK)
	if err != nil {
		t.Fatalf("inotify: %v", err)
	}
	w := &folderWatch{connector: connector, root: root, told: told, fd: os.NewFile(uintptr(fd), "inotify"), folders: map[int32]string{}}
	if err := w.add(fd, root); err != nil {
		t.Fatalf("watch %s: %v", root, err)
	}
	group := supervise.New(context.Background())
	group.Go("watch", func(context.Context) error { return w.run(fd) })
	t.Cleanup(func() {
		_ = w.fd.Close()
		if err := group.Wait(); err != nil {
			t.Error(err)
		}
	})
}

// add watches one folder, and what is in it already.
func (w *folderWatch) add(fd int, dir string) error {
	id, err := syscall.InotifyAddWatch(fd, dir, syscall.IN_MOVED_TO|syscall.IN_CREATE|syscall.IN_ONLYDIR)
	if err != nil {
		return err
	}
	w.folders[int32(id)] = dir
	entries, err := os.ReadDir(dir)
	if err != nil {
		return err
	}
	for _, e := range entries {
		if err := w.seen(fd, filepath.Join(dir, e.Name()), e.IsDir()); err != nil {
			return err
		}
	}
	return nil
}

// seen looks at what has appeared in a folder.
func (w *folderWatch) seen(fd int, path string, isDir bool) error {
	if isDir {
		return w.add(fd, path)
	}
	if filepath.Dir(path) == w.root || filepath.Ext(path) != ".json" {
		return nil
	}
	info, err := os.Stat(path)
	if err != nil {
		return nil // replaced or taken away meanwhile: the next event tells
	}
	text, err := os.ReadFile(path)
	if err != nil {
		return nil
	}
	var content struct {
		Identity, Partition string
		Sequence            int64
	}
	if json.Unmarshal(text, &content) == nil {
		log := content.Identity[:max(0, strings.LastIndexByte(content.Identity, '/'))]
		w.told(Checkpoint{Connector: w.connector, Partition: content.Partition, Sequence: content.Sequence, Log: log, At: info.ModTime()})
	}
	return nil
}

func (w *folderWatch) run(fd int) error {
	buffer := make([]byte, 64<<10)
	for {
		n, err := w.fd.Read(buffer)
		if err != nil {
			return nil // closed at the end of the test
		}
		for rest := buffer[:n]; len(rest) >= syscall.SizeofInotifyEvent; {
			var event syscall.InotifyEvent
			if _, err := binary.Decode(rest, binary.NativeEndian, &event); err != nil {
				return err
			}
			name := strings.TrimRight(string(bytes.Clone(rest[syscall.SizeofInotifyEvent:][:event.Len])), "\x00")
			rest = rest[syscall.SizeofInotifyEvent+int(event.Len):]
			isDir := event.Mask&syscall.IN_ISDIR != 0
			if event.Mask&syscall.IN_CREATE != 0 && !isDir {
				continue // a file that is not in its place yet
			}
			if err := w.seen(fd, filepath.Join(w.folders[event.Wd], name), isDir); err != nil && !os.IsNotExist(err) {
				return err
			}
		}
	}
}
