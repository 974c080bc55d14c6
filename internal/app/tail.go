package app

import (
	"bufio"
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"

	"azx/internal/config"
	"azx/internal/delivery"
	"azx/internal/fault"
	"azx/internal/folder"
	"azx/internal/ingress"
	"azx/internal/message"
	"azx/internal/supervise"
	"azx/internal/tail"
)

// adminFile tells this machine's owner how to reach a connector that runs. It is in the quarantine's folder, which one
// connector has alone.
const adminFile = "admin.json"

// maxSeenLine bounds a line of a stream, in bytes.
const maxSeenLine = 4 << 20

// adminAccess is its content.
type adminAccess struct {
	Address string `json:"address"` // host:port
	Key     string `json:"key"`     // for what is nobody else's business
}

// newAdminKey makes the key of this process.
func newAdminKey() string { return strings.ToLower(rand.Text()) }

func (c *connector) tellAdmin(key string) error {
	text, err := json.Marshal(adminAccess{c.admin.Addr(), key})
	if err == nil {
		err = folder.Replace(filepath.Join(c.Config.Quarantine.Dir, adminFile), append(text, '\n'))
	}
	if err != nil {
		return &fault.Problem{Op: "write " + adminFile, Class: fault.Fatal, Cause: err, Hint: "the folder of quarantine.dir must be writable"}
	}
	return nil
}

// TailOptions say which messages are watched, and where.
type TailOptions struct {
	Config *config.Config
	Device string // "" for all
	Stage  tail.Stage
	// Standalone reads the hub itself, beside whoever reads, from now on.
	Standalone bool
	Hub        string       // standalone: a hub Thing of the file; "" for the only one
	Group      string       // standalone: the consumer group to look through; "" for the file's
	Notice     func(string) // hears what a person should know
}

// Tail tells messages as they pass, until ctx ends or tell returns an error. It watches the connector that runs with the
// file. If none does, it reads the hub itself, which shows no writes.
func Tail(ctx context.Context, o TailOptions, tell func(Seen) error) error {
	if !o.Standalone {
		stream, err := openTail(ctx, o)
		if err == nil {
			defer stream.Close()
			return readTail(ctx, stream, o.Notice, tell)
		}
		if !errors.Is(err, errNoConnector) {
			return err
		}
		if o.Stage == tail.Written {
			return &fault.Problem{Op: "watch what is written", Cause: err, Hint: "start it: azx run; or see what it would write: azx dry-run"}
		}
		o.Notice("no connector runs with this file: the hub is read beside others, from now on")
	}
	if o.Stage == tail.Written {
		return fault.Reject("watch what is written", "azx dry-run shows what would be", "without a connector nothing is written")
	}
	return tailAlone(ctx, o, tell)
}

var errNoConnector = errors.New("no connector runs with this file")

// openTail asks the connector for a stream.
func openTail(ctx context.Context, o TailOptions) (io.ReadCloser, error) {
	const op = "watch the connector"
	query := url.Values{"stage": {string(o.Stage)}, "device": {o.Device}}
	return askAdmin(ctx, op, o.Config.Quarantine.Dir, http.MethodGet, "/tail?"+query.Encode())
}

// askAdmin asks the connector that has a folder of messages put aside, with the key that is there. The error is
// errNoConnector if none runs; the answer is one that says yes.
func askAdmin(ctx context.Context, op, dir, method, path string) (io.ReadCloser, error) {
	text, err := os.ReadFile(filepath.Join(dir, adminFile))
	var access adminAccess
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil, errNoConnector
	case err != nil:
		return nil, &fault.Problem{Op: op, Class: fault.Fatal, Cause: err, Hint: "run this as the user that runs the connector"}
	}
	if err := json.Unmarshal(text, &access); err != nil {
		return nil, &fault.Problem{Op: op, Class: fault.Fatal, Cause: fmt.Errorf("%s: %w", adminFile, err)}
	}
	request, err := http.NewRequestWithContext(ctx, method, "http://"+access.Address+path, nil)
	if err != nil {
		return nil, err
	}
	request.Header.Set("Authorization", "Bearer "+access.Key)
	if method != http.MethodGet {
		request.Header.Set("X-Azx", "quarantine") // a page in a browser cannot send this without being asked first
	}
	client := http.Client{Transport: &http.Transport{DisableKeepAlives: true}} // never through a proxy: it is on loopback
	answer, err := client.Do(request)
	var dialling *net.OpError
	switch {
	case errors.As(err, &dialling) && dialling.Op == "dial":
		return nil, errNoConnector
	case err != nil:
		return nil, &fault.Problem{Op: op, Cause: err}
	case answer.StatusCode != http.StatusOK:
		defer answer.Body.Close()
		said, _ := io.ReadAll(io.LimitReader(answer.Body, 600)) // whatever came of it
		what, hint, _ := strings.Cut(strings.TrimSpace(string(said)), "\n")
		return nil, &fault.Problem{Op: op, Cause: fmt.Errorf("%s: %s", answer.Status, what), Hint: hint}
	}
	return answer.Body, nil
}

