package app

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"

	"azx/internal/config"
	"azx/internal/fault"
)

// Reloaded is what came of reading the configuration again: the answer of the admin surface.
type Reloaded struct {
	Connector string          `json:"connector"`         // its name
	Live      []config.Change `json:"live,omitempty"`    // in effect
	Restart   []config.Change `json:"restart,omitempty"` // wait for a restart
	Refused   string          `json:"refused,omitempty"` // why nothing was taken; "" if it was
	Hint      string          `json:"hint,omitempty"`
	// Unreachable says that it was refused because a system does not answer, or does not let the connector in.
	Unreachable bool `json:"unreachable,omitempty"`
}

// reread reads the file again and takes it, with what the hub Things said last.
func (r *reloader) reread(ctx context.Context) Reloaded {
	r.sync()
	file, warnings, err := r.Reread()
	if err == nil {
		file, err = file.Pinned()
	}
	if err == nil {
		_, err = r.readVaults(ctx, file)
	}
	var took taken
	if err == nil {
		took, err = r.take(ctx, file)
	}
	answer := Reloaded{Connector: r.Config.Name, Live: took.live, Restart: took.restart}
	if err != nil {
		r.counted("refused", err.Error())
		r.tellRefusal(err, "file", r.hubThings())
		class := fault.ClassOf(err)
		answer.Refused, answer.Hint = err.Error(), fault.HintOf(err)
		answer.Unreachable = class == fault.Transient || class == fault.Credential
		return answer
	}
	for _, w := range warnings {
		r.Log.Warn(w.String(), "event", "config-warning")
	}
	if r.sameHubs(file) {
		r.current = file
	}
	r.pending = ""
	r.counted(took.result(), "")
	if len(took.live)+len(took.restart) == 0 {
		r.Log.Info("the file was read again; nothing has changed", "event", "settings-same", "hub", r.hubThings(), "from", "file")
	}
	r.tell(took, "file", r.hubThings())
	return answer
}

// sameHubs reports whether a file has the hubs that the connector began with, at the same places.
func (r *reloader) sameHubs(file *config.Config) bool {
	for i := range r.each {
		if !sameThing(file, r.current, i) {
			return false
		}
	}
	return true
}

// counted counts what came of a file for each hub, and remembers what was told of it.
func (r *reloader) counted(result, said string) {
	for _, h := range r.each {
		r.meter.Reloaded(h.thing, result)
		h.said = said
	}
}

// hubThings names all hubs.
func (c *connector) hubThings() string {
	things := make([]string, len(c.hubs))
	for i, h := range c.hubs {
		things[i] = h.thing
	}
	return strings.Join(things, ", ")
}

// errNoReload is told to those who ask too early, or a connector that has no file.
var errNoReload = errors.New("the connector does not read its file again now: it is still starting, or has no file; restart it")

// reload is what the admin surface does for those who want the file to be read again.
func (c *connector) reload(ctx context.Context) (any, error) {
	if c.Reread == nil || c.health.checkStart() != nil {
		return nil, errNoReload
	}
	answer := make(chan Reloaded, 1)
	select {
	case c.asked <- answer:
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	select {
	case a := <-answer:
		return a, nil
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// reloadPatience is how long a connector may take to try new credentials.
const reloadPatience = 2 * time.Minute

// Reload has the connector whose admin surface is at an address (host:port) read its file again.
func Reload(ctx context.Context, admin string) (Reloaded, error) {
	op := "ask the connector at " + admin
	ctx, cancel := context.WithTimeout(ctx, reloadPatience)
	defer cancel()
	ask, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://"+admin+"/reload", http.NoBody)
	if err != nil {
		return Reloaded{}, fmt.Errorf("%s: %w", op, err)
	}
	ask.Header.Set("X-Azx", "reload") // a page in a browser cannot send this without being asked first
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	resp, err := client.Do(ask)
	if err != nil {
		return Reloaded{}, &fault.Problem{Op: op, Class: fault.Transient, Cause: err,
			Hint: "is it running, and is this the address of its admin surface? --admin names another one"}
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(io.LimitReader(resp.Body, 1<<20))
	if err != nil {
		return Reloaded{}, &fault.Problem{Op: op, Class: fault.Transient, Cause: err}
	}
	var answer Reloaded
	if resp.StatusCode != http.StatusOK || json.Unmarshal(body, &answer) != nil {
		return Reloaded{}, &fault.Problem{Op: op, Class: fault.Transient, Cause: fmt.Errorf("it answers %s: %.200s", resp.Status, body),
			Hint: "is it an azx connector of this version, and ready?"}
	}
	return answer, nil
}
