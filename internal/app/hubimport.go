package app

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"math"
	"sync/atomic"
	"time"

	"azx/alwayson/infotable"
	"azx/internal/devices"
	"azx/internal/fault"
	"azx/internal/iothub"
)

// eventImportStatus of the Thing of Connection Services tells how far an import is, and that it has ended.
const eventImportStatus = "AzureThingImportStatusEvent"

// importTold is how often an import that goes on is told of at most.
const importTold = 10 * time.Second

// importer runs imports that the platform asks for, one at a time. It keeps no place: an import that is cut off is told
// as failed, and done again it leaves what it has made.
type importer struct {
	thing  string // the hub Thing
	hub    *iothub.Client
	things devices.Things
	fire   func(ctx context.Context, thing, event string, data *infotable.Table) error
	log    *slog.Logger
	asked  chan *hubImport // holds one
	busy   atomic.Bool
}

// hubImport is one import.
type hubImport struct {
	id string
	devices.Import
	query *deviceQuery
}

func (k *carrier) newImporter(t *twoWay) *importer {
	return &importer{thing: k.thing, hub: t.service, things: deviceThings{k.setup}, fire: t.things.Fire, log: k.Log, asked: make(chan *hubImport, 1)}
}

// start checks what is wanted, and returns the id of the import that begins.
func (i *importer) start(_ context.Context, params *infotable.Table) (infotable.Value, error) {
	const op = "import devices"
	rules := devices.Rules{}
	if given := text(params, "rules"); given != "" {
		if err := json.Unmarshal([]byte(given), &rules); err != nil {
			return infotable.Nothing(), fault.Reject(op, `it looks like [{"edge":true,"template":"GatewayThing"},{"tag":"kind","value":"pump","template":"PumpThing"}]`, "rules: %w", err)
		}
	}
	if template := text(params, "thingTemplateName"); template != "" {
		rules = append(rules, devices.Rule{Template: template})
	}
	query := &deviceQuery{client: i.hub, text: "SELECT * FROM devices"}
	if where := text(params, "queryCondition"); where != "" {
		query.text += " WHERE " + where
	}
	h := &hubImport{id: newJobID(), query: query, Import: devices.Import{
		Hub: i.thing, Source: query, Things: i.things, Rules: rules,
	}}
	if err := h.declare(text(params, "declare")); err != nil {
		return infotable.Nothing(), err
	}
	h.Update, _ = params.First("update").Boolean()
	h.DryRun, _ = params.First("dryRun").Boolean()
	if !i.busy.CompareAndSwap(false, true) {
		return infotable.Nothing(), &fault.Problem{Op: op, Class: fault.Transient, Cause: errors.New("an import of this hub is under way"),
			Hint: "wait until " + eventImportStatus + " tells its end"}
	}
	i.asked <- h
	return infotable.String(h.id), nil
}

// run carries out what is asked for until ctx ends.
func (i *importer) run(ctx context.Context) error {
	for {
		select {
		case h := <-i.asked:
			i.carry(ctx, h)
		case <-ctx.Done():
			return nil
		}
	}
}

// carry runs an import and tells of it.
func (i *importer) carry(ctx context.Context, h *hubImport) {
	told := time.Now()
	h.Told = func(p devices.Progress) {
		if time.Since(told) >= importTold {
			told = time.Now()
			i.tell(ctx, h, "running", devices.Result{Counts: p.Counts}, fmt.Sprintf("%d devices so far", p.Done))
		}
	}
	result, err := h.Run(ctx)
	status, message := "completed", fmt.Sprintf("%d devices", result.Done())
	if err != nil {
		status, message = "failed", err.Error()
		if hint := fault.HintOf(err); hint != "" {
			message += "; " + hint
		}
	} else {
		if h.Sample != nil {
			message += fmt.Sprintf(", %d properties declared", result.Declared)
		}
		if h.DryRun {
			message += "; nothing was changed"
		}
	}
	i.busy.Store(false) // who hears of the end may ask for another one
	lasting, cancel := context.WithTimeout(context.WithoutCancel(ctx), askWithin)
	defer cancel()
	i.tell(lasting, h, status, result, message)
}

// tell fires the event. One that the platform does not take is in the log.
func (i *importer) tell(ctx context.Context, h *hubImport, status string, r devices.Result, message string) {
	reasons, _ := json.Marshal(r.Reasons) // of texts
	count := func(n int) infotable.Value { return infotable.Integer(int32(min(n, math.MaxInt32))) }
	row := infotable.OneRow(
		infotable.Cell{Name: "hubThingName", Value: infotable.String(h.Hub)}, infotable.Cell{Name: "importId", Value: infotable.String(h.id)},
		infotable.Cell{Name: "status", Value: infotable.String(status)}, infotable.Cell{Name: "created", Value: count(r.Created)},
		infotable.Cell{Name: "updated", Value: count(r.Updated)}, infotable.Cell{Name: "skipped", Value: count(r.Skipped)},
		infotable.Cell{Name: "failed", Value: count(r.Failed)}, infotable.Cell{Name: "message", Value: infotable.String(message)},
		infotable.Cell{Name: "reasons", Value: infotable.Text(infotable.TypeJSON, string(reasons))},
	)
	if err := i.fire(ctx, servicesHub, eventImportStatus, row); err != nil {
		i.log.Warn("how an import stands was not told", "event", "import-not-told", "hub", h.Hub, "import", h.id, "status", status,
			"result", message, "error", err)
	}
}
