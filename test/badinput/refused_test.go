package badinput

import (
	"context"
	"errors"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"azx/internal/app"
	"azx/internal/config"
	"azx/internal/fault"
	"azx/internal/secret"
)

// What a person has to put right on this machine ends the start at once.
func TestAStartThatCannotGoWellEndsWithTheCauseAndWhatToDo(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.run(s.config(t)).untilReady(t) // it holds its folders and its admin port
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	busy, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer busy.Close()
	for name, c := range map[string]struct {
		change func(cfg *config.Config)
		says   string
		hint   string
	}{
		"a hub without a connection string": {func(cfg *config.Config) { cfg.Hubs[0].ConnectionString = secret.Source{} },
			"it has no connection string", "hubs[0].connectionString"},
		"an admin port that is taken": {func(cfg *config.Config) { cfg.Admin.Listen = busy.Addr().String() },
			"address already in use", "admin.listen"},
		"a quarantine that is a file": {func(cfg *config.Config) { cfg.Quarantine.Dir = file },
			file, ""},
		"checkpoints that are a file": {func(cfg *config.Config) { cfg.Checkpoint.File = file },
			file, ""},
		"a quarantine that another connector has": {func(cfg *config.Config) { cfg.Quarantine.Dir = filepath.Join(s.dir, "azx-data", "quarantine") },
			"in use by azx", "its own folder"},
		"checkpoints that another connector has": {func(cfg *config.Config) { cfg.Checkpoint.File = filepath.Join(s.dir, "azx-data", "checkpoints") },
			"azx-1", ""},
	} {
		t.Run(name, func(t *testing.T) {
			log := newBook(t)
			cfg := s.configIn(t, t.TempDir())
			c.change(cfg)
			ctx, cancel := context.WithTimeout(context.Background(), patience)
			defer cancel()
			err := app.Run(ctx, app.Options{Config: cfg, Log: log.Logger})
			if err == nil || ctx.Err() != nil {
				t.Fatalf("it ended with %v, %v", err, ctx.Err())
			}
			if !strings.Contains(err.Error(), c.says) || fault.HintOf(err) == "" || !strings.Contains(fault.HintOf(err), c.hint) {
				t.Errorf("it says %q, hint %q", err, fault.HintOf(err))
			}
			if fault.ClassOf(err) != fault.Fatal || errors.As(err, new(*app.HubError)) {
				t.Errorf("the error is %v: the exit code would not be that of the configuration", fault.ClassOf(err))
			}
		})
	}
}
