package platform

import (
	"fmt"
	"runtime"
	"strings"
	"testing"

	"azx/alwayson"
	"azx/alwayson/infotable"
	"azx/internal/decode"
	"azx/internal/mapping"
	"azx/internal/message"
)

// The budget of messages in flight counts Message.Size: what is made of a message that no request usually carries has to be in it.
func TestAMessageOfManyValuesIsReckonedWithWhatIsMadeOfIt(t *testing.T) {
	var body strings.Builder
	var properties []mapping.Property
	for i := range decode.MaxMembers {
		fmt.Fprintf(&body, `,"p%d":%d.5`, i, i)
		properties = append(properties, mapping.Property{EdgeName: fmt.Sprint("p", i), Type: infotable.TypeNumber})
	}
	tel := message.Telemetry{Message: &message.Message{Body: []byte("{" + body.String()[1:] + "}")}}
	table := mapping.NewTable(properties, "")
	before := live()
	var values mapping.Values
	if _, unfit, err := table.Encode(tel, &values); unfit != nil || err != nil {
		t.Fatal(unfit, err)
	}
	rows := alwayson.EndPropertyPush(appendRows(alwayson.BeginPropertyPush(nil), &values, 0, values.Len()))
	sent := append([]byte(nil), rows...) // as it waits for the socket
	if held := len(tel.Message.Body) + live() - before; held > tel.Message.Size() {
		t.Errorf("%d values hold %d bytes, reckoned as %d", values.Len(), held, tel.Message.Size())
	}
	for _, counted := range []any{sent, rows, &values, table, properties, &body} { // what was there before is still there
		runtime.KeepAlive(counted)
	}
	few := message.Message{Body: []byte(`{"n":1}` + strings.Repeat(" ", 20_000))}
	if size := few.Size(); size > 2*len(few.Body)+1000 {
		t.Errorf("a message of one value in %d bytes is reckoned as %d", len(few.Body), size)
	}
}

// live is the memory in use, in bytes.
func live() int {
	var s runtime.MemStats
	for range 2 { // pools give up what they have in two steps
		runtime.GC()
	}
	runtime.ReadMemStats(&s)
	return int(s.HeapAlloc)
}
