package config

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"go.yaml.in/yaml/v4"

	"azx/internal/fault"
)

// maxFile bounds the connector's file, in bytes.
const maxFile = 1 << 20

// Load reads and checks the connector's file, together with those of the folder conf.d beside it. The error is a
// fault.Problem of class Fatal; if the files could be read, its cause is a Problems with every problem of them at once.
// Warnings are what works but should not stay so.
func Load(path string) (*Config, Problems, error) {
	files, ignored, err := readFiles(path)
	if err != nil {
		return nil, nil, &fault.Problem{Op: "read configuration", Class: fault.Fatal, Cause: err,
			Hint: "name the file with -c, or write one with: azx config init"}
	}
	cfg, warnings, problems := parse(files)
	warnings = append(warnings, ignored...)
	if len(problems) > 0 {
		return nil, warnings, &fault.Problem{Op: "check configuration", Class: fault.Fatal, Cause: problems}
	}
	return cfg, warnings, nil
}

// AdminOf is where a connector with this file has its admin surface, also if the file has problems elsewhere.
func AdminOf(path string) (string, error) {
	files, _, err := readFiles(path)
	if err != nil {
		return "", fmt.Errorf("read configuration: %w", err)
	}
	cfg, _, problems := parse(files)
	for _, p := range problems {
		if p.Path == "" || p.Path == "admin" || p.Path == "admin.listen" {
			return defaults().Admin.Listen, nil
		}
	}
	return cfg.Admin.Listen, nil
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

// parse is Load without reading: the first file is the main one, and what is relative starts at its folder.
func parse(files []file) (*Config, Problems, Problems) {
	d := &decoder{
		file: files[0].path, dir: filepath.Dir(files[0].path), in: map[*yaml.Node]string{}, at: map[string]position{}, bad: map[string]bool{},
	}
	order := []string{}
	for _, f := range files {
		order = append(order, f.path)
	}
	cfg := defaults()
	d.decode(files, cfg)
	d.check(cfg)
	d.noteOrigins(cfg)
	return cfg, d.warnings.sorted(order...), d.problems.sorted(order...)
}
