package quarantine

import (
	"errors"
	"reflect"
	"strings"
	"testing"

	"azx/internal/fault"
)

func TestAMessageComesBackAsItWas(t *testing.T) {
	want := letter("dev-1", 7).Message()
	cause := fault.Reject("decode message", "send JSON", "body is no JSON")
	r := FromMessage(want, "rejected", "decode", cause)
	if r.Error != "decode message: body is no JSON" || r.Hint != "send JSON" || r.Stage != "decode" {
		t.Errorf("the reason became %+v", r)
	}
	line, err := prepare(r, nowStub)
	if err != nil {
		t.Fatal(err)
	}
	got, err := decode(line.append(nil, 9))
	if err != nil {
		t.Fatal(err)
	}
	if got.ID != 9 {
		t.Errorf("id %d, want 9", got.ID)
	}
	if !reflect.DeepEqual(got.Message(), want) {
		t.Errorf("got  %+v\nwant %+v", got.Message(), want)
	}
}

func TestAnErrorsTextIsCutAtACharacter(t *testing.T) {
	r := FromMessage(letter("d", 1).Message(), "rejected", "", errors.New(strings.Repeat("\u00e9", maxText)))
	if len(r.Error) > maxText+3 || strings.ContainsRune(r.Error, '\ufffd') || !strings.HasSuffix(r.Error, "\u00e9...") {
		t.Errorf("%d bytes, end %q", len(r.Error), r.Error[len(r.Error)-6:])
	}
}

func TestDecodeRefuses(t *testing.T) {
	for name, line := range map[string]string{
		"an empty line":            "",
		"a line cut in the middle": `{"id":1,"reas`,
		"a record without an id":   `{"reason":"rejected"}`,
		"a record without reason":  `{"id":1}`,
		"a body that is no base64": `{"id":1,"reason":"x","body":"?"}`,
		"two records in one line":  `{"id":1,"reason":"x"}{"id":2,"reason":"x"}`,
	} {
		t.Run(name, func(t *testing.T) {
			if r, err := decode([]byte(line)); err == nil {
				t.Errorf("got %+v", r)
			}
		})
	}
}

func FuzzDecode(f *testing.F) {
	line, err := prepare(letter("dev-1", 3), nowStub)
	if err != nil {
		f.Fatal(err)
	}
	f.Add([]byte(line.append(nil, 1)))
	f.Add([]byte(`{"id":1,"reason":"x","body":null,"unknown":[]}`))
	f.Fuzz(func(t *testing.T, in []byte) {
		r, err := decode(in)
		if err != nil {
			return
		}
		id := r.ID
		again, err := prepare(r, nowStub)
		if err != nil {
			t.Fatalf("a record that was read cannot be written: %v", err)
		}
		back, err := decode(again.append(nil, id))
		if err != nil {
			t.Fatalf("a record that was written cannot be read: %v", err)
		}
		if back.ID != id || string(back.Body) != string(r.Body) || back.Device != r.Device {
			t.Fatalf("%+v became %+v", r, back)
		}
	})
}
