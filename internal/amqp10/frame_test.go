package amqp10

import (
	"bytes"
	"errors"
	"io"
	"reflect"
	"testing"
	"testing/iotest"
)

// performatives hold the bytes of §2.7, §3.4, §3.5 and §5.3 as this package writes them: every field is there.
var performatives = []struct {
	name string
	wire string
	want Performative
}{
	{"open with every field absent but the mandatory one",
		"00 53 10 c0 0d 0a a1 01 63 40 40 40 40 40 40 40 40 40",
		&Open{ContainerID: "c"}},
	{"open with limits",
		"00 53 10 c0 19 0a a1 01 63 a1 01 68 70 00010000 60 00ff 70 0003a980 40 40 40 40 40",
		&Open{ContainerID: "c", Hostname: "h", MaxFrameSize: Some[uint32](65536), ChannelMax: Some[uint16](255), IdleTimeout: 240000}},
	{"begin that answers",
		"00 53 11 c0 11 08 60 0001 43 70 00000800 52 05 52 ff 40 40 40",
		&Begin{RemoteChannel: Some[uint16](1), IncomingWindow: 2048, OutgoingWindow: 5, HandleMax: Some[uint32](255)}},
	{"attach of a receiver with source and target",
		"00 53 12 c0 31 0e a1 01 6c 43 41 50 01 50 00" +
			" 00 53 28 c0 0e 0b a1 01 73 43 40 43 42 40 40 40 40 40 40" +
			" 00 53 29 c0 08 07 40 43 40 43 42 40 40" +
			" 40 42 40 44 40 40 40",
		&Attach{Name: "l", Role: RoleReceiver, SenderSettleMode: SenderSettled, Source: &Source{Address: "s"}, Target: &Target{}}},
	{"attach that refuses has no source and no target",
		"00 53 12 c0 14 0e a1 01 6c 52 02 42 50 02 50 00 40 40 40 42 43 44 40 40 40",
		&Attach{Name: "l", Handle: 2, SenderSettleMode: SenderMixed, InitialDeliveryCount: Some[uint32](0)}},
	{"flow of a link",
		"00 53 13 c0 10 0b 43 52 0a 43 52 14 43 52 03 52 64 40 41 42 40",
		&Flow{NextIncomingID: Some[uint32](0), IncomingWindow: 10, OutgoingWindow: 20, Handle: Some[uint32](0), DeliveryCount: Some[uint32](3), LinkCredit: Some[uint32](100), Drain: true}},
	{"flow of a session",
		"00 53 13 c0 10 0b 52 01 52 0a 52 02 52 14 40 40 40 40 42 41 40",
		&Flow{NextIncomingID: Some[uint32](1), IncomingWindow: 10, NextOutgoingID: 2, OutgoingWindow: 20, Echo: true}},
	{"first transfer of a settled message",
		"00 53 14 c0 10 0b 52 01 52 07 a0 01 09 43 41 42 40 40 42 42 42",
		&Transfer{Handle: 1, DeliveryID: Some[uint32](7), DeliveryTag: []byte{9}, MessageFormat: Some[uint32](0), Settled: Some(true)}},
	{"disposition of a range",
		"00 53 15 c0 0c 06 41 52 01 52 05 41 00 53 24 45 42",
		&Disposition{Role: RoleReceiver, First: 1, Last: Some[uint32](5), Settled: true, State: State{Outcome: OutcomeAccepted}}},
	{"disposition that rejects",
		"00 53 15 c0 17 06 41 43 40 41 00 53 25 c0 0c 01 00 53 1d c0 06 03 a3 01 78 40 40 42",
		&Disposition{Role: RoleReceiver, Settled: true, State: State{Outcome: OutcomeRejected, Error: &Error{Condition: "x"}}}},
	{"detach with an error and its info",
		"00 53 16 c0 1b 03 52 01 41 00 53 1d c0 12 03 a3 01 65 a1 01 64 c1 09 02 a3 01 6b a1 03 61 62 63",
		&Detach{Handle: 1, Closed: true, Error: &Error{Condition: "e", Description: "d", Info: Map{{Symbol("k"), "abc"}}}}},
	{"end", "00 53 17 c0 02 01 40", &End{}},
	{"close", "00 53 18 c0 02 01 40", &Close{}},
	{"SASL mechanisms", "00 53 40 c0 11 01 f0 0000000b 00000001 b3 00000002 61 62",
		&SASLMechanisms{Mechanisms: []Symbol{"ab"}}},
	{"SASL init", "00 53 41 c0 0b 03 a3 05 504c41494e a0 00 40",
		&SASLInit{Mechanism: "PLAIN", InitialResponse: []byte{}}},
	{"SASL outcome", "00 53 44 c0 04 02 50 01 40", &SASLOutcome{Code: SASLAuth}},
}

