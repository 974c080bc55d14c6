package devices

import (
	"context"
	"fmt"
	"log/slog"
	"runtime/debug"
	"sync/atomic"
	"time"

	"azx/internal/fault"
	"azx/internal/mapping"
	"azx/internal/message"
)

// Operations of a life cycle event, as the hub names them (read).
const (
	opCreate = "createDeviceIdentity"
	opDelete = "deleteDeviceIdentity"
)

// What becomes of a Thing when its device is made, deleted, or speaks for the first time: the results of Life, as metrics
// and events have them.
const (
	ResultTold     = "told"     // nothing was to be done
	ResultThere    = "there"    // the Thing was there as it should be
	ResultMade     = "made"     // the Thing was made
	ResultEnabled  = "enabled"  // it was there, and disabled
	ResultDisabled = "disabled" // its device is gone
	ResultAdopted  = "adopted"  // it was another hub's, and is this one's now
	ResultMoved    = "moved"    // it is another hub's, and stays so
	ResultOld      = "old"      // the hub says otherwise by now
	ResultFailed   = "failed"
)

// patience is how long messages wait for a Thing that the hub or the platform cannot help to make at present.
const patience = time.Minute

// Registry tells of a hub's devices as they are now.
type Registry interface {
	// Look finds a device; false if the hub does not have it.
	Look(ctx context.Context, id string) (Device, bool, error)
}

// LifeThings is the platform as far as Life needs it; errors as those of Things.
type LifeThings interface {
	// Owner is the gatewayThing of a Thing. there is false if it is not there, and if it is disabled.
	Owner(ctx context.Context, name string) (hub string, there bool, err error)
	// Make makes a Thing that is not there; one that is, disabled or not, is refused. With again it may be there from an
	// attempt whose end nobody heard of.
	Make(ctx context.Context, t Thing, again bool) error
	// Enable enables a Thing; false if there is none.
	Enable(ctx context.Context, name string) (bool, error)
	Disable(ctx context.Context, name string) error
	// Adopt gives a Thing its gatewayThing.
	Adopt(ctx context.Context, name, hub string) error
	// Declare is Things'.
	Declare(ctx context.Context, t Thing, properties []mapping.Property, dry bool) ([]mapping.Property, error)
	// Tell fires the event. One that the platform does not take is dropped.
	Tell(ctx context.Context, e LifeEvent) error
}

// LifeEvent tells people what the hub said of a device, and what was done about it.
type LifeEvent struct {
	Device, Module string
	Status         string // the hub's operation; deviceMoved for a device of another hub's Thing
	Twin           []byte // JSON; nil if it is not known
	Hub            string
	Thing          string
	Result         string
	Reason         string // why nothing was done, for people
}

// LifeMeter counts what Life did.
type LifeMeter interface {
	Lived(operation, result string)
}

// Life follows the devices of one hub: what it is told by the hub, or by a message of a device, is a reason to look. What is
// done goes by what the hub says then, so that an event that comes late or twice undoes nothing.
type Life struct {
	Hub      string // the hub Thing
	Registry Registry
	Things   LifeThings
	Rules    Rules
	Create   bool // the Thing at its device's creation
	Disable  bool // the Thing at its device's deletion
	Adopt    bool // the Thing of a device that is here and not at its hub any more
	Declare  bool // remote properties of Things that are made, for what their device has sent or reported
	// Name gives a device the name of its Thing.
	Name func(device string) (string, error)
	// Others are the other hubs that are served, by hub Thing.
	Others func() map[string]*Life
	// Changed hears of a Thing that others may know as it was.
	Changed func(thing string)
	Meter   LifeMeter
	Log     *slog.Logger

	tired atomic.Bool // messages waited in vain: until something is answered, they are not waited with as long again
}

// Carry does what an event of the hub calls for, and tells it. What may go well later it repeats until ctx ends. It is of the
// hub's own: no such event is worth a place in quarantine.
func (l *Life) Carry(ctx context.Context, m *message.Message) {
	e := LifeEvent{Device: m.Properties["deviceId"], Module: m.Properties["moduleId"], Status: m.Properties["opType"], Twin: m.Body, Hub: l.Hub}
	if m.DeviceID != "" {
		e.Device = m.DeviceID
	}
	e.Thing = message.ThingName(e.Device)
	defer l.telling(&e)()
	err := l.repeat(ctx, func() (err error) {
		e.Result, err = l.follow(ctx, &e)
		return err
	})
	if ctx.Err() != nil {
		return
	}
	if err != nil {
		e.Result, e.Reason = ResultFailed, reasonOf(err)
		l.Log.Warn("what the hub told of a device was not followed", "event", "life-failed", "hub", l.Hub, "device", e.Device, "operation", e.Status,
			"error", err, "hint", fault.HintOf(err))
	}
	l.Meter.Lived(e.Status, e.Result)
	l.tell(ctx, e)
}

