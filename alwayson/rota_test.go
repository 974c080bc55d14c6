package alwayson

import (
	"context"
	"errors"
	"fmt"
	"net"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// cluster is several instances of a platform on in-memory connections, by the host of their URLs.
type cluster struct {
	mu        sync.Mutex
	instances map[string]*pipeListener // those that are up
	dials     []string                 // hosts, in order
}

// up starts instances "a", "b", ...
func up(t *testing.T, cfg ServerConfig, hosts ...string) (*cluster, map[string]*Server) {
	t.Helper()
	c := &cluster{instances: map[string]*pipeListener{}}
	servers := map[string]*Server{}
	for _, host := range hosts {
		servers[host], c.instances[host] = startServer(t, cfg)
	}
	return c, servers
}

func (c *cluster) dial(ctx context.Context, network, address string) (net.Conn, error) {
	host, _, _ := strings.Cut(address, ":")
	c.mu.Lock()
	c.dials = append(c.dials, host)
	l := c.instances[host]
	c.mu.Unlock()
	if l == nil {
		return nil, fmt.Errorf("%s refused", host)
	}
	return l.dial(ctx, network, address)
}

// down takes an instance away, with its connections.
func (c *cluster) down(host string, s *Server) {
	c.mu.Lock()
	delete(c.instances, host)
	c.mu.Unlock()
	for _, session := range s.Sessions() {
		session.Close()
		<-session.Done()
	}
}

func (c *cluster) put(host string, l *pipeListener) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.instances[host] = l
}

// dialled returns the hosts that were dialled since it was last asked.
func (c *cluster) dialled() string {
	c.mu.Lock()
	defer c.mu.Unlock()
	hosts := strings.Join(c.dials, "")
	c.dials = nil
	return hosts
}

func (c *cluster) client(t *testing.T, cfg ClientConfig, hosts ...string) *Client {
	cfg.Dial = DialConfig{AppKey: func(context.Context) (string, error) { return testKey, nil }, NetDial: c.dial}
	for _, host := range hosts {
		cfg.URLs = append(cfg.URLs, "ws://"+host)
	}
	return runClient(t, cfg)
}

// connected waits for the client and returns the host that it is connected to.
func connected(t *testing.T, c *Client) string {
	t.Helper()
	synctest.Wait()
	if err := c.Wait(t.Context()); err != nil {
		t.Fatal(err)
	}
	return strings.TrimPrefix(c.State().URL, "ws://")
}

func TestAClientMovesToTheInstanceThatLives(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cluster, servers := up(t, ServerConfig{Request: echo}, "b", "c")
		c := cluster.client(t, ClientConfig{Names: []string{"Pump-1"}}, "a", "b", "c")
		if at := connected(t, c); at != "b" || cluster.dialled() != "ab" {
			t.Errorf("connected to %s, want b after a", at)
		}
		<-time.After(time.Hour)
		b := cluster.instances["b"]
		cluster.down("b", servers["b"])
		began := time.Now()
		if at, dialled := connected(t, c), cluster.dialled(); at != "c" || dialled != "bc" {
			t.Errorf("connected to %s having dialled %s, want c after b", at, dialled)
		}
		if took := time.Since(began); took > time.Second {
			t.Errorf("it took %v", took)
		}
		if got := servers["c"].Sessions()[0].Names(); !slices.Equal(got, []string{"Pump-1"}) {
			t.Errorf("bound there: %v", got)
		}
		cluster.put("b", b)
		<-time.After(time.Hour)
		for _, session := range servers["c"].Sessions() { // a single connection is lost, and c is well
			session.Close()
			<-session.Done()
		}
		if at, dialled := connected(t, c), cluster.dialled(); at != "c" || dialled != "c" {
			t.Errorf("connected to %s having dialled %s, want c at once", at, dialled)
		}
	})
}

func TestAMoveLeavesAnInstanceThatIsUpForAnother(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cluster, servers := up(t, ServerConfig{Request: echo}, "a", "b")
		c := cluster.client(t, ClientConfig{}, "a", "b")
		connected(t, c)
		<-time.After(time.Hour)
		tired := errors.New("it answers that it cannot")
		if !c.Move(tired) {
			t.Error("it did not move")
		}
		synctest.Wait()
		if s := c.State(); s.Phase != PhaseWaiting || !errors.Is(s.Err, tired) || s.Attempts != 1 {
			t.Errorf("state %+v", s)
		}
		if at := connected(t, c); at != "b" {
			t.Errorf("connected to %s", at)
		}
		<-time.After(time.Hour)
		cluster.down("a", servers["a"])
		c.Move(tired)
		if at := connected(t, c); at != "b" {
			t.Errorf("connected to %s although a is down", at)
		}
		one := cluster.client(t, ClientConfig{}, "b")
		connected(t, one)
		if one.Move(tired) || one.State().Phase != PhaseConnected {
			t.Error("it moved from its only URL")
		}
	})
}

func TestAClientPausesBetweenRoundsOverItsURLs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cluster, _ := up(t, ServerConfig{})
		c := cluster.client(t, ClientConfig{MinBackoff: time.Second, MaxBackoff: 8 * time.Second}, "a", "b", "c")
		synctest.Wait()
		s := c.State()
		if cluster.dialled() != "abc" || s.Phase != PhaseWaiting || s.Attempts != 1 {
			t.Errorf("after the first round: %+v", s)
		}
		for _, host := range []string{"a refused", "b refused", "c refused"} {
			if !strings.Contains(s.Err.Error(), host) {
				t.Errorf("the error %v does not say %s", s.Err, host)
			}
		}
		<-time.After(time.Second)
		synctest.Wait()
		if got := cluster.dialled(); got != "abc" {
			t.Errorf("dialled %s in the second round", got)
		}
		<-time.After(time.Hour)
		if rounds := len(cluster.dialled()) / 3; rounds < 400 || rounds > 1000 {
			t.Errorf("%d rounds in an hour, of 4 s to 8 s each", rounds)
		}
	})
}

func TestAKeyThatOneInstanceRefusesDoesNotKeepAClientFromTheOthers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		refuse := func(context.Context, Credentials) (any, error) { return nil, &Error{Code: Unauthorized} }
		cluster, _ := up(t, ServerConfig{Authenticate: refuse}, "a")
		c := cluster.client(t, ClientConfig{}, "a", "b")
		synctest.Wait()
		if s := c.State(); s.Phase != PhaseRefused || !IsCredentialRefused(s.Err) {
			t.Errorf("state %+v", s)
		}
		_, b := startServer(t, ServerConfig{Request: echo})
		cluster.put("b", b)
		if at := connected(t, c); at != "b" {
			t.Errorf("connected to %s", at)
		}
		if got := cluster.dialled(); got != "abab" {
			t.Errorf("dialled %s", got)
		}
	})
}
