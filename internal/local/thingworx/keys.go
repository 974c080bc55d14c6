package thingworx

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"fmt"
	"sync"
	"time"

	"azx/alwayson/infotable"
	"azx/extension/entity"
	"azx/internal/local/thingworx/security"
)

// keyring knows application keys by their digests.
type keyring struct {
	mu   sync.RWMutex
	keys map[[sha256.Size]byte]*appKey
	told map[string]string // keys that were made here and nobody asked for yet, by name
}

// appKey is an application key. Its JSON is how it is kept.
type appKey struct {
	Name        string            `json:"name"`
	Description string            `json:"description,omitempty"`
	User        string            `json:"user"`
	Digest      [sha256.Size]byte `json:"digest"`
	Expires     int64             `json:"expires,omitempty"` // milliseconds since 1970-01-01 UTC, 0 for never
}

func (k *keyring) put(key *appKey) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.keys == nil {
		k.keys = map[[sha256.Size]byte]*appKey{}
	}
	k.keys[key.Digest] = key
}

// named returns a key that was made here; the caller holds no mutex.
func (k *keyring) named(name string) *appKey {
	k.mu.RLock()
	defer k.mu.RUnlock()
	for _, key := range k.keys {
		if name != "" && key.Name == name {
			return key
		}
	}
	return nil
}

func (k *keyring) user(name string) string {
	if key := k.named(name); key != nil {
		return key.User
	}
	return ""
}

func (k *keyring) expires(name string) int64 {
	if key := k.named(name); key != nil {
		return key.Expires
	}
	return 0
}

// tell gives a key away, once.
func (k *keyring) tell(name string) (string, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	key, ok := k.told[name]
	if !ok {
		return "", Refuse(NotFound, "only a digest of application key %s is kept: GetKeyID tells it once, to who asks first after it was made", name)
	}
	delete(k.told, name)
	return key, nil
}

func (k *keyring) remove(name string) {
	k.mu.Lock()
	defer k.mu.Unlock()
	for digest, key := range k.keys {
		if key.Name == name {
			delete(k.keys, digest)
		}
	}
	delete(k.told, name)
}

// AddKey makes key an application key of user for as long as the platform runs. Only a digest is kept.
func (p *Platform) AddKey(key, user string) {
	p.keys.put(&appKey{User: user, Digest: sha256.Sum256([]byte(key))})
}

// User returns whose application key this is; the error says that it is missing or not good, never the key.
func (p *Platform) User(key string) (string, error) {
	if key == "" {
		return "", Refuse(Denied, "no application key: send it in the header appKey")
	}
	p.keys.mu.RLock()
	found := p.keys.keys[sha256.Sum256([]byte(key))]
	p.keys.mu.RUnlock()
	if found == nil {
		return "", Refuse(Denied, "unknown application key: the right one is in platform.json of the platform's folder")
	}
	if found.Expires > 0 && p.now().UnixMilli() >= found.Expires {
		return "", Refuse(Denied, "application key %s expired at %s", found.Name, time.UnixMilli(found.Expires).UTC().Format(time.RFC3339))
	}
	if has, enabled := p.model.Load().book.Has(found.User); !has || !enabled {
		return "", Refuse(Denied, "user %s of the application key is not there or disabled", found.User)
	}
	return found.User, nil
}

// CreateKey makes an application key of a user and returns it. The name must be free.
func (p *Platform) CreateKey(name, user string) (string, error) {
	return p.createKey(&appKey{Name: name, User: user})
}

func (p *Platform) createKey(k *appKey) (string, error) {
	if p.model.Load().entry(EntityUser, k.User) == nil {
		return "", p.model.Load().noEntry(EntityUser, k.User)
	}
	key := newKey()
	k.Digest = sha256.Sum256([]byte(key))
	err := p.change(false, func(m *model) error { return m.addEntry(k.entry()) })
	if err != nil {
		return "", err
	}
	p.keys.put(k)
	p.unsaved.note(bucketKeys, k.Name)
	return key, nil
}

func (k *appKey) entry() *entry {
	return &entry{kind: EntityApplicationKey, about: entity.Common{Name: k.Name, Description: k.Description}}
}

// newKey returns a random key that looks like the platform's: a UUID (captured: 36 characters).
func newKey() string {
	var b [16]byte
	_, _ = rand.Read(b[:]) // never fails
	b[6], b[8] = b[6]&0x0f|0x40, b[8]&0x3f|0x80
	return fmt.Sprintf("%x-%x-%x-%x-%x", b[:4], b[4:6], b[6:8], b[8:10], b[10:])
}

func createApplicationKey(p *Platform, c *call) (infotable.Value, error) {
	if err := p.mayDesign(c.ctx, security.Create, EntityApplicationKey, ""); err != nil {
		return nothing(), err
	}
	expires, _ := c.value("expirationDate").Millis()
	k := &appKey{Name: c.text("name"), Description: c.text("description"), User: c.text("user"), Expires: expires}
	key, err := p.createKey(k)
	if err != nil {
		return nothing(), err
	}
	p.keys.mu.Lock()
	defer p.keys.mu.Unlock()
	if p.keys.told == nil {
		p.keys.told = map[string]string{}
	}
	p.keys.told[k.Name] = key
	return nothing(), nil
}

func deleteApplicationKey(p *Platform, c *call) (infotable.Value, error) {
	return nothing(), p.deleteKey(c.ctx, c.text("name"))
}

func (p *Platform) deleteKey(ctx context.Context, name string) error {
	if err := p.mayDesign(ctx, security.Delete, EntityApplicationKey, name); err != nil {
		return err
	}
	err := p.change(false, func(m *model) error {
		if m.entry(EntityApplicationKey, name) == nil {
			return m.noEntry(EntityApplicationKey, name)
		}
		m.remove(EntityApplicationKey, name)
		return nil
	})
	if err == nil {
		p.keys.remove(name)
		p.unsaved.note(bucketKeys, name)
	}
	return err
}
