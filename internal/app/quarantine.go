package app

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"strconv"

	"azx/internal/config"
	"azx/internal/fault"
	"azx/internal/ingress"
	"azx/internal/quarantine"
)

// Selection says which records of the quarantine are meant.
type Selection = quarantine.Selection

// MostSelected is how many records a Selection may name.
const MostSelected = quarantine.MostIDs

// ErrNoRecord is an id under which nothing is put aside.
var ErrNoRecord = quarantine.ErrUnknown

// ReplayTally is what a replay has come to.
type ReplayTally = ingress.ReplayTally

// mostAnswer bounds what is read of a connector's answer, in bytes.
const mostAnswer = 64 << 20

// ListQuarantine returns the records that a selection takes, the oldest first and not more than most: from the connector that
// runs with the file, or from the folder if none does. full gives them whole, by their ids.
func ListQuarantine(ctx context.Context, c *config.Config, s Selection, most int, full bool) (Listing, error) {
	query := s.Values()
	query.Set("limit", strconv.Itoa(most))
	query.Set("full", strconv.FormatBool(full))
	var l Listing
	err := askQuarantine(ctx, c, http.MethodGet, "list the quarantine", "/quarantine?"+query.Encode(), &l)
	if !errors.Is(err, errNoConnector) {
		return l, err
	}
	if _, err := os.Stat(filepath.Join(c.Quarantine.Dir, deadFolder)); err != nil {
		p := &fault.Problem{Op: "list the quarantine", Class: fault.Fatal, Cause: err, Hint: "run this as the user that runs the connector"}
		if errors.Is(err, fs.ErrNotExist) {
			p.Hint = "is this the connector's file? quarantine.dir is relative to where it runs"
		}
		return l, p
	}
	return listing(ctx, c.Quarantine.Dir, s, most, full)
}

// DropQuarantine has the connector let records go; a selection without a condition means all.
func DropQuarantine(ctx context.Context, c *config.Config, s Selection) (d Dropped, err error) {
	return d, actOnQuarantine(ctx, c, "drop", s, &d)
}

// ReplayQuarantine has the connector try records again; a selection without a condition means all.
func ReplayQuarantine(ctx context.Context, c *config.Config, s Selection) (t ReplayTally, err error) {
	return t, actOnQuarantine(ctx, c, "replay", s, &t)
}

// ResumeReading has the connector read on that paused because everything was refused.
func ResumeReading(ctx context.Context, c *config.Config) (r Resumed, err error) {
	return r, actOnQuarantine(ctx, c, "resume", Selection{}, &r)
}

func actOnQuarantine(ctx context.Context, c *config.Config, act string, s Selection, answer any) error {
	query := s.Values()
	if s.IsAll() {
		query.Set("all", "true")
	}
	err := askQuarantine(ctx, c, http.MethodPost, act+" messages of the quarantine", "/quarantine/"+act+"?"+query.Encode(), answer)
	if errors.Is(err, errNoConnector) {
		return &fault.Problem{Op: act + " messages of the quarantine", Cause: err, Hint: "start it: azx run; it is the connector that does this"}
	}
	return err
}

func askQuarantine(ctx context.Context, c *config.Config, method, op, path string, answer any) error {
	body, err := askAdmin(ctx, op, c.Quarantine.Dir, method, path)
	if err != nil {
		return err
	}
	defer body.Close()
	if err := json.NewDecoder(io.LimitReader(body, mostAnswer)).Decode(answer); err != nil {
		return &fault.Problem{Op: op, Cause: fmt.Errorf("read the answer: %w", err)}
	}
	return nil
}
