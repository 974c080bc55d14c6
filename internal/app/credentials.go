package app

import (
	"context"
	"errors"
	"time"

	"azx/internal/config"
)

const (
	filesEvery  = 5 * time.Second // between two looks at the files of credentials
	refusedRest = time.Minute     // before a text that was refused is tried again: whoever checks it may not know it yet
)

// credentials is what was refused of the files that credentials are read from.
type credentials struct {
	refused *config.Config    // what the files had then; nil if nothing was refused
	again   time.Time         // when that is tried again
	said    map[string]string // by the key in the file: the error that was told; "" for a file that cannot be read
}

// lookAtFiles takes credentials whose files have another text: each by itself, so that a wrong one keeps no good one out.
// With one that is refused, the former text stays.
func (r *reloader) lookAtFiles(ctx context.Context) {
	now, err := r.current.Pinned()
	said := map[string]string{}
	if err != nil {
		r.tellRefusedFile("", err, said)
	}
	changes := config.Diff(r.current, now)
	if len(changes) > 0 && r.restsWith(now) {
		r.files.said[""] = said[""]
		return
	}
	r.sync()
	for _, change := range changes {
		r.takeFile(ctx, now, change, said)
	}
	if ctx.Err() != nil {
		return
	}
	r.files = credentials{said: said}
	if len(config.Diff(r.current, now)) > 0 {
		r.files.refused, r.files.again = now, time.Now().Add(refusedRest)
	}
}

// restsWith reports whether these texts were refused a short while ago.
func (r *reloader) restsWith(now *config.Config) bool {
	return r.files.refused != nil && len(config.Diff(r.files.refused, now)) == 0 && time.Now().Before(r.files.again)
}

// takeFile takes one credential of now, or notes in said why not.
func (r *reloader) takeFile(ctx context.Context, now *config.Config, change config.Change, said map[string]string) {
	change.Live = true // as to what the file says; take finds out what that means for what is used
	with := config.Take(r.current, now, []config.Change{change})
	var took taken
	err := checkText(with, change.Hub())
	if err == nil {
		took, err = r.take(ctx, with)
	}
	switch {
	case ctx.Err() != nil:
	case err != nil:
		r.tellRefusedFile(change.Path, err, said)
	default:
		r.current = with
		r.countFile(change, took.result())
		r.tell(took, "credential file", r.hubThings())
	}
}

// checkText reports whether the connection strings of a hub are any. Those that lead elsewhere wait for a restart, untried:
// it must not fail on half a file.
func checkText(cfg *config.Config, hub int) error {
	if hub < 0 {
		return nil
	}
	k := newKeys(&cfg.Hubs[hub])
	_, _, service := k.service()
	_, _, named := k.named()
	return errors.Join(service, named)
}

// tellRefusedFile says why a text is not taken, unless that was said.
func (r *reloader) tellRefusedFile(key string, err error, said map[string]string) {
	said[key] = err.Error()
	if said[key] == r.files.said[key] {
		return
	}
	r.tellRefusal(err, "credential file", r.hubThings())
	change := config.Change{Path: key}
	r.countFile(change, "refused")
	if i := change.Hub(); i >= 0 && i < len(r.each) {
		r.each[i].tellSetting(err)
	}
}

// countFile counts what came of a credential's file for the hubs that it is for.
func (r *reloader) countFile(change config.Change, result string) {
	for i, h := range r.each {
		if of := change.Hub(); of < 0 || of == i {
			r.meter.Reloaded(h.thing, result)
		}
	}
}
