package dial

import (
	"io"
	"net"
	"testing"
	"testing/synctest"
	"time"
)

// stream is a connection over which a piece of data comes each millisecond, until it has all come.
type stream struct {
	net.Conn
	piece, left int
	began       time.Time
	taken       int // bytes
	reads       int
}

func (s *stream) Read(p []byte) (int, error) {
	s.reads++
	for {
		came := min(int(time.Since(s.began)/time.Millisecond)*s.piece, s.left)
		if n := min(len(p), came-s.taken); n > 0 {
			for i := range n {
				p[i] = byte((s.taken + i) % 251)
			}
			s.taken += n
			return n, nil
		}
		if s.taken == s.left {
			return 0, io.EOF
		}
		<-time.After(100 * time.Microsecond)
	}
}

func TestAReaderRestsOnlyWhileMuchComes(t *testing.T) {
	for name, tc := range map[string]struct {
		piece       int // bytes a millisecond
		least, most int // reads for 1,000 of them
	}{
		"2,000 small messages a second are read as they come": {1 << 10, 1000, 1001},
		"20,000 a second are read many at a time":             {10 << 10, 150, 400},
		"what is more than a read takes is read at once":      {256 << 10, 4000, 6000},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := &stream{piece: tc.piece, left: 1000 * tc.piece, began: time.Now()}
				conn := gather(s)
				buf, got := make([]byte, 1500), 0
				for {
					n, err := conn.Read(buf)
					for i := range n {
						if buf[i] != byte((got+i)%251) {
							t.Fatalf("byte %d is not what was sent", got+i)
						}
					}
					if got += n; err != nil {
						break
					}
				}
				if got != s.left || s.reads < tc.least || s.reads > tc.most+1 {
					t.Errorf("%d of %d bytes in %d reads, want %d to %d", got, s.left, s.reads, tc.least, tc.most)
				}
				if late := time.Since(s.began) - time.Second; late > 10*time.Millisecond {
					t.Errorf("all was read %s late", late)
				}
			})
		})
	}
}
