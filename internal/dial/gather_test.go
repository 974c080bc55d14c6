package dial

import (
	"io"
	"net"
	"testing"
	"testing/synctest"
	"time"
)

// stream is a connection over which a piece of data comes each millisecond, until it has all come, as far as there is room for it.
type stream struct {
	net.Conn
	piece, left int
	window      int // bytes that may be on their way; 0: as many as there are
	held        int // bytes that came later than they could have, for want of room
	began       time.Time
	taken       int // bytes
	reads       int
}

func (s *stream) Read(p []byte) (int, error) {
	s.reads++
	for {
		came := min(int(time.Since(s.began)/time.Millisecond)*s.piece-s.held, s.left)
		if over := came - s.taken - s.window; s.window > 0 && over > 0 {
			came, s.held = came-over, s.held+over
		}
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

// A window that holds less than what comes within a rest is the peer's to enlarge, which it does not while it is never full for long.
func TestAReaderDoesNotHoldUpAPeerWithASmallWindow(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &stream{piece: 40 << 10, left: 3000 * 40 << 10, window: 64 << 10, began: time.Now()}
		conn := gather(s)
		buf := make([]byte, 1500)
		for {
			if _, err := conn.Read(buf); err != nil {
				break
			}
		}
		if late := time.Since(s.began) - 3*time.Second; late > 300*time.Millisecond {
			t.Errorf("what a peer sends in 3 s was read %s late", late)
		}
	})
}
