package app

import (
	"context"
	"errors"
	"iter"
	"net/url"
	"path/filepath"
	"strconv"
	"sync"

	"azx/internal/delivery"
	"azx/internal/fault"
	"azx/internal/ingress"
	"azx/internal/message"
	"azx/internal/observe"
	"azx/internal/quarantine"
	"azx/internal/supervise"
)

// deadFolder is where the dead letters are, in the folder of the quarantine.
const deadFolder = "dead"

// Bounds of what a list answers.
const (
	mostListed   = 10_000
	fewestListed = 50 // where nobody says how many
)

// PutAside is a record of the quarantine as people see it. In a list it has no body, no properties and no annotations.
type PutAside struct {
	quarantine.Record
	State string `json:"state,omitempty"` // "superseded"; "" for one that can be replayed
}

// Listing is what a selection takes.
type Listing struct {
	Records []PutAside                  `json:"records"` // the oldest, as many as were asked for
	Total   int                         `json:"total"`
	Reasons map[string]quarantine.Tally `json:"reasons"`           // of all that it takes
	Damaged []string                    `json:"damaged,omitempty"` // lines that cannot be read, the first ten
}

// listing reads a folder. full gives the records whole.
func listing(ctx context.Context, dir string, s quarantine.Selection, most int, full bool) (Listing, error) {
	l := Listing{Records: []PutAside{}, Reasons: map[string]quarantine.Tally{}}
	for r, err := range quarantine.List(filepath.Join(dir, deadFolder)) {
		if ctx.Err() != nil {
			return l, ctx.Err()
		}
		if err != nil {
			if len(l.Damaged) < 10 {
				l.Damaged = append(l.Damaged, err.Error())
			}
			continue
		}
		if !s.Takes(r) {
			continue
		}
		l.Total++
		tally := l.Reasons[r.Reason]
		tally.Records, tally.Bytes = tally.Records+1, tally.Bytes+r.Bytes()
		if r.State == quarantine.Superseded {
			tally.Superseded++
		}
		l.Reasons[r.Reason] = tally
		if len(l.Records) < most {
			if !full {
				r.Body, r.Properties, r.System = nil, nil, nil
			}
			l.Records = append(l.Records, PutAside{r, string(r.State)})
		}
	}
	return l, nil
}

// desk is where an operator asks for the quarantine: admin.Quarantine.
type desk struct {
	*connector
	acting sync.Mutex // held by the one replay or drop that runs
}

var errActing = errors.New("a replay or a drop is under way; wait until it has ended")

// List is admin.Quarantine's.
func (d *desk) List(ctx context.Context, query url.Values) (any, error) {
	s, err := selection(query)
	if err != nil {
		return nil, err
	}
	most := fewestListed
	if text := query.Get("limit"); text != "" {
		if most, err = strconv.Atoi(text); err != nil || most < 0 || most > mostListed {
			return nil, fault.Reject("list the quarantine", "", "limit: want 0 to %d", mostListed)
		}
	}
	full := query.Get("full") == "true"
	if full && len(s.IDs) == 0 {
		return nil, fault.Reject("list the quarantine", "", "whole records are shown by their ids")
	}
	return listing(ctx, d.Config.Quarantine.Dir, s, most, full)
}

func selection(query url.Values) (quarantine.Selection, error) {
	s, err := quarantine.ParseSelection(query)
	if err != nil {
		return s, fault.Reject("read the selection", "", "%w", err)
	}
	return s, nil
}

// chosen reads what is to be acted on: everything must be asked for in words.
func chosen(query url.Values) (quarantine.Selection, error) {
	s, err := selection(query)
	if err == nil && s.IsAll() && query.Get("all") != "true" {
		err = fault.Reject("act on the quarantine", "name records, --reason, --device or --since, or say --all", "nothing is selected")
	}
	return s, err
}

// Dropped is what came of a drop.
type Dropped struct {
	Dropped int `json:"dropped"`
}

// Drop is admin.Quarantine's.
func (d *desk) Drop(ctx context.Context, query url.Values) (any, error) {
	s, err := chosen(query)
	if err != nil {
		return nil, err
	}
	if !d.acting.TryLock() {
		return nil, errActing
	}
	defer d.acting.Unlock()
	var answer Dropped
	for some := range batches(d.dead.List, s.Takes) {
		n, err := settleAll(ctx, some, func(ctx context.Context, r quarantine.Record) (bool, error) {
			return d.dead.Settle(ctx, r, quarantine.Dropped)
		})
		answer.Dropped += n
		if err != nil {
			return nil, err
		}
	}
	if err := d.dead.Reclaim(ctx); err != nil {
		return nil, err
	}
	d.Log.Warn("an operator has dropped messages of the quarantine", "event", "quarantine-dropped", "messages", answer.Dropped)
	return answer, nil
}

// batches gives the records of a list that are taken, without their bodies, as many at once as share a sync. What is damaged
// cannot be selected.
func batches(list iter.Seq2[quarantine.Record, error], takes func(quarantine.Record) bool) iter.Seq[[]quarantine.Record] {
	return func(yield func([]quarantine.Record) bool) {
		var some []quarantine.Record
		for r, err := range list {
			if err != nil || !takes(r) {
				continue
			}
			r.Body = nil
			if some = append(some, r); len(some) == maxPuts {
				if !yield(some) {
					return
				}
				some = nil
			}
		}
		if len(some) > 0 {
			yield(some)
		}
	}
}