// readTail reads the stream.
func readTail(ctx context.Context, stream io.Reader, notice func(string), tell func(Seen) error) error {
	lines := bufio.NewScanner(stream)
	lines.Buffer(nil, maxSeenLine)
	for lines.Scan() {
		var line struct {
			Seen
			Dropped int `json:"dropped"`
		}
		if err := json.Unmarshal(lines.Bytes(), &line); err != nil {
			return fmt.Errorf("watch the connector: %w", err)
		}
		if line.Dropped > 0 {
			notice(fmt.Sprintf("%d messages passed too fast to be shown", line.Dropped))
			continue
		}
		if err := tell(line.Seen); err != nil {
			return err
		}
	}
	if ctx.Err() != nil {
		return nil
	}
	return &fault.Problem{Op: "watch the connector", Cause: cmpError(lines.Err(), io.EOF), Hint: "it has stopped, or ten minutes are over"}
}

func cmpError(err, otherwise error) error {
	if err != nil {
		return err
	}
	return otherwise
}

// tailAlone reads the hub beside whoever reads.
func tailAlone(ctx context.Context, o TailOptions, tell func(Seen) error) (err error) {
	c := newConnector(Options{Config: o.Config, Starts: Starts{"": {Latest: true}}, Log: slog.New(slog.DiscardHandler)})
	h, err := c.oneHub(o.Hub)
	if err != nil {
		return err
	}
	group := supervise.New(ctx)
	defer func() {
		group.Stop()
		err = errors.Join(err, group.Wait())
		if ctx.Err() != nil { // the end that was asked for
			err = nil
		}
	}()
	file := h.file.Load()
	k, err := h.look(group, !file.ConnectionString.IsSet() && !file.EventHubsConnectionString.IsSet())
	if err != nil {
		return err
	}
	if o.Group == "" {
		o.Group = k.hub.ConsumerGroup
	}
	e, err := k.openLook(ctx, o.Group)
	if err != nil {
		return err
	}
	defer e.close()
	starts := map[string]delivery.Start{}
	for _, p := range e.partitions {
		starts[p.ID] = delivery.Start{Latest: true}
	}
	translator := &ingress.Translator{Names: &ingress.Names{}, Stamp: ingress.Stamp{Field: k.hub.TimeField}, Meter: k.meter}
	return k.read(ctx, e, starts, o.Device, func(m *message.Message) (bool, error) {
		return true, tell(seenAt(o.Stage, translator, m))
	})
}

func seenAt(stage tail.Stage, t *ingress.Translator, m *message.Message) Seen {
	if stage == tail.Received {
		return seenReceived(m)
	}
	telemetry, err := t.Translate(m)
	if err != nil {
		return undecoded(m, err)
	}
	s, err := seenDecoded(telemetry)
	if err != nil {
		return undecoded(m, err)
	}
	return s
}

// undecoded is a message without a Thing or a body that can be read.
func undecoded(m *message.Message, err error) Seen {
	s := seen(m)
	if rule, skipped := ingress.SkippedBy(err); skipped {
		s.Result, s.Reason = delivery.Skipped.String(), rule
		return s
	}
	s.Result, s.Reason, s.Error, s.Hint = delivery.Quarantined.String(), delivery.Undecodable, err.Error(), fault.HintOf(err)
	return s
}
