// Package serve runs the local platform: REST, AlwaysOn and the page on one loopback port, and platform.json.
package serve

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"time"

	wire "azx/alwayson"
	"azx/extension"
	"azx/internal/folder"
	"azx/internal/local/thingworx"
	"azx/internal/local/thingworx/alwayson"
	"azx/internal/local/thingworx/history"
	"azx/internal/local/thingworx/importer"
	"azx/internal/local/thingworx/page"
	"azx/internal/local/thingworx/rest"
	"azx/internal/local/thingworx/store"
	"azx/internal/supervise"
)

// user owns the platform's application key.
const user = "Administrator"

// DefaultListen is where the platform listens if nothing else is said.
const DefaultListen = "127.0.0.1:8080"

// Options say how to run a platform. The zero Options run one in memory at DefaultListen.
type Options struct {
	// Dir keeps Things, last values and the application key, and gets platform.json; empty keeps all in memory.
	Dir string
	// Memory keeps all in memory, also with a folder: that gets platform.json and the application key only.
	Memory bool
	// Listen is a loopback address with a port; port 0 is any free one; default DefaultListen.
	Listen string
	// NextFreePort takes the next free port when Listen's is in use, instead of giving up.
	NextFreePort bool
	// NoGroupBind makes a BIND of a routing group a plain one: it does not carry the requests of device Things.
	NoGroupBind bool
	// Unknown is what becomes of pushed values for properties that a Thing does not have; default thingworx.UnknownStrict.
	Unknown thingworx.UnknownMode
	// Bare leaves out the two extension packages, which are installed, or brought up to date, otherwise.
	Bare bool
	// SilentImport takes packages and exports by REST as a real platform does: without a word of what it drops, keeps broken
	// or refuses.
	SilentImport bool
	// LedgerEntries is how many acknowledged values the ledger keeps; default 1,000,000.
	LedgerEntries int
	// Log gets what happens; default nothing.
	Log *slog.Logger
	// Notice gets the sentences a person at the terminal should read, such as a port that was taken; default nothing.
	Notice func(text string)
}

