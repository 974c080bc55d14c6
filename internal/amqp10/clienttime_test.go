package amqp10

import (
	"context"
	"errors"
	"net"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

// collected are the frames that a raw server has read.
type collected struct {
	credit atomic.Uint32 // of the newest flow
	flows  atomic.Int32
	beats  atomic.Int32
	closes atomic.Int32
}

// collect reads on until the connection ends.
func (s *rawServer) collect() *collected {
	got := new(collected)
	go func() {
		for {
			frame, err := s.frames.Next()
			if err != nil {
				return
			}
			if len(frame.Body) == 0 {
				got.beats.Add(1)
				continue
			}
			p, _, _ := DecodePerformative(frame.Body)
			switch p := p.(type) {
			case *Flow:
				got.flows.Add(1)
				got.credit.Store(p.LinkCredit.Value)
			case *Close:
				got.closes.Add(1)
			}
		}
	}()
	return got
}

// idleReceiver attaches a receiver from which nothing is received but by the test.
func idleReceiver(t *testing.T, cfg ReceiverConfig) (*Client, *rawServer, *Receiver, *collected) {
	t.Helper()
	c, s := against(t, ClientConfig{})
	cfg.Source = &Source{}
	receivers := make(chan *Receiver, 1)
	go func() {
		r, err := c.Receive(context.Background(), cfg)
		if err != nil {
			t.Error(err)
		}
		receivers <- r
	}()
	want[*Begin](&s.rawPeer)
	s.send(0, &Begin{RemoteChannel: Some[uint16](0), IncomingWindow: 100, OutgoingWindow: 100})
	a := want[*Attach](&s.rawPeer)
	s.send(0, &Attach{Name: a.Name, Handle: 5, Role: RoleSender, Source: &Source{}, Target: &Target{}, InitialDeliveryCount: Some[uint32](0)})
	r := <-receivers
	return c, s, r, s.collect()
}

// poll receives what is there.
func poll(r *Receiver) ([]Received, error) {
	ctx, cancel := context.WithTimeout(context.Background(), time.Millisecond)
	defer cancel()
	return r.Receive(ctx)
}

func TestCreditIsGivenByBytesAndTakenBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const bytesAhead = 4 << 20
		_, s, r, got := idleReceiver(t, ReceiverConfig{Settled: true, Credit: 1000, Bytes: bytesAhead})
		_, _ = poll(r)
		synctest.Wait()
		if n := got.credit.Load(); n != bytesAhead/firstTypical {
			t.Fatalf("credit for %d messages before one has come", n)
		}
		next := uint32(0)
		send := func(n uint32, size int) {
			for range n {
				for rest := size; rest > 0; rest -= 60_000 {
					s.send(0, transfer(next, rest > 60_000), make([]byte, min(rest, 60_000))...)
				}
				next++
			}
			synctest.Wait()
		}
		for range 12 { // small ones: more is wanted
			send(min(got.credit.Load(), 8), 1000)
			for batch, err := poll(r); err == nil; {
				batch, err = poll(r)
				_ = batch
			}
			synctest.Wait()
		}
		if n := got.credit.Load(); n < 500 {
			t.Fatalf("credit for %d small messages", n)
		}
		send(17, 256<<10) // and then large ones that nobody takes
		if n := got.credit.Load(); n != 0 {
			t.Errorf("credit for %d more while %d bytes wait", n, 17<<18)
		}
		for batch, err := poll(r); err == nil; batch, err = poll(r) {
			if len(batch) > 17 {
				t.Errorf("%d messages", len(batch))
			}
		}
		synctest.Wait()
		if n := got.credit.Load(); n == 0 || n > bytesAhead>>18 {
			t.Errorf("credit for %d large messages", n)
		}
	})
}

func TestNoMoreIsReadThanThereIsRoomFor(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const bytesAhead, size = 1 << 20, 50_000
		c, s, r, _ := idleReceiver(t, ReceiverConfig{Settled: true, Credit: 1000, Bytes: bytesAhead})
		_, _ = poll(r)
		r.conn.mu.Lock()
		r.setCredit(1000)
		r.conn.mu.Unlock()
		var sent atomic.Int32
		go func() {
			for id := range uint32(200) {
				if _, err := s.conn.Write(AppendFrame(nil, FrameAMQP, 0, transfer(id, false), make([]byte, size))); err != nil {
					return
				}
				sent.Add(1)
			}
		}()
		synctest.Wait()
		if n := int(sent.Load()); n*size < 2*bytesAhead || n*size > 2*bytesAhead+publishBytes+MaxFrameSize+size {
			t.Errorf("%d bytes were read, and there is room for %d", n*size, bytesAhead)
		}
		seen := 0
		for seen < 200 {
			batch, err := r.Receive(context.Background())
			if err != nil {
				t.Fatal(err)
			}
			seen += len(batch)
		}
		synctest.Wait()
		if sent.Load() != 200 {
			t.Errorf("%d were read", sent.Load())
		}
		if err := c.Err(); err != nil {
			t.Error(err)
		}
	})
}

