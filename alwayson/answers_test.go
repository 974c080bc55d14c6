package alwayson

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/gobwas/ws"

	"azx/alwayson/infotable"
)

// scripted is a platform that lets everybody in and says what say returns to each request.
func scripted(t *testing.T, say func(id uint32) [][]byte) DialConfig {
	t.Helper()
	l := newPipeListener()
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		conn, err := l.Accept()
		if err != nil {
			return
		}
		defer func() { _ = conn.Close() }()
		if _, err := ws.Upgrade(conn); err != nil {
			t.Error(err)
			return
		}
		for {
			f, err := ws.ReadFrame(conn)
			if err != nil || f.Header.OpCode == ws.OpClose {
				return
			}
			h, _, err := DecodeHeader(f.Payload)
			if err != nil {
				t.Error(err)
				return
			}
			replies := [][]byte{AppendHeader(nil, Header{Code: Success, Request: h.Request, Endpoint: noID, Session: 1})}
			if h.Code != Auth {
				replies = say(h.Request)
			} else {
				replies[0] = append(replies[0], 0, 0xFF)
			}
			for _, reply := range replies {
				if ws.WriteFrame(conn, ws.NewBinaryFrame(reply)) != nil {
					return
				}
			}
		}
	}()
	t.Cleanup(func() { _ = l.Close(); <-ended })
	return dialConfig(l)
}

// Whatever comes back besides the answer, and however late, each call gets its own answer and none other.
func TestEachCallGetsItsOwnAnswerWhateverElseComes(t *testing.T) {
	answer := func(id uint32, v float64) []byte {
		r := Result(infotable.Number(v))
		return AppendResponse(AppendHeader(nil, Header{Code: r.Code, Request: id, Endpoint: noID, Session: noID}), &r)
	}
	tests := []struct {
		name string
		say  func(id uint32) [][]byte // what the platform says to request id, whose right answer is the id
	}{
		{"the answer twice", func(id uint32) [][]byte { return [][]byte{answer(id, float64(id)), answer(id, float64(id))} }},
		{"the answer, and another one later", func(id uint32) [][]byte { return [][]byte{answer(id, float64(id)), answer(id, -1)} }},
		{"one for an id that was never given", func(id uint32) [][]byte { return [][]byte{answer(id+1000, -1), answer(id, float64(id))} }},
		{"one for the id before", func(id uint32) [][]byte { return [][]byte{answer(id-1, -1), answer(id, float64(id))} }},
		{"one for no id", func(id uint32) [][]byte { return [][]byte{answer(noID, -1), answer(0, -1), answer(id, float64(id))} }},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				conn := dialTest(t, scripted(t, func(id uint32) [][]byte { return tt.say(id) }))
				for range 20 {
					before := conn.link.calls.last
					resp, err := conn.Call(t.Context(), CallService("Pump-1", "Go", nil))
					if n, _ := resp.Result().Number(); err != nil || n != float64(before+1) {
						t.Fatalf("call %d got %v, %v", before+1, n, err)
					}
				}
			})
		})
	}
	t.Run("an answer that comes after its call was given up", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			var held [][]byte
			conn := dialTest(t, scripted(t, func(id uint32) [][]byte {
				if held == nil {
					held = [][]byte{answer(id, -1)}
					return nil
				}
				return append(held, answer(id, float64(id)))
			}))
			ctx, cancel := context.WithTimeout(t.Context(), time.Second)
			defer cancel()
			if _, err := conn.Call(ctx, CallService("Pump-1", "Go", nil)); !errors.Is(err, context.DeadlineExceeded) {
				t.Errorf("got %v", err)
			}
			for range 3 {
				id := conn.link.calls.last + 1
				resp, err := conn.Call(t.Context(), CallService("Pump-1", "Go", nil))
				if n, _ := resp.Result().Number(); err != nil || n != float64(id) {
					t.Errorf("call %d got %v, %v", id, n, err)
				}
			}
		})
	})
}
