package adapter

import (
	"context"
	"errors"
	"maps"
	"slices"
	"strings"
	"time"

	"azx/alwayson/infotable"
	"azx/internal/fault"
	"azx/internal/message"
	"azx/internal/observe"
)

var (
	errNotYet   = errors.New("the connector Thing is not bound yet")
	errStopping = errors.New("the connector is stopping")
)

// Limits of an answer.
const (
	mostSamples = 2000
	mostBound   = 50_000
	mostLines   = 1000
	usualLines  = 500
)

// answers are the remote services of the connector Thing. Those of ConnectionServer are read, and their columns as far as
// they are public; the others are ours.
var answers = map[string]func(a *Adapter, params *infotable.Table) (infotable.Value, error){
	"GetInstanceId":         (*Adapter).instanceID,
	"Ping":                  (*Adapter).ping,
	"GetPerformanceMetrics": (*Adapter).performance,
	"GetSystemInformation":  (*Adapter).information,
	"GetSystemStatus":       (*Adapter).status,
	"GetBoundEntities":      (*Adapter).boundEntities,
	"GetLogEntries":         (*Adapter).logEntries,
	"GetLogLevel":           (*Adapter).logLevel,
	"SetLogLevel":           (*Adapter).setLogLevel,
	"ConfigurationChanged":  (*Adapter).configurationChanged,
	"ClearCacheEntry":       (*Adapter).clearCacheEntry,
}

// clearBound is the remote service, beside those of answers, that asks something of the platform before it is answered.
const clearBound = "ClearExternallyBoundThings"

// absent is an error about what the connector Thing does not have.
type absent struct{ error }

// NotFound lets the platform hear that there is no such thing.
func (absent) NotFound() bool { return true }

// Unwrap returns the Problem.
func (a absent) Unwrap() error { return a.error }

// Handle answers a request for the connector Thing. Its errors are fault.Problems.
func (a *Adapter) Handle(ctx context.Context, r message.Request) (infotable.Value, error) {
	op := r.Verb.String() + " " + r.Name + " of " + r.Thing
	if r.Verb != message.VerbCall {
		return infotable.Value{}, absent{fault.Reject(op, "the platform has the values that the connector told last", "a connector Thing answers services only")}
	}
	if r.Name == clearBound {
		return infotable.Nothing(), a.clearBound(ctx, op)
	}
	answer, ok := answers[r.Name]
	if !ok {
		return infotable.Value{}, absent{fault.Reject(op, "is the connector older than the extension?", "the connector has no such service")}
	}
	v, err := answer(a, r.Params)
	if err != nil {
		return v, &fault.Problem{Op: op, Class: fault.Rejected, Cause: err}
	}
	return v, nil
}

func (a *Adapter) instanceID(*infotable.Table) (infotable.Value, error) {
	return infotable.String(a.Instance), nil
}

func (a *Adapter) ping(*infotable.Table) (infotable.Value, error) { return infotable.Nothing(), nil }

func texts(names ...string) *infotable.Table {
	t := infotable.New()
	for _, name := range names {
		t.Fields = append(t.Fields, infotable.Column(name, infotable.TypeString))
	}
	return t
}

// performance has the shape ThingworxMetric.
func (a *Adapter) performance(*infotable.Table) (infotable.Value, error) {
	samples, err := a.Samples()
	t := texts("name", "description")
	t.Fields = append(t.Fields, infotable.Column("value", infotable.TypeNumber))
	for _, s := range samples[:min(len(samples), mostSamples)] {
		t.Add(infotable.String(s.Name), infotable.String(s.Help), infotable.Number(s.Value))
	}
	return infotable.FromTable(t), err
}

// information has the shape SystemInformation.
func (a *Adapter) information(*infotable.Table) (infotable.Value, error) {
	facts := map[string]string{}
	maps.Copy(facts, a.Facts())
	facts["name"], facts["instanceId"], facts["version"] = a.thing, a.Instance, a.Version
	facts["started"] = a.started.UTC().Format(time.RFC3339)
	facts["uptime"] = time.Since(a.started).Truncate(time.Second).String()
	facts["hubThings"] = strings.Join(sortedKeys(a.Groups()), ", ")
	t := texts("name", "description", "value")
	for _, name := range sortedKeys(facts) {
		t.Add(infotable.String(name), infotable.String(descriptions[name]), infotable.String(facts[name]))
	}
	return infotable.FromTable(t), nil
}

