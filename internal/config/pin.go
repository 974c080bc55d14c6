package config

import (
	"errors"
	"fmt"
	"reflect"
	"slices"

	"azx/internal/secret"
)

// Pinned returns the configuration with the credentials that may change while it is used as their files have them now: they
// stay so whatever becomes of the files, and Diff tells them from what the files have later. A credential that cannot be
// read is as before, and is named in the error.
func (c *Config) Pinned() (*Config, error) {
	with := *c
	with.Hubs = slices.Clone(c.Hubs)
	var failed error
	eachKey(reflect.ValueOf(&with).Elem(), "", func(path string, v reflect.Value) {
		s, ok := v.Interface().(secret.Source)
		if !ok || keyAt(keyPath(path)).when == restart {
			return
		}
		now, err := s.Pinned()
		if err != nil {
			failed = errors.Join(failed, fmt.Errorf("%s: %w", path, err))
			return
		}
		v.Set(reflect.ValueOf(now))
	})
	return &with, failed
}
