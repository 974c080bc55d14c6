package app

import (
	"context"
	"strings"
	"time"

	"azx/alwayson/infotable"
	"azx/internal/fault"
)

// serviceTestConnection of a hub Thing tells whether the connector may do at the hub what it has to. It changes nothing.
const serviceTestConnection = "TestConnection"

// testWithin is less than the platform waits for an answer.
const testWithin = 25 * time.Second

// testConnection answers with rows of name, status ("ok", "failed" or "skipped") and message.
func (k *carrier) testConnection(ctx context.Context) (infotable.Value, error) {
	ctx, cancel := context.WithTimeout(ctx, testWithin)
	defer cancel()
	t := infotable.New(infotable.Column("name", infotable.TypeString), infotable.Column("status", infotable.TypeString),
		infotable.Column("message", infotable.TypeString))
	row := func(name, status, text string) {
		t.Add(infotable.String(name), infotable.String(status), infotable.String(strings.ReplaceAll(text, "\n", " ")))
	}
	try := func(name, good string, try func(context.Context) error) {
		err := try(ctx)
		switch {
		case err == nil:
			row(name, "ok", good)
		case fault.HintOf(err) != "":
			row(name, "failed", err.Error()+" ("+fault.HintOf(err)+")")
		default:
			row(name, "failed", err.Error())
		}
	}
	if k.twoWay == nil {
		row("registry read", "skipped", "there is no connectionString: telemetry only")
		row("service connect", "skipped", "there is no connectionString: telemetry only")
	} else {
		try("registry read", "the registry can be read", k.twoWay.service.CheckRegistry)
		try("service connect", "twins can be read", k.twoWay.service.CheckService)
	}
	try("event endpoint", "the partitions can be read", func(ctx context.Context) error {
		e, err := openEvents(ctx, k.hub, k.keys, k.network, leastPrefetch)
		if err == nil {
			e.close()
		}
		return err
	})
	return infotable.FromTable(t), nil
}
