package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"

	"azx/internal/supervise"
)

// putsInFlight is how many PUTs a peer has outstanding, each on a connection that is kept.
const putsInFlight = 32

// put is a message on its way.
type put struct {
	thing string
	body  []byte
}

// putting runs a receiver and sends what it gets, a PUT for each message, as somebody would who has no connector.
func (p *peer) putting(ctx context.Context, receive func(context.Context) error) error {
	p.puts = make(chan put, putsInFlight)
	client := &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: putsInFlight}}
	group := supervise.New(ctx)
	group.Go("receive", receive)
	for range putsInFlight {
		group.Go("put", func(ctx context.Context) error {
			for {
				select {
				case one := <-p.puts:
					if err := p.put(ctx, client, one); err != nil {
						return err
					}
				case <-ctx.Done():
					return ctx.Err()
				}
			}
		})
	}
	return group.Wait()
}

// take hands a message on, or throws it away if nobody sends any.
func (p *peer) take(ctx context.Context, device any, body []byte) {
	if p.puts == nil {
		return
	}
	thing, _ := device.(string) // a message without is refused by the sink
	select {
	case p.puts <- put{thing, body}:
	case <-ctx.Done():
	}
}

func (p *peer) put(ctx context.Context, client *http.Client, one put) error {
	url := p.rest + "/Thingworx/Things/" + one.thing + "/Properties/*"
	request, err := http.NewRequestWithContext(ctx, http.MethodPut, url, bytes.NewReader(one.body))
	if err != nil {
		return err
	}
	request.Header.Set("Content-Type", "application/json")
	request.Header.Set("appKey", "bench")
	response, err := client.Do(request)
	if err != nil {
		return err
	}
	_, err = io.Copy(io.Discard, response.Body)
	if err = errors.Join(err, response.Body.Close()); err == nil && response.StatusCode != http.StatusOK {
		err = fmt.Errorf("PUT to %s: %s", one.thing, response.Status)
	}
	return err
}
