package platform

import (
	"context"
	"errors"
	"time"

	"azx/alwayson"
	"azx/internal/fault"
)

const versionService = "GetThingworxVersion" // of PlatformSubsystem: a STRING (read)

// Version returns the platform's version, such as "9.5.1".
func (s *Setup) Version(ctx context.Context) (string, error) {
	resp, err := s.ask(ctx, "read the platform's version",
		"the connector's user needs the right to invoke PlatformSubsystem."+versionService,
		alwayson.Request{Code: alwayson.Post, Entity: alwayson.Subsystem, Name: packagesSubsystem, Kind: alwayson.Service, Target: versionService})
	if err != nil {
		return "", err
	}
	version, _ := resp.Result().Text()
	return version, nil
}

// errNobody is a Ping that no connector answered.
var errNobody = errors.New("no connector answered")

// Ping has the platform pass a call on to whoever carries the requests of a Thing, and returns how long the answer took.
func (s *Setup) Ping(ctx context.Context, thing string) (took time.Duration, err error) {
	start := time.Now()
	resp, v := s.call(ctx, alwayson.CallService(thing, pingService, nil), pingTimeout)
	switch {
	case v == accepted:
		return time.Since(start), nil
	case ctx.Err() != nil:
		return 0, ctx.Err()
	case resp.Code == 0 && v != noReply:
		return 0, failure("ping "+thing, resp, v)
	}
	p := &fault.Problem{Op: "ping " + thing, Class: fault.Rejected, Cause: errNobody}
	if resp.Reason != "" {
		p.Cause = errors.Join(errNobody, errors.New(resp.Reason))
	}
	return 0, p
}

// DeviceThings returns the first device Things of a hub Thing by name, at most most of them; none if the hub Thing does
// not list them.
func (s *Setup) DeviceThings(ctx context.Context, hub string, most int) []string {
	resp, v := s.call(ctx, deviceThings(hub, "", most), s.timeout)
	if v != accepted {
		return nil
	}
	return thingNames(resp, hub)
}
