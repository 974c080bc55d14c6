package quarantine

import (
	"bufio"
	"errors"
	"io"
	"os"
	"path/filepath"
)

// rewrite replaces the whole journal by one segment: a head line, then the lines at the given places,
// whose places it updates. A crash leaves the old journal, or the new segment with old ones before it,
// which the head line declares void. The caller has the turn.
func (j *journal) rewrite(keep []*place, head func(id uint64) ([]byte, error)) error {
	j.mu.Lock()
	id := j.next
	j.next++
	j.mu.Unlock()
	line, err := head(id)
	if err != nil {
		return err
	}
	fresh := &segment{first: id, path: filepath.Join(j.dir, segmentName(id))}
	if err := j.copyLines(fresh, line, keep); err != nil {
		return errors.Join(err, os.Remove(fresh.path+".tmp"))
	}
	if err := os.Rename(fresh.path+".tmp", fresh.path); err != nil {
		return err
	}
	// From here on nothing may go to an older segment: the head line would void it.
	if j.current != nil {
		j.drop()
	}
	j.segments = append(j.segments, fresh)
	offset := int64(len(line))
	for _, at := range keep {
		at.in, at.offset = fresh, offset
		offset += at.length
	}
	if err := j.disk.syncFolder(j.dir); err != nil {
		return err
	}
	return j.discard(len(j.segments) - 1)
}

func (j *journal) copyLines(to *segment, head []byte, keep []*place) error {
	f, err := j.disk.open(to.path + ".tmp")
	if err != nil {
		return err
	}
	w := bufio.NewWriterSize(f, 256<<10)
	err = f.Truncate(0) // of what a crash left behind
	if err == nil {
		_, err = w.Write(head)
	}
	to.size = int64(len(head))
	for _, at := range keep {
		if err != nil {
			break
		}
		var line []byte
		if line, err = at.read(); err == nil {
			_, err = w.Write(line)
			to.size += at.length
		}
	}
	if err == nil {
		err = w.Flush()
	}
	if err == nil {
		err = f.Sync()
	}
	return errors.Join(err, f.Close())
}

// discard removes the first n segments. The caller has the turn.
func (j *journal) discard(n int) error {
	var err error
	for _, s := range j.segments[:n] {
		err = errors.Join(err, os.Remove(s.path))
	}
	j.segments = j.segments[n:]
	j.bytes.Store(j.size())
	return err
}

// read returns the line at a place, with its line feed.
func (p place) read() ([]byte, error) {
	f, err := os.Open(p.in.path)
	if err != nil {
		return nil, err
	}
	defer func() { _ = f.Close() }() // only read
	line := make([]byte, p.length)
	if _, err := io.ReadFull(io.NewSectionReader(f, p.offset, p.length), line); err != nil {
		return nil, err
	}
	return line, nil
}
