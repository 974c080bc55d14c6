package app

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"azx/internal/access"
)

func TestAfterFailuresTheHubIsAskedWhereItsEventsAreButNotAllTheTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := &events{endpoint: access.Endpoint{Host: "one", EventHub: "plant"}, doubts: make(chan struct{}, 1)}
		began := time.Now()
		asked := 0
		where := func(context.Context) (access.Endpoint, error) {
			switch asked++; asked {
			case 1:
				return access.Endpoint{}, errors.New("the hub is not reached")
			case 2:
				return e.endpoint, nil
			}
			return access.Endpoint{Host: "two", EventHub: "plant"}, nil
		}
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		go func() { // every partition fails without pause
			for {
				select {
				case e.doubts <- struct{}{}:
				case <-ctx.Done():
					return
				}
			}
		}()
		err := e.watchEndpoint(ctx, where)
		if took := time.Since(began); !errors.Is(err, errMoved) || asked != 3 || took < askAgain || took > 2*askAgain {
			t.Errorf("asked %d times in %s: %v", asked, took, err)
		}
	})
}
