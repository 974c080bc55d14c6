package config

import (
	"errors"
	"io"
	"os"
	"path/filepath"

	"azx/internal/fault"
)

// maxFile bounds the connector's file, in bytes.
const maxFile = 1 << 20

// Load reads and checks the connector's file. The error is a fault.Problem of class Fatal; if
// the file could be read, its cause is a Problems with every problem of the file at once. Warnings are
// what works but should not stay so.
func Load(path string) (*Config, Problems, error) {
	text, err := readFile(path)
	if err != nil {
		return nil, nil, &fault.Problem{Op: "read configuration", Class: fault.Fatal, Cause: err,
			Hint: "name the file with -c, or write one with: azx config init"}
	}
	cfg, warnings, problems := parse(text, path)
	if len(problems) > 0 {
		return nil, warnings, &fault.Problem{Op: "check configuration", Class: fault.Fatal, Cause: problems}
	}
	return cfg, warnings, nil
}

func readFile(path string) ([]byte, error) {
	file, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	text, err := io.ReadAll(io.LimitReader(file, maxFile+1))
	if err != nil {
		return nil, err
	}
	if len(text) > maxFile {
		return nil, errors.New(path + " is larger than 1 MiB")
	}
	return text, nil
}

// parse is Load without the file: path is for messages and for what is relative to it.
func parse(text []byte, path string) (*Config, Problems, Problems) {
	d := &decoder{file: path, dir: filepath.Dir(path), at: map[string]position{}, bad: map[string]bool{}}
	cfg := defaults()
	d.decode(text, cfg)
	d.check(cfg)
	d.noteOrigins(cfg)
	return cfg, d.warnings.sorted(), d.problems.sorted()
}
