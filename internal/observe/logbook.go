package observe

import (
	"context"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"time"
	"unicode/utf8"
)

const (
	logbookLines = 1000    // that are kept, the newest
	maxLine      = 4 << 10 // bytes of a line that are kept
)

// LogLine is a line of the log.
type LogLine struct {
	Time  time.Time
	Level string // "DEBUG", "INFO", "WARN" or "ERROR"
	Text  string // the message and its attributes, as name=value
}

// Logbook passes the lines of a log on and keeps the newest, so that they can be asked for. Its level may change while it
// is used. NewLogbook makes one.
type Logbook struct {
	level *slog.LevelVar
	pages *pages
	next  slog.Handler
	attrs string // of With, as text
	group string // of WithGroup, with a dot behind it
}

// pages is what is kept, by all handlers made of one Logbook.
type pages struct {
	mu    sync.Mutex
	lines []LogLine
	at    int // where the oldest is once all are full
}

// NewLogbook returns a handler in front of next, with the level that next has.
func NewLogbook(next slog.Handler) *Logbook {
	l := &Logbook{level: new(slog.LevelVar), pages: &pages{}, next: next}
	l.level.Set(slog.LevelError)
	for _, level := range []slog.Level{slog.LevelDebug, slog.LevelInfo, slog.LevelWarn} {
		if next.Enabled(context.Background(), level) {
			l.level.Set(level)
			break
		}
	}
	return l
}

// Level returns the level from which lines are written: "DEBUG", "INFO", "WARN" or "ERROR".
func (l *Logbook) Level() string { return l.level.Level().String() }

// SetLevel changes it; the name may be in any case. Names that ThingWorx has beside these are taken as well: TRACE, ALL,
// OFF.
func (l *Logbook) SetLevel(name string) error {
	level, err := parseLevel(name)
	if err == nil {
		l.level.Set(level)
	}
	return err
}

func parseLevel(name string) (slog.Level, error) {
	switch strings.ToUpper(strings.TrimSpace(name)) {
	case "TRACE", "ALL", "DEBUG":
		return slog.LevelDebug, nil
	case "INFO":
		return slog.LevelInfo, nil
	case "WARN":
		return slog.LevelWarn, nil
	case "ERROR", "OFF":
		return slog.LevelError, nil
	}
	return 0, fmt.Errorf("log level %q: want DEBUG, INFO, WARN or ERROR", shorten(name, 40))
}

// LogQuery says which lines are wanted. Zero fields leave out nothing.
type LogQuery struct {
	From, To time.Time // inclusive
	Level    string    // this and above
	Contains string    // in the text, in any case
	Most     int       // the newest of those that fit
	Oldest   bool      // the oldest first; else the newest
}

// Lines returns the lines that fit. The error is a level that there is not.
func (l *Logbook) Lines(q LogQuery) ([]LogLine, error) {
	least := slog.LevelDebug
	if q.Level != "" {
		var err error
		if least, err = parseLevel(q.Level); err != nil {
			return nil, err
		}
	}
	var found []LogLine
	for _, line := range l.pages.newest() {
		if q.Most > 0 && len(found) == q.Most {
			break
		}
		if q.fits(line, least) {
			found = append(found, line)
		}
	}
	if q.Oldest {
		for i, j := 0, len(found)-1; i < j; i, j = i+1, j-1 {
			found[i], found[j] = found[j], found[i]
		}
	}
	return found, nil
}

func (q LogQuery) fits(line LogLine, least slog.Level) bool {
	level, _ := parseLevel(line.Level)
	return level >= least && (q.From.IsZero() || !line.Time.Before(q.From)) && (q.To.IsZero() || !line.Time.After(q.To)) &&
		strings.Contains(strings.ToLower(line.Text), strings.ToLower(q.Contains))
}

func (p *pages) add(line LogLine) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(p.lines) < logbookLines {
		p.lines = append(p.lines, line)
		return
	}
	p.lines[p.at] = line
	p.at = (p.at + 1) % logbookLines
}

// newest returns a copy, the newest line first.
func (p *pages) newest() []LogLine {
	p.mu.Lock()
	defer p.mu.Unlock()
	all := make([]LogLine, 0, len(p.lines))
	for i := range p.lines {
		all = append(all, p.lines[(p.at+len(p.lines)-1-i)%len(p.lines)])
	}
	return all
}

// Enabled is slog.Handler's.
func (l *Logbook) Enabled(_ context.Context, level slog.Level) bool { return level >= l.level.Level() }

// Handle is slog.Handler's.
func (l *Logbook) Handle(ctx context.Context, r slog.Record) error {
	var b strings.Builder
	b.WriteString(r.Message)
	b.WriteString(l.attrs)
	r.Attrs(func(a slog.Attr) bool {
		writeAttr(&b, l.group, a)
		return b.Len() < maxLine
	})
	l.pages.add(LogLine{Time: r.Time, Level: r.Level.String(), Text: shorten(b.String(), maxLine)})
	return l.next.Handle(ctx, r)
}

// WithAttrs is slog.Handler's.
func (l *Logbook) WithAttrs(attrs []slog.Attr) slog.Handler {
	var b strings.Builder
	for _, a := range attrs {
		writeAttr(&b, l.group, a)
	}
	with := *l
	with.attrs, with.next = l.attrs+b.String(), l.next.WithAttrs(attrs)
	return &with
}

// WithGroup is slog.Handler's.
func (l *Logbook) WithGroup(name string) slog.Handler {
	with := *l
	with.group, with.next = l.group+name+".", l.next.WithGroup(name)
	return &with
}

func writeAttr(b *strings.Builder, group string, a slog.Attr) {
	v := a.Value.Resolve()
	if v.Kind() == slog.KindGroup {
		for _, inner := range v.Group() {
			writeAttr(b, group+a.Key+".", inner)
		}
		return
	}
	fmt.Fprintf(b, " %s%s=%s", group, a.Key, v)
}

// shorten cuts text to so many bytes, between characters.
func shorten(text string, most int) string {
	if len(text) <= most {
		return text
	}
	for !utf8.RuneStart(text[most]) {
		most--
	}
	return text[:most] + "..."
}