// follow makes the Thing what it should be.
func (l *Life) follow(ctx context.Context, e *LifeEvent) (result string, err error) {
	defer guard(&err)
	switch {
	case e.Module != "" || e.Device == "":
	case e.Status == opCreate && l.Create:
		return l.created(ctx, e)
	case e.Status == opDelete && l.Disable:
		return l.deleted(ctx, e)
	}
	return ResultTold, nil
}

func (l *Life) created(ctx context.Context, e *LifeEvent) (string, error) {
	if _, err := l.Name(e.Device); err != nil {
		return "", err
	}
	d, here, err := l.Registry.Look(ctx, e.Device)
	switch {
	case err != nil:
		return "", err
	case !here:
		return ResultOld, nil
	}
	owner, there, err := l.Things.Owner(ctx, e.Thing)
	if err != nil {
		return "", err
	}
	result := ResultThere
	if !there {
		enabled, err := l.Things.Enable(ctx, e.Thing)
		if err != nil {
			return "", err
		}
		if !enabled {
			return ResultMade, l.make(ctx, e.Thing, d, nil, false)
		}
		result = ResultEnabled
		l.Changed(e.Thing)
		if owner, _, err = l.Things.Owner(ctx, e.Thing); err != nil {
			return "", err
		}
	}
	if owner != "" && owner != l.Hub {
		return l.moved(ctx, e, owner)
	}
	return result, nil
}

func (l *Life) deleted(ctx context.Context, e *LifeEvent) (string, error) {
	if _, here, err := l.Registry.Look(ctx, e.Device); err != nil || here {
		return ResultOld, err
	}
	owner, there, err := l.Things.Owner(ctx, e.Thing)
	if err != nil || !there || owner != l.Hub {
		return ResultTold, err
	}
	for name, other := range l.Others() {
		if other == nil {
			e.Reason = fmt.Sprintf("hub %s may have the device, and cannot be asked", name)
			return ResultTold, nil
		}
		if _, here, err := other.Registry.Look(ctx, e.Device); err != nil {
			return "", err
		} else if here {
			return other.moved(ctx, e, l.Hub)
		}
	}
	if err := l.Things.Disable(ctx, e.Thing); err != nil {
		return "", err
	}
	l.Changed(e.Thing)
	return ResultDisabled, nil
}

// moved gives the Thing of another hub to this one, which has the device, if that is to be done and the other one does not
// have it any more.
func (l *Life) moved(ctx context.Context, e *LifeEvent, owner string) (string, error) {
	other := l.Others()[owner]
	switch {
	case !l.Adopt:
		e.Reason = "onMoved is refuse"
		return ResultMoved, nil
	case other == nil:
		e.Reason = fmt.Sprintf("hub %s is not one that this connector can ask whether it still has the device", owner)
		return ResultMoved, nil
	}
	_, still, err := other.Registry.Look(ctx, e.Device)
	if err != nil {
		return "", err
	}
	if still {
		e.Reason = fmt.Sprintf("hub %s still has a device of that id", owner)
		return ResultMoved, nil
	}
	if err := l.Things.Adopt(ctx, e.Thing, l.Hub); err != nil {
		return "", err
	}
	l.Changed(e.Thing)
	l.Log.Info("a device has moved here, and its Thing with it", "event", "thing-adopted", "hub", l.Hub, "thing", e.Thing, "from", owner)
	return ResultAdopted, nil
}

// make makes the Thing of a device; m is the message for which that is done, nil if it is another reason.
func (l *Life) make(ctx context.Context, name string, d Device, m *message.Message, again bool) error {
	t := Thing{Name: name, Template: l.Rules.Template(d), Hub: l.Hub, Device: d}
	if err := l.Things.Make(ctx, t, again); err != nil {
		return err
	}
	if err := l.declare(ctx, t, m); err != nil {
		return err
	}
	l.Changed(name)
	l.Log.Info("a Thing was made for a device", "event", "thing-made", "hub", l.Hub, "device", d.ID, "thing", name, "template", t.Template)
	return nil
}