// settleAll settles records at the same time, so that they share a sync, and returns how many there were to settle.
func settleAll(ctx context.Context, records []quarantine.Record, settle func(context.Context, quarantine.Record) (bool, error)) (done int, err error) {
	var mu sync.Mutex
	group := supervise.New(ctx)
	for _, r := range records {
		group.Go("settle", func(ctx context.Context) error {
			settled, err := settle(ctx, r)
			mu.Lock()
			defer mu.Unlock()
			if settled {
				done++
			}
			return err
		})
	}
	err = group.Wait()
	return done, errors.Join(err, ctx.Err())
}

// Replay is admin.Quarantine's.
func (d *desk) Replay(ctx context.Context, query url.Values) (any, error) {
	s, err := chosen(query)
	if err != nil {
		return nil, err
	}
	if len(d.carriers()) == 0 {
		return nil, &fault.Problem{Op: "replay", Class: fault.Transient, Cause: errStarting, Hint: "/readyz says what is missing"}
	}
	if !d.acting.TryLock() {
		return nil, errActing
	}
	defer d.acting.Unlock()
	a := &archive{store: d.dead, meter: d.meter, records: map[uint64]quarantine.Record{}}
	replay := ingress.Replay{Way: d.way, Archive: a}
	tally, err := replay.Run(ctx, a.messages(s))
	d.Log.Info("messages of the quarantine were replayed", "event", "quarantine-replayed", "delivered", tally.Delivered,
		"superseded", tally.Superseded, "refused", sum(tally.Refused), "elsewhere", tally.Elsewhere)
	if err = errors.Join(err, d.dead.Reclaim(context.WithoutCancel(ctx))); err != nil {
		return nil, err
	}
	return tally, nil
}

func sum(counts map[string]int) (n int) {
	for _, c := range counts {
		n += c
	}
	return n
}

// way is how a message of the quarantine travels: as those that come from its partition now.
func (c *connector) way(m *message.Message) (ingress.Way, bool) {
	for _, k := range c.carriers() {
		if k.thing != m.Hub {
			continue
		}
		for _, p := range k.state.partitions() {
			held := func() bool { return p.View().Held }
			if p.ID == m.Partition && held() {
				return ingress.Way{Translator: k.aside.Translator, Writer: k.writer, Forget: k.writer.Forget, Held: held}, true
			}
		}
	}
	return ingress.Way{}, false
}

// archive is the store of dead letters as ingress.Archive.
type archive struct {
	store   *quarantine.Store
	meter   *observe.Metrics
	records map[uint64]quarantine.Record // in flight
}

// messages are the records of a selection that can be replayed.
func (a *archive) messages(s quarantine.Selection) iter.Seq2[ingress.Archived, error] {
	return func(yield func(ingress.Archived, error) bool) {
		last := a.store.LastID() // what the replay puts in the place of a record comes behind those that were there
		for r, err := range a.store.List {
			if err != nil || r.ID > last || r.State != quarantine.Open || !s.Takes(r) {
				continue // what is damaged cannot be selected
			}
			a.records[r.ID] = r
			if !yield(ingress.Archived{Message: r.Message(), ID: r.ID}, nil) {
				return
			}
		}
	}
}

// Settle is ingress.Archive's. A record whose replay is refused as before stays as it is; if the reason is another one, a
// record with that takes its place.
func (a *archive) Settle(ctx context.Context, ended []ingress.Replayed) error {
	records, outcomes := make([]quarantine.Record, len(ended)), map[uint64]ingress.Replayed{}
	for i, e := range ended {
		records[i], outcomes[e.ID] = a.records[e.ID], e
		delete(a.records, e.ID)
	}
	_, err := settleAll(ctx, records, func(ctx context.Context, r quarantine.Record) (bool, error) {
		e := outcomes[r.ID]
		switch e.Kind {
		case delivery.Unwanted:
			return false, nil
		case delivery.Accepted:
			a.meter.Replayed(e.Hub, "delivered")
			return a.store.Settle(ctx, r, quarantine.Delivered)
		case delivery.Superseded:
			a.meter.Replayed(e.Hub, "superseded")
			return a.store.Settle(ctx, r, quarantine.Superseded)
		}
		a.meter.Replayed(e.Hub, "refused")
		if e.Reason == r.Reason {
			return false, nil
		}
		again := quarantine.FromMessage(e.Message, e.Reason, e.Stage, e.Err)
		again.Thing = message.ThingName(e.DeviceID)
		return a.store.Replace(ctx, r, again)
	})
	return err
}

// recordsPutAside tells a scrape of the quarantine.
func (c *connector) recordsPutAside() map[string]observe.Records {
	all := map[string]observe.Records{}
	for reason, t := range c.dead.Counts() {
		all[reason] = observe.Records{Number: t.Records, Bytes: t.Bytes}
	}
	return all
}

// Resumed is what came of asking for reading to go on.
type Resumed struct {
	Hubs []string `json:"hubs"` // that paused
}

// Resume is admin.Quarantine's.
func (d *desk) Resume(context.Context, url.Values) (any, error) {
	answer := Resumed{Hubs: []string{}}
	for _, k := range d.carriers() {
		if k.trip.Resume() {
			answer.Hubs = append(answer.Hubs, k.thing)
			d.Log.Warn("an operator has reading go on", "event", "reading-resumed", "hub", k.thing)
		}
	}
	return answer, nil
}
