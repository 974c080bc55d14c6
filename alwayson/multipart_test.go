package alwayson

import (
	"bytes"
	"errors"
	"testing"
	"time"

	"azx/alwayson/infotable"
)

// chunk is one chunk of message id: number n of count.
func chunk(code Code, id uint32, n, count uint16) Header {
	return Header{Code: code, Request: id, Chunk: Chunk{Number: n, Count: count, Size: 1024}}
}

func TestAMessageIsGivenUpWhenItsChunksDoNotAgree(t *testing.T) {
	entity := []byte("\x0a\x06Pump-1rest")
	for _, test := range []struct {
		name   string
		first  Header
		data   []byte
		second Header
		more   []byte
		want   error
	}{
		{"the same chunk twice", chunk(Success, 1, 1, 3), []byte("a"), chunk(Success, 1, 1, 3), []byte("a"), infotable.ErrMalformed},
		{"an empty chunk twice", chunk(Success, 1, 1, 3), nil, chunk(Success, 1, 1, 3), nil, infotable.ErrMalformed},
		{"another count", chunk(Success, 1, 1, 3), []byte("a"), chunk(Success, 1, 2, 4), []byte("b"), infotable.ErrMalformed},
		{"another code", chunk(Get, 1, 1, 3), entity, chunk(Put, 1, 2, 3), entity, infotable.ErrMalformed},
		{"another entity", chunk(Post, 1, 1, 2), entity, chunk(Post, 1, 2, 2), []byte("\x0a\x06Pump-2rest"), infotable.ErrMalformed},
		{"no entity", chunk(Post, 1, 1, 2), []byte("\x0a\x7fPump"), chunk(Post, 1, 2, 2), []byte("x"), infotable.ErrTruncated},
		{"too many bytes", chunk(Success, 1, 1, 3), make([]byte, 6000), chunk(Success, 1, 2, 3), make([]byte, 6000), ErrTooLarge},
	} {
		t.Run(test.name, func(t *testing.T) {
			j := joiner{maxMessage: 10_000}
			if body, err := j.add(test.first, test.data, time.Time{}); body != nil || err != nil {
				t.Fatalf("first chunk: %x, %v", body, err)
			}
			if _, err := j.add(test.second, test.more, time.Time{}); !errors.Is(err, test.want) {
				t.Errorf("second chunk: %v, want %v", err, test.want)
			}
			if len(j.messages) != 0 || j.bytes != 0 {
				t.Errorf("%d messages and %d bytes are still held", len(j.messages), j.bytes)
			}
		})
	}
}

func TestAnEmptyLastChunkIsTakenWithAndWithoutTheEntity(t *testing.T) {
	entity := []byte("\x0a\x06Pump-1")
	for name, last := range map[string][]byte{"with": entity, "without": nil} {
		j := joiner{maxMessage: 10_000}
		whole := append(bytes.Clone(entity), "rest"...)
		if _, err := j.add(chunk(Post, 1, 1, 2), whole, time.Time{}); err != nil {
			t.Fatal(err)
		}
		if body, err := j.add(chunk(Post, 1, 2, 2), last, time.Time{}); err != nil || !bytes.Equal(body, whole) {
			t.Errorf("%s: joined %q, %v", name, body, err)
		}
	}
}

func TestARequestAndAResponseWithOneIdAreJoinedApart(t *testing.T) {
	j := joiner{maxMessage: 10_000}
	for _, code := range []Code{Bind, Success} {
		if _, err := j.add(chunk(code, 1, 1, 2), []byte{byte(code)}, time.Time{}); err != nil {
			t.Fatal(err)
		}
	}
	for _, code := range []Code{Bind, Success} {
		if body, err := j.add(chunk(code, 1, 2, 2), []byte{9}, time.Time{}); err != nil || !bytes.Equal(body, []byte{byte(code), 9}) {
			t.Errorf("%s: %x, %v", code, body, err)
		}
	}
	if j.bytes != 0 {
		t.Errorf("%d bytes are still held", j.bytes)
	}
}

