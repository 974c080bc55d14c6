package conformance

import (
	"encoding/binary"
	"fmt"
	"io"
	"net"
	"testing"
	"time"
)

// A peer that writes frames byte by byte, with a codec of its own: it sends what no library would send,
// and sees what libraries hide.

// Descriptors of performatives and sections.
const (
	codeOpen = 0x10 + iota
	codeBegin
	codeAttach
	codeFlow
	codeTransfer
	codeDisposition
	codeDetach
	codeEnd
	codeClose

	codeError      = 0x1D
	codeSource     = 0x28
	codeTarget     = 0x29
	codeProperties = 0x73
	codeAppProps   = 0x74
	codeValue      = 0x77
)

// Values that Go has no type for.
type (
	rawSymbol    string
	rawList      []any
	rawMap       []any // key, value, key, value
	rawDescribed struct {
		code  byte
		value any
	}
)

// encode appends a value: nil, bool, uint8, uint16, uint32, string, []byte or a type above.
func encode(b []byte, v any) []byte {
	wide := func(code byte, content []byte) []byte {
		return append(binary.BigEndian.AppendUint32(append(b, code), uint32(len(content))), content...)
	}
	compound := func(code byte, items []any) []byte {
		content := binary.BigEndian.AppendUint32(nil, uint32(len(items)))
		for _, item := range items {
			content = encode(content, item)
		}
		return wide(code, content)
	}
	switch v := v.(type) {
	case nil:
		return append(b, 0x40)
	case bool:
		if v {
			return append(b, 0x41)
		}
		return append(b, 0x42)
	case uint8:
		return append(b, 0x50, v)
	case uint16:
		return binary.BigEndian.AppendUint16(append(b, 0x60), v)
	case uint32:
		return binary.BigEndian.AppendUint32(append(b, 0x70), v)
	case string:
		return wide(0xB1, []byte(v))
	case rawSymbol:
		return wide(0xB3, []byte(v))
	case []byte:
		return wide(0xB0, v)
	case rawList:
		return compound(0xD0, v)
	case rawMap:
		return compound(0xD1, v)
	case rawDescribed:
		return encode(append(b, 0, 0x53, v.code), v.value)
	}
	panic(fmt.Sprintf("a value of type %T", v))
}

// decode reads the value at the beginning of b. Integers become int64, text and bytes become string.
func decode(b []byte) (v any, rest []byte) {
	code, b := b[0], b[1:]
	number := func(n int) (any, []byte) {
		var v int64
		for _, d := range b[:n] {
			v = v<<8 | int64(d)
		}
		return v, b[n:]
	}
	switch code {
	case 0x00:
		descriptor, after := decode(b)
		value, after := decode(after)
		return rawDescribed{byte(descriptor.(int64)), value}, after
	case 0x40:
		return nil, b
	case 0x41, 0x42:
		return code == 0x41, b
	case 0x43, 0x44:
		return int64(0), b
	case 0x45:
		return rawList{}, b
	}
	switch code >> 4 {
	case 5:
		return number(1)
	case 6:
		return number(2)
	case 7:
		return number(4)
	case 8:
		return number(8)
	case 9:
		return string(b[:16]), b[16:]
	case 0xA:
		return string(b[1 : 1+int(b[0])]), b[1+int(b[0]):]
	case 0xB:
		n := 4 + int(binary.BigEndian.Uint32(b))
		return string(b[4:n]), b[n:]
	case 0xC:
		return decodeItems(int(b[1]), b[2:1+int(b[0])]), b[1+int(b[0]):]
	case 0xD:
		n := 4 + int(binary.BigEndian.Uint32(b))
		return decodeItems(int(binary.BigEndian.Uint32(b[4:])), b[8:n]), b[n:]
	case 0xE: // an array: only its place matters here
		return nil, b[1+int(b[0]):]
	case 0xF:
		return nil, b[4+int(binary.BigEndian.Uint32(b)):]
	}
	panic(fmt.Sprintf("constructor 0x%02x", code))
}

func decodeItems(n int, b []byte) rawList {
	items := make(rawList, n)
	for i := range items {
		items[i], b = decode(b)
	}
	return items
}

// rawFrame is a frame that came: a performative with as many fields as were written.
type rawFrame struct {
	code    byte
	fields  rawList
	payload []byte
	size    int
}

// field gives a field, nil when it was left out.
func (f rawFrame) field(n int) any {
	if n >= len(f.fields) {
		return nil
	}
	return f.fields[n]
}

// rawPeer is one connection, on which everything happens in channel 0.
type rawPeer struct {
	t    testing.TB
	h    *hub
	conn net.Conn
	seen map[byte][]rawFrame // by code
}

// rawDial connects without TLS and without SASL, opens the connection and begins a session.
// maxFrame 0 leaves the frame size out.
func rawDial(h *hub, maxFrame uint32) *rawPeer {
	h.t.Helper()
	p := rawConnect(h)
	p.header("AMQP\x00\x01\x00\x00")
	open := rawList{"raw", h.namespace()}
	if maxFrame > 0 {
		open = append(open, maxFrame)
	}
	p.send(codeOpen, open...)
	p.want(codeOpen)
	p.begin()
	return p
}

// rawConnect only connects.
func rawConnect(h *hub) *rawPeer {
	h.t.Helper()
	conn, err := net.Dial("tcp", h.dial("", h.ports.AMQP))
	if err != nil {
		h.t.Fatal(err)
	}
	h.t.Cleanup(func() { _ = conn.Close() })
	_ = conn.SetDeadline(time.Now().Add(patience))
	return &rawPeer{t: h.t, h: h, conn: conn, seen: map[byte][]rawFrame{}}
}

