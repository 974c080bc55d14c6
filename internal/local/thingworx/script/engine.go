package script

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/dop251/goja"

	"azx/alwayson/infotable"
)

// Options are the bounds and habits of an [Engine]. A zero field means its default.
type Options struct {
	MaxDepth  int              // services that call each other; default 32
	MaxCalls  int              // functions of one script that call each other; default 2,000
	MaxMemory int64            // bytes that the process may keep in use more than at a script's start; default 256 MiB; negative: no bound
	MaxText   int              // characters or elements that one built-in function may make at once; default 16 Mi
	Deadline  time.Duration    // of runs that state none; default 30 s
	Now       func() time.Time // default time.Now

	// RhinoQuirks gives scripts JSON arrays of rows and properties as {"array": [...]}, as the platform may do.
	RhinoQuirks bool
}

func (o Options) withDefaults() Options {
	if o.MaxDepth <= 0 {
		o.MaxDepth = 32
	}
	if o.MaxCalls <= 0 {
		o.MaxCalls = 2000
	}
	if o.MaxMemory == 0 {
		o.MaxMemory = 256 << 20
	}
	if o.MaxText <= 0 {
		o.MaxText = 16 << 20
	}
	if o.Deadline <= 0 {
		o.Deadline = 30 * time.Second
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	return o
}

// Engine runs programs for one host. It is safe for concurrent use; every run has its own run time.
type Engine struct {
	host    Host
	options Options

	globals, tables, rows, lists, shapes, fields members
}

// New returns an engine for a host.
func New(h Host, o Options) *Engine {
	return &Engine{
		host: h, options: o.withDefaults(),
		globals: globalMembers(), tables: tableMembers(), rows: rowMembers(), lists: listMembers(),
		shapes: shapeMembers(), fields: fieldMembers(),
	}
}

// Run is one call of a program.
type Run struct {
	Me          Entity             // what `me` is; nil for none
	Vars        []infotable.Cell   // the parameters; one that is NOTHING is undefined
	Result      infotable.BaseType // that the result is turned into; NOTHING for none
	ResultShape []infotable.Field  // fields of an INFOTABLE that the script gives as JSON
	Deadline    time.Duration      // 0: that of the options
	Logger      string             // name that the script's log lines carry
}

// depthKey is where a context holds how many services call each other.
type depthKey struct{}

// Run runs a program to its end and returns its result, NOTHING if it leaves none. The error is an *Error. It wraps
// the platform's error that a script did not catch, or [ErrDeadline], [ErrMemory], [ErrDepth], or ctx's error.
func (e *Engine) Run(ctx context.Context, p *Program, call Run) (infotable.Value, error) {
	depth, _ := ctx.Value(depthKey{}).(int)
	if depth >= e.options.MaxDepth {
		text := fmt.Sprintf("more than %d services call each other", e.options.MaxDepth)
		return infotable.Nothing(), &Error{Service: p.name, Text: text, Err: ErrDepth}
	}
	if call.Deadline <= 0 {
		call.Deadline = e.options.Deadline
	}
	late := fmt.Errorf("%w (%v)", ErrDeadline, call.Deadline)
	ctx, cancel := context.WithTimeoutCause(context.WithValue(ctx, depthKey{}, depth+1), call.Deadline, late)
	defer cancel()
	r := newRun(ctx, e, p, call)
	w := newWatch(ctx, r.rt, e.options.MaxMemory)
	defer w.end()
	return r.do()
}

// run is one call: a run time and what the script has got hold of in it. Only the script's goroutine uses it.
type run struct {
	ctx     context.Context
	engine  *Engine
	program *Program
	call    Run
	rt      *goja.Runtime
	head    int // characters before the code on its first line

	entities map[string]*entity       // by collection and name, so that each is one object
	errors   map[*goja.Object]error   // the platform's errors that the script got as exceptions
	protos   map[string]*goja.Object  // prototypes of infotables and their parts
	natives  map[string]goja.Callable // functions such as JSON.parse, as they were at first use
}

func newRun(ctx context.Context, e *Engine, p *Program, call Run) *run {
	r := &run{ctx: ctx, engine: e, program: p, call: call, rt: goja.New()}
	r.rt.SetMaxCallStackSize(e.options.MaxCalls)
	r.rt.SetTimeSource(e.options.Now)
	return r
}

// do runs the script. A panic is one of the JavaScript engine, which must not end the platform.
func (r *run) do() (result infotable.Value, err error) {
	defer func() {
		if x := recover(); x != nil {
			result, err = infotable.Nothing(), r.failed(asError(x))
		}
	}()
	out, err := r.start()
	if err == nil {
		result, err = r.result(out)
	}
	if err != nil {
		return infotable.Nothing(), r.failed(err)
	}
	return result, nil
}

func asError(x any) error {
	if err, ok := x.(error); ok {
		return err
	}
	return fmt.Errorf("the script engine failed: %v", x)
}

// start makes the program's function and calls it with the parameters.
func (r *run) start() (goja.Value, error) {
	names, args := "me", []goja.Value{goja.Undefined()}
	if r.call.Me != nil {
		args[0] = r.me(r.call.Me)
	}
	for _, v := range r.call.Vars {
		if r.program.isVariable(v.Name) {
			names += "," + v.Name
			args = append(args, r.toJS(v.Value))
		}
	}
	r.head = len("(function(" + names + "){")
	compiled, err := r.program.variant(names)
	if err != nil {
		return nil, err
	}
	if err := r.rt.GlobalObject().SetPrototype(r.lazy(r.engine.globals, nil)); err != nil {
		return nil, err
	}
	for _, p := range r.program.preludes {
		p.apply(r)
	}
	function, err := r.rt.RunProgram(compiled)
	if err != nil {
		return nil, err
	}
	main, ok := goja.AssertFunction(function)
	if !ok {
		return nil, errors.New("the program is no function")
	}
	return main(goja.Undefined(), args...)
}

// result converts what the script left in the variable result. Its code may run here, too, such as a toJSON.
func (r *run) result(out goja.Value) (v infotable.Value, err error) {
	if r.call.Result == infotable.TypeNothing {
		return infotable.Nothing(), nil
	}
	field := infotable.Column("result", r.call.Result)
	thrown := r.rt.Try(func() { v, err = r.fromJS(out, field, r.call.ResultShape) })
	if thrown != nil {
		return infotable.Nothing(), thrown
	}
	if err != nil {
		return infotable.Nothing(), fmt.Errorf("the variable result: %w", err)
	}
	return v, nil
}
