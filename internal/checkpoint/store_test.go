package checkpoint_test

import (
	"testing"

	"azx/internal/checkpoint"
	"azx/internal/checkpoint/blobtest"
	"azx/internal/checkpoint/storetest"
)

var plant = checkpoint.Identity{
	Hub:      "plant1.azure-devices.net",
	Endpoint: "ihsuprod.servicebus.windows.net",
	EventHub: "iothub-ehub-plant1-1",
	Group:    "azx",
}

func memory(*testing.T) checkpoint.Store { return checkpoint.NewMemory() }

func TestMemoryConforms(t *testing.T) {
	storetest.Run(t, storetest.Subject{
		Open:   memory,
		Again:  func(_ *testing.T, s checkpoint.Store) checkpoint.Store { return s },
		Shared: true, // in one process
	})
}

func TestFileConforms(t *testing.T) {
	dirs := map[checkpoint.Store]string{}
	open := func(t *testing.T, dir string) checkpoint.Store {
		f, err := checkpoint.OpenFile(dir, plant, "azx-1")
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = f.Close() })
		dirs[f] = dir
		return f
	}
	storetest.Run(t, storetest.Subject{
		Open: func(t *testing.T) checkpoint.Store { return open(t, t.TempDir()) },
		Again: func(t *testing.T, s checkpoint.Store) checkpoint.Store {
			if err := s.Close(); err != nil {
				t.Fatal(err)
			}
			return open(t, dirs[s])
		},
	})
}

func TestBlobConforms(t *testing.T) {
	of := map[checkpoint.Store]*blobtest.Service{}
	open := func(t *testing.T, service *blobtest.Service) checkpoint.Store {
		s := openBlob(t, service)
		of[s] = service
		return s
	}
	storetest.Run(t, storetest.Subject{
		Open:   func(t *testing.T) checkpoint.Store { return open(t, blobtest.Start(t)) },
		Again:  func(t *testing.T, s checkpoint.Store) checkpoint.Store { return open(t, of[s]) },
		Shared: true,
	})
}

// held is a lease of every partition.
type held struct{}

func (held) Held(string) error { return nil }

func TestStoresWithDecoratorsConform(t *testing.T) {
	for name, decorate := range map[string]func(checkpoint.Store) checkpoint.Store{
		"retry": func(s checkpoint.Store) checkpoint.Store { return checkpoint.Retry{Store: s} },
		"fence": func(s checkpoint.Store) checkpoint.Store { return checkpoint.Fence{Store: s, Lease: held{}} },
		"both": func(s checkpoint.Store) checkpoint.Store {
			return checkpoint.Fence{Store: checkpoint.Retry{Store: s}, Lease: held{}}
		},
	} {
		t.Run(name, func(t *testing.T) {
			storetest.Run(t, storetest.Subject{Open: func(t *testing.T) checkpoint.Store { return decorate(memory(t)) }})
		})
	}
}
