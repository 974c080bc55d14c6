// Package iothub is the service side of an Azure IoT Hub: registry, twins, direct methods, queries and jobs over
// REST, cloud-to-device messages and their feedback over AMQP.
//
// The marks behind wire facts say how sure they are: read (in Microsoft's documentation or SDK sources), tried
// (with a prototype), inferred, unknown.
package iothub

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"net/http"
	"time"

	"azx/internal/access"
	"azx/internal/dial"
	"azx/internal/fault"
)

const (
	apiVersion = "2021-04-12"     // read: azure-iothub's version.js
	idleWithin = 30 * time.Second // less than the hub's, so that it hardly ever closes a connection we are about to use
	maxIdle    = 256              // connections kept for calls in parallel: one in flight takes one for as long as the device thinks
	headersMax = 64 << 10         // bytes of an answer's header
)

// Options say which hub a Client talks to, and how.
type Options struct {
	// Service names the hub. Its policy and key sign the tokens, unless Current or Bearer is given.
	Service access.Service
	// Current gives the policy and the key as they are now; it is asked for each token: see Renew. nil: those of Service.
	Current func() (access.Service, error)
	// Bearer gives tokens of Microsoft Entra ID; nil: tokens are signed with the key of Service.
	Bearer TokenSource
	// Network says how the hub's endpoints are reached; nil: directly.
	Network *dial.Network
	// Quota is the hub's tier and size; the zero value is one unit of S1.
	Quota Quota
	// Feedback gets the outcomes of messages that asked for them, in the order of the hub, and one batch at a
	// time. With an error the batch goes back to the hub, with ErrNotMine later. nil: the feedback queue is left alone. A hub has one
	// such queue, and reading it takes records away from every other back end.
	Feedback func(ctx context.Context, batch []Feedback) error
	// Ended hears why the AMQP connection ended, or could not be made. It must not block; nil: nobody does.
	Ended func(err error)
	// Meter hears of every use of the hub; nil: nobody does.
	Meter Meter
	// Log gets what happens to the AMQP connection; nil: nothing is logged.
	Log *slog.Logger
}

// Client talks to the service side of one hub. All methods may be called from any goroutine.
//
// Their errors are fault.Problems, mostly with one of this package's errors and a Refusal in the chain.
type Client struct {
	host       string
	options    Options
	http       *http.Client
	credential *credential
	buckets    map[Kind]*bucket
	chunk      int // bytes that are billed as one message
	refusals   refusals
	line       line          // the AMQP connection
	renewed    chan struct{} // holds one token: the connection is to use a new token now
}

// New makes a Client; it does not connect yet.
func New(o Options) (*Client, error) {
	const op = "open the service side of the hub"
	if !access.ValidHost(o.Service.Host) {
		return nil, fault.Reject(op, "it looks like plant1.azure-devices.net", "the hub's host name is none")
	}
	buckets, err := o.Quota.buckets()
	if err != nil {
		return nil, &fault.Problem{Op: op, Class: fault.Rejected, Cause: err, Hint: "tiers are F1, B1 to B3 and S1 to S3"}
	}
	if o.Current == nil {
		o.Current = func() (access.Service, error) { return o.Service, nil }
	}
	if o.Ended == nil {
		o.Ended = func(error) {}
	}
	if o.Bearer == nil && o.Service.Key.Reveal() == "" {
		return nil, &fault.Problem{Op: op, Class: fault.Credential, Cause: errors.New("there is neither a key nor a source of tokens")}
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	if o.Meter == nil {
		o.Meter = noMeter{}
	}
	if o.Network == nil {
		o.Network = &dial.Network{}
	}
	c := &Client{
		host: o.Service.Host, options: o, renewed: make(chan struct{}, 1),
		credential: newCredential(o), buckets: buckets, chunk: o.Quota.chunk(),
	}
	if o.Quota.basic() {
		c.refusals.basic = withoutDevices(o.Quota.tier())
	}
	c.http = &http.Client{Transport: transport(o), CheckRedirect: noRedirects}
	c.line.init()
	return c, nil
}

func transport(o Options) *http.Transport {
	return &http.Transport{
		DialTLSContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			return o.Network.Secure(ctx, o.Service.Host)
		},
		MaxIdleConns:           maxIdle,
		MaxIdleConnsPerHost:    maxIdle,
		IdleConnTimeout:        idleWithin,
		MaxResponseHeaderBytes: headersMax,
	}
}

// noRedirects keeps the token at the hub: it never redirects REST calls.
func noRedirects(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }

// Close drops idle connections of REST calls. The AMQP connection ends with Run.
func (c *Client) Close() { c.http.CloseIdleConnections() }

// Renew makes the next call, and the AMQP connection at once, use a token of the key that is current now. The connection
// goes on; one that waits because its key was refused is tried again.
func (c *Client) Renew() {
	c.credential.outdate()
	select {
	case c.renewed <- struct{}{}:
	default:
	}
}

// Target is a device, or one of its modules.
type Target struct {
	Device string
	Module string // "" for the device itself
}

// String is "device" or "device/module".
func (t Target) String() string {
	if t.Module == "" {
		return t.Device
	}
	return t.Device + "/" + t.Module
}
