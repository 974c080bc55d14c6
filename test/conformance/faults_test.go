package conformance

import (
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"testing"

	"github.com/Azure/azure-sdk-for-go/sdk/messaging/azeventhubs/v2"
)

// The faults that only foreign clients had shown in an early prototype of the hub, one test each.
// docs/conformance.md lists them. They are about the local hub, whatever the environment says.

// faulty is a local hub with events in the partition of its one device.
func faulty(t *testing.T, bodies ...string) (h *hub, partition string) {
	t.Helper()
	h = localHub(t, "--host", cloudHost)
	d := h.devices(1)[0]
	partition = h.partitionOf(h.consumer(group), d)
	for _, body := range bodies {
		h.publishWhole(d, body)
	}
	return h, partition
}

func TestFault1EventsComeSettledSoThatAReaderWhoNeverAcceptsGoesOn(t *testing.T) {
	t.Parallel()
	h, partition := faulty(t)
	const count = 100
	h.publish(h.devices(1)[0], nil, numbers(0, count)...)
	t.Run("Go client with a prefetch of ten", func(t *testing.T) {
		reader := h.reader(h.consumer(group), partition, &azeventhubs.PartitionClientOptions{StartPosition: h.start(), Prefetch: 10})
		if got := h.take(reader, count+1); len(got) != count+1 {
			t.Errorf("%d events, want %d", len(got), count+1)
		}
	})
	t.Run("on the wire", func(t *testing.T) {
		p := rawDial(h, 0)
		p.read(partition)
		p.credit(0, 10, 1000)
		for range 10 {
			if frame := p.want(codeTransfer); frame.field(4) != true {
				t.Errorf("transfer %v, want field 4 (settled) to be true", frame.fields)
			}
		}
	})
}

func TestFault2EveryPerformativeHasAllOfItsFields(t *testing.T) {
	t.Parallel()
	h, partition := faulty(t)
	p := rawDial(h, 0)
	p.read(partition)
	p.credit(0, 1, 1000)
	p.want(codeTransfer)
	p.send(codeDetach, uint32(0), true)
	p.want(codeDetach)
	p.attachRefused()
	p.send(codeEnd)
	p.want(codeEnd)
	p.send(codeClose)
	p.want(codeClose)
	for _, v := range []struct {
		name   string
		code   byte
		fields int
	}{
		{"open", codeOpen, 10}, {"begin", codeBegin, 8}, {"attach", codeAttach, 14}, {"flow", codeFlow, 11},
		{"transfer", codeTransfer, 11}, {"disposition", codeDisposition, 6}, {"detach", codeDetach, 3},
		{"end", codeEnd, 1}, {"close", codeClose, 1},
	} {
		t.Run(v.name, func(t *testing.T) {
			if len(p.seen[v.code]) == 0 {
				t.Error("the hub sent none")
			}
			for _, frame := range p.seen[v.code] {
				if len(frame.fields) != v.fields {
					t.Errorf("%d fields, want %d: %v", len(frame.fields), v.fields, frame.fields)
				}
			}
		})
	}
	t.Run("an attach has link properties, if only an empty map", func(t *testing.T) {
		for _, frame := range p.seen[codeAttach] {
			if frame.field(13) == nil {
				t.Errorf("attach %v", frame.fields)
			}
		}
	})
	t.Run("an attach that is refused", func(t *testing.T) {
		attaches := p.seen[codeAttach]
		if last := attaches[len(attaches)-1]; last.field(5) != nil {
			t.Errorf("attach %v, want no source", last.fields)
		}
		detaches := p.seen[codeDetach]
		if last := detaches[len(detaches)-1]; last.field(2).(rawDescribed).code != codeError {
			t.Errorf("detach %v, want an error", last.fields)
		}
	})
}

// attachRefused asks for a partition that is not there.
func (p *rawPeer) attachRefused() {
	p.t.Helper()
	p.attach(7, true, p.h.events["EntityPath"]+"/ConsumerGroups/"+group+"/Partitions/99", nil)
	p.want(codeDetach)
	p.send(codeDetach, uint32(7), true)
}

func TestFault3DeliveryIDsCountMessagesAndTransferIDsCountFrames(t *testing.T) {
	t.Parallel()
	large := strings.Repeat("x", 3000)
	h, partition := faulty(t, large, "small")
	p := rawDial(h, 512)
	p.read(partition)
	p.credit(0, 3, 1000)
	var ids []string
	frames := len(p.seen[codeTransfer]) // that of the answer about the token
	for messages := 0; messages < 3; {
		frame := p.want(codeTransfer)
		frames++
		if frame.size > 512 {
			t.Errorf("a frame of %d bytes for a limit of 512", frame.size)
		}
		if frame.field(1) != nil {
			ids = append(ids, fmt.Sprint(frame.field(1)))
		}
		if frame.field(5) != true {
			messages++
		}
	}
	// Deliveries of all links of the session count: the answer about the token was the first.
	if got := strings.Join(ids, " "); got != "1 2 3" {
		t.Errorf("delivery ids %s, want 1 2 3", got)
	}
	p.send(codeFlow, uint32(frames), uint32(1000), uint32(1), uint32(1000), nil, nil, nil, nil, nil, true)
	if got := p.want(codeFlow).field(2); frames < 9 || got != int64(frames) {
		t.Errorf("next-outgoing-id %v after %d frames", got, frames)
	}
}

