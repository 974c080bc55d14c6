package hocon

import (
	"fmt"
	"strings"
)

// resolver puts values in for references. It works with stacks: the layers of a field, the lowest first. A reference
// stands for the layers of what it refers to.
type resolver struct {
	root      *object
	lookupEnv func(string) (string, bool)

	memo    map[node][]node // what a reference or a joined value came to
	working map[node]bool   // what is being worked out
	cut     bool            // a stack has lost all its layers to working
	steps   int
	values  int
	bytes   int
}

func (r *resolver) document() (*Value, error) {
	r.memo, r.working = map[node][]node{}, map[node]bool{}
	return r.value([]node{r.root}, 0)
}

// plain gives the layers that count as objects, or as one other value: none if there is no value at all.
// What lies below another value than an object is not worked out, as the format has it.
//
// While a value is worked out, its field consists of the layers below it only: a reference to itself means the
// value that it replaces.
func (r *resolver) plain(stack []node) ([]node, error) {
	for i, n := range stack {
		if r.working[n] {
			stack = stack[:i]
			r.cut = r.cut || i == 0
			break
		}
	}
	var objects []node // from the top
	for i := len(stack) - 1; i >= 0; i-- {
		layers, err := r.expand(stack[i], stack[:i])
		if err != nil {
			return nil, err
		}
		if len(layers) > 0 && !isObject(layers[0]) {
			if len(objects) == 0 {
				return layers, nil
			}
			break
		}
		for j := len(layers) - 1; j >= 0; j-- {
			objects = append(objects, layers[j])
		}
	}
	return reversed(objects), nil
}

func isObject(n node) bool { _, ok := n.(*object); return ok }

func reversed(nodes []node) []node {
	all := make([]node, 0, len(nodes))
	for i := len(nodes) - 1; i >= 0; i-- {
		all = append(all, nodes[i])
	}
	return all
}

// expand gives the layers that n stands for; below are those under it.
func (r *resolver) expand(n node, below []node) (layers []node, err error) {
	if err := r.step(n, 1+len(below)/8); err != nil {
		return nil, err
	}
	switch n := n.(type) {
	case *scalar, *list, *object:
		return []node{n}, nil
	case *appended: // it depends on what is below, so that nothing is remembered
		defer r.work(n)()
		return r.append(n, below)
	}
	if known, ok := r.memo[n]; ok {
		return known, nil
	}
	if len(r.working) >= maxChain {
		return nil, &Error{n.place(), fmt.Sprintf("a chain of more than %d references", maxChain), ""}
	}
	defer r.work(n)()
	switch n := n.(type) {
	case *reference:
		layers, err = r.refer(n)
	case *joined:
		layers, err = r.join(n)
	}
	if err == nil {
		r.memo[n] = layers
	}
	return layers, err
}

// work marks n as being worked out until the returned function is called.
func (r *resolver) work(n node) func() {
	r.working[n] = true
	return func() { delete(r.working, n) }
}

// step counts what is done, so that a small document cannot make it endless.
func (r *resolver) step(n node, count int) error {
	if r.steps += count; r.steps > maxSteps {
		return &Error{n.place(), "the references of the document make too much of it", ""}
	}
	return nil
}

// refer gives what a reference stands for: what the document has there in the end, else an environment variable.
func (r *resolver) refer(n *reference) ([]node, error) {
	r.cut = false
	for _, base := range n.bases {
		if layers, err := r.lookup(under(base, n.path)); err != nil || len(layers) > 0 {
			return layers, err
		}
	}
	if layers, err := r.lookup(n.path); err != nil || len(layers) > 0 {
		return layers, err
	}
	path := strings.Join(n.path, ".")
	if text, ok := r.lookupEnv(path); ok {
		return []node{&scalar{at: n.at, kind: String, text: text, env: path}}, nil
	}
	switch {
	case n.optional:
		return nil, nil
	case r.cut:
		return nil, &Error{n.Position, "${" + path + "} leads back to itself, and nothing before it gives it a value", ""}
	}
	return nil, &Error{n.Position, "${" + path + "} is neither in the document nor in the environment",
		"give it a value, or write ${?" + path + "} if it may be missing"}
}

// lookup gives the layers of the field at the path; none if there is no such field.
func (r *resolver) lookup(path []string) ([]node, error) {
	stack := []node{r.root}
	for _, name := range path {
		layers, err := r.plain(stack)
		if err != nil || len(layers) == 0 {
			return nil, err
		}
		if err := r.step(stack[0], len(layers)); err != nil {
			return nil, err
		}
		stack = nil
		for _, layer := range layers {
			o, ok := layer.(*object)
			if !ok {
				return nil, nil
			}
			if f, ok := o.fields[name]; ok {
				stack = append(stack, f.layers...)
			}
		}
	}
	return r.plain(stack)
}

// append is the list below with one item more.
func (r *resolver) append(n *appended, below []node) ([]node, error) {
	layers, err := r.plain(below)
	if err != nil {
		return nil, err
	}
	all := &list{at: n.at}
	if len(layers) > 0 {
		l, ok := layers[0].(*list)
		if !ok {
			return nil, &Error{n.Position, "+= needs a list, and the key has another value before", ""}
		}
		all.at = l.at
		all.items = append(all.items, l.items...)
	}
	all.items = append(all.items, n.item)
	return []node{all}, r.step(n, len(all.items))
}

// join makes one value of several in a line: a text, a list, or the layers of an object.
func (r *resolver) join(n *joined) ([]node, error) {
	var all []node // of the parts, without white space
	given := false // some part is no reference, or one that has a value
	for _, part := range n.parts {
		if s, ok := part.(*scalar); ok && s.blank {
			continue
		}
		layers, err := r.expand(part, nil)
		if err != nil {
			return nil, err
		}
		given = given || len(layers) > 0
		all = append(all, layers...)
	}
	if !given {
		return nil, nil
	}
	kinds := [3]bool{}
	for _, layer := range all {
		kinds[shape(layer)] = true
	}
	switch kinds {
	case [3]bool{true, false, false}:
		return r.joinText(n)
	case [3]bool{false, true, false}:
		return r.joinLists(n, all)
	case [3]bool{false, false, true}:
		return all, r.step(n, len(all))
	}
	return nil, &Error{n.Position, "text, a list and an object cannot be joined in one value", "put quotes, a comma or a new line between"}
}

// shape is 0 for a scalar, 1 for a list, 2 for an object.
func shape(n node) int {
	switch n.(type) {
	case *list:
		return 1
	case *object:
		return 2
	}
	return 0
}

func (r *resolver) joinText(n *joined) ([]node, error) {
	var text strings.Builder
	for _, part := range n.parts {
		layers, err := r.expand(part, nil)
		if err != nil {
			return nil, err
		}
		for _, layer := range layers {
			text.WriteString(layer.(*scalar).text)
		}
		if r.bytes+text.Len() > maxText {
			return nil, &Error{n.Position, fmt.Sprintf("the references of the document make more than %d MiB of it", maxText>>20), ""}
		}
	}
	r.bytes += text.Len()
	return []node{&scalar{at: n.at, kind: String, text: text.String()}}, nil
}

func (r *resolver) joinLists(n *joined, lists []node) ([]node, error) {
	all := &list{at: n.at}
	for _, l := range lists {
		all.items = append(all.items, l.(*list).items...)
		if err := r.step(n, len(l.(*list).items)); err != nil {
			return nil, err
		}
	}
	return []node{all}, nil
}
