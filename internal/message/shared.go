package message

import "sync/atomic"

// Shared is memory of messages that came together. It is held until the last of them has ended, and is reckoned so.
type Shared struct {
	Size  int    // bytes that all of them take while in flight, as reckoned
	Owner Reuser // has the memory back once nobody looks at it any more; nil: the garbage collector
	// Beside is memory of whoever carries the messages. It is used again with the rest.
	Beside any

	open atomic.Int32 // messages that have not ended
	kept atomic.Bool  // somebody may look at one of them although it has ended
}

// Reuser uses memory again.
type Reuser interface{ Reuse() }

// Alone is the memory of a message that shares none.
func Alone(m *Message) *Shared { return &Shared{Size: m.Size()} }

// Begin is called before n messages, all that there are, are on their way.
func (s *Shared) Begin(n int) { s.open.Store(int32(n)) }

// End is called for each of them once it is not in flight any more, and reports whether it was the last one. kept says that
// somebody may still look at it, or at its body: then the memory of all of them is left to the garbage collector.
func (s *Shared) End(kept bool) (last bool) {
	if kept {
		s.kept.Store(true)
	}
	return s.open.Add(-1) == 0
}

// Free is called once the last one has ended.
func (s *Shared) Free() {
	if s.Owner != nil && !s.kept.Load() {
		s.Owner.Reuse()
	}
}
