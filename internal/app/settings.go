package app

import (
	"context"
	"slices"

	"azx/internal/config"
)

// settle finds out what the settings of the hub are, and says in one line each what is used and from where. With this
// project's packages on the platform it asks the hub Thing, and waits for the platform until ctx ends.
func (h *hubSide) settle(ctx context.Context) (*carrier, error) {
	k := &carrier{hubSide: h, hub: h.file.Load()}
	found := config.FromThing{Hub: k.hub}
	if h.azx() {
		read := func(ctx context.Context) (err error) {
			found, k.rows, err = h.readSettings(ctx, k.hub)
			return err
		}
		if err := h.patiently(ctx, read, h.state.setStart); err != nil {
			return nil, err
		}
	}
	k.hub = found.Hub
	h.keys.now.Store(found.Hub)
	h.sayAll(found)
	return k, nil
}

// readSettings adds what the hub Thing has to the file's settings.
func (h *hubSide) readSettings(ctx context.Context, file *config.Hub) (found config.FromThing, rows []config.Setting, err error) {
	if rows, err = h.askSettings(ctx); err != nil {
		return found, nil, err
	}
	if found, err = file.WithThing(rows); err != nil {
		return found, nil, err
	}
	if err = h.checkStorage(ctx, found); err != nil {
		return found, nil, err
	}
	return found, rows, checkHub(found.Hub, h.connectionHint(file))
}

// connectionHint says where a connection string may be set.
func (h *hubSide) connectionHint(file *config.Hub) string {
	return "set connectionString on the hub Thing " + h.thing + " in Composer, or " + file.Path("connectionString") + " in the file"
}

// askSettings asks the hub Thing.
func (h *hubSide) askSettings(ctx context.Context) ([]config.Setting, error) {
	rows, err := h.setup.Configuration(ctx, h.thing)
	if err != nil {
		return nil, err
	}
	settings := make([]config.Setting, len(rows))
	for i, r := range rows {
		settings[i] = config.Setting(r)
	}
	return settings, nil
}

// checkStorage looks for the storage Things that the hub Thing names.
func (h *hubSide) checkStorage(ctx context.Context, found config.FromThing) error {
	for _, s := range []struct{ setting, thing, instead string }{
		{config.KeyCheckpointThing, found.CheckpointThing, "checkpoints stay in " + placeOfCheckpoints(h.Config)},
		{config.KeyFileThing, found.FileThing, "no files are served"},
	} {
		if s.thing == "" {
			continue
		}
		if err := h.setup.Storage(ctx, s.setting, s.thing); err != nil {
			return err
		}
		h.Log.Warn("a storage Thing is not used in this version: "+s.instead, "event", "storage-unused", "setting", s.setting, "thing", s.thing,
			"from", config.OriginThing)
	}
	return nil
}

// use is a setting that is used, for people: value is never a credential.
type use struct {
	setting, value string
	from           config.Origin
}

// sayAll says what is used and from where, one line each; once, until something is different.
func (h *hubSide) sayAll(found config.FromThing) {
	var uses []use
	of := found.Hub
	if s, known, err := h.keys.service(); known && err == nil {
		uses = append(uses, use{"connectionString", s.Host + ", policy " + s.Policy, of.Origin("connectionString")})
	}
	if e, named, err := h.keys.named(); named && err == nil {
		uses = append(uses, use{"eventHubsConnectionString", e.EventHub + " at " + e.Host + ", policy " + e.Policy, of.Origin("eventHubsConnectionString")})
	}
	uses = append(uses, use{"consumerGroup", of.ConsumerGroup, of.Origin("consumerGroup")},
		use{settingOfCheckpoints(h.Config), placeOfCheckpoints(h.Config), config.OriginFile})
	for _, key := range config.HubKeys() {
		switch key {
		case "connectionString", "eventHubsConnectionString", "consumerGroup":
		default:
			if of.Origin(key) == config.OriginThing {
				uses = append(uses, use{key, of.Text(key), config.OriginThing})
			}
		}
	}
	if slices.Equal(uses, h.uses) {
		return
	}
	h.uses = uses
	for _, w := range found.Warnings {
		h.Log.Warn(w.String(), "event", "config-warning")
	}
	for _, u := range uses {
		h.say(u)
	}
}

// say names a setting that is used.
func (h *hubSide) say(u use) {
	h.Log.Info("uses "+u.setting, "event", "uses", "hub", h.thing, "setting", u.setting, "value", u.value, "from", u.from)
}
