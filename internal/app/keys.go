package app

import (
	"sync/atomic"

	"azx/internal/access"
	"azx/internal/config"
)

// keys has the settings of the hub as they are now, and with them its connection strings: whatever signs a token asks
// here, so that a key may change, in a file or on the hub Thing, while everything goes on.
type keys struct{ now atomic.Pointer[config.Hub] }

func newKeys(h *config.Hub) *keys {
	k := &keys{}
	k.now.Store(h)
	return k
}

// service returns the hub's policy and key; false if no connection string has them. The host may be known without.
func (k *keys) service() (s access.Service, known bool, err error) {
	now := k.now.Load()
	source := now.ConnectionString
	if !source.IsSet() {
		return access.Service{Host: now.HostName}, false, nil
	}
	text, err := source.Value()
	if err == nil {
		s, err = access.ParseService(text)
	}
	return s, true, err
}

// serviceNow is service for those who know that there is one.
func (k *keys) serviceNow() (access.Service, error) {
	s, _, err := k.service()
	return s, err
}

// named returns the event endpoint that the settings name; false if they leave it to the hub.
func (k *keys) named() (e access.Endpoint, ok bool, err error) {
	source := k.now.Load().EventHubsConnectionString
	if !source.IsSet() {
		return e, false, nil
	}
	text, err := source.Value()
	if err == nil {
		e, err = access.ParseEndpoint(text)
	}
	return e, true, err
}

// endpoint returns an event endpoint with the policy and key for it.
func (k *keys) endpoint(of access.Endpoint) (access.Endpoint, error) {
	named, ok, err := k.named()
	if ok || err != nil {
		named.Address = of.Address
		return named, err
	}
	s, err := k.serviceNow()
	of.Policy, of.Key = s.Policy, s.Key
	return of, err
}
