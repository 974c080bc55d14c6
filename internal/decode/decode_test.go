package decode

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"testing"

	"azx/internal/fault"
	"azx/internal/message"
)

func TestMembersComeInTheOrderOfTheText(t *testing.T) {
	m := &message.Message{Body: []byte(` {"temp": 21.5, "on":true, "name":"a\"b", "at":{"x":[1,2]}, "list":[], "none":null, "te\u006dp":1e3} `)}
	got, err := Body(m)
	if err != nil {
		t.Fatal(err)
	}
	want := []string{
		`temp number 21.5`, `on boolean true`, `name string "a\"b"`, `at object {"x":[1,2]}`,
		`list array []`, `none null null`, `temp number 1e3`,
	}
	if len(got) != len(want) {
		t.Fatalf("got %d readings, want %d", len(got), len(want))
	}
	for i := range want {
		r := got[i]
		if line := fmt.Sprintf("%s %s %s", r.Key, r.Kind, r.Raw); line != want[i] {
			t.Errorf("reading %d: got %s, want %s", i, line, want[i])
		}
	}
}

func TestABodyThatCannotBeReadIsRejectedWithItsReason(t *testing.T) {
	deep := strings.Repeat(`{"a":`, 10_000) + "1" + strings.Repeat("}", 10_000)
	var many strings.Builder
	for i := range MaxMembers + 1 {
		fmt.Fprintf(&many, `,"k%d":1`, i)
	}
	tests := []struct {
		name, contentType, encoding, body, want string
	}{
		{"text that is no JSON", "", "", "hello", "invalid JSON at byte 0: expected a value"},
		{"an object cut short", "", "", `{"a":1`, "expected ',' or '}'"},
		{"two documents", "", "", `{"a":1} {"b":2}`, "text after the object"},
		{"an array", "", "", `[1]`, "the body is an array, not an object"},
		{"a bare number", "", "", `7`, "the body is a number, not an object"},
		{"a trailing comma", "", "", `{"a":1,}`, "expected a member name"},
		{"a number with a leading zero", "", "", `{"a":01}`, "expected ',' or '}'"},
		{"NaN", "", "", `{"a":NaN}`, "expected a value"},
		{"a raw control character", "", "", "{\"a\":\"\x01\"}", "control character"},
		{"an unknown escape", "", "", `{"a":"\x"}`, "bad escape"},
		{"invalid UTF-8", "", "", "{\"a\":\"\xff\"}", "invalid UTF-8"},
		{"10,000 levels", "", "", deep, "nested deeper than 64 levels"},
		{"more members than the limit", "", "", "{" + many.String()[1:] + "}", "more than 10000 members"},
		{"an unknown content type", "application/cbor", "", `{}`, `content type "application/cbor" is not JSON`},
		{"an unknown encoding", "application/json", "utf-16", `{}`, `content encoding "utf-16"`},
		{"gzip", "application/json", "gzip", `{}`, `content encoding "gzip"`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			m := &message.Message{ContentType: tt.contentType, ContentEncoding: tt.encoding, Body: []byte(tt.body)}
			_, err := Body(m)
			if checked := Check(m); fmt.Sprint(checked) != fmt.Sprint(err) {
				t.Errorf("checked: %v", checked)
			}
			if err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Fatalf("got %v, want an error with %q", err, tt.want)
			}
			if fault.ClassOf(err) != fault.Rejected || fault.HintOf(err) == "" {
				t.Errorf("class %s, hint %q: want rejected with a hint", fault.ClassOf(err), fault.HintOf(err))
			}
		})
	}
}

func TestAnEmptyBodyIsASignOfLife(t *testing.T) {
	for _, body := range []string{"", " \r\n", "\ufeff"} {
		if _, err := Body(&message.Message{Body: []byte(body)}); !errors.Is(err, ErrEmpty) {
			t.Errorf("body %q: got %v, want ErrEmpty", body, err)
		}
	}
}

func TestJSONIsAcceptedUnderItsUsualNames(t *testing.T) {
	for _, tt := range [][2]string{{"", ""}, {"application/json", "UTF-8"}, {"application/json; charset=utf-8", ""}, {"application/vnd.x+json", "utf8"}} {
		if _, err := Body(&message.Message{ContentType: tt[0], ContentEncoding: tt[1], Body: []byte("\ufeff{}")}); err != nil {
			t.Errorf("%q %q: %v", tt[0], tt[1], err)
		}
	}
}

