package alwayson

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
)

// wanted returns the names that should be bound, sorted.
func (c *Client) wanted() []string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return slices.Sorted(maps.Keys(c.names))
}

// Names returns the names that are bound after each connect, sorted; State tells which of them are refused.
func (c *Client) Names() []string { return c.wanted() }

// Bind adds names to those bound after each connect, and binds them now if connected. A name that the platform
// refuses stays on the list, and the error wraps the *Error and names it; the other names are bound.
func (c *Client) Bind(ctx context.Context, names ...string) error {
	c.binding.Lock()
	defer c.binding.Unlock()
	c.mu.Lock()
	for _, name := range names {
		c.names[name] = struct{}{}
	}
	c.mu.Unlock()
	conn := c.current.Load()
	if conn == nil {
		return nil
	}
	refused, err := c.bindAll(ctx, conn, names)
	if err != nil {
		return err
	}
	c.tellRefused(names, refused)
	var errs []error
	for _, name := range slices.Sorted(maps.Keys(refused)) {
		errs = append(errs, fmt.Errorf("bind %q: %w", name, refused[name]))
	}
	return errors.Join(errs...)
}

// tellRefused brings the state up to date after some names were tried.
func (c *Client) tellRefused(tried []string, refused map[string]error) {
	c.tell(func(s *State) {
		if s.Phase != PhaseConnected {
			return
		}
		all := make(map[string]error)
		maps.Copy(all, s.Refused)
		for _, name := range tried {
			delete(all, name)
		}
		maps.Copy(all, refused)
		s.Refused = all
	})
}

// Unbind takes names off the list, and unbinds them now if connected.
func (c *Client) Unbind(ctx context.Context, names ...string) error {
	c.binding.Lock()
	defer c.binding.Unlock()
	c.mu.Lock()
	for _, name := range names {
		delete(c.names, name)
	}
	c.mu.Unlock()
	conn := c.current.Load()
	if conn == nil {
		return nil
	}
	for group := range slices.Chunk(names, c.cfg.BindGroup) {
		err := conn.Unbind(ctx, Binding{Gateway: c.cfg.Gateway, Names: group})
		if err != nil {
			return err
		}
	}
	return nil
}

// Rebind binds once more what this connection has bound, for a platform that may have lost some of it. What the platform
// still has stays bound meanwhile, unless it refuses to bind the same again: then the names of that BIND are given back
// first, and nobody stands for them for a moment. What it refuses then is in State. A name that is refused already is
// left to Bind. The error is that of a connection that failed; without one there is nothing to do.
func (c *Client) Rebind(ctx context.Context) error {
	c.binding.Lock()
	defer c.binding.Unlock()
	conn := c.current.Load()
	if conn == nil {
		return nil
	}
	before := c.State().Refused
	names := slices.DeleteFunc(c.wanted(), func(name string) bool { return before[name] != nil })
	refused := map[string]error{}
	for group := range slices.Chunk(names, c.cfg.BindGroup) {
		err := c.bindOnce(ctx, conn, group)
		if errors.As(err, new(*Error)) {
			_ = conn.Unbind(ctx, Binding{Gateway: c.cfg.Gateway, Names: group}) // where this fails, so does what follows
			err = c.bindGroup(ctx, conn, group, &refused)
		}
		if err != nil {
			return err
		}
	}
	c.tellRefused(names, refused)
	return nil
}

// bindAll binds names in groups and returns those that were refused, by name. err is set when the connection failed.
func (c *Client) bindAll(ctx context.Context, conn *Conn, names []string) (refused map[string]error, err error) {
	for group := range slices.Chunk(names, c.cfg.BindGroup) {
		if err := c.bindGroup(ctx, conn, group, &refused); err != nil {
			return refused, err
		}
	}
	return refused, nil
}

// bindGroup binds names in one message. Since one bad name may make the platform refuse them all, a refused group is
// halved until the guilty names stand alone.
func (c *Client) bindGroup(ctx context.Context, conn *Conn, names []string, refused *map[string]error) error {
	err := c.bindOnce(ctx, conn, names)
	var refusal *Error
	switch {
	case !errors.As(err, &refusal):
		return err
	case len(names) == 1:
		if *refused == nil {
			*refused = make(map[string]error)
		}
		(*refused)[names[0]] = refusal
		return nil
	}
	half := len(names) / 2
	if err := c.bindGroup(ctx, conn, names[:half], refused); err != nil {
		return err
	}
	return c.bindGroup(ctx, conn, names[half:], refused)
}

// bindOnce sends one BIND.
func (c *Client) bindOnce(ctx context.Context, conn *Conn, names []string) error {
	limited, cancel := context.WithTimeout(ctx, c.cfg.BindTimeout)
	defer cancel()
	return conn.Bind(limited, Binding{Gateway: c.cfg.Gateway, Names: names})
}
