package rig

import (
	"bytes"
	"testing"

	"github.com/gobwas/ws"

	"azx/alwayson"
)

func TestRepliesAreDoubledAndNothingElseIs(t *testing.T) {
	frame := func(code alwayson.Code, request uint32) []byte {
		return ws.MustCompileFrame(ws.NewBinaryFrame(append(alwayson.AppendHeader(nil, alwayson.Header{Code: code, Request: request}), "body"...)))
	}
	upgrade := []byte("HTTP/1.1 101 Switching Protocols\r\n\r\n")
	ask, ping, reply := frame(alwayson.Post, 7), ws.MustCompileFrame(ws.NewPingFrame(nil)), frame(alwayson.Success, 8)
	sent := bytes.Join([][]byte{upgrade, ask, reply, ping}, nil)
	want := bytes.Join([][]byte{upgrade, ask, reply, reply, frame(alwayson.Success, nobodysRequest), ping}, nil)
	for _, step := range []int{1, 5, len(sent)} {
		d := &doubler{wire: &Wire{}}
		var got []byte
		for from := 0; from < len(sent); from += step {
			got = append(got, d.pass(bytes.Clone(sent[from:min(from+step, len(sent))]))...)
		}
		if !bytes.Equal(got, want) || d.wire.Doubled() != 1 {
			t.Errorf("in steps of %d bytes: got %q, want %q", step, got, want)
		}
	}
}