// The walker and the standard library agree on what JSON is, within the walker's limits.
func FuzzBody(f *testing.F) {
	for _, seed := range []string{`{"a":1}`, `{"a":[1,{"b":"\u00e4\ud800"}],"c":-0.5e+7}`, `{"":""}`, `[`, `{"a":1e400}`, `{"temp":1,"temp" :2,"temp":3}`, `{"te\u006dp":1,"\ud800":2,"temp": 3}`, "\ufeff{}", `{"a":"\`} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		readings, err := Body(&message.Message{Body: body})
		text := bytes.TrimPrefix(body, []byte("\ufeff"))
		var want map[string]json.RawMessage
		valid := json.Unmarshal(text, &want) == nil && want != nil
		switch {
		case err == nil && !valid:
			t.Fatalf("accepted %q, which is no JSON object", body)
		case err != nil && valid && !withinLimitsOf(err):
			t.Fatalf("refused %q: %v", body, err)
		}
		guesses := make([]string, len(readings))
		for i, r := range readings {
			if name := string(r.Key); IsPlain(name) {
				guesses[i] = name
			}
		}
		for _, guesses := range [][]string{guesses, slices.Repeat([]string{"temp"}, len(readings))} {
			guessed, again := guessing(body, guesses)
			if fmt.Sprint(again) != fmt.Sprint(err) || err == nil && fmt.Sprint(guessed) != fmt.Sprint(readings) {
				t.Fatalf("%q with guesses %q: %v, %v", body, guesses, guessed, again)
			}
		}
		last := map[string]message.Reading{}
		for _, r := range readings {
			if d := r.Decimal; d.Short && strconv.FormatFloat(float64(d.Digits)/math.Pow10(d.Scale), 'g', -1, 64) != plainNumber(r.Raw) {
				t.Fatalf("%q is read as %+v", r.Raw, d)
			}
			last[string(r.Key)] = r
		}
		if err == nil && len(last) != len(want) {
			t.Fatalf("%q: readings of %d names, want %d", body, len(last), len(want))
		}
		for name, r := range last {
			if raw, ok := want[name]; !ok || !bytes.Equal(r.Raw, raw) || r.Kind != message.KindOf(raw) {
				t.Fatalf("reading %q is the %s %q, want %q", name, r.Kind, r.Raw, raw)
			}
		}
	})
}

// plainNumber is a number as it is written shortest.
func plainNumber(text []byte) string {
	f, _ := strconv.ParseFloat(string(text), 64)
	return strconv.FormatFloat(f, 'g', -1, 64)
}

// guessing is Body with a guess at each member, and "temp" behind them.
func guessing(body []byte, guesses []string) (all []message.Reading, err error) {
	members, err := Open(&message.Message{Body: body})
	for ok := err == nil; ok; {
		guess := "temp"
		if len(all) < len(guesses) {
			guess = guesses[len(all)]
		}
		var r message.Reading
		var guessed bool
		if r, guessed, ok = members.Next(guess); !ok {
			return all, members.Err()
		}
		if guessed && string(r.Key) != guess {
			return all, fmt.Errorf("%q is told to be %q", r.Key, guess)
		}
		all = append(all, r)
	}
	return all, err
}

// withinLimitsOf tells whether err is one of the walker's own limits, which the library does not have.
func withinLimitsOf(err error) bool {
	for _, limit := range []string{"nested deeper", "more than", "invalid UTF-8"} {
		if strings.Contains(err.Error(), limit) {
			return true
		}
	}
	return false
}

func BenchmarkBody200Bytes(b *testing.B) {
	body := []byte(`{"temperature":21.53,"pressure":1013.2,"humidity":44.1,"rpm":1480,"running":true,"mode":"auto","vibration":0.0213,"errors":0,"sequence":123456,"location":"hall 3, line 7","voltage":229.7,"current":3.21}`)
	m := &message.Message{Body: body}
	b.ReportAllocs()
	b.SetBytes(int64(len(body)))
	for b.Loop() {
		if err := Check(m); err != nil {
			b.Fatal(err)
		}
	}
}

// The yardstick: what a map of everything costs.
func BenchmarkStandardLibrary200Bytes(b *testing.B) {
	body := []byte(`{"temperature":21.53,"pressure":1013.2,"humidity":44.1,"rpm":1480,"running":true,"mode":"auto","vibration":0.0213,"errors":0,"sequence":123456,"location":"hall 3, line 7","voltage":229.7,"current":3.21}`)
	b.ReportAllocs()
	for b.Loop() {
		var m map[string]any
		if err := json.Unmarshal(body, &m); err != nil {
			b.Fatal(err)
		}
	}
}

func TestOneValueIsTakenWithoutWhatStandsAroundIt(t *testing.T) {
	for text, want := range map[string]string{
		" 7 ": "number 7", `"a\"b"`: `string "a\"b"`, "\n{\"a\": [1]}": `object {"a": [1]}`, "null": "null null",
		"": "invalid JSON at byte 0: expected a value", "1,2": "invalid JSON at byte 1: text after the value", "\"\xff\"": "invalid UTF-8",
		strings.Repeat("[", 65) + strings.Repeat("]", 65): "invalid JSON at byte 64: nested deeper than 64 levels",
	} {
		r, err := Value([]byte(text))
		got := fmt.Sprintf("%s %s", r.Kind, r.Raw)
		if err != nil {
			got = err.Error()
		}
		if got != want {
			t.Errorf("%q: got %s, want %s", text, got, want)
		}
	}
}