func TestPerformativesAreReadAndWrittenWithAllTheirFields(t *testing.T) {
	for _, v := range performatives {
		t.Run(v.name, func(t *testing.T) {
			wire := unhex(t, v.wire)
			if got := v.want.Append(nil); !bytes.Equal(got, wire) {
				t.Errorf("wrote\n%x, want\n%x", got, wire)
			}
			got, rest, err := DecodePerformative(append(wire, 0xAB))
			if err != nil || !bytes.Equal(rest, []byte{0xAB}) {
				t.Fatalf("payload %x, error %v", rest, err)
			}
			if again := got.Append(nil); !bytes.Equal(again, wire) {
				t.Errorf("read %+v", got)
			}
		})
	}
}

func TestAPerformativeMayBeNamedBySymbolAndLeaveOutTrailingFields(t *testing.T) {
	wire := append(unhex(t, "00 a3 0e"), "amqp:open:list"...)
	got, _, err := DecodePerformative(append(wire, unhex(t, "c0 04 01 a1 01 63")...))
	if want := (&Open{ContainerID: "c"}); err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("read %+v (%v), want %+v", got, err, want)
	}
}

func TestMalformedPerformativesAreRefused(t *testing.T) {
	for _, v := range []struct{ name, wire string }{
		{"no descriptor", "45"},
		{"a descriptor of something else", "00 53 70 45"},
		{"open without a container id", "00 53 10 45"},
		{"attach without a handle", "00 53 12 c0 04 01 a1 01 6c"},
		{"channel number over 16 bits", "00 53 11 c0 06 01 70 00010000"},
		{"a string where a number is due", "00 53 16 c0 04 01 a1 01 6c"},
		{"an error that is none", "00 53 17 c0 05 01 00 53 24 45"},
		{"a settle mode that does not exist", "00 53 12 c0 09 04 a1 01 6c 43 41 50 03"},
	} {
		t.Run(v.name, func(t *testing.T) {
			if got, _, err := DecodePerformative(unhex(t, v.wire)); !errors.Is(err, ErrMalformed) {
				t.Errorf("read %+v with error %v, want a malformed one", got, err)
			}
		})
	}
}

func TestFramesAreCutOutOfAStreamThatArrivesByteByByte(t *testing.T) {
	stream := AppendFrame(nil, FrameAMQP, 3, &End{}, nil)
	stream = AppendFrame(stream, FrameAMQP, 0, nil, nil)
	stream = append(stream, unhex(t, "00000010 03 01 0007 deadbeef 00 53 18 45")...) // an extended header is stepped over
	r := NewFrameReader(iotest.OneByteReader(bytes.NewReader(stream)), 512)
	for i, want := range []Frame{
		{Channel: 3, Body: unhex(t, "00 53 17 c0 02 01 40")},
		{Body: []byte{}},
		{Type: FrameSASL, Channel: 7, Body: unhex(t, "00 53 18 45")},
	} {
		got, err := r.Next()
		if err != nil || got.Type != want.Type || got.Channel != want.Channel || !bytes.Equal(got.Body, want.Body) {
			t.Errorf("frame %d: %+v (%v), want %+v", i, got, err, want)
		}
	}
	if _, err := r.Next(); err != io.EOF {
		t.Errorf("at the end: %v, want EOF", err)
	}
}

func TestBadFramesAreRefused(t *testing.T) {
	for _, v := range []struct {
		name, wire string
		want       error
	}{
		{"size over what was agreed", "00000201 02 00 0000", ErrFrameTooLarge},
		{"size under that of a header", "00000007 02 00 0000", ErrMalformed},
		{"body before the end of the header", "00000008 01 00 0000", ErrMalformed},
		{"body behind the end of the frame", "00000008 03 00 0000", ErrMalformed},
		{"stream that ends within a frame", "00000009 02 00 0000", io.ErrUnexpectedEOF},
		{"stream that ends within a header", "000000", io.ErrUnexpectedEOF},
	} {
		t.Run(v.name, func(t *testing.T) {
			if _, err := NewFrameReader(bytes.NewReader(unhex(t, v.wire)), 512).Next(); !errors.Is(err, v.want) {
				t.Errorf("error %v, want %v", err, v.want)
			}
		})
	}
}
