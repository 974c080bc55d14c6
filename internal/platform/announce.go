package platform

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"log/slog"
	"strconv"
	"sync/atomic"
	"time"

	"azx/alwayson"
	"azx/alwayson/infotable"
	"azx/internal/mapping"
	"azx/internal/message"
)

// The event that tells people in Composer about a device without a Thing: on the Thing of Connection
// Services, with the fields id, message, context and edgeIdentifier (read). The members of context are ours.
const (
	servicesHub        = "ConnectionServicesHub"
	thingNotFoundEvent = "ThingNotFoundError"
)

const (
	maxAnnouncements = 64               // outstanding; more are dropped
	maxContext       = 8 << 10          // bytes of JSON
	quietTime        = 10 * time.Minute // without announcements, when the platform has no such event
)

// announcer tells the platform, as well as it can, about devices that have no Thing.
type announcer struct {
	socket  Socket
	timeout time.Duration
	queue   chan alwayson.Request // small, unlike the messages
	quiet   atomic.Int64          // no announcements before this time, in ms since 1970
	meter   Meter
	log     *slog.Logger
}

func newAnnouncer(cfg WriterConfig) *announcer {
	return &announcer{
		socket: cfg.Sockets[0], timeout: cfg.ReplyTimeout,
		queue: make(chan alwayson.Request, maxAnnouncements), meter: cfg.Meter, log: cfg.Log,
	}
}

// offer queues an announcement unless too many wait.
func (a *announcer) offer(t message.Telemetry) {
	if time.Now().UnixMilli() < a.quiet.Load() {
		return
	}
	select {
	case a.queue <- notFoundEvent(t):
	default:
		a.meter.Announced(false)
	}
}

func (a *announcer) run(ctx context.Context) error {
	for {
		select {
		case event := <-a.queue:
			a.announce(ctx, event)
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// announce fires the event once; an announcement that fails is made again when the device is heard again.
func (a *announcer) announce(ctx context.Context, event alwayson.Request) {
	if time.Now().UnixMilli() < a.quiet.Load() {
		return
	}
	bounded, cancel := context.WithTimeout(ctx, a.timeout)
	defer cancel()
	start := time.Now()
	resp, err := a.socket.Call(bounded, event)
	a.meter.Request(thingNotFoundEvent, resp.Code, time.Since(start))
	a.meter.Announced(err == nil && resp.Code.IsSuccess())
	if err == nil && resp.Code == alwayson.NotFound {
		a.quiet.Store(time.Now().Add(quietTime).UnixMilli())
		a.log.Info("the platform does not take announcements of devices without a Thing", "thing", servicesHub, "event", thingNotFoundEvent)
	}
}

func notFoundEvent(t message.Telemetry) alwayson.Request {
	device := t.Thing
	if t.Message != nil && t.Message.DeviceID != "" {
		device = t.Message.DeviceID
	}
	return alwayson.Request{
		Code: alwayson.Post, Entity: alwayson.Thing, Name: servicesHub, Kind: alwayson.Event, Target: thingNotFoundEvent,
		Params: infotable.OneRow(
			infotable.Cell{Name: "id", Value: infotable.String(newUUID())},
			infotable.Cell{Name: "message", Value: infotable.String(fmt.Sprintf("device %q sends messages, but there is no Thing %q", device, t.Thing))},
			infotable.Cell{Name: "context", Value: infotable.Text(infotable.TypeJSON, string(appendContext(nil, t)))},
			infotable.Cell{Name: "edgeIdentifier", Value: infotable.String(device)},
		),
	}
}

// appendContext appends what the message says, as JSON: enough to create the Thing from it. Values for which
// there is no room are left out.
func appendContext(dst []byte, t message.Telemetry) []byte {
	tail := `},"time":` + strconv.FormatInt(t.Time, 10) + `}`
	start := len(dst)
	dst = append(dst, `{"hubThing":`...)
	dst = appendText(dst, hubOf(t))
	dst = append(dst, `,"thing":`...)
	dst = appendText(dst, t.Thing)
	dst = append(dst, `,"properties":{`...)
	first := true
	seen := make(map[string]bool, len(t.Readings))
	for i := range t.Readings {
		r := &t.Readings[i]
		if r.Kind == message.Null || seen[string(r.Key)] {
			continue
		}
		mark := len(dst)
		if !first {
			dst = append(dst, ',')
		}
		dst = appendText(dst, string(r.Key))
		dst = append(dst, `:{"baseType":"`...)
		dst = append(dst, mapping.Natural(r.Kind).String()...)
		dst = append(dst, `","value":`...)
		dst = append(dst, r.Raw...)
		dst = append(dst, '}')
		if len(dst)-start+len(tail) > maxContext {
			dst = dst[:mark]
			continue
		}
		first, seen[string(r.Key)] = false, true
	}
	return append(dst, tail...)
}

func appendText(dst []byte, s string) []byte {
	text, _ := json.Marshal(s) // a string always has JSON text
	return append(dst, text...)
}

// newUUID returns a random UUID (RFC 9562, version 4).
func newUUID() string {
	var b [16]byte
	_, _ = rand.Read(b[:]) // never fails
	b[6], b[8] = b[6]&0x0f|0x40, b[8]&0x3f|0x80
	return fmt.Sprintf("%x-%x-%x-%x-%x", b[:4], b[4:6], b[6:8], b[8:10], b[10:])
}