func TestFault3AnAbsentFrameSizeIsNoLimit(t *testing.T) {
	t.Parallel()
	h, partition := faulty(t, strings.Repeat("x", 60_000))
	p := rawDial(h, 0)
	p.read(partition)
	p.credit(0, 2, 1000)
	p.want(codeTransfer) // the probe
	if frame := p.want(codeTransfer); frame.field(5) == true || frame.size < 60_000 {
		t.Errorf("a message of 60,000 bytes begins with a frame of %d", frame.size)
	}
}

func TestFault4FramesForAnEndedSessionHarmNobody(t *testing.T) {
	t.Parallel()
	h, partition := faulty(t)
	late := map[string][]byte{
		"a detach":      rawFrameOf(codeDetach, nil, uint32(0), true),
		"a flow":        rawFrameOf(codeFlow, nil, uint32(0), uint32(10), uint32(0), uint32(10), uint32(0), uint32(0), uint32(10)),
		"a disposition": rawFrameOf(codeDisposition, nil, true, uint32(0), uint32(10), true),
		"another end":   rawFrameOf(codeEnd, nil),
	}
	for name, frame := range late {
		t.Run(name+" is forgiven", func(t *testing.T) {
			p := rawDial(h, 0)
			p.read(partition)
			p.credit(0, 1, 1000)
			p.want(codeTransfer)
			p.send(codeEnd)
			p.want(codeEnd)
			p.write(frame)
			p.begin() // the connection lives
			p.attach(0, true, "$cbs", nil)
		})
	}
	for name, frame := range map[string][]byte{
		"a transfer": rawFrameOf(codeTransfer, []byte("x"), uint32(0), uint32(0), []byte{1}, uint32(0)),
		"an attach":  rawFrameOf(codeAttach, nil, "late", uint32(0), true),
	} {
		t.Run(name+" ends its connection in good order", func(t *testing.T) {
			p := rawDial(h, 0)
			p.send(codeEnd)
			p.want(codeEnd)
			p.write(frame)
			if got := p.want(codeClose); got.field(0) == nil {
				t.Errorf("close %v, want an error", got.fields)
			}
		})
	}
	rawDial(h, 0).read(partition) // the hub lives
}

func TestFault6AfterACloseTheHubReadsOnUntilThePeerHangsUp(t *testing.T) {
	t.Parallel()
	h := localHub(t, "--host", cloudHost)
	for _, v := range []struct {
		name  string
		begin func(p *rawPeer)
	}{
		{"the peer closes", func(p *rawPeer) { p.send(codeClose) }},
		{"the hub closes, because of a frame that is none", func(p *rawPeer) { p.write([]byte{0, 0, 0, 10, 2, 0, 0, 0, 0xDE, 0xAD}) }},
	} {
		t.Run(v.name, func(t *testing.T) {
			p := rawDial(h, 0)
			v.begin(p)
			p.want(codeClose)
			for range 1000 { // a hub that had hung up would answer these with a reset
				p.write(rawFrameOf(codeFlow, make([]byte, 1000), uint32(0), uint32(10), uint32(0), uint32(10)))
			}
			if err := p.conn.(*net.TCPConn).CloseWrite(); err != nil {
				t.Fatal(err)
			}
			if frame, err := p.next(); !errors.Is(err, io.EOF) {
				t.Errorf("got %v (%v), want the end of the stream", frame.fields, err)
			}
		})
	}
}

func TestFault7AConnectionMayBeginWithoutSASL(t *testing.T) {
	t.Parallel()
	h, partition := faulty(t)
	for name, begin := range map[string]func(p *rawPeer){
		"without": func(*rawPeer) {},
		"with": func(p *rawPeer) {
			const codeMechanisms, codeInit, codeOutcome = 0x40, 0x41, 0x44
			p.header("AMQP\x03\x01\x00\x00")
			p.want(codeMechanisms)
			frame := rawFrameOf(codeInit, nil, rawSymbol("ANONYMOUS"))
			frame[5] = 1 // a SASL frame
			p.write(frame)
			if got := p.want(codeOutcome); got.field(0) != int64(0) {
				t.Fatalf("outcome %v", got.fields)
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			p := rawConnect(h)
			begin(p)
			p.header("AMQP\x00\x01\x00\x00")
			p.send(codeOpen, "raw", h.namespace())
			p.want(codeOpen)
			p.begin()
			p.read(partition)
			p.credit(0, 1, 1000)
			if got := appProperty(p.want(codeTransfer).payload, "run"); got != h.mark {
				t.Errorf("got an event of run %v", got)
			}
		})
	}
}
