package sink

import (
	"net"
	"strings"
	"testing"

	"azx/test/bench/source"
)

func TestRequestsOverRESTAreCountedByMessages(t *testing.T) {
	put := "PUT /Thingworx/Things/bench-000007/Properties/* HTTP/1.1\r\nHost: x\r\nContent-Length: 48\r\n\r\n" +
		`{"sequence":1000000007,"sentMicros":17000000000}`
	batch := `{"metrics":[{"fields":{"sentMicros":17,"sequence":1000000008},"tags":{"device":"bench-000008"}},` +
		`{"fields":{"sentMicros":17,"sequence":1000000009},"tags":{"device":"bench-000009"}}]}`
	for _, c := range []struct {
		name, sent string
		want       Counts
	}{
		{"a PUT is a message of the Thing in its path", put, Counts{Messages: 1, Pushes: 1, Things: 1}},
		{"two PUTs in one write are two messages", put + strings.Replace(put, "0007,", "0257,", 1), Counts{Messages: 2, Pushes: 2, Things: 1}},
		{"a batch is a message of each Thing in its tags", "POST / HTTP/1.1\r\ncontent-length: 181\r\n\r\n" + batch, Counts{Messages: 2, Pushes: 1, Things: 2}},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := New("Hub", source.Things, 4, source.Small())
			ours, theirs := net.Pipe()
			ended := make(chan error, 1)
			go func() {
				defer theirs.Close()
				ended <- s.requests(theirs)
			}()
			if _, err := ours.Write([]byte(c.sent)); err != nil {
				t.Fatal(err)
			}
			if _, err := ours.Read(make([]byte, 200)); err != nil {
				t.Fatal(err)
			}
			_ = ours.Close() // the sink ends with it
			<-ended
			if got := s.Counts(); got != c.want {
				t.Errorf("counted %+v, want %+v", got, c.want)
			}
		})
	}
}

func TestARequestWithoutALengthIsRefused(t *testing.T) {
	s := New("Hub", source.Things, 4, source.Small())
	if _, err := s.request([]byte("PUT / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n")); err == nil {
		t.Error("it was taken")
	}
}
