package alwayson

import (
	"bytes"
	"context"
	"io"
	"net"
	"testing"
	"time"

	"azx/alwayson/infotable"
)

func addMessages(f *testing.F, take func(h Header, body []byte)) {
	for _, v := range loadVectors(f).Messages {
		h, body, err := DecodeHeader(unhex(f, v.Hex))
		if err != nil {
			f.Fatal(err)
		}
		take(h, body)
	}
}

func FuzzRequestBody(f *testing.F) {
	addMessages(f, func(h Header, body []byte) {
		if h.Code.hasEntity() {
			f.Add(body)
		}
	})
	f.Fuzz(func(t *testing.T, body []byte) {
		r, err := DecodeRequest(Post, body, infotable.Limits{})
		if err != nil {
			return
		}
		first := AppendRequest(nil, &r)
		again, err := DecodeRequest(Post, first, infotable.Limits{Bytes: len(first)})
		if err != nil {
			t.Fatalf("own bytes %x: %v", first, err)
		}
		if second := AppendRequest(nil, &again); !bytes.Equal(first, second) {
			t.Fatalf("encoded %x, then %x", first, second)
		}
		if size, err := entitySize(first); err != nil || size != r.entityPrefixSize() {
			t.Fatalf("entity takes %d bytes, %v, reckoned %d", size, err, r.entityPrefixSize())
		}
		_, _ = PushedValues(r.Params) // must not panic
	})
}

func FuzzResponseBody(f *testing.F) {
	addMessages(f, func(h Header, body []byte) {
		if h.Code.IsResponse() {
			f.Add(uint8(h.Code), body)
		}
	})
	f.Fuzz(func(t *testing.T, code uint8, body []byte) {
		r, err := DecodeResponse(Code(code), body, infotable.Limits{})
		if err != nil {
			return
		}
		first := AppendResponse(nil, &r)
		again, err := DecodeResponse(Code(code), first, infotable.Limits{Bytes: len(first)})
		if err != nil || again.Reason != r.Reason {
			t.Fatalf("own bytes %x: %+v, %v", first, again, err)
		}
		if second := AppendResponse(nil, &again); !bytes.Equal(first, second) {
			t.Fatalf("encoded %x, then %x", first, second)
		}
	})
}

func FuzzBindingAndAuthBodies(f *testing.F) {
	addMessages(f, func(h Header, body []byte) {
		if h.Code == Bind || h.Code == Auth {
			f.Add(body)
		}
	})
	f.Fuzz(func(t *testing.T, body []byte) {
		if b, err := DecodeBinding(body); err == nil {
			first := AppendBinding(nil, &b)
			if again, err := DecodeBinding(first); err != nil || len(again.Names) != len(b.Names) {
				t.Fatalf("own bytes %x: %+v, %v", first, again, err)
			}
		}
		if claims, err := DecodeAuth(body); err == nil {
			if first := AppendAuth(nil, claims); !bytes.HasPrefix(body, first) && len(first) > len(body) {
				t.Fatalf("claims of %x encode to %x", body, first)
			}
		}
	})
}

func FuzzMultipartJoin(f *testing.F) {
	f.Add([]byte("\x0a\x06Pump-1\x02\x04Fail\x00\xff"), uint16(64), true, true)
	f.Add(bytes.Repeat([]byte("x"), 300), uint16(100), false, false)
	f.Fuzz(func(t *testing.T, body []byte, chunkSize uint16, isRequest, backwards bool) {
		h, prefix := Header{Code: Success, Request: 1, Chunk: Chunk{Size: chunkSize}}, 0
		if isRequest {
			h.Code = Post
			var err error
			if prefix, err = entitySize(body); err != nil {
				return
			}
		}
		slice := sliceSize(int(chunkSize), prefix)
		if slice < leastChunkBytes || len(body) <= slice {
			return
		}
		var chunks [][]byte
		splitBody(h, body, prefix, slice, func(h Header, repeated, data []byte) {
			chunk := append(append(AppendHeader(nil, h), repeated...), data...)
			if len(chunk) > int(chunkSize) || len(data) == 0 {
				t.Fatalf("chunk %+v of %d bytes with %d new", h.Chunk, len(chunk), len(data))
			}
			if backwards {
				chunks = append([][]byte{chunk}, chunks...)
			} else {
				chunks = append(chunks, chunk)
			}
		})
		if prefix > slice {
			return // the first chunk does not hold the whole name: nothing to strip by
		}
		if got := joinAll(t, chunks); !bytes.Equal(got, body) {
			t.Fatalf("joined %x, want %x", got, body)
		}
	})
}

// FuzzByteStream feeds a server's link arbitrary bytes in place of frames.
func FuzzByteStream(f *testing.F) {
	for _, v := range loadVectors(f).Frames {
		f.Add(unhex(f, v.FrameHex))
	}
	r := callX(infotable.Number(1))
	f.Add(append([]byte{0x82, 0xC0, 0, 0, 0, 0}, AppendRequest(AppendHeader(nil, Header{Code: Post, Request: 1}), &r)...))
	limits, err := Limits{MaxMessageSize: 1 << 16}.withDefaults()
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, stream []byte) {
		near, far := net.Pipe()
		drained := make(chan struct{})
		go func() {
			defer close(drained)
			_, _ = io.Copy(io.Discard, far) // until the link closes its end
		}()
		l := newLink(near, true, defaultFrameSize, limits)
		l.tick, l.maxSilent = time.Minute, 2
		l.accept = func(h Header, body []byte) error {
			if !h.Code.hasEntity() {
				return nil
			}
			r, err := DecodeRequest(h.Code, body, limits.Tables)
			if err != nil {
				return err
			}
			l.handle(h, func(context.Context) Response { return Result(r.Param("x")) })
			return nil
		}
		if err := near.SetReadDeadline(time.Now()); err != nil { // nothing comes but the stream
			t.Fatal(err)
		}
		l.start(stream)
		l.wait()
		<-drained
		if l.reason() == nil {
			t.Fatal("the link ended without a reason")
		}
	})
}