func (o Options) withDefaults() Options {
	if o.Listen == "" {
		o.Listen = DefaultListen
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	if o.Notice == nil {
		o.Notice = func(string) {}
	}
	return o
}

// Running is a platform that accepts connections.
type Running struct {
	// Info says how to reach it.
	Info Info
	// Platform is its core.
	Platform *thingworx.Platform

	group *supervise.Group
	lock  *folder.Lock // of Options.Dir; nil without one
	files []io.Closer  // of the folder
}

// Start opens the platform and its port and returns when clients can connect. It runs until ctx ends, Stop is called,
// or one of its parts fails; call Wait in any case.
func Start(ctx context.Context, o Options) (*Running, error) {
	o = o.withDefaults()
	r := &Running{group: supervise.New(ctx)}
	if err := r.open(o); err != nil {
		r.Stop()
		return nil, errors.Join(err, r.Wait())
	}
	return r, nil
}

// open takes the folder, makes the core, opens the port and starts the fronts.
func (r *Running) open(o Options) error {
	options := thingworx.Options{LedgerEntries: o.LedgerEntries, NoGroupBind: o.NoGroupBind, Unknown: o.Unknown, Log: o.Log}
	key := newKey()
	if o.Dir != "" {
		var err error
		if key, err = r.claim(o.Dir); err != nil {
			return fmt.Errorf("open platform: %w", err)
		}
		if !o.Memory {
			err = r.keep(o.Dir, &options)
		}
		if err != nil {
			return fmt.Errorf("open platform: %w", err)
		}
	}
	var err error
	if r.Platform, err = thingworx.New(options); err != nil {
		return fmt.Errorf("open platform: %w", err)
	}
	if !o.Bare {
		if err := installExtensions(r.Platform); err != nil {
			return fmt.Errorf("open platform: %w", err)
		}
	}
	r.Platform.AddKey(key, user)
	l, err := listen(o)
	if err != nil {
		return err
	}
	r.Info = newInfo(l.Addr().String(), key)
	if err := r.start(l, o); err != nil {
		return errors.Join(err, l.Close())
	}
	if o.Dir != "" {
		return r.Info.write(o.Dir)
	}
	return nil
}

// Stop asks the platform to end. It does not wait.
func (r *Running) Stop() { r.group.Stop() }

// Wait returns when all connections have ended and the state is saved, with the error that ended it, if any.
func (r *Running) Wait() error {
	err := r.group.Wait()
	for _, f := range slices.Backward(r.files) {
		err = errors.Join(err, f.Close())
	}
	r.files = nil
	if r.lock != nil {
		err = errors.Join(err, r.lock.Close())
		r.lock = nil
	}
	return err
}

// claim takes the folder for this platform and returns its application key. It removes the platform.json of one that
// ran before: whoever waits for the file shall not find an old one.
func (r *Running) claim(dir string) (key string, err error) {
	if r.lock, err = folder.Take(dir, "azx platform"); err != nil {
		return "", fmt.Errorf("folder %s: %w", dir, err)
	}
	if err := os.Remove(filepath.Join(dir, infoFile)); err != nil && !errors.Is(err, os.ErrNotExist) {
		return "", err
	}
	return keptKey(dir)
}

// keep opens the files of the folder that has been taken.
func (r *Running) keep(dir string, o *thingworx.Options) error {
	old := filepath.Join(dir, oldStateFile)
	if _, err := os.Stat(old); err == nil {
		return fmt.Errorf("%s is of an earlier version, whose Things this one does not read: move the file away and make them anew,"+
			" or take another folder", old)
	}
	state, err := store.Open(filepath.Join(dir, stateFile), store.Options{})
	if err != nil {
		return err
	}
	r.files = append(r.files, state)
	values, err := history.Open(filepath.Join(dir, historyFile), history.Options{NoSync: true})
	if err != nil {
		return err
	}
	r.files = append(r.files, values)
	o.Store, o.History = state, values
	return nil
}

// installExtensions installs the two packages of this program, unless these versions, or newer ones, are there already.
func installExtensions(p *thingworx.Platform) error {
	bundle, err := extension.Build()
	if err != nil {
		return err
	}
	packages, err := importer.Read(bundle.All.Bytes)
	if err != nil {
		return err
	}
	packages = slices.DeleteFunc(packages, func(pkg *importer.Package) bool {
		have, err := p.Package(pkg.Info.Name)
		return err == nil && !importer.Older(have.Version, pkg.Info.Version)
	})
	if len(packages) == 0 {
		return nil
	}
	_, err = p.Install(context.Background(), packages, thingworx.InstallOptions{})
	return err
}

// start runs the fronts and the saving of state. The saving starts first and, having a context of its own, ends after
// the fronts.
func (r *Running) start(l net.Listener, o Options) error {
	front, err := alwayson.New(context.WithoutCancel(r.group.Context()), r.Platform, o.Log)
	if err != nil {
		return err
	}
	people, err := page.New(r.Platform, o.Log)
	if err != nil {
		return errors.Join(err, front.Close())
	}
	api := rest.New(r.Platform, rest.Options{Silent: o.SilentImport, Log: o.Log})
	mux := http.NewServeMux()
	mux.Handle(wire.Path, front)
	mux.Handle("/Thingworx/", api)
	mux.Handle("/azx/ledger", api)
	mux.Handle("/azx/events", api)
	mux.Handle("/azx/unknown-properties", api)
	mux.Handle("/azx/stuck-things", api)
	mux.Handle("/", people)
	r.group.Go("web server", func(ctx context.Context) error {
		saving := supervise.New(context.WithoutCancel(ctx))
		saving.Go("state", r.Platform.Run)
		err := serveHTTP(ctx, l, mux, o.Log)
		err = errors.Join(err, front.Close())
		saving.Stop()
		return errors.Join(err, saving.Wait())
	})
	return nil
}

// serveHTTP runs a web server until ctx ends. Requests see ctx end, so that streams end by themselves.
func serveHTTP(ctx context.Context, l net.Listener, handler http.Handler, log *slog.Logger) error {
	server := &http.Server{
		Handler:           handler,
		ReadHeaderTimeout: 10 * time.Second,
		ReadTimeout:       time.Minute,
		IdleTimeout:       2 * time.Minute,
		MaxHeaderBytes:    64 << 10,
		BaseContext:       func(net.Listener) context.Context { return ctx },
		ErrorLog:          slog.NewLogLogger(log.Handler(), slog.LevelDebug),
	}
	closed := make(chan struct{})
	stop := context.AfterFunc(ctx, func() {
		defer close(closed)
		grace, cancel := context.WithTimeout(context.WithoutCancel(ctx), 2*time.Second)
		defer cancel()
		if server.Shutdown(grace) != nil {
			_ = server.Close() // what did not end in time is cut
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
