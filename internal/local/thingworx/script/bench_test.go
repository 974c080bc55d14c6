package script

import (
	"context"
	"testing"

	"azx/alwayson/infotable"
)

func benchmark(b *testing.B, code string, result infotable.BaseType, vars ...infotable.Cell) {
	h := newHost()
	e := New(h, Options{})
	p := compiled(b, code)
	run := Run{Me: h.entities["Things/Pump"], Result: result, Vars: vars}
	b.ReportAllocs()
	for b.Loop() {
		if _, err := e.Run(context.Background(), p, run); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkTrivial(b *testing.B) {
	benchmark(b, `var result = a + 1;`, infotable.TypeNumber, infotable.Cell{Name: "a", Value: infotable.Number(1)})
}

func BenchmarkPropertiesAndAService(b *testing.B) {
	benchmark(b, `me.speed = me.speed + 0; var result = me.Add({a: 1, b: me.speed});`, infotable.TypeNumber)
}

func BenchmarkTableOf100Rows(b *testing.B) {
	benchmark(b, `var t = DataShapes["Part"].CreateValues(); for (var i = 0; i < 100; i++) { t.AddRow({id: "x" + i, weight: i}); } var result = t;`, infotable.TypeInfotable)
}

func BenchmarkLoopOf100000(b *testing.B) {
	benchmark(b, `var result = 0; for (var i = 0; i < 100000; i++) { result += i; }`, infotable.TypeNumber)
}

func BenchmarkCompile(b *testing.B) {
	for b.Loop() {
		compiled(b, `var t = DataShapes["Part"].CreateValues(); for (var i = 0; i < 100; i++) { t.AddRow({id: "x" + i, weight: i}); } var result = t;`)
	}
}
