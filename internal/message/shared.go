package message

import "sync/atomic"

// Shared is memory of several messages, which is freed once none of them is in flight any more.
type Shared struct {
	Bytes int
	held  atomic.Int32
}

// Hold is called for each message that is in flight from now on. It returns the bytes that its share adds: all for the first
// one, none for others.
func (s *Shared) Hold() (bytes int) {
	if s != nil && s.held.Add(1) == 1 {
		return s.Bytes
	}
	return 0
}

// Drop is called for each message that Hold was called for, once it is not in flight any more. It returns the bytes that
// this frees: all for the last one, none for others.
func (s *Shared) Drop() (bytes int) {
	if s != nil && s.held.Add(-1) == 0 {
		return s.Bytes
	}
	return 0
}
