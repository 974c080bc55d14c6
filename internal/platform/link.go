package platform

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"azx/alwayson"
	"azx/alwayson/infotable"
	"azx/internal/dial"
	"azx/internal/fault"
	"azx/internal/message"
	"azx/internal/supervise"
)

// LinkConfig says how to reach the platform.
type LinkConfig struct {
	// URLs of the platform's instances; required. Each socket tries them in their order, from the one that worked last.
	URLs []string
	// AppKey returns the application key; it is asked at each dial. Required.
	AppKey func(ctx context.Context) (string, error)
	// TLS is asked at each dial of wss; nil means the system's roots.
	TLS func() (*tls.Config, error)
	// Dial opens the TCP connections; nil does so directly.
	Dial dial.Func
	// PingInterval is the time between pings; default 25 s, at most. A connection that is cut is noticed within two.
	PingInterval time.Duration
	// Sockets is how many connections share the lanes; default 2.
	Sockets int
	// Bind are names that the first socket binds, so that requests for them come here. May be empty: writing
	// needs no binding (read).
	Bind []string
	// Requests carries out what the platform asks of a bound Thing; its error becomes the refusal, see refusal.go.
	// It has to end when ctx does. nil refuses all requests.
	Requests func(ctx context.Context, r message.Request) (infotable.Value, error)
	// Failed hears of each request that was not carried out as it was asked, with an error that may be a panic's
	// (fault.IsPanic) or wrap ErrNoFile. It must not block. May be nil.
	Failed func(r message.Request, err error)
	// MaxRequests is how many requests of one socket are carried out at once; default 1024. More are refused at
	// once as transient.
	MaxRequests int
	// RequestTimeout ends requests that whoever carries them out let go on for too long; default 5 min.
	RequestTimeout time.Duration
	// Pinged is called with the Thing of each Ping that the platform passes on: Binder.Pinged. May be nil.
	Pinged func(thing string)
	// Reconnected is called when the socket of Client has connected, the first time too: Binder.Recheck. It must
	// not block. May be nil.
	Reconnected func()
	// Forget is called with the name of a Thing whose remote properties changed: Writer.Forget. May be nil.
	Forget func(thing string)
	// Connections is called with the number of connected sockets when it may have changed; it must not block.
	// May be nil.
	Connections func(connected int)
	Log         *slog.Logger // may be nil
}

// Link is the connector's connections to one platform.
type Link struct {
	cfg      LinkConfig
	clients  []*alwayson.Client
	log      *slog.Logger
	draining atomic.Bool // requests are refused

	mu     sync.Mutex
	states []alwayson.State
	since  time.Time // of the last change of connected
	good   bool      // all sockets are connected
}

// Health is what readiness and the status page show of a Link.
type Health struct {
	Sockets, Connected int
	At                 map[string]int // connected sockets by URL; each URL is there
	CredentialRefused  bool           // the platform refuses the application key
	Since              time.Time      // since when all sockets are connected, or not all are
	Err                error          // why a socket is not connected; nil when all are
}

// Ready reports whether all sockets are connected.
func (h Health) Ready() bool { return h.Connected == h.Sockets }

// NewLink checks cfg and returns a Link that connects when it is Run.
func NewLink(cfg LinkConfig) (*Link, error) {
	if len(cfg.URLs) == 0 {
		return nil, errors.New("set up platform link: no URL")
	}
	byDefault(&cfg.Sockets, 2)
	byDefault(&cfg.RequestTimeout, 5*time.Minute)
	if cfg.Failed == nil {
		cfg.Failed = func(message.Request, error) {}
	}
	if cfg.Log == nil {
		cfg.Log = slog.New(slog.DiscardHandler)
	}
	l := &Link{cfg: cfg, log: cfg.Log, states: make([]alwayson.State, cfg.Sockets), since: time.Now()}
	for i := range cfg.Sockets {
		client := alwayson.ClientConfig{
			URLs: cfg.URLs,
			Dial: alwayson.DialConfig{
				AppKey: cfg.AppKey, RenewTLS: cfg.TLS, NetDial: cfg.Dial, Handler: l.handle, UserAgent: "azx",
				PingInterval: cfg.PingInterval, Limits: alwayson.Limits{MaxHandlers: cfg.MaxRequests},
			},
			OnState: func(s alwayson.State) { l.note(i, s) },
		}
		if i == 0 {
			client.Names = cfg.Bind
		}
		c, err := alwayson.NewClient(client)
		if err != nil {
			return nil, fmt.Errorf("set up platform link: %w", err)
		}
		l.clients = append(l.clients, c)
	}
	return l, nil
}

