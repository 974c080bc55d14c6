package mapping

import (
	"fmt"
	"math"
	"strconv"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"azx/alwayson/infotable"
	"azx/internal/decode"
	"azx/internal/message"
)

func TestANumberIsWhatStrconvMakesOfItsText(t *testing.T) {
	texts := rapid.OneOf(
		rapid.StringMatching(`-?(0|[1-9][0-9]{0,20})(\.[0-9]{1,25})?`),
		rapid.StringMatching(`-?(0|[1-9][0-9]{0,3})(\.[0-9]{1,3})?([eE][+-]?[0-9]{1,2})?`),
	)
	rapid.Check(t, func(t *rapid.T) {
		text := texts.Draw(t, "text")
		r, err := decode.Value([]byte(text))
		if err != nil {
			t.Fatal(err)
		}
		want, _ := strconv.ParseFloat(text, 64)
		got, err := number(r)
		if err != nil || math.Float64bits(got) != math.Float64bits(want) {
			t.Fatalf("%s: got %v, %v, want %v", text, got, err, want)
		}
		i, notWhole := strconv.ParseInt(text, 10, 64)
		if got, err := whole(r, math.MinInt64, math.MaxInt64); notWhole == nil && (err != nil || got != i) {
			t.Fatalf("%s: got %d, %v, want %d", text, got, err, i)
		}
	})
}

func TestPropertiesAreFoundInWhateverOrderMessagesNameThem(t *testing.T) {
	names := []string{"a", "b", "c", "m::a", "m::b"}
	var properties []Property
	for _, name := range names {
		properties = append(properties, Property{EdgeName: name, Type: infotable.TypeInteger})
	}
	table := NewTable(properties, "")
	rapid.Check(t, func(t *rapid.T) {
		module := rapid.SampledFrom([]string{"", "m"}).Draw(t, "module")
		keys := rapid.SliceOf(rapid.SampledFrom([]string{"a", "b", "c", "x"})).Draw(t, "keys")
		var body string
		want := map[string]int{}
		for _, key := range keys {
			body += fmt.Sprintf(",%q:1", key)
			if module != "" {
				key = "m::" + key
			}
			want[key]++
		}
		tel := telemetry(body)
		tel.Message.ModuleID = module
		var values Values
		unknown, unfit, err := table.Encode(tel, &values)
		if err != nil || unfit != nil {
			t.Fatal(err, unfit)
		}
		for i := range values.Len() {
			want[values.Write(i).Property]--
		}
		for name, missing := range want {
			if _, known := table.index[name]; !known {
				unknown -= missing
			} else if missing != 0 {
				t.Fatalf("%s: %d too few", name, missing)
			}
		}
		if unknown != 0 {
			t.Fatalf("%d too many are unknown", unknown)
		}
	})
}

// telemetry is a message with these members, each with a comma before it.
func telemetry(members string) message.Telemetry {
	return message.Telemetry{Message: &message.Message{Body: fmt.Appendf(nil, "{%s}", strings.TrimPrefix(members, ","))}}
}

// numbers is a message of 150 numbers, with the table of its Thing.
func numbers() (*Table, message.Telemetry) {
	var body string
	var properties []Property
	for i := range 150 {
		name := fmt.Sprintf("p%03d", i)
		properties = append(properties, Property{EdgeName: name, Type: infotable.TypeNumber})
		body += fmt.Sprintf(",%q:%d.25", name, 10+i)
	}
	return NewTable(properties, ""), telemetry(body)
}

func TestReadingNumbersAllocatesNothing(t *testing.T) {
	table, tel := numbers()
	var values Values
	if n := testing.AllocsPerRun(100, func() {
		values.Cut(0)
		if unknown, unfit, err := table.Encode(tel, &values); unknown > 0 || unfit != nil || err != nil || values.Len() != 150 {
			t.Fatal(unknown, unfit, err, values.Len())
		}
	}); n > 0 {
		t.Errorf("%v allocations", n)
	}
}

func BenchmarkEncode150Numbers(b *testing.B) {
	table, tel := numbers()
	var values Values
	b.ReportAllocs()
	for b.Loop() {
		values.Cut(0)
		_, _, _ = table.Encode(tel, &values)
	}
}