// Missing makes the Thing of a device that speaks and has none. It gives up after a minute: the messages are kept then.
func (l *Life) Missing(ctx context.Context, m *message.Message) (err error) {
	again := false
	err = l.awhile(ctx, func(waiting context.Context) (err error) {
		defer guard(&err)
		d, here, err := l.Registry.Look(waiting, m.DeviceID)
		if err == nil && !here {
			err = fault.Reject("make a Thing", "it was deleted since it sent this", "hub %s has no device %q", l.Hub, m.DeviceID)
		}
		if err == nil {
			err = l.make(waiting, message.ThingName(m.DeviceID), d, m, again)
			again = true
		}
		return err
	})
	switch {
	case ctx.Err() != nil:
		return ctx.Err()
	case err != nil:
		l.Meter.Lived("message", ResultFailed)
		l.Log.Warn("no Thing was made for a device", "event", "thing-not-made", "hub", l.Hub, "device", m.DeviceID, "error", err, "hint", fault.HintOf(err))
	default:
		l.Meter.Lived("message", ResultMade)
	}
	return err
}

// Moved is asked for a device that speaks through this hub and whose Thing is another one's. nil says that it is this one's now.
func (l *Life) Moved(ctx context.Context, m *message.Message, owner string) error {
	e := LifeEvent{Device: m.DeviceID, Status: "deviceMoved", Hub: l.Hub, Thing: message.ThingName(m.DeviceID)}
	err := l.awhile(ctx, func(waiting context.Context) (err error) {
		defer guard(&err)
		e.Result, err = l.moved(waiting, &e, owner)
		return err
	})
	if ctx.Err() != nil {
		return ctx.Err()
	}
	if err != nil {
		e.Result, e.Reason = ResultFailed, reasonOf(err)
	}
	l.Meter.Lived("message", e.Result)
	l.tell(ctx, e)
	if e.Result == ResultAdopted {
		return nil
	}
	l.Log.Warn("a device speaks through another hub than its Thing's", "event", "device-moved", "hub", l.Hub, "device", m.DeviceID, "thing", e.Thing,
		"of", owner, "reason", e.Reason)
	return fault.Reject("write to Thing "+e.Thing, "set onMoved to adopt, or the Thing's gatewayThing", "it is hub %s's: %s", owner, e.Reason)
}

// tell fires an event, again and again while the platform cannot take it.
func (l *Life) tell(ctx context.Context, e LifeEvent) {
	if err := l.repeat(ctx, func() error { return l.Things.Tell(ctx, e) }); err != nil && ctx.Err() == nil {
		l.Log.Warn("the platform did not take a life cycle event", "event", "life-not-told", "hub", l.Hub, "device", e.Device, "operation", e.Status, "error", err)
	}
}

// repeat repeats what might go well later, until ctx ends.
func (l *Life) repeat(ctx context.Context, do func() error) error {
	pause := fault.Backoff{Min: pauseMin, Max: pauseMax}
	for {
		err := do()
		if err == nil || fault.ClassOf(err) != fault.Transient || ctx.Err() != nil || pause.Pause(ctx) != nil {
			return err
		}
	}
}

// awhile is repeat for a minute, while messages wait. If that was in vain, what comes next is tried once only until something
// is answered: with many Things to be made their messages would wait for the same trouble one after the other.
func (l *Life) awhile(ctx context.Context, do func(ctx context.Context) error) error {
	waiting, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	var err error
	if l.tired.Load() {
		err = do(waiting)
	} else {
		err = l.repeat(waiting, func() error { return do(waiting) })
	}
	if ctx.Err() == nil {
		l.tired.Store(err != nil && fault.ClassOf(err) == fault.Transient)
	}
	return err
}

// telling says so once if what an event calls for takes long: no checkpoint of its partition passes it meanwhile.
func (l *Life) telling(e *LifeEvent) (stop func() bool) {
	device, operation := e.Device, e.Status
	return time.AfterFunc(patience, func() {
		l.Log.Warn("what the hub told of a device cannot be followed yet; its partition's checkpoint waits for it", "event", "life-waits", "hub", l.Hub,
			"device", device, "operation", operation, "hint", "azx_lag_seconds says how long; see /readyz?verbose for what the hub and the platform lack")
	}).Stop
}

func guard(err *error) {
	if cause := recover(); cause != nil {
		*err = fault.Panicked("follow a device", cause, debug.Stack())
	}
}

func reasonOf(err error) string {
	if hint := fault.HintOf(err); hint != "" {
		return err.Error() + "; " + hint
	}
	return err.Error()
}
