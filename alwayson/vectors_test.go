package alwayson

import (
	"bytes"
	"compress/flate"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"reflect"
	"testing"
	"time"

	"azx/alwayson/infotable"
)

// vectorFile is testdata/vectors.json: bytes that a program built from the C SDK wrote or took.
type vectorFile struct {
	Frames []struct {
		Meaning  string
		FrameHex string
	}
	Primitives []struct {
		ID    string
		Hex   string
		Type  string
		Value any
	}
	Messages []struct {
		ID            string
		Hex           string
		CanonicalHex  string
		Canonical     bool
		TrailingBytes string
		Decoded       map[string]any
	}
	Multipart []struct {
		ID             string
		Chunks         []string
		ChunkSizeField int
		ReassembledHex string
		Decoded        map[string]any
	}
	TwoFrameDefect []struct {
		ID        string
		Frames    []string
		JoinedHex string
		Decoded   map[string]any
	}
	Compression struct {
		Messages []struct {
			Seq       int
			Wire, Hex string
		}
	}
}

func loadVectors(t testing.TB) vectorFile {
	t.Helper()
	text, err := os.ReadFile("testdata/vectors.json")
	if err != nil {
		t.Fatal(err)
	}
	var file vectorFile
	if err := json.Unmarshal(text, &file); err != nil {
		t.Fatal(err)
	}
	if len(file.Messages) != 58 || len(file.Primitives) != 39 || len(file.Multipart) != 5 {
		t.Fatalf("vectors are missing: %d messages, %d primitives, %d multipart", len(file.Messages), len(file.Primitives), len(file.Multipart))
	}
	return file
}

