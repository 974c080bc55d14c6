package alwayson

import (
	"bytes"
	"fmt"
	"time"

	"azx/alwayson/infotable"
)

const (
	staleAfter      = 50 * time.Second // of an unfinished message, as in the C SDK (read)
	heldFor         = 10 * time.Second // of a message that was cut short, as long as its sender waits (read)
	maxUnfinished   = 64               // messages being joined on one connection
	leastChunkBytes = 64               // average chunk below which a chunk count is not believed
)

// sliceSize returns how many bytes of body a chunk takes, when it also has a header and repeats prefix bytes.
func sliceSize(chunkSize, prefix int) int { return chunkSize - headerSize - chunkExtra - prefix }

// splitBody calls emit once per chunk of body, in order, with the header of the chunk, what it repeats and its
// slice of body. The first prefix bytes of body, the entity type and name of a request, are repeated by every
// later chunk (captured); a response has none. Every chunk takes slice bytes, the last what is left, so it is
// never empty; that makes the first chunk of a request shorter than it could be, as the C SDK's is.
func splitBody(h Header, body []byte, prefix, slice int, emit func(h Header, repeated, data []byte)) {
	repeated := body[:prefix]
	h.Chunk.Count = uint16((len(body) + slice - 1) / slice)
	for h.Chunk.Number = 1; len(body) > 0; h.Chunk.Number++ {
		data := body[:min(slice, len(body))]
		body = body[len(data):]
		if h.Chunk.Number == 1 {
			emit(h, nil, data)
		} else {
			emit(h, repeated, data)
		}
	}
}

// chunkKey tells unfinished messages apart: both sides number their own requests.
type chunkKey struct {
	response bool
	request  uint32
}

// unfinished is a message of which some chunks have come.
type unfinished struct {
	header Header
	parts  [][]byte // by chunk number less one; nil until it comes
	have   int
	bytes  int
	since  time.Time
}

// joiner joins the chunks of messages that arrive on one connection, in whatever order they come.
type joiner struct {
	maxMessage int
	messages   map[chunkKey]*unfinished
	bytes      int // held by all of them
}

// add takes a chunk and returns the joined body once it is whole; body is nil before. An error means that the
// message was given up, with what had come of it.
func (j *joiner) add(h Header, data []byte, now time.Time) (body []byte, err error) {
	key := chunkKey{h.Code.IsResponse(), h.Request}
	m := j.messages[key]
	if m == nil {
		if m, err = j.open(h, now); err != nil {
			return nil, err
		}
		j.messages[key] = m
	}
	if err = j.put(m, h, data); err != nil {
		j.drop(key)
		return nil, fmt.Errorf("join chunk %d of %d: %w", h.Chunk.Number, h.Chunk.Count, err)
	}
	if m.have < len(m.parts) {
		return nil, nil
	}
	j.drop(key)
	body, err = m.join()
	if err != nil {
		return nil, fmt.Errorf("join %d chunks: %w", len(m.parts), err)
	}
	return body, nil
}

func (j *joiner) open(h Header, now time.Time) (*unfinished, error) {
	count := int(h.Chunk.Count)
	if count > j.maxMessage/leastChunkBytes+1 || (count-1)*max(0, sliceSize(int(h.Chunk.Size), 0)) > 2*j.maxMessage {
		return nil, fmt.Errorf("join %d chunks of %d bytes: %w", count, h.Chunk.Size, ErrTooLarge)
	}
	if len(j.messages) >= maxUnfinished {
		return nil, fmt.Errorf("join chunks: more than %d unfinished messages: %w", maxUnfinished, ErrTooLarge)
	}
	if j.messages == nil {
		j.messages = make(map[chunkKey]*unfinished)
	}
	return &unfinished{header: h, parts: make([][]byte, count), since: now}, nil
}

func (j *joiner) put(m *unfinished, h Header, data []byte) error {
	at := int(h.Chunk.Number) - 1
	if h.Code != m.header.Code || int(h.Chunk.Count) != len(m.parts) {
		return fmt.Errorf("another message with request id %d: %w", h.Request, infotable.ErrMalformed)
	}
	if m.parts[at] != nil {
		return fmt.Errorf("it came twice: %w", infotable.ErrMalformed)
	}
	if m.bytes+len(data) > j.maxMessage {
		return ErrTooLarge
	}
	// All unfinished messages together hold at most four of the largest.
	if j.bytes+len(data) > 4*j.maxMessage {
		return fmt.Errorf("too many unfinished messages: %w", ErrTooLarge)
	}
	m.parts[at] = append(make([]byte, 0, len(data)), data...)
	m.have++
	m.bytes += len(data)
	j.bytes += len(data)
	return nil
}

func (j *joiner) drop(key chunkKey) {
	if m := j.messages[key]; m != nil {
		j.bytes -= m.bytes
		delete(j.messages, key)
	}
}

// expire gives up messages that have been unfinished for too long and returns their headers.
func (j *joiner) expire(now time.Time) (given []Header) {
	for key, m := range j.messages {
		if now.Sub(m.since) >= staleAfter {
			given = append(given, m.header)
			j.drop(key)
		}
	}
	return given
}

// join puts the parts together. In a request every part starts with the entity, which is kept once.
func (m *unfinished) join() ([]byte, error) {
	body := make([]byte, 0, m.bytes)
	var prefix []byte
	for i, part := range m.parts {
		if i == 0 {
			if m.header.Code.hasEntity() {
				size, err := entitySize(part)
				if err != nil {
					return nil, err
				}
				prefix = part[:size]
			}
		} else if rest, ok := bytes.CutPrefix(part, prefix); ok {
			part = rest
		} else if len(part) > 0 {
			return nil, fmt.Errorf("chunk %d names another entity: %w", i+1, infotable.ErrMalformed)
		}
		body = append(body, part...)
	}
	return body, nil
}

// entitySize returns how many bytes the entity type and name at the front of a request's body take.
func entitySize(body []byte) (int, error) {
	if len(body) == 0 {
		return 0, infotable.ErrTruncated
	}
	_, rest, err := infotable.DecodeString(body[1:])
	return len(body) - len(rest), err
}
