package secret

import (
	"errors"
	"fmt"
	"strings"
	"sync"
)

// InVault names a secret of a vault: ${keyvault:VAULT/NAME}.
type InVault struct{ Vault, Name string }

// String is the name for people: "VAULT/NAME".
func (r InVault) String() string { return r.Vault + "/" + r.Name }

// Vaults has the secrets of vaults that Sources refer to. Vaults are asked over the network, so somebody else reads them
// and puts them here; a Source gives what is there. Its methods may be called from any goroutine.
type Vaults struct {
	mu    sync.Mutex
	order []InVault
	known map[InVault]Secret
}

// References lists what Sources refer to, each once, in the order in which they were parsed.
func (v *Vaults) References() []InVault {
	v.mu.Lock()
	defer v.mu.Unlock()
	return append([]InVault(nil), v.order...)
}

// Put makes text what a reference stands for, and reports whether that is new.
func (v *Vaults) Put(r InVault, text Secret) (changed bool) {
	v.mu.Lock()
	defer v.mu.Unlock()
	old, had := v.known[r]
	v.known[r] = text
	return !had || old.Reveal() != text.Reveal()
}

// refer notes a reference. Vault and Name have only what Azure allows in them, so that they are no path elsewhere.
func (v *Vaults) refer(text string) (InVault, error) {
	vault, name, _ := strings.Cut(text, "/")
	r := InVault{vault, name}
	switch {
	case v == nil:
		return r, errors.New("${keyvault:...} works in the connector's file only")
	case !only(vault, "-.") || !only(name, "-"):
		return r, errors.New("the form is ${keyvault:VAULT/NAME}: the vault's name, or its host name, and the secret's")
	}
	v.mu.Lock()
	defer v.mu.Unlock()
	for _, old := range v.order {
		if old == r {
			return r, nil
		}
	}
	if v.known == nil {
		v.known = map[InVault]Secret{}
	}
	v.order = append(v.order, r)
	return r, nil
}

func (v *Vaults) value(r InVault) (string, error) {
	v.mu.Lock()
	defer v.mu.Unlock()
	text, ok := v.known[r]
	if !ok {
		return "", fmt.Errorf("the secret %s of the vault %s has not been read yet", r.Name, r.Vault)
	}
	return text.Reveal(), nil
}

// only reports whether text has letters, digits and the other characters alone, and a few of them.
func only(text, others string) bool {
	return text != "" && len(text) <= 127 && strings.IndexFunc(text, func(r rune) bool {
		return !(r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || strings.ContainsRune(others, r))
	}) < 0
}
