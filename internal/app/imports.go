package app

import (
	"context"
	"encoding/json"
	"errors"
	"iter"
	"log/slog"
	"path/filepath"
	"sync/atomic"
	"time"

	"azx/alwayson/infotable"
	"azx/internal/config"
	"azx/internal/devices"
	"azx/internal/fault"
	"azx/internal/iothub"
	"azx/internal/message"
	"azx/internal/platform"
	"azx/internal/secret"
	"azx/internal/supervise"
)

// importPage is how many devices a page of an import has: the most there can be, as a hub allows few queries.
const importPage = 1000

// What callers of Import hear.
type (
	// ImportOutcome is what became of a device.
	ImportOutcome = devices.Outcome
	// ImportProgress is how far an import is.
	ImportProgress = devices.Progress
	// ImportResult is what became of all.
	ImportResult = devices.Result
	// ImportRule gives a template to devices.
	ImportRule = devices.Rule
)

// ParseImportRules reads rules as people write them.
func ParseImportRules(texts []string) ([]ImportRule, error) { return devices.ParseRules(texts) }

// ImportOptions say which devices become Things, and how.
type ImportOptions struct {
	Config   *config.Config
	Hub      string // a hub Thing of the file; "" for the only one
	Where    string // a condition of the hub's query language; "" for all devices
	Rules    []ImportRule
	Update   bool
	Declare  []string // samples for remote properties that Things get: DeclareTwin, DeclareMessages; none: nothing is declared
	Group    string   // for DeclareMessages: the consumer group to look through; "": "$Default"
	DryRun   bool
	Registry string                                   // a file with a connection string that may read the registry; "": the hub's
	State    string                                   // file that keeps how far it is; "" for none
	Export   string                                   // a file with the URI of a container that the hub exports its devices to; "": they are queried
	Exported func(percent int)                        // hears how far such an export is
	Expected func(devices int, atLeast time.Duration) // hears at the start, if it is known; 0 devices: not how many
	Each     func(ImportOutcome)
	Told     func(ImportProgress)
}

// Import makes Things of a hub's devices. It may run beside a connector.
func Import(ctx context.Context, o ImportOptions) (result ImportResult, err error) {
	h, err := newConnector(Options{Config: o.Config, Log: slog.New(slog.DiscardHandler)}).oneHub(o.Hub)
	if err != nil {
		return result, err
	}
	group := supervise.New(ctx)
	defer func() {
		group.Stop()
		err = errors.Join(err, group.Wait())
	}()
	c, err := h.look(group, true)
	if err != nil {
		return result, err
	}
	client, err := c.openRegistry(o.Registry)
	if err != nil {
		return result, err
	}
	defer client.Close()
	i := devices.Import{Hub: c.thing, Things: deviceThings{c.setup}, Rules: o.Rules, Update: o.Update, DryRun: o.DryRun, Each: o.Each, Told: o.Told}
	source := c.queried
	if o.Export != "" {
		source = c.exported
	}
	done, err := source(group.Context(), &i, client, o)
	if err != nil {
		return result, err
	}
	defer done()
	if i.Sample, err = c.samples(group.Context(), o); err != nil {
		return result, err
	}
	if o.State != "" {
		i.State = devices.File(o.State)
	}
	return i.Run(group.Context())
}

// queried has an import take what a query finds.
func (c *carrier) queried(ctx context.Context, i *devices.Import, client *iothub.Client, o ImportOptions) (done func(), err error) {
	from := &deviceQuery{client: client, text: "SELECT * FROM devices"}
	if o.Where != "" {
		from.text += " WHERE " + o.Where
	} else if from.total, err = countDevices(ctx, client); err != nil {
		return nil, err
	}
	if o.Expected != nil {
		quota := iothub.Quota{Tier: iothub.Tier(c.hub.Tier), Units: c.hub.Units}
		o.Expected(from.total, quota.Takes(iothub.KindQuery, (from.total+importPage-1)/importPage))
	}
	i.Source, i.About = from, c.thing+": "+from.text
	return func() {}, nil
}

// exported has an import take what the hub exports: no quota of queries counts, and no query chooses.
func (c *carrier) exported(ctx context.Context, i *devices.Import, client *iothub.Client, o ImportOptions) (done func(), err error) {
	if o.Where != "" {
		return nil, fault.Reject("export the hub's devices", "query them instead, or choose templates by rules", "an export has all devices: a condition cannot choose among them")
	}
	from, err := c.openExport(client, o.Export, o.Exported)
	if err != nil {
		return nil, err
	}
	about, err := from.about()
	if err != nil {
		return nil, err
	}
	if from.total, err = countDevices(ctx, client); err != nil {
		return nil, err
	}
	if o.Expected != nil {
		o.Expected(from.total, 0)
	}
	i.Source, i.About = from, c.thing+": "+about
	return from.into.Close, nil
}

// countDevices asks how many devices there are.
func countDevices(ctx context.Context, client *iothub.Client) (int, error) {
	s, err := client.Statistics(ctx)
	return int(s.Devices), err
}

