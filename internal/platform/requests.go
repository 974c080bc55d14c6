package platform

import (
	"context"
	"errors"
	"fmt"
	"runtime/debug"
	"time"

	"azx/alwayson"
	"azx/alwayson/infotable"
	"azx/internal/fault"
	"azx/internal/message"
)

// Services that the platform calls by itself on bound Things.
const (
	// notifyService says that the remote properties of a Thing changed (captured).
	notifyService = "NotifyPropertyUpdate"
	// pingService is of our templates: whoever carries the requests of a Thing answers it. See ping.go.
	pingService = "Ping"
)

// notServed are services that the platform calls by itself and that are nobody's direct method. Refusing the first
// makes the platform fall back to NotifyPropertyUpdate (read); the others are of things that are not offered here.
var notServed = map[string]bool{
	"SynchronizeModelState": true, "NotifyEventUpdate": true, "GetMetadata": true,
	"StartTunnel": true, "CompleteTunnel": true, "TunnelCommandToEdge": true,
}

// ErrNoFile is why services about files are refused.
var ErrNoFile = errors.New("the connector has no files in this version")

// fileServices are those that the platform calls on Things of RemoteThingWithFileTransfer. There are no files here yet.
var fileServices = map[string]bool{
	"BrowseDirectory": true, "BrowseFileSystem": true, "ValidateFileTransfer": true, "ListFiles": true, "ListDirectories": true, "GetFileListing": true, "GetFileInfo": true,
	"GetDirectoryStructure": true, "GetTransferInfo": true, "CreateBinaryFile": true, "ReadFromBinaryFile": true,
	"WriteToBinaryFile": true, "StartFileTransfer": true, "CancelFileTransfer": true, "CompleteFileTransfer": true,
	"DeleteFile": true, "MoveFile": true, "RenameFile": true, "GetFileChecksum": true, "MakeDirectory": true,
}

// handle answers a request of the platform: NotifyPropertyUpdate here, everything else through LinkConfig.Requests.
func (l *Link) handle(ctx context.Context, r alwayson.Request) alwayson.Response {
	service := r.Code == alwayson.Post && r.Kind == alwayson.Service
	switch {
	case service && r.Target == notifyService:
		if l.cfg.Forget != nil {
			l.cfg.Forget(r.Name)
		}
		return alwayson.Done()
	case service && r.Target == pingService && l.cfg.Pinged != nil:
		l.cfg.Pinged(r.Name)
	}
	request, err := requestOf(&r)
	if errors.Is(err, ErrNoFile) {
		l.cfg.Failed(request, err)
	}
	if err != nil {
		return refusal(err)
	}
	return l.carryOut(ctx, request)
}

// carryOut has a request carried out, within its time.
func (l *Link) carryOut(ctx context.Context, r message.Request) (resp alwayson.Response) {
	op := r.Verb.String() + " " + r.Name + " of " + r.Thing
	switch {
	case l.draining.Load():
		return refusal(&fault.Problem{Op: op, Cause: errStopping, Hint: "try again: another connector takes it, or this one when it is back"})
	case l.cfg.Requests == nil:
		return refusal(missing{fault.Reject(op, "", "nothing here answers requests")})
	}
	defer func() {
		if cause := recover(); cause != nil {
			l.log.Error("a request ended in a panic; please report it", "event", "request-panic", "thing", r.Thing,
				"name", r.Name, "cause", fmt.Sprint(cause), "stack", string(debug.Stack()))
			l.cfg.Failed(r, fault.Panicked(op, cause, debug.Stack()))
			resp = alwayson.Refuse(alwayson.InternalServerError, op+": an error in the connector; its log has more")
		}
	}()
	ctx, cancel := context.WithTimeout(ctx, l.cfg.RequestTimeout)
	defer cancel()
	v, err := l.cfg.Requests(ctx, r)
	if err != nil {
		l.cfg.Failed(r, err)
	}
	switch {
	case err != nil:
		return refusal(err)
	case r.Verb == message.VerbWrite: // nobody would see more (read)
		return alwayson.Done()
	case r.Verb == message.VerbRead: // one row, one column named as the property (captured)
		return alwayson.Response{Code: alwayson.Success, Content: infotable.Single(r.Name, v)}
	}
	return alwayson.Result(v)
}

// requestOf reads what the platform asks. The Thing is the one that the request names, also if it came here through
// the routing group of another.
func requestOf(r *alwayson.Request) (message.Request, error) {
	op := fmt.Sprintf("%s %s %s of %s", r.Code, r.Kind, r.Target, r.Name)
	out := message.Request{Thing: r.Name, Name: r.Target}
	whole := r.Target == "" || r.Target == "*"
	switch {
	case r.Entity != alwayson.Thing:
		return out, missing{fault.Reject(op, "", "the connector stands for Things only")}
	case whole:
		return out, missing{fault.Reject(op, "name one property", "several properties at once are not served here")}
	case r.Code == alwayson.Get && r.Kind == alwayson.Property:
		out.Verb = message.VerbRead
	case r.Code == alwayson.Put && r.Kind == alwayson.Property:
		out.Verb = message.VerbWrite
		var err error
		out.Value, err = written(op, r)
		return out, err
	case r.Code == alwayson.Post && r.Kind == alwayson.Service && fileServices[r.Target]:
		out.Verb, out.Params = message.VerbCall, r.Params
		return out, missing{&fault.Problem{Op: op, Class: fault.Rejected, Cause: ErrNoFile}}
	case r.Code == alwayson.Post && r.Kind == alwayson.Service && !notServed[r.Target]:
		out.Verb, out.Params = message.VerbCall, r.Params
	default:
		return out, missing{fault.Reject(op, "", "this is not served here")}
	}
	return out, nil
}

// written is the value of a write: in the column of the property's name or, since it is not known which of its two
// names a real platform puts there, in the only column.
func written(op string, r *alwayson.Request) (infotable.Value, error) {
	switch {
	case r.Params.Len() != 1:
		return infotable.Value{}, fault.Reject(op, "", "got %d rows, want one with the value", r.Params.Len())
	case r.Params.Index(r.Target) >= 0:
		return r.Param(r.Target).Unwrap(), nil
	case len(r.Params.Fields) == 1:
		return r.Params.Rows[0].Cell(0).Unwrap(), nil
	}
	return infotable.Value{}, fault.Reject(op, "", "no column has the property's name")
}

// Drain refuses requests from now on as transient, and returns when those in flight are answered, or with the error
// of ctx. What was bound should have been given back before, so that the platform turns to others.
func (l *Link) Drain(ctx context.Context) error {
	l.draining.Store(true)
	const look = 5 * time.Millisecond
	ticker := time.NewTicker(look)
	defer ticker.Stop()
	for l.serving() > 0 {
		select {
		case <-ticker.C:
		case <-ctx.Done():
			return fmt.Errorf("drain requests of the platform: %d are in flight: %w", l.serving(), ctx.Err())
		}
	}
	return nil
}

func (l *Link) serving() int {
	n := 0
	for _, c := range l.clients {
		n += c.Serving()
	}
	return n
}
