package egress

import (
	"context"
	"slices"
	"sync"
	"time"

	"azx/alwayson/infotable"
	"azx/internal/fault"
	"azx/internal/mapping"
	"azx/internal/message"
	"azx/internal/supervise"
)

const (
	maxBody        = 63 << 10 // bytes of a message's body: the hub takes 64 KiB with its properties
	maxWaiting     = 16 << 20 // bytes of all writes that wait
	maxWaitingEach = 1024     // writes that wait for one device or module
)

// writes lets writes of properties wait for each other, so that those of one device travel together.
//
// Each device or module with writes has a line. The first ones of a line leave together when the oldest has waited for
// the window, and the next ones only when those have their outcome: so the order of writes is kept. A second write of a
// property, and one that would make the message too large, leaves with the next message.
type writes struct {
	window  func() time.Duration
	deliver func(ctx context.Context, to message.Target, together []*write) (id string, err error)
	group   *supervise.Group

	mu    sync.Mutex
	lines map[message.Target]*line
	bytes int // of all that wait
}

// line holds the writes of a device or module that wait, in their order.
type line struct{ waiting []*write }

// write is one value on its way to a property.
type write struct {
	thing  string
	name   string
	member []byte // "name":value
	came   time.Time
	done   chan sent // gets one
}

// sent is the outcome of a write: that of the message which carried it.
type sent struct {
	id  string // of the message; "" if it was none
	err error
}

func (w *writes) init(window func() time.Duration, deliver func(context.Context, message.Target, []*write) (string, error)) {
	w.window, w.deliver, w.lines = window, deliver, map[message.Target]*line{}
}

// write returns the id of the message that the hub took with the value in it.
func (w *writes) write(ctx context.Context, j *job) (infotable.Value, error) {
	one, err := newWrite(j)
	if err != nil {
		return infotable.Nothing(), err
	}
	if !w.add(j.target, one) {
		return infotable.Nothing(), busy(j.op, ErrBusy)
	}
	select {
	case out := <-one.done:
		return out.value()
	case <-ctx.Done():
	}
	if w.withdraw(j.target, one) {
		return infotable.Nothing(), &fault.Problem{Op: "wait for earlier writes", Class: fault.Transient, Cause: ctx.Err(), Hint: hintNotSent}
	}
	select {
	case out := <-one.done: // it came at the last moment
		return out.value()
	default:
		return infotable.Nothing(), &fault.Problem{Op: "wait for the hub", Class: fault.Transient, Cause: ctx.Err(), Hint: hintMaybe}
	}
}

func (s sent) value() (infotable.Value, error) {
	if s.id == "" {
		return infotable.Nothing(), s.err
	}
	return infotable.String(s.id), s.err
}

func newWrite(j *job) (*write, error) {
	member, err := mapping.AppendJSON(nil, infotable.String(j.name))
	if err == nil {
		member, err = mapping.AppendJSON(append(member, ':'), j.Value)
	}
	if err != nil {
		return nil, &fault.Problem{Op: j.op, Class: fault.Rejected, Cause: err, Hint: "write another value, or give the property another base type"}
	}
	if len(member)+len("{}") > maxBody {
		return nil, fault.Reject(j.op, "a message to a device has at most 64 KiB", "the value takes %d bytes, more than %d", len(member), maxBody)
	}
	return &write{thing: j.Thing, name: j.name, member: member, came: j.start, done: make(chan sent, 1)}, nil
}

// add puts a write at the end of its line; false if there is no room.
func (w *writes) add(to message.Target, one *write) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	l := w.lines[to]
	if w.bytes+len(one.member) > maxWaiting || l != nil && len(l.waiting) >= maxWaitingEach {
		return false
	}
	if l == nil {
		l = &line{}
		w.lines[to] = l
		w.group.Go("writes", func(ctx context.Context) error { return w.carry(ctx, to, l) })
	}
	l.waiting = append(l.waiting, one)
	w.bytes += len(one.member)
	return true
}

// withdraw takes a write out of its line; false if it has left already.
func (w *writes) withdraw(to message.Target, one *write) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	l := w.lines[to]
	if l == nil {
		return false
	}
	at := slices.Index(l.waiting, one)
	if at < 0 {
		return false
	}
	l.waiting = slices.Delete(l.waiting, at, at+1)
	w.bytes -= len(one.member)
	return true
}

// carry sends what waits in a line until nothing does.
func (w *writes) carry(ctx context.Context, to message.Target, l *line) error {
	for {
		together, pause := w.next(ctx, to, l)
		switch {
		case pause > 0:
			wait(ctx, pause)
		case together == nil:
			return nil
		default:
			w.send(ctx, to, together)
		}
	}
}

// next takes the writes that leave together, or says how long to wait for more; neither when the line is over.
func (w *writes) next(ctx context.Context, to message.Target, l *line) (together []*write, pause time.Duration) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if len(l.waiting) == 0 {
		delete(w.lines, to)
	}
	if len(l.waiting) == 0 || ctx.Err() != nil { // at the end those who wait hear of it themselves
		return nil, 0
	}
	if pause = time.Until(l.waiting[0].came.Add(w.window())); pause > 0 {
		return nil, pause
	}
	n := fit(l.waiting)
	together = slices.Clone(l.waiting[:n])
	l.waiting = slices.Delete(l.waiting, 0, n)
	for _, one := range together {
		w.bytes -= len(one.member)
	}
	return together, 0
}

// fit returns how many of the first writes may travel together: as many as differ in their properties and fit.
func fit(waiting []*write) int {
	size, names := len("{}"), map[string]bool{}
	for n, one := range waiting {
		size += len(one.member) + len(",")
		if names[one.name] || n > 0 && size > maxBody {
			return n
		}
		names[one.name] = true
	}
	return len(waiting)
}

// send brings writes to their outcome. No one of those who wait for it waits longer than the platform does.
func (w *writes) send(ctx context.Context, to message.Target, together []*write) {
	ctx, cancel := context.WithDeadline(ctx, together[len(together)-1].came.Add(platformWaits))
	defer cancel()
	id, err := w.deliver(ctx, to, together)
	err = explain(ctx, "write to "+to.String(), err)
	for _, one := range together {
		one.done <- sent{id, err}
	}
}

// body is the JSON object of writes that travel together.
func body(together []*write) []byte {
	b := []byte{'{'}
	for i, one := range together {
		if i > 0 {
			b = append(b, ',')
		}
		b = append(b, one.member...)
	}
	return append(b, '}')
}

// wait waits for d, or for the end of ctx.
func wait(ctx context.Context, d time.Duration) {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
	case <-t.C:
	}
}
