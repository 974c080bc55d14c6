package quarantine

import (
	"bufio"
	"encoding/json"
	"errors"
	"os"
)

// sift writes a file anew without the lines that mean nothing any more, or removes it if none is left. The file keeps its
// name, so that a crash leaves the old one or the new one. The caller has the turn.
func (j *journal) sift(s *segment, b *book) (removed bool, err error) {
	fresh := s.path + ".tmp"
	size, left, err := j.copyKept(s, fresh, b)
	if err != nil {
		return false, errors.Join(err, os.Remove(fresh))
	}
	if size == 0 {
		err = errors.Join(os.Remove(fresh), os.Remove(s.path))
		j.segments = without(j.segments, s)
	} else if err = os.Rename(fresh, s.path); err == nil {
		s.size = size
	}
	if err = errors.Join(err, j.disk.syncFolder(j.dir)); err != nil {
		return size == 0, err
	}
	for _, id := range left {
		b.removed(id)
	}
	b.sifted(s, size > 0)
	j.bytes.Store(j.size())
	return size == 0, nil
}

func without(all []*segment, one *segment) []*segment {
	var rest []*segment
	for _, s := range all {
		if s != one {
			rest = append(rest, s)
		}
	}
	return rest
}

// copyKept copies the lines that are kept and returns how many bytes they have, and the records that were left out. A
// damaged line is kept: a person may still make something of it.
func (j *journal) copyKept(from *segment, to string, b *book) (size int64, left []uint64, err error) {
	f, err := j.disk.open(to)
	if err != nil {
		return 0, nil, err
	}
	w := bufio.NewWriterSize(f, 256<<10)
	gone := map[uint64]bool{} // by now, of this file
	err = f.Truncate(0)       // of what a crash left behind
	if err == nil {
		err = scan(from.path, func(_ *lines, line []byte, err error) error {
			var l storeLine
			if err != nil {
				return err // it cannot be copied: the file stays as it is
			}
			broken := json.Unmarshal(line, &l) != nil
			a := l.account(int64(len(line)) + 1)
			if a.settles != nil && gone[a.settles.ID] {
				a.settles = nil
			}
			if !broken && !b.keeps(a) {
				if l.Reason != "" {
					gone[l.ID], left = true, append(left, l.ID)
				}
				return nil
			}
			size += a.bytes
			if _, err := w.Write(line); err != nil {
				return err
			}
			return w.WriteByte('\n')
		})
	}
	if err == nil {
		err = w.Flush()
	}
	if err == nil {
		err = f.Sync()
	}
	return size, left, errors.Join(err, f.Close())
}
