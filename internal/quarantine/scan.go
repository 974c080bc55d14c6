package quarantine

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"os"
)

// errTooLong is a line beyond MaxLine; it was passed over.
var errTooLong = fmt.Errorf("a line has more than %d bytes", MaxLine)

// lines reads a segment line by line with bounded memory.
type lines struct {
	in     *bufio.Reader
	buf    []byte
	offset int64 // where the line that next returned began
	end    int64 // where the next one begins
}

func newLines(r io.Reader) *lines { return &lines{in: bufio.NewReaderSize(r, 64<<10)} }

// next returns the next complete line without its line feed; it is valid until the next call. At the
// end it returns io.EOF; what then stands behind the last line feed was never confirmed and is no line.
func (l *lines) next() ([]byte, error) {
	l.buf, l.offset = l.buf[:0], l.end
	long := false
	for {
		piece, err := l.in.ReadSlice('\n')
		l.end += int64(len(piece))
		if long = long || len(l.buf)+len(piece) > MaxLine+64; !long {
			l.buf = append(l.buf, piece...)
		}
		switch {
		case errors.Is(err, bufio.ErrBufferFull):
			continue
		case err != nil:
			return nil, err
		case long:
			return nil, errTooLong
		}
		return l.buf[:len(l.buf)-1], nil
	}
}

// scan calls visit with every line of a segment; a line too long comes as an error and no line.
// visit's own error ends the scan.
func scan(path string, visit func(l *lines, line []byte, err error) error) error {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	defer func() { _ = f.Close() }() // only read
	l := newLines(f)
	for {
		line, err := l.next()
		switch {
		case errors.Is(err, io.EOF):
			return nil
		case err != nil && !errors.Is(err, errTooLong):
			return err
		}
		if err := visit(l, line, err); err != nil {
			return err
		}
	}
}
