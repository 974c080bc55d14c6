package amqp10

import (
	"bytes"
	"errors"
	"reflect"
	"testing"
)

var messages = []struct {
	name string
	wire string
	want Message
}{
	{"body only", "00 53 75 a0 02 6869", Message{Data: [][]byte{[]byte("hi")}}},
	{"two data sections", "00 53 75 a0 00 00 53 75 a0 01 61", Message{Data: [][]byte{{}, []byte("a")}}},
	{"value of a token", "00 53 77 a1 01 74", Message{Value: Some[any]("t")}},
	{"value that is null", "00 53 77 40", Message{Value: Opt[any]{Set: true}}},
	{"sequence", "00 53 76 c0 03 01 52 01", Message{Sequences: [][]any{{uint32(1)}}}},
	{"header", "00 53 70 c0 07 05 41 50 04 40 42 43", Message{Header: &Header{Durable: true, Priority: 4}}},
	{"event of the hub",
		"00 53 72 c1 14 04 a3 05 782d736571 55 07 a3 05 782d6f6666 a1 01 33" +
			" 00 53 73 c0 14 0d a1 02 6d31 40 40 40 40 40 a3 02 6374 40 40 40 40 40 40" +
			" 00 53 74 c1 07 02 a1 01 6b a1 01 76" +
			" 00 53 75 a0 01 7b",
		Message{
			Annotations:           Map{{Symbol("x-seq"), int64(7)}, {Symbol("x-off"), "3"}},
			Properties:            &Properties{MessageID: "m1", ContentType: "ct"},
			ApplicationProperties: Map{{"k", "v"}},
			Data:                  [][]byte{[]byte("{")},
		}},
	{"all the rest of the properties",
		"00 53 71 c1 01 00 00 53 73 c0 32 0d 53 01 a0 01 75 a1 01 74 a1 01 73 a1 01 72 98 00000000000000000000000000000001" +
			" 40 40 83 0000000000000001 40 a1 01 67 52 05 40 00 53 78 c1 01 00",
		Message{
			DeliveryAnnotations: Map{},
			Properties: &Properties{
				MessageID: uint64(1), UserID: []byte("u"), To: "t", Subject: "s", ReplyTo: "r", CorrelationID: UUID{15: 1},
				AbsoluteExpiryTime: 1, GroupID: "g", GroupSequence: Some[uint32](5),
			},
			Footer: Map{},
		}},
}

func TestMessagesAreReadAndWrittenSectionBySection(t *testing.T) {
	for _, v := range messages {
		t.Run(v.name, func(t *testing.T) {
			wire := unhex(t, v.wire)
			if got := AppendMessage(nil, &v.want); !bytes.Equal(got, wire) {
				t.Errorf("wrote\n%x, want\n%x", got, wire)
			}
			got, err := DecodeMessage(wire)
			if err != nil || !reflect.DeepEqual(got, &v.want) {
				t.Errorf("read %+v (%v), want %+v", got, err, v.want)
			}
		})
	}
}

func TestMalformedMessagesAreRefused(t *testing.T) {
	for _, v := range []struct{ name, wire string }{
		{"value without a section", "a1 01 61"},
		{"section that does not exist", "00 53 79 40"},
		{"data that is no binary", "00 53 75 54 01"},
		{"properties cut short", "00 53 73 c0 10 0d a1"},
	} {
		t.Run(v.name, func(t *testing.T) {
			if got, err := DecodeMessage(unhex(t, v.wire)); !errors.Is(err, ErrMalformed) {
				t.Errorf("read %+v with error %v, want a malformed one", got, err)
			}
		})
	}
}
