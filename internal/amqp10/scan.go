package amqp10

// Check steps over the next value as Skip does, and decodes it if it has parts: what it lets pass, Value does.
func (r *Reader) Check() {
	switch r.Peek() {
	case KindList, KindMap, KindArray, KindDescribed:
		r.Value()
	default:
		r.Skip()
	}
}

// CheckSection steps over a section that stands behind its descriptor, code, and fails where DecodeMessage does.
func (r *Reader) CheckSection(code uint64) {
	if code == SectionHeader {
		var h Header
		f := r.List()
		h.read(&f)
		r.Adopt(&f)
		return
	}
	new(Message).readSection(r, code)
}

// ScannedProperties are what is taken from a properties section that is read in place. The rest is checked.
type ScannedProperties struct{ ContentType, ContentEncoding []byte }

// Properties reads a properties section that stands behind its descriptor. known are those of earlier ones.
func (r *Reader) Properties(known *Shapes[struct{}]) (p ScannedProperties) {
	const contentType, contentEncoding = 6, 7
	if shape := known.Follow(r); shape != nil {
		shape.Seek(r, contentType)
		p.ContentType = r.Bytes()
		shape.Seek(r, contentEncoding)
		p.ContentEncoding = r.Bytes()
		shape.Pass(r)
		return p
	}
	f := r.List()
	f.checkField() // message-id
	for range 4 {  // user-id, to, subject, reply-to
		f.Bytes()
	}
	f.checkField() // correlation-id
	p.ContentType, p.ContentEncoding = f.Bytes(), f.Bytes()
	f.Int() // absolute-expiry-time
	f.Int() // creation-time
	f.Bytes()
	f.opt32()
	f.Bytes()
	if r.Adopt(&f) {
		known.Learn(r)
	}
	return p
}

// checkField checks a field that may be left out at the end of a list.
func (r *Reader) checkField() {
	if !r.Null() {
		r.Check()
	}
}