// Run keeps the sockets connected until ctx ends. It may be called once.
func (l *Link) Run(ctx context.Context) error {
	group := supervise.New(ctx)
	for i, c := range l.clients {
		group.Go(fmt.Sprintf("socket %d", i), c.Run)
	}
	return group.Wait()
}

// Sockets returns the connections for a Writer.
func (l *Link) Sockets() []Socket {
	sockets := make([]Socket, len(l.clients))
	for i, c := range l.clients {
		sockets[i] = c
	}
	return sockets
}

// Client returns the connection that binds names and takes the platform's requests.
func (l *Link) Client() *alwayson.Client { return l.clients[0] }

// Retry has the sockets that are not connected try again at once: the application key is another one.
func (l *Link) Retry() {
	for _, c := range l.clients {
		c.Retry()
	}
}

// Wait returns when all sockets are connected, or with the error of ctx.
func (l *Link) Wait(ctx context.Context) error {
	for _, c := range l.clients {
		if err := c.Wait(ctx); err != nil {
			return fmt.Errorf("wait for the platform: %w", err)
		}
	}
	return nil
}

// Health returns a snapshot.
func (l *Link) Health() Health {
	l.mu.Lock()
	defer l.mu.Unlock()
	h := Health{Sockets: len(l.states), Since: l.since, At: make(map[string]int, len(l.cfg.URLs))}
	for _, url := range l.cfg.URLs {
		h.At[url] = 0
	}
	for _, s := range l.states {
		switch {
		case s.Phase == alwayson.PhaseConnected:
			h.Connected++
			h.At[s.URL]++
			continue
		case s.Phase == alwayson.PhaseRefused:
			h.CredentialRefused = true
		}
		if h.Err == nil {
			h.Err = s.Err
		}
	}
	if h.Err == nil && !h.Ready() {
		h.Err = alwayson.ErrNotConnected
	}
	return h
}

// note keeps a socket's state and logs what changes for people: connected, lost, refused.
func (l *Link) note(socket int, s alwayson.State) {
	l.mu.Lock()
	before := l.states[socket]
	l.states[socket] = s
	connected := 0
	for _, s := range l.states {
		if s.Phase == alwayson.PhaseConnected {
			connected++
		}
	}
	if good := connected == len(l.states); good != l.good {
		l.good, l.since = good, time.Now()
	}
	if l.cfg.Connections != nil {
		l.cfg.Connections(connected)
	}
	l.mu.Unlock()

	hint := hintOfLink(s.Err)
	switch {
	case s.Phase == alwayson.PhaseConnected && before.Phase != alwayson.PhaseConnected:
		if socket == 0 && l.cfg.Reconnected != nil {
			l.cfg.Reconnected()
		}
		l.log.Info("connected to the platform", "event", "platform-connected", "socket", socket, "url", s.URL)
	case s.Phase == alwayson.PhaseRefused && !alwayson.IsCredentialRefused(before.Err):
		l.log.Error("the platform refuses the application key", "event", "platform-refused",
			"socket", socket, "url", s.URL, "error", s.Err, "hint", hint, "retry", s.Retry)
	case s.Phase == alwayson.PhaseWaiting && (s.Attempts <= 1 || hint != hintOfLink(before.Err)):
		l.log.Warn("not connected to the platform", "event", "platform-unreachable",
			"socket", socket, "url", s.URL, "error", s.Err, "hint", hint, "retry", s.Retry)
	}
}

// hintOfLink says what to do about the reason why there is no connection; "" if there is nothing to say.
func hintOfLink(err error) string {
	var upgrade *alwayson.UpgradeError
	switch {
	case err == nil, errors.Is(err, alwayson.ErrClosed):
		return ""
	case fault.HintOf(err) != "": // of the way there: a proxy, a certificate of our own
		return fault.HintOf(err)
	case alwayson.IsCredentialRefused(err):
		return "is platform.appKey the key of this platform, not expired, and its user enabled?"
	case fault.IsCertificate(err):
		return fault.CertificateHint(err, "platform.urls", "platform.caFile")
	case errors.As(err, &upgrade):
		return "is the path in platform.urls that of AlwaysOn, " + alwayson.Path + "?"
	case errors.As(err, new(net.Error)):
		return "is the platform running, and reachable from here at the address in platform.urls?"
	}
	return "is it a ThingWorx platform that listens at the address in platform.urls?"
}
