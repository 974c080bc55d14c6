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
		r := message.Reading{Kind: message.Number, Raw: []byte(text)}
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
		tel, err := telemetry(body)
		if err != nil {
			t.Fatal(err)
		}
		tel.Message.ModuleID = module
		writes, unknown, err := table.Map(tel, nil)
		if err != nil {
			t.Fatal(err)
		}
		for _, w := range writes {
			want[w.Property]--
		}
		for _, name := range unknown {
			if name == "a" || name == "b" || name == "m::a" || name == "m::b" {
				t.Fatalf("%s is not known", name)
			}
			want[name]--
		}
		for name, missing := range want {
			if missing != 0 {
				t.Fatalf("%s: %d too few", name, missing)
			}
		}
	})
}

// telemetry decodes members, each with a comma before it.
func telemetry(members string) (message.Telemetry, error) {
	m := &message.Message{Body: fmt.Appendf(nil, "{%s}", strings.TrimPrefix(members, ","))}
	readings, err := decode.Body(m)
	return message.Telemetry{Message: m, Readings: readings}, err
}

// numbers is a message of 150 numbers, with the table of its Thing.
func numbers(t testing.TB) (*Table, message.Telemetry) {
	var body string
	var properties []Property
	for i := range 150 {
		name := fmt.Sprintf("p%03d", i)
		properties = append(properties, Property{EdgeName: name, Type: infotable.TypeNumber})
		body += fmt.Sprintf(",%q:%d.25", name, 10+i)
	}
	tel, err := telemetry(body)
	if err != nil {
		t.Fatal(err)
	}
	return NewTable(properties, ""), tel
}

func TestMappingNumbersAllocatesNothing(t *testing.T) {
	table, tel := numbers(t)
	room := make([]message.Write, 0, tel.Readings.Len())
	if n := testing.AllocsPerRun(100, func() {
		if writes, _, err := table.Map(tel, room); err != nil || len(writes) != tel.Readings.Len() {
			t.Fatalf("%d writes, %v", len(writes), err)
		}
	}); n > 0 {
		t.Errorf("%v allocations", n)
	}
}

func BenchmarkMap150Numbers(b *testing.B) {
	table, tel := numbers(b)
	var room []message.Write
	b.ReportAllocs()
	for b.Loop() {
		room, _, _ = table.Map(tel, room[:0])
	}
}