// openRegistry opens the hub to read its registry: a connector needs no right to do that, so that its policy may lack it.
func (c *carrier) openRegistry(file string) (*iothub.Client, error) {
	s := service{Hub: c.hub, Network: c.network, Current: c.keys.serviceNow, Log: c.Log}
	if file != "" {
		path, err := filepath.Abs(file)
		if err != nil {
			return nil, err
		}
		own := *c.hub
		if own.ConnectionString, err = secret.Parse("${file:"+path+"}", ""); err != nil {
			return nil, err
		}
		s.Hub, s.Current = &own, nil
	}
	client, err := openService(s)
	if err == nil && client == nil {
		err = &fault.Problem{Op: "open hub " + c.thing, Class: fault.Fatal, Cause: errors.New("it has no connection string"),
			Hint: "give one that may read the registry: --registry-connection-string-file"}
	}
	return client, err
}

// deviceQuery is a query of a hub as devices.Source; the place is a continuation.
type deviceQuery struct {
	client *iothub.Client
	text   string
	total  int
}

// Total is devices.Source's.
func (q *deviceQuery) Total() int { return q.total }

// Pages is devices.Source's. The page behind is asked for while one is worked on.
func (q *deviceQuery) Pages(ctx context.Context, from string) iter.Seq2[devices.Page, error] {
	return func(yield func(devices.Page, error) bool) {
		group := supervise.New(ctx)
		read := make(chan queried)
		group.Go("query devices", func(ctx context.Context) error {
			defer close(read)
			q.read(ctx, from, read)
			return nil
		})
		defer func() {
			group.Stop()
			_ = group.Wait() // it has no error
		}()
		for next := range read {
			if !yield(next.page, next.err) {
				return
			}
		}
	}
}

// queried is a page of a query, or why there is none.
type queried struct {
	page devices.Page
	err  error
}

func (q *deviceQuery) read(ctx context.Context, from string, to chan<- queried) {
	for more := true; more; {
		var next queried
		rows, err := q.client.Page(ctx, iothub.Query{Text: q.text, PageSize: importPage, Continuation: from})
		next.err = err
		next.page.Next, next.page.Devices = rows.Continuation, make([]devices.Device, 0, len(rows.Items))
		for _, row := range rows.Items {
			next.page.Devices = append(next.page.Devices, deviceOfRow(row))
		}
		from, more = rows.Continuation, err == nil && rows.Continuation != ""
		select {
		case to <- next:
		case <-ctx.Done():
			return
		}
	}
}

func deviceOfRow(row json.RawMessage) devices.Device {
	var twin iothub.Twin
	if err := json.Unmarshal(row, &twin); err != nil {
		return devices.Device{Bad: fault.Reject("read a twin", "", "%w", err)}
	}
	return deviceOf(twin)
}

func deviceOf(twin iothub.Twin) devices.Device {
	return devices.Device{ID: twin.DeviceID, Edge: twin.Capabilities != nil && twin.Capabilities.IoTEdge,
		Tags: twin.Tags, Desired: twin.Properties.Desired, Report: twin.Properties.Reported}
}

// deviceThings is the platform as devices.Things.
type deviceThings struct{ setup *platform.Setup }

// findersAtOnce is how many Things are looked for at once.
const findersAtOnce = 16

// Find is devices.Things'.
func (d deviceThings) Find(ctx context.Context, names []string) (map[string]devices.Found, error) {
	all := make([]*devices.Found, len(names))
	var next atomic.Int64
	group := supervise.New(ctx)
	for range min(findersAtOnce, len(names)) {
		group.Go("look for Things", func(ctx context.Context) error {
			for n := int(next.Add(1)) - 1; n < len(names); n = int(next.Add(1)) - 1 {
				gateway, there, err := d.setup.Gateway(ctx, names[n])
				if err != nil {
					return err
				}
				if there {
					all[n] = &devices.Found{Name: names[n], Hub: gateway}
				}
			}
			return nil
		})
	}
	if err := group.Wait(); err != nil {
		return nil, err
	}
	found := map[string]devices.Found{}
	for n, f := range all {
		if f != nil {
			found[names[n]] = *f
		}
	}
	return found, ctx.Err()
}

// Create is devices.Things'.
func (d deviceThings) Create(ctx context.Context, t devices.Thing) error {
	if err := d.setup.MakeThing(ctx, t.Name, t.Template, t.Hub); err != nil {
		return err
	}
	return d.fill(ctx, t)
}

// Update is devices.Things'.
func (d deviceThings) Update(ctx context.Context, t devices.Thing) error {
	if err := d.setup.SetGateway(ctx, t.Name, t.Hub); err != nil {
		return err
	}
	return d.fill(ctx, t)
}

// fill writes a twin and tags as the device would.
func (d deviceThings) fill(ctx context.Context, t devices.Thing) error {
	now := time.Now().UnixMilli()
	var writes []message.Write
	for _, part := range []struct {
		property string
		value    json.RawMessage
	}{{"twinTags", t.Device.Tags}, {"twinDesired", t.Device.Desired}, {"twinReported", t.Device.Report}} {
		if len(part.value) > 0 {
			writes = append(writes, message.Write{Property: part.property, Value: infotable.Text(infotable.TypeJSON, string(part.value)), Time: now})
		}
	}
	if len(writes) == 0 {
		return nil
	}
	return d.setup.Report(ctx, t.Name, writes)
}