// descriptions are those of facts that everybody has.
var descriptions = map[string]string{
	"name": "connector Thing", "instanceId": "this process", "version": "of the connector", "started": "when it started",
	"uptime": "since when it runs", "hubThings": "hub Things that it serves",
}

// status has the shape SubsystemStatus.
func (a *Adapter) status(*infotable.Table) (infotable.Value, error) {
	t := texts("name", "description", "status")
	for _, c := range a.Checks() {
		status, description := Healthy, ""
		if c.Err != nil {
			status, description = Degraded, strings.ReplaceAll(c.Err.Error(), "\n", " ")
		}
		t.Add(infotable.String(c.Name), infotable.String(description), infotable.String(status))
	}
	return infotable.FromTable(t), nil
}

// boundEntities has the shape EntityList.
func (a *Adapter) boundEntities(*infotable.Table) (infotable.Value, error) {
	names := a.Bound()
	if a.State().Bound {
		names = append(slices.Clone(names), a.thing)
	}
	slices.Sort(names)
	names = slices.Compact(names)
	t := texts("name", "description", "type")
	for _, name := range names[:min(len(names), mostBound)] {
		t.Add(infotable.String(name), infotable.String(""), infotable.String("Thing"))
	}
	return infotable.FromTable(t), nil
}

// logEntries has the shape LogEntry. Parameters are those of the platform's logs.
func (a *Adapter) logEntries(params *infotable.Table) (infotable.Value, error) {
	q := observe.LogQuery{
		From: timeOf(params, "fromDate", "startDate"), To: timeOf(params, "toDate", "endDate"),
		Level: textOf(params, "level", "fromLogLevel"), Contains: textOf(params, "searchExpression"), Most: usualLines,
	}
	if n, ok := params.First("maxItems").Integer(); ok && n > 0 {
		q.Most = int(min(n, mostLines))
	}
	q.Oldest, _ = params.First("oldestFirst").Boolean()
	lines, err := a.Logbook.Lines(q)
	if err != nil {
		return infotable.Value{}, err
	}
	t := infotable.New(infotable.Column("timestamp", infotable.TypeDateTime), infotable.Column("level", infotable.TypeString),
		infotable.Column("origin", infotable.TypeString), infotable.Column("content", infotable.TypeString))
	for _, l := range lines {
		t.Add(infotable.DateTime(l.Time.UnixMilli()), infotable.String(l.Level), infotable.String(a.thing), infotable.String(l.Text))
	}
	return infotable.FromTable(t), nil
}

func (a *Adapter) logLevel(*infotable.Table) (infotable.Value, error) {
	return infotable.String(a.Logbook.Level()), nil
}

func (a *Adapter) setLogLevel(params *infotable.Table) (infotable.Value, error) {
	before := a.Logbook.Level()
	if err := a.Logbook.SetLevel(textOf(params, "level", "logLevel")); err != nil {
		return infotable.Value{}, err
	}
	if now := a.Logbook.Level(); now != before {
		a.Log.Warn("the log has another level, as somebody on the platform asked", "event", "log-level", "from", before, "to", now)
	}
	return infotable.Nothing(), nil
}

func (a *Adapter) configurationChanged(params *infotable.Table) (infotable.Value, error) {
	a.Changed(textOf(params, "hubThingName"))
	return infotable.Nothing(), nil
}

func (a *Adapter) clearCacheEntry(params *infotable.Table) (infotable.Value, error) {
	return infotable.Nothing(), a.Clear(textOf(params, "cacheName"), textOf(params, "cacheKey"), textOf(params, "context"))
}

func (a *Adapter) clearBound(ctx context.Context, op string) error {
	if err := a.Rebind(ctx); err != nil {
		return &fault.Problem{Op: op, Cause: err, Hint: "try again in a moment; a connection that ended binds by itself when it is back"}
	}
	return nil
}

// textOf returns the first text among parameters that is not empty.
func textOf(params *infotable.Table, names ...string) string {
	for _, name := range names {
		if text, _ := params.First(name).Text(); text != "" {
			return text
		}
	}
	return ""
}

func timeOf(params *infotable.Table, names ...string) time.Time {
	for _, name := range names {
		if ms, ok := params.First(name).Millis(); ok {
			return time.UnixMilli(ms)
		}
	}
	return time.Time{}
}

func sortedKeys(m map[string]string) []string { return slices.Sorted(maps.Keys(m)) }
