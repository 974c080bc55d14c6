// Package serve runs the local hub: its certificates, its ports, its control interface and hub.json.
package serve

import (
	"context"
	"crypto/rand"
	"crypto/tls"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"time"

	"azx/internal/local/iothub"
	"azx/internal/local/iothub/control"
	"azx/internal/local/iothub/https"
	"azx/internal/local/iothub/jobs"
	"azx/internal/local/iothub/mqtt"
	"azx/internal/local/iothub/websocket"
	"azx/internal/supervise"
)

// Running is a hub that accepts connections.
type Running struct {
	// Info says how to reach it.
	Info Info
	// Hub is its core.
	Hub *iothub.Hub
	// CA is the certificate of its certificate authority (PEM).
	CA []byte

	jobs  *jobs.Jobs
	group *supervise.Group
}

// Start opens the hub and all of its ports and returns when clients can connect. The hub runs until ctx ends, Stop is
// called, or one of its parts fails; call Wait in any case.
func Start(ctx context.Context, o Options) (*Running, error) {
	o, err := o.withDefaults()
	if err != nil {
		return nil, err
	}
	if o.Dir != "" {
		if o.Dir, err = filepath.Abs(o.Dir); err != nil {
			return nil, fmt.Errorf("open hub: %w", err)
		}
	}
	hub, err := iothub.Open(iothub.Config{Host: o.Host, Dir: o.Dir, Partitions: o.Partitions, Retention: o.Retention, NoSync: o.NoSync,
		FeedbackDelay: o.FeedbackDelay, Clock: o.Clock})
	if err != nil {
		return nil, err
	}
	if hub.EventsLost() {
		o.Notice("the event log of " + o.Dir + " is gone: the hub starts without events")
	}
	all, err := jobs.Open(hub, o.Dir, o.NoSync)
	if err != nil {
		return nil, errors.Join(err, hub.Close())
	}
	r, err := launch(ctx, o, hub, all)
	if err != nil {
		return nil, errors.Join(err, all.Close(), hub.Close())
	}
	return r, nil
}

// launch opens the ports of an open hub and runs its fronts. The folder is this process's alone.
func launch(ctx context.Context, o Options, hub *iothub.Hub, jobs *jobs.Jobs) (*Running, error) {
	if err := removeInfo(o.Dir); err != nil {
		return nil, err
	}
	ca, err := openAuthority(o.Dir, hub.Names, hub.Now, o.CertificateLife)
	if err != nil {
		return nil, err
	}
	all, err := listenAll(o)
	if err != nil {
		return nil, err
	}
	r := &Running{Hub: hub, CA: ca.pem, jobs: jobs, group: supervise.New(ctx)}
	context.AfterFunc(r.group.Context(), func() { _ = hub.SetFaults() }) // nobody waits for a fault while the hub stops
	endpoint, secret := hub.Endpoint(), newSecret()
	r.Info = describe(o, hub, all, secret)
	r.serve(o, all, ca, secret)
	if o.Dir == "" {
		return r, nil
	}
	if err := r.Info.write(o.Dir); err != nil {
		r.Stop()
		return nil, errors.Join(err, r.group.Wait())
	}
	r.group.Go(infoFile, func(ctx context.Context) error { return r.follow(ctx, o.Dir, endpoint) })
	return r, nil
}

// follow writes hub.json again whenever the hub has failed over.
func (r *Running) follow(ctx context.Context, dir string, endpoint context.Context) error {
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-endpoint.Done():
		}
		endpoint = r.Hub.Endpoint()
		info := r.Info
		info.EventHubsConnectionString = r.Hub.EventHubsConnectionString()
		if err := info.write(dir); err != nil {
			return err
		}
	}
}

// Stop asks the hub to end. It does not wait.
func (r *Running) Stop() { r.group.Stop() }

// Wait returns when the hub has ended and its folder is free, with the error that ended it, if any.
func (r *Running) Wait() error { return errors.Join(r.group.Wait(), r.jobs.Close(), r.Hub.Close()) }

// serve runs the fronts.
func (r *Running) serve(o Options, all listeners, ca *authority, secret string) {
	front := func(name string, l net.Listener, serve Front) {
		r.group.Go(name, func(ctx context.Context) error { return serve(ctx, l, r.Hub, o.Log) })
	}
	r.group.Go("jobs", r.jobs.Run)
	gate := websocket.NewGate(all.https.Addr(), o.Log)
	r.group.Go("MQTT", func(ctx context.Context) error {
		return mqtt.Serve(ctx, r.Hub, o.Log, tls.NewListener(all.mqtt, ca.tlsConfig()), gate.MQTT())
	})
	front("AMQP over WebSocket", gate.AMQP(), o.AMQP)
	front("AMQP over TLS", tls.NewListener(all.amqps, ca.tlsConfig()), o.AMQP)
	front("AMQP", all.amqp, o.AMQP)
	web := func(name string, l net.Listener, handler http.Handler) {
		r.group.Go(name, func(ctx context.Context) error { return serveHTTP(ctx, l, handler, o.Log) })
	}
	public := http.NewServeMux()
	public.Handle(websocket.HubPath, gate)
	public.Handle(websocket.EventPath, gate)
	public.Handle("/", https.Handler(r.Hub, r.jobs))
	web("HTTPS", tls.NewListener(all.https, ca.tlsConfig()), public)
	port := r.Info.Ports.MQTT
	if port == StandardPorts().MQTT {
		port = 0
	}
	web("control interface", all.control, control.Handler(r.Hub, secret, []string{all.control.Addr().String()}, port))
}

func describe(o Options, hub *iothub.Hub, all listeners, secret string) Info {
	info := Info{
		HostName:                  hub.Names().Host,
		Listen:                    o.Listen,
		Ports:                     all.ports(),
		ServiceConnectionString:   hub.ServiceConnectionString(),
		OwnerConnectionString:     hub.OwnerConnectionString(),
		EventHubsConnectionString: hub.EventHubsConnectionString(),
		Control:                   "http://" + all.control.Addr().String() + "/" + secret,
	}
	if o.Dir != "" {
		info.CA = filepath.Join(o.Dir, caFile)
	}
	return info
}

// removeInfo removes the hub.json of a hub that ran in dir before: a reader that waits for the file shall not find an old
// one.
func removeInfo(dir string) error {
	if dir == "" {
		return nil
	}
	if err := os.Remove(filepath.Join(dir, infoFile)); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("open hub: %w", err)
	}
	return nil
}

// serveHTTP runs a web server until ctx ends.
func serveHTTP(ctx context.Context, l net.Listener, handler http.Handler, log *slog.Logger) error {
	server := &http.Server{
		Handler:           handler,
		ReadHeaderTimeout: 10 * time.Second,
		ReadTimeout:       30 * time.Second,
		IdleTimeout:       2 * time.Minute,
		MaxHeaderBytes:    64 << 10,
		ErrorLog:          slog.NewLogLogger(log.Handler(), slog.LevelDebug), // such as clients that do not trust the hub
	}
	closed := make(chan struct{})
	stop := context.AfterFunc(ctx, func() {
		defer close(closed)
		grace, cancel := context.WithTimeout(context.WithoutCancel(ctx), 2*time.Second)
		defer cancel()
		if server.Shutdown(grace) != nil {
			_ = server.Close()
		}
	})
	err := server.Serve(l)
	if !stop() {
		<-closed
	}
	if errors.Is(err, http.ErrServerClosed) {
		return nil
	}
	return err
}

func newSecret() string {
	var b [16]byte
	_, _ = rand.Read(b[:])
	return hex.EncodeToString(b[:])
}
