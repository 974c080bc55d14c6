package importer

import (
	"bytes"
	"encoding/gob"
	"fmt"

	"azx/extension/entity"
)

// Silently gives what a real platform would have of a package with these problems of Check: without what it drops, and with what
// does not work. false says that it refuses the package with a bare 406. The package that was given stays as it is.
func Silently(p *Package, problems []Problem) (*Package, bool) {
	for _, problem := range problems {
		if problem.Silent == Refuses {
			return nil, false
		}
	}
	kept := &Package{Info: p.Info, Set: *clone(&p.Set)}
	for _, problem := range problems {
		if problem.drop != nil {
			problem.drop(&kept.Set)
		}
	}
	return kept, true
}

// clone copies a set with everything that it refers to.
func clone(s *entity.Set) *entity.Set {
	var buffer bytes.Buffer
	copied := &entity.Set{}
	if err := gob.NewEncoder(&buffer).Encode(s); err != nil {
		panic(fmt.Sprintf("copy a set in memory: %v", err)) // a set is strings, numbers and lists of them
	}
	if err := gob.NewDecoder(&buffer).Decode(copied); err != nil {
		panic(fmt.Sprintf("copy a set in memory: %v", err))
	}
	return copied
}