func TestUnfinishedMessagesAreBoundedInNumberAndBytes(t *testing.T) {
	many := joiner{maxMessage: 10_000}
	for id := range uint32(maxUnfinished) {
		if _, err := many.add(chunk(Success, id, 1, 2), []byte("x"), time.Time{}); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := many.add(chunk(Success, 1000, 1, 2), []byte("x"), time.Time{}); !errors.Is(err, ErrTooLarge) {
		t.Errorf("one message too many: %v", err)
	}
	large := joiner{maxMessage: 10_000}
	for id := range uint32(4) {
		if _, err := large.add(chunk(Success, id, 1, 2), make([]byte, 10_000), time.Time{}); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := large.add(chunk(Success, 1000, 1, 2), []byte("x"), time.Time{}); !errors.Is(err, ErrTooLarge) {
		t.Errorf("one byte too many: %v", err)
	}
	if _, err := large.add(chunk(Success, 0, 2, 2), nil, time.Time{}); err != nil {
		t.Errorf("last chunk of a held message: %v", err)
	}
	if _, err := large.add(chunk(Success, 1000, 1, 2), []byte("x"), time.Time{}); err != nil {
		t.Errorf("a message after another was finished: %v", err)
	}
}

func TestNoMessageIsWrittenWithoutChunksIfItDoesNotFitItsSlice(t *testing.T) {
	// Between the slice and the frame lies the window in which the C SDK sends two half messages; we send chunks.
	for size := 8100; size < 8200; size++ {
		limits, err := Limits{}.withDefaults()
		if err != nil {
			t.Fatal(err)
		}
		o := newOutbox(false, defaultFrameSize, limits)
		if err := o.sendNow(Header{Code: Post, Request: 1}, 8, func(dst []byte) []byte {
			return append(append(dst, "\x0a\x06Pump-1"...), make([]byte, size-8)...)
		}); err != nil {
			t.Fatal(err)
		}
		frames, _ := o.take()
		h, ok, err := parseFrameHead(frames, maxFrameSize)
		if err != nil || !ok {
			t.Fatal(ok, err)
		}
		m, _, err := DecodeHeader(h.body(frames).payload)
		if err != nil || h.length > defaultFrameSize || (m.Chunk == Chunk{}) != (size <= 8192-21-8) {
			t.Errorf("body of %d bytes: frame of %d, %+v, %v", size, h.length, m.Chunk, err)
		}
	}
}

func TestRequestIdsWrapAndLeaveOutThoseInUse(t *testing.T) {
	p := pending{last: noID - 2}
	if _, _, err := p.add(nil); err != nil { // noID - 1
		t.Fatal(err)
	}
	first, _, err := p.add(nil)
	if err != nil || first != 1 {
		t.Errorf("after the largest id: %#x, %v", first, err)
	}
	p.last = noID - 2
	if next, _, err := p.add(nil); err != nil || next != 2 {
		t.Errorf("with two ids in use: %#x, %v", next, err)
	}
}

func TestAReasonInTheContentCountsOnlyForARefusal(t *testing.T) {
	content := infotable.Single("reason", infotable.String("because"))
	for code, want := range map[Code]string{Success: "", InternalServerError: "because"} {
		body := AppendResponse(nil, &Response{Content: content})
		if r, err := DecodeResponse(code, body, infotable.Limits{}); err != nil || r.Reason != want {
			t.Errorf("%s: %q, %v", code, r.Reason, err)
		}
	}
}

func TestAGatewayIsNamedOnlyWithItsTemplate(t *testing.T) {
	for _, g := range []Gateway{{Name: "GwName"}, {Template: "GwType"}} {
		b, err := DecodeBinding(AppendBinding(nil, &Binding{Gateway: g, Names: []string{"a"}}))
		if err != nil || b.Gateway != (Gateway{}) || len(b.Names) != 1 {
			t.Errorf("%+v: %+v, %v", g, b, err)
		}
	}
}

func TestCodesTellWhoIsToBlame(t *testing.T) {
	for _, test := range []struct {
		code                              Code
		response, success, caller, callee bool
		name                              string
	}{
		{Post, false, false, false, false, "POST"},
		{Success, true, true, false, false, "success"},
		{0x42, true, true, false, false, "code 0x42"},
		{NotFound, true, false, true, false, "not found"},
		{GatewayTimeout, true, false, false, true, "gateway timeout"},
	} {
		c := test.code
		if c.IsResponse() != test.response || c.IsSuccess() != test.success || c.IsCallerFault() != test.caller ||
			c.IsCalleeFault() != test.callee || c.String() != test.name {
			t.Errorf("0x%02x %s: %v %v %v %v", uint8(c), c, c.IsResponse(), c.IsSuccess(), c.IsCallerFault(), c.IsCalleeFault())
		}
	}
}
