package platform

import (
	"context"
	"time"

	"azx/alwayson"
)

const expiryService = "GetExpirationDate" // of an application key: a DATETIME, nothing if it does not expire (read)

// KeyExpires returns when an application key ends to be good; the zero time if it does not.
func (s *Setup) KeyExpires(ctx context.Context, name string) (time.Time, error) {
	resp, err := s.ask(ctx, "ask when the application key "+name+" expires",
		"platform.appKeyName is the name of the application key on the platform, which the connector's user needs the right to see",
		alwayson.Request{Code: alwayson.Post, Entity: alwayson.ApplicationKey, Name: name, Kind: alwayson.Service, Target: expiryService})
	if err != nil {
		return time.Time{}, err
	}
	at, ok := resp.Result().Millis()
	if !ok || at <= 0 {
		return time.Time{}, nil
	}
	return time.UnixMilli(at), nil
}
