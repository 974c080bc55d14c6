package iothub

import (
	"context"
	"crypto/tls"
	"net"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"azx/internal/amqp10"
)

// peer is a scripted hub at the other end of the AMQP connection. Fields of functions are set before it runs.
type peer struct {
	verdict func(n int, in *amqp10.Incoming, l *amqp10.Link) // of the nth message, from 1; nil accepts
	sign    func(n int) (status int32, text string)          // of the nth token; nil: 200
	attach  func(node string) error                          // nil: every link
	dial    func(n int) error                                // of the nth connection

	feedback chan []byte // bodies to send

	mu       sync.Mutex
	dials    int
	conns    []*amqp10.Conn
	tokens   []put
	messages []*amqp10.Message
	outcomes []amqp10.Outcome
	answers  *amqp10.Link
}

// put is a token and when it came.
type put struct {
	token, audience, kind string
	at                    time.Time
}

// ServeLink serves the nodes of a hub's service side.
func (p *peer) ServeLink(ctx context.Context, l *amqp10.Link) error {
	if p.attach != nil {
		if err := p.attach(l.Address()); err != nil {
			return err
		}
	}
	if l.Address() == "$cbs" && l.Sends() {
		p.mu.Lock()
		p.answers = l // before the client can ask anything
		p.mu.Unlock()
	}
	if err := l.Accept(amqp10.Terms{}); err != nil {
		return err
	}
	switch {
	case l.Address() == "$cbs" && l.Sends():
		<-ctx.Done()
		return nil
	case l.Address() == "$cbs":
		return p.serveTokens(ctx, l)
	case l.Address() == "/messages/devicebound" && !l.Sends():
		return p.serveMessages(ctx, l)
	case l.Address() == "/messages/serviceBound/feedback" && l.Sends():
		return p.serveFeedback(ctx, l)
	}
	return amqp10.Errorf(amqp10.CondNotFound, "there is no %s", l.Address())
}

func (p *peer) serveTokens(ctx context.Context, l *amqp10.Link) error {
	for {
		in, err := l.Receive(ctx)
		if err != nil {
			return err
		}
		m, err := amqp10.DecodeMessage(in.Payload)
		if err != nil {
			return err
		}
		in.Accept()
		token, _ := m.Value.Value.(string)
		p.mu.Lock()
		p.tokens = append(p.tokens, put{token, m.ApplicationProperties.Text("name"), m.ApplicationProperties.Text("type"), time.Now()})
		n, answers := len(p.tokens), p.answers
		p.mu.Unlock()
		status, text := int32(200), "OK"
		if p.sign != nil {
			status, text = p.sign(n)
		}
		err = answers.Send(ctx, amqp10.AppendMessage(nil, &amqp10.Message{
			Properties:            &amqp10.Properties{To: m.Properties.ReplyTo, CorrelationID: m.Properties.MessageID},
			ApplicationProperties: amqp10.Map{{Key: "status-code", Value: status}, {Key: "status-description", Value: text}},
			Value:                 amqp10.Some[any](nil),
		}))
		if err != nil {
			return err
		}
	}
}

func (p *peer) serveMessages(ctx context.Context, l *amqp10.Link) error {
	for {
		in, err := l.Receive(ctx)
		if err != nil {
			return err
		}
		m, err := amqp10.DecodeMessage(in.Payload)
		if err != nil {
			return err
		}
		p.mu.Lock()
		p.messages = append(p.messages, m)
		n := len(p.messages)
		p.mu.Unlock()
		if p.verdict == nil {
			in.Accept()
			continue
		}
		p.verdict(n, in, l)
	}
}

func (p *peer) serveFeedback(ctx context.Context, l *amqp10.Link) error {
	var settling sync.WaitGroup
	defer settling.Wait()
	for {
		select {
		case body := <-p.feedback:
			d, err := l.Deliver(ctx, amqp10.AppendMessage(nil, &amqp10.Message{
				Properties: &amqp10.Properties{ContentType: "application/vnd.microsoft.iothub.feedback.json"}, Data: [][]byte{body},
			}))
			if err != nil {
				return err
			}
			settling.Go(func() {
				state, err := d.Outcome(ctx)
				if err != nil {
					return // the link ended before
				}
				p.mu.Lock()
				defer p.mu.Unlock()
				p.outcomes = append(p.outcomes, state.Outcome)
			})
		case <-ctx.Done():
			return nil
		}
	}
}

// connected runs a test with a client whose Run is under way, in synthetic time.
func connected(t *testing.T, p *peer, change func(*Options), test func(t *testing.T, c *Client)) {
	t.Helper()
	pair, _ := certificate()
	synctest.Test(t, func(t *testing.T) {
		p.feedback = make(chan []byte)
		ctx, cancel := context.WithCancel(context.Background())
		defer cancel()
		listener := newPipes()
		var served sync.WaitGroup
		served.Go(func() {
			for {
				plain, err := listener.Accept()
				if err != nil {
					return
				}
				served.Go(func() {
					_ = amqp10.Serve(ctx, tls.Server(plain, &tls.Config{Certificates: []tls.Certificate{pair}}), amqp10.Config{
						ContainerID: "hub", NewHandler: func(conn *amqp10.Conn) amqp10.Handler { p.join(conn); return p },
					})
				})
			}
		})
		o := options()
		if change != nil {
			change(&o)
		}
		o.Network.Dial = func(ctx context.Context, network, address string) (net.Conn, error) {
			if err := p.dialled(); err != nil {
				return nil, err
			}
			return listener.dial(ctx, network, address)
		}
		c, err := New(o)
		if err != nil {
			t.Fatal(err)
		}
		var run sync.WaitGroup
		run.Go(func() {
			if err := c.Run(ctx); err != nil {
				t.Error(err)
			}
		})
		test(t, c)
		cancel()
		run.Wait()
		_ = listener.Close()
		served.Wait()
		c.Close()
	})
}

func (p *peer) dialled() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.dials++
	if p.dial != nil {
		return p.dial(p.dials)
	}
	return nil
}

func (p *peer) join(conn *amqp10.Conn) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.conns = append(p.conns, conn)
}

func (p *peer) count() (dials, tokens, messages int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.dials, len(p.tokens), len(p.messages)
}

// drop ends the newest connection.
func (p *peer) drop() {
	p.mu.Lock()
	conn := p.conns[len(p.conns)-1]
	p.mu.Unlock()
	conn.Close(amqp10.Errorf(amqp10.CondConnectionForced, "the gateway moves"))
}