func unhex(t testing.TB, text string) []byte {
	t.Helper()
	b, err := hex.DecodeString(text)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// recoded decodes a whole message, returns what was found in the shape of the vectors, and encodes it again.
func recoded(t *testing.T, message []byte) (found map[string]any, again []byte) {
	t.Helper()
	h, body, err := DecodeHeader(message)
	if err != nil {
		t.Fatal(err)
	}
	found = map[string]any{
		"version": 1, "code": fmt.Sprintf("0x%02x", uint8(h.Code)), "requestId": h.Request, "endpointId": h.Endpoint,
		"sessionId": h.Session, "multipart": 0,
	}
	again = AppendHeader(nil, h)
	switch {
	case h.Code == KeepAlive:
	case h.Code == Auth:
		claims, err := DecodeAuth(body)
		if err != nil {
			t.Fatal(err)
		}
		again = AppendAuth(again, claims)
		found["claims"] = pairsShape(claims)
	case h.Code == Bind || h.Code == Unbind:
		b, err := DecodeBinding(body)
		if err != nil {
			t.Fatal(err)
		}
		again = AppendBinding(again, &b)
		found["names"] = b.Names
		if b.Gateway != (Gateway{}) {
			found["gatewayName"], found["gatewayType"] = b.Gateway.Name, b.Gateway.Template
		}
	case h.Code.IsResponse():
		r, err := DecodeResponse(h.Code, body, infotable.Limits{})
		if err != nil {
			t.Fatal(err)
		}
		if lost, ok := r.Content.First("reason").Text(); ok && lost == r.Reason {
			r.Reason = "" // it came from the content and not from the field
		}
		again = AppendResponse(again, &r)
		if r.Reason != "" {
			found["reason"] = r.Reason
		}
		contentShape(found, "content", r.Content)
	default:
		r, err := DecodeRequest(h.Code, body, infotable.Limits{})
		if err != nil {
			t.Fatal(err)
		}
		again = AppendRequest(again, &r)
		found["entityType"], found["entityName"] = r.Entity, r.Name
		found["characteristic"], found["target"] = r.Kind, r.Target
		found["headers"] = pairsShape(r.Headers)
		contentShape(found, "params", r.Params)
	}
	return found, again
}

func pairsShape(pairs []Pair) any {
	shape := [][]string{}
	for _, p := range pairs {
		shape = append(shape, []string{p.Name, p.Value})
	}
	return shape
}

func contentShape(found map[string]any, name string, table *infotable.Table) {
	if table == nil {
		found[name+"Type"] = "NOTHING"
		return
	}
	found[name+"Type"] = "INFOTABLE"
	found[name] = tableShape(table)
}

func tableShape(table *infotable.Table) any {
	fields, rows := []any{}, []any{}
	for _, f := range table.Fields {
		aspects := []any{}
		for _, a := range f.Aspects {
			aspects = append(aspects, []any{a.Name, valueShape(a.Value)})
		}
		fields = append(fields, map[string]any{
			"name": f.Name, "description": f.Description, "type": f.Type.String(), "aspects": aspects,
		})
	}
	for _, row := range table.Rows {
		cells := []any{}
		for _, v := range row {
			cells = append(cells, valueShape(v))
		}
		rows = append(rows, cells)
	}
	return map[string]any{"fields": fields, "rows": rows}
}

func valueShape(v infotable.Value) any {
	if v.Type() == infotable.TypeVariant {
		return map[string]any{"type": "VARIANT", "value": valueShape(v.Unwrap())}
	}
	return map[string]any{"type": v.Type().String(), "value": content(v)}
}

func content(v infotable.Value) any {
	if text, ok := v.Text(); ok {
		return text
	}
	if b, ok := v.Bytes(); ok {
		return hex.EncodeToString(b)
	}
	if ms, ok := v.Millis(); ok {
		return ms
	}
	if b, ok := v.Boolean(); ok {
		return b
	}
	if table, ok := v.Table(); ok {
		return tableShape(table)
	}
	if c, ok := v.Location(); ok {
		return map[string]any{"longitude": c.Longitude, "latitude": c.Latitude, "elevation": c.Elevation}
	}
	if f, ok := v.Number(); ok {
		return f
	}
	return nil
}

// sameShape compares through JSON, so that number types do not matter.
func sameShape(t *testing.T, got, want any) {
	t.Helper()
	text, err := json.Marshal(got)
	if err != nil {
		t.Fatal(err)
	}
	var plain any
	if err := json.Unmarshal(text, &plain); err != nil {
		t.Fatal(err)
	}
	if !reflect.DeepEqual(plain, want) {
		t.Errorf("decoded\n %v\nwant\n %v", plain, want)
	}
}

func TestEveryCapturedMessageDecodesAndEncodesToTheSameBytes(t *testing.T) {
	for _, v := range loadVectors(t).Messages {
		t.Run(v.ID, func(t *testing.T) {
			message := unhex(t, v.Hex)
			want := message
			if !v.Canonical {
				want = unhex(t, v.CanonicalHex)
			}
			found, again := recoded(t, message)
			delete(v.Decoded, "trailing")
			sameShape(t, found, v.Decoded)
			if !bytes.Equal(again, want) {
				t.Errorf("encoded\n %x\nwant\n %x", again, want)
			}
		})
	}
}

func TestEveryCapturedPrimitiveDecodesAndEncodesToTheSameBytes(t *testing.T) {
	for _, v := range loadVectors(t).Primitives {
		t.Run(v.ID, func(t *testing.T) {
			wire := unhex(t, v.Hex)
			value, rest, err := infotable.DecodeValue(wire, infotable.Limits{})
			if err != nil || len(rest) != 0 {
				t.Fatalf("decode: %v, %d bytes left", err, len(rest))
			}
			sameShape(t, valueShape(value), map[string]any{"type": v.Type, "value": v.Value})
			if again := infotable.AppendValue(nil, value); !bytes.Equal(again, wire) {
				t.Errorf("encoded %x, want %x", again, wire)
			}
		})
	}
}

func TestCapturedChunksJoinInAnyOrderAndAreCutAgainTheSame(t *testing.T) {
	for _, v := range loadVectors(t).Multipart {
		t.Run(v.ID, func(t *testing.T) {
			whole := unhex(t, v.ReassembledHex)
			for _, backwards := range []bool{false, true} {
				chunks := make([][]byte, len(v.Chunks))
				for i, c := range v.Chunks {
					at := i
					if backwards {
						at = len(chunks) - 1 - i
					}
					chunks[at] = unhex(t, c)
				}
				if got := joinAll(t, chunks); !bytes.Equal(got, whole[headerSize:]) {
					t.Errorf("backwards %v: joined %d bytes, want %d", backwards, len(got), len(whole)-headerSize)
				}
			}
			found, again := recoded(t, whole)
			sameShape(t, found, v.Decoded)
			if !bytes.Equal(again, whole) {
				t.Error("the joined message encodes to other bytes")
			}
			sameChunks(t, whole, v.Chunks)
		})
	}
}

func joinAll(t *testing.T, chunks [][]byte) (body []byte) {
	t.Helper()
	j := joiner{maxMessage: 1 << 20}
	for i, chunk := range chunks {
		h, data, err := DecodeHeader(chunk)
		if err != nil {
			t.Fatal(err)
		}
		if body, err = j.add(h, data, time.Time{}); err != nil {
			t.Fatal(err)
		}
		if (body != nil) != (i == len(chunks)-1) {
			t.Fatalf("after chunk %d of %d: joined %v", i+1, len(chunks), body != nil)
		}
	}
	return body
}

// sameChunks cuts whole with the slice length that the first captured chunk has.
func sameChunks(t *testing.T, whole []byte, want []string) {
	t.Helper()
	first := unhex(t, want[0])
	h, body, err := DecodeHeader(whole)
	if err != nil {
		t.Fatal(err)
	}
	prefix := 0
	if h.Code.hasEntity() {
		if prefix, err = entitySize(body); err != nil {
			t.Fatal(err)
		}
	}
	captured, data, err := DecodeHeader(first)
	if err != nil {
		t.Fatal(err)
	}
	h.Chunk.Size = captured.Chunk.Size
	var got []string
	splitBody(h, body, prefix, len(data), func(h Header, repeated, data []byte) {
		got = append(got, hex.EncodeToString(append(append(AppendHeader(nil, h), repeated...), data...)))
	})
	if !reflect.DeepEqual(got, want) {
		t.Errorf("cut into %d chunks that differ from the %d captured", len(got), len(want))
	}
}

func TestCapturedCompressedMessagesInflateWithOneContext(t *testing.T) {
	var window bytes.Buffer // what was inflated so far: the context
	for _, v := range loadVectors(t).Compression.Messages {
		reader := flate.NewReaderDict(bytes.NewReader(append(unhex(t, v.Wire), 0, 0, 0xFF, 0xFF)), window.Bytes())
		want := unhex(t, v.Hex)
		got := make([]byte, len(want))
		if _, err := io.ReadFull(reader, got); err != nil || !bytes.Equal(got, want) {
			t.Fatalf("message %d: inflated %x, %v, want %x", v.Seq, got, err, want)
		}
		window.Write(want)
		if _, _, err := DecodeHeader(got); err != nil {
			t.Errorf("message %d: %v", v.Seq, err)
		}
	}
}

func TestCapturedFramesAreReadAndWrittenAlike(t *testing.T) {
	for _, v := range loadVectors(t).Frames {
		t.Run(v.Meaning, func(t *testing.T) {
			wire := unhex(t, v.FrameHex)
			h, ok, err := parseFrameHead(wire, 1<<20)
			if wire[0]&rsvBits != 0 {
				if err == nil {
					t.Error("a compressed frame was taken although compression is not agreed")
				}
				return
			}
			if err != nil || !ok || !h.masked {
				t.Fatalf("head: %+v, %v, %v", h, ok, err)
			}
			f := h.body(bytes.Clone(wire))
			again := endFrame(append(beginFrame(nil, true), f.payload...), 0, f.op, true)
			if !bytes.Equal(again, wire) {
				t.Errorf("written %x, want %x", again, wire)
			}
		})
	}
}

func TestPropertyPushHasTheBytesOfTheCapture(t *testing.T) {
	const ms = 1577934245678
	for _, v := range loadVectors(t).Messages {
		if v.ID != "push-one" && v.ID != "push-many-types" {
			continue
		}
		t.Run(v.ID, func(t *testing.T) {
			message := unhex(t, v.Hex)
			h, body, err := DecodeHeader(message)
			if err != nil {
				t.Fatal(err)
			}
			decoded, err := DecodeRequest(h.Code, body, infotable.Limits{})
			if err != nil {
				t.Fatal(err)
			}
			values, err := PushedValues(decoded.Params)
			if err != nil || len(values) == 0 || values[0].TimeMs != ms {
				t.Fatalf("pushed values: %+v, %v", values, err)
			}
			if values[0].Quality == QualityGood {
				values[0].Quality = "" // the default
			}
			push := PropertyPush("Pump-1", AppendPropertyPush(nil, values))
			if got := AppendRequest(AppendHeader(nil, h), &push); !bytes.Equal(got, message) {
				t.Errorf("push\n %x\nwant\n %x", got, message)
			}
		})
	}
}
