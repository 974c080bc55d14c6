package hocon

import "slices"

// node is a value as the document has it: *scalar, *list, *object, or one that is still to be worked out: *reference,
// *joined, *appended.
type node interface{ place() Position }

type at struct{ Position }

func (a at) place() Position { return a.Position }

// scalar is a text, number, boolean or null.
type scalar struct {
	at
	kind  Kind
	text  string
	env   string // the environment variable it is from
	blank bool   // it is the space between two others
}

type list struct {
	at
	items []node
}

// object has its fields in the order in which they appear first.
type object struct {
	at
	names  []string
	fields map[string]*field
}

// field is all that a document says about one key: a later layer goes over the earlier ones, an object joins an
// object below it, and anything else hides what is below.
type field struct {
	at     Position // of the key in the last layer
	layers []node
}

// reference is ${path} or ${?path}.
type reference struct {
	at
	path     []string
	bases    [][]string // where the path may start besides the root
	optional bool
}

// joined is several values in one line.
type joined struct {
	at
	parts []node
}

// appended is the value behind +=.
type appended struct {
	at
	item node
}

func newObject(where Position) *object { return &object{at: at{where}, fields: map[string]*field{}} }

// set adds a layer to the field at the path.
func (o *object) set(path []string, key Position, n node) {
	for len(path) > 1 {
		last := len(path) - 1
		around := newObject(key)
		around.field(path[last], key).layers = []node{n}
		path, n = path[:last], around
	}
	o.field(path[0], key).add(n)
}

// merge puts the fields of other over those of o.
func (o *object) merge(other *object) {
	for _, name := range other.names {
		from := other.fields[name]
		to := o.field(name, from.at)
		for _, n := range from.layers {
			to.add(n)
		}
	}
}

// field returns the field of that name, made if need be, which now has the key's place.
func (o *object) field(name string, key Position) *field {
	f, ok := o.fields[name]
	if !ok {
		f = &field{}
		o.fields[name] = f
		o.names = append(o.names, name)
	}
	f.at = key
	return f
}

// add puts a layer on top; an object joins an object right away.
func (f *field) add(n node) {
	if over, ok := n.(*object); ok && len(f.layers) > 0 {
		if below, ok := f.layers[len(f.layers)-1].(*object); ok {
			below.merge(over)
			return
		}
	}
	f.layers = append(f.layers, n)
}

// under returns path below base.
func under(base, path []string) []string { return append(slices.Clip(base), path...) }
