package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"testing"

	built "azx/test/process"
)

// azx is the binary under test; TestMain builds it.
var azx built.Binary

// TestMain is also the bench itself where that starts its own program as a peer.
func TestMain(m *testing.M) {
	if len(os.Args) > 1 && os.Args[1] == "peer" {
		main()
		return
	}
	os.Exit(built.Main(m, &azx))
}

func TestEveryRowOfOursStillWorks(t *testing.T) {
	file := filepath.Join(t.TempDir(), "bench.json")
	if err := run(t.Context(), []string{"-smoke", "-azx", string(azx), "-json", file}); err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	var r report
	if err := json.Unmarshal(text, &r); err != nil {
		t.Fatal(err)
	}
	if len(r.Rows) < 12 || len(r.Goals) == 0 {
		t.Errorf("%d rows and %d goals", len(r.Rows), len(r.Goals))
	}
	for _, row := range r.Rows {
		if len(row.Rounds) != 1 || row.Median.Rate <= 0 {
			t.Errorf("%s: %+v", row.Key, row)
		}
	}
}