func TestAFullReceiverDoesNotHoldUpTheEndOfItsConnection(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, s, r, _ := idleReceiver(t, ReceiverConfig{Settled: true, Credit: 1000, Bytes: 1 << 10, MaxMessageSize: 1 << 10})
		_, _ = poll(r)
		r.conn.mu.Lock()
		r.setCredit(1000)
		r.conn.mu.Unlock()
		go func() {
			for id := range uint32(1000) {
				if _, err := s.conn.Write(AppendFrame(nil, FrameAMQP, 0, transfer(id, false), make([]byte, 1000))); err != nil {
					return
				}
			}
		}()
		synctest.Wait()
		began := time.Now()
		if err := c.Close(context.Background()); err != nil || time.Since(began) > 2*closeGrace {
			t.Errorf("it took %v: %v", time.Since(began), err)
		}
	})
}

func TestASilentServerIsGivenUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, s, r, got := idleReceiver(t, ReceiverConfig{Credit: 1, Bytes: 1})
		began := time.Now()
		_, err := r.Receive(context.Background())
		if took := time.Since(began); err == nil || took < clientIdle || took > 2*clientIdle+time.Second {
			t.Errorf("after %v: %v", took, err)
		}
		var timeout net.Error
		if !errors.As(err, &timeout) || !timeout.Timeout() || c.Err() == nil {
			t.Errorf("got %v, the connection %v", err, c.Err())
		}
		if got.beats.Load() == 0 {
			t.Error("the server heard nothing")
		}
		_ = s.conn.Close()
	})
}

func TestAServerThatBeatsIsKept(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, s, _, got := idleReceiver(t, ReceiverConfig{Credit: 1, Bytes: 1})
		for range 100 {
			<-time.After(clientIdle)
			if _, err := s.conn.Write(AppendFrame(nil, FrameAMQP, 0, nil, nil)); err != nil {
				t.Fatal(err)
			}
		}
		if c.Err() != nil {
			t.Fatal(c.Err())
		}
		// The server's time-out is a minute: it hears something twice in each.
		if n := got.beats.Load(); n < 99 {
			t.Errorf("%d heartbeats in %v", n, 100*clientIdle)
		}
	})
}

func TestClosingIsBounded(t *testing.T) {
	for name, test := range map[string]struct {
		close func(c *Client, r *Receiver) error
		most  time.Duration
	}{
		"of a connection, by itself": {func(c *Client, _ *Receiver) error { return c.Close(context.Background()) }, closeGrace},
		"of a connection, by its context": {func(c *Client, _ *Receiver) error {
			ctx, cancel := context.WithTimeout(context.Background(), time.Second)
			defer cancel()
			return c.Close(ctx)
		}, time.Second},
		"of a receiver, by its context": {func(_ *Client, r *Receiver) error {
			ctx, cancel := context.WithTimeout(context.Background(), time.Second)
			defer cancel()
			if err := r.Close(ctx); !errors.Is(err, context.DeadlineExceeded) {
				return errors.Join(errors.New("it says nothing of that"), err)
			}
			return nil
		}, time.Second},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				c, _, r, _ := idleReceiver(t, ReceiverConfig{Credit: 1, Bytes: 1})
				began := time.Now()
				if err := test.close(c, r); err != nil || time.Since(began) > test.most {
					t.Errorf("after %v: %v", time.Since(began), err)
				}
			})
		})
	}
}

func TestOpeningEndsWithItsContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		near, far := net.Pipe()
		defer far.Close()
		ctx, cancel := context.WithTimeout(context.Background(), time.Second)
		defer cancel()
		if _, err := Connect(ctx, near, ClientConfig{ContainerID: "c"}); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("got %v", err)
		}
	})
}

func TestAnAttachThatIsNotAnsweredLeavesTheConnection(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, s := against(t, ClientConfig{})
		s.collect()
		ctx, cancel := context.WithTimeout(context.Background(), time.Second)
		defer cancel()
		if _, err := c.Receive(ctx, ReceiverConfig{Source: &Source{}}); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("got %v", err)
		}
		if c.Err() != nil {
			t.Error(c.Err())
		}
	})
}
