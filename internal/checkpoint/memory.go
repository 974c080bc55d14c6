package checkpoint

import (
	"context"
	"sync"

	"azx/internal/delivery"
)

// Memory is a Store that forgets everything with the process: for demonstrations and tests.
type Memory struct {
	owners

	mu        sync.Mutex
	at        map[string]delivery.Checkpoint
	snapshots map[string][]byte
	closed    bool
}

// NewMemory returns an empty Memory.
func NewMemory() *Memory {
	return &Memory{at: map[string]delivery.Checkpoint{}, snapshots: map[string][]byte{}}
}

// Load is Store's.
func (m *Memory) Load(ctx context.Context, partition string) (delivery.Checkpoint, bool, error) {
	if err := ctx.Err(); err != nil {
		return delivery.Checkpoint{}, false, err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	at, ok := m.at[partition]
	return at, ok, nil
}

// Save is Store's.
func (m *Memory) Save(ctx context.Context, partition string, at delivery.Checkpoint) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.closed {
		return ErrClosed
	}
	if err := check("save", partition, at); err != nil {
		return err
	}
	if old, ok := m.at[partition]; ok && at.Sequence < old.Sequence {
		return behind(partition, old, at)
	}
	m.at[partition] = at
	return nil
}

// Replace is Store's.
func (m *Memory) Replace(ctx context.Context, partition string, at delivery.Checkpoint) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.closed {
		return ErrClosed
	}
	if err := check("replace", partition, at); err != nil {
		return err
	}
	m.at[partition] = at
	return nil
}

// Close is Store's.
func (m *Memory) Close() error {
	m.owners.close()
	m.mu.Lock()
	defer m.mu.Unlock()
	m.closed = true
	return nil
}
