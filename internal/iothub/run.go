package iothub

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/Azure/go-amqp"

	"azx/internal/dial"
	"azx/internal/fault"
	"azx/internal/supervise"
)

const (
	connectWithin  = 30 * time.Second // from the dialling to the attached links
	reconnectMin   = 500 * time.Millisecond
	reconnectMax   = time.Minute
	reconnectRest  = 10 * time.Minute // when waiting does not help: a wrong key, a Basic tier
	steady         = time.Minute      // a connection that held for so long begins the pauses anew
	closeWithin    = 5 * time.Second
	nodeDevices    = "/messages/devicebound"           // read, tried
	nodeFeedback   = "/messages/serviceBound/feedback" // read, tried
	feedbackCredit = 64
)

// Run keeps the AMQP connection for Send and for the feedback, until ctx ends; that is no error. There is one at a
// time; after it ends, and until one can be made, it tries again with growing pauses.
func (c *Client) Run(ctx context.Context) error {
	if c.options.Quota.basic() { // then the hub has no such links
		<-ctx.Done()
		return nil
	}
	pause := fault.Backoff{Min: reconnectMin, Max: reconnectMax}
	rest := fault.Backoff{Min: reconnectRest, Max: reconnectRest}
	for {
		start := time.Now()
		err := c.serve(ctx)
		c.line.set(nil, err)
		if ctx.Err() != nil {
			return nil
		}
		c.refusals.learn(KindC2D, err)
		c.options.Ended(err)
		c.options.Log.Warn("the connection to the hub for messages ended", "event", "hub-messages-lost", "hub", c.host, "error", err, "hint", fault.HintOf(err))
		if time.Since(start) > steady {
			pause.Reset()
		}
		wait := &pause
		if fault.ClassOf(err) != fault.Transient || errors.Is(err, ErrDailyQuota) {
			wait = &rest
		}
		if !c.rest(ctx, wait.Next()) {
			return nil
		}
	}
}

// rest waits before the next connection; false if ctx has ended. Renew ends it.
func (c *Client) rest(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-c.renewed:
	case <-ctx.Done():
		return false
	}
	return true
}

// serve makes a connection and keeps it until something of it ends. It returns nil only if ctx has ended.
func (c *Client) serve(ctx context.Context) error {
	const op = "connect to the hub for messages"
	connecting, cancel := context.WithTimeout(ctx, connectWithin)
	defer cancel()
	conn, err := c.connect(connecting)
	if err != nil {
		return c.amqpProblem(op, err)
	}
	defer func() { _ = conn.Close() }() // what ended it is known
	session, err := conn.NewSession(connecting, nil)
	if err != nil {
		return c.amqpProblem(op, err)
	}
	cbs, err := openCBS(connecting, session, c.audience())
	if err != nil {
		return c.amqpProblem(op, err)
	}
	renew, err := c.authorize(connecting, cbs)
	if err != nil {
		return err
	}
	sender, err := session.NewSender(connecting, nodeDevices, nil)
	if err != nil {
		return c.amqpProblem("open the link for messages to devices", err)
	}
	l := &link{sender: sender, broken: make(chan error, 1)}
	c.line.set(l, nil)
	c.options.Log.Info("connected to the hub for messages", "event", "hub-messages-connected", "hub", c.host)
	group := supervise.New(ctx)
	group.Go("watch", func(ctx context.Context) error { return c.watch(ctx, conn, l) })
	group.Go("renew", func(ctx context.Context) error { return c.renew(ctx, cbs, renew) })
	if c.options.Feedback != nil {
		group.Go("feedback", func(ctx context.Context) error { return c.readFeedback(ctx, session) })
	}
	return group.Wait()
}

// audience is what a token on the connection is for (read: azure-iothub's amqp.js and client.js).
func (c *Client) audience() string {
	if c.options.Bearer != nil {
		return Scope(c.host)
	}
	return c.host
}

// Scope is what a token of Microsoft Entra ID has to be for, to be taken by the hub with a host name (read: azure-iothub's
// token scopes): another one in the cloud of the US government.
func Scope(host string) string {
	if strings.HasSuffix(host, ".azure-devices.us") {
		return "https://iothubs.azure.us/.default"
	}
	return "https://iothubs.azure.net/.default"
}

func (c *Client) connect(ctx context.Context) (*amqp.Conn, error) {
	conn, err := c.options.Network.Connect(ctx, dial.Target{Host: c.host, Path: dial.PathHub})
	if err != nil {
		return nil, err
	}
	return amqp.NewConn(ctx, conn, &amqp.ConnOptions{HostName: c.host, SASLType: amqp.SASLTypeAnonymous()})
}

// watch ends when the connection or the sending link has.
func (c *Client) watch(ctx context.Context, conn *amqp.Conn, l *link) error {
	const op = "keep the connection to the hub"
	select {
	case <-conn.Done():
		if err := conn.Err(); err != nil {
			return c.amqpProblem(op, err)
		}
		return &fault.Problem{Op: op, Class: fault.Transient, Cause: errors.New("the hub ended it")}
	case err := <-l.broken:
		return c.amqpProblem(op, err)
	case <-ctx.Done():
		return nil
	}
}

// authorize puts a token on the connection, and returns when it should be renewed.
func (c *Client) authorize(ctx context.Context, cbs *cbs) (renew time.Time, err error) {
	const op = "sign in to the hub for messages"
	token, renew, err := c.credential.token(ctx)
	if err != nil {
		return renew, c.unreached(op, "the source of tokens", err)
	}
	status, text, err := cbs.put(ctx, token.Reveal())
	switch {
	case err != nil:
		return renew, c.amqpProblem(op, err)
	case status/100 == 2:
		return renew, nil
	}
	c.credential.forget(token)
	r := &Refusal{Status: status}
	r.read(text)
	return renew, c.problem(op, r)
}

// renew puts a newer token before the old one expires.
func (c *Client) renew(ctx context.Context, cbs *cbs, at time.Time) error {
	for {
		if !c.rest(ctx, max(time.Until(at), time.Second)) {
			return nil
		}
		within, cancel := context.WithTimeout(ctx, connectWithin)
		next, err := c.authorize(within, cbs)
		cancel()
		if err != nil {
			return fmt.Errorf("renew the token: %w", err)
		}
		at = next
	}
}
