package sink

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"strconv"
	"time"

	"azx/internal/supervise"
	"azx/test/bench/source"
)

// RESTURL is where PUTs and batches go to a Sink whose ServeREST listens at l, without the path.
func RESTURL(l net.Listener) string { return "http://" + l.Addr().String() }

// ServeREST serves the platform's PUT of properties (/Thingworx/Things/NAME/Properties/*), and batches of Telegraf's
// serializer json at any other path, until ctx ends; it closes l. Requests are scanned in place: a server of net/http
// would cost more than some that are measured with it.
func (s *Sink) ServeREST(ctx context.Context, l net.Listener) error {
	group := supervise.New(ctx)
	group.Accept("rest", l, func(error) {}, func(ctx context.Context, nc net.Conn) {
		defer nc.Close()
		defer context.AfterFunc(ctx, func() { _ = nc.Close() })()
		_ = s.requests(nc) // the peer sees its connection end
	})
	group.Stop()
	return group.Wait()
}

// requests answers each request once all of it has been counted.
func (s *Sink) requests(nc net.Conn) error {
	buf, held := make([]byte, readBytes), 0
	var out []byte
	for {
		if held == len(buf) {
			if held >= maxMessage {
				return fmt.Errorf("a request of over %d bytes", maxMessage)
			}
			buf = append(buf, make([]byte, len(buf))...)
		}
		n, err := nc.Read(buf[held:])
		if err != nil {
			return err
		}
		held += n
		used := 0
		out = out[:0]
		for {
			size, err := s.request(buf[used:held])
			if err != nil {
				return err
			}
			if size == 0 {
				break
			}
			used += size
			out = append(out, "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"...)
		}
		if _, err := nc.Write(out); err != nil {
			return err
		}
		held = copy(buf, buf[used:held])
	}
}

// request counts the messages of the request at the front of b; size is 0 if it is not all there.
func (s *Sink) request(b []byte) (size int, err error) {
	end := bytes.Index(b, []byte("\r\n\r\n"))
	if end < 0 {
		return 0, nil
	}
	length, err := contentLength(b[:end+2])
	if err != nil || len(b) < end+4+length {
		return 0, err
	}
	size = end + 4 + length
	target := b[bytes.IndexByte(b, ' ')+1:] // of the first line
	var thing []byte
	if rest, put := bytes.CutPrefix(target, []byte("/Thingworx/Things/")); put {
		thing = rest[:min(len(rest), len(source.Name(0)))]
	}
	return size, s.documents(b[end+4:size], thing)
}

// contentLength finds the header; what is measured sends no chunks.
func contentLength(head []byte) (int, error) {
	const name = "\r\ncontent-length:"
	for at := range head {
		if len(head)-at > len(name) && head[at] == '\r' && bytes.EqualFold(head[at:at+len(name)], []byte(name)) {
			value, _, _ := bytes.Cut(head[at+len(name):], []byte("\r"))
			return strconv.Atoi(string(bytes.TrimSpace(value)))
		}
	}
	return 0, errors.New("a request without a Content-Length")
}

// documents counts each message in a body: of one Thing, or, if thing is empty, of the Thing in a tag behind its values.
func (s *Sink) documents(body, thing []byte) error {
	now := time.Now()
	s.pushes.Add(1)
	for len(body) > 0 {
		sequenceAt := bytes.Index(body, []byte(`"`+source.SequenceKey+`":`))
		if sequenceAt < 0 {
			return nil
		}
		end, name := len(body), thing
		if len(thing) == 0 {
			tag := bytes.Index(body[sequenceAt:], []byte(`"bench-`))
			if tag < 0 || len(body) < sequenceAt+tag+1+len(source.Name(0)) {
				return io.ErrUnexpectedEOF
			}
			end = sequenceAt + tag + 1 + len(source.Name(0))
			name = body[sequenceAt+tag+1 : end]
		}
		index, err := s.index(name)
		if err != nil {
			return err
		}
		sent := member(body[:end], source.SentKey)
		s.message(index, member(body[sequenceAt:end], source.SequenceKey))
		s.latency(now.Sub(time.UnixMicro(sent)))
		body = body[end:]
	}
	return nil
}

// member is the whole number that a JSON document has under a name; 0 if it has none.
func member(body []byte, name string) (n int64) {
	_, value, _ := bytes.Cut(body, []byte(`"`+name+`":`))
	for _, c := range value {
		if c < '0' || c > '9' {
			break
		}
		n = 10*n + int64(c-'0')
	}
	return n
}