// header sends a protocol header, which the hub has to answer with the same.
func (p *rawPeer) header(header string) {
	p.t.Helper()
	p.write([]byte(header))
	answer := make([]byte, 8)
	if _, err := io.ReadFull(p.conn, answer); err != nil || string(answer) != header {
		p.t.Fatalf("header %q (%v), want %q", answer, err, header)
	}
}

func (p *rawPeer) begin() {
	p.t.Helper()
	p.send(codeBegin, nil, uint32(0), uint32(1000), uint32(1000))
	p.want(codeBegin)
}

func (p *rawPeer) write(b []byte) {
	p.t.Helper()
	if _, err := p.conn.Write(b); err != nil {
		p.t.Fatalf("write: %v", err)
	}
}

// send writes a frame with a performative and exactly these fields.
func (p *rawPeer) send(code byte, fields ...any) {
	p.t.Helper()
	p.write(rawFrameOf(code, nil, fields...))
}

func rawFrameOf(code byte, payload []byte, fields ...any) []byte {
	b := encode([]byte{0, 0, 0, 0, 2, 0, 0, 0}, rawDescribed{code, rawList(fields)})
	b = append(b, payload...)
	binary.BigEndian.PutUint32(b, uint32(len(b)))
	return b
}

// next reads a frame that is not a heartbeat. It must hold a performative.
func (p *rawPeer) next() (rawFrame, error) {
	for {
		var head [8]byte
		if _, err := io.ReadFull(p.conn, head[:]); err != nil {
			return rawFrame{}, err
		}
		body := make([]byte, binary.BigEndian.Uint32(head[:])-8)
		if _, err := io.ReadFull(p.conn, body); err != nil {
			return rawFrame{}, err
		}
		if len(body) == 0 {
			continue
		}
		value, payload := decode(body)
		performative := value.(rawDescribed)
		frame := rawFrame{performative.code, performative.value.(rawList), payload, 8 + len(body)}
		p.seen[frame.code] = append(p.seen[frame.code], frame)
		return frame, nil
	}
}

// want reads up to a frame with this performative; others may come before it.
func (p *rawPeer) want(code byte) rawFrame {
	p.t.Helper()
	for {
		frame, err := p.next()
		if err != nil {
			p.t.Fatalf("no performative 0x%02x: %v", code, err)
		}
		if frame.code == code {
			return frame
		}
		if frame.code == codeClose || frame.code == codeEnd || frame.code == codeDetach {
			p.t.Fatalf("performative 0x%02x %v, want 0x%02x", frame.code, frame.fields, code)
		}
	}
}

// attach asks for a link; the hub has to grant it. A receiver asks for mixed settlement.
func (p *rawPeer) attach(handle uint32, receiver bool, address string, filter any) rawFrame {
	p.t.Helper()
	source, target, count := rawList{"here"}, rawList{address}, any(uint32(0))
	if receiver {
		source, target, count = rawList{address, nil, nil, nil, nil, nil, nil, filter}, rawList{"here"}, nil
	}
	p.send(codeAttach, fmt.Sprintf("link %d", handle), handle, receiver, uint8(2), uint8(0),
		rawDescribed{codeSource, source}, rawDescribed{codeTarget, target}, nil, nil, count)
	return p.want(codeAttach)
}

// credit lets a link of the hub send n messages; the session's window is n frames.
func (p *rawPeer) credit(handle, n, window uint32) {
	p.t.Helper()
	p.send(codeFlow, uint32(0), window, uint32(0), uint32(1000), handle, uint32(0), n)
}

// putToken puts a token over links 100 and 101, and wants it taken.
func (p *rawPeer) putToken(resource string) {
	p.t.Helper()
	p.attach(100, true, "$cbs", nil)
	p.credit(100, 1, 1000)
	p.attach(101, false, "$cbs", nil)
	message := encode(nil, rawDescribed{codeProperties, rawList{"put-1", nil, nil, nil, "here"}})
	message = encode(message, rawDescribed{codeAppProps, rawMap{
		"operation", "put-token", "type", "servicebus.windows.net:sastoken", "name", resource,
	}})
	message = encode(message, rawDescribed{codeValue, p.h.eventsToken(resource)})
	p.write(rawFrameOf(codeTransfer, message, uint32(101), uint32(0), []byte{1}, uint32(0)))
	answer := p.want(codeTransfer)
	if status := appProperty(answer.payload, "status-code"); status != int64(202) && status != int64(200) {
		p.t.Fatalf("put token: status %v", status)
	}
}

// appProperty finds an application property in an encoded message.
func appProperty(message []byte, name string) any {
	for len(message) > 0 {
		var section any
		section, message = decode(message)
		s := section.(rawDescribed)
		if s.code != codeAppProps {
			continue
		}
		for i, items := 0, s.value.(rawList); i < len(items); i += 2 {
			if items[i] == name {
				return items[i+1]
			}
		}
	}
	return nil
}

// read opens link 0 to the events of a partition, from the earliest.
func (p *rawPeer) read(partition string) {
	p.t.Helper()
	address := p.h.events["EntityPath"] + "/ConsumerGroups/" + group + "/Partitions/" + partition
	p.putToken("amqp://" + p.h.namespace() + "/" + address)
	p.attach(0, true, address, nil)
}
