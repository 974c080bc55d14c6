package config

import (
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"go.yaml.in/yaml/v4"
)

// The folder of more files beside the main one, and how many it may have.
const (
	moreFolder = "conf.d"
	mostFiles  = 100
)

// file is one file of a configuration.
type file struct {
	path string
	text []byte
}

// readFiles reads the main file and those beside it, in the order of their names. It warns of files there that look like
// configuration and are none.
func readFiles(path string) ([]file, Problems, error) {
	text, err := readFile(path)
	if err != nil {
		return nil, nil, err
	}
	files := []file{{path, text}}
	var ignored Problems
	folder := filepath.Join(filepath.Dir(path), moreFolder)
	entries, err := os.ReadDir(folder)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, nil, err
	}
	for _, e := range entries {
		name := filepath.Join(folder, e.Name())
		switch {
		case strings.HasPrefix(e.Name(), ".") || e.IsDir():
			continue
		case filepath.Ext(e.Name()) == ".yml":
			ignored = append(ignored, Problem{File: name, What: "is not read", Hint: "give it a name that ends in .yaml"})
			continue
		case filepath.Ext(e.Name()) != ".yaml":
			continue
		case len(files) > mostFiles:
			return nil, nil, fmt.Errorf("%s has more than %d files", folder, mostFiles)
		}
		if text, err = readFile(name); err != nil {
			return nil, nil, err
		}
		files = append(files, file{name, text})
	}
	return files, ignored, nil
}

// belongs remembers which file a node and all below it are of.
func (d *decoder) belongs(n *yaml.Node, file string) {
	d.in[n] = file
	for _, below := range n.Content {
		d.belongs(below, file)
	}
}

// place is where a node stands.
func (d *decoder) place(n *yaml.Node) position { return position{d.in[n], n.Line, n.Column} }

// merge adds the keys of a further file to those of the ones before it. Sections join, and so do the hubs; any other key
// that both have is a problem.
func (d *decoder) merge(into, from *yaml.Node, path string) {
	if from.Kind != yaml.MappingNode {
		d.reportAt(from, path, "want keys and values, got "+describe(from), "")
		return
	}
	if from.Anchor != "" {
		d.reportAt(from, path, "anchors and aliases are not supported", "write the value out")
	}
	first := map[string]int{}
	for i := 0; i+1 < len(into.Content) && into.Kind == yaml.MappingNode; i += 2 {
		if _, twice := first[into.Content[i].Value]; !twice {
			first[into.Content[i].Value] = i
		}
	}
	for i := 0; i+1 < len(from.Content); i += 2 {
		key, value := from.Content[i], from.Content[i+1]
		at := join(path, printable(key.Value))
		j, known := first[key.Value]
		switch {
		case !known:
			into.Content = append(into.Content, key, value)
		case joins(into.Content[j+1], value, yaml.MappingNode):
			d.merge(into.Content[j+1], value, at)
		case at == "hubs" && joins(into.Content[j+1], value, yaml.SequenceNode):
			into.Content[j+1].Content = append(into.Content[j+1].Content, value.Content...)
		default:
			there := d.place(into.Content[j])
			d.reportAt(key, at, fmt.Sprintf("the key is here twice, first at %s:%d:%d", cmp.Or(there.file, d.file), there.line, there.column), "keep one")
		}
	}
}

// joins reports whether two values of a key are both of a kind that has parts. One with an anchor is left to be refused.
func joins(a, b *yaml.Node, k yaml.Kind) bool {
	return a.Kind == k && b.Kind == k && a.Anchor == "" && b.Anchor == ""
}
